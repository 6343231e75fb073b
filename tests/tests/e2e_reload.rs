//! SIGHUP: new rules and agents take effect, and a mistake changes nothing but is told.

use agentmon_tests::e2e::group::Group;
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::rule::{CANARY, broken, on_open};
use rustix::process::Signal;
use serde_json::json;

const RELOADED: &str = "agentmon_config_last_reload_successful";

fn setup(group: &Group, rules: &tempfile::TempDir) -> Setup {
    Setup { rules: format!("built_in = false\ndirs = [\"{}\"]", rules.path().display()), ..Setup::of("e2e-reload", group) }
}

/// Opens a file of this name, which no rule or some rule wants to know of.
fn open(group: &Group, place: &tempfile::TempDir, name: &str) {
    std::fs::write(place.path().join(name), "").expect("a file");
    group.run(": < \"$1\"", &[place.path().join(name).to_str().expect("a name")]);
}

#[test]
fn a_new_rule_takes_effect_and_a_broken_one_keeps_the_old_rules_and_is_told() {
    let (rules, place) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let group = Group::new("reload");
    let node = Node::watching(&setup(&group, &rules), &group);
    let match_of = |name: &str| [("/file/path", json!(place.path().join(name))), ("/policy/uid", json!(CANARY))];
    open(&group, &place, "canary");
    assert!(node.log_until_now(&group).find(&match_of("canary")).is_err(), "there is no rule yet");

    on_open(rules.path(), "canary", "alert");
    node.signal(Signal::HUP);
    let reload = ("/metadata/event_code", json!("monitor.reload"));
    let log = node.log_with(&[reload.clone(), ("/unmapped/rules", json!(1))]);
    assert_eq!(log.one(std::slice::from_ref(&reload))["status_id"], 1);
    open(&group, &place, "canary");
    let _ = node.log_until_now(&group).one(&match_of("canary"));
    assert_eq!(node.metrics_when("one rule is in force", |samples| samples.whole("agentmon_rules_loaded") == 1).whole(RELOADED), 1);

    broken(rules.path());
    on_open(rules.path(), "second", "alert");
    node.signal(Signal::HUP);
    let log = node.log_with(&[reload.clone(), ("/status_id", json!(2))]);
    let refused = log.one(&[reload.clone(), ("/status_id", json!(2))]);
    assert_eq!(refused["unmapped"]["rules"], 1, "the old one: {refused}");
    assert!(refused["message"].as_str().is_some_and(|message| message.contains("mistake")), "{refused}");
    assert!(node.stderr().contains("broken.yml:8:24: error: unknown modifier `endwith`"), "{}", node.stderr());
    let _ = node.metrics_when("the metric says that it failed", |samples| samples.whole(RELOADED) == 0);
    open(&group, &place, "second");
    open(&group, &place, "canary");
    let log = node.log_until_now(&group);
    assert_eq!(log.all(&match_of("canary")).len(), 2, "the old rule is in force");
    assert!(log.find(&match_of("second")).is_err(), "none of the new ones is");

    std::fs::remove_file(rules.path().join("broken.yml")).expect("a file");
    std::fs::remove_file(rules.path().join("alert-canary.yml")).expect("a file");
    node.signal(Signal::HUP);
    let _ = node.metrics_when("the metric says that it worked", |samples| samples.whole(RELOADED) == 1);
    open(&group, &place, "second");
    let _ = node.log_until_now(&group).one(&match_of("second"));
    assert_eq!(node.stop().code, 0);
}

#[test]
fn other_agents_are_watched_after_a_reload_and_a_broken_configuration_changes_nothing() {
    let rules = tempfile::tempdir().expect("a directory");
    let (first, second) = (Group::new("first"), Group::new("second"));
    let node = Node::watching(&setup(&first, &rules), &first);
    let mut other = setup(&first, &rules);
    other.agents.push(("e2e-second".into(), second.name()));
    node.reconfigure(&other);
    node.signal(Signal::HUP);
    node.watches(&second);
    let _ = node.log_until_now(&second);

    other.kernel = Some("[respose]".to_owned());
    node.reconfigure(&other);
    node.signal(Signal::HUP);
    let refused = [("/metadata/event_code", json!("monitor.reload")), ("/status_id", json!(2))];
    let log = node.log_with(&refused);
    assert!(log.one(&refused)["message"].as_str().is_some_and(|message| message.contains("unknown section `respose`")));
    for group in [&first, &second] {
        let _ = node.log_until_now(group);
    }
    assert_eq!(node.stop().code, 0);
}

#[test]
fn kinds_are_switched_off_by_the_configuration_and_other_ones_by_a_reload() {
    let place = tempfile::tempdir().expect("a directory");
    let group = Group::new("without");
    // With the built-in rules.
    let setup = |kinds: &str| Setup { rules: String::new(), agent: format!("without = [{kinds}]"), ..Setup::of("e2e-without", &group) };
    let node = Node::watching(&setup("\"unlink\", \"io_uring\""), &group);
    let line = "agent e2e-without is watched without unlink, io_uring: ";
    assert!(node.stderr().contains(line) && node.stderr().contains(" bulk-delete, "), "{}", node.stderr());
    let remove_and_rename = |name: &str| {
        let [first, second] = ["", "-renamed"].map(|end| place.path().join(format!("{name}{end}")));
        std::fs::write(&first, "").expect("a file");
        group.run("mv \"$1\" \"$2\" && rm \"$2\"", &[first.to_str().expect("a name"), second.to_str().expect("a name")]);
        let wanted = |activity: u32, path: &std::path::Path| [("/activity_id", json!(activity)), ("/file/path", json!(path))];
        [wanted(5, &first), wanted(4, &second)]
    };
    let [rename, unlink] = remove_and_rename("first");
    let log = node.log_until_now(&group);
    let _ = log.one(&rename);
    assert!(log.find(&unlink).is_err(), "unlink is switched off");

    node.reconfigure(&setup("\"rename\""));
    node.signal(Signal::HUP);
    node.says("agent e2e-without: everything but rename is watched now");
    let [rename, unlink] = remove_and_rename("second");
    let log = node.log_until_now(&group);
    let _ = log.one(&unlink);
    assert!(log.find(&rename).is_err(), "rename is switched off");
    assert_eq!(log.all(&[("/metadata/event_code", json!("agent.state"))]).len(), 0, "the agent went on");

    node.reconfigure(&setup("\"fork\""));
    node.signal(Signal::HUP);
    node.says("`fork` cannot be switched off");
    assert_eq!(node.stop().code, 0);
}
