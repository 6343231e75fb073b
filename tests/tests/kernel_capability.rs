//! Uses of capabilities against the real kernel.

use agentmon::event::{Detail, Kind};
use agentmon_tests::kernel_has;
use agentmon_tests::skip::skip;
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
/// `CAP_SYS_ADMIN`.
const SYS_ADMIN: u32 = 21;

#[test]
fn uses_of_capabilities_are_reported_once_for_each_program() {
    const TEST: &str = "uses_of_capabilities_are_reported_once_for_each_program";
    if !kernel_has::cap_capable() {
        return skip(TEST, "no tracepoint cap_capable");
    }
    let mut watch = Watch::start(STIMULUS);
    let mut run = watch.run(&["capabilities"]);
    for truth in run.of("skip") {
        skip(TEST, truth["_reason"].as_str().unwrap_or_default());
    }
    run.truths.retain(|truth| truth["op"] != "skip");
    watch.check(&run, 5);
    let asked = |watch: &Watch| {
        let is_admin = |event: &&agentmon::event::Event| matches!(event.detail, Detail::Capability(asked) if asked.number == SYS_ADMIN);
        watch.events().iter().filter(is_admin).count()
    };
    // Memory is no use of it, and what was told is not told again.
    let admin = run.truths.iter().filter(|truth| truth["capability"] == "CAP_SYS_ADMIN").count();
    assert_eq!(asked(&watch), admin, "{:#?}", watch.flat().iter().filter(|event| event["kind"] == "capability").collect::<Vec<_>>());
    // A program that needs none of it.
    let dir = tempfile::tempdir().expect("a directory");
    watch.run(&["changes", dir.path().to_str().expect("a path in UTF-8")]);
    watch.run(&["forks"]);
    assert_eq!(asked(&watch), admin);
    assert!(watch.events().iter().filter(|event| event.kind() == Kind::Capability).count() < 60, "once for each program");
}
