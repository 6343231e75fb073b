//! A recording and its replay: the verdicts of the live run, event for event, counting rules included.

use agentmon_tests::e2e::binary::{Said, order};
use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::group::Group;
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::rule::{CANARY, on_open};
use agentmon_tests::e2e::session::Session;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What many rules want to know of, over and over, by several processes at once.
const BUSY: &str = "
    mkdir -p \"$1/.ssh\" \"$1/work\" && cd \"$1/work\" || exit 1
    touch ../.ssh/id_ed25519 ../.ssh/authorized_keys
    for round in 1 2 3; do
        cat ../.ssh/id_ed25519
        echo key >> ../.ssh/authorized_keys
        mkdir d$round
        for i in $(seq 80); do : > d$round/$i; done
        rm -rf d$round &
        (for i in $(seq 30); do chmod 777 .; chmod 755 .; done) &
        cp /bin/true copy && chmod u+s copy && ./copy
        mv copy moved; ln -f moved link; ln -sf moved symlink
        wait
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/9' 2>/dev/null
        sleep 0.1
    done
    exit 0";

/// Rules of a site: counts, sums, and a sequence, by what the process table and the history know.
const COUNTING: &str = "\
title: A program of the agent's own is executed
id: 5c0e0000-0000-4000-8000-00000000000a
name: own_program
logsource: { product: linux, category: process_creation }
detection: { own: { Image|endswith: [/copy] }, condition: own }
level: low
---
title: A file is opened by a child of the shell
id: 5c0e0000-0000-4000-8000-00000000000b
name: child_opens
logsource: { product: linux, category: file_access }
detection: { child: { Image|endswith: [/cat], TargetFilename|endswith: id_ed25519 }, condition: child }
level: low
---
title: Made, executed, read
id: 5c0e0000-0000-4000-8000-00000000000c
correlation: { type: temporal_ordered, rules: [child_opens, own_program], group-by: [AgentName], timespan: 20s }
level: medium
---
title: Ten files are opened for writing within 200 ms
id: 5c0e0000-0000-4000-8000-00000000000d
name: writes
logsource: { product: linux, category: file_event }
detection: { below: { TargetFilename|contains: /work/d }, condition: below }
level: informational
---
title: Ten writes
id: 5c0e0000-0000-4000-8000-00000000000e
correlation: { type: value_count, rules: [writes], group-by: [SessionId, ProcessId], timespan: 1s, condition: { gte: 10, field: TargetFilename } }
level: high
";

/// When, and by which rule; of a counting one with its count.
type Verdict = (u64, String, Option<u64>);

/// What the live run said, by event.
fn live(events: &Events) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for line in events.lines() {
        // A finding repeats what the line of its event says.
        let (Some(ns), Some(first)) = (line["unmapped"]["ns"].as_u64(), line["policy"]["uid"].as_str()) else { continue };
        if line["class_uid"] == 2004 {
            continue;
        }
        let mut of_event = vec![(ns, first.to_owned(), line["unmapped"]["count"].as_u64())];
        let others = line["unmapped"]["other_matches"].as_array().into_iter().flatten();
        of_event.extend(others.filter_map(|other| Some((ns, other["uid"].as_str()?.to_owned(), None))));
        of_event.sort();
        verdicts.extend(of_event);
    }
    verdicts
}

/// What a replay says, by event. The count of any but the strongest match stands in no line of the log.
fn replayed(said: &Said, recording: &Path) -> Vec<Verdict> {
    let header: Value =
        serde_json::from_str(std::fs::read_to_string(recording).expect("a file").lines().next().expect("a line")).expect("JSON");
    let boot_ns = header["recording"]["boot_ns"].as_u64().expect("a number");
    let mut verdicts: Vec<(Verdict, (u64, u64))> = Vec::new();
    for line in said.stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let ns = line["timestamp_ns"].as_u64().expect("a number") + boot_ns;
        let id = line["rule"]["id"].as_str().expect("a text").to_owned();
        let place = (line["line"].as_u64().expect("a number"), ns);
        verdicts.push(((ns, id, line["count"].as_u64()), place));
    }
    verdicts.chunk_by_mut(|a, b| a.1 == b.1).for_each(|event| event.sort());
    verdicts.into_iter().map(|(verdict, _)| verdict).collect()
}

/// Holds one against the other: the same rules at the same events in the same order, and counts where both say one.
#[track_caller]
fn assert_equal(live: &[Verdict], replayed: &[Verdict]) {
    let what = |all: &[Verdict]| all.iter().map(|(ns, id, _)| (*ns, id.clone())).collect::<Vec<_>>();
    for (at, (a, b)) in live.iter().zip(replayed).enumerate() {
        assert_eq!((a.0, &a.1), (b.0, &b.1), "verdict {at} of {} and {}", live.len(), replayed.len());
        assert!(a.2.is_none() || a.2 == b.2, "verdict {at}: {a:?}, {b:?}");
    }
    assert_eq!(what(live), what(replayed));
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a name")
}

