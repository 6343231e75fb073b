//! Values of an audit record's fields: where in an operation each stands.
//!
//! Not for: which records there are (`super::records`).

use super::field::AuditField;
use super::records::{Record, RecordType, call, paths};
use crate::event::{Address, Detail, Event, Socket, flags};
use crate::process::Operation;
use crate::rules::joined::{Joined, join};
use crate::rules::value::{Value, image, short, some, word};
use agentmon_common::syscalls::{PAIR, SHAPES, besides};

/// The value of a field in the record that is looked at, or `None` when it has none.
pub(in crate::rules) fn value<'a>(field: AuditField, operation: &Operation<'a>, joined: &'a Joined) -> Option<Value<'a>> {
    let event = operation.event;
    let record = joined.record.unwrap_or_else(|| Record::first(event));
    match field {
        AuditField::Type => word(record.of.name()),
        AuditField::Line => some(&joined.line),
        AuditField::Syscall => word(call(event)?),
        AuditField::Arch => word(if event.has(flags::COMPAT) { "40000003" } else { "c000003e" }),
        AuditField::Success => word(if event.outcome.succeeded() { "yes" } else { "no" }),
        AuditField::Exit => short(event.outcome.0),
        AuditField::Pid => short(event.process.tgid),
        AuditField::Ppid => short(event.ppid),
        AuditField::Uid => short(event.uid),
        AuditField::Euid => short(event.euid),
        AuditField::Comm => some(event.comm()),
        AuditField::Exe => some(&image(operation)?.exe.bytes),
        AuditField::Argc => match &event.detail {
            Detail::Exec(exec) => short(exec.argc),
            _ => None,
        },
        AuditField::Argument(number) => match &event.detail {
            Detail::Exec(exec) if record.of == RecordType::Execve => exec.args().nth(number.into()).map(Value::Bytes),
            _ if record.of == RecordType::Syscall => short(format_args!("{:x}", call_argument(event, number)?)),
            _ => None,
        },
        AuditField::Name => Some(Value::Bytes(paths(event)[record.place]?.0)),
        AuditField::Nametype => word(paths(event)[record.place]?.1),
        AuditField::Cwd => some(&image(operation)?.cwd.bytes),
        AuditField::Proctitle => some(&joined.own),
        AuditField::SaddrFam | AuditField::Laddr | AuditField::Lport | AuditField::SocketPath => match &event.detail {
            Detail::Socket(socket) => address(field, socket),
            _ => None,
        },
        AuditField::Unknowable => None,
    }
}

fn address(field: AuditField, socket: &Socket) -> Option<Value<'_>> {
    match (field, socket.about()) {
        (AuditField::SaddrFam, Address::Inet(address)) => word(if address.is_ipv4() { "inet" } else { "inet6" }),
        (AuditField::SaddrFam, Address::UnixPath(_) | Address::UnixAbstract(_)) => word("local"),
        (AuditField::Laddr, Address::Inet(address)) => short(address.ip()),
        (AuditField::Lport, Address::Inet(address)) => short(address.port()),
        (AuditField::SocketPath, Address::UnixPath(path)) => some(&path.bytes),
        _ => None,
    }
}

/// An argument of the call as it was given, where the event has it so.
fn call_argument(event: &Event, number: u8) -> Option<u64> {
    match &event.detail {
        Detail::Call(call) => {
            let shape = &SHAPES[usize::from(call.op)];
            // Elsewhere an argument is what it points to; of a pair one half is not the whole.
            if !matches!(shape.besides, besides::NOTHING | besides::COUNTED_TEXT | besides::NEW_ROOT) {
                return None;
            }
            let at = shape.args.iter().position(|argument| *argument == number)?;
            (number & PAIR == 0).then_some(call.args[at])
        }
        Detail::Socket(socket) if event.operation == "socket" => match number {
            0 => Some(socket.family.into()),
            2 => Some(socket.protocol.into()),
            _ => None,
        },
        Detail::Open(open) => match (event.operation, number) {
            ("open", 1) | ("openat", 2) => Some(open.open_flags),
            _ => None,
        },
        _ => None,
    }
}

/// Joins what keywords are looked for in.
pub(in crate::rules) fn line(line: &mut Vec<u8>, operation: &Operation<'_>, record: Option<Record>) {
    let event = operation.event;
    let record = record.unwrap_or_else(|| Record::first(event));
    let mut add = |text: &[u8]| {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(text);
    };
    match record.of {
        RecordType::Syscall => {
            add(call(event).unwrap_or_default().as_bytes());
            add(event.comm());
            add(image(operation).map_or(&[], |image| &image.exe.bytes));
        }
        RecordType::Path => paths(event)[record.place].iter().for_each(|(name, _)| add(name)),
        RecordType::Cwd => add(image(operation).map_or(&[], |image| &image.cwd.bytes)),
        RecordType::Execve | RecordType::Proctitle => {
            if let Some(image) = image(operation) {
                join(line, &image.argv.bytes);
            }
        }
        RecordType::Sockaddr => {
            if let Detail::Socket(socket) = &event.detail {
                for field in [AuditField::Laddr, AuditField::Lport, AuditField::SocketPath] {
                    address(field, socket).iter().for_each(|value| add(value.bytes()));
                }
            }
        }
    }
}
