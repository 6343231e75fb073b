//! Calls that wait, while another thread puts something else where they began: another working directory, another socket in
//! the place of the descriptor.
//!
//! Not for: what changes at any moment of a call that does not wait (`paths`).

use crate::network::{connect, local, sockaddr, sockaddr_un, socket};
use crate::sends::{self, PAYLOAD, bound, sendto};
use crate::sys::{at, below, bytes, c, fd, sleeps, sys, tid};
use crate::truth::Truth;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// `F_SETLEASE` (`include/uapi/linux/fcntl.h`).
const SETLEASE: u64 = 1024;

/// Does what makes this thread wait, and `change` from another one as soon as it does.
fn meanwhile(wait: impl FnOnce() -> i64, change: impl FnOnce() + Send) -> i64 {
    let me = tid();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !sleeps(me) {
                std::thread::yield_now();
            }
            change();
        });
        wait()
    })
}

/// A truncate by a relative path that waits for a lease, while another thread goes to another directory; and `back` again.
pub fn directory(dir: &Path, back: bool) {
    let go_to = |name: &str| assert_eq!(sys(libc::SYS_chdir, &[at(&c(bytes(below(dir, name))))]), 0, "chdir");
    for name in ["one", "two"] {
        std::fs::create_dir(below(dir, name)).expect("a directory");
        std::fs::write(below(dir, name).join("x"), "x").expect("a file");
    }
    // SAFETY: no handler, only to be ignored: the signal that says that somebody waits for the lease.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    go_to("one");
    let leased = sys(libc::SYS_open, &[at(&c("x")), libc::O_RDWR as u64]);
    assert_eq!(sys(libc::SYS_fcntl, &[fd(leased), SETLEASE, libc::F_WRLCK as u64]), 0, "F_SETLEASE");
    let path = c("x");
    let ret = meanwhile(
        || sys(libc::SYS_truncate, &[at(&path), 0]),
        || {
            go_to("two");
            if back {
                go_to("one");
            }
            assert_eq!(sys(libc::SYS_fcntl, &[fd(leased), SETLEASE, libc::F_UNLCK as u64]), 0, "F_SETLEASE");
        },
    );
    assert_eq!((ret, std::fs::read(below(dir, "one/x")).expect("a file").len()), (0, 0), "what was cut");
    Truth::of("truncate", ret).with("changed", true).bytes("_meant", bytes(below(dir, "one/x"))).print();
    // Nobody changes anything: nothing is flagged.
    go_to("two");
    let ret = sys(libc::SYS_truncate, &[at(&path), 0]);
    Truth::of("truncate", ret).with("changed", false).bytes("path", bytes(below(dir, "two/x"))).print();
}

/// Connects and sends that wait, while another thread puts another socket there, or nothing.
pub fn sockets(dir: &Path) {
    connects(Some(&|| connected_datagrams()), true);
    connects(Some(&|| connected_datagrams()), false);
    connects(Some(&|| socket(libc::AF_NETLINK, libc::SOCK_RAW)), false);
    connects(None, false);
    send(dir);
}

/// A socket whose peer is somebody else.
fn connected_datagrams() -> i64 {
    let other = socket(libc::AF_INET, libc::SOCK_DGRAM);
    assert_eq!(connect(other, &sockaddr(SocketAddr::new(Ipv4Addr::new(127, 9, 9, 9).into(), 9))), 0, "connect");
    other
}

fn swap(here: i64, other: i64) {
    assert_eq!(sys(libc::SYS_dup2, &[fd(other), fd(here)]), here, "dup2");
}

/// A connect to a listener that is full. `kept`: another descriptor keeps the socket.
fn connects(other: Option<&dyn Fn() -> i64>, kept: bool) {
    let listener = bound(libc::AF_INET, libc::SOCK_STREAM, &sockaddr(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)));
    assert_eq!(sys(libc::SYS_listen, &[fd(listener), 0]), 0, "listen");
    let to = local(listener).expect("an address");
    let filler = socket(libc::AF_INET, libc::SOCK_STREAM);
    assert_eq!(connect(filler, &sockaddr(to)), 0, "connect");
    let here = socket(libc::AF_INET, libc::SOCK_STREAM);
    let further = if kept { sys(libc::SYS_dup, &[fd(here)]) } else { -1 };
    let instead = other.map(|other| other());
    let ret = meanwhile(
        || connect(here, &sockaddr(to)),
        || {
            // The kernel asks for the connection again in a second: until then the call waits.
            assert!(sys(libc::SYS_accept, &[fd(listener), 0, 0]) >= 0, "accept");
            match instead {
                Some(other) => swap(here, other),
                None => assert_eq!(sys(libc::SYS_close, &[fd(here)]), 0, "close"),
            }
        },
    );
    assert_eq!(ret, 0, "connect");
    let truth = Truth::of("connect", ret).with("fd", here).with("family", libc::AF_INET).with("sock_type", libc::SOCK_STREAM);
    let truth = truth.with("peer", format!("inet {to}")).with("from_kernel", true).with("changed", instead.is_some());
    if kept { truth.with("local", format!("inet {}", local(further).expect("an address"))) } else { truth }.print();
}

/// A datagram that waits for room, on a socket that is replaced by one of which sends are told otherwise.
fn send(dir: &Path) {
    let path = bytes(below(dir, "receiver"));
    let receiver = bound(libc::AF_UNIX, libc::SOCK_DGRAM, &sockaddr_un(&path));
    let filler = socket(libc::AF_UNIX, libc::SOCK_DGRAM);
    assert_eq!(connect(filler, &sockaddr_un(&path)), 0, "connect");
    while sendto(filler, libc::MSG_DONTWAIT, &[]) > 0 {}
    let (here, other) = (socket(libc::AF_UNIX, libc::SOCK_DGRAM), socket(libc::AF_NETLINK, libc::SOCK_RAW));
    let ret = meanwhile(
        || sendto(here, 0, &sockaddr_un(&path)),
        || {
            swap(here, other);
            let mut room = [0_u8; 16];
            assert!(sys(libc::SYS_recvfrom, &[fd(receiver), room.as_mut_ptr() as u64, 16, 0, 0, 0]) > 0, "recv");
        },
    );
    assert_eq!(ret, PAYLOAD.len() as i64, "sendto");
    let truth = sends::truth("sendto", ret, here, &format!("unix {}", path.escape_ascii())).with("changed", true);
    truth.with("family", libc::AF_UNIX).with("sock_type", libc::SOCK_DGRAM).print();
}
