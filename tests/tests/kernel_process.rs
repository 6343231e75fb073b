//! exec, fork and exit against the real kernel.

use agentmon::event::Kind;
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

fn seen_as_done(args: &[&str], least: usize) -> Watch {
    let dir = tempfile::tempdir().expect("a directory");
    let mut args = args.to_vec();
    args.insert(1, dir.path().to_str().expect("a path in UTF-8"));
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&args);
    watch.check(&run, least);
    watch
}

#[test]
fn an_execution_is_reported_with_file_script_directory_and_arguments() {
    seen_as_done(&["execs"], 9);
}

#[test]
fn a_failed_execution_is_reported_with_the_path_that_was_meant() {
    seen_as_done(&["failed-execs"], 7);
}

#[test]
fn of_100_kilobytes_of_arguments_the_first_32_are_kept_and_the_cut_is_flagged() {
    seen_as_done(&["long-argv", "102400"], 1);
}

#[test]
fn arguments_of_just_32_kilobytes_are_whole() {
    // "prog", the long one and "end", each with its NUL.
    seen_as_done(&["long-argv", &(32 * 1024 - 5 - 4 - 1).to_string()], 1);
    seen_as_done(&["long-argv", &(32 * 1024 - 5 - 4).to_string()], 1);
}

#[test]
fn an_execution_by_a_thread_keeps_the_identity_of_its_process() {
    let watch = seen_as_done(&["thread-exec"], 1);
    let exec = watch.flat().into_iter().filter(|event| event["kind"] == "exec").nth(1).expect("the execution by the thread");
    let exits: Vec<_> = watch.flat().into_iter().filter(|event| event["kind"] == "exit" && event["pid"] == exec["pid"]).collect();
    assert_eq!(exits.len(), 1, "{exits:?}");
    assert_eq!(exits[0]["start"], exec["start"]);
}

#[test]
fn children_are_reported_by_their_true_creator() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["forks"]);
    watch.check(&run, 8);
}

#[test]
fn two_thousand_forks_and_exits_are_all_reported() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["many-forks", "2000"]);
    assert_eq!(run.of("fork").count(), 2000);
    watch.check(&run, 4000);
    let of_run = |kind| watch.events().iter().filter(|e| e.kind() == kind && e.ppid == run.pid).count();
    assert_eq!(of_run(Kind::Exit), 2000);
}

#[test]
fn the_end_of_a_process_is_reported_once_with_the_status_that_wait_gives() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["exits"]);
    watch.check(&run, 20);
    for truth in run.of("exit") {
        let exits = watch.flat().iter().filter(|event| event["kind"] == "exit" && event["pid"] == truth["pid"]).count();
        assert_eq!(exits, 1, "{truth:?}");
    }
}
