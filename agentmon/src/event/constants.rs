//! Names of the numbers that calls are given, as the kernel's headers have them.
//!
//! Not for: error numbers (`super::errno`), nor what a call is by its arguments (`agentmon_common::syscalls::variants`).

use agentmon_common::syscalls::op;
use std::fmt;

/// A number that has a name, or bits of which some have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// A value.
    One(&'static str),
    /// Bits, by this table.
    Bits(&'static [(u64, &'static str)], u64),
}

/// The names of bits with `|` between them, and in hexadecimal what has none.
impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, mut rest) = match *self {
            Self::One(name) => return f.write_str(name),
            Self::Bits(table, bits) => (table, bits),
        };
        let mut between = "";
        for (bits, name) in table {
            if rest & bits == *bits {
                rest &= !bits;
                write!(f, "{between}{name}")?;
                between = "|";
            }
        }
        if rest == 0 { Ok(()) } else { write!(f, "{between}{rest:#x}") }
    }
}

/// The name of an argument's value; `None` where it has none.
#[must_use]
pub fn constant(operation: u8, argument: &str, value: u64) -> Option<Constant> {
    let value = value & 0xffff_ffff;
    let one =
        |table: &'static [(u64, &'static str)]| table.iter().find(|(number, _)| *number == value).map(|(_, name)| Constant::One(name));
    let bits =
        |table: &'static [(u64, &'static str)]| table.iter().any(|(bits, _)| value & bits == *bits).then_some(Constant::Bits(table, value));
    match (operation, argument) {
        (op::PTRACE, "request") => one(PTRACE),
        (_, "request") => one(IOCTL),
        (_, "option") => one(PRCTL),
        (op::SECCOMP, "command") => one(&[(0, "SECCOMP_SET_MODE_STRICT"), (1, "SECCOMP_SET_MODE_FILTER")]),
        (op::SECCOMP, "flags") => bits(SECCOMP_FLAGS),
        (op::SYSLOG, "command") => one(SYSLOG),
        (op::FSCONFIG, "command") => one(FSCONFIG),
        (op::SHMCTL | op::SEMCTL | op::MSGCTL | op::IPC_SEMCTL | op::IPC_CTL, "command") => match value & !0x100 {
            0 => Some(Constant::One("IPC_RMID")),
            1 => Some(Constant::One("IPC_SET")),
            _ => None,
        },
        (_, "call") => one(&[(3, "SEMCTL"), (14, "MSGCTL"), (24, "SHMCTL")]),
        (op::BPF, "command") => usize::try_from(value).ok().and_then(|at| BPF.get(at)).map(|name| Constant::One(name)),
        (_, "modes") => bits(MODES),
        (_, "clock") => one(CLOCKS),
        (_, "advice") => one(ADVICE),
        (_, "persona") => bits(PERSONA),
        (_, "attribute") => one(LSM_ATTRIBUTES),
        (op::UNSHARE | op::SETNS | op::CLONE | op::CLONE3, "flags") => bits(NAMESPACES),
        (op::MEMFD_CREATE, "flags") => bits(MEMFD),
        (op::KCMP, "type") => usize::try_from(value).ok().and_then(|at| KCMP.get(at)).map(|name| Constant::One(name)),
        _ => None,
    }
}

/// The option of a prctl that was told by the credentials behind it.
#[must_use]
pub fn prctl_option(operation: &str, args: [u64; 3]) -> Option<Constant> {
    if operation == "prctl" { constant(op::PRCTL_SETTING, "option", args[0]) } else { None }
}

