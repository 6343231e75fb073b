//! Kinds that are switched off for an agent: the probes make no record of them, and all others as before.

use agentmon::event::{AgentId, Kind, Kinds, flags};
use agentmon::sensor::PathHook;
use agentmon::sensor::stats::KernelStats;
use agentmon_tests::kernel_has;
use agentmon_tests::run::Running;
use agentmon_tests::skip::skip;
use agentmon_tests::watch::{AGENT, Watch};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
/// Modes that between them do something of every kind that can be switched off, through both entries and an io_uring.
const MODES: [&str; 23] = [
    "changes",
    "attributes",
    "mounts",
    "reach",
    "system",
    "sockets",
    "sockets-compat",
    "sends",
    "sends-compat",
    "netlink",
    "identities",
    "identities-compat",
    "uring",
    "thread-names",
    "arguments",
    "unknown-calls",
    "flows",
    "dns",
    "capabilities",
    "cgroups",
    "settings",
    "times",
    "requests",
];

/// Does all of that, and waits for nothing: the marker that tests wait for is an open.
fn act(watch: &mut Watch) -> KernelStats {
    let (group, name) = (watch.group.path().display().to_string(), watch.group.name());
    for mode in MODES {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        let place = if mode == "cgroups" { &group } else { dir.path().to_str().expect("a path in UTF-8") };
        let running = watch.begin(&[mode, place, &name]);
        std::thread::scope(|scope| {
            let run = scope.spawn(|| running.finish());
            while !run.is_finished() {
                watch.collect();
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
            run.join().expect("the stimulus works");
        });
    }
    let mut target = Running::start(STIMULUS, None, &["ignore"]);
    target.until("ready");
    assert_eq!(watch.begin(&["criticals", &target.pid().to_string(), "3"]).finish().of("done").count(), 1);
    let _ = target.finish();
    watch.sensor.stats().expect("the counters")
}

fn all() -> Kinds {
    let mut kinds = Kinds::default();
    Kinds::switchable().for_each(|kind| kinds.insert(kind.name()).expect("it can be switched off"));
    kinds
}

#[test]
fn a_kind_that_is_switched_off_makes_no_record() {
    let mut watch = Watch::start_with_path_hooks(STIMULUS);
    let before = act(&mut watch);
    let hooked = watch.sensor.path_hooks().iter().any(PathHook::is_in_use);
    // Where the kernel refuses its path hooks nothing can tell of that kind.
    for kind in Kinds::switchable().filter(|kind| *kind != Kind::Resolved || hooked) {
        if kind == Kind::Capability && !kernel_has::cap_capable() {
            continue;
        }
        assert!(before.produced[kind as usize] > 0, "{} is never done: this test would show nothing", kind.name());
    }
    watch.sync();

    watch.sensor.switch_off(AGENT, all()).expect("the map");
    let without = watch.sensor.stats().expect("the counters");
    let after = act(&mut watch);
    for kind in Kind::ALL {
        let made = after.produced[kind as usize] - without.produced[kind as usize];
        if Kinds::switchable().any(|switchable| switchable == kind) {
            assert_eq!(made, 0, "records of {}, which is switched off", kind.name());
        } else if matches!(kind, Kind::Exec | Kind::Fork | Kind::Exit) {
            assert!(made > 0, "no record of {}, which cannot be switched off", kind.name());
        }
    }

    watch.sensor.switch_off(AGENT, Kinds::default()).expect("the map");
    let on = watch.run(&["flood", "1", "10"]);
    let unlinks = watch.events().iter().filter(|event| event.kind() == Kind::Unlink && event.ppid == on.pid).count();
    assert_eq!(unlinks, 10, "switched on again");
    watch.check_clean();
}

#[test]
fn each_kind_is_switched_off_by_itself_and_for_one_agent() {
    let mut watch = Watch::start(STIMULUS);
    let mut unlink = Kinds::default();
    unlink.insert("unlink").expect("it can be switched off");
    watch.sensor.switch_off(AGENT, unlink).expect("the map");
    let produced = |watch: &Watch| watch.sensor.stats().expect("the counters").produced[Kind::Unlink as usize];
    let run = watch.run(&["flood", "1", "10"]);
    assert_eq!((run.of("done").count(), produced(&watch)), (1, 0));

    // The mask is the agent's: another number is not concerned, and an agent that is watched anew has none.
    watch.sensor.unwatch(AGENT).expect("the end of watching");
    watch.watch(AgentId(2));
    watch.run(&["flood", "1", "10"]);
    assert_eq!(produced(&watch), 10);
    watch.sensor.unwatch(AgentId(2)).expect("the end of watching");
    watch.watch(AGENT);
    watch.run(&["flood", "1", "10"]);
    assert_eq!(produced(&watch), 20);
}

#[test]
fn what_the_kernel_resolved_of_a_kind_that_is_switched_off_makes_no_record() {
    let mut watch = Watch::start_with_path_hooks(STIMULUS);
    if !watch.sensor.path_hooks().iter().all(PathHook::is_in_use) {
        return skip("what_the_kernel_resolved_of_a_kind_that_is_switched_off_makes_no_record", "path hooks: not all are in use");
    }
    let mut unlink = Kinds::default();
    unlink.insert("unlink").expect("it can be switched off");
    watch.sensor.switch_off(AGENT, unlink).expect("the map");
    let dir = tempfile::tempdir().expect("a directory");
    watch.run(&["paths-ring", dir.path().to_str().expect("a path in UTF-8")]);
    let told: Vec<_> = watch.events().iter().filter(|event| event.kind() == Kind::Resolved).map(|event| event.operation).collect();
    assert!(told.contains(&"security_path_rename"), "{told:?}");
    assert!(!told.iter().any(|hook| ["security_path_unlink", "security_path_rmdir"].contains(hook)), "{told:?}");
    let apart = |name: &str| watch.events().iter().filter(|event| event.operation == name && event.has(flags::APART)).count();
    assert_eq!(apart("io_uring_renameat"), 1);
    assert_eq!(apart("io_uring_unlinkat"), 0, "nothing else tells of these");
}
