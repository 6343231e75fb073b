//! Capabilities by number, and what the kernel asks for one without that anybody uses it.
//!
//! Not for: what a process holds (the records of identity say that).

/// `CAP_SYS_ADMIN` (`include/uapi/linux/capability.h`).
pub const SYS_ADMIN: u32 = 21;

/// Names by number: `include/uapi/linux/capability.h` of Linux 6.18.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Whether a call of this number takes memory, for which the kernel asks `CAP_SYS_ADMIN` of every process, to learn whether
/// it may have the last of it (`cap_vm_enough_memory`, `security/commoncap.c`): mappings, forks, executions, and what puts
/// pages into a file system in memory.
#[must_use]
#[inline(always)]
pub const fn takes_memory(compat: bool, number: u64) -> bool {
    if compat {
        // fork, write, execve, brk, symlink, mmap, truncate, ftruncate, ipc, clone, mprotect, writev, mremap, pwrite64, sendfile,
        // vfork, mmap2, (f)truncate64, madvise, sendfile64, symlinkat, splice, fallocate, pwritev, memfd_create, execveat, pwritev2,
        // copy_file_range, shmget, shmat, io_uring_enter, clone3.
        matches!(
            number,
            2 | 4 | 11 | 45 | 83 | 90 | 92 | 93 | 117 | 120 | 125 | 146 | 163 | 181 | 187 | 190 | 192
                ..=194 | 219 | 239 | 304 | 313 | 324 | 334 | 356 | 358 | 377 | 379 | 395 | 397 | 426 | 435
        )
    } else {
        // write, mmap, mprotect, brk, pwrite64, writev, mremap, madvise, shmget, shmat, sendfile, clone, fork, vfork, execve, truncate,
        // ftruncate, symlink, symlinkat, splice, fallocate, pwritev, memfd_create, execveat, copy_file_range, pwritev2,
        // io_uring_enter, clone3, and x32's own.
        matches!(
            number,
            1 | 9 | 10 | 12 | 18 | 20 | 25 | 28..=30 | 40 | 56..=59 | 76 | 77 | 88 | 266 | 275 | 285 | 296 | 319 | 322 | 326 | 328 | 426 | 435
                | 516 | 520 | 535 | 545 | 547
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES, SYS_ADMIN, takes_memory};
    use crate::syscalls::{TABLE, index, op};

    #[test]
    fn names_stand_at_their_numbers() {
        assert_eq!(
            (NAMES[SYS_ADMIN as usize], NAMES[12], NAMES[39], NAMES[40]),
            ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_BPF", "CAP_CHECKPOINT_RESTORE")
        );
    }

    #[test]
    fn calls_that_need_the_capability_themselves_are_none_that_take_memory() {
        let needing = [op::MOUNT, op::UMOUNT, op::SETNS, op::SETHOSTNAME, op::SWAPON, op::BPF, op::PIVOT_ROOT, op::QUOTACTL, op::FSOPEN];
        for compat in [false, true] {
            for number in 0..1024_u16 {
                let operation = TABLE[index(compat, number)];
                assert!(!needing.contains(&operation) || !takes_memory(compat, u64::from(number)), "{number} of compat {compat}");
                let taking = [op::EXECVE, op::EXECVEAT, op::MMAP, op::TRUNCATE, op::SYMLINK, op::FALLOCATE];
                assert!(!taking.contains(&operation) || takes_memory(compat, u64::from(number)), "{number} of compat {compat}");
            }
        }
    }
}
