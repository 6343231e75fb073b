//! Operations through an io_uring made by hand: no system call of their own.
//!
//! Each is awaited, so that its truth is that it was done. Not for: reading and writing.

use crate::network::sockaddr;
use crate::sys::{AT_FDCWD, at, below, bytes, c, sys};
use crate::truth::Truth;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const ENTRIES: u64 = 8;
const SETUP_SQPOLL: u32 = 2;
const ENTER_GETEVENTS: u64 = 1;
const ENTER_SQ_WAKEUP: u64 = 2;
const SQ_NEED_WAKEUP: u32 = 1;
const OFF_SQES: u64 = 0x1000_0000;
const SQE_BYTES: usize = 64;

/// `struct io_uring_params`, as words: offsets of the rings' members from word 10 and from word 20 on.
type Params = [u32; 30];

/// A ring with one request at a time.
pub struct Ring {
    fd: u64,
    /// Both rings are in one mapping (`IORING_FEAT_SINGLE_MMAP`, Linux 5.4).
    rings: *mut u8,
    requests: *mut u8,
    params: Params,
    polled: bool,
}

/// `struct io_uring_sqe`, of which these members are used.
#[derive(Clone, Copy, Default)]
pub struct Request {
    pub opcode: u8,
    pub fd: i64,
    pub off: u64,
    pub addr: u64,
    pub len: u32,
    pub op_flags: u32,
    pub addr3: u64,
}

impl Ring {
    /// `None` where the kernel does not allow it.
    pub fn new(polled: bool) -> Option<Self> {
        let mut params: Params = [0; 30];
        params[2] = if polled { SETUP_SQPOLL } else { 0 };
        // Milliseconds without a request after which the ring's thread sleeps.
        params[4] = 50;
        let fd = sys(libc::SYS_io_uring_setup, &[ENTRIES, params.as_mut_ptr() as u64]);
        if fd < 0 {
            eprintln!("io_uring_setup: {fd}");
            return None;
        }
        let map = |len: u64, offset: u64| {
            let address = sys(libc::SYS_mmap, &[0, len, 3, (libc::MAP_SHARED | libc::MAP_POPULATE) as u64, fd as u64, offset]);
            assert!(address > 0, "mmap of a ring: {address}");
            address as *mut u8
        };
        Some(Self { fd: fd as u64, rings: map(4096, 0), requests: map(ENTRIES * SQE_BYTES as u64, OFF_SQES), params, polled })
    }

    /// A word of the rings, at an offset that the kernel gave.
    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel's offsets lie in the mapping, aligned to 4.
        unsafe { &*self.rings.add(offset as usize).cast::<AtomicU32>() }
    }

    /// Hands one request over and waits for its result.
    pub fn submit(&self, request: Request) -> i64 {
        let [sq_tail, sq_mask, sq_flags, sq_array] = [11, 12, 14, 16].map(|word| self.params[word]);
        let [cq_head, cq_tail, cq_mask, cqes] = [20, 21, 22, 25].map(|word| self.params[word]);
        let tail = self.word(sq_tail).load(Ordering::Acquire);
        let slot = tail & self.word(sq_mask).load(Ordering::Relaxed);
        let mut entry = [0_u8; SQE_BYTES];
        entry[0] = request.opcode;
        entry[4..8].copy_from_slice(&(request.fd as i32).to_ne_bytes());
        entry[8..16].copy_from_slice(&request.off.to_ne_bytes());
        entry[16..24].copy_from_slice(&request.addr.to_ne_bytes());
        entry[24..28].copy_from_slice(&request.len.to_ne_bytes());
        entry[28..32].copy_from_slice(&request.op_flags.to_ne_bytes());
        entry[48..56].copy_from_slice(&request.addr3.to_ne_bytes());
        // SAFETY: the slot is one of the mapped ones, and the kernel does not look at it before the tail moves.
        unsafe { std::ptr::copy_nonoverlapping(entry.as_ptr(), self.requests.add(slot as usize * SQE_BYTES), SQE_BYTES) };
        self.word(sq_array + 4 * slot).store(slot, Ordering::Relaxed);
        self.word(sq_tail).store(tail + 1, Ordering::SeqCst);
        let wakes = self.polled && self.word(sq_flags).load(Ordering::SeqCst) & SQ_NEED_WAKEUP != 0;
        let flags = ENTER_GETEVENTS | if wakes { ENTER_SQ_WAKEUP } else { 0 };
        let head = self.word(cq_head).load(Ordering::Acquire);
        while self.word(cq_tail).load(Ordering::Acquire) == head {
            let submitted = u64::from(!self.polled && self.word(self.params[10]).load(Ordering::Acquire) != tail + 1);
            let entered = sys(libc::SYS_io_uring_enter, &[self.fd, submitted, 1, flags, 0, 0]);
            assert!(entered >= 0 || entered == -4, "io_uring_enter: {entered}");
        }
        let at = cqes + 16 * (head & self.word(cq_mask).load(Ordering::Relaxed)) + 8;
        let result = self.word(at).load(Ordering::Acquire) as i32;
        self.word(cq_head).store(head + 1, Ordering::Release);
        i64::from(result)
    }
}

/// A request that was handed over; by the ring's own thread when it is polled.
fn handed_over(ring: &Ring, op: &str) -> Truth {
    let truth = Truth::of(op, 0).with("kind", "io_uring").with("submitted", true);
    if ring.polled { truth.with("tid", serde_json::Value::Null) } else { truth }
}

fn path_of(dir: &Path, name: &str) -> Vec<u8> {
    bytes(below(dir, name))
}

