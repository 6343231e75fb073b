//! OCSF class 4001, Network Activity: connect, to Internet addresses and to Unix sockets.
//!
//! Not for: names of hosts. The monitor sees addresses only.

use super::format::Class;
use super::line::Line;
use super::process_class::actor;
use crate::event::{Connect, Event, Peer, Text};
use crate::process::Operation;
use std::net::SocketAddr;

/// `EINPROGRESS`: a non-blocking socket's connection is under way; how it ends is not seen.
const EINPROGRESS: u32 = 115;
/// `ECONNREFUSED`.
const ECONNREFUSED: u32 = 111;

pub(super) fn class(event: &Event, connect: &Connect) -> Class {
    let (activity, status) = match event.outcome.errno() {
        None if connect.peer == Peer::Disconnect => (2, None),
        None => (1, None),
        Some(EINPROGRESS) => (1, Some(0)),
        Some(ECONNREFUSED) => (5, None),
        Some(_) => (4, None),
    };
    Class { uid: 4001, activity, activity_name: None, status, users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, connect: &'e Connect) {
    actor(line, op);
    if let Some(local) = connect.local {
        address(line, "src_endpoint", local);
    }
    destination(line, &connect.peer);
    // Outbound.
    line.json.raw(",\"connection_info\":{\"direction_id\":2");
    if matches!(connect.peer, Peer::Inet(_)) {
        line.json.number("protocol_num", connect.protocol);
        match connect.protocol {
            6 => line.json.word("protocol_name", "tcp"),
            17 => line.json.word("protocol_name", "udp"),
            _ => {}
        }
    }
    line.json.close();
}

/// `dst_endpoint`.
pub(super) fn destination<'e>(line: &mut Line<'_, 'e>, peer: &'e Peer) {
    match peer {
        Peer::Inet(peer) => address(line, "dst_endpoint", *peer),
        Peer::UnixPath(path) => unix(line, "peer_path", path),
        Peer::UnixAbstract(name) => unix(line, "peer_name", name),
        // OCSF wants a destination; that there is none, or none is known, is all there is to say.
        Peer::Disconnect => line.json.raw(",\"dst_endpoint\":{\"name\":\"none\"}"),
        Peer::Other(_) | Peer::Unknown => line.json.raw(",\"dst_endpoint\":{\"name\":\"unknown\"}"),
    }
}

fn address(line: &mut Line<'_, '_>, key: &str, address: SocketAddr) {
    line.json.object(key);
    line.json.plain("ip", address.ip());
    line.json.number("port", address.port());
    line.json.close();
}

fn unix<'e>(line: &mut Line<'_, 'e>, field: &'static str, name: &'e Text) {
    line.json.object("dst_endpoint");
    line.text("name", field, name);
    line.json.close();
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, connect: &'e Connect) {
    line.json.word("peer", peer_kind(&connect.peer));
    if let Peer::Other(bytes) = &connect.peer {
        line.text("sockaddr", "sockaddr", bytes);
    }
    line.json.number("family", connect.family);
    line.json.number("sock_type", connect.sock_type);
    line.json.number("fd", connect.fd);
    if !connect.from_kernel {
        // The address is the program's word, and it could have changed it while the kernel looked.
        line.json.boolean("from_kernel", false);
    }
}

/// Which kind of peer: a file named like an abstract socket is still a file.
const fn peer_kind(peer: &Peer) -> &'static str {
    match peer {
        Peer::Inet(_) => "inet",
        Peer::UnixPath(_) => "unix",
        Peer::UnixAbstract(_) => "unix_abstract",
        Peer::Disconnect => "disconnect",
        Peer::Other(_) => "other",
        Peer::Unknown => "unknown",
    }
}
