//! Fields: the names a rule may use, in which categories, and where their values come from.
//!
//! One table says which names exist; a name that is not in it is an error when the rule is loaded, so that a typo
//! cannot mean "never fires". Values are bytes, borrowed from the event where they are bytes there.

use super::category::Category;
use crate::event::{Connect, Detail, Exec, Peer, Unlink, flags};
use crate::process::Operation;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Declares [`Field`], its names and its categories in one place.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident in $categories:expr;)*) => {
        /// A field of an operation, by its Sigma name or, where Sigma has none, ours.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($(#[$doc])* $field,)* }

        impl Field {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// Its name in a rule.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => stringify!($field),)* }
            }

            /// The categories that carry it.
            #[must_use]
            pub const fn categories(self) -> &'static [Category] {
                match self { $(Self::$field => $categories,)* }
            }
        }
    };
}

const EVERY: &[Category] = &Category::ALL;
const EXEC: &[Category] = &[Category::ProcessCreation];
const FILE: &[Category] = &[Category::FileEvent, Category::FileAccess, Category::FileChange, Category::FileDelete];
const OPEN: &[Category] = &[Category::FileEvent, Category::FileAccess, Category::FileChange];
const DELETE: &[Category] = &[Category::FileDelete];
const NETWORK: &[Category] = &[Category::NetworkConnection];
const UNIX: &[Category] = &[Category::UnixConnect];
const PRIVILEGE: &[Category] = &[Category::PrivilegeChange];
const CGROUP: &[Category] = &[Category::CgroupChange];

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
    /// Effective user: `root`, or a number. User names live in files that the agent may see differently.
    User in EVERY;
    /// Real user id.
    Uid in EVERY;
    /// Process id.
    ProcessId in EVERY;
    /// The parent's process id.
    ParentProcessId in EVERY;
    /// Name of the agent.
    AgentName in EVERY;
    /// Session of the agent.
    SessionId in EVERY;
    /// The system call.
    Syscall in EVERY;
    /// `success`, or the error's name.
    Outcome in EVERY;
    /// The thread's name: the agent's to choose.
    Comm in EVERY;
    /// Kind of the event, as in the log: `exec`, `open`, `cgroup_leave`.
    EventKind in EVERY;
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
    /// `regular`, `directory`, `block`, `char`, `fifo`, `socket`, `symlink`; absent when the open failed.
    TargetType in OPEN;
    /// Whether the open asked to write.
    ForWriting in OPEN;
    /// Whether a directory was to be removed.
    Directory in DELETE;
    /// The peer's address. IPv4-mapped IPv6 addresses are shown as IPv4.
    DestinationIp in NETWORK;
    /// The peer's port.
    DestinationPort in NETWORK;
    /// The peer's name. The kernel does not know it: always absent.
    DestinationHostname in NETWORK;
    /// The local address, where the kernel had chosen one.
    SourceIp in NETWORK;
    /// The local port.
    SourcePort in NETWORK;
    /// Always `true`: these are connections the agent made.
    Initiated in NETWORK;
    /// `tcp`, `udp`, or the protocol's number.
    Protocol in NETWORK;
    /// Path of the socket; `@name` in the abstract namespace.
    TargetSocket in UNIX;
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
}

impl Field {
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

/// Buffers for command lines, which exist as one text only when a rule asks.
#[derive(Debug, Default)]
pub(super) struct Joined {
    own: Vec<u8>,
    parent: Vec<u8>,
}

impl Joined {
    /// Joins what this category's rules ask for.
    pub fn fill(&mut self, operation: &Operation<'_>, own: bool, parent: bool) {
        self.own.clear();
        self.parent.clear();
        if own && let Some(exec) = image(operation) {
            join(&mut self.own, exec);
        }
        if parent && let Some(exec) = operation.parent_image() {
            join(&mut self.parent, exec);
        }
    }
}

fn join(line: &mut Vec<u8>, exec: &Exec) {
    let argv: &[u8] = &exec.argv.bytes;
    line.extend(argv.strip_suffix(b"\0").unwrap_or(argv).iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
}

/// The program an operation is about: of an exec the one executed, else the one that runs.
fn image<'a>(operation: &Operation<'a>) -> Option<&'a Exec> {
    match &operation.event.detail {
        Detail::Exec(exec) => Some(exec),
        _ => operation.process.image.as_deref(),
    }
}

/// A field's value: borrowed, or short and made here.
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Short(Short),
}

impl Value<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Short(short) => &short.bytes[..short.len],
        }
    }
}

/// A number or an address as text, without the heap.
pub(super) struct Short {
    bytes: [u8; 112],
    len: usize,
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn short(value: impl std::fmt::Display) -> Option<Value<'static>> {
    let mut short = Short { bytes: [0; 112], len: 0 };
    write!(short, "{value}").ok()?;
    Some(Value::Short(short))
}

fn word(word: &'static str) -> Option<Value<'static>> {
    Some(Value::Bytes(word.as_bytes()))
}

fn truth(truth: bool) -> Option<Value<'static>> {
    word(if truth { "true" } else { "false" })
}

