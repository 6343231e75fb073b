//! `agentmon run` from its start to an ordinary end: exit status, output, what is inherited and what is left.

use agentmon_tests::cgroup::v2_mount;
use agentmon_tests::e2e::binary::{agentmon, order};
use agentmon_tests::e2e::group::{Group, runs};
use agentmon_tests::e2e::poll::eventually;
use agentmon_tests::e2e::session::Session;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_exit_status_is_that_of_command() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
        let ended = Session::script(&[], script, &[]).end();
        assert_eq!(ended.code(), code, "{script}: {}", ended.stderr);
        let events = ended.events();
        let exec = events.one(&[("/metadata/event_code", json!("exec"))]);
        assert!(exec["process"]["cmd_line"].as_str().is_some_and(|line| line.contains(script)), "{exec}");
        let exit = events.one(&[("/metadata/event_code", json!("exit"))]);
        assert_eq!(exit["process"]["pid"], exec["process"]["pid"]);
        assert_eq!(events.stop_reason(), "COMMAND ended");
    }
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_run_is_126() {
    for (command, code, said) in [
        ("/no/such/command", 127, "error: /no/such/command: no such file"),
        ("no-such-command", 127, "error: no-such-command: not found in PATH"),
        ("/etc/passwd", 126, "error: /etc/passwd: not executable"),
        ("/etc", 126, "error: /etc: is a directory"),
    ] {
        let ended = Session::start(&["--name", "e2e-nothing"], &[command]).end();
        assert_eq!(ended.code(), code, "{}", ended.stderr);
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    }
    let slice = std::fs::read_dir(v2_mount().join("agentmon.slice")).expect("the slice");
    let left: Vec<_> =
        slice.filter_map(|entry| Some(entry.ok()?.file_name())).filter(|name| name.to_string_lossy().starts_with("e2e-nothing")).collect();
    assert!(left.is_empty(), "cgroups were left: {left:?}");
}

#[test]
fn piped_standard_output_is_ndjson_alone_and_the_summary_stands_on_standard_error() {
    let script = "echo to-stdout; echo to-stderr >&2; mkdir \"$1/made\"; echo x > \"$1/made/file\"; rm \"$1/made/file\"";
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().to_str().expect("a name");
    let ended = Session::script(&["--name", "e2e-json"], script, &[directory]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let events = ended.events();
    let file = json!(format!("{directory}/made/file"));
    let removed = events.one(&[("/type_uid", json!(100_104)), ("/file/path", file.clone())]);
    assert_eq!(removed["ai_agent"]["uid"], "e2e-json");
    assert_eq!(removed["actor"]["process"]["path"], "/usr/bin/rm");
    let _ = events.one(&[("/type_uid", json!(100_101)), ("/file/path", file)]);
    assert_eq!(events.lines()[0]["metadata"]["event_code"], "monitor.start");
    for said in ["to-stdout\n", "to-stderr\n", "summary  ", "ran  3\n", "deleted  1", "lost  0\n"] {
        assert!(ended.stderr.contains(said), "no {said:?} in {}", ended.stderr);
    }
    assert!(ended.stderr.find("to-stdout") < ended.stderr.find("summary"), "the summary comes last: {}", ended.stderr);
}

/// Most are told when the session ends, since what is left of a count waits for the end of its generation.
#[test]
fn failures_that_repeat_are_few_lines_that_say_how_many() {
    let script = "i=0; while [ $i -lt 5000 ]; do true </agentmon-no-such; i=$((i+1)); done 2>/dev/null";
    let ended = Session::script(&["--name", "e2e-repeat"], script, &[]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let events = ended.events();
    let lines = events.all(&[("/metadata/event_code", json!("openat")), ("/file/path", json!("/agentmon-no-such"))]);
    let told: u64 = lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(told, 5000, "in {} lines", lines.len());
    assert!(lines.len() < 500, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line["status_code"] == "ENOENT" && line["process"]["uid"] == lines[0]["process"]["uid"]));
    assert!(lines.iter().any(|line| line["count"].as_u64().is_some_and(|count| count > 100)), "none says how many");
    assert!(ended.stderr.contains("lost  0\n"), "{}", ended.stderr);
}

#[test]
fn the_same_lines_are_in_the_log_directory_when_one_is_given() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().to_str().expect("a name");
    let ended = Session::script(&["--log-dir", directory], "ls / > /dev/null", &[]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let file = std::fs::read(place.path().join("events.jsonl")).expect("the log");
    let (segment, rest) = file.split_at(file.iter().position(|byte| *byte == b'\n').expect("a line") + 1);
    assert!(String::from_utf8_lossy(segment).contains("\"event_code\":\"segment\""));
    assert!(!ended.events().lines().is_empty());
    assert_eq!(String::from_utf8_lossy(rest), String::from_utf8_lossy(&ended.stdout));
}

#[test]
fn command_inherits_the_three_standard_descriptors_and_no_other() {
    let inside = "for f in /proc/$$/fd/*; do if [ -e \"$f\" ]; then echo \"descriptor ${f##*/}.\"; fi; done";
    let outside = "exec 7</etc/passwd 8<>/dev/null; exec \"$0\" run --no-metrics -o none -- /bin/sh -c \"$1\"";
    let shell = Command::new("/bin/sh").args(["-c", outside]).arg(agentmon().get_program()).arg(inside).output().expect("a shell");
    let stdout = String::from_utf8_lossy(&shell.stdout);
    let open: Vec<&str> = stdout.lines().collect();
    assert_eq!(open, ["descriptor 0.", "descriptor 1.", "descriptor 2."], "{}", String::from_utf8_lossy(&shell.stderr));
}

#[test]
fn what_command_leaves_running_is_killed_and_said() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().to_str().expect("a name");
    let script = "setsid sleep 300 & echo $! > \"$1/one\"; nohup sleep 300 & echo $! > \"$1/two\"; exit 7";
    let ended = Session::script(&[], script, &[directory]).end();
    assert_eq!(ended.code(), 7, "{}", ended.stderr);
    assert!(ended.stderr.contains("agentmon: left behind and killed: 2"), "{}", ended.stderr);
    for file in ["one", "two"] {
        let pid = std::fs::read_to_string(place.path().join(file)).expect("a file").trim().parse().expect("a pid");
        assert!(!runs(pid), "process {pid} lives");
    }
}

