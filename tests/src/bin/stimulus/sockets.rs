//! bind, listen, accept, and sockets that are not ordinary; of both ABIs.
//!
//! Not for: connect (`network`), sends (`sends`).

use crate::network::{connect, local, sockaddr, sockaddr_un, socket};
use crate::sys::{below, bytes, fd, int80, low_page, sys};
use crate::truth::Truth;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn shown(address: SocketAddr) -> String {
    format!("inet {address}")
}

fn truth(op: &str, ret: i64, socket: i64, family: i32, kind: i32) -> Truth {
    Truth::of(op, ret).with("fd", socket).with("family", family).with("sock_type", kind & 0xf).with("changed", false)
}

fn bind(socket: i64, address: &[u8]) -> i64 {
    sys(libc::SYS_bind, &[fd(socket), address.as_ptr() as u64, address.len() as u64])
}

fn listen(socket: i64, backlog: u64) -> i64 {
    sys(libc::SYS_listen, &[fd(socket), backlog])
}

/// A bound TCP socket of the loopback address, and where.
fn bound(kind: i32) -> (i64, SocketAddr) {
    let socket = socket(libc::AF_INET, kind);
    let ret = bind(socket, &sockaddr(LOOPBACK));
    assert_eq!(ret, 0, "bind");
    let local = local(socket).expect("an internet socket");
    let done = truth("bind", ret, socket, libc::AF_INET, kind).with("compat", false);
    done.with("local", shown(local)).with("from_kernel", true).print();
    (socket, local)
}

/// All of them.
pub fn all(dir: &Path) {
    binds(dir);
    listens_and_accepts(dir);
    made();
}

fn binds(dir: &Path) {
    let (_, taken) = bound(libc::SOCK_STREAM);
    bound(libc::SOCK_DGRAM);
    let second = socket(libc::AF_INET, libc::SOCK_STREAM);
    let ret = bind(second, &sockaddr(taken));
    assert_eq!(ret, -i64::from(libc::EADDRINUSE), "bind twice");
    truth("bind", ret, second, libc::AF_INET, libc::SOCK_STREAM).with("local", shown(taken)).with("from_kernel", false).print();
    let six = sys(libc::SYS_socket, &[libc::AF_INET6 as u64, libc::SOCK_STREAM as u64, 0]);
    if six >= 0 {
        let ret = bind(six, &sockaddr(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)));
        assert_eq!(ret, 0, "bind ::");
        let at = local(six).expect("an internet socket");
        truth("bind", ret, six, libc::AF_INET6, libc::SOCK_STREAM).with("local", shown(at)).with("from_kernel", true).print();
    }
    let path = bytes(below(dir, "bound"));
    for (address, want) in [(path.clone(), format!("unix {}", path.escape_ascii())), (b"\0name".to_vec(), "abstract name".to_owned())] {
        let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM);
        let ret = bind(socket, &sockaddr_un(&address));
        assert_eq!(ret, 0, "bind {want}");
        truth("bind", ret, socket, libc::AF_UNIX, libc::SOCK_STREAM).with("local", want).print();
    }
    let ret = bind(12345, &sockaddr(taken));
    truth("bind", ret, 12345, 0, 0).with("local", shown(taken)).print();
}

fn listened(socket: i64, family: i32, backlog: u64, want: &str) {
    let ret = listen(socket, backlog);
    assert_eq!(ret, 0, "listen");
    let done = truth("listen", ret, socket, family, libc::SOCK_STREAM).with("backlog", backlog).with("local", want);
    done.with("from_kernel", family != libc::AF_UNIX).print();
}

/// Waits until there is somebody to accept: what connected may have an answer before the listener has an entry.
fn until_there(server: i64) {
    let mut one = libc::pollfd { fd: server as i32, events: libc::POLLIN, revents: 0 };
    assert_eq!(sys(libc::SYS_poll, &[(&raw mut one) as u64, 1, 30_000]), 1, "poll");
}

