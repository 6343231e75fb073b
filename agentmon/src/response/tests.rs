//! Freezing and killing for real: every claim of the breaker against the kernel.

use super::escapee::{Escapee, key_of};
use super::job::{Job, Strike};
use super::manual::{ManualError, apply, find};
use super::*;
use crate::agents::{AgentCgroups, Register};
use crate::cgroup::Cgroup;
use crate::cgroup::testing::{SOON, Scratch, eventually, scratch, shell};
use crate::event::{AgentId, ProcessKey};
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command as Process, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Instant, SystemTime};

fn breaker() -> (Breaker, Receiver<BreakerReport>) {
    let (send, receive) = channel();
    (Breaker::new(move |report| send.send(report).unwrap()).unwrap(), receive)
}

fn agent(cgroup: &Cgroup) -> AgentCgroups {
    cgroup.try_clone().unwrap().into()
}

/// Carries one order out and returns its report, checked to be the order's.
fn run(cgroups: &AgentCgroups, command: Command, escaped: Vec<ProcessKey>, relist: Option<Relist>) -> BreakerReport {
    let (mut breaker, reports) = breaker();
    let struck = breaker.act(Order { agent: AgentId(7), cgroups, command, decided: Instant::now(), escaped, relist });
    let report = reports.recv_timeout(SOON).unwrap();
    assert_eq!((report.order, report.agent, report.command), (struck.order, AgentId(7), command));
    assert_eq!(report.write_latency, struck.write_latency);
    let BreakerReport { tasks, write_latency, done_latency, escaped, .. } = &report;
    println!("measured: {} of {tasks} processes + {escaped} escaped: written {write_latency:?}, verified {done_latency:?}", command.name());
    report
}

fn sleeper() -> Child {
    Process::new("sleep").arg("60").spawn().unwrap()
}

fn killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

#[test]
fn three_hundred_processes_are_killed_and_the_cgroup_is_verified_empty() {
    let Some(Scratch { cgroup, .. }) = &scratch("kill 300") else { return };
    let mut shell = shell(cgroup, "for i in {1..299}; do sleep 60 & done; echo ready; wait");
    let report = run(&agent(cgroup), Command::Kill, Vec::new(), None);
    assert!(report.is_verified(), "{report:?}");
    assert_eq!((report.tasks, report.survivors.len()), (300, 0));
    assert!(!cgroup.populated().unwrap());
    assert!(killed(shell.wait().unwrap()));
    assert!(run(&agent(cgroup), Command::Kill, Vec::new(), None).is_verified(), "killing again is harmless");
}

#[test]
fn one_process_is_frozen_thawed_frozen_and_killed() {
    let Some(Scratch { cgroup, .. }) = &scratch("ladder") else { return };
    let mut shell = shell(cgroup, "echo ready; while :; do :; done");
    for (command, frozen) in [(Command::Freeze, true), (Command::Freeze, true), (Command::Thaw, false), (Command::Freeze, true)] {
        assert!(run(&agent(cgroup), command, Vec::new(), None).is_verified());
        assert_eq!(cgroup.frozen().unwrap(), frozen);
    }
    assert!(run(&agent(cgroup), Command::Kill, Vec::new(), None).is_verified());
    assert!(killed(shell.wait().unwrap()));
}

/// A kill whose control file was never written.
fn unwritten_kill(cgroups: &AgentCgroups, signal_again: bool) -> Job {
    let decided = Instant::now();
    let mut strike = Strike::write(cgroups, Command::Freeze, decided);
    strike.signal_again = signal_again;
    Job::new(1, Order { agent: AgentId(7), cgroups, command: Command::Kill, decided, escaped: Vec::new(), relist: None }, strike)
}

#[test]
fn what_did_not_work_is_not_called_verified() {
    let Some(Scratch { cgroup, .. }) = &scratch("unverified") else { return };
    let mut shell = shell(cgroup, "echo ready; exec sleep 60");
    let mut job = unwritten_kill(&agent(cgroup), false);
    assert!(job.step(Instant::now()).is_none());
    let report = job.step(Instant::now() + SOON).unwrap();
    assert_eq!((&report.outcome, &report.survivors[..]), (&Outcome::Done { verified: false }, &[shell.id()][..]));
    assert!(!report.is_verified());
    cgroup.kill(SOON).unwrap();
    shell.wait().unwrap();
}

#[test]
fn without_cgroup_kill_signals_are_sent_until_the_cgroup_is_empty() {
    let Some(Scratch { cgroup, .. }) = &scratch("signals until empty") else { return };
    let mut shell = shell(cgroup, "for i in {1..50}; do sleep 60 & done; echo ready; wait");
    assert!(unwritten_kill(&agent(cgroup), true).finish().is_verified());
    assert!(killed(shell.wait().unwrap()));
}

