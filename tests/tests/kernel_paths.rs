//! The kernel's own path hooks against the real kernel: what it resolved is told, whatever name led there.

use agentmon::event::{Detail, Event, PathTrust, flags};
use agentmon::process::Resolutions;
use agentmon::sensor::{PathHookState, Sensor, SensorConfig};
use agentmon_tests::compare::match_all;
use agentmon_tests::e2e::binary::order;
use agentmon_tests::e2e::session::Session;
use agentmon_tests::flat::flatten;
use agentmon_tests::kernel_has;
use agentmon_tests::run::Run;
use agentmon_tests::skip::skip;
use agentmon_tests::watch::Watch;
use serde_json::json;
use std::time::Instant;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// A sensor with every hook in use; else says why not.
fn hooked(test: &str) -> Option<Watch> {
    let watch = Watch::start_with_path_hooks(STIMULUS);
    let missing = watch.sensor.path_hooks().iter().find_map(|hook| match &hook.state {
        PathHookState::InUse => None,
        PathHookState::NotAvailable(why) => Some(format!("path hooks: {}: {why}", hook.function)),
    });
    if let Some(why) = missing {
        skip(test, &why);
        return None;
    }
    assert_eq!(watch.sensor.path_hooks().len(), agentmon_common::hooks::hook::COUNT);
    Some(watch)
}

/// What the engine gets.
fn joined(watch: &Watch) -> Vec<Event> {
    let (mut resolutions, mut told) = (Resolutions::default(), Vec::new());
    watch.events().iter().for_each(|event| resolutions.take(event.clone(), &mut told));
    resolutions.finish(&mut told);
    told
}

/// Runs a mode, and finds for each of its lines an event that agrees in every field; and no other one of a hook.
fn told(test: &str, mode: &str, least: usize) {
    let Some(mut watch) = hooked(test) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8")]);
    if run.of("skip").next().is_some() {
        return skip(test, "io_uring is disabled on this host");
    }
    assert!(run.truths.len() >= least, "the stimulus did only {} of {least} things", run.truths.len());
    let events = joined(&watch);
    let flat: Vec<_> = events.iter().map(flatten).collect();
    let found = match_all(&run.truths, &flat).unwrap_or_else(|report| panic!("{report}"));
    for (at, event) in events.iter().enumerate() {
        let alone = matches!(event.detail, Detail::Resolved(_)) && event.process.tgid == run.pid;
        assert!(!alone || found.contains(&at), "told alone: {:?}", flat[at]);
    }
    watch.check_clean();
}

#[test]
fn what_a_link_leads_to_is_resolved_and_flagged() {
    told("what_a_link_leads_to_is_resolved_and_flagged", "paths-links", 7);
}

#[test]
fn every_call_that_changes_a_path_is_told_with_what_the_kernel_resolved() {
    told("every_call_that_changes_a_path_is_told_with_what_the_kernel_resolved", "paths-others", 8);
}

#[test]
fn a_file_below_a_bind_mount_is_resolved_to_device_and_inode() {
    told("a_file_below_a_bind_mount_is_resolved_to_device_and_inode", "paths-bound", 1);
}

#[test]
fn the_32_bit_entry_is_told_with_what_the_kernel_resolved() {
    told("the_32_bit_entry_is_told_with_what_the_kernel_resolved", "paths-compat", 1);
}

#[test]
fn what_a_ring_does_is_told_with_what_the_kernel_resolved() {
    told("what_a_ring_does_is_told_with_what_the_kernel_resolved", "paths-ring", 3);
}

#[test]
fn a_request_to_a_ring_that_is_resolved_apart_says_so() {
    let test = "a_request_to_a_ring_that_is_resolved_apart_says_so";
    let Some(mut watch) = hooked(test) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&["paths-ring", dir.path().to_str().expect("a path in UTF-8")]);
    if run.of("skip").next().is_some() {
        return skip(test, "io_uring is disabled on this host");
    }
    let requests: Vec<&Event> = watch.events().iter().filter(|event| matches!(event.detail, Detail::Uring(_))).collect();
    assert_eq!(requests.len(), run.truths.len() + 1, "one more than was done: of a file that is not there");
    assert!(requests.iter().all(|event| event.has(flags::APART)));
    watch.sensor.drop_path_hook("security_path_rmdir", "the test");
    let run = watch.run(&["paths-ring", tempfile::tempdir().expect("a directory").path().to_str().expect("a path in UTF-8")]);
    let later = watch.events().iter().filter(|event| event.process.tgid == run.pid && matches!(event.detail, Detail::Uring(_)));
    let apart = later.filter(|event| event.has(flags::APART)).map(|event| event.operation);
    assert!(apart.clone().all(|operation| operation == "io_uring_renameat"), "a kind with a hook that is gone");
    assert_eq!(apart.count(), 1);
    watch.check_clean();
}

