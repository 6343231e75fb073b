//! Which address of a socket call is believed.

use super::{Builder, event};
use crate::event::decode::{DecodeError, decode};
use crate::event::{Address, Change, Detail, NetworkChange};
use agentmon_common::record::{SocketFixed, Span, kind};
use agentmon_common::syscalls::op;

/// A `struct sockaddr_in`.
fn sockaddr_in(port: u16, ip: [u8; 4]) -> Vec<u8> {
    [&2_u16.to_ne_bytes()[..], &port.to_be_bytes(), &ip, &[0; 8]].concat()
}

fn socket(kind: u16, ret: i64, asked: &[u8], fixed: SocketFixed) -> crate::event::Socket {
    let mut record = Builder::new::<SocketFixed>(kind, ret);
    let asked = record.push(asked);
    let Detail::Socket(socket) = event(&record.finish(&SocketFixed { asked, ..fixed })).detail else { panic!("a socket") };
    socket
}

/// Sockets of UDP and TCP that the kernel says are at 10.0.0.1:53, with the peer 10.0.0.2:99.
const UDP: SocketFixed = SocketFixed {
    peer_addr: [10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    local_addr: [10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    peer_port: 99,
    local_port: 53,
    family: 2,
    sock_type: 2,
    protocol: 17,
    fd: 3,
    asked: Span { offset: 0, len: 0, original: 0 },
    at_exit: Span { offset: 0, len: 0, original: 0 },
    op: 0,
    count: 1,
    code: 0,
    flags: 0,
};
const TCP: SocketFixed = SocketFixed { sock_type: 1, protocol: 6, ..UDP };

#[test]
fn the_end_a_socket_call_is_about_is_the_kernels_where_it_has_one() {
    let inet = |text: &str| Address::Inet(text.parse().unwrap());
    let asked = sockaddr_in(0, [0; 4]);
    let bound = socket(kind::BIND, 0, &asked, TCP);
    assert_eq!((bound.about(), bound.from_kernel), (&inet("10.0.0.1:53"), true));
    let refused = socket(kind::BIND, -98, &asked, TCP);
    assert_eq!((refused.about(), refused.from_kernel), (&inet("0.0.0.0:0"), false));
    let waiting = socket(kind::LISTEN, 0, b"", SocketFixed { count: 128, ..TCP });
    assert_eq!((waiting.about(), waiting.from_kernel, waiting.count), (&inet("10.0.0.1:53"), true, 128));
    let accepted = socket(kind::ACCEPT, 4, b"", TCP);
    assert_eq!((&accepted.peer, &accepted.local), (&inet("10.0.0.2:99"), &inet("10.0.0.1:53")));
    assert_eq!((accepted.from_kernel, accepted.is_outbound()), (true, false));
    let nobody = socket(kind::ACCEPT, -22, b"", TCP);
    assert_eq!((&nobody.peer, nobody.from_kernel), (&Address::Unknown, false));
    let raw = socket(kind::BIND, 0, &asked, SocketFixed { sock_type: 3, local_port: 1, ..UDP });
    assert_eq!(raw.about(), &inet("10.0.0.1:0"), "the protocol of a raw socket is no port");
}

#[test]
fn a_send_goes_where_it_says_unless_it_connects() {
    let inet = |text: &str| Address::Inet(text.parse().unwrap());
    let asked = sockaddr_in(80, [169, 254, 169, 254]);
    let sent = socket(kind::SEND, 5, &asked, UDP);
    assert_eq!((&sent.peer, sent.from_kernel, sent.asked.is_some()), (&inet("169.254.169.254:80"), false, false));
    assert!(!sent.connects() && sent.is_outbound());
    let opened = socket(kind::SEND, 5, &asked, SocketFixed { flags: 0x2000_0000, ..TCP });
    assert_eq!((&opened.peer, opened.from_kernel), (&inet("10.0.0.2:99"), true));
    assert_eq!(opened.asked, Some(inet("169.254.169.254:80")));
    assert!(opened.connects());
}

#[test]
fn a_socket_option_is_told_from_a_netlink_message() {
    let change = |fixed: SocketFixed| decode(&Builder::new::<SocketFixed>(kind::NETLINK, 0).finish(&fixed)).map(|event| event.detail);
    let message = SocketFixed { family: 16, protocol: 12, op: u32::from(op::SENDTO), code: 0x0a02, flags: 5, fd: 4, ..UDP };
    let want = Change::Message { protocol: 12, message: 0x0a02, flags: 5 };
    assert_eq!(change(message), Ok(Detail::Netlink(NetworkChange { change: want, fd: 4 })));
    let option = SocketFixed { op: u32::from(op::SETSOCKOPT), code: 64, flags: 41, ..UDP };
    assert_eq!(change(option), Ok(Detail::Netlink(NetworkChange { change: Change::Option { level: 41, option: 64 }, fd: 3 })));
    assert_eq!(change(SocketFixed { code: 0x1_0000, ..message }), Err(DecodeError::Value("netlink message")));
}
