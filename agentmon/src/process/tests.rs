//! The table as a fold: what each event leaves behind, and the bounds.

mod resolutions;

use super::ProcessTable;
use super::owners::PROCESS_BYTES;
use super::table::{EXITED_KEPT, HELD_BYTES_MAX};
use crate::event::{
    AgentId, Cgroup, CgroupAction, CgroupId, CgroupState, Detail, Event, Exec, Exit, Flow, Fork, Open, Outcome, Path, PathTrust,
    ProcessKey, Text, Unlink,
};
use bytes::Bytes;

fn key(tgid: u32) -> ProcessKey {
    ProcessKey { tgid, start_ns: u64::from(tgid) * 10 }
}

pub(super) fn event(process: ProcessKey, detail: Detail) -> Event {
    Event {
        timestamp_ns: 1,
        process,
        tid: process.tgid,
        ppid: 1,
        agent: AgentId(1),
        cgroup: CgroupId(7),
        uid: 1000,
        euid: 1000,
        comm: [0; 16],
        outcome: Outcome(0),
        flags: 0,
        operation: "test",
        slot: 0,
        repeated: 1,
        seq: 1,
        lost_before: 0,
        resolved_ns: 0,
        detail,
    }
}

fn exec(process: ProcessKey, exe: &'static str) -> Event {
    let exe = Path { bytes: Bytes::from_static(exe.as_bytes()), trust: PathTrust::Resolved };
    event(process, Detail::Exec(Exec { exe, ..Exec::default() }))
}

fn fork(creator: ProcessKey, child: ProcessKey) -> Event {
    event(creator, Detail::Fork(Fork { child, child_ppid: creator.tgid, child_cgroup: CgroupId(7) }))
}

fn exit(process: ProcessKey) -> Event {
    event(process, Detail::Exit(Exit { status: 0 }))
}

fn exe(table: &ProcessTable, process: ProcessKey) -> Bytes {
    table.get(process).and_then(|process| process.image.as_ref()).map(|image| image.exe.bytes.clone()).unwrap_or_default()
}

#[test]
fn a_child_runs_its_creators_program_until_its_own_exec() {
    let mut table = ProcessTable::new();
    table.apply(&exec(key(10), "/bin/sh"));
    table.apply(&fork(key(10), key(11)));
    assert_eq!(&exe(&table, key(11))[..], b"/bin/sh");
    assert_eq!(table.get(key(11)).unwrap().execs, 0);
    table.apply(&exec(key(11), "/bin/ls"));
    assert_eq!(&exe(&table, key(11))[..], b"/bin/ls");
    assert_eq!(&exe(&table, key(10))[..], b"/bin/sh");
    let child = table.get(key(11)).unwrap();
    assert_eq!((child.execs, child.parent), (1, Some(key(10))));
    assert_eq!(table.parent(child).unwrap().key, key(10));
}

#[test]
fn a_failed_exec_leaves_the_program() {
    let mut table = ProcessTable::new();
    table.apply(&exec(key(10), "/bin/sh"));
    let failed = Event { outcome: Outcome(-2), ..exec(key(10), "/bin/nothing") };
    assert_eq!(table.apply(&failed).execs, 1);
    assert_eq!(&exe(&table, key(10))[..], b"/bin/sh");
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let mut table = ProcessTable::new();
    table.apply(&exec(key(10), "/bin/sh"));
    table.apply(&exit(key(10)));
    let again = ProcessKey { tgid: 10, start_ns: 5_000 };
    table.apply(&event(again, Detail::Open(Open::default())));
    assert!(table.get(again).unwrap().image.is_none());
    assert_eq!(&exe(&table, key(10))[..], b"/bin/sh", "late events still find the old one");
}

#[test]
fn the_user_before_an_event_is_known() {
    let mut table = ProcessTable::new();
    table.apply(&exec(key(10), "/bin/su"));
    let changed = Event { euid: 0, ..exit(key(10)) };
    let process = table.apply(&changed);
    assert_eq!((process.euid_before, process.euid), (1000, 0));
}

#[test]
fn who_left_the_cgroup_is_outside_and_so_are_its_children() {
    let mut table = ProcessTable::new();
    table.apply(&fork(key(10), key(11)));
    let to = Cgroup { to: CgroupId(1), path: Text::default(), mover_tgid: 11, born: false };
    assert!(table.apply(&event(key(11), Detail::CgroupLeave(to))).outside);
    table.apply(&fork(key(11), key(12)));
    assert!(table.get(key(12)).unwrap().outside);
    assert!(!table.get(key(10)).unwrap().outside);
}

