//! A flood of opens, and operations of the critical kinds that must not be lost in it.
//!
//! Not for: what each of them looks like in an event (the other modes).

use crate::sys::{at, c, fork, pid, sys, wait};
use crate::truth::Truth;

/// `processes` children that each open nothing `calls` times, by as many names.
pub fn flood_opens(processes: u64, calls: u64) {
    flood(processes, calls, |call| {
        sys(libc::SYS_open, &[at(&c(format!("/agentmon-flood-{call}"))), 0]);
    });
}

/// `processes` children that each execute nothing `calls` times, by as many names; then one executes a program.
pub fn flood_failing_execs(processes: u64, calls: u64) {
    flood(processes, calls, |call| {
        let ret = sys(libc::SYS_execve, &[at(&c(format!("/agentmon-missing-{call}"))), 0, 0]);
        assert_eq!(ret, -i64::from(libc::ENOENT), "execve");
    });
    let child = fork(|| {
        let ret = execute_itself();
        panic!("execve: {ret}");
    });
    assert_eq!(wait(child), 0);
    Truth::of_process("executed", child).print();
}

/// `processes` children that each become who they are `calls` times.
pub fn flood_identities(processes: u64, calls: u64) {
    let uid = sys(libc::SYS_getuid, &[]) as u64;
    flood(processes, calls, |_| assert_eq!(sys(libc::SYS_setuid, &[uid]), 0, "setuid"));
}

fn flood(processes: u64, calls: u64, call: impl Fn(u64)) {
    let children: Vec<i64> = (0..processes)
        .map(|_| {
            fork(|| {
                (0..calls).for_each(&call);
                0
            })
        })
        .collect();
    for child in children {
        assert_eq!(wait(child), 0);
    }
    Truth::of_process("done", pid()).with("_calls", processes * calls).print();
}

/// `rounds` times one operation of each critical kind that needs no other cgroup; `target` ignores `SIGUSR1`. Each child
/// opens something between its creation, its new program and its end.
pub fn criticals(target: u64, rounds: u64) {
    let uid = sys(libc::SYS_getuid, &[]) as u64;
    for _ in 0..rounds {
        let child = fork(|| {
            sys(libc::SYS_open, &[at(&c("/agentmon-child")), 0]);
            let ret = execute_itself();
            panic!("execve: {ret}");
        });
        assert_eq!(wait(child), 0);
        assert_eq!(sys(libc::SYS_kill, &[target, libc::SIGUSR1 as u64]), 0, "kill");
        assert_eq!(sys(libc::SYS_setuid, &[uid]), 0, "setuid");
        assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_FS as u64]), 0, "unshare");
        let pidfd = sys(libc::SYS_pidfd_open, &[target, 0]);
        assert!(pidfd >= 0, "pidfd_open: {pidfd}");
        sys(libc::SYS_close, &[pidfd as u64]);
        // Refused whoever asks: no such command, no such module.
        assert!(sys(libc::SYS_bpf, &[u64::from(u32::MAX), 0, 0]) < 0);
        assert!(sys(libc::SYS_delete_module, &[at(&c("agentmon_no_such_module")), 0]) < 0);
    }
    Truth::of_process("done", pid()).with("_rounds", rounds).print();
}

/// Becomes this program anew, which does nothing then. Returns only what went wrong.
fn execute_itself() -> i64 {
    let itself = std::env::current_exe().expect("this program");
    let itself = c(std::os::unix::ffi::OsStrExt::as_bytes(itself.as_os_str()));
    let variable = c(format!("{}=1", crate::NOOP));
    let (arguments, environment) = ([at(&itself), 0], [at(&variable), 0]);
    sys(libc::SYS_execve, &[at(&itself), arguments.as_ptr() as u64, environment.as_ptr() as u64])
}

/// Ignores `SIGUSR1` until its standard input is closed.
pub fn ignore() {
    // SAFETY: no handler, only to be ignored.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    Truth::of_process("ready", pid()).print();
    crate::scope::wait_for_input();
}