/// `asm-generic/ioctls.h`, `linux/kd.h`, `fs.h`, `blkpg.h`, `falloc.h`, `btrfs.h`, `loop.h`, `fscrypt.h`, `fsverity.h`, `sockios.h`,
/// `if_tunnel.h`, `if_tun.h`, `nvme_ioctl.h`, `scsi/sg.h`.
const IOCTL: &[(u64, &str)] = &[
    (0x4008_6602, "FS_IOC_SETFLAGS"),
    (0x4004_6602, "FS_IOC32_SETFLAGS"),
    (0x401c_5820, "FS_IOC_FSSETXATTR"),
    (0x5412, "TIOCSTI"),
    (0x541c, "TIOCLINUX"),
    (0x541d, "TIOCCONS"),
    (0x5423, "TIOCSETD"),
    (0x4b47, "KDSKBENT"),
    (0x4b49, "KDSKBSENT"),
    (0x4b4d, "KDSETKEYCODE"),
    (0x125d, "BLKROSET"),
    (0x125f, "BLKRRPART"),
    (0x1269, "BLKPG"),
    (0x1277, "BLKDISCARD"),
    (0x127d, "BLKSECDISCARD"),
    (0x127f, "BLKZEROOUT"),
    (0x2285, "SG_IO"),
    (0xc048_4e41, "NVME_IOCTL_ADMIN_CMD"),
    (0x4030_4e42, "NVME_IOCTL_SUBMIT_IO"),
    (0xc048_4e43, "NVME_IOCTL_IO_CMD"),
    (0xc050_4e47, "NVME_IOCTL_ADMIN64_CMD"),
    (0xc050_4e48, "NVME_IOCTL_IO64_CMD"),
    (0x4030_5829, "FS_IOC_UNRESVSP"),
    (0x4030_582b, "FS_IOC_UNRESVSP64"),
    (0x4030_5839, "FS_IOC_ZERO_RANGE"),
    (0x402c_5829, "FS_IOC_UNRESVSP_32"),
    (0x402c_582b, "FS_IOC_UNRESVSP64_32"),
    (0x402c_5839, "FS_IOC_ZERO_RANGE_32"),
    (0x4004_9409, "FICLONE"),
    (0x4020_940d, "FICLONERANGE"),
    (0xc004_5877, "FIFREEZE"),
    (0xc004_5878, "FITHAW"),
    (0x8004_587d, "FS_IOC_SHUTDOWN"),
    (0x5000_940f, "BTRFS_IOC_SNAP_DESTROY"),
    (0x5000_943f, "BTRFS_IOC_SNAP_DESTROY_V2"),
    (0x4c00, "LOOP_SET_FD"),
    (0x4c01, "LOOP_CLR_FD"),
    (0x4c06, "LOOP_CHANGE_FD"),
    (0x4c0a, "LOOP_CONFIGURE"),
    (0x800c_6613, "FS_IOC_SET_ENCRYPTION_POLICY"),
    (0xc050_6617, "FS_IOC_ADD_ENCRYPTION_KEY"),
    (0xc040_6618, "FS_IOC_REMOVE_ENCRYPTION_KEY"),
    (0xc040_6619, "FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS"),
    (0x4080_6685, "FS_IOC_ENABLE_VERITY"),
    (0x890b, "SIOCADDRT"),
    (0x890c, "SIOCDELRT"),
    (0x8911, "SIOCSIFLINK"),
    (0x8914, "SIOCSIFFLAGS"),
    (0x8916, "SIOCSIFADDR"),
    (0x8918, "SIOCSIFDSTADDR"),
    (0x891a, "SIOCSIFBRDADDR"),
    (0x891c, "SIOCSIFNETMASK"),
    (0x891e, "SIOCSIFMETRIC"),
    (0x8920, "SIOCSIFMEM"),
    (0x8922, "SIOCSIFMTU"),
    (0x8923, "SIOCSIFNAME"),
    (0x8924, "SIOCSIFHWADDR"),
    (0x8926, "SIOCSIFENCAP"),
    (0x8930, "SIOCSIFSLAVE"),
    (0x8931, "SIOCADDMULTI"),
    (0x8932, "SIOCDELMULTI"),
    (0x8934, "SIOCSIFPFLAGS"),
    (0x8936, "SIOCDIFADDR"),
    (0x8937, "SIOCSIFHWBROADCAST"),
    (0x8943, "SIOCSIFTXQLEN"),
    (0x8953, "SIOCDARP"),
    (0x8955, "SIOCSARP"),
    (0x8971, "SIOCSIFMAP"),
    (0x8990, "SIOCBONDENSLAVE"),
    (0x8991, "SIOCBONDRELEASE"),
    (0x8992, "SIOCBONDSETHWADDR"),
    (0x8995, "SIOCBONDCHANGEACTIVE"),
    (0x89a0, "SIOCBRADDBR"),
    (0x89a1, "SIOCBRDELBR"),
    (0x89a2, "SIOCBRADDIF"),
    (0x89a3, "SIOCBRDELIF"),
    (0x89f1, "SIOCADDTUNNEL"),
    (0x89f2, "SIOCDELTUNNEL"),
    (0x89f3, "SIOCCHGTUNNEL"),
    (0x4004_54ca, "TUNSETIFF"),
];