#[test]
fn who_does_something_to_a_cgroup_from_outside_is_not_kept() {
    let mut table = ProcessTable::new();
    let frozen = |by_member| {
        Detail::CgroupState(CgroupState { cgroup: CgroupId(7), path: Text::default(), action: CgroupAction::Frozen, by_member })
    };
    for tgid in 1..4 {
        assert_eq!(table.apply(&event(key(tgid), frozen(false))).key, key(tgid));
        assert_eq!(table.get(key(tgid)).map(|process| process.key), Some(key(tgid)), "for whoever tells the event");
    }
    assert!(table.get(key(2)).is_none());
    assert!(table.is_empty() && table.living().next().is_none());
    table.apply(&event(key(5), frozen(true)));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_connection_that_outlives_its_process_brings_it_not_back() {
    let mut table = ProcessTable::new();
    let end: std::net::SocketAddr = "10.0.0.1:80".parse().unwrap();
    let flow = Detail::Flow(Flow { peer: end, local: end, inbound: false, bytes_in: 0, bytes_out: 0 });
    assert_eq!(table.apply(&event(key(9), flow.clone())).key, key(9));
    assert!(table.is_empty());
    table.apply(&exec(key(9), "/bin/curl"));
    let mut later = event(key(9), flow);
    later.euid = 77;
    let owner = table.apply(&later);
    assert_eq!((owner.euid, owner.image.is_some()), (1000, true));
}

#[test]
fn a_failure_that_is_told_late_changes_and_brings_back_no_process() {
    let mut table = ProcessTable::new();
    let late = |tgid, euid| Event { seq: 0, repeated: 9, euid, ..event(key(tgid), Detail::Unlink(Unlink::default())) };
    assert_eq!(table.apply(&late(9, 1000)).key, key(9));
    assert!(table.is_empty() && table.living().next().is_none());
    table.apply(&exec(key(9), "/bin/rm"));
    assert_eq!(table.apply(&late(9, 77)).euid, 1000);
}

#[test]
fn ended_processes_are_kept_for_a_while_and_living_ones_go_last() {
    let mut table = ProcessTable::new();
    table.apply(&exec(key(1), "/bin/old"));
    for tgid in 2..u32::try_from(EXITED_KEPT).unwrap() + 100 {
        table.apply(&fork(key(1), key(tgid)));
        table.apply(&exit(key(tgid)));
    }
    assert!(table.len() <= EXITED_KEPT + 3, "{}", table.len());
    assert!(table.get(key(2)).is_none());
    assert_eq!(table.living().count(), 1);
    assert_eq!(table.evicted(), 0);
}

#[test]
fn a_host_full_of_processes_is_bounded_and_counted() {
    let mut table = ProcessTable::new();
    let most = HELD_BYTES_MAX / PROCESS_BYTES;
    let more = u32::try_from(most).unwrap() + 500;
    for tgid in 1..=more {
        table.apply(&event(key(tgid), Detail::Open(Open::default())));
    }
    assert!(table.len() <= most);
    assert_eq!(u64::try_from(table.len()).unwrap() + table.evicted(), u64::from(more));
    assert!(table.get(key(more)).is_some() && table.get(key(1)).is_none());
}

/// The same event, of another agent.
fn of(agent: u32, event: Event) -> Event {
    Event { agent: AgentId(agent), ..event }
}

/// With arguments that are longer than is kept of them.
fn long_exec(process: ProcessKey) -> Event {
    let exe = Path { bytes: Bytes::from_static(b"/bin/hostile"), trust: PathTrust::Resolved };
    let argv = Text { bytes: Bytes::from(vec![b'x'; 32 * 1024]), ..Text::default() };
    event(process, Detail::Exec(Exec { exe, argv, ..Exec::default() }))
}

#[test]
fn an_agent_that_fills_the_table_pushes_out_its_own_processes_alone() {
    let mut table = ProcessTable::new();
    // Two agents that were here first, one of them with processes that have ended.
    for tgid in 1..=50 {
        table.apply(&of(2, exec(key(tgid), "/bin/quiet")));
        table.apply(&of(3, exec(key(100 + tgid), "/bin/ended")));
        table.apply(&of(3, exit(key(100 + tgid))));
    }
    for tgid in 1_000..30_000 {
        match tgid % 3 {
            0 => table.apply(&long_exec(key(tgid))),
            1 => table.apply(&fork(key(tgid - 1), key(tgid))),
            _ => table.apply(&exit(key(tgid - 1))),
        };
    }
    for tgid in 1..=50 {
        assert_eq!(&exe(&table, key(tgid))[..], b"/bin/quiet");
        assert_eq!(&exe(&table, key(100 + tgid))[..], b"/bin/ended");
    }
    let evicted = table.take_evicted();
    assert_eq!(evicted.keys().copied().collect::<Vec<_>>(), [AgentId(1)]);
    assert!(evicted[&AgentId(1)] == table.evicted() && table.evicted() > 1_000, "{evicted:?}");
    assert!(table.take_evicted().is_empty(), "told once");
    assert_eq!(&exe(&table, key(29_997))[..], b"/bin/hostile", "its latest are known");
}

#[test]
fn what_is_held_is_what_is_counted_and_all_of_it_is_given_back() {
    let mut table = ProcessTable::new();
    for tgid in 1..200 {
        table.apply(&of(tgid % 7, exec(key(tgid), "/bin/one")));
        table.apply(&of(tgid % 7, exec(key(tgid), "/bin/another")));
        table.apply(&of(tgid % 7, fork(key(tgid), key(1_000 + tgid))));
        // An identity that is there already: nothing is counted twice.
        table.apply(&of(tgid % 7, fork(key(tgid), key(1_000 + tgid))));
    }
    let programs = 199 * "/bin/another".len();
    assert_eq!(table.held_bytes(), 398 * PROCESS_BYTES + programs);
    assert_eq!(table.forget_all(), 398);
    assert_eq!((table.held_bytes(), table.len()), (0, 0));
}

#[test]
fn ended_processes_are_kept_by_agent() {
    let mut table = ProcessTable::new();
    table.apply(&of(2, exec(key(1), "/bin/quiet")));
    table.apply(&of(2, exit(key(1))));
    for tgid in 2..u32::try_from(EXITED_KEPT).unwrap() + 100 {
        table.apply(&event(key(tgid), Detail::Open(Open::default())));
        table.apply(&exit(key(tgid)));
    }
    assert_eq!(table.len(), EXITED_KEPT + 1);
    assert_eq!(&exe(&table, key(1))[..], b"/bin/quiet");
}
