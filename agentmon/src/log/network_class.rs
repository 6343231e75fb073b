//! OCSF class 4001, Network Activity: what is done with sockets; and 1003, Kernel Activity, for changes of the network's
//! own settings.
//!
//! Not for: DNS messages (`super::dns_class`).

use super::format::Class;
use super::line::Line;
use super::process_class::actor;
use crate::event::{Address, Change, Event, Flow, Kind, NetworkChange, Socket};
use crate::process::Operation;
use std::net::SocketAddr;

/// `EINPROGRESS`: a non-blocking socket's connection is under way; how it ends is not seen.
const EINPROGRESS: u32 = 115;
/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// `ECONNREFUSED`.
const ECONNREFUSED: u32 = 111;

pub(super) fn class(event: &Event, socket: &Socket) -> Class {
    let (activity, activity_name) = match socket.kind {
        Kind::Bind | Kind::Listen => (7, None),
        Kind::Socket => (99, Some("Create Socket")),
        kind => match event.outcome.errno() {
            None if socket.peer == Address::Disconnect => (2, None),
            None if kind == Kind::Send && !socket.connects() => (6, None),
            None | Some(EINPROGRESS) => (1, None),
            Some(ECONNREFUSED) => (5, None),
            Some(_) => (4, None),
        },
    };
    let under_way = socket.connects() && event.outcome.errno() == Some(EINPROGRESS);
    Class { uid: 4001, activity, activity_name, status: under_way.then_some(0), users: false }
}

/// Of a change of the network's own settings.
pub(super) fn change() -> Class {
    Class { uid: 1003, activity: 4, activity_name: None, status: None, users: false }
}

/// Of a connection that is closed.
pub(super) const fn closed() -> Class {
    Class { uid: 4001, activity: 2, activity_name: None, status: None, users: false }
}

/// Both ends, and how much went through. Out is what this host's process sent, whoever began it.
pub(super) fn flow<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, flow: &Flow) {
    actor(line, op);
    let (source, destination) = flow.from_to();
    ends(line, op, source, destination);
    line.json.object("connection_info");
    line.json.number("direction_id", if flow.inbound { 1 } else { 2 });
    line.json.number("protocol_num", TCP);
    line.json.word("protocol_name", "tcp");
    line.json.close();
    line.json.object("traffic");
    line.json.number("bytes_in", flow.bytes_in);
    line.json.number("bytes_out", flow.bytes_out);
    line.json.close();
}

/// Both ends of a packet or connection.
pub(super) fn ends<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, source: SocketAddr, destination: SocketAddr) {
    line.json.object("src_endpoint");
    inet(line, source);
    line.json.close();
    line.json.object("dst_endpoint");
    inet(line, destination);
    hostname(line, op);
    line.json.close();
}

/// The name of the destination, when the agent has looked it up.
pub(super) fn hostname<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    if let Some(name) = op.hostname {
        line.untrusted("hostname", "hostname", name, name.len());
    }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, socket: &'e Socket) {
    actor(line, op);
    // Where it waits is the destination of what will come.
    let (source, destination) = if socket.is_outbound() { (&socket.local, &socket.peer) } else { (&socket.peer, &socket.local) };
    if !source.is_unknown() {
        line.json.object("src_endpoint");
        endpoint(line, "peer_path", source);
        line.json.close();
    }
    line.json.object("dst_endpoint");
    endpoint(line, if socket.is_outbound() { "peer_path" } else { "local_path" }, destination);
    hostname(line, op);
    line.json.close();
    line.json.object("connection_info");
    line.json.number("direction_id", if socket.is_outbound() { 2 } else { 1 });
    if socket.about().inet().is_some() {
        line.json.number("protocol_num", socket.protocol);
        match socket.protocol {
            6 => line.json.word("protocol_name", "tcp"),
            17 => line.json.word("protocol_name", "udp"),
            _ => {}
        }
    }
    line.json.close();
}

pub(super) fn endpoint<'e>(line: &mut Line<'_, 'e>, field: &'static str, address: &'e Address) {
    match address {
        Address::Inet(address) => inet(line, *address),
        Address::UnixPath(name) | Address::UnixAbstract(name) => line.text("name", field, name),
        // OCSF wants a destination; that there is none, or none is known, is all there is to say.
        Address::Disconnect => line.json.word("name", "none"),
        Address::Other(_) | Address::Unknown => line.json.word("name", "unknown"),
    }
}

fn inet(line: &mut Line<'_, '_>, address: SocketAddr) {
    line.json.plain("ip", address.ip());
    line.json.number("port", address.port());
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, socket: &'e Socket) {
    line.json.word("peer", address_kind(socket.about()));
    if let Address::Other(bytes) = socket.about() {
        line.text("sockaddr", "sockaddr", bytes);
    }
    line.json.number("family", socket.family);
    line.json.number("sock_type", socket.sock_type);
    match socket.kind {
        // A new socket has no number before the call, and no address.
        Kind::Socket => {
            line.json.number("protocol", socket.protocol);
            return;
        }
        Kind::Listen => line.json.number("backlog", socket.count),
        Kind::Send => {
            line.json.plain("send_flags", format_args!("{:#x}", socket.send_flags));
            line.json.number("messages", socket.count);
        }
        _ => {}
    }
    line.json.number("fd", socket.fd);
    if !socket.from_kernel {
        // The address is the program's word, and it could have changed it while the kernel looked.
        line.json.boolean("from_kernel", false);
    }
    for (field, other) in [("asked_peer", &socket.asked), ("at_exit", &socket.at_exit)] {
        if let Some(other) = other {
            another(line, field, other);
        }
    }
}

/// An address beside the one that the event is about.
fn another<'e>(line: &mut Line<'_, 'e>, field: &'static str, address: &'e Address) {
    line.json.object(field);
    line.json.word("peer", address_kind(address));
    match address {
        Address::Inet(address) => inet(line, *address),
        Address::UnixPath(bytes) | Address::UnixAbstract(bytes) | Address::Other(bytes) => line.text("name", field, bytes),
        Address::Disconnect | Address::Unknown => {}
    }
    line.json.close();
}

pub(super) fn changed(line: &mut Line<'_, '_>, netlink: &NetworkChange) {
    line.json.plain("change", netlink.change);
    match netlink.change {
        Change::Message { protocol, message, flags } => {
            line.json.number("netlink_protocol", protocol);
            line.json.number("message", message);
            line.json.plain("message_flags", format_args!("{flags:#x}"));
        }
        Change::Option { level, option } => {
            line.json.number("level", level);
            line.json.number("option", option);
        }
    }
    line.json.number("fd", netlink.fd);
}

/// Which kind of address: a file named like an abstract socket is still a file.
const fn address_kind(address: &Address) -> &'static str {
    match address {
        Address::Inet(_) => "inet",
        Address::UnixPath(_) => "unix",
        Address::UnixAbstract(_) => "unix_abstract",
        Address::Disconnect => "disconnect",
        Address::Other(_) => "other",
        Address::Unknown => "unknown",
    }
}
