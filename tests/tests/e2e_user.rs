//! `agentmon run --user`: who COMMAND is then, as itself and the log see it, and what it cannot do any more.

use agentmon_tests::cgroup::v2_mount;
use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::session::Session;
use rustix::process::Gid;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

/// A place for everybody, and what a script said there as `user`.
fn said(user: &str, script: &str) -> (Vec<String>, Events, TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).expect("permissions");
    let script = format!("exec > \"$1/said\" 2> \"$1/refused\"; {script}");
    // A group of the caller's, of this thread alone: it must not come along.
    rustix::thread::set_thread_groups(&[Gid::from_raw(4_242)]).expect("root");
    let ended = Session::script(&["--user", user, "--without", "capability"], &script, &[place.path().to_str().expect("a name")]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let said = std::fs::read_to_string(place.path().join("said")).expect("what it said");
    (said.lines().map(str::to_owned).collect(), ended.events(), place)
}

/// Name of the program that /bin/sh is.
fn shell() -> serde_json::Value {
    let program = std::fs::canonicalize("/bin/sh").expect("a shell");
    json!(program.file_name().and_then(|name| name.to_str()).expect("a name"))
}

fn id(option: &str, user: &str) -> String {
    let said = Command::new("id").args([option, user]).output().expect("id");
    String::from_utf8(said.stdout).expect("numbers").trim().to_owned()
}

#[test]
fn command_is_the_user_that_was_named_with_its_groups_and_home() {
    let (uid, gid, groups) = (id("-u", "nobody"), id("-g", "nobody"), id("-G", "nobody"));
    let (lines, events, _place) = said("nobody", "id -u; id -g; id -G; echo \"$USER $LOGNAME $HOME\"; grep CapEff /proc/self/status");
    let home = std::fs::read_to_string("/etc/passwd").expect("users");
    let home = home.lines().find(|line| line.starts_with("nobody:")).and_then(|line| line.split(':').nth(5)).expect("an entry");
    assert_eq!(lines, [uid.clone(), gid.clone(), groups, format!("nobody nobody {home}"), "CapEff:\t0000000000000000".to_owned()]);
    let exec = events.one(&[("/metadata/event_code", json!("exec")), ("/process/name", shell())]);
    assert_eq!((&exec["process"]["user"]["uid"], &exec["process"]["euid"]), (&json!(uid), &json!(uid.parse::<u32>().expect("a number"))));
}

#[test]
fn numbers_without_an_entry_are_taken_as_they_are_and_the_log_shows_each_step() {
    let (lines, events, _place) = said("3999999999:54321", "id -u; id -g; id -G; echo \"$USER $LOGNAME $HOME\"");
    assert_eq!(lines, ["3999999999", "54321", "54321", "3999999999 3999999999 /"]);
    let step = |operation: &str| events.one(&[("/metadata/event_code", json!(operation)), ("/status_id", json!(1))])["unmapped"].clone();
    assert_eq!(step("setgroups")["uids"], json!([0, 0, 0, 0]));
    let (group, user) = (step("setresgid"), step("setresuid"));
    assert_eq!((&group["uids"], &group["gids"]), (&json!([0, 0, 0, 0]), &json!([54321, 54321, 54321, 54321])));
    assert_eq!(
        (&user["uids"], &user["gids"]),
        (&json!([3_999_999_999_u32, 3_999_999_999_u32, 3_999_999_999_u32, 3_999_999_999_u32]), &json!([54321, 54321, 54321, 54321]))
    );
    assert_eq!((&user["cap_effective"], &user["cap_permitted"]), (&json!("0"), &json!("0")));
    let exec = events.one(&[("/metadata/event_code", json!("exec")), ("/process/name", shell())]);
    assert_eq!(exec["process"]["user"]["uid"], json!("3999999999"));
}

#[test]
fn it_can_neither_leave_nor_thaw_its_cgroup_nor_signal_the_monitor() {
    let mount = v2_mount();
    let own = "own=$(sed -n 's/^0:://p' /proc/self/cgroup)";
    let tries = format!(
        "{own}; for file in \"{0}$own/cgroup.procs\" \"{0}$own/cgroup.freeze\" \"{0}$own/cgroup.kill\" {0}/cgroup.procs; do \
         test -e \"$file\" && (echo 0 > \"$file\") || echo \"refused $file\"; done; kill -TERM $PPID || echo refused kill",
        mount.display()
    );
    let (lines, events, place) = said("nobody", &tries);
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("refused ")), "{lines:?}");
    let why = std::fs::read_to_string(place.path().join("refused")).expect("what the shell said");
    assert_eq!((why.matches("Permission denied").count(), why.matches("not permitted").count()), (4, 1), "{why}");
    assert_eq!(events.stop_reason(), "COMMAND ended");
}

#[test]
fn who_is_nobody_is_said_before_anything_is_started() {
    for (user, said) in [
        ("no-such-user", "error: no user `no-such-user`\n  hint: "),
        ("root:no-such-group", "error: no group `no-such-group`\n  hint: "),
        ("3999999999", "error: user 3999999999 has no entry in the user database, so its group is not known\n  hint: name a group as well"),
    ] {
        let ended = Session::start(&["--user", user], &["/bin/true"]).end();
        assert_eq!((ended.code(), ended.stdout.len()), (2, 0), "{}", ended.stderr);
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    }
    let place = tempfile::tempdir().expect("a directory");
    let program = place.path().join("program");
    std::fs::write(&program, "#!/bin/sh\n").expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("permissions");
    let ended = Session::start(&["--user", "nobody"], &[&program]).end();
    assert_eq!(ended.code(), 126, "root could execute it, nobody cannot: {}", ended.stderr);
}
