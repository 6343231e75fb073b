//! Sends that name a destination, and those that do not; of both ABIs.
//!
//! Not for: netlink (`netlink`).

use crate::network::{connect, local, sockaddr, sockaddr_un, socket};
use crate::sys::{below, bytes, fd, int80, low_page, sleeps, sys, tid};
use crate::truth::Truth;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

pub const PAYLOAD: &[u8] = b"payload";

fn to(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

pub fn bound(family: i32, kind: i32, address: &[u8]) -> i64 {
    let socket = socket(family, kind);
    assert_eq!(sys(libc::SYS_bind, &[fd(socket), address.as_ptr() as u64, address.len() as u64]), 0, "bind");
    socket
}

/// Port of a new UDP socket of the loopback address, which stays open.
fn receiver() -> u16 {
    local(bound(libc::AF_INET, libc::SOCK_DGRAM, &sockaddr(to(0)))).expect("an address").port()
}

pub fn sendto(socket: i64, flags: i32, address: &[u8]) -> i64 {
    let to = if address.is_empty() { 0 } else { address.as_ptr() as u64 };
    sys(libc::SYS_sendto, &[fd(socket), PAYLOAD.as_ptr() as u64, PAYLOAD.len() as u64, flags as u64, to, address.len() as u64])
}

pub fn truth(op: &str, ret: i64, socket: i64, peer: &str) -> Truth {
    Truth::of(op, ret).with("kind", "send").with("fd", socket).with("peer", peer).with("changed", false).with("at_exit", "none")
}

/// A `struct msghdr` with this name and one piece of payload.
fn message(name: &[u8], piece: &[u64; 2]) -> [u64; 7] {
    let at = if name.is_empty() { 0 } else { name.as_ptr() as u64 };
    [at, name.len() as u64, piece.as_ptr() as u64, 1, 0, 0, 0]
}

/// All of them.
pub fn all(dir: &Path) {
    datagrams();
    messages();
    streams();
    unix(dir);
}

fn datagrams() {
    let port = receiver();
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM);
    let ret = sendto(socket, 0, &sockaddr(to(port)));
    assert_eq!(ret, PAYLOAD.len() as i64, "sendto");
    let done = truth("sendto", ret, socket, &format!("inet {}", to(port))).with("from_kernel", false).with("family", libc::AF_INET);
    let done = done.with("sock_type", libc::SOCK_DGRAM).with("messages", 1).with("send_flags", 0).with("compat", false);
    done.with("local", format!("inet {}", local(socket).expect("an address"))).print();

    // Connected elsewhere: the address of the call counts, and without one there is nothing to report.
    let other = receiver();
    assert_eq!(connect(socket, &sockaddr(to(other))), 0, "connect");
    assert!(sendto(socket, 0, &[]) > 0, "send on a connected socket");
    assert!(sys(libc::SYS_write, &[fd(socket), PAYLOAD.as_ptr() as u64, 1]) > 0, "write");
    let ret = sendto(socket, libc::MSG_DONTWAIT, &sockaddr(to(port)));
    assert!(ret > 0, "sendto elsewhere");
    truth("sendto", ret, socket, &format!("inet {}", to(port))).with("send_flags", libc::MSG_DONTWAIT).print();

    let broadcast = SocketAddr::new(Ipv4Addr::BROADCAST.into(), 9);
    let ret = sendto(socket, 0, &sockaddr(broadcast));
    assert!(ret < 0, "a broadcast without leave");
    truth("sendto", ret, socket, &format!("inet {broadcast}")).print();
    let six = sys(libc::SYS_socket, &[libc::AF_INET6 as u64, libc::SOCK_DGRAM as u64, 0]);
    if six >= 0 {
        let address = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9);
        let ret = sendto(six, 0, &sockaddr(address));
        truth("sendto", ret, six, &format!("inet {address}")).with("family", libc::AF_INET6).print();
    }
}

fn messages() {
    let (port, second) = (receiver(), receiver());
    let piece = [PAYLOAD.as_ptr() as u64, PAYLOAD.len() as u64];
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM);
    let (name, other) = (sockaddr(to(port)), sockaddr(to(second)));
    let header = message(&name, &piece);
    let ret = sys(libc::SYS_sendmsg, &[fd(socket), header.as_ptr() as u64, 0]);
    assert!(ret > 0, "sendmsg: {ret}");
    truth("sendmsg", ret, socket, &format!("inet {}", to(port))).with("messages", 1).with("from_kernel", false).print();

    // The first that names a destination is not the first.
    assert_eq!(connect(socket, &sockaddr(to(receiver()))), 0, "connect");
    let mut headers = Vec::new();
    for name in [&[][..], &[], &name, &[], &other] {
        headers.extend(message(name, &piece));
        headers.push(0);
    }
    let ret = sys(libc::SYS_sendmmsg, &[fd(socket), headers.as_ptr() as u64, 5, 0]);
    assert_eq!(ret, 5, "sendmmsg");
    truth("sendmmsg", ret, socket, &format!("inet {}", to(port))).with("messages", 2).print();
    // None does.
    assert_eq!(sys(libc::SYS_sendmmsg, &[fd(socket), headers.as_ptr() as u64, 2, 0]), 2, "sendmmsg");
    let header = message(&[], &piece);
    assert!(sys(libc::SYS_sendmsg, &[fd(socket), header.as_ptr() as u64, 0]) > 0, "sendmsg");
}