#[test]
fn a_replay_says_what_the_live_run_said_event_for_event() {
    let place = tempfile::tempdir().expect("a directory");
    let (recording, rules) = (place.path().join("recording.jsonl"), place.path().join("counting.yml"));
    std::fs::write(&rules, COUNTING).expect("a file");
    let options = ["-o", "json", "--observe", "--record", path(&recording), "--rules", path(&rules)];
    let ended = Session::script(&options, BUSY, &[path(place.path())]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let live = live(&ended.events());
    let counted = live.iter().filter(|verdict| verdict.2.is_some()).count();
    assert!(live.len() >= 100 && counted >= 2, "{} verdicts, {counted} of rules that count", live.len());

    let mode = std::fs::metadata(&recording).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has what programs were told");
    let said = order(&["replay", path(&recording), "-o", "json", "--rules", path(&rules)]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_equal(&live, &replayed(&said, &recording));
    assert!(!said.stderr.contains("not the rules"), "{}", said.stderr);

    // Other rules: what is missing is said, and that they are others.
    let said = order(&["replay", path(&recording), "--rules", path(&rules), "--against", path(&rules)]);
    assert_eq!(said.code, 6, "{}", said.stderr);
    assert!(said.stdout.lines().all(|line| line.starts_with("- ")) && said.stdout.contains("A store of credentials is opened"));
    let said = order(&["replay", path(&recording), "--no-builtin-rules", "--rules", path(&rules), "--against", path(&rules)]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{}", said.stderr);
    assert!(said.stderr.contains("not the rules that the live run began with"), "{}", said.stderr);
}

#[test]
fn a_recording_is_never_written_over_another_file() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("kept");
    std::fs::write(&file, "kept").expect("a file");
    let ended = Session::script(&["--record", path(&file)], "true", &[]).end();
    assert_eq!(ended.code(), 125);
    assert!(ended.stderr.contains("it exists already") && ended.stderr.contains("hint: name a new file"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "kept");
}

#[test]
fn reloads_and_agents_that_come_and_go_are_replayed_as_they_were() {
    let place = tempfile::tempdir().expect("a directory");
    let rules = tempfile::tempdir().expect("a directory");
    std::fs::write(rules.path().join("counting.yml"), COUNTING).expect("a file");
    let recording = place.path().join("recording.jsonl");
    let (first, second) = (Group::new("record-first"), Group::new("record-second"));
    let mut setup = Setup {
        rules: format!("built_in = true\ndirs = [\"{}\"]", rules.path().display()),
        record: Some(recording.clone()),
        // Nothing is to stop it.
        kernel: Some("canary_seconds = 0\n[response]\nmode = \"observe\"".to_owned()),
        ..Setup::of("e2e-record", &first)
    };
    setup.agents.push(("e2e-other".into(), second.name()));
    let node = Node::watching(&setup, &first);
    node.watches(&second);
    first.run(BUSY, &[path(place.path())]);
    second.run(": < /etc/shadow", &[]);
    setup.agents.pop();
    node.reconfigure(&setup);
    node.signal(Signal::HUP);
    let _ = node.log_with(&[("/metadata/event_code", json!("monitor.reload"))]);
    first.run(BUSY, &[path(place.path())]);
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    let live = live(&stopped.log);
    assert!(live.len() >= 100, "{} verdicts", live.len());

    let said = order(&["replay", path(&recording), "-o", "json", "--rules", path(rules.path())]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("the live run loaded its rules anew, 1 time"), "{}", said.stderr);
    assert_equal(&live, &replayed(&said, &recording));
}

#[test]
fn of_a_damaged_recording_the_verdicts_up_to_there_are_given_and_the_line_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let rule = on_open(place.path(), "canary", "alert");
    let recording = place.path().join("recording.jsonl");
    let opens = ": > \"$1/canary\"; : < \"$1/canary\"; : < \"$1/canary\"";
    let options = ["-o", "none", "--no-builtin-rules", "--rules", path(&rule), "--record", path(&recording)];
    assert_eq!(Session::script(&options, opens, &[path(place.path())]).end().code(), 0);
    let replay =
        |file: &Path, more: &[&str]| order(&[&["replay", path(file), "--no-builtin-rules", "--rules", path(&rule)], more].concat());
    let whole = replay(&recording, &[]);
    assert_eq!((whole.code, whole.stdout.lines().count()), (0, 3), "{}{}", whole.stdout, whole.stderr);

    let text = std::fs::read_to_string(&recording).expect("a file");
    let last: usize = whole.stdout.lines().next_back().and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a line's number");
    let damaged = place.path().join("damaged.jsonl");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[last - 1] = "{\"event\":{\"timestamp_ns\":";
    std::fs::write(&damaged, lines.join("\n") + "\n").expect("a file");
    let said = replay(&damaged, &[]);
    assert_eq!((said.code, said.stdout.lines().count()), (5, 2), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("damaged.jsonl: line {last}: EOF while parsing")), "{}", said.stderr);
    std::fs::write(&damaged, &text[..text.len() / 2]).expect("a file");
    assert_eq!(replay(&damaged, &[]).code, 5);

    let cut = replay(&recording, &["--cut", CANARY]);
    assert_eq!(cut.code, 0, "{}", cut.stderr);
    assert!(cut.stdout.lines().count() <= 8, "{}", cut.stdout);
    std::fs::write(&damaged, &cut.stdout).expect("a file");
    let said = replay(&damaged, &[]);
    assert_eq!((said.code, said.stdout.lines().count()), (0, 1), "{}", said.stderr);
    assert_eq!(replay(&recording, &["--cut", "none"]).code, 2);
}