/// Removals whose path, or whose directory, another thread changes once: every one is told right.
fn raced(test: &str, mode: &str) {
    const ROUNDS: usize = 2000;
    let Some(mut watch) = hooked(test) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8"), &ROUNDS.to_string()]);
    let events = joined(&watch);
    let (told, others) = removals(&events, &run);
    assert_eq!(run.truths.len(), ROUNDS);
    let mut left = watch.missing(ROUNDS, told.len());
    let mut truths = run.truths.iter();
    for path in &told {
        while truths.next().expect("a removal for each event")["_meant"].as_str().expect("a path").as_bytes() != path.as_slice() {
            assert!(left > 0, "told wrong: {}", path.escape_ascii());
            left -= 1;
        }
    }
    println!("{others} of {ROUNDS} were asked for by another name at the end of the call");
    assert!(others > 0, "no change fell into a call");
    watch.check_clean();
}

/// What the kernel removed, in order; and how often the call's own name said something else.
fn removals(events: &[Event], run: &Run) -> (Vec<Vec<u8>>, usize) {
    let mut told = Vec::new();
    let mut others = 0;
    for event in events.iter().filter(|event| event.process.tgid == run.pid && event.operation == "unlink") {
        let Detail::Unlink(unlink) = &event.detail else { panic!("{event:?}") };
        // Without what the kernel resolved (it skipped a run of a probe) nothing is claimed.
        if unlink.path.trust != PathTrust::Resolved {
            continue;
        }
        others += usize::from(event.has(flags::MISMATCH));
        told.push(unlink.path.bytes.to_vec());
    }
    (told, others)
}

#[test]
fn a_removal_whose_path_changes_during_its_call_is_resolved() {
    raced("a_removal_whose_path_changes_during_its_call_is_resolved", "paths-flip");
}

#[test]
fn a_removal_whose_directory_changes_during_its_call_is_resolved() {
    raced("a_removal_whose_directory_changes_during_its_call_is_resolved", "paths-flip-directory");
}

/// What fails only after the kernel has resolved it is counted as any other failure, and what was resolved of those that are counted is
/// not told alone, as if nobody knew what came of it.
#[test]
fn a_failure_whose_path_was_resolved_is_counted_with_its_like() {
    const TIMES: u64 = 5000;
    let Some(mut watch) = hooked("a_failure_whose_path_was_resolved_is_counted_with_its_like") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&["repeat-refused", dir.path().to_str().expect("a path in UTF-8"), &TIMES.to_string()]);
    let path = run.truths[0]["_path"].as_str().expect("a path").as_bytes();
    let events = joined(&watch);
    let of_run = || events.iter().filter(|event| event.process.tgid == run.pid);
    let removals: Vec<_> = of_run().filter(|event| event.operation == "rmdir").collect();
    let done = removals.iter().map(|event| event.repeated).sum::<u64>();
    assert!(watch.missing(TIMES as usize, done as usize) == 0, "{done} were told");
    assert!(removals.len() < 500, "{} records", removals.len());
    for event in &removals {
        let Detail::Unlink(unlink) = &event.detail else { panic!("{event:?}") };
        assert_eq!((&unlink.path.bytes[..], event.outcome.error_name()), (path, Some("ENOTEMPTY")));
    }
    assert!(removals[0].has(flags::RESOLVED));
    let alone: Vec<_> = of_run().filter(|event| matches!(event.detail, Detail::Resolved(_))).collect();
    assert!(alone.is_empty(), "{} told alone: {:?}", alone.len(), alone.first());
    println!("{done} failures in {} records", removals.len());
    watch.check_clean();
}

