//! Every call of the table (`agentmon_common::syscalls`) against the real kernel, in both ABIs: what the stimulus did is
//! what the events say, field by field.

use agentmon::event::{Call, Detail, Event, Kind, Target, flags};
use agentmon_common::syscalls::{self, SHAPES, op};
use agentmon_tests::compare::Fields;
use agentmon_tests::run::{Run, Running};
use agentmon_tests::watch::Watch;
use std::collections::BTreeSet;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
/// The modes that do every call of the table.
const MODES: [&str; 9] = ["changes", "attributes", "mounts", "reach", "system", "settings", "requests", "times", "ipc"];

/// A directory that a process without rights can enter.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    dir
}

fn run(mode: &str, argument: &str) -> (Watch, Run) {
    let dir = directory();
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8"), argument]);
    (watch, run)
}

fn seen_as_done(mode: &str, least: usize) {
    let (watch, run) = run(mode, "");
    watch.check(&run, least);
}

#[test]
fn names_that_are_made_and_changed_are_reported() {
    seen_as_done("changes", 90);
}

#[test]
fn contents_and_attributes_that_change_are_reported() {
    seen_as_done("attributes", 120);
}

#[test]
fn mounts_and_roots_are_reported() {
    seen_as_done("mounts", 80);
}

#[test]
fn reaching_into_other_processes_is_reported() {
    seen_as_done("reach", 50);
}

#[test]
fn settings_of_the_system_are_reported() {
    seen_as_done("system", 100);
}

#[test]
fn settings_of_a_process_and_what_it_makes_beside_files_are_reported() {
    seen_as_done("settings", 60);
}

#[test]
fn requests_to_devices_and_interfaces_are_reported() {
    seen_as_done("requests", 80);
}

#[test]
fn times_that_files_are_given_are_reported() {
    seen_as_done("times", 40);
}

#[test]
fn queues_that_are_removed_and_pages_of_others_are_reported() {
    seen_as_done("ipc", 40);
}

#[test]
fn calls_that_only_look_make_no_record() {
    let (watch, run) = run("settings-unwanted", "");
    watch.check(&run, 1);
    let told: Vec<_> =
        watch.events().iter().filter(|event| event.process.tgid == run.pid).map(|event| (event.kind(), event.operation)).collect();
    let expected = [Kind::Capability, Kind::Open, Kind::Exec, Kind::Fork, Kind::Exit, Kind::Map, Kind::ThreadName, Kind::CgroupJoin];
    let other: Vec<_> = told.iter().filter(|(kind, operation)| !expected.contains(kind) && *operation != "pidfd_open").collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn paths_that_cannot_be_read_at_entry_are_read_at_exit() {
    seen_as_done("changes-unreadable", 5);
}

/// Numbers of the table: native or i386, and the number.
fn numbers() -> BTreeSet<(bool, u16)> {
    let all = [false, true].into_iter().flat_map(|compat| (0..syscalls::PER_ABI as u16).map(move |number| (compat, number)));
    let told = |(compat, number): &(bool, u16)| {
        let op = syscalls::TABLE[syscalls::index(*compat, *number)];
        // Numbers from 512 on are those of x32, which few kernels have.
        (*number < 512 || *compat) && (SHAPES[usize::from(op)].kind != 0 || op == op::OPEN_BY_HANDLE_AT)
    };
    all.filter(told).collect()
}

/// What cannot succeed without harm: only its failure is tried.
const REFUSED_ONLY: [&str; 14] = [
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "stime",
    "clock_settime",
    "swapon",
    "swapoff",
    "reboot",
    "acct",
    // No quotas and no module that lets itself be told; landlock only where the kernel was started with it.
    "quotactl_fd",
    "lsm_set_self_attr",
    "landlock_restrict_self",
];
/// What succeeds whatever it is given.
const NEVER_FAILS: [&str; 1] = ["personality"];

#[test]
fn every_number_of_the_table_has_a_stimulus_that_succeeds_and_one_that_fails() {
    let (mut done, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for mode in MODES {
        let dir = directory();
        let run = Running::start(STIMULUS, None, &[mode, dir.path().to_str().expect("a path in UTF-8")]).finish();
        for truth in run.truths.iter().filter(|truth| truth.contains_key("_number")) {
            let number = u16::try_from(truth["_number"].as_u64().expect("a number")).expect("a small number");
            let at = (truth["compat"].as_bool().expect("a flag"), number);
            let ret = truth["ret"].as_i64().expect("a number");
            let missing = ret == -i64::from(libc::ENOSYS);
            if ret >= 0 || missing {
                done.insert(at);
            }
            if ret < 0 {
                failed.insert(at);
            }
        }
    }
    let name = |(compat, number): (bool, u16)| syscalls::NAMES[usize::from(syscalls::TABLE[syscalls::index(compat, number)])];
    for at in numbers() {
        assert!(failed.contains(&at) || NEVER_FAILS.contains(&name(at)), "{} ({at:?}) has no stimulus that fails", name(at));
        assert!(done.contains(&at) || REFUSED_ONLY.contains(&name(at)), "{} ({at:?}) has no stimulus that succeeds", name(at));
    }
}

#[test]
fn what_calls_do_that_is_of_no_interest_makes_no_record() {
    let (watch, run) = run("reach-unwanted", "");
    watch.check(&run, 2);
    for op in ["ioctl", "mmap", "ptrace", "prlimit64", "open_tree", "setpriority", "sched_setaffinity"] {
        let seen = watch.events().iter().filter(|event| event.operation == op && event.process.tgid == run.pid).count();
        assert_eq!(seen, run.of(op).count(), "records of {op}");
    }
}

/// Renames whose first or second path another thread changes once: every one is told right, or flagged.
fn flipped(mode: &str, place: impl Fn(&Call) -> &Target) {
    const ROUNDS: usize = 3000;
    let (watch, run) = run(mode, &ROUNDS.to_string());
    let renames: Vec<_> = watch
        .events()
        .iter()
        .filter(|event| event.process.tgid == run.pid)
        .filter_map(|event| match &event.detail {
            Detail::Call(call) if event.operation == "rename" => Some((event, call)),
            _ => None,
        })
        .collect();
    assert_eq!(run.truths.len(), ROUNDS);
    let (mut changed, mut left) = (0, watch.missing(ROUNDS, renames.len()));
    let mut truths = run.truths.iter();
    for (event, call) in renames {
        while !is_told(event, place(call), truths.next().expect("a rename for each event")) {
            assert!(left > 0, "told wrong, and not flagged: {call:?}");
            left -= 1;
        }
        changed += usize::from(event.has(flags::CHANGED));
    }
    println!("{changed} of {ROUNDS} changed during their call");
    assert!(changed > 0, "no change fell into a call");
    watch.check_clean();
}

/// Whether an event tells this call, whose path may have changed while the kernel looked.
fn is_told(event: &Event, place: &Target, truth: &Fields) -> bool {
    let meant = truth["_meant"].as_str().expect("a path").as_bytes();
    if !event.has(flags::CHANGED) {
        return meant == place.path.bytes;
    }
    let at_enter = &place.at_enter.as_ref().expect("what stood there at entry").bytes;
    assert_ne!(at_enter, &place.asked.bytes);
    meant == at_enter || meant == place.asked.bytes
}

#[test]
fn a_first_path_that_changes_during_its_call_is_flagged() {
    flipped("flip-first", |call| &call.target);
}

#[test]
fn a_second_path_that_changes_during_its_call_is_flagged() {
    flipped("flip-second", |call| call.second.as_ref().expect("a rename has two"));
}