/// Every operation that changes something, relative to the working directory and to a descriptor.
pub fn all(dir: &Path, polled: bool) {
    let Some(ring) = Ring::new(polled) else { return Truth::of("skip", 0).print() };
    std::env::set_current_dir(dir).expect("chdir");
    files(&ring, dir);
    attributes(&ring, dir);
    sockets(&ring);
}

fn files(ring: &Ring, dir: &Path) {
    let name =
        |op: &str, asked: &str| handed_over(ring, op).bytes("asked", asked).bytes("path", path_of(dir, asked)).with("trust", "Joined");
    let flags = libc::O_CREAT | libc::O_WRONLY;
    let one = c("one");
    let fd = ring.submit(Request { opcode: 18, fd: AT_FDCWD, addr: at(&one), len: 0o640, op_flags: flags as u32, ..Request::default() });
    assert!(fd >= 0, "openat: {fd}");
    let created = name("io_uring_openat", "one").with("arg_flags", flags | 0o100_000).with("arg_mode", 0o640);
    created.print();
    let done = |request: Request, what: &str| assert_eq!(ring.submit(request), 0, "{what}");
    let sub = c("sub");
    done(Request { opcode: 37, fd: AT_FDCWD, addr: at(&sub), len: 0o755, ..Request::default() }, "mkdirat");
    name("io_uring_mkdirat", "sub").with("arg_mode", 0o755).print();
    let directory = sys(libc::SYS_open, &[at(&sub), libc::O_PATH as u64]);
    let two = c("two");
    done(Request { opcode: 35, fd: AT_FDCWD, addr: at(&one), len: directory as u32, off: at(&two), ..Request::default() }, "renameat");
    name("io_uring_renameat", "one").bytes("to_asked", "two").bytes("to_path", path_of(dir, "sub/two")).print();
    let three = c("three");
    done(Request { opcode: 39, fd: directory, addr: at(&two), len: AT_FDCWD as u32, off: at(&three), ..Request::default() }, "linkat");
    let linked = handed_over(ring, "io_uring_linkat").bytes("asked", "two").bytes("path", path_of(dir, "sub/two"));
    linked.bytes("to_path", path_of(dir, "three")).print();
    let (target, soft) = (c("../where"), c("soft"));
    done(Request { opcode: 38, fd: directory, addr: at(&target), off: at(&soft), ..Request::default() }, "symlinkat");
    handed_over(ring, "io_uring_symlinkat").bytes("path", path_of(dir, "sub/soft")).bytes("text", "../where").print();
    for (fd, name, path) in [(directory, "two", "sub/two"), (directory, "soft", "sub/soft"), (AT_FDCWD, "three", "three")] {
        let asked = c(name);
        done(Request { opcode: 36, fd, addr: at(&asked), ..Request::default() }, "unlinkat");
        let removed = handed_over(ring, "io_uring_unlinkat").bytes("asked", name).bytes("path", path_of(dir, path));
        removed.with("trust", "Joined").with("arg_flags", 0).with("fd", fd).print();
    }
    done(Request { opcode: 36, fd: AT_FDCWD, addr: at(&sub), op_flags: libc::AT_REMOVEDIR as u32, ..Request::default() }, "rmdir");
    name("io_uring_unlinkat", "sub").with("arg_flags", libc::AT_REMOVEDIR).print();
    let missing = c("missing");
    let ret = ring.submit(Request { opcode: 36, fd: AT_FDCWD, addr: at(&missing), ..Request::default() });
    assert_eq!(ret, -i64::from(libc::ENOENT));
    // Handed over all the same: that it failed came later.
    name("io_uring_unlinkat", "missing").print();
}

fn attributes(ring: &Ring, dir: &Path) {
    let file = path_of(dir, "file");
    std::fs::write(below(dir, "file"), "contents").expect("a file");
    let path = c(&file);
    let fd = sys(libc::SYS_open, &[at(&path), libc::O_RDWR as u64]);
    let on_file = |op: &str| handed_over(ring, op).with("fd", fd).bytes("path", &file).with("trust", "Resolved");
    assert_eq!(ring.submit(Request { opcode: 17, fd, off: 0, addr: 4096, len: 0, ..Request::default() }), 0, "fallocate");
    on_file("io_uring_fallocate").with("arg_mode", 0).with("arg_offset", 0).with("arg_length", 4096).print();
    // Linux 6.9.
    if ring.submit(Request { opcode: 55, fd, off: 3, ..Request::default() }) == 0 {
        on_file("io_uring_ftruncate").with("arg_length", 3).print();
    }
    let (name, value) = (c("user.agentmon"), c("v"));
    let request = Request { addr: at(&name), off: at(&value), len: 1, ..Request::default() };
    // Not every file system has them.
    let _ = ring.submit(Request { opcode: 42, addr3: at(&path), ..request });
    handed_over(ring, "io_uring_setxattr").bytes("path", &file).bytes("text", "user.agentmon").print();
    let _ = ring.submit(Request { opcode: 41, fd, ..request });
    on_file("io_uring_fsetxattr").bytes("text", "user.agentmon").print();
}

fn sockets(ring: &Ring) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let socket = ring.submit(Request { opcode: 45, fd: libc::AF_INET.into(), off: libc::SOCK_STREAM as u64, ..Request::default() });
    assert!(socket >= 0, "socket: {socket}");
    let made = handed_over(ring, "io_uring_socket").with("arg_domain", libc::AF_INET).with("arg_type", libc::SOCK_STREAM);
    made.with("arg_protocol", 0).print();
    let bytes = sockaddr(address);
    let ret = ring.submit(Request { opcode: 16, fd: socket, addr: bytes.as_ptr() as u64, off: 16, ..Request::default() });
    assert_eq!(ret, 0, "connect");
    handed_over(ring, "io_uring_connect").with("fd", socket).with("peer", format!("inet {address}")).print();
}
