//! connect against the real kernel.

use agentmon_tests::{skip::skip, watch::Watch};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

#[test]
fn connections_are_reported_with_peer_and_local_address() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watch = Watch::start(STIMULUS);
    let mut run = watch.run(&["connects", dir.path().to_str().expect("a path in UTF-8")]);
    for truth in run.of("skip") {
        skip("connections_are_reported_with_peer_and_local_address", truth["_reason"].as_str().unwrap_or_default());
    }
    run.truths.retain(|truth| truth["op"] != "skip");
    watch.check(&run, 14);
}
