//! Which records auditd would write of an operation, and the paths that they name.
//!
//! Not for: the values of their fields (`super::value`).

use crate::event::{Detail, Event, Kind, Text, flags};
use crate::process::Operation;
use agentmon_common::uring::opcode;

/// The types of records in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum RecordType {
    Syscall,
    Execve,
    Path,
    Cwd,
    Proctitle,
    Sockaddr,
}

impl RecordType {
    pub(super) const ALL: [Self; 6] = [Self::Syscall, Self::Execve, Self::Path, Self::Cwd, Self::Proctitle, Self::Sockaddr];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "SYSCALL",
            Self::Execve => "EXECVE",
            Self::Path => "PATH",
            Self::Cwd => "CWD",
            Self::Proctitle => "PROCTITLE",
            Self::Sockaddr => "SOCKADDR",
        }
    }
}

/// One record of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) struct Record {
    pub(super) of: RecordType,
    /// Of paths: which of [`paths`].
    pub(super) place: usize,
}

impl Record {
    /// What correlations look at when a field is in several: the arguments of a program, and what a call began with.
    pub fn first(event: &Event) -> Self {
        let of = if matches!(event.detail, Detail::Exec(_)) { RecordType::Execve } else { RecordType::Syscall };
        Self { of, place: 0 }
    }
}

/// The records of one type.
pub(super) fn of(of: RecordType, operation: &Operation<'_>) -> impl Iterator<Item = Record> + use<> {
    let event = operation.event;
    let places = match of {
        _ if !has_records(event) => 0,
        RecordType::Syscall => usize::from(is_call(event)),
        RecordType::Execve => usize::from(matches!(event.detail, Detail::Exec(_))),
        RecordType::Path => paths(event).iter().flatten().count(),
        RecordType::Cwd => usize::from(paths(event)[0].is_some()),
        RecordType::Proctitle => 1,
        RecordType::Sockaddr => usize::from(matches!(&event.detail, Detail::Socket(socket) if !socket.about().is_unknown())),
    };
    (0..places).map(move |place| Record { of, place })
}

/// Whether the operation is a system call of the process, or what the kernel did for one.
fn has_records(event: &Event) -> bool {
    match &event.detail {
        // What the kernel resolves of it is told by an event of its own.
        Detail::Uring(_) => !event.has(flags::APART),
        Detail::Resolved(_) => true,
        _ => is_call(event),
    }
}

/// Whether a system call that the event names did it.
fn is_call(event: &Event) -> bool {
    match &event.detail {
        Detail::Exec(_)
        | Detail::Open(_)
        | Detail::Unlink(_)
        | Detail::Socket(_)
        | Detail::Netlink(_)
        | Detail::Identity(_)
        | Detail::Argv(_)
        | Detail::Call(_) => true,
        Detail::Signal(signal) => !signal.received && event.operation != Kind::Signal.name(),
        Detail::ThreadName(_) => event.operation != Kind::ThreadName.name(),
        _ => false,
    }
}

/// The system call; of a program that was executed the kernel does not say which of the two it was.
pub(super) fn call(event: &Event) -> Option<&'static str> {
    let name = if event.operation == Kind::Exec.name() { "execve" } else { event.operation };
    is_call(event).then_some(name)
}

/// Most paths of an operation: two, each as it was asked for and as it was resolved.
const PATHS_MAX: usize = 4;

/// A path that a record names, and what became of the name.
pub(super) type Named<'a> = (&'a [u8], &'static str);

pub(super) const CREATE: &str = "CREATE";
pub(super) const DELETE: &str = "DELETE";
pub(super) const NORMAL: &str = "NORMAL";

/// The paths of an operation, without gaps: what it acted on first. What was asked for has a record of its own where it is
/// absolute and not what was resolved: rules name files by links too, as in `/var/run`.
pub(super) fn paths(event: &Event) -> [Option<Named<'_>>; PATHS_MAX] {
    let mut paths = [None; PATHS_MAX];
    if let Detail::Exec(exec) = &event.detail {
        add(&mut paths, Some(&exec.exe.bytes), NORMAL);
        add(&mut paths, absolute(Some(&exec.filename)), NORMAL);
        add(&mut paths, exec.script.as_ref().map(|script| &*script.bytes), NORMAL);
        return paths;
    }
    let ((from, to), (asked_from, asked_to)) = (nametypes(event), asked(event));
    add(&mut paths, event.target().map(|path| &*path.bytes), to);
    add(&mut paths, absolute(asked_to), to);
    add(&mut paths, event.source().map(|path| &*path.bytes), from);
    add(&mut paths, absolute(asked_from), from);
    paths
}

/// Adds a path that is there and not yet among them.
fn add<'a>(paths: &mut [Option<Named<'a>>], path: Option<&'a [u8]>, what: &'static str) {
    let known = |path: &[u8]| paths.iter().flatten().any(|(other, _)| *other == path);
    let Some(path) = path.filter(|path| !path.is_empty() && !known(path)) else { return };
    if let Some(free) = paths.iter_mut().find(|free| free.is_none()) {
        *free = Some((path, what));
    }
}

fn absolute(text: Option<&Text>) -> Option<&[u8]> {
    text.map(|text| &*text.bytes).filter(|path| path.first() == Some(&b'/'))
}

/// What was asked for: source and target, as [`Event::source`] and [`Event::target`].
const fn asked(event: &Event) -> (Option<&Text>, Option<&Text>) {
    let (first, second) = match &event.detail {
        Detail::Open(open) => return (None, Some(&open.asked)),
        Detail::Unlink(unlink) => return (None, Some(&unlink.asked)),
        Detail::Call(call) => (&call.target, &call.second),
        Detail::Uring(uring) => (&uring.target, &uring.second),
        _ => return (None, None),
    };
    match (second, &event.detail) {
        (None, _) => (None, Some(&first.asked)),
        (Some(second), Detail::Call(call)) if !matches!(call.kind, Kind::Rename | Kind::Link) => (Some(&second.asked), Some(&first.asked)),
        (Some(second), _) => (Some(&first.asked), Some(&second.asked)),
    }
}

/// What became of the source's and the target's name.
fn nametypes(event: &Event) -> (&'static str, &'static str) {
    let kind = match &event.detail {
        Detail::Open(open) => return (NORMAL, if open.created { CREATE } else { NORMAL }),
        Detail::Unlink(_) => Kind::Unlink,
        Detail::Resolved(resolved) => resolved.kind,
        Detail::Call(call) => call.kind,
        Detail::Uring(uring) => match uring.opcode {
            opcode::OPENAT | opcode::OPENAT2 if uring.creates() => Kind::Mknod,
            opcode::UNLINKAT => Kind::Unlink,
            opcode::RENAMEAT => Kind::Rename,
            opcode::LINKAT | opcode::SYMLINKAT => Kind::Link,
            opcode::MKDIRAT => Kind::Mkdir,
            _ => return (NORMAL, NORMAL),
        },
        _ => return (NORMAL, NORMAL),
    };
    match kind {
        Kind::Rename => (DELETE, CREATE),
        Kind::Link | Kind::Symlink | Kind::Mkdir | Kind::Mknod => (NORMAL, CREATE),
        Kind::Unlink => (NORMAL, DELETE),
        _ => (NORMAL, NORMAL),
    }
}
