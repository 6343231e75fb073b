//! What no well-meaning program does: bad arguments, storms, arguments that change under the kernel's eyes.

use agentmon::event::{Detail, Event, Kind, PathTrust, Unlink, flags};
use agentmon_tests::maps::remembered_threads;
use agentmon_tests::run::Run;
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Runs a mode in a fresh directory.
fn run(mode: &str, argument: &str) -> (Watch, Run) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8"), argument]);
    (watch, run)
}

#[test]
fn bad_pointers_descriptors_and_lengths_are_reported_and_break_nothing() {
    let (watch, run) = run("hostile", "");
    watch.check(&run, 6 * 12 + 6 * 4 + 9);
}

/// A filter's answer is not the kernel's: what it ended with a signal was not done, and nothing was kept of it at entry.
#[test]
fn calls_that_a_seccomp_filter_answers_are_reported_as_not_done() {
    let (watch, run) = run("filtered", "");
    watch.check(&run, 12);
}

#[test]
fn a_storm_of_dying_processes_is_accounted_for() {
    let (watch, run) = run("storm", "400");
    let of = |kind| watch.events().iter().filter(|event| event.kind() == kind && event.ppid == run.pid).count();
    assert_eq!(of(Kind::Exit), 400);
    let forks = watch.events().iter().filter(|event| event.kind() == Kind::Fork && event.process.tgid == run.pid).count();
    assert_eq!(forks, 400);
    assert!(of(Kind::Unlink) >= 200, "the processes did something");
    watch.check_clean();
}

#[test]
fn a_storm_of_threads_ends_with_one_exit_for_each_process() {
    let (watch, run) = run("thread-storm", "60");
    assert_eq!(run.of("exit").count(), 60);
    for truth in run.of("exit") {
        let pid = truth["pid"].as_u64().expect("a pid") as u32;
        let exits = watch.events().iter().filter(|event| event.kind() == Kind::Exit && event.process.tgid == pid).count();
        assert_eq!(exits, 1, "exits of process {pid}");
    }
    assert!(watch.events().iter().filter(|event| event.kind() == Kind::Unlink).count() > 60, "the threads did something");
    assert_eq!(remembered_threads(), [0_u32; 0], "threads that ended left their arguments behind");
    watch.check_clean();
}

#[test]
fn a_thread_that_executes_leaves_no_arguments_behind() {
    let (mut watch, run) = run("thread-exec", "");
    watch.check(&run, 1);
    let caller = &run.of("exec").next().expect("the execution")["_caller_tid"];
    let unlinks = watch.flat().into_iter().filter(|event| event["kind"] == "unlink" && event["tid"] == *caller).count();
    assert_eq!(unlinks, 1, "the thread gave an argument before it executed");
    assert_eq!(remembered_threads(), [0_u32; 0]);
    let mut alive = watch.begin(&["agent"]);
    alive.until("ready");
    alive.order("sign /agentmon-remembered");
    assert_eq!(remembered_threads(), [alive.pid()], "what a living thread gave is remembered");
    let _ = alive.finish();
    watch.sync();
}

#[test]
fn an_open_whose_descriptor_is_closed_at_once_is_still_reported() {
    let (watch, run) = run("close-race", "20000");
    let done = run.of("done").next().expect("the end");
    let path = done["_path"].as_str().expect("a path");
    let opens: Vec<_> = watch
        .events()
        .iter()
        .filter_map(|event| match &event.detail {
            Detail::Open(open) if open.asked.bytes == path.as_bytes() && event.process.tgid == run.pid => Some(open),
            _ => None,
        })
        .collect();
    assert_eq!(opens.len() as u64, done["_opens"].as_u64().expect("a number"), "opens that were reported");
    for open in &opens {
        assert_eq!(open.path.bytes, path.as_bytes(), "{open:?}");
    }
    let joined = opens.iter().filter(|open| open.path.trust == PathTrust::Joined).count();
    assert!(joined > 0, "the race was never lost");
    println!("of {} opens {joined} were closed before they could be looked at", opens.len());
    watch.check_clean();
}

/// What came of removals whose path another thread changes.
#[derive(Debug, Default)]
struct Told {
    removals: usize,
    changed: usize,
    silently_wrong: usize,
}

/// Whether an event names what is gone, under either name.
fn names(event: &Event, unlink: &Unlink, gone: &[u8]) -> bool {
    let at_enter = unlink.asked_at_enter.as_ref().filter(|_| event.has(flags::CHANGED));
    gone == unlink.path.bytes || gone == unlink.asked.bytes || at_enter.is_some_and(|at_enter| at_enter.bytes == gone)
}

fn told(watch: &Watch, run: &Run, rounds: usize) -> Told {
    let events = watch.events().iter().filter(|event| event.process.tgid == run.pid);
    let unlinks: Vec<_> = events
        .filter_map(|event| match &event.detail {
            Detail::Unlink(unlink) => Some((event, unlink)),
            _ => None,
        })
        .collect();
    assert_eq!(run.truths.len(), rounds);
    let mut left = watch.missing(rounds, unlinks.len());
    let mut told = Told { removals: rounds, ..Told::default() };
    let mut truths = run.truths.iter().map(|truth| truth["_gone"].as_str().expect("a path").as_bytes());
    for (event, unlink) in unlinks {
        let mut gone = truths.next().expect("a removal for each event");
        while left > 0 && !names(event, unlink, gone) {
            gone = truths.next().expect("a removal for each event");
            left -= 1;
        }
        if event.has(flags::CHANGED) {
            told.changed += 1;
            let at_enter = unlink.asked_at_enter.as_ref().expect("what stood there at entry");
            assert_ne!(at_enter.bytes, unlink.asked.bytes);
            assert!(gone == unlink.asked.bytes || gone == at_enter.bytes, "neither name is the one that is gone: {unlink:?}");
        } else if gone != unlink.path.bytes {
            told.silently_wrong += 1;
        }
    }
    println!("{told:?}");
    watch.check_clean();
    told
}

#[test]
fn a_path_that_changes_once_during_its_call_is_never_misreported_silently() {
    let (watch, run) = run("flip-once", "3000");
    let told = told(&watch, &run, 3_000);
    assert!(told.changed > 0, "no change fell into a call: {told:?}");
    assert_eq!(told.silently_wrong, 0, "{told:?}");
}

#[test]
fn a_path_that_changes_all_the_time_is_reported_as_changed_when_two_looks_differ() {
    // A change there and back between two looks cannot be seen from system-call entry and exit: that share is printed.
    let (watch, run) = run("flip-always", "1000");
    let told = told(&watch, &run, 1_000);
    assert!(told.changed > 0 && told.changed < told.removals, "{told:?}");
}
