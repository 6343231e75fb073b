//! Fields: the names a rule may use, and in which categories.
//!
//! One table says which names exist; a name that is not in it is an error when the rule is loaded, so that a typo
//! cannot mean "never fires". Not for: where their values come from (`super::value`).

use super::audit::AuditField;
use super::category::Category;

/// A field's name in a rule: what it is called here, unless the table has another.
macro_rules! named {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident, $name:literal) => {
        $name
    };
}

/// Declares [`Field`], its names and its categories in one place.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident $(= $name:literal)? in $categories:expr;)*) => {
        /// A field of an operation, by its Sigma name or, where Sigma has none, ours.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
                pub enum Field {
            $($(#[$doc])* $field,)*
            /// Of an audit record.
            Audit(AuditField),
        }

        impl Field {
            const OF_OPERATIONS: &[Self] = &[$(Self::$field,)*];

            /// Its name in a rule.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => named!($field $(, $name)?),)* Self::Audit(field) => field.name() }
            }

            /// The categories that carry it.
            #[must_use]
            pub const fn categories(self) -> &'static [Category] {
                match self { $(Self::$field => $categories,)* Self::Audit(_) => &[Category::Auditd] }
            }
        }
    };
}

/// What an audit record has as well.
const ALWAYS: &[Category] = &Category::ALL;
const EVERY: &[Category] = Category::OF_OPERATIONS;
const EXEC: &[Category] = &[Category::ProcessCreation];
const FILE: &[Category] = &[
    Category::FileEvent,
    Category::FileAccess,
    Category::FileChange,
    Category::FileDelete,
    Category::FileRename,
    Category::FileLink,
    Category::PermissionChange,
    Category::Mount,
    Category::DriverLoad,
    Category::SystemSetting,
    Category::IoUring,
    Category::ProcessTampering,
    Category::ProcessAccess,
];
/// What the kernel's path hooks tell of.
const RESOLVED: &[Category] = &[
    Category::FileEvent,
    Category::FileChange,
    Category::FileDelete,
    Category::FileRename,
    Category::FileLink,
    Category::PermissionChange,
];
const OPEN: &[Category] = &[Category::FileEvent, Category::FileAccess, Category::FileChange];
const DELETE: &[Category] = &[Category::FileDelete];
/// Where both ends are known.
const ENDS: &[Category] = &[Category::NetworkConnection, Category::NetworkFlow, Category::DnsQuery];
const NAMED_ENDS: &[Category] = &[Category::NetworkConnection, Category::NetworkFlow];
const CAPABILITY: &[Category] = &[Category::CapabilityUse];
const DNS: &[Category] = &[Category::DnsQuery];
const FLOW: &[Category] = &[Category::NetworkFlow];
const UNIX: &[Category] = &[Category::UnixConnect, Category::NetworkBind];
const BIND: &[Category] = &[Category::NetworkBind];
/// Where a socket is known.
const SOCKET: &[Category] = &[Category::NetworkConnection, Category::UnixConnect, Category::NetworkBind, Category::SocketCreate];
const PROTOCOL: &[Category] = &[Category::NetworkConnection, Category::NetworkBind, Category::SocketCreate, Category::DnsQuery];
const NETLINK: &[Category] = &[Category::Netlink];
const PRIVILEGE: &[Category] = &[Category::PrivilegeChange];
const TAMPERING: &[Category] = &[Category::ProcessTampering];
const UNKNOWN: &[Category] = &[Category::UnknownSyscall];
const CGROUP: &[Category] = &[Category::CgroupChange];
/// Where one name leads to another.
const MOVED: &[Category] = &[Category::FileRename, Category::FileLink, Category::FileEvent, Category::Mount, Category::IoUring];
const PERMISSION: &[Category] = &[Category::PermissionChange];
const MADE: &[Category] = &[Category::PermissionChange, Category::FileEvent];
const ACCESS: &[Category] = &[Category::ProcessAccess, Category::BpfSyscall, Category::ProcessSignal];
const SIGNAL: &[Category] = &[Category::ProcessSignal];
/// Calls with flags, commands or requests.
const CALLED: &[Category] = &[
    Category::FileRename,
    Category::FileLink,
    Category::FileChange,
    Category::PermissionChange,
    Category::Mount,
    Category::ProcessAccess,
    Category::NamespaceChange,
    Category::DriverLoad,
    Category::BpfSyscall,
    Category::SystemSetting,
    Category::IoUring,
    Category::Netlink,
    Category::ProcessTampering,
];
/// The same, and where credentials change by prctl.
const REQUESTED: &[Category] = &[
    Category::FileChange,
    Category::PermissionChange,
    Category::Mount,
    Category::ProcessAccess,
    Category::BpfSyscall,
    Category::SystemSetting,
    Category::Netlink,
    Category::ProcessTampering,
    Category::PrivilegeChange,
];
const URING: &[Category] = &[Category::IoUring];
const MOUNT: &[Category] = &[Category::Mount];
const NAMED: &[Category] = &[Category::DriverLoad, Category::SystemSetting, Category::FileEvent, Category::Mount, Category::Netlink];

