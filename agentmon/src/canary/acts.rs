//! What the canary does: one harmless system call of each family. Most are refused, which is reported like a success.
//!
//! Not for: judging what was reported (`super`).

use super::{Sign, raw, uring};
use crate::cgroup::Mount;
use crate::event::Kind;
use bstr::ByteSlice;
use std::ffi::CStr;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

/// How an operation is done.
#[derive(Clone, Copy, Debug)]
enum How {
    /// A system call with these arguments.
    Call(libc::c_long, [Arg; 4]),
    /// A byte to the discard port of this host, without a connection.
    Datagram,
    /// A DNS question to this host's port of multicast DNS, to a socket of the helper's own where it can have that.
    Question,
    /// The same question, as it comes to that socket.
    QuestionReceived,
    /// A connection of the helper's to itself, and its end.
    Connection,
    /// A cgroup inside the helper's own, made and removed.
    Cgroup,
    /// A request to an io_uring, where the host has not switched it off.
    Uring,
    /// It comes with the helper and its child: the kernel's own hooks report it.
    Child,
    /// A system call with these arguments, on a kernel that tells when it asks for a capability.
    Capability(libc::c_long, [Arg; 4]),
    /// It comes with the calls before it: the kernel's own path hook reports them, where it is in use.
    Hook,
    /// Through the 32-bit entry, in the child: where that entry is closed, it dies of it.
    Compat,
}

/// An argument.
#[derive(Clone, Copy, Debug)]
enum Arg {
    N(i64),
    S(&'static CStr),
    B(&'static [u8]),
}

use Arg::{B, N, S};

/// One operation of the canary.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// Kind of the event it must make.
    pub kind: Kind,
    /// Name of the system call, or of the kind.
    pub operation: &'static str,
    how: How,
}

impl Act {
    /// For people: `unlink (32-bit)`.
    #[must_use]
    pub fn shown(&self) -> String {
        let compat = matches!(self.how, How::Compat);
        format!("{}{}", self.operation, if compat { " (32-bit)" } else { "" })
    }

    /// Whether it is one of the kernel's own path hooks that must report; `operation` is its function then.
    #[must_use]
    pub const fn is_path_hook(&self) -> bool {
        matches!(self.how, How::Hook)
    }

