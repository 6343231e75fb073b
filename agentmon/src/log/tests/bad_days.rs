//! The writer on bad days: a full queue, a full disk, a file that is not ours.

use super::sample::format;
use super::writing::{chunk, code, config, lines, sequences, until};
use crate::log::{LogWriter, StartError, WriterConfig};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;
use std::ffi::CString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Every number is either on a line or in a gap record, once. Returns how many are missing.
fn account(written: &[Value], last: u64) -> u64 {
    let (mut next, mut missing) = (1, 0);
    for line in written {
        if let Some(sequence) = line["metadata"]["sequence"].as_u64() {
            assert_eq!(sequence, next, "a hole without a gap record");
            next += 1;
        } else if code(line) == "log_gap" {
            let facts = &line["unmapped"];
            assert_eq!(facts["first_missing"].as_u64(), Some(next));
            let lost = facts["lost"].as_u64().unwrap();
            assert_eq!(facts["last_missing"].as_u64(), Some(next + lost - 1));
            missing += lost;
            next += lost;
        }
    }
    assert_eq!(next, last, "the end is accounted for");
    missing
}

#[test]
fn a_full_queue_drops_counts_and_leaves_a_gap_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    // The thread waits for a long interval, so that the queue fills while it sleeps.
    let config = WriterConfig { queue_bytes: 64 << 10, flush_interval: Duration::from_secs(2), ..config(path.clone()) };
    let (mut handle, writer) = LogWriter::start(config).unwrap();
    let mut format = format();
    let mut refused = 0;
    let mut sent_after_a_refusal = 0;
    for round in 0..40 {
        if round == 30 {
            assert!(refused > 0, "the queue never filled");
            until("room", || handle.queued_bytes() == 0);
        }
        let chunk = chunk(&mut format, 10);
        let lines = chunk.lines();
        if !handle.send(chunk) {
            refused += lines;
        } else if refused > 0 {
            sent_after_a_refusal += 1;
        }
    }
    assert!(sent_after_a_refusal > 0);
    let counters = writer.stop();
    assert_eq!(counters.dropped_lines.load(Ordering::Relaxed), refused);
    let written = lines(&path);
    assert_eq!(account(&written, format.next_sequence()), refused);
    assert_eq!(counters.lines.load(Ordering::Relaxed), 400 - refused);
    assert!(written.iter().any(|line| code(line) == "log_gap" && line["unmapped"]["reason"] == "queue full"));
}

/// A file system of its own, gone when this is dropped.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(at: &'a Path) -> Self {
        let options = CString::new("size=256k").unwrap();
        mount("tmpfs", at, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self(at)
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_costs_lines_but_neither_the_thread_nor_the_account() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: mounting a small tmpfs needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = Tmpfs::mount(directory.path());
    let path = directory.path().join("events.jsonl");
    let ballast = directory.path().join("ballast");
    let config = WriterConfig { queue_bytes: 64 << 10, flush_bytes: 16 << 10, ..config(path.clone()) };
    let (mut handle, writer) = LogWriter::start(config).unwrap();
    let counters = writer.counters();
    let mut format = format();
    assert!(handle.send(chunk(&mut format, 10)));
    until("the first lines", || counters.lines.load(Ordering::Relaxed) == 10);
    std::fs::write(&ballast, vec![0; 160 << 10]).unwrap();

    // Until the disk and then the queue are full. A page at a time, so that writes end in the middle of lines.
    until("a refusal", || !handle.send(chunk(&mut format, 10)));
    assert!(counters.write_errors.load(Ordering::Relaxed) > 0);
    let full = std::fs::read(&path).unwrap();
    assert_ne!(full.last(), Some(&b'\n'), "the last write was cut, so that the recovery has something to do");

    std::fs::remove_file(&ballast).unwrap();
    until("the queue to drain", || handle.queued_bytes() == 0);
    assert!(handle.send(chunk(&mut format, 10)), "the thread lives");
    writer.stop();
    let written = lines(&path);
    let missing = account(&written, format.next_sequence());
    assert_eq!(missing, counters.dropped_lines.load(Ordering::Relaxed));
    assert!(missing > 0);
    let gap = written.iter().find(|line| code(line) == "log_gap").unwrap();
    assert_eq!(gap["unmapped"]["reason"], "ENOSPC");
    drop(mounted);
}