/// Opens of which another thread takes the descriptor before the call has ended: the file that was opened is told.
#[test]
fn an_open_whose_descriptor_is_taken_is_told_with_the_file_that_was_opened() {
    const ROUNDS: usize = 5000;
    let Some(mut watch) = hooked("an_open_whose_descriptor_is_taken_is_told_with_the_file_that_was_opened") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&["flip-opens", dir.path().to_str().expect("a path in UTF-8"), &ROUNDS.to_string()]);
    let path = run.truths[0]["_path"].as_str().expect("a path").as_bytes();
    let of_path = |event: &Event, asked: &[u8]| asked == path && event.process.tgid == run.pid;
    let opens = watch.events().iter().filter_map(|event| match &event.detail {
        Detail::Open(open) if of_path(event, &open.asked.bytes) => Some((event, open)),
        _ => None,
    });
    let opens: Vec<_> = opens.collect();
    let taken = opens.iter().filter(|(event, _)| event.has(flags::CHANGED)).count();
    // And the one that makes the file.
    assert_eq!(watch.missing(ROUNDS + 1, opens.len()), 0);
    for (event, open) in &opens {
        assert_eq!((&open.path.bytes[..], open.path.trust), (path, PathTrust::Resolved), "{event:?}");
    }
    println!("of {ROUNDS} opens, {} of which could lose theirs, {taken} had lost their descriptor", run.truths[0]["_first"]);
    assert!(taken > 0, "the race was never lost");
    watch.check_clean();
}

#[test]
fn a_kernel_where_no_path_is_resolved_loses_nothing_else() {
    let load = |path_hooks| {
        let start = Instant::now();
        let loaded = Sensor::load(SensorConfig { ring_bytes: 256 * 1024, messages: false, path_hooks });
        drop(loaded.unwrap_or_else(|error| panic!("{error}")));
        start.elapsed().as_millis()
    };
    println!("measured: loading and letting go take {} ms without the hooks, {} ms with", load(false), load(true));
    let watch = Watch::start_with_path_hooks(STIMULUS);
    assert_eq!(watch.sensor.path_hooks().len(), agentmon_common::hooks::hook::COUNT, "each is named");
    assert!(watch.sensor.missing().is_empty());
    let (attached, expected) = watch.sensor.attached();
    assert_eq!(attached, expected);
}

#[test]
fn the_log_has_what_the_kernel_resolved_and_what_was_asked_for() {
    if hooked("the_log_has_what_the_kernel_resolved_and_what_was_asked_for").is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let place = |name: &str| format!("{}/{name}", dir.path().display());
    let ended = Session::start(&["--name", "paths"], &[STIMULUS, "paths-links", &place("")]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let events = ended.events();
    let through = events.one(&[("/type_uid", json!(100_104)), ("/unmapped/asked", json!("soft/a"))]);
    assert_eq!(through["file"]["path"], place("real/a"), "{through}");
    assert_eq!(through["unmapped"]["flags"], json!(["resolved", "path_mismatch"]), "{through}");
    assert!(through["unmapped"].get("path_trust").is_none() && through["file"].get("uid").is_some(), "{through}");
    let plain = events.one(&[("/type_uid", json!(100_104)), ("/unmapped/asked", json!("real/b"))]);
    assert_eq!(plain["unmapped"]["flags"], json!(["resolved"]), "{plain}");
    assert!(events.all(&[("/metadata/event_code", json!("security_path_unlink"))]).is_empty(), "told once");

    let dir = tempfile::tempdir().expect("a directory");
    let ring = dir.path().display().to_string();
    let ended = Session::start(&["--name", "paths"], &[STIMULUS, "paths-ring", &ring]).end();
    let events = ended.events();
    let alone = events.one(&[("/metadata/event_code", json!("security_path_unlink"))]);
    assert_eq!((&alone["file"]["path"], &alone["status_id"]), (&json!(format!("{ring}/real/a")), &json!(0)), "{alone}");
    assert_eq!(alone["unmapped"]["by_worker"], json!(true));
    assert!(ended.stderr.contains("deleted  2"), "once each: {}", ended.stderr);
}

#[test]
fn the_doctor_says_of_each_hook_whether_what_it_resolved_was_reported() {
    let said = order(&["doctor"]);
    println!("{}", said.stdout);
    if kernel_has::cap_capable() {
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{}", said.stdout);
    }
    let state = said.stdout.lines().find_map(|line| line.strip_prefix("resolved ")).expect("the kind").trim_start().to_owned();
    let in_use = said.stdout.lines().filter(|line| line.starts_with("security_path_") && line.ends_with(" in use")).count();
    let refused = said.stdout.contains("path hooks (fentry security_path_*): not available: ");
    assert_eq!(refused, in_use == 0, "{}", said.stdout);
    assert!(state.starts_with(if in_use > 0 { "ok" } else { "off" }), "{}", said.stdout);
    let unlink = said.stdout.lines().find(|line| line.starts_with("unlink ")).expect("the kind");
    assert_eq!(unlink.contains("fentry security_path_*"), in_use > 0, "{unlink}");
}
