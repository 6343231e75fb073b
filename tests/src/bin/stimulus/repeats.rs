//! The same failure again and again, and what somebody could hide among it.

use crate::sys::{at, below, bytes, c, pid, sys};
use crate::truth::Truth;
use std::path::Path;

fn unlink(name: &str) {
    assert_eq!(sys(libc::SYS_unlink, &[at(&c(name))]), -i64::from(libc::ENOENT), "{name}");
}

/// `times` times unlink of nothing by one name; once in the middle by another.
pub fn one(times: u64) {
    let name = format!("/agentmon-repeat-{}", pid());
    for time in 0..times {
        if time == times / 2 {
            unlink(&format!("/agentmon-hidden-{}", pid()));
        }
        unlink(&name);
    }
    Truth::of_process("done", pid()).with("_unlinks", times + 1).print();
}

/// `times` times the removal of a directory that is not empty: the kernel refuses it when it has resolved everything.
pub fn refused(dir: &Path, times: u64) {
    std::fs::create_dir_all(below(dir, "full/x")).expect("a directory");
    let path = c(bytes(below(dir, "full")));
    for _ in 0..times {
        assert_eq!(sys(libc::SYS_rmdir, &[at(&path)]), -i64::from(libc::ENOTEMPTY));
    }
    Truth::of_process("done", pid()).with("_rmdirs", times).bytes("_path", bytes(below(dir, "full"))).print();
}

/// `rounds` times unlink of nothing by each of `names` names.
pub fn many(names: u64, rounds: u64) {
    for _ in 0..rounds {
        for name in 0..names {
            unlink(&format!("/agentmon-many-{}-{name}", pid()));
        }
    }
    Truth::of_process("done", pid()).with("_unlinks", names * rounds).print();
}

/// `times` times each: an open, a connect and a send that fail in the same way; from two threads.
pub fn others(times: u64) {
    let call = move || {
        let missing = c("/agentmon-repeat-missing");
        // A UNIX address that nobody has.
        let mut address = [0_u8; 20];
        address[0] = 1;
        address[2..].copy_from_slice(b"/agentmon-no-sock\0");
        let socket = sys(libc::SYS_socket, &[libc::AF_UNIX as u64, libc::SOCK_DGRAM as u64, 0]);
        assert!(socket >= 0, "socket: {socket}");
        for _ in 0..times {
            assert!(sys(libc::SYS_open, &[at(&missing), 0]) < 0);
            assert!(sys(libc::SYS_connect, &[socket as u64, address.as_ptr() as u64, address.len() as u64]) < 0);
            let byte = [0_u8];
            let to = [socket as u64, byte.as_ptr() as u64, 1, 0, address.as_ptr() as u64, address.len() as u64];
            assert!(sys(libc::SYS_sendto, &to) < 0);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(call);
        call();
    });
    Truth::of_process("done", pid()).with("_each", 2 * times).print();
}
