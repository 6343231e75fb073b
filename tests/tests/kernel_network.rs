//! Sockets against the real kernel: connect, bind, listen, accept, sends, netlink.

use agentmon::event::Kind;
use agentmon_tests::run::{Run, Running};
use agentmon_tests::skip::skip;
use agentmon_tests::watch::{AGENT, Watch};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Runs a stimulus with a directory of its own; what it could not do is skipped by name.
fn run(watch: &mut Watch, test: &str, mode: &str) -> Run {
    let dir = tempfile::tempdir().expect("a directory");
    let mut run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8")]);
    for truth in run.of("skip") {
        skip(test, truth["_reason"].as_str().unwrap_or_default());
    }
    run.truths.retain(|truth| truth["op"] != "skip");
    run
}

#[test]
fn closed_connections_are_reported_with_what_went_through() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["flows"]);
    watch.check(&run, 16);
    let told = watch.events().iter().filter(|event| event.kind() == Kind::Flow).count();
    assert_eq!(told, run.truths.len(), "each once, and nothing of what was refused");
    // Of others nothing is told.
    let outside = Running::start(STIMULUS, None, &["flows"]).finish();
    watch.sync();
    assert_eq!(watch.events().iter().filter(|event| event.kind() == Kind::Flow).count(), told, "{} outside", outside.truths.len());
}

/// Connections of one agent that the probes remember (`FLOWS_OF_AGENT`).
const FLOWS_OF_AGENT: usize = 4096;

#[test]
fn connections_that_no_room_is_left_for_are_counted_and_make_room_when_they_are_closed() {
    const PAIRS: usize = 2100;
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["flows-many", &PAIRS.to_string()]);
    let told = watch.events().iter().filter(|event| event.kind() == Kind::Flow).count();
    let errors: Vec<_> = watch.sensor.stats().expect("the counters").errors().collect();
    let refused = 2 * PAIRS - FLOWS_OF_AGENT;
    assert_eq!(errors, [("inet_sock_set_state", "map_full", refused as u64)]);
    assert_eq!(told, FLOWS_OF_AGENT + run.truths.len(), "all but these, and both ends of the one after them");
    assert_eq!(run.truths.len(), 2);

    // What is open when an agent is no longer watched leaves no trace.
    let mut holder = watch.begin(&["flows-hold"]);
    holder.until("open");
    watch.sync();
    watch.sensor.unwatch(AGENT).expect("the end of watching");
    watch.watch(AGENT);
    let _ = holder.finish();
    let again = watch.run(&["flows-many", &(FLOWS_OF_AGENT / 2).to_string()]);
    assert_eq!(watch.sensor.stats().expect("the counters").errors().map(|(_, _, count)| count).sum::<u64>(), refused as u64);
    assert_eq!(again.truths.len(), 2);
}

#[test]
fn dns_messages_are_reported_as_they_leave_and_as_they_come() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["dns"]);
    watch.check(&run, 20);
    let told = watch.events().iter().filter(|event| event.kind() == Kind::Dns).count();
    assert!(told >= run.truths.len(), "each of its own");
    assert!(!watch.flat().iter().any(|event| event.get("name").is_some_and(|name| name == "never.told")), "another port is told");
    // Of others nothing is told.
    let outside = Running::start(STIMULUS, None, &["dns"]).finish();
    watch.sync();
    assert_eq!(watch.events().iter().filter(|event| event.kind() == Kind::Dns).count(), told, "{} outside", outside.truths.len());
    // Nor of the agent once it is not watched.
    watch.sensor.unwatch(AGENT).expect("no more of it");
    let _ = watch.begin(&["dns"]).finish();
    watch.watch(AGENT);
    watch.sync();
    assert_eq!(watch.events().iter().filter(|event| event.kind() == Kind::Dns).count(), told);
}

#[test]
fn connections_are_reported_with_peer_and_local_address() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "connections_are_reported_with_peer_and_local_address", "connects");
    watch.check(&run, 14);
}

#[test]
fn binds_listens_accepts_and_unusual_sockets_are_reported() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "binds_listens_accepts_and_unusual_sockets_are_reported", "sockets");
    watch.check(&run, 24);
}

#[test]
fn sockets_of_32_bit_calls_and_of_socketcall_are_reported() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "sockets_of_32_bit_calls_and_of_socketcall_are_reported", "sockets-compat");
    watch.check(&run, 10);
}

#[test]
fn sends_are_reported_where_they_name_a_destination() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "sends_are_reported_where_they_name_a_destination", "sends");
    watch.check(&run, 9);
}

#[test]
fn sends_of_32_bit_calls_and_of_socketcall_are_reported() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "sends_of_32_bit_calls_and_of_socketcall_are_reported", "sends-compat");
    watch.check(&run, 6);
}

#[test]
fn a_destination_that_changes_during_the_send_is_told() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "a_destination_that_changes_during_the_send_is_told", "sends-changed");
    watch.check(&run, 1);
}

#[test]
fn changes_by_netlink_and_firewall_options_are_reported_and_questions_are_not() {
    let mut watch = Watch::start(STIMULUS);
    let run = run(&mut watch, "changes_by_netlink_and_firewall_options_are_reported_and_questions_are_not", "netlink");
    watch.check(&run, 12);
}