/// `linux/ptrace.h`: those that are told.
const PTRACE: &[(u64, &str)] = &[
    (0, "PTRACE_TRACEME"),
    (4, "PTRACE_POKETEXT"),
    (5, "PTRACE_POKEDATA"),
    (6, "PTRACE_POKEUSR"),
    (13, "PTRACE_SETREGS"),
    (15, "PTRACE_SETFPREGS"),
    (16, "PTRACE_ATTACH"),
    (0x4200, "PTRACE_SETOPTIONS"),
    (0x4205, "PTRACE_SETREGSET"),
    (0x4206, "PTRACE_SEIZE"),
];

/// `linux/prctl.h`: those that are told.
const PRCTL: &[(u64, &str)] = &[
    (4, "PR_SET_DUMPABLE"),
    (8, "PR_SET_KEEPCAPS"),
    (22, "PR_SET_SECCOMP"),
    (24, "PR_CAPBSET_DROP"),
    (28, "PR_SET_SECUREBITS"),
    (35, "PR_SET_MM"),
    (36, "PR_SET_CHILD_SUBREAPER"),
    (47, "PR_CAP_AMBIENT"),
    (59, "PR_SET_SYSCALL_USER_DISPATCH"),
    (0x5961_6d61, "PR_SET_PTRACER"),
];

