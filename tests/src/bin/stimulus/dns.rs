//! DNS: a small server of our own at 127.0.0.1 port 53, questions to it over UDP and TCP, and what is no DNS.
//!
//! In a network namespace of its own where port 53 is taken. Not for: how sockets are made (`network`, `sockets`).

use crate::sys::{pid, sys, tid};
use crate::truth::Truth;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

const ID: u16 = 0x1d05;
const A: u16 = 1;
const TXT: u16 = 16;

/// A server at this address, which answers by itself when it is told to.
struct Server {
    udp: UdpSocket,
    tcp: TcpListener,
    at: SocketAddr,
}

impl Server {
    /// At port 53 of the loopback address, here or in a network namespace of its own. `None`: neither can be had.
    fn at(ip: std::net::IpAddr) -> Option<Self> {
        let at = SocketAddr::new(ip, 53);
        let (udp, tcp) = (UdpSocket::bind(at).ok()?, TcpListener::bind(at).ok()?);
        Some(Self { udp, tcp, at })
    }

    fn start() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
            .or_else(|| {
                new_network();
                Self::at(Ipv4Addr::LOCALHOST.into())
            })
            .expect("port 53, by being root")
    }
}

/// A network namespace in which only the loopback device is up.
fn new_network() {
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNET as u64]), 0, "unshare");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16..18].copy_from_slice(&(libc::IFF_UP as u16).to_ne_bytes());
    let up = sys(libc::SYS_ioctl, &[socket.as_raw_fd() as u64, libc::SIOCSIFFLAGS, request.as_ptr() as u64]);
    assert_eq!(up, 0, "the loopback device");
}

/// A message with one question; `bits` are the flags of its header.
fn question(bits: u16, name: &[&[u8]], rtype: u16, answers: u16) -> Vec<u8> {
    let mut message = [ID.to_be_bytes(), bits.to_be_bytes(), [0, 1], answers.to_be_bytes(), [0; 2], [0; 2]].concat();
    for label in name {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend_from_slice(label);
    }
    message.push(0);
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// A record for the name of the question.
fn record(rtype: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short data");
    [&[0xc0, 12][..], &rtype.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length.to_be_bytes(), data].concat()
}

/// What both hooks must say of a message that this process sent to itself.
fn told(message: &[u8], from: SocketAddr, to: SocketAddr, protocol: u16, facts: &[(&str, serde_json::Value)]) {
    told_part(message.len(), from, to, protocol, facts);
}

fn told_part(bytes: usize, from: SocketAddr, to: SocketAddr, protocol: u16, facts: &[(&str, serde_json::Value)]) {
    for (op, outbound) in [("dns_egress", true), ("dns_ingress", false)] {
        let mut truth = Truth::of(op, 0).with("kind", "dns").with("tid", tid()).with("pid", pid()).with("outbound", outbound);
        truth = truth.with("from", format!("inet {from}")).with("to", format!("inet {to}")).with("protocol", protocol).with("bytes", bytes);
        for (key, value) in facts {
            truth = truth.with(key, value.clone());
        }
        truth.print();
    }
}

fn asks(name: &str, rtype: u16) -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("is_dns", true.into()),
        ("answer", false.into()),
        ("id", ID.into()),
        ("name", name.into()),
        ("qtype", rtype.into()),
        ("broken", false.into()),
        ("truncated", false.into()),
    ]
}

fn answers(name: &str, rtype: u16, data: &[&str]) -> Vec<(&'static str, serde_json::Value)> {
    let mut facts = asks(name, rtype);
    facts[1].1 = true.into();
    facts.push(("answers", data.to_vec().into()));
    facts
}

/// All of them.
pub fn all() {
    let server = Server::start();
    over_udp(&server);
    over_tcp(&server);
    over_v6();
    unusual(&server);
    hostile(&server);
    quiet();
}

