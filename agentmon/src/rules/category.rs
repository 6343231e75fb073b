//! Categories: which operations a rule's `logsource` asks for, and which of them an event is.
//!
//! Routing is strict: a rule sees events of its category only, and by default successful ones only.

use crate::event::{Address, Detail, Event, Kind, Open, Socket, Uring, flags};
use agentmon_common::uring::opcode;

/// `-EINPROGRESS`: a connection that is under way.
const IN_PROGRESS: i64 = -115;
/// `O_CREAT`.
const O_CREAT: u64 = 0o100;

/// A kind of operation as Sigma's `logsource.category` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Category {
    /// A program was executed.
    ProcessCreation,
    /// A name came into being: a file was created, or renamed or linked to it.
    FileEvent,
    /// A file was opened, for whatever purpose.
    FileAccess,
    /// An existing file was opened for writing, cut, or mapped writable.
    FileChange,
    /// A file or directory was removed.
    FileDelete,
    /// A connection to or from an IPv4 or IPv6 peer, or a send to one without a connection.
    NetworkConnection,
    /// A connection to a UNIX socket, or a datagram to one.
    UnixConnect,
    /// A change of user, group or capability sets.
    PrivilegeChange,
    /// A process left its agent's cgroups; or one of the agent's made, removed, froze or thawed one of them.
    CgroupChange,
    /// A file or directory was given another name.
    FileRename,
    /// A hard or symbolic link was made.
    FileLink,
    /// Permissions, owner, times, extended attributes or flags of a file were set.
    PermissionChange,
    /// Something was mounted, moved or unmounted, or the root directory changed.
    Mount,
    /// Another process was reached into.
    ProcessAccess,
    /// Namespaces were left or entered.
    NamespaceChange,
    /// A kernel module was loaded or removed.
    DriverLoad,
    /// bpf or perf_event_open was called.
    BpfSyscall,
    /// A setting of the whole system was changed by a system call of its own.
    SystemSetting,
    /// An io_uring was set up, or asked for something.
    IoUring,
    /// A socket was given its local address, or waits for connections.
    NetworkBind,
    /// A socket was made that is not ordinary: neither UNIX nor TCP or UDP over IP.
    SocketCreate,
    /// The network's own settings were changed, by a netlink message, a firewall's socket option, or an ioctl.
    Netlink,
    /// A signal was sent to another process.
    ProcessSignal,
    /// A process changed what it is called: the name of a thread, or the arguments that others see; or how the kernel treats it.
    ProcessTampering,
    /// A system call was made whose number this build does not know.
    UnknownSyscall,
    /// A TCP connection is closed.
    NetworkFlow,
    /// A DNS question or answer was sent or received.
    DnsQuery,
    /// A program used a capability for the first time, or was refused it.
    CapabilityUse,
    /// Any operation, as the records that auditd would write of it. Rules name it as a service.
    Auditd,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 29] = [
        Self::ProcessCreation,
        Self::FileEvent,
        Self::FileAccess,
        Self::FileChange,
        Self::FileDelete,
        Self::NetworkConnection,
        Self::UnixConnect,
        Self::PrivilegeChange,
        Self::CgroupChange,
        Self::FileRename,
        Self::FileLink,
        Self::PermissionChange,
        Self::Mount,
        Self::ProcessAccess,
        Self::NamespaceChange,
        Self::DriverLoad,
        Self::BpfSyscall,
        Self::SystemSetting,
        Self::IoUring,
        Self::NetworkBind,
        Self::SocketCreate,
        Self::Netlink,
        Self::ProcessSignal,
        Self::ProcessTampering,
        Self::UnknownSyscall,
        Self::NetworkFlow,
        Self::DnsQuery,
        Self::CapabilityUse,
        Self::Auditd,
    ];

    /// Those that rules name as categories.
    pub const OF_OPERATIONS: &[Self] = match Self::ALL.split_last() {
        Some((Self::Auditd, others)) => others,
        _ => panic!("the auditd view stands last"),
    };

    /// Its name in a rule.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProcessCreation => "process_creation",
            Self::FileEvent => "file_event",
            Self::FileAccess => "file_access",
            Self::FileChange => "file_change",
            Self::FileDelete => "file_delete",
            Self::NetworkConnection => "network_connection",
            Self::UnixConnect => "unix_connect",
            Self::PrivilegeChange => "privilege_change",
            Self::CgroupChange => "cgroup_change",
            Self::FileRename => "file_rename",
            Self::FileLink => "file_link",
            Self::PermissionChange => "permission_change",
            Self::Mount => "mount",
            Self::ProcessAccess => "process_access",
            Self::NamespaceChange => "namespace_change",
            Self::DriverLoad => "driver_load",
            Self::BpfSyscall => "bpf_syscall",
            Self::SystemSetting => "system_setting",
            Self::IoUring => "io_uring",
            Self::NetworkBind => "network_bind",
            Self::SocketCreate => "socket_create",
            Self::Netlink => "netlink",
            Self::ProcessSignal => "process_signal",
            Self::ProcessTampering => "process_tampering",
            Self::UnknownSyscall => "unknown_syscall",
            Self::NetworkFlow => "network_flow",
            Self::DnsQuery => "dns_query",
            Self::CapabilityUse => "capability_use",
            Self::Auditd => "auditd",
        }
    }

    /// The category of this name; the auditd view is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::OF_OPERATIONS.iter().copied().find(|category| category.name() == name)
    }
}