#[test]
fn a_line_torn_by_a_full_disk_is_whole_in_the_file_that_follows() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: mounting a small tmpfs needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = Tmpfs::mount(directory.path());
    let path = directory.path().join("events.jsonl");
    let (aside, ballast) = (directory.path().join("aside"), directory.path().join("ballast"));
    std::fs::write(&ballast, vec![0; 160 << 10]).unwrap();
    let (mut handle, writer) = LogWriter::start(config(path.clone())).unwrap();
    let counters = writer.counters();
    let mut format = format();
    assert!(handle.send(chunk(&mut format, 200)));
    until("the disk to be full", || counters.write_errors.load(Ordering::Relaxed) > 0);
    std::fs::rename(&path, &aside).unwrap();
    writer.reopen();
    until("a new file", || path.exists());
    std::fs::remove_file(&ballast).unwrap();
    until("all lines", || counters.lines.load(Ordering::Relaxed) == 200);
    writer.stop();

    let torn = std::fs::read_to_string(&aside).unwrap();
    let complete: Vec<Value> = torn.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(complete.len() + 1, torn.lines().count(), "one line was torn");
    let mut all = sequences(&complete);
    assert!(!all.is_empty());
    all.extend(sequences(&lines(&path)));
    assert_eq!(all, (1..=200).collect::<Vec<_>>());
    drop(mounted);
}

#[test]
fn a_disk_that_stays_full_does_not_keep_the_monitor_from_stopping() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: mounting a small tmpfs needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = Tmpfs::mount(directory.path());
    let path = directory.path().join("events.jsonl");
    let config = WriterConfig { stop_timeout: Duration::from_millis(50), ..config(path.clone()) };
    let (mut handle, writer) = LogWriter::start(config).unwrap();
    let mut format = format();
    for _ in 0..100 {
        assert!(handle.send(chunk(&mut format, 10)));
    }
    let counters = writer.stop();
    let (lines, dropped) = (counters.lines.load(Ordering::Relaxed), counters.dropped_lines.load(Ordering::Relaxed));
    assert!(lines > 0 && dropped > 0, "{lines} {dropped}");
    assert_eq!(lines + dropped, 1000);
    let text = std::fs::read_to_string(&path).unwrap();
    let complete: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(sequences(&complete), (1..=lines).collect::<Vec<_>>());
    drop(mounted);
}

#[test]
fn a_file_or_directory_that_is_not_ours_alone_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("target"), "untouched").unwrap();
    symlink(at("target"), at("symlink.jsonl")).unwrap();
    std::fs::hard_link(at("target"), at("hardlink.jsonl")).unwrap();
    std::fs::create_dir(at("open")).unwrap();
    std::fs::set_permissions(at("open"), PermissionsExt::from_mode(0o777)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe.jsonl"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (path, says) in [
        ("symlink.jsonl", "symbolic link"),
        ("hardlink.jsonl", "second name"),
        ("pipe.jsonl", "not a regular file"),
        ("open/events.jsonl", "everyone may write"),
    ] {
        let error = LogWriter::start(config(at(path))).map(|_| ()).unwrap_err();
        assert!(matches!(error, StartError::Unsafe { .. }) && error.to_string().contains(says), "{path}: {error}");
    }
    assert_eq!(std::fs::read_to_string(at("target")).unwrap(), "untouched");
    let error = LogWriter::start(config(at("absent/too/events.jsonl"))).map(|_| ()).unwrap_err();
    assert!(matches!(&error, StartError::Open { .. }) && error.to_string().contains("absent/too/events.jsonl"), "{error}");
}

#[test]
fn a_symlink_put_in_the_files_place_is_not_followed_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let target = directory.path().join("target");
    std::fs::write(&target, "untouched").unwrap();
    let (mut handle, writer) = LogWriter::start(config(path.clone())).unwrap();
    std::fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    let counters = writer.counters();
    until("the writer to notice", || counters.write_errors.load(Ordering::Relaxed) > 0);
    let mut format = format();
    assert!(handle.send(chunk(&mut format, 5)));
    std::fs::remove_file(&path).unwrap();
    until("the lines in a new file", || counters.lines.load(Ordering::Relaxed) == 5);
    writer.stop();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "untouched");
    assert_eq!(sequences(&lines(&path)), [1, 2, 3, 4, 5]);
}