/// A question and its answer: each leaves one socket and comes to the other.
fn over_udp(server: &Server) {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let own = client.local_addr().expect("an address");
    let asked = question(0x0100, &[b"Example", b"com"], A, 0);
    client.send_to(&asked, server.at).expect("a question");
    // Nobody has sent anything through the server's socket yet: whom a question to it is for is not known.
    let facts = asks("Example.com", A);
    one(&asked, "dns_egress", true, own, server.at, 17, &facts).print();
    one(&asked, "dns_ingress", false, own, server.at, 17, &facts).with("pid", 0).with("tid", 0).with("start", 0).with("uid", 0).print();
    let (length, peer) = server.udp.recv_from(&mut [0; 512]).expect("the question");
    assert_eq!((length, peer), (asked.len(), own));
    let mut answer = question(0x8180, &[b"Example", b"com"], A, 2);
    answer.extend(record(5, b"\x03www\xc0\x0c"));
    answer.extend(record(A, &[192, 0, 2, 7]));
    server.udp.send_to(&answer, own).expect("an answer");
    client.recv(&mut [0; 512]).expect("the answer");
    told(&answer, server.at, own, 17, &answers("Example.com", A, &["www.Example.com", "192.0.2.7"]));

    // Connected, from a thread.
    client.connect(server.at).expect("a peer");
    let asked = question(0x0100, &[b"a.b\xff", b"test"], TXT, 0);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            client.send(&asked).expect("a question");
            tid()
        });
        let sender = sender.join().expect("a thread");
        for (op, outbound) in [("dns_egress", true), ("dns_ingress", false)] {
            let truth = one(&asked, op, outbound, own, server.at, 17, &asks(r"a\\.b\\255.test", TXT));
            // What comes in is for who sent through the server's socket last.
            if outbound { truth.with("tid", sender).print() } else { truth.print() }
        }
    });
    server.udp.recv(&mut [0; 512]).expect("the question");
}

fn one(
    message: &[u8],
    op: &str,
    outbound: bool,
    from: SocketAddr,
    to: SocketAddr,
    protocol: u16,
    facts: &[(&str, serde_json::Value)],
) -> Truth {
    let truth = Truth::of(op, 0).with("kind", "dns").with("outbound", outbound).with("protocol", protocol).with("bytes", message.len());
    let truth = truth.with("from", format!("inet {from}")).with("to", format!("inet {to}"));
    facts.iter().fold(truth, |truth, (key, value)| truth.with(key, value.clone()))
}

/// With the length in front; what is no beginning of a message is not told.
fn over_tcp(server: &Server) {
    let mut client = TcpStream::connect(server.at).expect("a connection");
    let mut accepted = server.tcp.accept().expect("a connection").0;
    let own = client.local_addr().expect("an address");
    let asked = question(0x0100, &[b"tcp", b"test"], A, 0);
    let framed = |message: &[u8]| [&u16::try_from(message.len()).expect("short").to_be_bytes(), message].concat();
    client.write_all(&framed(&asked)).expect("a question");
    accepted.read_exact(&mut vec![0; asked.len() + 2]).expect("the question");
    one(&asked, "dns_egress", true, own, server.at, 6, &asks("tcp.test", A)).print();
    one(&asked, "dns_ingress", false, own, server.at, 6, &asks("tcp.test", A))
        .with("pid", 0)
        .with("tid", 0)
        .with("start", 0)
        .with("uid", 0)
        .print();
    // In two pieces: of the first as much as it has.
    let mut answer = question(0x8180, &[b"tcp", b"test"], A, 1);
    answer.extend(record(A, &[192, 0, 2, 8]));
    let message = framed(&answer);
    let (first, second) = message.split_at(message.len() - 4);
    accepted.write_all(first).expect("an answer");
    client.read_exact(&mut vec![0; first.len()]).expect("the answer");
    accepted.write_all(second).expect("the rest");
    client.read_exact(&mut vec![0; second.len()]).expect("the rest");
    let mut facts = answers("tcp.test", A, &[]);
    facts.retain(|(key, _)| !matches!(*key, "broken" | "truncated"));
    facts.extend([("broken", true.into()), ("truncated", true.into())]);
    told(&answer, server.at, own, 6, &facts);
}