#[test]
fn a_fork_bomb_dies_while_it_grows() {
    let Some(Scratch { cgroup, .. }) = &scratch("fork bomb") else { return };
    // A tree of at most 4,095 shells and sleeps, so that a failing test does not take the machine down.
    let grow = "grow() { [ $1 = 0 ] && exec sleep 60; grow $(($1-1)) & grow $(($1-1)) & wait; }; echo ready; grow 11";
    let mut shell = shell(cgroup, grow);
    eventually("it grows", || cgroup.count_procs(200).unwrap() >= 200);
    let report = run(&agent(cgroup), Command::Kill, Vec::new(), None);
    assert!(report.is_verified(), "{report:?}");
    assert_eq!(cgroup.all_procs(), [0; 0]);
    assert!(killed(shell.wait().unwrap()));
}

#[test]
fn a_removed_cgroup_counts_as_killed_and_cannot_be_frozen() {
    let Some(Scratch { cgroup, .. }) = &scratch("removed") else { return };
    cgroup.remove(SOON).unwrap();
    assert!(run(&agent(cgroup), Command::Kill, Vec::new(), None).is_verified());
    assert!(run(&agent(cgroup), Command::Freeze, Vec::new(), None).is_verified(), "nothing runs in it");
}

#[test]
fn a_later_order_takes_the_place_of_an_unfinished_one() {
    let Some(Scratch { cgroup, .. }) = &scratch("superseded") else { return };
    let mut shell = shell(cgroup, "echo ready; exec sleep 60");
    let (mut breaker, reports) = breaker();
    let cgroups = agent(cgroup);
    let mut order = |command, relist| {
        breaker.act(Order { agent: AgentId(1), cgroups: &cgroups, command, decided: Instant::now(), escaped: Vec::new(), relist })
    };
    // A listing that always finds another process keeps the freeze unfinished.
    let mut number = 400_000_000;
    let endless = move || {
        number += 1;
        #[expect(clippy::disallowed_methods, reason = "a look every few milliseconds, with a deadline around it")]
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok(vec![Outsider::Named(ProcessKey { tgid: number, start_ns: 1 })])
    };
    order(Command::Freeze, Some(Box::new(endless)));
    order(Command::Thaw, None);
    let (freeze, thaw) = (reports.recv_timeout(SOON).unwrap(), reports.recv_timeout(SOON).unwrap());
    assert_eq!(freeze.outcome, Outcome::Failed("a later thaw took its place".to_owned()));
    assert!(thaw.is_verified());
    cgroup.kill(SOON).unwrap();
    shell.wait().unwrap();
}

#[test]
fn an_escaped_process_is_killed_and_one_with_another_start_time_is_not() {
    let Some(Scratch { cgroup, .. }) = &scratch("escapee") else { return };
    let (mut escaped, mut bystander) = (sleeper(), sleeper());
    let key_of = |pid| key_of(pid).unwrap().unwrap();
    let right = key_of(escaped.id());
    let wrong = ProcessKey { start_ns: key_of(bystander.id()).start_ns - 30_000_000, ..key_of(bystander.id()) };
    let report = run(&agent(cgroup), Command::Kill, vec![right, wrong, right], None);
    assert!(report.is_verified(), "{report:?}");
    assert_eq!(report.escaped, 1);
    assert!(killed(escaped.wait().unwrap()));
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander lives");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(Escapee::take(right).unwrap().is_none(), "a process that is over cannot be taken");
}

#[test]
fn agentmon_itself_and_init_are_refused() {
    for pid in [1, std::process::id()] {
        let key = key_of(pid).unwrap().unwrap();
        assert_eq!(Escapee::take(key).unwrap_err().to_string(), format!("process {pid} is not an agent's: refused"));
    }
}

#[test]
fn an_escaped_fork_bomb_is_listed_anew_until_nothing_is_left() {
    let Some(Scratch { cgroup, .. }) = &scratch("escaped bomb") else { return };
    let Some(outside) = scratch("escaped bomb") else { return };
    let grow = "grow() { [ $1 = 0 ] && exec sleep 60; grow $(($1-1)) & grow $(($1-1)) & wait; }; echo ready; grow 8";
    let mut shell = shell(&outside.cgroup, grow);
    eventually("it grows", || outside.cgroup.count_procs(60).unwrap() >= 60);
    let held = outside.cgroup.try_clone().unwrap();
    let keys = move || held.all_procs().into_iter().filter_map(|pid| key_of(pid).transpose());
    let relist: Relist = Box::new(move || keys().map(|key| key.map(Outsider::Named).map_err(|error| error.to_string())).collect());
    let report = run(&agent(cgroup), Command::Kill, vec![key_of(shell.id()).unwrap().unwrap()], Some(relist));
    assert!(report.is_verified(), "{report:?}");
    assert!(!outside.cgroup.populated().unwrap());
    assert!(killed(shell.wait().unwrap()));
}

