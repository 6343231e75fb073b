//! The canary: by hand (`agentmon doctor`) and in the daemon.

use agentmon::event::Kind;
use agentmon_tests::e2e::binary::order;
use agentmon_tests::e2e::group::Group;
use agentmon_tests::e2e::node::{Node, Setup};

#[test]
fn the_doctor_has_tried_every_family_and_found_no_probe_blind() {
    let said = order(&["doctor", "--verbose"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{}", said.stdout);
    let state = |name: &str| {
        let line =
            said.stdout.lines().find(|line| line.split("  ").next() == Some(name)).unwrap_or_else(|| panic!("no {name}: {}", said.stdout));
        line[name.len()..].to_owned()
    };
    // These need a move out of the cgroup and a process from before the watching.
    let untried = [Kind::CgroupLeave, Kind::ProcessSeen];
    for kind in Kind::ALL {
        let wanted = match kind {
            // Where the kernel refuses its path hooks nothing can tell of that kind.
            Kind::Resolved if said.stdout.contains("path hooks (fentry security_path_*): not available: ") => "off",
            kind if untried.contains(&kind) => "untried",
            _ => "ok",
        };
        assert!(state(kind.name()).trim_start().starts_with(wanted), "{}: {}", kind.name(), said.stdout);
    }
    let compat = state("unlink (32-bit)");
    assert!(compat.ends_with(" ok") || compat.ends_with(" off"), "{compat}");
    println!("measured: 32-bit entry:{compat}");
}

#[test]
fn the_daemons_canary_is_counted_and_in_no_log() {
    let group = Group::new("canary");
    let node = Node::watching(&Setup { kernel: Some("canary_seconds = 60".to_owned()), ..Setup::of("e2e-canary", &group) }, &group);
    let samples = node.metrics_when("the canary has flown", |samples| samples.whole("agentmon_canary_last_flight_timestamp_seconds") > 0);
    let kinds = samples.labels().into_iter().filter(|(name, _)| *name == "kind").count();
    assert!(kinds > 20, "{kinds}");
    for kind in ["open", "exec", "unlink", "rename", "chmod", "mount", "bpf", "identity"] {
        assert_eq!(samples.whole(&format!("agentmon_hook_ok{{kind=\"{kind}\"}}")), 1, "{kind}");
    }
    let counted = node.metrics_when("its events are counted", |samples| samples.whole("agentmon_canary_events_total") > 40);
    assert_eq!(counted.sum("agentmon_events_total"), 0.0, "the agent did nothing");
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    assert!(stopped.log.kinds().is_empty(), "{:?}", stopped.log.kinds());
}

#[test]
fn the_canarys_own_verb_says_what_it_is() {
    let said = order(&["canary"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("see `agentmon doctor`"), "{}", said.stderr);
}