fn over_v6() {
    let Some(server) = Server::at(Ipv6Addr::LOCALHOST.into()) else { return };
    let client = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a socket");
    let own = client.local_addr().expect("an address");
    let asked = question(0, &[b"six", b"test"], A, 0);
    client.send_to(&asked, server.at).expect("a question");
    one(&asked, "dns_egress", true, own, server.at, 17, &asks("six.test", A)).print();
    // Behind a header of options to the destination, empty but for padding.
    let options = [0_u8, 0, 1, 4, 0, 0, 0, 0];
    let set = sys(
        libc::SYS_setsockopt,
        &[client.as_raw_fd() as u64, libc::IPPROTO_IPV6 as u64, libc::IPV6_DSTOPTS as u64, options.as_ptr() as u64, options.len() as u64],
    );
    assert_eq!(set, 0, "IPV6_DSTOPTS");
    let asked = question(0, &[b"behind", b"options"], A, 0);
    client.send_to(&asked, server.at).expect("a question");
    one(&asked, "dns_egress", true, own, server.at, 17, &asks("behind.options", A)).print();
}

/// IPv4 with options, multicast DNS, and a message that is longer than is kept.
fn unusual(server: &Server) {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let own = client.local_addr().expect("an address");
    // No operation, four times.
    let options = [1_u8; 4];
    let set = sys(libc::SYS_setsockopt, &[client.as_raw_fd() as u64, 0, libc::IP_OPTIONS as u64, options.as_ptr() as u64, 4]);
    assert_eq!(set, 0, "IP_OPTIONS");
    let asked = question(0, &[b"with", b"options"], A, 0);
    client.send_to(&asked, server.at).expect("a question");
    one(&asked, "dns_egress", true, own, server.at, 17, &asks("with.options", A)).print();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let own = client.local_addr().expect("an address");
    let asked = question(0, &[b"printer", b"local"], A, 0);
    let multicast = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5353);
    client.send_to(&asked, multicast).expect("a question");
    one(&asked, "dns_egress", true, own, multicast, 17, &asks("printer.local", A)).print();
    let mut long = question(0, &[b"long", b"test"], A, 0);
    long.resize(5000, 0);
    client.send_to(&long, server.at).expect("a question");
    let mut facts = asks("long.test", A);
    facts.retain(|(key, _)| *key != "truncated");
    facts.push(("truncated", true.into()));
    one(&long, "dns_egress", true, own, server.at, 17, &facts).print();
}

/// What is no DNS, or not quite.
fn hostile(server: &Server) {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let own = client.local_addr().expect("an address");
    let circle = [&ID.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]].concat();
    for junk in [&b"x"[..], &[0xff; 11], &[0; 12], &circle, b"\x01\x02\x03 a tunnel through port 53"] {
        client.send_to(junk, server.at).expect("a datagram");
        one(junk, "dns_egress", true, own, server.at, 17, &[("is_dns", false.into())]).print();
    }
    let cut = question(0x8180, &[b"cut", b"test"], A, 7);
    client.send_to(&cut, server.at).expect("a datagram");
    let facts = [("is_dns", true.into()), ("broken", true.into()), ("answer_count", 7.into()), ("name", "cut.test".into())];
    one(&cut, "dns_egress", true, own, server.at, 17, &facts).print();
}

/// What is not told: other ports, nothing at all, and TCP that is no DNS.
fn quiet() {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let asked = question(0, &[b"never", b"told"], A, 0);
    client.send_to(&asked, (Ipv4Addr::LOCALHOST, 5355)).expect("a datagram");
    client.send_to(&[], (Ipv4Addr::LOCALHOST, 53)).expect("an empty datagram");
}

/// Looks a name up at a server of its own, and connects to what was answered.
pub fn lookup() {
    let server = Server::start();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    client.send_to(&question(0x0100, &[b"files", b"example"], A, 0), server.at).expect("a question");
    let (_, own) = server.udp.recv_from(&mut [0; 512]).expect("the question");
    let mut answer = question(0x8180, &[b"files", b"example"], A, 1);
    answer.extend(record(A, &[127, 0, 0, 99]));
    server.udp.send_to(&answer, own).expect("an answer");
    client.recv(&mut [0; 512]).expect("the answer");
    // Nobody listens there, which is no matter.
    let _ = TcpStream::connect((Ipv4Addr::new(127, 0, 0, 99), 9));
}
