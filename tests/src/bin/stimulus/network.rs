//! connect: every family and outcome, against listeners of this process.

use crate::sys::{below, bytes, fd, sys};
use crate::truth::Truth;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The bytes of a `struct sockaddr` for an address.
pub fn sockaddr(address: SocketAddr) -> Vec<u8> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u16;
    let mut bytes = family.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend_from_slice(&v4.ip().octets());
            bytes.extend_from_slice(&[0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend_from_slice(&v6.flowinfo().to_be_bytes());
            bytes.extend_from_slice(&v6.ip().octets());
            bytes.extend_from_slice(&v6.scope_id().to_ne_bytes());
        }
    }
    bytes
}

pub fn sockaddr_un(path: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], path].concat()
}

pub fn socket(family: i32, kind: i32) -> i64 {
    let ret = sys(libc::SYS_socket, &[family as u64, kind as u64, 0]);
    assert!(ret >= 0, "socket: {ret}");
    ret
}

pub fn connect(socket: i64, address: &[u8]) -> i64 {
    sys(libc::SYS_connect, &[fd(socket), address.as_ptr() as u64, address.len() as u64])
}

/// Local address of a socket by getsockname, for internet families.
pub fn local(socket: i64) -> Option<SocketAddr> {
    let mut bytes = [0_u8; 128];
    let mut len = 128_u32;
    let ret = sys(libc::SYS_getsockname, &[fd(socket), bytes.as_mut_ptr() as u64, (&raw mut len) as u64]);
    assert_eq!(ret, 0, "getsockname");
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
        libc::AF_INET => Some(SocketAddr::new(<[u8; 4]>::try_from(&bytes[4..8]).ok()?.into(), port)),
        libc::AF_INET6 => Some(SocketAddr::new(<[u8; 16]>::try_from(&bytes[8..24]).ok()?.into(), port)),
        _ => None,
    }
}

fn print(ret: i64, socket: i64, family: i32, kind: i32, peer: String) -> Truth {
    Truth::of("connect", ret)
        .with("fd", socket)
        .with("family", family)
        .with("sock_type", kind & 0xf)
        .with("peer", peer)
        .with("changed", false)
        .with("compat", false)
}

/// Connects a new socket to an internet address.
fn inet(address: SocketAddr, kind: i32, want: i32) -> i64 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let socket = socket(family, kind);
    let ret = connect(socket, &sockaddr(address));
    assert_eq!(ret, -i64::from(want), "connect {address}");
    let truth = print(ret, socket, family, kind, format!("inet {address}"));
    if want == 0 {
        let local = local(socket).expect("an internet socket");
        truth.with("local", format!("inet {local}")).with("from_kernel", true).print();
    } else {
        truth.print();
    }
    socket
}

/// All of them.
pub fn all(dir: &Path) {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener").local_addr().map(|a| a.port()).expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let open = listener.local_addr().expect("an address");
    inet(open, libc::SOCK_STREAM, 0);
    // Its listener is gone.
    inet(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), v4), libc::SOCK_STREAM, libc::ECONNREFUSED);
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket").local_addr().expect("an address");
    let connected = inet(udp, libc::SOCK_DGRAM, 0);
    disconnect(connected);
    if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        inet(listener.local_addr().expect("an address"), libc::SOCK_STREAM, 0);
    } else {
        Truth::of_process("skip", 0).with("_reason", "no IPv6 loopback address").print();
    }
    let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), open.port());
    inet(mapped, libc::SOCK_STREAM, 0);
    unspecified(open.port());
    in_progress(open);
    unix(dir);
    interrupted(dir);
    not_sockets(dir, open);
}

/// AF_UNSPEC takes a datagram socket's peer away.
fn disconnect(socket: i64) {
    let ret = connect(socket, &[0; 16]);
    assert_eq!(ret, 0, "connect AF_UNSPEC");
    print(ret, socket, libc::AF_INET, libc::SOCK_DGRAM, "disconnect".to_owned()).print();
}