#[test]
fn a_process_that_left_the_cgroup_does_not_outlive_the_session() {
    let elsewhere = Group::new("elsewhere");
    let path = elsewhere.path().to_str().expect("a name");
    // Without the rules that kill on the move itself.
    let script = "(echo 0 > \"$1/cgroup.procs\"; exec sleep 300) & until grep -q . \"$1/cgroup.procs\"; do :; done; cat \"$1/cgroup.procs\" >&2; exit 7";
    let ended = Session::script(&["--no-builtin-rules"], script, &[path]).end();
    assert_eq!(ended.code(), 7, "{}", ended.stderr);
    assert!(ended.stderr.contains("agentmon: left outside the agent's cgroup and killed: 1"), "{}", ended.stderr);
    let pid: u32 = ended.stderr.lines().next().and_then(|line| line.parse().ok()).expect("a pid");
    eventually("it is dead", || if runs(pid) { Err(format!("{pid} runs in {:?}", elsewhere.pids())) } else { Ok(()) });
    let _ = ended.events().one(&[("/metadata/event_code", json!("cgroup_leave"))]);
}

#[test]
fn a_reader_that_goes_away_neither_kills_nor_hangs_the_agent() {
    let script = "echo $$ > \"$1/started\"; until [ -e \"$1/gone\" ]; do sleep 0.01; done; \
                  i=0; while [ $i -lt 3000 ]; do : < /dev/null; i=$((i+1)); done; echo done > \"$1/done\"; exit 9";
    for both in [false, true] {
        let place = tempfile::tempdir().expect("a directory");
        let mut pipe = agentmon();
        pipe.args(["run", "--no-metrics", "--", "/bin/sh", "-c", script, "script"]).arg(place.path()).stdout(Stdio::piped());
        pipe.stderr(if both { Stdio::piped() } else { Stdio::null() });
        let mut child = pipe.spawn().expect("agentmon starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        drop(child.stderr.take());
        assert!(line.contains("monitor.start"), "{line}");
        std::fs::write(place.path().join("gone"), "").expect("a file");
        let status = eventually("agentmon ends", || child.try_wait().expect("a child").ok_or_else(|| "it runs".to_owned()));
        assert_eq!(status.code(), Some(9), "standard error gone too: {both}");
        assert!(place.path().join("done").exists());
    }
}

#[test]
fn the_demonstration_is_killed_and_most_documents_survive() {
    let ended = Session::start::<&str>(&["--demo"], &[]).end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    let told = ended.stderr.lines().find_map(|line| line.strip_prefix("demo: ")?.split_once(" of ")).expect("what is left");
    let left: usize = told.0.parse().expect("a number");
    assert!((2_500..5_000).contains(&left), "{left} documents are left");
    assert!(!ended.stderr.contains("nothing stopped me"), "{}", ended.stderr);
    let events = ended.events();
    let kill = events.one(&[("/metadata/event_code", json!("breaker.kill"))]);
    assert_eq!((&kill["unmapped"]["verified"], &kill["ai_agent"]["uid"]), (&json!(true), &json!("demo-agent")));
    println!("measured: demonstration: {} documents left, killed {} ms after the operation", left, kill["unmapped"]["latency_ms"]);
    let session = kill["ai_agent"]["instance_uid"].as_str().expect("a session");
    let listed = order(&["agents"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(!listed.stdout.contains(session), "{}", listed.stdout);
    assert!(!v2_mount().join(format!("agentmon.slice/demo-agent-{session}")).exists(), "its cgroup is left");
    let unlinked = events.all(&[("/type_uid", json!(100_104))]);
    let documents = unlinked.iter().filter(|line| line["file"]["path"].as_str().is_some_and(|path| path.contains("/documents/")));
    assert!(documents.count() >= 5_000 - left, "each document that is gone has a record");
}

#[test]
fn what_command_can_nest_in_its_cgroup_is_bounded() {
    let script = "cd \"$1$(sed -n 's/^0:://p' /proc/self/cgroup)\" && grep . cgroup.max.descendants cgroup.max.depth";
    let ended = Session::script(&[], script, &[v2_mount().to_str().expect("a name")]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("cgroup.max.descendants:1024\ncgroup.max.depth:32\n"), "{}", ended.stderr);
}
