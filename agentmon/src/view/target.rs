//! What an operation was aimed at, as escaped text: a command line, a path, an address, a call.
//!
//! Used by the compact view and the summary. Not for: time, agent, outcome.

use super::escape::{escape, escape_within};
use crate::event::constants::constant;
use crate::event::dns::{Message, rcode_name, type_name};
use crate::event::{Address, Call, Dns, Exec, Kind, NetworkChange, Resolved, Signal, Socket, Target, Text, ThreadName, Uring};
use std::fmt::Write;

/// A command line as one would type it: arguments that a shell would split or change stand in single quotes.
pub(super) fn command_line(out: &mut String, exec: &Exec, width: usize) {
    if exec.argv.is_empty() {
        file(out, &exec.exe.bytes, &exec.filename.bytes, width);
        return;
    }
    arguments(out, &exec.argv, width);
}

/// Arguments, each ended by a NUL.
pub(super) fn arguments(out: &mut String, argv: &Text, width: usize) {
    if argv.is_empty() {
        out.push_str("(none, or unreadable)");
        return;
    }
    let mut line = String::new();
    for (at, argument) in argv.bytes.strip_suffix(b"\0").unwrap_or(&argv.bytes).split(|byte| *byte == 0).enumerate() {
        if at > 0 {
            line.push(' ');
        }
        // Enough is enough: an argv may have 32 KiB.
        if line.len() > width.saturating_mul(4) {
            break;
        }
        let plain =
            !argument.is_empty() && argument.iter().all(|b| b.is_ascii_alphanumeric() || b"%+,-./:=@_~^[]#{}?".contains(b) || *b >= 0x80);
        if plain {
            escape(&mut line, argument);
        } else {
            line.push('\'');
            escape(&mut line, argument);
            line.push('\'');
        }
    }
    if argv.is_truncated() {
        line.push('…');
    }
    cut(out, &line, width);
}

/// Appends text that is safe already, at most `width` characters of it.
fn cut(out: &mut String, text: &str, width: usize) {
    match text.char_indices().nth(width) {
        None => out.push_str(text),
        Some(_) => {
            out.extend(text.chars().take(width.saturating_sub(1)));
            out.push('…');
        }
    }
}

/// A path; the asked one where that is all there is.
pub(super) fn file(out: &mut String, path: &[u8], asked: &[u8], width: usize) {
    let path = if path.is_empty() { asked } else { path };
    if path.is_empty() {
        out.push_str("(unreadable)");
    } else {
        escape_within(out, path, width);
    }
}

/// What a call was given: `a -> b` of a rename, else the call with its arguments.
/// What could not be read of it is said.
pub(super) fn call(out: &mut String, operation: &str, call: &Call, unreadable: bool, width: usize) {
    let target = |out: &mut String, target: &Target| file(out, &target.path.bytes, &target.asked.bytes, width);
    match (&call.second, call.kind) {
        (Some(second), Kind::Rename | Kind::Link) => {
            target(out, &call.target);
            out.push_str(" -> ");
            target(out, second);
        }
        (_, Kind::Symlink) => {
            target(out, &call.target);
            out.push_str(" -> ");
            text(out, call, width);
        }
        _ => {
            out.push_str(operation);
            if unreadable || call.target != Target::default() {
                out.push(' ');
                target(out, &call.target);
            }
            if call.text.is_some() {
                out.push(' ');
                text(out, call, width);
            }
            for ((name, argument), (_, value)) in call.shown_args().zip(call.args()) {
                let _ = match constant(call.op, name, value) {
                    Some(constant) => write!(out, " {name}={constant}"),
                    None => write!(out, " {name}={argument}"),
                };
            }
            if let Some(source) = &call.second {
                out.push_str(" from ");
                target(out, source);
            }
        }
    }
}

fn text(out: &mut String, call: &Call, width: usize) {
    if let Some(text) = &call.text {
        escape_within(out, &text.bytes, width);
    }
}

/// `python3 -> sshd`.
pub(super) fn renamed(out: &mut String, name: &ThreadName, width: usize) {
    escape_within(out, name.before(), width);
    out.push_str(" -> ");
    escape_within(out, name.after(), width);
}

/// `SIGTERM to postgres[812]`, `SIGKILL from systemd[1]`.
pub(super) fn signal(out: &mut String, signal: &Signal, width: usize) {
    let way = if signal.received { "from" } else { "to" };
    let _ = write!(out, "{} {way} ", signal.signal);
    escape_within(out, signal.other_comm(), width);
    let _ = write!(out, "[{}]", signal.other.tgid);
    if signal.to_monitor || signal.from_monitor {
        out.push_str(" (this monitor)");
    } else if signal.other_agent.is_none() {
        out.push_str(" outside");
    }
}