    /// What its event is known by.
    #[must_use]
    pub fn sign(&self) -> Sign {
        (self.kind, self.operation, matches!(self.how, How::Compat))
    }
}

/// A name that is not there.
const NONE: &CStr = c"none/there";
/// `AT_FDCWD`.
const CWD: Arg = N(-100);
const ZERO: Arg = N(0);

/// `struct sockaddr_in` of the discard port at 127.0.0.1.
const DISCARD: &[u8] = &[2, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

const fn call(kind: Kind, operation: &'static str, number: libc::c_long, args: [Arg; 4]) -> Act {
    Act { kind, operation, how: How::Call(number, args) }
}

const fn hook(operation: &'static str) -> Act {
    Act { kind: Kind::Resolved, operation, how: How::Hook }
}

const fn child(kind: Kind, operation: &'static str) -> Act {
    Act { kind, operation, how: How::Child }
}

/// Done in this order, in an empty directory. None changes anything outside it: what could is given arguments that the
/// kernel refuses before it looks further.
static ACTS: &[Act] = &[
    call(Kind::Open, "openat", libc::SYS_openat, [CWD, S(c"file"), N(0o101), N(0o600)]),
    call(Kind::Open, "openat2", libc::SYS_openat2, [CWD, S(NONE), ZERO, ZERO]),
    call(Kind::Open, "open_by_handle_at", libc::SYS_open_by_handle_at, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Connect, "connect", libc::SYS_connect, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Bind, "bind", libc::SYS_bind, [N(-1), B(DISCARD), N(16), ZERO]),
    call(Kind::Listen, "listen", libc::SYS_listen, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Accept, "accept4", libc::SYS_accept4, [N(-1), ZERO, ZERO, ZERO]),
    // A family with a type that it does not have.
    call(Kind::Socket, "socket", libc::SYS_socket, [N(17), N(9), ZERO, ZERO]),
    Act { kind: Kind::Send, operation: "sendto", how: How::Datagram },
    Act { kind: Kind::Dns, operation: "dns_egress", how: How::Question },
    Act { kind: Kind::Dns, operation: "dns_ingress", how: How::QuestionReceived },
    // SOL_IP, IPT_SO_SET_REPLACE.
    call(Kind::Netlink, "setsockopt", libc::SYS_setsockopt, [N(-1), ZERO, N(64), ZERO]),
    call(Kind::Rename, "renameat2", libc::SYS_renameat2, [CWD, S(c"file"), CWD, S(c"file2")]),
    call(Kind::Link, "linkat", libc::SYS_linkat, [CWD, S(c"file2"), CWD, S(c"link")]),
    call(Kind::Symlink, "symlinkat", libc::SYS_symlinkat, [S(c"to"), CWD, S(c"symlink"), ZERO]),
    call(Kind::Mkdir, "mkdirat", libc::SYS_mkdirat, [CWD, S(c"dir"), N(0o700), ZERO]),
    call(Kind::Mknod, "mknodat", libc::SYS_mknodat, [CWD, S(c"fifo"), N(0o010_600), ZERO]),
    call(Kind::Truncate, "truncate", libc::SYS_truncate, [S(c"file2"), ZERO, ZERO, ZERO]),
    call(Kind::Truncate, "ftruncate", libc::SYS_ftruncate, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Truncate, "fallocate", libc::SYS_fallocate, [N(-1), ZERO, ZERO, N(1)]),
    call(Kind::Chmod, "fchmodat", libc::SYS_fchmodat, [CWD, S(c"file2"), N(0o600), ZERO]),
    call(Kind::Chmod, "fchmodat2", 452, [CWD, S(NONE), N(0o600), ZERO]),
    call(Kind::Chown, "fchownat", libc::SYS_fchownat, [CWD, S(c"file2"), N(-1), N(-1)]),
    call(Kind::Xattr, "setxattr", libc::SYS_setxattr, [S(NONE), S(c"user.x"), ZERO, ZERO]),
    call(Kind::FileFlags, "ioctl", libc::SYS_ioctl, [N(-1), N(0x4008_6602), ZERO, ZERO]),
    call(Kind::Mount, "mount", libc::SYS_mount, [S(NONE), S(NONE), S(c"none"), ZERO]),
    call(Kind::Mount, "umount2", libc::SYS_umount2, [S(NONE), ZERO, ZERO, ZERO]),
    call(Kind::Unlink, "unlinkat", libc::SYS_unlinkat, [CWD, S(c"link"), ZERO, ZERO]),
    call(Kind::Unlink, "rmdir", libc::SYS_rmdir, [S(c"dir"), ZERO, ZERO, ZERO]),
    call(Kind::ProcessAccess, "ptrace", libc::SYS_ptrace, [N(16), N(-1), ZERO, ZERO]),
    call(Kind::ProcessAccess, "process_vm_writev", libc::SYS_process_vm_writev, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::ProcessAccess, "pidfd_getfd", libc::SYS_pidfd_getfd, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Namespace, "unshare", libc::SYS_unshare, [ZERO, ZERO, ZERO, ZERO]),
    call(Kind::Namespace, "setns", libc::SYS_setns, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Module, "delete_module", libc::SYS_delete_module, [ZERO, ZERO, ZERO, ZERO]),
    call(Kind::Module, "finit_module", libc::SYS_finit_module, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Bpf, "bpf", libc::SYS_bpf, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::Bpf, "perf_event_open", libc::SYS_perf_event_open, [ZERO, N(-1), N(-1), N(-1)]),
    call(Kind::System, "swapoff", libc::SYS_swapoff, [ZERO, ZERO, ZERO, ZERO]),
    call(Kind::System, "reboot", libc::SYS_reboot, [ZERO, ZERO, ZERO, ZERO]),
    call(Kind::System, "keyctl", libc::SYS_keyctl, [N(-1), ZERO, ZERO, ZERO]),
    call(Kind::IoUring, "io_uring_setup", libc::SYS_io_uring_setup, [ZERO, ZERO, ZERO, ZERO]),
    call(Kind::Identity, "setresuid", libc::SYS_setresuid, [N(-1), N(-1), N(-1), ZERO]),
    call(Kind::Identity, "capset", libc::SYS_capset, [ZERO, ZERO, ZERO, ZERO]),
    // Asks for CAP_SYS_TIME, as nothing else here does, and sets neither time nor zone.
    Act { kind: Kind::Capability, operation: "capability_use", how: How::Capability(libc::SYS_settimeofday, [ZERO; 4]) },
    call(Kind::Map, "mmap", libc::SYS_mmap, [ZERO, ZERO, N(3), N(1)]),
    // PR_SET_NAME; PR_SET_MM of an address that nothing can be at.
    call(Kind::ThreadName, "prctl", libc::SYS_prctl, [N(15), S(c"agentmon-canary"), ZERO, ZERO]),
    call(Kind::Argv, "prctl", libc::SYS_prctl, [N(35), N(8), ZERO, ZERO]),
    // PR_SET_DUMPABLE, to what there is not; all times as they are.
    call(Kind::ProcessSetting, "prctl", libc::SYS_prctl, [N(4), N(77), ZERO, ZERO]),
    call(Kind::FileTimes, "utimensat", libc::SYS_utimensat, [CWD, S(NONE), ZERO, ZERO]),
    // TIOCSTI, SIOCSIFFLAGS, BLKDISCARD of no descriptor.
    call(Kind::ProcessAccess, "ioctl", libc::SYS_ioctl, [N(-1), N(0x5412), ZERO, ZERO]),
    call(Kind::Netlink, "ioctl", libc::SYS_ioctl, [N(-1), N(0x8914), ZERO, ZERO]),
    call(Kind::Truncate, "ioctl", libc::SYS_ioctl, [N(-1), N(0x1277), ZERO, ZERO]),
    Act { kind: Kind::Flow, operation: "flow", how: How::Connection },
    Act { kind: Kind::CgroupState, operation: "cgroup_mkdir", how: How::Cgroup },
    call(Kind::UnknownSyscall, "unknown_syscall", 1000, [ZERO, ZERO, ZERO, ZERO]),
    hook("security_path_unlink"),
    hook("security_path_rmdir"),
    hook("security_path_rename"),
    hook("security_path_link"),
    hook("security_path_symlink"),
    hook("security_path_mkdir"),
    hook("security_path_mknod"),
    hook("security_path_truncate"),
    hook("security_path_chmod"),
    hook("security_path_chown"),
    // The helper's own way into its cgroup.
    child(Kind::CgroupJoin, "cgroup_join"),
    child(Kind::Fork, "fork"),
    // To the child.
    child(Kind::Signal, "kill"),
    child(Kind::Exec, "exec"),
    child(Kind::Exit, "exit"),
    Act { kind: Kind::IoUring, operation: "io_uring_unlinkat", how: How::Uring },
    Act { kind: Kind::Unlink, operation: "unlink", how: How::Compat },
];

/// Every operation of the canary.
#[must_use]
pub fn acts() -> &'static [Act] {
    ACTS
}

/// Does all of them in this directory. Prints the index of each that could not be done at all, one to a line.
///
/// # Errors
/// When the directory cannot be entered or the child not be started.
pub fn perform(directory: &Path) -> std::io::Result<()> {
    std::env::set_current_dir(directory)?;
    let compat = compat_is_open()?;
    let (asked, received) = ask_nobody();
    for (index, act) in ACTS.iter().enumerate() {
        let possible = match act.how {
            How::Call(number, args) => {
                raw::call(number, args.map(Arg::word));
                true
            }
            // A refusal is an event as well.
            How::Datagram => UdpSocket::bind("127.0.0.1:0").map(|socket| socket.send_to(b"x", "127.0.0.1:9")).is_ok(),
            How::Capability(number, args) => {
                raw::call(number, args.map(Arg::word));
                tells_of_capabilities()
            }
            How::Question => asked,
            How::QuestionReceived => received,
            How::Connection => connect_to_itself(),
            How::Cgroup => make_cgroup(),
            How::Uring => uring::unlink_nothing(),
            How::Compat => compat,
            How::Child | How::Hook => true,
        };
        if !possible {
            crate::view::say::out(index);
        }
    }
    Ok(())
}

/// Whether this kernel has the tracepoint (since 6.14): by the name of its type.
fn tells_of_capabilities() -> bool {
    const TYPE: &[u8] = b"\0btf_trace_cap_capable\0";
    std::fs::read("/sys/kernel/btf/vmlinux").is_ok_and(|btf| btf.contains_str(TYPE))
}

/// Makes a TCP connection to a socket of its own, and ends it.
fn connect_to_itself() -> bool {
    let connected = TcpListener::bind("127.0.0.1:0").and_then(|listener| TcpStream::connect(listener.local_addr()?));
    connected.is_ok()
}

/// Makes a cgroup inside its own and removes it; `false` where this host does not let it.
fn make_cgroup() -> bool {
    let Ok(own) = Mount::find().and_then(|mount| mount.of_this_process()) else { return false };
    let inside = own.path().join("inside");
    std::fs::create_dir(&inside).is_ok() && std::fs::remove_dir(&inside).is_ok()
}

/// The question for an address of `agentmon-canary.invalid`.
const QUESTION: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x0fagentmon-canary\x07invalid\0\0\x01\0\x01";
/// A port of DNS that nobody needs to serve on the loopback address.
const MULTICAST_DNS: (&str, u16) = ("127.0.0.1", 5353);

/// Sends it; whether it was sent, and whether it came back to a socket of this process: not when another process has the port.
fn ask_nobody() -> (bool, bool) {
    let own = UdpSocket::bind(MULTICAST_DNS).ok();
    let asked = UdpSocket::bind("127.0.0.1:0").is_ok_and(|socket| socket.send_to(QUESTION, MULTICAST_DNS).is_ok());
    let mut buffer = [0; 64];
    let received = own.is_some_and(|socket| {
        let _ = socket.set_nonblocking(true);
        asked && socket.recv(&mut buffer).is_ok_and(|length| buffer.get(..length) == Some(QUESTION))
    });
    (asked, received)
}

/// Starts the child, and says whether it came out of the 32-bit entry.
fn compat_is_open() -> std::io::Result<bool> {
    let mut child = Command::new("/proc/self/exe").args(["canary", "--compat"]).stdin(Stdio::null()).spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    // It was not waited for, so that the pid is its own; a running process is not changed by SIGCONT.
    rustix::process::kill_process(pid, rustix::process::Signal::CONT)?;
    Ok(child.wait()?.success())
}

/// What the helper's child does: the operations through the 32-bit entry.
pub fn perform_compat() {
    raw::compat_unlink_nothing();
}

impl Arg {
    fn word(self) -> libc::c_long {
        match self {
            N(number) => number,
            S(text) => text.as_ptr() as libc::c_long,
            B(bytes) => bytes.as_ptr() as libc::c_long,
        }
    }
}
