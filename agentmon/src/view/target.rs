//! What an operation was aimed at, as escaped text: a command line, a path, an address.
//!
//! Used by the compact view and the summary. Not for: time, agent, outcome.

use super::escape::{escape, escape_within};
use crate::event::{Exec, Peer, Text};
use std::fmt::Write;

/// A command line as one would type it: arguments that a shell would split or change stand in single quotes.
pub(super) fn command_line(out: &mut String, exec: &Exec, width: usize) {
    if exec.argv.is_empty() {
        escape_within(out, &exec.exe.bytes, width);
        return;
    }
    let mut line = String::new();
    for (at, argument) in exec.args().enumerate() {
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
    if exec.argv.is_truncated() {
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

/// The other end of a connection.
pub(super) fn peer(out: &mut String, peer: &Peer, width: usize) {
    let named = |out: &mut String, mark: &str, name: &Text| {
        out.push_str(mark);
        escape_within(out, &name.bytes, width);
    };
    match peer {
        Peer::Inet(address) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{address}");
        }
        Peer::UnixPath(path) => named(out, "unix:", path),
        Peer::UnixAbstract(name) => named(out, "unix:@", name),
        Peer::Disconnect => out.push_str("(disconnect)"),
        Peer::Other(_) => out.push_str("(another address family)"),
        Peer::Unknown => out.push_str("(unreadable address)"),
    }
}
