//! Files and sockets through `int 0x80` from a 64-bit process: the entry most tracers do not see.
//!
//! Not for: the identity family (`identity::compat`).

use crate::network::sockaddr;
use crate::sys::{AT_FDCWD, below, bytes, int80, low_page, sys};
use crate::truth::Truth;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// A string with its NUL, below 4 GiB.
fn low_string(bytes: &[u8]) -> u32 {
    low_page(&[bytes, b"\0"].concat())
}

/// All of them.
pub fn all(dir: &Path) {
    for name in ["file", "one", "two"] {
        std::fs::write(below(dir, name), "x").expect("a file");
    }
    std::fs::create_dir(below(dir, "empty")).expect("a directory");
    std::env::set_current_dir(dir).expect("chdir");
    opens(dir);
    removals(dir);
    connects();
    failed_exec(dir);
}

/// Name, i386 number, arguments, path and flags as given.
type Opening<'a> = (&'a str, u32, [u32; 4], &'a [u8], u64);

fn opens(dir: &Path) {
    let path = bytes(below(dir, "file"));
    let at_fdcwd = AT_FDCWD as u32;
    let create = (libc::O_CREAT | libc::O_WRONLY) as u32;
    let how = low_page(&[2_u64, 0, 0].map(u64::to_ne_bytes).concat());
    let calls: [Opening<'_>; 4] = [
        ("open", 5, [low_string(&path), 0, 0, 0], &path, 0),
        ("openat", 295, [at_fdcwd, low_string(b"new"), create, 0o600], b"new", u64::from(create)),
        ("openat2", 437, [at_fdcwd, low_string(b"file"), how, 24], b"file", 2),
        ("creat", 8, [low_string(b"created"), 0o600, 0, 0], b"created", 0o1101),
    ];
    for (op, number, args, asked, flags) in calls {
        let ret = int80(number, args);
        assert!(ret >= 0, "{op} as i386 {number}: {ret}");
        let truth = Truth::of(op, ret).bytes("asked", asked).with("open_flags", flags).with("compat", true);
        truth.file(ret).path_of(ret).with("trust", "Resolved").print();
    }
    let ret = int80(5, [low_string(b"missing"), 0, 0, 0]);
    assert_eq!(ret, -i64::from(libc::ENOENT));
    Truth::of("open", ret).bytes("path", bytes(below(dir, "missing"))).with("trust", "Joined").with("compat", true).print();
}

fn removals(dir: &Path) {
    let at_fdcwd = AT_FDCWD as u32;
    let calls: [(&str, u32, [u32; 4], &str, bool); 3] = [
        ("unlink", 10, [low_string(b"one"), 0, 0, 0], "one", false),
        ("unlinkat", 301, [at_fdcwd, low_string(b"two"), 0, 0], "two", false),
        ("rmdir", 40, [low_string(b"empty"), 0, 0, 0], "empty", true),
    ];
    for (op, number, args, name, directory) in calls {
        let ret = int80(number, args);
        assert_eq!(ret, 0, "{op} as i386 {number}");
        let truth = Truth::of(op, ret).bytes("asked", name).bytes("path", bytes(below(dir, name)));
        truth.with("directory", directory).with("changed", false).with("compat", true).print();
    }
}

fn connects() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (bytes, len) = (sockaddr(address), 16);
    for socketcall in [false, true] {
        let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0]) as u32;
        let (op, ret) = if socketcall {
            // socketcall(SYS_CONNECT, { fd, address, length })
            let args = low_page(&[socket, low_page(&bytes), len].map(u32::to_ne_bytes).concat());
            ("socketcall", int80(102, [3, args, 0, 0]))
        } else {
            ("connect", int80(362, [socket, low_page(&bytes), len, 0]))
        };
        assert_eq!(ret, 0, "{op}");
        let truth = Truth::of(op, ret).with("fd", socket).with("peer", format!("inet {address}"));
        truth.with("from_kernel", true).with("compat", true).print();
    }
}

fn failed_exec(dir: &Path) {
    let ret = int80(11, [low_string(b"./missing"), low_page(&[0; 4]), low_page(&[0; 4]), 0]);
    assert_eq!(ret, -i64::from(libc::ENOENT), "execve");
    let truth = Truth::of("execve", ret).bytes("filename", "./missing").bytes("exe", bytes(below(dir, "missing")));
    truth.with("compat", true).print();
}