fn streams() {
    let server = bound(libc::AF_INET, libc::SOCK_STREAM, &sockaddr(to(0)));
    assert_eq!(sys(libc::SYS_listen, &[fd(server), 8]), 0, "listen");
    let at = local(server).expect("an address");
    let client = socket(libc::AF_INET, libc::SOCK_STREAM);
    let ret = sendto(client, libc::MSG_FASTOPEN, &sockaddr(at));
    let done = truth("sendto", ret, client, &format!("inet {at}")).with("send_flags", libc::MSG_FASTOPEN);
    if ret >= 0 { done.with("from_kernel", true) } else { done }.print();
    if ret >= 0 {
        // Connected: a destination means nothing any more.
        assert!(sendto(client, 0, &sockaddr(to(1))) > 0, "send on a connected stream");
    }
}

fn unix(dir: &Path) {
    let path = bytes(below(dir, "datagrams"));
    bound(libc::AF_UNIX, libc::SOCK_DGRAM, &sockaddr_un(&path));
    let missing = bytes(below(dir, "missing"));
    let socket = socket(libc::AF_UNIX, libc::SOCK_DGRAM);
    for (path, want) in [(&path, PAYLOAD.len() as i64), (&missing, -i64::from(libc::ENOENT))] {
        let ret = sendto(socket, 0, &sockaddr_un(path));
        assert_eq!(ret, want, "sendto a path");
        truth("sendto", ret, socket, &format!("unix {}", path.escape_ascii())).with("family", libc::AF_UNIX).print();
    }
    let ret = sendto(socket, 0, &sockaddr_un(b"\0nobody\xff"));
    assert_eq!(ret, -i64::from(libc::ECONNREFUSED), "sendto an abstract name");
    truth("sendto", ret, socket, r"abstract nobody\xff").print();
}

/// The same by 32-bit numbers, and through socketcall.
pub fn compat() {
    let port = receiver();
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM) as u32;
    let (name, payload) = (low_page(&sockaddr(to(port))), low_page(PAYLOAD));
    let len = PAYLOAD.len() as u32;
    let words = |words: &[u32]| low_page(&words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>());
    let piece = words(&[payload, len]);
    let header = words(&[name, 16, piece, 1, 0, 0, 0]);
    let headers = words(&[name, 16, piece, 1, 0, 0, 0, 0, name, 16, piece, 1, 0, 0, 0, 0]);
    let sendto = [socket, payload, len, 0, name, 16];
    for (op, ret, messages) in [
        ("sendto", int80(369, sendto), 1),
        ("socketcall", int80(102, [11, words(&sendto), 0, 0]), 1),
        ("sendmsg", int80(370, [socket, header, 0, 0]), 1),
        ("socketcall", int80(102, [16, words(&[socket, header, 0]), 0, 0]), 1),
        ("sendmmsg", int80(345, [socket, headers, 2, 0]), 2),
        ("socketcall", int80(102, [20, words(&[socket, headers, 2, 0]), 0, 0]), 2),
    ] {
        assert!(ret > 0, "{op}: {ret}");
        let done = truth(op, ret, i64::from(socket), &format!("inet {}", to(port))).with("messages", messages);
        done.with("compat", true).print();
    }
}

/// A send that waits for room, while another thread changes the path in memory.
pub fn changed(dir: &Path) {
    let path = bytes(below(dir, "receiver"));
    let receiver = bound(libc::AF_UNIX, libc::SOCK_DGRAM, &sockaddr_un(&path));
    let filler = socket(libc::AF_UNIX, libc::SOCK_DGRAM);
    assert_eq!(connect(filler, &sockaddr_un(&path)), 0, "connect");
    while sendto(filler, libc::MSG_DONTWAIT, &[]) > 0 {}
    let sender = socket(libc::AF_UNIX, libc::SOCK_DGRAM);
    let name: Vec<AtomicU8> = sockaddr_un(&path).into_iter().map(AtomicU8::new).collect();
    let (me, last) = (tid(), name.len() - 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !sleeps(me) {
                std::thread::yield_now();
            }
            name[last].store(b'X', Ordering::Release);
            let mut room = [0_u8; 16];
            assert!(sys(libc::SYS_recvfrom, &[fd(receiver), room.as_mut_ptr() as u64, 16, 0, 0, 0]) > 0, "recv");
        });
        let args = [fd(sender), PAYLOAD.as_ptr() as u64, PAYLOAD.len() as u64, 0, name.as_ptr() as u64, name.len() as u64];
        let ret = sys(libc::SYS_sendto, &args);
        assert_eq!(ret, PAYLOAD.len() as i64, "sendto");
        let mut after = path.clone();
        *after.last_mut().expect("a path") = b'X';
        let done = truth("sendto", ret, sender, &format!("unix {}", path.escape_ascii())).with("changed", true);
        done.with("at_exit", format!("unix {}", after.escape_ascii())).print();
    });
}
