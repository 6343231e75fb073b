//! Queues, semaphores and memory of System V and POSIX removed; keys asked for; quotas by descriptor; and what reaches into another
//! process by its pages, files and priority.
//!
//! Not for: ptrace and its like (`reach`).

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, File, Is, Memory, Raw, Text};
use crate::calls::{Arg, Calls, Want};
use crate::changes::in_each_abi;
use crate::numbers::Abi;
use crate::reach::{NOBODY, Victim, vectors};
use crate::sys::{at, c, low_page, sys};
use std::path::Path;

/// `IPC_RMID` and `IPC_64` (`include/uapi/linux/ipc.h`, `include/linux/ipc.h`).
const REMOVE: u64 = 0;
const IPC_64: u64 = 0x100;
const CREATE: u64 = 0o1600;
/// `KEY_SPEC_PROCESS_KEYRING` (`include/uapi/linux/keyctl.h`).
const PROCESS_KEYRING: u64 = -2_i64 as u64;

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, _, _| {
        if calls.0 == Abi::I386(1) {
            return;
        }
        system_v(calls);
        behind_ipc(calls);
        queues(calls);
        keys(calls);
        quotas(calls);
        others(calls);
    });
}

/// A segment of memory, a set of semaphores, a queue: new ones.
fn ids() -> [u64; 3] {
    let made = [sys(libc::SYS_shmget, &[0, 4096, CREATE]), sys(libc::SYS_semget, &[0, 1, CREATE]), sys(libc::SYS_msgget, &[0, CREATE])];
    made.map(|id| u64::try_from(id).expect("a new one"))
}

fn id(id: u64) -> Arg<'static> {
    Is("ipc_id", id)
}

fn command(command: u64) -> Arg<'static> {
    Is("command", command)
}

fn system_v(calls: Calls) {
    let [memory, semaphores, queue] = ids();
    for (memory, semaphores, queue, want) in
        [(memory, semaphores, queue, Want::Done), (0x7fff_ff00, 0x7fff_ff00, 0x7fff_ff00, Want::Fails(libc::EINVAL))]
    {
        let same = |truth| truth;
        calls.tell("shmctl", &[id(memory), command(REMOVE), Raw(0)], want, same);
        calls.tell("semctl", &[id(semaphores), Raw(0), command(REMOVE), Raw(0)], want, same);
        calls.tell("msgctl", &[id(queue), command(REMOVE), Raw(0)], want, same);
    }
}

/// i386's one call for all.
fn behind_ipc(calls: Calls) {
    if calls.0.number("ipc").is_none() {
        return;
    }
    let [memory, semaphores, queue] = ids();
    let call = |call: u64| Is("call", call);
    let some = Raw(u64::from(low_page(&[0; 16])));
    calls.does("ipc", &[call(24), id(memory), command(REMOVE | IPC_64), Raw(0), Raw(0)]);
    calls.does("ipc", &[call(14), id(queue), command(REMOVE | IPC_64), Raw(0), some]);
    calls.does("ipc", &[call(3), id(semaphores), Raw(0), command(REMOVE | IPC_64), some]);
    calls.fails("ipc", libc::EINVAL, &[call(24), id(0x7fff_ff00), command(REMOVE | IPC_64), Raw(0), Raw(0)]);
}

fn queues(calls: Calls) {
    let name = c("agentmon-queue");
    let flags = (libc::O_CREAT | libc::O_RDWR) as u64;
    let queue = sys(libc::SYS_mq_open, &[at(&name), flags, 0o600, 0]);
    if queue >= 0 {
        calls.does("mq_unlink", &[Text(b"agentmon-queue")]);
        sys(libc::SYS_close, &[queue as u64]);
    }
    calls.fails("mq_unlink", libc::ENOENT, &[Text(b"agentmon-missing \xff")]);
    calls.fails("mq_unlink", libc::EFAULT, &[Bad(1)]);
}

fn keys(calls: Calls) {
    let (kind, name) = (c("user"), c("agentmon:asked"));
    let added = sys(libc::SYS_add_key, &[at(&kind), at(&name), at(&kind), 4, PROCESS_KEYRING]);
    let ask = |name: &'static [u8]| [Memory(b"user\0"), Text(name), Raw(0), Raw(0)];
    if added >= 0 {
        calls.does("request_key", &ask(b"agentmon:asked"));
    }
    calls.refused("request_key", &ask(b"agentmon:missing \xff"));
}

fn quotas(calls: Calls) {
    // QCMD(Q_GETFMT, USRQUOTA), of a file system that keeps none.
    let proc = std::fs::File::open("/proc/self/stat").expect("/proc");
    let file = i64::from(std::os::fd::AsRawFd::as_raw_fd(&proc));
    let rest = [command(0x8000_0400), Is("id", 7), Raw(1)];
    calls.refused("quotactl_fd", &[&[File(file)], &rest[..]].concat());
    for bad in BAD_FILES {
        calls.refused("quotactl_fd", &[&[File(bad)], &rest[..]].concat());
    }
}

fn others(calls: Calls) {
    let page = u64::from(low_page(b"x"));
    let victim = Victim::new();
    let (target, nobody) = (victim.target(), Is("target_pid", NOBODY));
    // Away from no node, to the first.
    let (mask, first) = (Memory(&[0; 16]), Memory(&[1, 0, 0, 0, 0, 0, 0, 0]));
    calls.does("move_pages", &[target, Raw(0), Raw(0), Raw(0), Raw(0), Raw(0)]);
    calls.fails("move_pages", libc::ESRCH, &[nobody, Raw(0), Raw(0), Raw(0), Raw(0), Raw(0)]);
    calls.does("migrate_pages", &[target, Raw(64), mask, first]);
    calls.fails("migrate_pages", libc::ESRCH, &[nobody, Raw(64), mask, first]);
    let own = u64::from(std::process::id());
    // KCMP_VM.
    calls.does("kcmp", &[target, Is("second_pid", own), Is("type", 1), Raw(0), Raw(0)]);
    calls.does("kcmp", &[Is("target_pid", own), Is("second_pid", victim.pid()), Is("type", 1), Raw(0), Raw(0)]);
    calls.fails("kcmp", libc::ESRCH, &[nobody, Is("second_pid", own), Is("type", 1), Raw(0), Raw(0)]);
    calls.does("sched_setparam", &[target, Memory(&[0; 4])]);
    calls.fails("sched_setparam", libc::ESRCH, &[nobody, Memory(&[0; 4])]);
    advice(calls, &victim, page);
}

/// MADV_COLD for a page of the other's.
fn advice(calls: Calls, victim: &Victim, page: u64) {
    let pidfd = sys(libc::SYS_pidfd_open, &[victim.pid(), 0]);
    assert!(pidfd >= 0, "pidfd_open: {pidfd}");
    let [theirs, _] = vectors(calls, page, page);
    let args = |pidfd: i64| [Is("pidfd", pidfd as u64), Memory(&theirs), Raw(1), Is("advice", 20), Raw(0)];
    calls.tell("process_madvise", &args(pidfd), Want::Done, |truth| truth.with("arg_target_pid", victim.pid()));
    calls.tell("process_madvise", &args(-1), Want::Fails(libc::EBADF), |truth| truth.with("arg_target_pid", 0));
}