fn listens_and_accepts(dir: &Path) {
    let (server, at) = bound(libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    listened(server, libc::AF_INET, 7, &shown(at));
    // Without bind the kernel chooses the port, which is known only afterwards.
    let unbound = socket(libc::AF_INET, libc::SOCK_STREAM);
    assert_eq!(listen(unbound, 3), 0, "listen without bind");
    let chosen = local(unbound).expect("an internet socket");
    assert!(chosen.port() != 0 && chosen.ip().is_unspecified());
    let done = truth("listen", 0, unbound, libc::AF_INET, libc::SOCK_STREAM).with("backlog", 3);
    done.with("local", shown(chosen)).with("from_kernel", true).print();
    let unix = socket(libc::AF_UNIX, libc::SOCK_STREAM);
    assert_eq!(bind(unix, &sockaddr_un(&bytes(below(dir, "listens")))), 0, "bind");
    Truth::of("bind", 0).with("fd", unix).print();
    listened(unix, libc::AF_UNIX, 1, "unknown");

    // Nobody is there yet: not worth a record.
    assert_eq!(sys(libc::SYS_accept, &[fd(server), 0, 0]), -i64::from(libc::EAGAIN), "accept");
    for four in [false, true] {
        let client = socket(libc::AF_INET, libc::SOCK_STREAM);
        assert_eq!(connect(client, &sockaddr(at)), 0, "connect");
        until_there(server);
        let number = if four { libc::SYS_accept4 } else { libc::SYS_accept };
        let ret = sys(number, &[fd(server), 0, 0, libc::SOCK_CLOEXEC as u64]);
        assert!(ret >= 0, "accept: {ret}");
        let done = truth(if four { "accept4" } else { "accept" }, ret, server, libc::AF_INET, libc::SOCK_STREAM);
        done.with("peer", shown(local(client).expect("an address"))).with("local", shown(at)).with("from_kernel", true).print();
    }
    let (silent, at) = bound(libc::SOCK_STREAM);
    let ret = sys(libc::SYS_accept, &[fd(silent), 0, 0]);
    assert_eq!(ret, -i64::from(libc::EINVAL), "accept without listen");
    truth("accept", ret, silent, libc::AF_INET, libc::SOCK_STREAM).with("peer", "unknown").with("local", shown(at)).print();
}

/// What is not ordinary is reported, whether the kernel has it or not; what is, is not.
fn made() {
    for (family, kind, protocol) in [
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        (libc::AF_INET6, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMPV6),
        (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        (libc::AF_PACKET, libc::SOCK_RAW, 768),
        (libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_NONBLOCK, libc::NETLINK_NETFILTER),
        (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        (99, libc::SOCK_STREAM, 0),
    ] {
        let ret = sys(libc::SYS_socket, &[family as u64, kind as u64, protocol as u64]);
        let done = truth("socket", ret, -1, family, kind).with("protocol", protocol);
        done.with("compat", false).print();
    }
    for (family, kind, protocol) in [
        (libc::AF_INET, libc::SOCK_STREAM, 0),
        (libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::IPPROTO_UDP),
        (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        (libc::AF_UNIX, libc::SOCK_SEQPACKET, 0),
    ] {
        sys(libc::SYS_socket, &[family as u64, kind as u64, protocol as u64]);
    }
    let mut pair = [0_i32; 2];
    let at = pair.as_mut_ptr() as u64;
    assert_eq!(sys(libc::SYS_socketpair, &[libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, at]), 0, "socketpair");
    let ret = sys(libc::SYS_socketpair, &[libc::AF_NETLINK as u64, libc::SOCK_RAW as u64, 0, at]);
    assert!(ret < 0, "a pair of netlink sockets");
    truth("socketpair", ret, -1, libc::AF_NETLINK, libc::SOCK_RAW).with("protocol", 0).print();
}

/// One of the calls behind socketcall, or its own number where `call` is `None`.
fn i386(op: &'static str, number: u32, call: Option<u32>, args: [u32; 4]) -> (&'static str, i64) {
    match call {
        Some(call) => ("socketcall", int80(102, [call, low_page(&args.map(u32::to_ne_bytes).concat()), 0, 0])),
        None => (op, int80(number, args)),
    }
}

/// The same by 32-bit numbers, and through socketcall.
pub fn compat() {
    for through in [false, true] {
        let call = |number: u32| through.then_some(number);
        let (op, ret) = i386("socket", 359, call(1), [libc::AF_PACKET as u32, libc::SOCK_RAW as u32, 768, 0]);
        truth(op, ret, -1, libc::AF_PACKET, libc::SOCK_RAW).with("kind", "socket").with("protocol", 768).with("compat", true).print();
        let server = socket(libc::AF_INET, libc::SOCK_STREAM);
        let address = low_page(&sockaddr(LOOPBACK));
        let (op, ret) = i386("bind", 361, call(2), [server as u32, address, 16, 0]);
        assert_eq!(ret, 0, "bind");
        let at = local(server).expect("an address");
        let done = |op: &str, ret: i64, kind: &str| {
            let truth = truth(op, ret, server, libc::AF_INET, libc::SOCK_STREAM).with("kind", kind).with("compat", true);
            truth.with("local", shown(at)).with("from_kernel", true)
        };
        done(op, ret, "bind").print();
        let (op, ret) = i386("listen", 363, call(4), [server as u32, 5, 0, 0]);
        assert_eq!(ret, 0, "listen");
        done(op, ret, "listen").with("backlog", 5).print();
        for four in [false, true] {
            // accept has no number of its own.
            if !four && !through {
                continue;
            }
            let client = socket(libc::AF_INET, libc::SOCK_STREAM);
            assert_eq!(connect(client, &sockaddr(at)), 0, "connect");
            let (op, ret) = i386("accept4", 364, call(if four { 18 } else { 5 }), [server as u32, 0, 0, 0]);
            assert!(ret >= 0, "accept: {ret}");
            done(op, ret, "accept").with("peer", shown(local(client).expect("an address"))).print();
        }
    }
    // The two arguments of listen end with their page: no more may be read.
    let server = socket(libc::AF_INET, libc::SOCK_STREAM);
    let edge = low_page(&[0; 4096]) + 4088;
    let args = [server as u32, 9].map(u32::to_ne_bytes).concat();
    // SAFETY: the eight bytes lie in the page that was just mapped.
    unsafe { std::ptr::copy_nonoverlapping(args.as_ptr(), edge as usize as *mut u8, args.len()) };
    let ret = int80(102, [4, edge, 0, 0]);
    assert_eq!(ret, 0, "listen");
    let done = truth("socketcall", ret, server, libc::AF_INET, libc::SOCK_STREAM).with("kind", "listen").with("backlog", 9);
    done.with("local", shown(local(server).expect("an address"))).print();
}
