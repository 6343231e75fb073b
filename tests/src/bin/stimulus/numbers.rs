//! Numbers of the calls that are told by their arguments, in both ABIs.
//!
//! Written down once more and not taken from the crate under test. `arch/x86/entry/syscalls/syscall_64.tbl` and
//! `syscall_32.tbl`.

/// Name, native number (0: none), i386 numbers.
type Row = (&'static str, i64, &'static [u32]);

const ROWS: &[Row] = &[
    ("unlink", libc::SYS_unlink, &[10]),
    ("unlinkat", libc::SYS_unlinkat, &[301]),
    ("rmdir", libc::SYS_rmdir, &[40]),
    ("rename", libc::SYS_rename, &[38]),
    ("renameat", libc::SYS_renameat, &[302]),
    ("renameat2", libc::SYS_renameat2, &[353]),
    ("link", libc::SYS_link, &[9]),
    ("linkat", libc::SYS_linkat, &[303]),
    ("symlink", libc::SYS_symlink, &[83]),
    ("symlinkat", libc::SYS_symlinkat, &[304]),
    ("mkdir", libc::SYS_mkdir, &[39]),
    ("mkdirat", libc::SYS_mkdirat, &[296]),
    ("mknod", libc::SYS_mknod, &[14]),
    ("mknodat", libc::SYS_mknodat, &[297]),
    ("truncate", libc::SYS_truncate, &[92]),
    ("ftruncate", libc::SYS_ftruncate, &[93]),
    ("truncate64", 0, &[193]),
    ("ftruncate64", 0, &[194]),
    ("fallocate", libc::SYS_fallocate, &[324]),
    ("chmod", libc::SYS_chmod, &[15]),
    ("fchmod", libc::SYS_fchmod, &[94]),
    ("fchmodat", libc::SYS_fchmodat, &[306]),
    ("fchmodat2", 452, &[452]),
    ("chown", libc::SYS_chown, &[212, 182]),
    ("fchown", libc::SYS_fchown, &[207, 95]),
    ("lchown", libc::SYS_lchown, &[198, 16]),
    ("fchownat", libc::SYS_fchownat, &[298]),
    ("setxattr", libc::SYS_setxattr, &[226]),
    ("lsetxattr", libc::SYS_lsetxattr, &[227]),
    ("fsetxattr", libc::SYS_fsetxattr, &[228]),
    ("setxattrat", 463, &[463]),
    ("removexattr", libc::SYS_removexattr, &[235]),
    ("lremovexattr", libc::SYS_lremovexattr, &[236]),
    ("fremovexattr", libc::SYS_fremovexattr, &[237]),
    ("removexattrat", 466, &[466]),
    ("ioctl", libc::SYS_ioctl, &[54]),
    ("file_setattr", 469, &[469]),
    ("mount", libc::SYS_mount, &[21]),
    ("move_mount", libc::SYS_move_mount, &[429]),
    ("umount2", libc::SYS_umount2, &[52]),
    ("umount", 0, &[22]),
    ("mount_setattr", libc::SYS_mount_setattr, &[442]),
    ("pivot_root", libc::SYS_pivot_root, &[217]),
    ("chroot", libc::SYS_chroot, &[61]),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, &[342]),
    ("mmap", libc::SYS_mmap, &[192, 90]),
    ("ptrace", libc::SYS_ptrace, &[26]),
    ("process_vm_readv", libc::SYS_process_vm_readv, &[347]),
    ("process_vm_writev", libc::SYS_process_vm_writev, &[348]),
    ("pidfd_open", libc::SYS_pidfd_open, &[434]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, &[438]),
    ("prlimit64", libc::SYS_prlimit64, &[340]),
    ("sched_setscheduler", libc::SYS_sched_setscheduler, &[156]),
    ("sched_setattr", libc::SYS_sched_setattr, &[351]),
    ("sched_setaffinity", libc::SYS_sched_setaffinity, &[241]),
    ("setpriority", libc::SYS_setpriority, &[97]),
    ("ioprio_set", libc::SYS_ioprio_set, &[289]),
    ("unshare", libc::SYS_unshare, &[310]),
    ("setns", libc::SYS_setns, &[346]),
    ("init_module", libc::SYS_init_module, &[128]),
    ("finit_module", libc::SYS_finit_module, &[350]),
    ("delete_module", libc::SYS_delete_module, &[129]),
    ("kexec_load", libc::SYS_kexec_load, &[283]),
    ("kexec_file_load", libc::SYS_kexec_file_load, &[]),
    ("bpf", libc::SYS_bpf, &[357]),
    ("perf_event_open", libc::SYS_perf_event_open, &[336]),
    ("add_key", libc::SYS_add_key, &[286]),
    ("keyctl", libc::SYS_keyctl, &[288]),
    ("sethostname", libc::SYS_sethostname, &[74]),
    ("setdomainname", libc::SYS_setdomainname, &[121]),
    ("settimeofday", libc::SYS_settimeofday, &[79]),
    ("stime", 0, &[25]),
    ("clock_settime", libc::SYS_clock_settime, &[264, 404]),
    ("swapon", libc::SYS_swapon, &[87]),
    ("swapoff", libc::SYS_swapoff, &[115]),
    ("reboot", libc::SYS_reboot, &[88]),
    ("quotactl", libc::SYS_quotactl, &[131]),
    ("acct", libc::SYS_acct, &[51]),
    ("iopl", libc::SYS_iopl, &[110]),
    ("ioperm", libc::SYS_ioperm, &[101]),
    ("fanotify_init", libc::SYS_fanotify_init, &[338]),
    ("io_uring_setup", libc::SYS_io_uring_setup, &[425]),
    ("open_tree", libc::SYS_open_tree, &[428]),
    ("fsopen", libc::SYS_fsopen, &[430]),
    ("fsmount", libc::SYS_fsmount, &[432]),
    ("fsconfig", libc::SYS_fsconfig, &[431]),
    ("fspick", libc::SYS_fspick, &[433]),
    ("open_tree_attr", 467, &[467]),
    ("memfd_create", libc::SYS_memfd_create, &[356]),
    ("memfd_secret", libc::SYS_memfd_secret, &[447]),
    ("personality", libc::SYS_personality, &[136]),
    ("userfaultfd", libc::SYS_userfaultfd, &[374]),
    ("seccomp", libc::SYS_seccomp, &[354]),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self, &[446]),
    ("lsm_set_self_attr", 460, &[460]),
    ("adjtimex", libc::SYS_adjtimex, &[124]),
    ("clock_adjtime", libc::SYS_clock_adjtime, &[343, 405]),
    ("syslog", libc::SYS_syslog, &[103]),
    ("quotactl_fd", libc::SYS_quotactl_fd, &[443]),
    ("vhangup", libc::SYS_vhangup, &[111]),
    ("request_key", libc::SYS_request_key, &[287]),
    ("mq_unlink", libc::SYS_mq_unlink, &[278]),
    ("shmctl", libc::SYS_shmctl, &[396]),
    ("semctl", libc::SYS_semctl, &[394]),
    ("msgctl", libc::SYS_msgctl, &[402]),
    ("ipc", 0, &[117]),
    ("process_madvise", libc::SYS_process_madvise, &[440]),
    ("move_pages", libc::SYS_move_pages, &[317]),
    ("migrate_pages", libc::SYS_migrate_pages, &[294]),
    ("kcmp", libc::SYS_kcmp, &[349]),
    ("sched_setparam", libc::SYS_sched_setparam, &[154]),
    ("clone", libc::SYS_clone, &[120]),
    ("clone3", libc::SYS_clone3, &[435]),
    ("utimensat", libc::SYS_utimensat, &[320, 412]),
    ("utime", libc::SYS_utime, &[30]),
    ("utimes", libc::SYS_utimes, &[271]),
    ("futimesat", libc::SYS_futimesat, &[299]),
    ("prctl", libc::SYS_prctl, &[172]),
];

/// Which entry into the kernel a round of calls takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    /// `syscall`.
    Native,
    /// `int 0x80` with the call's first or second i386 number.
    I386(usize),
}

impl Abi {
    /// Every round, with a name for its directory.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Native, "native"), (Self::I386(0), "i386"), (Self::I386(1), "i386-second")];

    /// The number of a call; `None` where this ABI has no such call.
    pub fn number(self, op: &str) -> Option<u32> {
        let row = ROWS.iter().find(|row| row.0 == op).unwrap_or_else(|| panic!("no call {op}"));
        match self {
            Self::Native => u32::try_from(row.1).ok().filter(|number| *number != 0),
            Self::I386(which) => row.2.get(which).copied(),
        }
    }

    pub fn is_compat(self) -> bool {
        self != Self::Native
    }
}