/// `linux/seccomp.h`.
const SECCOMP_FLAGS: &[(u64, &str)] = &[
    (1, "SECCOMP_FILTER_FLAG_TSYNC"),
    (2, "SECCOMP_FILTER_FLAG_LOG"),
    (4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
    (8, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
    (16, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
    (32, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
];

/// `linux/syslog.h` (of the kernel).
const SYSLOG: &[(u64, &str)] = &[
    (4, "SYSLOG_ACTION_READ_CLEAR"),
    (5, "SYSLOG_ACTION_CLEAR"),
    (6, "SYSLOG_ACTION_CONSOLE_OFF"),
    (7, "SYSLOG_ACTION_CONSOLE_ON"),
    (8, "SYSLOG_ACTION_CONSOLE_LEVEL"),
];

/// `linux/mount.h`.
const FSCONFIG: &[(u64, &str)] = &[
    (0, "FSCONFIG_SET_FLAG"),
    (1, "FSCONFIG_SET_STRING"),
    (2, "FSCONFIG_SET_BINARY"),
    (3, "FSCONFIG_SET_PATH"),
    (4, "FSCONFIG_SET_PATH_EMPTY"),
    (5, "FSCONFIG_SET_FD"),
    (6, "FSCONFIG_CMD_CREATE"),
    (7, "FSCONFIG_CMD_RECONFIGURE"),
    (8, "FSCONFIG_CMD_CREATE_EXCL"),
];

/// `linux/bpf.h`, by number.
const BPF: &[&str] = &[
    "BPF_MAP_CREATE",
    "BPF_MAP_LOOKUP_ELEM",
    "BPF_MAP_UPDATE_ELEM",
    "BPF_MAP_DELETE_ELEM",
    "BPF_MAP_GET_NEXT_KEY",
    "BPF_PROG_LOAD",
    "BPF_OBJ_PIN",
    "BPF_OBJ_GET",
    "BPF_PROG_ATTACH",
    "BPF_PROG_DETACH",
];

/// `linux/timex.h`; that of a whole first.
const MODES: &[(u64, &str)] = &[
    (0xa001, "ADJ_OFFSET_SS_READ"),
    (0x8001, "ADJ_OFFSET_SINGLESHOT"),
    (0x1, "ADJ_OFFSET"),
    (0x2, "ADJ_FREQUENCY"),
    (0x4, "ADJ_MAXERROR"),
    (0x8, "ADJ_ESTERROR"),
    (0x10, "ADJ_STATUS"),
    (0x20, "ADJ_TIMECONST"),
    (0x80, "ADJ_TAI"),
    (0x100, "ADJ_SETOFFSET"),
    (0x1000, "ADJ_MICRO"),
    (0x2000, "ADJ_NANO"),
    (0x4000, "ADJ_TICK"),
];

/// `linux/time.h`.
const CLOCKS: &[(u64, &str)] = &[(0, "CLOCK_REALTIME"), (1, "CLOCK_MONOTONIC"), (7, "CLOCK_BOOTTIME"), (11, "CLOCK_TAI")];

/// `asm-generic/mman-common.h`: those that may be given to another process.
const ADVICE: &[(u64, &str)] =
    &[(3, "MADV_WILLNEED"), (4, "MADV_DONTNEED"), (8, "MADV_FREE"), (20, "MADV_COLD"), (21, "MADV_PAGEOUT"), (25, "MADV_COLLAPSE")];

/// `linux/personality.h`.
const PERSONA: &[(u64, &str)] = &[
    (0x0002_0000, "UNAME26"),
    (0x0004_0000, "ADDR_NO_RANDOMIZE"),
    (0x0010_0000, "MMAP_PAGE_ZERO"),
    (0x0020_0000, "ADDR_COMPAT_LAYOUT"),
    (0x0040_0000, "READ_IMPLIES_EXEC"),
    (0x0080_0000, "ADDR_LIMIT_32BIT"),
    (0x0100_0000, "SHORT_INODE"),
    (0x0200_0000, "WHOLE_SECONDS"),
    (0x0400_0000, "STICKY_TIMEOUTS"),
    (0x0800_0000, "ADDR_LIMIT_3GB"),
    (0x8, "PER_LINUX32"),
];

/// `linux/lsm.h`.
const LSM_ATTRIBUTES: &[(u64, &str)] = &[
    (100, "LSM_ATTR_CURRENT"),
    (101, "LSM_ATTR_EXEC"),
    (102, "LSM_ATTR_FSCREATE"),
    (103, "LSM_ATTR_KEYCREATE"),
    (104, "LSM_ATTR_PREV"),
    (105, "LSM_ATTR_SOCKCREATE"),
];

/// `linux/sched.h`.
const NAMESPACES: &[(u64, &str)] = &[
    (0x80, "CLONE_NEWTIME"),
    (0x0002_0000, "CLONE_NEWNS"),
    (0x0200_0000, "CLONE_NEWCGROUP"),
    (0x0400_0000, "CLONE_NEWUTS"),
    (0x0800_0000, "CLONE_NEWIPC"),
    (0x1000_0000, "CLONE_NEWUSER"),
    (0x2000_0000, "CLONE_NEWPID"),
    (0x4000_0000, "CLONE_NEWNET"),
];

/// `linux/memfd.h`.
const MEMFD: &[(u64, &str)] = &[(1, "MFD_CLOEXEC"), (2, "MFD_ALLOW_SEALING"), (4, "MFD_HUGETLB"), (8, "MFD_NOEXEC_SEAL"), (16, "MFD_EXEC")];

/// `linux/kcmp.h`, by number.
const KCMP: &[&str] = &["KCMP_FILE", "KCMP_VM", "KCMP_FILES", "KCMP_FS", "KCMP_SIGHAND", "KCMP_IO", "KCMP_SYSVSEM", "KCMP_EPOLL_TFD"];

#[cfg(test)]
mod tests {
    use super::{IOCTL, PRCTL, constant};
    use agentmon_common::syscalls::{op, variants};

    fn shown(operation: u8, argument: &str, value: u64) -> Option<String> {
        constant(operation, argument, value).map(|constant| constant.to_string())
    }

    #[test]
    fn numbers_have_the_kernels_names() {
        assert_eq!(shown(op::IOCTL_TYPES, "request", 0x5412).as_deref(), Some("TIOCSTI"));
        assert_eq!(shown(op::PTRACE, "request", 16).as_deref(), Some("PTRACE_ATTACH"));
        assert_eq!(shown(op::PERSONALITY, "persona", 0x4_0000).as_deref(), Some("ADDR_NO_RANDOMIZE"));
        assert_eq!(shown(op::UNSHARE, "flags", 0x1002_0001).as_deref(), Some("CLONE_NEWNS|CLONE_NEWUSER|0x1"));
        assert_eq!(shown(op::ADJTIMEX, "modes", 0x8001).as_deref(), Some("ADJ_OFFSET_SINGLESHOT"));
        assert_eq!(shown(op::SHMCTL, "command", 0x100).as_deref(), Some("IPC_RMID"));
        assert_eq!(shown(op::KCMP, "type", 99), None);
        assert_eq!(shown(op::UNSHARE, "flags", 0x1), None);
        assert_eq!(shown(op::FCHMODAT2, "flags", 1), None);
    }

    #[test]
    fn every_request_and_option_that_is_told_has_a_name() {
        for request in (0..0x1_0000).chain(IOCTL.iter().map(|(number, _)| *number)) {
            let told = variants::of(op::IOCTL, request, 0) != op::NONE;
            assert_eq!(told, shown(op::IOCTL, "request", request).is_some(), "{request:#x}");
        }
        for option in (0..1000).chain(PRCTL.iter().map(|(number, _)| *number)) {
            let told = variants::of(op::PRCTL, option, 8) != op::NONE;
            assert_eq!(told, shown(op::PRCTL_SETTING, "option", option).is_some(), "{option}");
        }
    }
}