/// Categories that Sigma or this project's design knows and no event of this build carries.
pub(super) const NOT_YET: [&str; 4] = ["process_termination", "device_access", "sysctl_write", "compat_syscall"];

/// The categories of one event: three at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Categories {
    list: [Option<Category>; 3],
}

impl Categories {
    /// What this event is. Forks, exits, joins and processes that were there before are nothing a rule asks for.
    pub fn of(event: &Event) -> Self {
        let succeeded = succeeded(event);
        let one = |category| Self { list: [Some(category), None, None] };
        match &event.detail {
            Detail::Exec(_) => one(Category::ProcessCreation),
            Detail::Open(open) => Self { list: [Some(Category::FileAccess), written(open, succeeded), None] },
            Detail::Unlink(_) => one(Category::FileDelete),
            Detail::Socket(socket) => Self { list: [attached(socket), None, None] },
            Detail::Netlink(_) => one(Category::Netlink),
            Detail::Identity(_) => one(Category::PrivilegeChange),
            Detail::CgroupLeave(_) => one(Category::CgroupChange),
            // Nor is what others do to the agent.
            Detail::CgroupState(state) if state.by_member => one(Category::CgroupChange),
            Detail::ThreadName(_) | Detail::Argv(_) => one(Category::ProcessTampering),
            Detail::UnknownCall(_) => one(Category::UnknownSyscall),
            Detail::Flow(_) => one(Category::NetworkFlow),
            Detail::Dns(_) => one(Category::DnsQuery),
            Detail::Capability(_) => one(Category::CapabilityUse),
            // What an agent's process receives is not the agent's doing.
            Detail::Signal(signal) if !signal.received => one(Category::ProcessSignal),
            // What the kernel resolves of it is told by an event of its own, and counted there.
            Detail::Uring(_) if event.has(flags::APART) => one(Category::IoUring),
            Detail::Uring(uring) => Self { list: requested(uring) },
            Detail::Resolved(resolved) => Self { list: resolved_as(resolved.kind) },
            Detail::Call(call) => Self { list: called(call.kind) },
            _ => Self::default(),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = Category> {
        self.list.into_iter().flatten()
    }
}

/// What a call is. A name that a rename or link brings into being is a file event too: that it was written elsewhere first
/// changes nothing for who reads it there.
const fn called(kind: Kind) -> [Option<Category>; 3] {
    let (one, two) = match kind {
        Kind::Rename => (Category::FileRename, Some(Category::FileEvent)),
        Kind::Link | Kind::Symlink => (Category::FileLink, Some(Category::FileEvent)),
        Kind::Mkdir | Kind::Mknod => (Category::FileEvent, None),
        Kind::Truncate | Kind::Map => (Category::FileChange, None),
        Kind::Chmod | Kind::Chown | Kind::Xattr | Kind::FileFlags | Kind::FileTimes => (Category::PermissionChange, None),
        Kind::Mount => (Category::Mount, None),
        Kind::ProcessAccess => (Category::ProcessAccess, None),
        Kind::Namespace => (Category::NamespaceChange, None),
        Kind::Module => (Category::DriverLoad, None),
        Kind::Bpf => (Category::BpfSyscall, None),
        Kind::System => (Category::SystemSetting, None),
        Kind::IoUring => (Category::IoUring, None),
        Kind::Netlink => (Category::Netlink, None),
        Kind::ProcessSetting => (Category::ProcessTampering, None),
        _ => return [None; 3],
    };
    [Some(one), two, None]
}

/// What the kernel resolved is what the system call would be.
const fn resolved_as(kind: Kind) -> [Option<Category>; 3] {
    match kind {
        Kind::Unlink => [Some(Category::FileDelete), None, None],
        kind => called(kind),
    }
}

/// What a request to a ring is: a request, and what the system call would be that it stands for. Of an open only the intent
/// is known.
fn requested(uring: &Uring) -> [Option<Category>; 3] {
    let (one, two) = match uring.opcode {
        opcode::OPENAT | opcode::OPENAT2 => (Some(Category::FileAccess), intent(uring.creates(), uring.for_writing())),
        opcode::UNLINKAT => (Some(Category::FileDelete), None),
        opcode::RENAMEAT => (Some(Category::FileRename), Some(Category::FileEvent)),
        opcode::LINKAT | opcode::SYMLINKAT => (Some(Category::FileLink), Some(Category::FileEvent)),
        opcode::MKDIRAT => (Some(Category::FileEvent), None),
        opcode::FTRUNCATE | opcode::FALLOCATE => (Some(Category::FileChange), None),
        opcode::SETXATTR | opcode::FSETXATTR => (Some(Category::PermissionChange), None),
        opcode::CONNECT => match &uring.peer {
            Some(Address::Inet(_)) => (Some(Category::NetworkConnection), None),
            Some(Address::UnixPath(_) | Address::UnixAbstract(_)) => (Some(Category::UnixConnect), None),
            _ => (None, None),
        },
        _ => (None, None),
    };
    [Some(Category::IoUring), one, two]
}

/// What was done with a socket. A send to a destination is a connection to whoever asks where data goes.
const fn attached(socket: &Socket) -> Option<Category> {
    Some(match (socket.kind, &socket.peer) {
        (Kind::Bind | Kind::Listen, _) => Category::NetworkBind,
        (Kind::Socket, _) => Category::SocketCreate,
        (_, Address::Inet(_)) => Category::NetworkConnection,
        (_, Address::UnixPath(_) | Address::UnixAbstract(_)) => Category::UnixConnect,
        _ => return None,
    })
}

/// Created, changed, or neither. Of a failed open only the intent is known.
fn written(open: &Open, succeeded: bool) -> Option<Category> {
    let creates = if succeeded { open.created } else { open.open_flags & O_CREAT != 0 };
    intent(creates, open.for_writing())
}

const fn intent(creates: bool, writes: bool) -> Option<Category> {
    match (creates, writes) {
        (true, _) => Some(Category::FileEvent),
        (false, true) => Some(Category::FileChange),
        (false, false) => None,
    }
}

/// Whether the operation took effect. A connection that is under way did.
pub(super) fn succeeded(event: &Event) -> bool {
    event.outcome.succeeded() || (event.outcome.0 == IN_PROGRESS && matches!(&event.detail, Detail::Socket(socket) if socket.connects()))
}