/// `unlinkat /work/x`, `renameat a -> b`, `connect 10.0.0.1:80`; what came of it is not known.
pub(super) fn request(out: &mut String, operation: &str, uring: &Uring, width: usize) {
    out.push_str(operation.strip_prefix("io_uring_").unwrap_or(operation));
    if uring.target != Target::default() {
        out.push(' ');
        file(out, &uring.target.path.bytes, &uring.target.asked.bytes, width);
    }
    if let Some(second) = &uring.second {
        out.push_str(" -> ");
        file(out, &second.path.bytes, &second.asked.bytes, width);
    }
    if let Some(text) = &uring.text {
        out.push(' ');
        escape_within(out, &text.bytes, width);
    }
    if let Some(peer) = &uring.peer {
        out.push(' ');
        address(out, peer, width);
    }
    for (name, value) in uring.args() {
        let _ = write!(out, " {name}={value:#x}");
    }
    out.push_str(" (submitted)");
}

/// `example.com A -> 10.0.0.53:53`, `example.com A: 93.184.215.14 <- 10.0.0.53:53`.
pub(super) fn dns(out: &mut String, dns: &Dns, width: usize) {
    match &dns.message {
        None => {
            let _ = write!(out, "(no DNS message, {} bytes)", dns.bytes);
        }
        Some(message) => said(out, message, width),
    }
    let _ = if dns.outbound { write!(out, " -> {}", dns.to) } else { write!(out, " <- {}", dns.from) };
}

fn said(out: &mut String, message: &Message, width: usize) {
    if let Some(question) = &message.question {
        escape_within(out, &question.name, width);
        match type_name(question.rtype) {
            Some(name) => {
                let _ = write!(out, " {name}");
            }
            None => {
                let _ = write!(out, " TYPE{}", question.rtype);
            }
        }
    }
    if !message.is_answer {
        return;
    }
    out.push_str(": ");
    match rcode_name(message.rcode) {
        Some("NOERROR") => {}
        Some(name) => out.push_str(name),
        None => {
            let _ = write!(out, "error {}", message.rcode);
        }
    }
    let mut answers = String::new();
    for answer in &message.answers {
        if !answers.is_empty() {
            answers.push(' ');
        }
        escape(&mut answers, &answer.data);
    }
    cut(out, &answers, width);
}

/// `/work/x`, `/work/a -> /work/b`; what came of it is not known.
pub(super) fn resolved(out: &mut String, it: &Resolved, width: usize) {
    file(out, &it.path.bytes, &[], width);
    let to = it.second.as_ref().map(|second| &second.bytes).or(it.text.as_ref().map(|text| &text.bytes));
    if let Some(to) = to {
        out.push_str(" -> ");
        escape_within(out, to, width);
    }
    for (name, value) in it.args() {
        let _ = write!(out, " {name}={value:#x}");
    }
    out.push_str(" (resolved)");
}

/// What was done with a socket: the address it is about, and of an accepted connection where it came in.
pub(super) fn socket(out: &mut String, socket: &Socket, width: usize) {
    match socket.kind {
        Kind::Socket => return made(out, socket),
        // Of a UNIX socket only the bind says the name.
        Kind::Listen | Kind::Accept if socket.about().is_unknown() => out.push_str(socket.family_name().unwrap_or("(unknown address)")),
        _ => address(out, socket.about(), width),
    }
    if socket.kind == Kind::Accept && !socket.local.is_unknown() {
        out.push_str(" at ");
        address(out, &socket.local, width);
    }
    if socket.count > 1 && socket.kind == Kind::Send {
        // Writing to a String cannot fail.
        let _ = write!(out, " and {} messages more", socket.count - 1);
    }
}

fn made(out: &mut String, socket: &Socket) {
    let number = |out: &mut String, name: Option<&str>, number: u16| match name {
        Some(name) => out.push_str(name),
        None => {
            let _ = write!(out, "{number}");
        }
    };
    number(out, socket.family_name(), socket.family);
    out.push(' ');
    number(out, socket.type_name(), socket.sock_type);
    let _ = write!(out, " protocol {}", socket.protocol);
}

/// A change of the network's own settings.
pub(super) fn change(out: &mut String, netlink: &NetworkChange) {
    if let Some(protocol) = netlink.change.protocol() {
        out.push_str(protocol);
        out.push(' ');
    }
    let _ = write!(out, "{}", netlink.change);
}

/// An address.
pub(super) fn address(out: &mut String, address: &Address, width: usize) {
    let named = |out: &mut String, mark: &str, name: &Text| {
        out.push_str(mark);
        escape_within(out, &name.bytes, width);
    };
    match address {
        Address::Inet(address) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{address}");
        }
        Address::UnixPath(path) => named(out, "unix:", path),
        Address::UnixAbstract(name) => named(out, "unix:@", name),
        Address::Disconnect => out.push_str("(disconnect)"),
        Address::Other(_) => out.push_str("(another address family)"),
        Address::Unknown => out.push_str("(unreadable address)"),
    }
}