/// A kill of an empty cgroup whose escaped processes are listed so.
fn kill_with(cgroup: &Cgroup, relist: Relist) -> Job {
    let (cgroups, decided) = (agent(cgroup), Instant::now());
    let strike = Strike::write(&cgroups, Command::Kill, decided);
    let order = Order { agent: AgentId(7), cgroups: &cgroups, command: Command::Kill, decided, escaped: Vec::new(), relist: Some(relist) };
    Job::new(1, order, strike)
}

#[test]
fn a_kill_is_not_verified_while_nobody_can_list_what_is_outside() {
    let Some(Scratch { cgroup, .. }) = &scratch("unlisted") else { return };
    let mut job = kill_with(cgroup, Box::new(|| Err("the list is torn".to_owned())));
    assert!(job.step(Instant::now()).is_none(), "it is tried again");
    let report = job.step(Instant::now() + SOON).unwrap();
    assert!(!report.is_verified());
    let why = "not verified, as nobody can say what is outside the cgroup: the list is torn";
    assert_eq!(report.outcome, Outcome::Failed(why.to_owned()));
    let mut looks = 0;
    let mut job = kill_with(
        cgroup,
        Box::new(move || {
            looks += 1;
            if looks == 1 { Err("torn for a moment".to_owned()) } else { Ok(Vec::new()) }
        }),
    );
    assert!(job.step(Instant::now()).is_none());
    assert!(job.step(Instant::now()).unwrap().is_verified());
}

#[test]
fn a_process_that_is_listed_again_is_dealt_with_again() {
    let Some(Scratch { cgroup, .. }) = &scratch("listed again") else { return };
    let mut job = kill_with(cgroup, Box::new(|| Ok(vec![Outsider::Named(ProcessKey { tgid: 400_000_001, start_ns: 0 })])));
    for _ in 0..3 {
        assert!(job.step(Instant::now()).is_none(), "it is said to be there still");
    }
}

#[test]
fn an_escaped_process_is_brought_back_and_frozen() {
    let Some(Scratch { cgroup, .. }) = &scratch("bring back") else { return };
    let Some(outside) = scratch("bring back") else { return };
    let mut escaped = shell(&outside.cgroup, "echo ready; while :; do :; done");
    let report = run(&agent(cgroup), Command::Freeze, vec![key_of(escaped.id()).unwrap().unwrap()], None);
    assert!(report.is_verified(), "{report:?}");
    assert_eq!(report.escaped, 1);
    assert_eq!(cgroup.procs().unwrap(), [escaped.id()]);
    assert!(cgroup.frozen().unwrap());
    assert!(run(&agent(cgroup), Command::Kill, Vec::new(), None).is_verified());
    assert!(killed(escaped.wait().unwrap()));
}

#[test]
fn manual_control_finds_agents_by_the_marks_a_dead_monitor_left() {
    let Some(Scratch { mount, cgroup }) = &scratch("manual") else { return };
    let inner = cgroup.create_child(OsStr::new("inner")).unwrap();
    let mut shell = shell(&inner, "echo ready; exec sleep 60");
    let name = format!("manual-{}", std::process::id());
    let mut register = Register::new();
    let (_, errors) = register.watch(&name, "5e551011", Arc::default(), agent(cgroup), SystemTime::now());
    assert!(errors.is_empty());
    drop(register);
    let by = |wanted: &str| find(mount, OsStr::new(wanted)).map(|found| found.iter().map(|agent| agent.cgroup().id()).collect::<Vec<_>>());
    let below_mount = mount.relative(&inner);
    for wanted in [&name, "5e551011", &format!("{name}-5e551011"), cgroup.path().to_str().unwrap(), below_mount.to_str().unwrap()] {
        assert_eq!(by(wanted).unwrap(), [cgroup.id()], "{wanted}");
    }
    for wanted in ["no-such-agent", "/", "/agentmon.slice", "/../x", ""] {
        let error = by(wanted).unwrap_err();
        assert!(matches!(&error, ManualError::Unknown { known, .. } if known.contains(&format!("{name}-5e551011"))), "{error}");
        assert_eq!(error.to_string(), format!("no agent `{wanted}`"));
    }
    let found = find(mount, OsStr::new(&name)).unwrap();
    assert!(apply(&found, Command::Freeze).iter().all(BreakerReport::is_verified));
    assert!(cgroup.frozen().unwrap());
    let reports = apply(&found, Command::Kill);
    assert!(reports.len() == 1 && reports[0].is_verified(), "{reports:?}");
    assert!(killed(shell.wait().unwrap()));
}
