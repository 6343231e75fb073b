//! The cgroup handle against the real kernel.

use super::testing::{SOON, Scratch, eventually, scratch, shell};
use super::*;
use std::time::{Duration, Instant};

fn cpu_usec(cgroup: &Cgroup) -> u64 {
    let stat = cgroup.read("cpu.stat").unwrap();
    stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok()).unwrap()
}

#[test]
fn the_id_is_what_the_kernel_calls_it_and_nested_ones_are_found_and_removed() {
    let Some(Scratch { cgroup, .. }) = &scratch("nested") else { return };
    let inner = cgroup.create_child(OsStr::new("a")).unwrap().create_child(OsStr::new("b\u{1b}[31m c")).unwrap();
    let ino = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(inner.path()).unwrap());
    assert_eq!(inner.id(), CgroupId(ino));
    assert!(inner.shown().to_string().ends_with(r"/a/b\x1b[31m c"), "{}", inner.shown());
    let (found, walk) = cgroup.descendants(WalkLimits::default());
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [cgroup.child(OsStr::new("a")).unwrap().id(), inner.id()]);
    assert_eq!(walk, Walk { visited: 2, truncated: false, unreadable: 0 });
    let (_, walk) = cgroup.descendants(WalkLimits { depth: 1, count: 10 });
    assert_eq!(walk, Walk { visited: 1, truncated: true, unreadable: 0 });
    assert_eq!(cgroup.create_child(OsStr::new("a")).unwrap_err().errno(), Some(Errno::EXIST));
    cgroup.remove(SOON).unwrap();
    assert!(!cgroup.path().exists());
    assert!(!cgroup.populated().unwrap());
    cgroup.kill(SOON).unwrap();
    cgroup.remove(SOON).unwrap();
}

#[test]
fn a_directory_that_took_the_name_is_not_touched() {
    let Some(Scratch { cgroup, .. }) = &scratch("replaced") else { return };
    let name = OsStr::new("victim");
    let held = cgroup.create_child(name).unwrap();
    held.remove(SOON).unwrap();
    let other = cgroup.create_child(name).unwrap();
    let mut child = shell(&other, "echo ready; exec sleep 60");
    held.kill(SOON).unwrap();
    held.remove(SOON).unwrap();
    assert!(held.request_freeze().unwrap_err().is_gone());
    assert!(other.populated().unwrap(), "the new directory's process lives");
    other.kill(SOON).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_busy_process_makes_no_progress_while_frozen() {
    let Some(Scratch { cgroup, .. }) = &scratch("freeze") else { return };
    let mut child = shell(cgroup, "echo ready; while :; do :; done");
    assert_eq!(cgroup.procs().unwrap(), [child.id()]);
    assert_eq!(cgroup.threads().unwrap(), [child.id()]);
    let started = Instant::now();
    cgroup.freeze(SOON).unwrap();
    println!("measured: freeze of a busy process {:?}", started.elapsed());
    assert!(cgroup.frozen().unwrap());
    let before = cpu_usec(cgroup);
    #[expect(clippy::disallowed_methods, reason = "nothing may happen meanwhile: there is nothing to wait for")]
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(cpu_usec(cgroup), before);
    cgroup.thaw(SOON).unwrap();
    eventually("the process runs again", || cpu_usec(cgroup) > before);
    cgroup.freeze(SOON).unwrap();
    cgroup.kill(SOON).unwrap();
    assert!(!cgroup.populated().unwrap());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
}

#[test]
fn removing_a_cgroup_with_a_process_runs_into_the_deadline() {
    let Some(Scratch { cgroup, .. }) = &scratch("busy") else { return };
    let mut child = shell(cgroup, "echo ready; exec sleep 60");
    let error = cgroup.remove(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.to_string(), format!("{} was not removed after 20 ms", cgroup.shown()));
    let error = cgroup.wait_empty(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.to_string(), format!("{} was not empty after 20 ms", cgroup.shown()));
    cgroup.kill(SOON).unwrap();
    child.wait().unwrap();
}

#[test]
fn without_cgroup_kill_every_process_gets_the_signal() {
    let Some(Scratch { cgroup, .. }) = &scratch("signals") else { return };
    let nested = cgroup.create_child(OsStr::new("n")).unwrap();
    let mut outer = shell(cgroup, "for i in {1..40}; do sleep 60 & done; echo ready; wait");
    let mut inner = shell(&nested, "echo ready; exec sleep 60");
    cgroup.freeze(SOON).unwrap();
    assert_eq!(cgroup.signal_all().unwrap(), 42);
    cgroup.wait_empty(SOON).unwrap();
    outer.wait().unwrap();
    inner.wait().unwrap();
}

#[test]
fn marks_are_kept_replaced_and_removed() {
    let Some(Scratch { cgroup, mount }) = &scratch("marks") else { return };
    let mark = |name: &str| Mark { name: name.to_owned(), session: "7f3a9c1e".to_owned() };
    assert_eq!(cgroup.mark(), None);
    cgroup.set_mark(&mark("one")).unwrap();
    cgroup.set_mark(&mark("claude code")).unwrap();
    assert_eq!(mount.open(&mount.relative(cgroup)).unwrap().mark(), Some(mark("claude code")));
    cgroup.clear_mark().unwrap();
    cgroup.clear_mark().unwrap();
    assert_eq!(cgroup.mark(), None);
    cgroup.set_mark(&mark("\x1b[2J")).unwrap();
    assert_eq!(cgroup.mark(), None, "a forged mark is none");
}

#[test]
fn a_directory_elsewhere_is_no_cgroup() {
    let error = Cgroup::open(Path::new("/tmp")).unwrap_err();
    assert_eq!(error.to_string(), "/tmp is not on a cgroup v2 file system");
    assert!(Cgroup::open(Path::new("/no/such")).unwrap_err().is_gone());
}
