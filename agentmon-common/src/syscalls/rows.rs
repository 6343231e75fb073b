//! The table of calls: one row per operation.
//!
//! Numbers: `arch/x86/entry/syscalls/syscall_64.tbl` and `syscall_32.tbl` of Linux 6.18. Not for: what the columns mean
//! (`super::shape`).

use super::shape::{NOTHING, PAIR, RESULT, Shape, args0, args1, args2, args3, at, besides, fd, on, only, path, plain, two};
use crate::record::kind;

/// One row of the table.
pub(super) struct Row {
    pub(super) op: u8,
    pub(super) name: &'static str,
    pub(super) native: &'static [u16],
    pub(super) compat: &'static [u16],
    pub(super) shape: Shape,
    pub(super) names: &'static [&'static str],
}

macro_rules! calls {
    ($( $(#[$doc:meta])* $op:ident = $number:literal, $name:literal, $native:expr, $compat:expr, $shape:expr, $names:expr; )*) => {
        /// What a system call does, as the probes see it. Numbers are never reused: they travel in records.
        pub mod op {
            /// Not watched.
            pub const NONE: u8 = 0;
            /// A number that this build does not know ([`super::super::is_unknown`]); in no row of the table.
            pub const UNKNOWN: u8 = 127;
            $( $(#[$doc])* pub const $op: u8 = $number; )*
        }
        pub(super) const ROWS: &[Row] = &[
            $( Row { op: op::$op, name: $name, native: &$native, compat: &$compat, shape: $shape, names: &$names }, )*
        ];
    };
}

// number, name, x86-64 numbers (512 and up are x32's own), i386 numbers, how it is read, names of the plain arguments
calls! {
    /// open(path, flags, mode).
    OPEN = 1, "open", [2], [5], Shape::OWN, [];
    /// openat(dirfd, path, flags, mode).
    OPENAT = 2, "openat", [257], [295], Shape::OWN, [];
    /// openat2(dirfd, path, how, size).
    OPENAT2 = 3, "openat2", [437], [437], Shape::OWN, [];
    /// creat(path, mode).
    CREAT = 4, "creat", [85], [8], Shape::OWN, [];
    /// connect(fd, address, length).
    CONNECT = 5, "connect", [42], [362], Shape::OWN, [];
    /// socketcall(call, arguments): i386 only.
    SOCKETCALL = 6, "socketcall", [], [102], Shape::OWN, [];
    /// unlink(path).
    UNLINK = 7, "unlink", [87], [10], on(kind::UNLINK, path(0), args0()), [];
    /// unlinkat(dirfd, path, flags).
    UNLINKAT = 8, "unlinkat", [263], [301], on(kind::UNLINK, at(0), args1(2)), ["flags"];
    /// rmdir(path).
    RMDIR = 9, "rmdir", [84], [40], on(kind::UNLINK, path(0), args0()), [];
    /// execve(path, …): only failures; a success is seen by sched_process_exec.
    EXECVE = 10, "execve", [59, 520], [11], Shape::OWN, [];
    /// execveat(dirfd, path, …): likewise.
    EXECVEAT = 11, "execveat", [322, 545], [358], Shape::OWN, [];
    /// First of the identity family.
    SETUID = 12, "setuid", [105], [23, 213], Shape::OWN, [];
    /// setreuid(real, effective).
    SETREUID = 13, "setreuid", [113], [70, 203], Shape::OWN, [];
    /// setresuid(real, effective, saved).
    SETRESUID = 14, "setresuid", [117], [164, 208], Shape::OWN, [];
    /// setfsuid(id).
    SETFSUID = 15, "setfsuid", [122], [138, 215], Shape::OWN, [];
    /// setgid(id).
    SETGID = 16, "setgid", [106], [46, 214], Shape::OWN, [];
    /// setregid(real, effective).
    SETREGID = 17, "setregid", [114], [71, 204], Shape::OWN, [];
    /// setresgid(real, effective, saved).
    SETRESGID = 18, "setresgid", [119], [170, 210], Shape::OWN, [];
    /// setfsgid(id).
    SETFSGID = 19, "setfsgid", [123], [139, 216], Shape::OWN, [];
    /// setgroups(count, list).
    SETGROUPS = 20, "setgroups", [116], [81, 206], Shape::OWN, [];
    /// capset(header, data). Last of the identity family.
    CAPSET = 21, "capset", [126], [185], Shape::OWN, [];

    /// rename(from, to).
    RENAME = 22, "rename", [82], [38], two(kind::RENAME, path(0), path(1), args0()), [];
    /// renameat(dirfd, from, dirfd, to).
    RENAMEAT = 23, "renameat", [264], [302], two(kind::RENAME, at(0), at(2), args0()), [];
    /// renameat2(dirfd, from, dirfd, to, flags).
    RENAMEAT2 = 24, "renameat2", [316], [353], two(kind::RENAME, at(0), at(2), args1(4)), ["flags"];
    /// link(from, to).
    LINK = 25, "link", [86], [9], two(kind::LINK, path(0), path(1), args0()), [];
    /// linkat(dirfd, from, dirfd, to, flags).
    LINKAT = 26, "linkat", [265], [303], two(kind::LINK, at(0), at(2), args1(4)), ["flags"];
    /// symlink(target, path).
    SYMLINK = 27, "symlink", [88], [83], on(kind::SYMLINK, path(1), args0()).and_text(0), [];
    /// symlinkat(target, dirfd, path).
    SYMLINKAT = 28, "symlinkat", [266], [304], on(kind::SYMLINK, at(1), args0()).and_text(0), [];
    /// mkdir(path, mode).
    MKDIR = 29, "mkdir", [83], [39], on(kind::MKDIR, path(0), args1(1)), ["mode"];
    /// mkdirat(dirfd, path, mode).
    MKDIRAT = 30, "mkdirat", [258], [296], on(kind::MKDIR, at(0), args1(2)), ["mode"];
    /// mknod(path, mode, device).
    MKNOD = 31, "mknod", [133], [14], on(kind::MKNOD, path(0), args2(1, 2)), ["mode", "device"];
    /// mknodat(dirfd, path, mode, device).
    MKNODAT = 32, "mknodat", [259], [297], on(kind::MKNOD, at(0), args2(2, 3)), ["mode", "device"];
    /// truncate(path, length).
    TRUNCATE = 33, "truncate", [76], [92], on(kind::TRUNCATE, path(0), args1(1)), ["length"];
    /// ftruncate(fd, length).
    FTRUNCATE = 34, "ftruncate", [77], [93], on(kind::TRUNCATE, fd(0), args1(1)), ["length"];
    /// truncate64(path, length): i386 only.
    TRUNCATE64 = 35, "truncate64", [], [193], on(kind::TRUNCATE, path(0), args1(1 | PAIR)), ["length"];
    /// ftruncate64(fd, length): i386 only.
    FTRUNCATE64 = 36, "ftruncate64", [], [194], on(kind::TRUNCATE, fd(0), args1(1 | PAIR)), ["length"];
    /// fallocate(fd, mode, offset, length).
    FALLOCATE = 37, "fallocate", [285], [], on(kind::TRUNCATE, fd(0), args3(1, 2, 3)), ["mode", "offset", "length"];
    /// chmod(path, mode).
    CHMOD = 38, "chmod", [90], [15], on(kind::CHMOD, path(0), args1(1)), ["mode"];
    /// fchmod(fd, mode).
    FCHMOD = 39, "fchmod", [91], [94], on(kind::CHMOD, fd(0), args1(1)), ["mode"];
    /// fchmodat(dirfd, path, mode).
    FCHMODAT = 40, "fchmodat", [268], [306], on(kind::CHMOD, at(0), args1(2)), ["mode"];
    /// fchmodat2(dirfd, path, mode, flags).
    FCHMODAT2 = 41, "fchmodat2", [452], [452], on(kind::CHMOD, at(0), args2(2, 3)), ["mode", "flags"];
    /// chown(path, uid, gid).
    CHOWN = 42, "chown", [92], [182, 212], on(kind::CHOWN, path(0), args2(1, 2)), ["uid", "gid"];
    /// fchown(fd, uid, gid).
    FCHOWN = 43, "fchown", [93], [95, 207], on(kind::CHOWN, fd(0), args2(1, 2)), ["uid", "gid"];
    /// lchown(path, uid, gid).
    LCHOWN = 44, "lchown", [94], [16, 198], on(kind::CHOWN, path(0), args2(1, 2)), ["uid", "gid"];
    /// fchownat(dirfd, path, uid, gid, flags).
    FCHOWNAT = 45, "fchownat", [260], [298], on(kind::CHOWN, at(0), args3(2, 3, 4)), ["uid", "gid", "flags"];
    /// setxattr(path, name, value, size, flags).
    SETXATTR = 46, "setxattr", [188], [226], on(kind::XATTR, path(0), args2(3, 4)).and_text(1), ["size", "flags"];
    /// lsetxattr(path, name, value, size, flags).
    LSETXATTR = 47, "lsetxattr", [189], [227], on(kind::XATTR, path(0), args2(3, 4)).and_text(1), ["size", "flags"];
    /// fsetxattr(fd, name, value, size, flags).
    FSETXATTR = 48, "fsetxattr", [190], [228], on(kind::XATTR, fd(0), args2(3, 4)).and_text(1), ["size", "flags"];
    /// setxattrat(dirfd, path, at_flags, name, value, size).
    SETXATTRAT = 49, "setxattrat", [463], [463], on(kind::XATTR, at(0), args1(2)).and_text(3), ["flags"];
    /// removexattr(path, name).
    REMOVEXATTR = 50, "removexattr", [197], [235], on(kind::XATTR, path(0), args0()).and_text(1), [];
    /// lremovexattr(path, name).
    LREMOVEXATTR = 51, "lremovexattr", [198], [236], on(kind::XATTR, path(0), args0()).and_text(1), [];
    /// fremovexattr(fd, name).
    FREMOVEXATTR = 52, "fremovexattr", [199], [237], on(kind::XATTR, fd(0), args0()).and_text(1), [];
    /// removexattrat(dirfd, path, at_flags, name).
    REMOVEXATTRAT = 53, "removexattrat", [466], [466], on(kind::XATTR, at(0), args1(2)).and_text(3), ["flags"];
    /// ioctl(fd, request, argument): as itself those that set a file's flags; what else is told of it are variants.
    IOCTL = 54, "ioctl", [16, 514], [54], on(kind::FILE_FLAGS, fd(0), args2(1, 2)).and(besides::BEHIND_SECOND), ["request", "file_flags"];
    /// file_setattr(dirfd, path, attributes, size, at_flags).
    FILE_SETATTR = 55, "file_setattr", [469], [469], on(kind::FILE_FLAGS, at(0), args2(2, 4)).and(besides::BEHIND_FIRST), ["file_flags", "flags"];
    /// mount(source, target, type, flags, data).
    MOUNT = 56, "mount", [165], [21], two(kind::MOUNT, path(1), path(0), args1(3)).and_text(2), ["flags"];
    /// move_mount(dirfd, from, dirfd, to, flags).
    MOVE_MOUNT = 57, "move_mount", [429], [429], two(kind::MOUNT, at(2), at(0), args1(4)), ["flags"];
    /// umount2(target, flags).
    UMOUNT = 58, "umount2", [166], [52], on(kind::MOUNT, path(0), args1(1)), ["flags"];
    /// mount_setattr(dirfd, path, flags, attributes, size).
    MOUNT_SETATTR = 59, "mount_setattr", [442], [442], on(kind::MOUNT, at(0), args1(2)), ["flags"];
    /// pivot_root(new, old).
    PIVOT_ROOT = 60, "pivot_root", [155], [217], two(kind::MOUNT, path(0), path(1), args0()).and(besides::NEW_ROOT), [];
    /// chroot(path).
    CHROOT = 61, "chroot", [161], [61], on(kind::MOUNT, path(0), args0()).and(besides::NEW_ROOT), [];
    /// open_by_handle_at(mount fd, handle, flags).
    OPEN_BY_HANDLE_AT = 62, "open_by_handle_at", [304], [342], Shape::OWN, [];
    /// mmap(address, length, protection, flags, fd, offset): only shared mappings of files that are writable or can become so.
    MMAP = 63, "mmap", [9], [192], on(kind::MAP, fd(4), args3(1, 2, 3)).if_it(only::WRITABLE_MAP), ["length", "protection", "flags"];

    /// ptrace(request, pid, address, data).
    PTRACE = 64, "ptrace", [101, 521], [26], plain(kind::PROCESS_ACCESS, args2(1, 0)).if_it(only::TELLING), ["target_pid", "request"];
    /// process_vm_readv(pid, …).
    PROCESS_VM_READV = 65, "process_vm_readv", [310, 539], [347], plain(kind::PROCESS_ACCESS, args1(0)), ["target_pid"];
    /// process_vm_writev(pid, …).
    PROCESS_VM_WRITEV = 66, "process_vm_writev", [311, 540], [348], plain(kind::PROCESS_ACCESS, args1(0)), ["target_pid"];
    /// pidfd_open(pid, flags).
    PIDFD_OPEN = 67, "pidfd_open", [434], [434], plain(kind::PROCESS_ACCESS, args2(0, 1)), ["target_pid", "flags"];
    /// pidfd_getfd(pidfd, fd, flags). Who is behind the pidfd is looked up.
    PIDFD_GETFD = 68, "pidfd_getfd", [438], [438], plain(kind::PROCESS_ACCESS, args2(0, 1)).and(besides::PIDFD),
        ["pidfd", "target_fd", "target_pid"];
    /// prlimit64(pid, resource, new, old): only when it sets a limit of a process named by its id.
    PRLIMIT64 = 69, "prlimit64", [302], [340], plain(kind::PROCESS_ACCESS, args2(0, 1)).if_it(only::SETS_LIMIT), ["target_pid", "resource"];

    /// unshare(flags).
    UNSHARE = 70, "unshare", [272], [310], plain(kind::NAMESPACE, args1(0)), ["flags"];
    /// setns(fd, type).
    SETNS = 71, "setns", [308], [346], on(kind::NAMESPACE, fd(0), args1(1)), ["flags"];

    /// init_module(image, length, parameters).
    INIT_MODULE = 72, "init_module", [175], [128], plain(kind::MODULE, args1(1)).and_text(2), ["length"];
    /// finit_module(fd, parameters, flags).
    FINIT_MODULE = 73, "finit_module", [313], [350], on(kind::MODULE, fd(0), args1(2)).and_text(1), ["flags"];
    /// delete_module(name, flags).
    DELETE_MODULE = 74, "delete_module", [176], [129], plain(kind::MODULE, args1(1)).and_text(0), ["flags"];
    /// kexec_load(entry, segments, list, flags).
    KEXEC_LOAD = 75, "kexec_load", [246, 528], [283], plain(kind::SYSTEM, args2(1, 3)), ["segments", "flags"];
    /// kexec_file_load(kernel fd, initrd fd, …).
    KEXEC_FILE_LOAD = 76, "kexec_file_load", [320], [], on(kind::SYSTEM, fd(0), args1(4)), ["flags"];
    /// bpf(command, attributes, size).
    BPF = 77, "bpf", [321], [357], plain(kind::BPF, args1(0)), ["command"];
    /// perf_event_open(attributes, pid, cpu, group, flags).
    PERF_EVENT_OPEN = 78, "perf_event_open", [298], [336], plain(kind::BPF, args3(1, 2, 4)), ["target_pid", "cpu", "flags"];
    /// add_key(type, description, …).
    ADD_KEY = 79, "add_key", [248], [286], plain(kind::SYSTEM, args0()).and_text(1), [];
    /// keyctl(command, …).
    KEYCTL = 80, "keyctl", [250], [288], plain(kind::SYSTEM, args2(0, 1)), ["command", "key"];
    /// sethostname(name, length).
    SETHOSTNAME = 81, "sethostname", [170], [74], plain(kind::SYSTEM, args1(1)).and_text(0).and(besides::COUNTED_TEXT), ["length"];
    /// setdomainname(name, length).
    SETDOMAINNAME = 82, "setdomainname", [171], [121], plain(kind::SYSTEM, args1(1)).and_text(0).and(besides::COUNTED_TEXT), ["length"];
    /// settimeofday(time, zone).
    SETTIMEOFDAY = 83, "settimeofday", [164], [79], plain(kind::SYSTEM, args0()), [];
    /// stime(time): i386 only.
    STIME = 84, "stime", [], [25], plain(kind::SYSTEM, args0()), [];
    /// clock_settime(clock, time).
    CLOCK_SETTIME = 85, "clock_settime", [227], [264, 404], plain(kind::SYSTEM, args1(0)), ["clock"];
    /// swapon(path, flags).
    SWAPON = 86, "swapon", [167], [87], on(kind::SYSTEM, path(0), args1(1)), ["flags"];
    /// swapoff(path).
    SWAPOFF = 87, "swapoff", [168], [115], on(kind::SYSTEM, path(0), args0()), [];
    /// reboot(magic, magic, command, argument).
    REBOOT = 88, "reboot", [169], [88], plain(kind::SYSTEM, args1(2)), ["command"];
    /// quotactl(command, device, id, address).
    QUOTACTL = 89, "quotactl", [179], [131], on(kind::SYSTEM, path(1), args2(0, 2)), ["command", "id"];
    /// acct(path).
    ACCT = 90, "acct", [163], [51], on(kind::SYSTEM, path(0), args0()), [];
    /// iopl(level).
    IOPL = 91, "iopl", [172], [110], plain(kind::SYSTEM, args1(0)), ["level"];
    /// ioperm(from, number, on).
    IOPERM = 92, "ioperm", [173], [101], plain(kind::SYSTEM, args3(0, 1, 2)), ["from", "number", "on"];
    /// fanotify_init(flags, event flags).
    FANOTIFY_INIT = 93, "fanotify_init", [300], [338], plain(kind::SYSTEM, args2(0, 1)), ["flags", "event_flags"];
    /// io_uring_setup(entries, parameters).
    IO_URING_SETUP = 94, "io_uring_setup", [425], [425], plain(kind::IO_URING, args1(0)), ["entries"];
    /// fsmount(fd, flags, attributes).
    FSMOUNT = 95, "fsmount", [432], [432], plain(kind::MOUNT, args2(0, 1)), ["fd", "flags"];
    /// open_tree(dirfd, path, flags): only when it clones.
    OPEN_TREE = 96, "open_tree", [428], [428], on(kind::MOUNT, at(0), args1(2)).if_it(only::CLONES), ["flags"];
    /// fsopen(type, flags).
    FSOPEN = 97, "fsopen", [430], [430], plain(kind::MOUNT, args1(1)).and_text(0), ["flags"];
    /// fallocate as i386 calls it: offset and length are pairs.
    FALLOCATE32 = 98, "fallocate", [], [324], on(kind::TRUNCATE, fd(0), args3(1, 2 | PAIR, 4 | PAIR)), ["mode", "offset", "length"];
    /// umount(target): i386 only.
    UMOUNT_OLD = 99, "umount", [], [22], on(kind::MOUNT, path(0), args0()), [];
    /// mmap(arguments): i386 only; they stand in memory, in the order of [`MMAP`]'s.
    MMAP_OLD = 100, "mmap", [], [90], on(kind::MAP, fd(4), args3(1, 2, 3)).if_it(only::WRITABLE_MAP_OLD).and(besides::IN_MEMORY), ["length", "protection", "flags"];

    /// bind(fd, address, length).
    BIND = 110, "bind", [49], [361], Shape::OWN, [];
    /// listen(fd, backlog).
    LISTEN = 111, "listen", [50], [363], Shape::OWN, [];
    /// accept(fd, address, length): i386 only through socketcall.
    ACCEPT = 112, "accept", [43], [], Shape::OWN, [];
    /// accept4(fd, address, length, flags).
    ACCEPT4 = 113, "accept4", [288], [364], Shape::OWN, [];
    /// socket(family, type, protocol): only sockets that are not ordinary.
    SOCKET = 114, "socket", [41], [359], Shape::OWN, [];
    /// socketpair(family, type, protocol, fds): likewise.
    SOCKETPAIR = 115, "socketpair", [53], [360], Shape::OWN, [];
    /// sendto(fd, payload, length, flags, address, length): only with an address, or on a netlink socket.
    SENDTO = 116, "sendto", [44], [369], Shape::OWN, [];
    /// sendmsg(fd, message, flags): likewise.
    SENDMSG = 117, "sendmsg", [46, 518], [370], Shape::OWN, [];
    /// sendmmsg(fd, messages, count, flags): likewise.
    SENDMMSG = 118, "sendmmsg", [307, 538], [345], Shape::OWN, [];
    /// setsockopt(fd, level, option, value, length): only those that change a firewall.
    SETSOCKOPT = 119, "setsockopt", [54, 541], [366], Shape::OWN, [];
    /// prctl(option, …): as itself what moves the arguments that the kernel shows; what else is told of it are variants.
    PRCTL = 121, "prctl", [157], [172], Shape::OWN, [];
    /// sched_setscheduler(pid, policy, parameters): this and the next four only of another process.
    SCHED_SETSCHEDULER = 122, "sched_setscheduler", [144], [156], plain(kind::PROCESS_ACCESS, args2(0, 1)).if_it(only::OF_OTHER),
        ["target_pid", "policy"];
    /// sched_setattr(pid, attributes, flags).
    SCHED_SETATTR = 123, "sched_setattr", [314], [351], plain(kind::PROCESS_ACCESS, args1(0)).if_it(only::OF_OTHER), ["target_pid"];
    /// sched_setaffinity(pid, length, mask).
    SCHED_SETAFFINITY = 124, "sched_setaffinity", [203], [241], plain(kind::PROCESS_ACCESS, args1(0)).if_it(only::OF_OTHER), ["target_pid"];
    /// setpriority(which, who, priority).
    SETPRIORITY = 125, "setpriority", [141], [97], plain(kind::PROCESS_ACCESS, args3(0, 1, 2)).if_it(only::PRIORITY_OF_OTHER),
        ["which", "who", "priority"];
    /// ioprio_set(which, who, priority).
    IOPRIO_SET = 126, "ioprio_set", [251], [289], plain(kind::PROCESS_ACCESS, args3(0, 1, 2)).if_it(only::IOPRIO_OF_OTHER),
        ["which", "who", "priority"];
    /// send(fd, payload, length, flags): only through socketcall; on a netlink socket.
    SEND = 120, "send", [], [], Shape::OWN, [];

    /// fsconfig(fd, command, key, value, auxiliary): the value where it is a string or a path.
    FSCONFIG = 128, "fsconfig", [431], [431], two(kind::MOUNT, NOTHING, path(3), args2(0, 1)).and_text(2), ["fd", "command"];
    /// fspick(dirfd, path, flags).
    FSPICK = 129, "fspick", [433], [433], on(kind::MOUNT, at(0), args1(2)), ["flags"];
    /// open_tree_attr(dirfd, path, flags, attributes, size).
    OPEN_TREE_ATTR = 130, "open_tree_attr", [467], [467], on(kind::MOUNT, at(0), args1(2)), ["flags"];
    /// memfd_create(name, flags).
    MEMFD_CREATE = 131, "memfd_create", [319], [356], on(kind::MKNOD, RESULT, args1(1)).and_text(0), ["flags"];
    /// memfd_secret(flags).
    MEMFD_SECRET = 132, "memfd_secret", [447], [447], on(kind::MKNOD, RESULT, args1(0)), ["flags"];
    /// personality(persona): not the question what it is.
    PERSONALITY = 133, "personality", [135], [136], plain(kind::PROCESS_SETTING, args1(0)).if_it(only::SETS_PERSONA), ["persona"];
    /// userfaultfd(flags).
    USERFAULTFD = 134, "userfaultfd", [323], [374], plain(kind::PROCESS_SETTING, args1(0)), ["flags"];
    /// seccomp(command, flags, arguments): not what asks.
    SECCOMP = 135, "seccomp", [317], [354], plain(kind::PROCESS_SETTING, args2(0, 1)).if_it(only::FIRST_TWO ), ["command", "flags"];
    /// landlock_restrict_self(ruleset fd, flags).
    LANDLOCK_RESTRICT_SELF = 136, "landlock_restrict_self", [446], [446], plain(kind::PROCESS_SETTING, args2(0, 1)), ["fd", "flags"];
    /// lsm_set_self_attr(attribute, context, size, flags).
    LSM_SET_SELF_ATTR = 137, "lsm_set_self_attr", [460], [460], plain(kind::PROCESS_SETTING, args2(0, 3)), ["attribute", "flags"];
    /// adjtimex(timex): only when it changes something.
    ADJTIMEX = 138, "adjtimex", [159], [124], plain(kind::SYSTEM, args1(0)).if_it(only::NOT_ZERO_BEHIND ).and(besides::BEHIND_FIRST), ["modes"];
    /// clock_adjtime(clock, timex): likewise.
    CLOCK_ADJTIME = 139, "clock_adjtime", [305], [343, 405], plain(kind::SYSTEM, args2(0, 1)).if_it(only::NOT_ZERO_BEHIND + 1).and(besides::BEHIND_SECOND),
        ["clock", "modes"];
    /// syslog(command, buffer, length or level): only what clears or turns the console.
    SYSLOG = 140, "syslog", [103], [103], plain(kind::SYSTEM, args2(0, 2)).if_it(only::CLEARS_LOG), ["command", "level"];
    /// quotactl_fd(fd, command, id, address).
    QUOTACTL_FD = 141, "quotactl_fd", [443], [443], on(kind::SYSTEM, fd(0), args2(1, 2)), ["command", "id"];
    /// vhangup().
    VHANGUP = 142, "vhangup", [153], [111], plain(kind::SYSTEM, args0()), [];
    /// request_key(type, description, …): may start a program of the host's.
    REQUEST_KEY = 143, "request_key", [249], [287], plain(kind::SYSTEM, args0()).and_text(1), [];
    /// mq_unlink(name).
    MQ_UNLINK = 144, "mq_unlink", [241], [278], plain(kind::SYSTEM, args0()).and_text(0), [];
    /// shmctl(id, command, …): this and its twins only when they remove, or set owner and permissions.
    SHMCTL = 145, "shmctl", [31], [396], plain(kind::SYSTEM, args2(0, 1)).if_it(only::FIRST_TWO + 1), ["ipc_id", "command"];
    /// semctl(id, number, command, …).
    SEMCTL = 146, "semctl", [66], [394], plain(kind::SYSTEM, args2(0, 2)).if_it(only::FIRST_TWO + 2), ["ipc_id", "command"];
    /// msgctl(id, command, …).
    MSGCTL = 147, "msgctl", [71], [402], plain(kind::SYSTEM, args2(0, 1)).if_it(only::FIRST_TWO + 1), ["ipc_id", "command"];
    /// ipc(call, first, second, third, …): i386's one call for all of System V; never as itself.
    IPC = 148, "ipc", [], [117], Shape::OWN, [];
    /// semctl behind it.
    IPC_SEMCTL = 149, "ipc", [], [], plain(kind::SYSTEM, args3(0, 1, 3)).if_it(only::FIRST_TWO + 3), ["call", "ipc_id", "command"];
    /// msgctl and shmctl behind it.
    IPC_CTL = 150, "ipc", [], [], plain(kind::SYSTEM, args3(0, 1, 2)).if_it(only::FIRST_TWO + 2), ["call", "ipc_id", "command"];
    /// process_madvise(pidfd, vectors, count, advice, flags): of another process.
    PROCESS_MADVISE = 151, "process_madvise", [440], [440], plain(kind::PROCESS_ACCESS, args2(0, 3)).if_it(only::PIDFD_OF_OTHER).and(besides::PIDFD),
        ["pidfd", "advice", "target_pid"];
    /// move_pages(pid, …): of another process.
    MOVE_PAGES = 152, "move_pages", [279, 533], [317], plain(kind::PROCESS_ACCESS, args1(0)).if_it(only::OF_OTHER), ["target_pid"];
    /// migrate_pages(pid, …): likewise.
    MIGRATE_PAGES = 153, "migrate_pages", [256], [294], plain(kind::PROCESS_ACCESS, args1(0)).if_it(only::OF_OTHER), ["target_pid"];
    /// kcmp(pid, pid, type, …): when one of them is another process.
    KCMP = 154, "kcmp", [312], [349], plain(kind::PROCESS_ACCESS, args3(0, 1, 2)).if_it(only::OF_OTHERS), ["target_pid", "second_pid", "type"];
    /// sched_setparam(pid, parameters): of another process.
    SCHED_SETPARAM = 155, "sched_setparam", [142], [154], plain(kind::PROCESS_ACCESS, args1(0)).if_it(only::OF_OTHER), ["target_pid"];
    /// clone(flags, …): only when it makes namespaces. The process is told by `fork`.
    CLONE = 156, "clone", [56], [120], plain(kind::NAMESPACE, args1(0)).if_it(only::MAKES_NAMESPACES), ["flags"];
    /// clone3(arguments, size): likewise.
    CLONE3 = 157, "clone3", [435], [435], plain(kind::NAMESPACE, args1(0)).if_it(only::MAKES_NAMESPACES_BEHIND).and(besides::BEHIND_FIRST), ["flags"];
    /// utimensat(dirfd, path, times, flags). The times of all four are those of the last modification.
    UTIMENSAT = 158, "utimensat", [280], [320, 412], on(kind::FILE_TIMES, at(0), args2(2, 3)).and(besides::MODIFIED), ["modified", "flags"];
    /// utime(path, times).
    UTIME = 159, "utime", [132], [30], on(kind::FILE_TIMES, path(0), args1(1)).and(besides::MODIFIED), ["modified"];
    /// utimes(path, times).
    UTIMES = 160, "utimes", [235], [271], on(kind::FILE_TIMES, path(0), args1(1)).and(besides::MODIFIED), ["modified"];
    /// futimesat(dirfd, path, times).
    FUTIMESAT = 161, "futimesat", [261], [299], on(kind::FILE_TIMES, at(0), args1(2)).and(besides::MODIFIED), ["modified"];

    // Variants: `super::variants` says which arguments make them. Their first plain arguments are those that it looks at.
    /// ioctl: bytes typed into a terminal.
    IOCTL_TYPES = 162, "ioctl", [], [], on(kind::PROCESS_ACCESS, fd(0), args2(1, 2)).and(besides::BYTE_BEHIND_SECOND), ["request", "byte"];
    /// ioctl: keyboard, console and line discipline.
    IOCTL_CONSOLE = 163, "ioctl", [], [], on(kind::SYSTEM, fd(0), args1(1)), ["request"];
    /// ioctl: commands to a disk, and ranges of files zeroed by the oldest means.
    IOCTL_DISK = 164, "ioctl", [], [], on(kind::TRUNCATE, fd(0), args1(1)), ["request"];
    /// ioctl: a range of a block device discarded.
    IOCTL_DISCARD = 165, "ioctl", [], [], on(kind::TRUNCATE, fd(0), args2(1, 2)).and(besides::RANGE_BEHIND_SECOND), ["request", "offset", "length"];
    /// ioctl: FICLONE.
    IOCTL_CLONE = 166, "ioctl", [], [], on(kind::TRUNCATE, fd(0), args2(1, 2)), ["request", "source_fd"];
    /// ioctl: FICLONERANGE.
    IOCTL_CLONE_RANGE = 167, "ioctl", [], [], on(kind::TRUNCATE, fd(0), args2(1, 2)).and(besides::BEHIND_SECOND), ["request", "source_fd"];
    /// ioctl: a file system as a whole.
    IOCTL_FILE_SYSTEM = 168, "ioctl", [], [], on(kind::MOUNT, fd(0), args1(1)), ["request"];
    /// ioctl: the file behind a loop device.
    IOCTL_LOOP = 169, "ioctl", [], [], on(kind::MOUNT, fd(0), args2(1, 2)), ["request", "source_fd"];
    /// ioctl: LOOP_CONFIGURE.
    IOCTL_LOOP_CONFIGURE = 170, "ioctl", [], [], on(kind::MOUNT, fd(0), args2(1, 2)).and(besides::BEHIND_SECOND), ["request", "source_fd"];
    /// ioctl: encryption and verity of files.
    IOCTL_PROTECTS = 171, "ioctl", [], [], on(kind::FILE_FLAGS, fd(0), args1(1)), ["request"];
    /// ioctl: network interfaces, by name.
    IOCTL_INTERFACE = 172, "ioctl", [], [], plain(kind::NETLINK, args2(1, 0)).and_text(2).and(besides::INTERFACE_TEXT), ["request", "fd"];
    /// ioctl: routes and neighbours.
    IOCTL_ROUTE = 173, "ioctl", [], [], plain(kind::NETLINK, args2(1, 0)), ["request", "fd"];
    /// prctl: capabilities that are kept, dropped or made ambient.
    PRCTL_CAPABILITIES = 174, "prctl", [], [], Shape::OWN, [];
    /// prctl: how the kernel treats the process.
    PRCTL_SETTING = 175, "prctl", [], [], plain(kind::PROCESS_SETTING, args2(0, 1)), ["option", "value"];
    /// prctl: another file as the one that is said to run.
    PRCTL_EXE_FILE = 176, "prctl", [], [], on(kind::PROCESS_SETTING, fd(2), args2(0, 1)), ["option", "value"];
}
