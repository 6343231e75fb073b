//! Arguments the kernel cannot read without a page fault, and arguments that change during their call.

use crate::network::sockaddr;
use crate::race::{raced, set_last};
use crate::sys::{at, below, bytes, c, sys};
use crate::truth::Truth;
use std::ffi::CString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Address of a file's first page, mapped and never touched; the page cache is asked to forget the file.
fn untouched_page(dir: &Path, content: &[u8]) -> u64 {
    let path = below(dir, "page");
    std::fs::write(&path, content).expect("a file");
    let file = std::fs::File::open(&path).expect("the file");
    file.sync_all().expect("fsync");
    // SAFETY: a descriptor and numbers.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) }, 0, "posix_fadvise");
    // SAFETY: a new mapping of a file that is not written any more.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    assert_ne!(page, libc::MAP_FAILED, "mmap");
    let ret = sys(libc::SYS_unlink, &[at(&c(bytes(&path)))]);
    assert_eq!(ret, 0, "unlink");
    Truth::of("unlink", ret).bytes("path", bytes(&path)).with("read_at_exit", false).print();
    page as u64
}

pub fn untouched_string(dir: &Path, string: &[u8]) -> u64 {
    untouched_page(dir, &[string, b"\0"].concat())
}

/// Arguments in untouched pages.
pub fn all(dir: &Path) {
    std::fs::write(below(dir, "file"), "x").expect("a file");
    let path = bytes(below(dir, "file"));

    let ret = sys(libc::SYS_open, &[untouched_string(dir, &path), 0, 0]);
    assert!(ret >= 0, "open: {ret}");
    Truth::of("open", ret).bytes("asked", &path).file(ret).path_of(ret).print();

    let missing = bytes(below(dir, "missing"));
    let ret = sys(libc::SYS_open, &[untouched_string(dir, &missing), 0, 0]);
    assert_eq!(ret, -i64::from(libc::ENOENT), "open");
    Truth::of("open", ret).bytes("asked", &missing).bytes("path", &missing).print();

    let ret = sys(libc::SYS_unlink, &[untouched_string(dir, &path)]);
    assert_eq!(ret, 0, "unlink");
    Truth::of("unlink", ret).bytes("asked", &path).bytes("path", &path).with("read_at_exit", true).with("changed", false).print();

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0]);
    let ret = sys(libc::SYS_connect, &[socket as u64, untouched_page(dir, &sockaddr(address)), 16]);
    assert_eq!(ret, 0, "connect");
    Truth::of("connect", ret).with("peer", format!("inet {address}")).with("from_kernel", true).with("read_at_exit", true).print();

    let unix = bytes(below(dir, "socket"));
    let _listener = std::os::unix::net::UnixListener::bind(below(dir, "socket")).expect("a listener");
    let socket = sys(libc::SYS_socket, &[libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0]);
    let sun = [&(libc::AF_UNIX as u16).to_ne_bytes()[..], &unix].concat();
    let ret = sys(libc::SYS_connect, &[socket as u64, untouched_page(dir, &sun), sun.len() as u64]);
    assert_eq!(ret, 0, "connect");
    Truth::of("connect", ret).with("peer", format!("unix {}", unix.escape_ascii())).with("read_at_exit", true).print();
}

/// Makes both files.
fn make_both(dir: &Path) {
    for name in ["a", "b"] {
        std::fs::write(below(dir, name), "x").expect("a file");
    }
}

/// Removes one of them, and prints which is gone.
fn remove_one(dir: &Path, flipped: &CString, round: u64) {
    let ret = sys(libc::SYS_unlink, &[at(flipped)]);
    assert_eq!(ret, 0, "unlink");
    let gone = ["a", "b"].into_iter().find(|name| !below(dir, name).exists()).expect("one is gone");
    Truth::of("unlink", ret).with("_round", round).bytes("_gone", bytes(below(dir, gone))).print();
}

/// One change for each call, at any moment: before, during or after it.
pub fn flip_once(dir: &Path, rounds: u64) {
    let flipped = c(bytes(below(dir, "a")));
    let prepare = || {
        set_last(&flipped, b'a');
        make_both(dir);
    };
    raced(rounds, prepare, || set_last(&flipped, b'b'), |round| remove_one(dir, &flipped, round));
}

/// Changes all the time.
pub fn flip_always(dir: &Path, rounds: u64) {
    let flipped = c(bytes(below(dir, "a")));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                set_last(&flipped, b'a');
                set_last(&flipped, b'b');
            }
        });
        for round in 1..=rounds {
            make_both(dir);
            remove_one(dir, &flipped, round);
        }
        stop.store(true, Ordering::Release);
    });
}
