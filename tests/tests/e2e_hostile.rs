//! Agents on their worst behaviour, and users without rights: nothing is lost, nothing is forged, errors are one line.

use agentmon_tests::e2e::binary::{Said, agentmon};
use agentmon_tests::e2e::events::raw;
use agentmon_tests::e2e::session::Session;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[test]
fn two_thousand_forks_are_two_thousand_records() {
    let ended = Session::script(&[], "i=0; while [ $i -lt 2000 ]; do : & i=$((i+1)); done; wait", &[]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let (events, kinds) = (ended.events(), ended.events().kinds());
    assert_eq!(kinds["fork"] + events.lost("fork"), 2_000, "{kinds:?}");
    assert_eq!(kinds["exit"] + events.lost("exit"), 2_001, "{kinds:?}");
    assert_eq!((events.lost("fork"), events.lost("exit")), (0, 0), "16 MiB of ring hold them");
    assert!(ended.stderr.contains("lost  0\n"), "{}", ended.stderr);
}

#[test]
fn an_agent_that_dies_at_once_in_the_middle_of_a_storm_leaves_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    // Each waits for somebody to write into the pipe, which nobody does.
    let script = "mkfifo \"$1/pipe\"; i=0; while [ $i -lt 2000 ]; do read line < \"$1/pipe\" & i=$((i+1)); done; kill -9 $$";
    let ended = Session::script(&[], script, &[place.path().to_str().expect("a name")]).end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    let events = ended.events();
    // And one for mkfifo.
    assert_eq!(events.kinds()["fork"] + events.lost("fork"), 2_001);
    let left = ended.stderr.lines().find_map(|line| line.strip_prefix("agentmon: left behind and killed: ")).expect("how many were left");
    let left: u64 = left.parse().expect("a number");
    assert!(left > 1_000, "{left} were left");
    assert_eq!(events.kinds()["exit"] + events.lost("exit"), 2_002, "all of them have died");
    assert_eq!(events.stop_reason(), "COMMAND ended");
}

#[test]
fn an_argument_of_100_kb_is_one_valid_line_that_says_what_was_cut() {
    // Control characters are six times as long in JSON.
    for byte in [b"a", b"\x01", b"\xff"] {
        let argument = byte.repeat(100_000);
        let ended = Session::start(&[], &[OsStr::new("/bin/true"), OsStr::from_bytes(&argument)]).end();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let events = ended.events();
        let exec = events.one(&[("/metadata/event_code", json!("exec"))]);
        // The arguments and the NUL behind each.
        assert_eq!(exec["unmapped"]["truncated"]["cmd_line"], json!("/bin/true".len() + 1 + argument.len() + 1));
        assert_eq!((&exec["unmapped"]["argc"], &exec["unmapped"]["flags"]), (&json!(2), &json!(["truncated"])));
        if byte == b"\xff" {
            let kept = raw(exec, "cmd_line");
            assert!(kept.starts_with(b"/bin/true\0\xff") && kept.len() > 1_000, "{} bytes", kept.len());
        }
    }
}

#[test]
fn names_with_newlines_escapes_and_bytes_that_are_no_utf8_are_one_line_each_and_come_back_raw() {
    let place = tempfile::tempdir().expect("a directory");
    let forged = b"x\n{\"class_uid\":7003}\n\x1b]0;t\x07\"\\\xff\xfe\xc3\x28\xe2\x80\xae";
    let path = [place.path().as_os_str().as_bytes(), b"/", forged].concat();
    let script = "echo made > \"$1\"; rm \"$1\"";
    let command: Vec<&OsStr> = ["/bin/sh", "-c", script, "script"].map(OsStr::new).into_iter().chain([OsStr::from_bytes(&path)]).collect();
    let ended = Session::start(&[], &command).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    // Each line was parsed and held against what every record has: a forged one would have failed.
    let events = ended.events();
    let of = |type_uid: u64| -> Vec<&Value> {
        let all = events.all(&[("/type_uid", json!(type_uid))]);
        all.into_iter().filter(|line| line["unmapped"]["path_b64"].is_string()).collect()
    };
    for (type_uid, what) in [(100_101, "created"), (100_104, "removed")] {
        let [line] = of(type_uid)[..] else { panic!("not one record of what was {what}: {:?}", of(type_uid)) };
        assert_eq!(raw(line, "path"), path, "{what}");
    }
    let rm = events.one(&[("/metadata/event_code", json!("exec")), ("/process/name", json!("rm"))]);
    assert_eq!(raw(rm, "cmd_line"), [b"rm\0", &path[..], b"\0"].concat());
    assert!(!ended.stderr.contains('\x1b'), "the summary is escaped: {}", ended.stderr.escape_debug());
}

/// `agentmon ARGS` as nobody, from a place where nobody may execute it.
fn as_nobody(args: &[&str]) -> Said {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let program = place.path().join("agentmon");
    std::fs::copy(agentmon().get_program(), &program).expect("a copy");
    let config = place.path().join("agentmon.toml");
    std::fs::write(&config, format!("[log]\ndir = \"{}\"\n[metrics]\nenabled = false\n", place.path().display())).expect("a file");
    let mut command = Command::new(&program);
    command.args(args.iter().map(|arg| if *arg == "CONFIG" { config.as_os_str() } else { OsStr::new(arg) }));
    command.uid(65534).gid(65534).output().expect("agentmon starts").into()
}

#[test]
fn without_root_one_error_names_the_capabilities() {
    for (args, code) in [(&["run", "--", "/bin/true"][..], 125), (&["run", "--demo"], 125), (&["daemon", "--config", "CONFIG"], 1)] {
        let said = as_nobody(args);
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(said.stdout, "", "{said:?}");
        let lines: Vec<&str> = said.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "an error and a hint: {}", said.stderr);
        assert!(lines[0].starts_with("error: ") && lines[0].contains("CAP_BPF") && lines[0].contains("CAP_PERFMON"), "{}", lines[0]);
        assert!(lines[1].starts_with("  hint: run as root"), "{}", lines[1]);
    }
}
