//! TCP connections between two sockets of this process, from beginning to end.
//!
//! Not for: how they begin (`network`, `sockets`).

use crate::network::{connect, sockaddr, socket};
use crate::sys::{fd, fork, pid, sys, wait};
use crate::truth::Truth;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};

fn closed(stream: &TcpStream, peer: SocketAddr, local: SocketAddr, inbound: bool, out: usize, received: usize) -> Truth {
    let _ = stream;
    let truth = Truth::of("flow", 0).with("tid", pid()).with("inbound", inbound).with("bytes_out", out).with("bytes_in", received);
    truth.with("peer", format!("inet {peer}")).with("local", format!("inet {local}"))
}

/// Both ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn at(listener: &TcpListener) -> Self {
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        Self { client, server: listener.accept().expect("a connection").0 }
    }

    /// So many bytes each way, read to the last.
    fn exchange(&mut self, there: usize, back: usize) {
        for (from, to, bytes) in [(&self.client, &self.server, there), (&self.server, &self.client, back)] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut from = from;
                    from.write_all(&vec![b'x'; bytes]).expect("a write");
                });
                let mut to = to;
                to.read_exact(&mut vec![0; bytes]).expect("a read");
            });
        }
    }

    fn told(&self, there: usize, back: usize) -> [Truth; 2] {
        let (client, server) = (self.client.local_addr().expect("an address"), self.server.local_addr().expect("an address"));
        [closed(&self.client, server, client, false, there, back), closed(&self.server, client, server, true, back, there)]
    }
}

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener")
}

/// A connection that one end closes before the other.
fn ended(mut pair: Pair, there: usize, back: usize, client_first: bool) {
    pair.exchange(there, back);
    let told = pair.told(there, back);
    let (first, mut second) = if client_first { (pair.client, pair.server) } else { (pair.server, pair.client) };
    drop(first);
    assert_eq!(second.read(&mut [0]).expect("the end"), 0);
    drop(second);
    told.into_iter().for_each(Truth::print);
}

/// All of them.
pub fn all() {
    let v4 = listener();
    ended(Pair::at(&v4), 5, 7, true);
    ended(Pair::at(&v4), 3_000_000, 1, false);
    ended(Pair::at(&v4), 0, 0, true);
    if let Ok(v6) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        ended(Pair::at(&v6), 11, 13, true);
    }
    reset(&v4);
    half_closed(&v4);
    under_way(&v4);
    outlived(&v4);
    nothing_to_tell();
}

/// Closed with unread bytes: the peer is reset.
fn reset(listener: &TcpListener) {
    let mut pair = Pair::at(listener);
    pair.exchange(1, 1);
    pair.client.write_all(b"unread").expect("a write");
    let told = pair.told(7, 1);
    drop(pair.server);
    assert!(pair.client.read(&mut [0]).is_err(), "a reset");
    drop(pair.client);
    told.into_iter().for_each(Truth::print);
}

/// One way is closed long before the other.
fn half_closed(listener: &TcpListener) {
    let mut pair = Pair::at(listener);
    pair.client.shutdown(Shutdown::Write).expect("a shutdown");
    assert_eq!(pair.server.read(&mut [0]).expect("the end"), 0);
    pair.exchange(0, 100);
    let told = pair.told(0, 100);
    drop(pair.server);
    assert_eq!(pair.client.read(&mut [0]).expect("the end"), 0);
    drop(pair.client);
    told.into_iter().for_each(Truth::print);
}

/// A connect that does not wait.
fn under_way(listener: &TcpListener) {
    let address = listener.local_addr().expect("an address");
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    assert_eq!(connect(socket, &sockaddr(address)), -i64::from(libc::EINPROGRESS));
    let server = listener.accept().expect("a connection").0;
    // SAFETY: a descriptor that is nobody else's.
    let client: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(socket as i32) };
    client.set_nonblocking(false).expect("a socket");
    ended(Pair { client, server }, 9, 2, true);
}

/// Connected by a child, kept by its parent, who has no part in it: told of the child, which has ended.
fn outlived(listener: &TcpListener) {
    let client = socket(libc::AF_INET, libc::SOCK_STREAM);
    let address = listener.local_addr().expect("an address");
    let child = fork(|| i32::from(connect(client, &sockaddr(address)) != 0));
    assert_eq!(wait(child), 0, "connect in a child");
    let server = listener.accept().expect("a connection").0;
    // SAFETY: a descriptor that is nobody else's.
    let client: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(client as i32) };
    let mut pair = Pair { client, server };
    pair.exchange(4, 4);
    let [of_child, own] = pair.told(4, 4);
    drop(pair.client);
    assert_eq!(pair.server.read(&mut [0]).expect("the end"), 0);
    drop(pair.server);
    of_child.with("pid", child).with("tid", child).with("start", serde_json::Value::Null).print();
    own.print();
}

/// A refused connection, and datagrams.
fn nothing_to_tell() {
    let gone = listener().local_addr().expect("an address");
    assert!(TcpStream::connect(gone).is_err());
    let quick = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    let ret = connect(quick, &sockaddr(gone));
    assert!(ret < 0, "connect {gone}: {ret}");
    sys(libc::SYS_close, &[fd(quick)]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(socket.local_addr().expect("an address")).expect("a peer");
    socket.send(b"x").expect("a datagram");
}

/// So many connections at once, both ends of each; then one more, when all of them are closed.
pub fn many(pairs: u64) {
    let room = libc::rlimit { rlim_cur: 3 * pairs, rlim_max: 3 * pairs };
    // SAFETY: a structure that lives until the call returns.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const room) }, 0, "room for the descriptors");
    let listener = listener();
    let open: Vec<Pair> = (0..pairs).map(|_| Pair::at(&listener)).collect();
    drop(open);
    ended(Pair::at(&listener), 3, 4, true);
}

/// A hundred connections that stay open until the end of input.
pub fn hold() {
    let listener = listener();
    let open: Vec<Pair> = (0..100).map(|_| Pair::at(&listener)).collect();
    Truth::of_process("open", pid()).print();
    crate::scope::wait_for_input();
    drop(open);
}