fields! {
    /// The program, absolute. Of a failed exec: what was asked for.
    Image in EVERY;
    /// The arguments, joined by one space.
    CommandLine in EVERY;
    /// Working directory, as of the program's start.
    CurrentDirectory in EVERY;
    /// The creator's program.
    ParentImage in EVERY;
    /// The creator's arguments.
    ParentCommandLine in EVERY;
    /// The creator's effective user: `root`, or a number.
    ParentUser in EVERY;
    /// The programs of the creator, its creator and so on, each ended by `;`, as far as they were watched: at most 16.
    AncestorImages in EVERY;
    /// Whether the program is the system's own: in `/usr`, `/bin`, `/sbin` or `/lib` but not `/usr/local`, writable for nobody but its
    /// owner, and no name that the agent made.
    ImageTrusted in EVERY;
    /// Whether the agent's list of `executables` has the program; absent without a list.
    ImageAllowed in EVERY;
    /// Effective user: `root`, or a number. User names live in files that the agent may see differently.
    User in EVERY;
    /// Real user id.
    Uid in EVERY;
    /// Process id.
    ProcessId in EVERY;
    /// The parent's process id.
    ParentProcessId in EVERY;
    /// Name of the agent.
    AgentName in ALWAYS;
    /// Session of the agent.
    SessionId in ALWAYS;
    /// The system call.
    Syscall in EVERY;
    /// `success`, or the error's name; `submitted` of what was handed over to an io_uring.
    Outcome in EVERY;
    /// The thread's name: the agent's to choose.
    Comm in EVERY;
    /// Kind of the event, as in the log: `exec`, `open`, `cgroup_leave`.
    EventKind in EVERY;
    /// When it happened, in UTC: `2026-11-21T18:02:53Z`.
    EventTime in ALWAYS;
    /// Whether the agent executes this file for the first time.
    ImageFirstSeen in EXEC;
    /// The path given to execve: the name a program was called by, where `Image` is the file behind all symbolic links.
    Filename in EXEC;
    /// The script, when `Image` is its interpreter.
    Script in EXEC;
    /// Whether the file had no name when it was executed.
    Fileless in EXEC;
    /// Number of arguments.
    Argc in EXEC;
    /// Whether arguments are missing at the end.
    Truncated in EXEC;
    /// The file, absolute, as the kernel resolved it.
    TargetFilename in FILE;
    /// Whether it is in the agent's work directory: the configured one, else where the agent's first program began, unless that is a directory of the
    /// system or a home. Of a rename or link both names must be. Absent when there is none.
    TargetInWorkdir in FILE;
    /// Whether the agent made this name itself, before this operation; of a rename the old name.
    TargetCreatedByAgent in FILE;
    /// Whether it is in the work directory or the agent's list of `read` or `write` paths has it, whichever the operation is;
    /// absent without a list.
    TargetAllowed in FILE;
    /// Whether it is in the directory of `/proc` that stands for the process itself.
    TargetIsSelf in FILE;
    /// How far `TargetFilename` can be believed: `resolved` by the kernel, `joined` from what the program gave, `partial`: its
    /// front is missing. Absent when there is no path.
    PathTrust in FILE;
    /// Whether what the program asked for and what the kernel resolved are two paths: a symbolic link, or another thread that changed
    /// it; absent when the kernel's path hooks did not tell.
    PathMismatch in RESOLVED;
    /// Of a rename the old name, of a link what it leads to, of a mount its source.
    SourceFilename in MOVED;
    /// Permission bits, four octal digits: `4755`.
    Mode in MADE;
    /// The new owner; absent when unchanged.
    NewOwner in PERMISSION;
    /// The new group; absent when unchanged.
    NewGroup in PERMISSION;
    /// Name of an extended attribute: `security.capability`.
    AttributeName in PERMISSION;
    /// Flags of a file as chattr sets them, hexadecimal: `0x10` is immutable, `0x20` append-only.
    FileFlags in PERMISSION;
    /// Type of a file system: `tmpfs`, `overlay`.
    FilesystemType in MOUNT;
    /// Process id of who was reached into, as the caller's namespace counts; of a signal's target, as the host counts.
    TargetProcessId in ACCESS;
    /// Name of the signal: `SIGKILL`, `SIGRTMIN+2`.
    Signal in SIGNAL;
    /// Who says that it was sent: `SI_USER`, `SI_QUEUE`, `SI_TKILL`, `SI_KERNEL`, or a number.
    SignalCode in SIGNAL;
    /// Whether the target is a process of an agent; of other calls than signals, whether this agent has a process of that id, as the host counts.
    TargetInAgent in ACCESS;
    /// Whether the target is this monitor, or the guard process of `agentmon run`.
    TargetIsMonitor in SIGNAL;
    /// Name of the target's thread: its own to choose.
    TargetComm in SIGNAL;
    /// The call's flags, hexadecimal: `0x2`.
    Flags in CALLED;
    /// The call's request, command or resource, hexadecimal.
    Request in CALLED;
    /// The same by the kernel's name: `TIOCSTI`, `PTRACE_ATTACH`, `ADDR_NO_RANDOMIZE`; absent where it has none here.
    RequestName in REQUESTED;
    /// The time of modification that a file was given, in seconds since the epoch; `now`, `unchanged`.
    Modified in PERMISSION;
    /// The name a call was given: of a module, a host, a key.
    Name in NAMED;
    /// `regular`, `directory`, `block`, `char`, `fifo`, `socket`, `symlink`; absent when the open failed.
    TargetType in OPEN;
    /// Whether the open asked to write.
    ForWriting in OPEN;
    /// The path that the program gave: its own to choose.
    AskedFilename in OPEN;
    /// Whether the open was to empty the file (`O_TRUNC`).
    Truncates in OPEN;
    /// What an io_uring was asked for: `unlinkat`, `openat2`, `connect`; absent when one was set up.
    Opcode in URING;
    /// Whether a directory was to be removed.
    Directory in DELETE;
    /// The peer's address; of a connection or DNS message that came in, the local one. IPv4-mapped IPv6 addresses are shown as IPv4.
    DestinationIp in ENDS;
    /// Its port.
    DestinationPort in ENDS;
    /// The name by which the agent looked the peer's address up last, in lower case: the resolver's word. Absent when it asked by
    /// ways that are not seen.
    DestinationHostname in NAMED_ENDS;
    /// Whether the agent's list of `destinations` has the peer, or it is this host; absent without a list, and of what came in.
    DestinationAllowed in NAMED_ENDS;
    /// Whether the agent connects or sends to this address and port for the first time.
    DestinationFirstSeen in NAMED_ENDS;
    /// The local address, where the kernel had chosen one; of a connection that came in, the peer's.
    SourceIp in ENDS;
    /// Its port.
    SourcePort in ENDS;
    /// `true` of what the agent began or sent, `false` of a connection that it accepted or a DNS message that it received.
    Initiated in ENDS;
    /// `tcp`, `udp`, or the protocol's number.
    Protocol in PROTOCOL;
    /// Path of the socket; `@name` in the abstract namespace.
    TargetSocket in UNIX;
    /// The local address a socket was bound to or listens on. IPv4-mapped IPv6 addresses are shown as IPv4.
    BindIp in BIND;
    /// Its port, as the kernel chose it.
    BindPort in BIND;
    /// Whether only this host can reach that address.
    BindLoopback in BIND;
    /// Whether the agent's list of `ports` has the port; absent without a list.
    BindAllowed in BIND;
    /// `inet`, `inet6`, `unix`, `packet`, `netlink`, `vsock`, `alg`, …, or the family's number.
    SocketFamily in SOCKET;
    /// `stream`, `dgram`, `raw`, `seqpacket`, …, or the type's number.
    SocketType in SOCKET;
    /// `route`, `netfilter`, `xfrm`, `audit`; absent when a socket option was set.
    NetlinkProtocol in NETLINK;
    /// The message or option by the kernel's name: `RTM_NEWROUTE`, `NFT_MSG_DELTABLE`, `IPT_SO_SET_REPLACE`; else its number: `0x604`.
    NetlinkType in NETLINK;
    /// Real user id after the call.
    NewUid in PRIVILEGE;
    /// Effective user id after the call.
    NewEuid in PRIVILEGE;
    /// Effective user id of the process at its event before.
    OldEuid in PRIVILEGE;
    /// Real group id after the call.
    NewGid in PRIVILEGE;
    /// Effective group id after the call.
    NewEgid in PRIVILEGE;
    /// Effective capabilities after the call, 16 hexadecimal digits.
    CapEffective in PRIVILEGE;
    /// The cgroup the process is in now, below the v2 mount.
    ToCgroup in CGROUP;
    /// Whether the process was born there.
    Born in CGROUP;
    /// What was done to a cgroup: `made`, `removed`, `frozen`, `thawed`; absent when a process left.
    CgroupAction in CGROUP;
    /// The cgroup it was done to, below the v2 mount.
    TargetCgroup in CGROUP;
    /// The thread's name until then.
    OldName in TAMPERING;
    /// The thread's name since.
    NewName in TAMPERING;
    /// The arguments that others see from now on, joined by one space.
    NewCommandLine in TAMPERING;
    /// The number of the call; of x32 numbers bit 30 (1073741824) is set.
    SyscallNumber in UNKNOWN;
    /// `x86_64`, `x32` or `i386`: which table the number is of.
    SyscallAbi in UNKNOWN;
    /// Bytes of payload that this end sent, as OCSF calls them.
    BytesOut = "traffic.bytes_out" in FLOW;
    /// Bytes of payload that this end received.
    BytesIn = "traffic.bytes_in" in FLOW;
    /// The name that is asked for, without the last dot.
    QueryName in DNS;
    /// The type that is asked for: `A`, `AAAA`, `TXT`, or its number.
    QueryType in DNS;
    /// The data of an answer's records, each ended by `;`. Absent in questions.
    QueryResults in DNS;
    /// Of an answer, as Windows numbers it: `0`, or 9000 and the response code: `9003` is NXDOMAIN. Absent in questions.
    QueryStatus in DNS;
    /// Whether it is a `query` or an `answer`, as ECS has it (`dns.type`); `malformed` when it is no DNS message at all.
    DnsType in DNS;
    /// The capability: `CAP_NET_ADMIN`.
    Capability in CAPABILITY;
    /// Whether it was asked for in the initial user namespace, where it means power over the host.
    InInitialNamespace in CAPABILITY;
}

impl Field {
    /// Every field.
    pub const ALL: &[Self] = &{
        let mut all = [Self::Image; Self::OF_OPERATIONS.len() + AuditField::COUNT];
        let mut place = 0;
        while place < all.len() {
            let of_operations = Self::OF_OPERATIONS.len();
            all[place] =
                if place < of_operations { Self::OF_OPERATIONS[place] } else { Self::Audit(AuditField::at(place - of_operations)) };
            place += 1;
        }
        all
    };

    /// The field of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// Whether events of this category carry it.
    #[must_use]
    pub fn is_in(self, category: Category) -> bool {
        self.categories().contains(&category)
    }
}