/// Bytes that are absent when empty.
fn some(bytes: &[u8]) -> Option<Value<'_>> {
    (!bytes.is_empty()).then_some(Value::Bytes(bytes))
}

fn user(uid: u32) -> Option<Value<'static>> {
    if uid == 0 { word("root") } else { short(uid) }
}

/// The value of a field, or `None` when the operation has none.
pub(super) fn value<'a>(field: Field, operation: &Operation<'a>, joined: &'a Joined) -> Option<Value<'a>> {
    let event = operation.event;
    match field {
        Field::Image => some(&image(operation)?.exe.bytes),
        Field::CommandLine => some(&joined.own),
        Field::CurrentDirectory => some(&image(operation)?.cwd.bytes),
        Field::ParentImage => some(&operation.parent?.image.as_deref()?.exe.bytes),
        Field::ParentCommandLine => some(&joined.parent),
        Field::ParentUser => user(operation.parent?.euid),
        Field::User => user(event.euid),
        Field::Uid => short(event.uid),
        Field::ProcessId => short(event.process.tgid),
        Field::ParentProcessId => short(event.ppid),
        Field::AgentName => Some(Value::Bytes(operation.agent.name.as_bytes())),
        Field::SessionId => Some(Value::Bytes(operation.agent.session.as_bytes())),
        Field::Syscall => word(event.operation),
        Field::Outcome => word(event.outcome.error_name().unwrap_or("success")),
        Field::Comm => some(event.comm()),
        Field::EventKind => word(event.kind().name()),
        _ => particular(field, operation),
    }
}

/// The value of a field that one kind of event has.
fn particular<'a>(field: Field, operation: &Operation<'a>) -> Option<Value<'a>> {
    let event = operation.event;
    match &event.detail {
        Detail::Exec(exec) => match field {
            Field::Filename => some(&exec.filename.bytes),
            Field::Script => some(&exec.script.as_ref()?.bytes),
            Field::Fileless => truth(exec.is_fileless()),
            Field::Argc => short(exec.argc),
            Field::Truncated => truth(exec.argv.is_truncated() || event.has(flags::TRUNCATED)),
            _ => None,
        },
        Detail::Open(open) => match field {
            Field::TargetFilename => some(&open.path.bytes),
            Field::TargetType => word(file_type(open.file.mode)?),
            Field::ForWriting => truth(open.for_writing()),
            _ => None,
        },
        Detail::Unlink(unlink) => removed(field, unlink),
        Detail::Connect(connect) => contacted(field, connect),
        Detail::Identity(identity) => match field {
            Field::NewUid => short(identity.uids[0]),
            Field::NewEuid => short(identity.uids[1]),
            Field::OldEuid => short(operation.process.euid_before),
            Field::NewGid => short(identity.gids[0]),
            Field::NewEgid => short(identity.gids[1]),
            Field::CapEffective => short(format_args!("{:016x}", identity.cap_effective)),
            _ => None,
        },
        Detail::CgroupLeave(cgroup) => match field {
            Field::ToCgroup => some(&cgroup.path.bytes),
            Field::Born => truth(cgroup.born),
            _ => None,
        },
        _ => None,
    }
}

fn removed(field: Field, unlink: &Unlink) -> Option<Value<'_>> {
    match field {
        Field::TargetFilename => some(&unlink.path.bytes),
        Field::Directory => truth(unlink.directory),
        _ => None,
    }
}

fn contacted(field: Field, connect: &Connect) -> Option<Value<'_>> {
    let address = |socket: &SocketAddr| short(socket.ip().to_canonical());
    match (field, &connect.peer) {
        (Field::DestinationIp, Peer::Inet(peer)) => address(peer),
        (Field::DestinationPort, Peer::Inet(peer)) => short(peer.port()),
        (Field::SourceIp, _) => address(connect.local.as_ref()?),
        (Field::SourcePort, _) => short(connect.local?.port()),
        (Field::Initiated, _) => truth(true),
        (Field::Protocol, _) => match (connect.protocol, connect.sock_type) {
            (6, _) | (0, 1) => word("tcp"),
            (17, _) | (0, 2) => word("udp"),
            (number, _) => short(number),
        },
        (Field::TargetSocket, Peer::UnixPath(path)) => some(&path.bytes),
        (Field::TargetSocket, Peer::UnixAbstract(name)) => Some(abstract_name(&name.bytes)),
        _ => None,
    }
}

/// `@` and the name, as `ss` and `/proc/net/unix` show it. `sun_path` has 108 bytes, so it fits.
fn abstract_name(name: &[u8]) -> Value<'static> {
    let mut short = Short { bytes: [0; 112], len: 1 };
    short.bytes[0] = b'@';
    for (to, from) in short.bytes[1..].iter_mut().zip(name) {
        *to = *from;
        short.len += 1;
    }
    Value::Short(short)
}

fn file_type(mode: u32) -> Option<&'static str> {
    Some(match mode & 0o170_000 {
        0o100_000 => "regular",
        0o040_000 => "directory",
        0o060_000 => "block",
        0o020_000 => "char",
        0o010_000 => "fifo",
        0o140_000 => "socket",
        0o120_000 => "symlink",
        _ => return None,
    })
}

/// An address that a rule compares as such.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