/// 0.0.0.0 means the loopback address; the event names the peer the kernel has.
fn unspecified(port: u16) {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM);
    let ret = connect(socket, &sockaddr(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)));
    assert_eq!(ret, 0, "connect 0.0.0.0");
    print(ret, socket, libc::AF_INET, libc::SOCK_STREAM, format!("inet 127.0.0.1:{port}")).with("from_kernel", true).print();
}

fn in_progress(address: SocketAddr) {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    let socket = socket(libc::AF_INET, kind);
    let ret = connect(socket, &sockaddr(address));
    assert_eq!(ret, -i64::from(libc::EINPROGRESS), "connect without waiting");
    print(ret, socket, libc::AF_INET, kind, format!("inet {address}")).with("from_kernel", true).print();
}

fn unix(dir: &Path) {
    let path = bytes(below(dir, "socket"));
    let _listener = UnixListener::bind(below(dir, "socket")).expect("a listener");
    let missing = bytes(below(dir, "missing"));
    let with_nul = [&path[..], b"\0"].concat();
    for (address, path, want) in [(&path, &path, 0), (&with_nul, &path, 0), (&missing, &missing, libc::ENOENT)] {
        let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM);
        let ret = connect(socket, &sockaddr_un(address));
        assert_eq!(ret, -i64::from(want), "connect to a path");
        print(ret, socket, libc::AF_UNIX, libc::SOCK_STREAM, format!("unix {}", path.escape_ascii())).print();
    }
    let name = b"agentmon\xfftest";
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM);
    let ret = connect(socket, &sockaddr_un(&[&b"\0"[..], name].concat()));
    assert_eq!(ret, -i64::from(libc::ECONNREFUSED), "connect to an abstract name");
    print(ret, socket, libc::AF_UNIX, libc::SOCK_STREAM, format!("abstract {}", name.escape_ascii())).print();
}

extern "C" fn on_alarm(_: libc::c_int) {}

/// A signal interrupts a connect that waits for room: to the program that is EINTR.
fn interrupted(dir: &Path) {
    let path = bytes(below(dir, "full"));
    let listener = socket(libc::AF_UNIX, libc::SOCK_STREAM);
    let address = sockaddr_un(&path);
    assert_eq!(sys(libc::SYS_bind, &[fd(listener), address.as_ptr() as u64, address.len() as u64]), 0, "bind");
    assert_eq!(sys(libc::SYS_listen, &[fd(listener), 0]), 0, "listen");
    let peer = format!("unix {}", path.escape_ascii());
    // SAFETY: zeros are a valid sigaction: no flags (so no restart), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_alarm as *const () as usize;
    // SAFETY: `action` is valid, its handler does nothing.
    assert_eq!(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) }, 0, "sigaction");
    // One fits; the next waits.
    for want in [0, -i64::from(libc::EINTR)] {
        let timer = [0_i64, 0, 0, if want == 0 { 0 } else { 50_000 }];
        sys(libc::SYS_setitimer, &[libc::ITIMER_REAL as u64, timer.as_ptr() as u64, 0]);
        let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM);
        let ret = connect(socket, &address);
        assert_eq!(ret, want, "connect to a full listener");
        print(ret, socket, libc::AF_UNIX, libc::SOCK_STREAM, peer.clone()).print();
    }
}

/// Descriptors that are no sockets, and an address the socket cannot have.
fn not_sockets(dir: &Path, address: SocketAddr) {
    let peer = format!("inet {address}");
    let file = crate::files::directory(dir);
    for (descriptor, want) in [(12345, libc::EBADF), (-1, libc::EBADF), (file, libc::EBADF)] {
        let ret = connect(descriptor, &sockaddr(address));
        assert_eq!(ret, -i64::from(want), "connect of descriptor {descriptor}");
        print(ret, descriptor, 0, 0, peer.clone()).print();
    }
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM);
    let ret = connect(socket, &sockaddr(address));
    assert_eq!(ret, -i64::from(libc::EINVAL), "connect of a UNIX socket to an internet address");
    print(ret, socket, libc::AF_UNIX, libc::SOCK_STREAM, peer).print();
}
