//! open and unlink against the real kernel: what the stimulus did is what the events say, field by field.

use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Runs a mode that works in a fresh directory, and checks every line of it.
fn seen_as_done(mode: &str, least: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8")]);
    watch.check(&run, least);
}

#[test]
fn an_opened_file_is_reported_as_the_kernel_resolved_it() {
    seen_as_done("opens", 23);
}

#[test]
fn a_failed_open_is_reported_with_the_path_that_was_meant() {
    seen_as_done("failed-opens", 14);
}

#[test]
fn opens_in_other_mounts_and_roots_are_reported_by_the_path_of_the_host() {
    seen_as_done("places", 14);
}

#[test]
fn paths_are_whole_up_to_the_kernels_limit_and_say_so_beyond() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["deep", dir.path().to_str().expect("a path in UTF-8")]);
    watch.check(&run, 4);
    let beyond = run.truths.last().expect("a line");
    let whole = beyond["_whole"].as_str().expect("the whole path");
    let events = watch.flat();
    let event = events.iter().find(|event| event.get("asked") == Some(&"leaf".into())).expect("the event");
    let path = event["path"].as_str().expect("a path");
    assert!(path.len() > 3800 && whole.ends_with(path), "{path} is not the end of {whole}");
}

#[test]
fn a_removal_is_reported_with_its_path_and_outcome() {
    seen_as_done("unlinks", 17);
}

#[test]
fn a_removal_refused_for_want_of_permission_is_reported() {
    seen_as_done("unlinks-unprivileged", 1);
}

#[test]
fn calls_through_the_32_bit_entry_are_seen_as_such() {
    seen_as_done("compat", 11);
}

#[test]
fn arguments_that_cannot_be_read_at_entry_are_read_at_exit() {
    seen_as_done("unreadable", 5);
}
