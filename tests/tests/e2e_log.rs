//! The log of a daemon on bad days: a full disk, many rotations, a ring that is too small. What is lost is said exactly.

use agentmon_tests::e2e::group::{Group, Waiting};
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::poll::until;
use rustix::process::Signal;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Opens `$1` for reading `$2` times, with nothing else in between.
const OPEN_MANY: &str = "i=0; while [ $i -lt $2 ]; do : < \"$1\"; i=$((i+1)); done";

/// A file system of its own, unmounted when dropped.
struct Disk {
    place: tempfile::TempDir,
}

impl Disk {
    fn new(size: &str) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"]).arg(place.path()).status();
        assert!(mounted.expect("mount").success(), "cannot mount a small file system");
        Self { place }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a failed test may still have a daemon that writes to it.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn on_a_full_disk_the_daemon_goes_on_watching_and_says_afterwards_exactly_what_is_missing() {
    let (disk, group) = (Disk::new("48m"), Group::new("full"));
    let node = Node::watching(&Setup { log_dir: Some(disk.path().to_owned()), ..Setup::of("e2e-full", &group) }, &group);
    let _ = node.log_until_now(&group);
    let filler = disk.fill();
    group.run(OPEN_MANY, &["/proc/version", "100"]);
    let _ = node.metrics_when("writing has failed", |samples| samples.whole("agentmon_log_errors_total") > 0);
    // Far more than the 8 MiB that wait in memory.
    group.run(OPEN_MANY, &["/proc/version", "40000"]);
    let metrics = node.metrics_when("lines are dropped, events are not", |samples| {
        samples.whole("agentmon_log_dropped_lines_total") > 0 && samples.whole("agentmon_events_total{kind=\"open\"}") >= 40_000
    });
    assert!(node.stderr().contains("cannot write the log; trying again"), "{}", node.stderr());
    let written = metrics.whole("agentmon_log_lines_total");
    std::fs::remove_file(filler).expect("the filler");
    // What comes before the writer has tried again may be dropped like the rest.
    let _ = node.metrics_when("lines are written again", |samples| samples.whole("agentmon_log_lines_total") > written);
    let _ = node.log_until_now(&group);
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    assert_eq!(stopped.log.stop_reason(), "SIGTERM");

    // Ordinary lines are left out before the queue is full, and told by kind; what is dropped from a full one, by number.
    let gaps = stopped.log.all(&[("/metadata/event_code", json!("log_gap"))]);
    assert!(gaps.iter().all(|gap| gap["unmapped"]["reason"] == "ENOSPC"), "{gaps:?}");
    let number = |gap: &serde_json::Value, name: &str| gap["unmapped"][name].as_u64().expect("a number");
    let mut numbers = stopped.log.sequences();
    let told: u64 = gaps.iter().map(|gap| number(gap, "lost")).sum();
    let lines = numbers.len() as u64;
    numbers.extend(gaps.iter().flat_map(|gap| number(gap, "first_missing")..=number(gap, "last_missing")));
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=lines + told).collect::<Vec<_>>(), "lines and gaps are every number once");
    let (shown, left_out) = (stopped.log.all(&[("/file/path", json!("/proc/version"))]).len() as u64, stopped.log.lost("open"));
    println!("measured: full disk: {shown} opens in the log, {left_out} told by kind to be missing, {told} by number");
    assert!(left_out + told > 0, "the disk was full");
    assert!(shown + left_out + told >= 40_100, "{shown} opens in the log, {left_out} and {told} told to be missing");
    assert!(shown + left_out <= 40_100 + 1_000, "{shown} opens in the log, {left_out} told to be missing");
}

#[test]
fn rotation_neither_loses_nor_repeats_a_line() {
    let group = Group::new("rotate");
    let setup = Setup { log: "max_bytes = \"1MiB\"\nmax_total_bytes = \"64MiB\"".to_owned(), ..Setup::of("e2e-rotate", &group) };
    let node = Node::watching(&setup, &group);
    group.run(OPEN_MANY, &["/proc/version", "10000"]);
    let _ = node.log_until_now(&group);
    let files = node.files();
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let bytes = std::fs::read(file).expect("a file");
        assert!(bytes.len() < (1 << 20) + (300 << 10), "{} has {} bytes", file.display(), bytes.len());
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        assert!(String::from_utf8_lossy(first).contains("\"event_code\":\"segment\""), "{}", file.display());
    }
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    stopped.log.assert_gapless();
    assert_eq!(stopped.log.all(&[("/file/path", json!("/proc/version"))]).len(), 10_000);
}

#[test]
fn the_oldest_files_go_when_all_together_are_too_large() {
    let group = Group::new("oldest");
    let setup = Setup { log: "max_bytes = \"1MiB\"\nmax_total_bytes = \"2MiB\"".to_owned(), ..Setup::of("e2e-oldest", &group) };
    let node = Node::watching(&setup, &group);
    group.run(OPEN_MANY, &["/proc/version", "10000"]);
    let log = node.log_until_now(&group);
    let numbers = log.sequences();
    assert!(numbers[0] > 1, "the first file is still there");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "what is left has no holes");
    let total: u64 = node.files().iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    assert!(total <= 4 << 20, "{total} bytes");
    assert_eq!(node.stop().code, 0);
}

#[test]
fn sigusr1_opens_the_file_anew() {
    let group = Group::new("reopen");
    let node = Node::watching(&Setup::of("e2e-reopen", &group), &group);
    let _ = node.log_until_now(&group);
    let live = node.files().pop().expect("a file");
    let moved = live.with_file_name("moved-by-logrotate-1.jsonl");
    std::fs::rename(&live, &moved).expect("a rename");
    node.signal(Signal::USR1);
    until("there is a new file", || live.exists());
    let _ = node.log_until_now(&group);
    let stopped = node.stop();
    stopped.log.assert_gapless();
    assert_eq!(stopped.log.stop_reason(), "SIGTERM");
}

#[test]
fn what_the_ring_had_no_room_for_is_counted_exactly_in_log_and_metrics() {
    const OPENS: u64 = 20_000;
    let group = Group::new("flood");
    let setup = Setup { kernel: Some("ring_bytes = \"256KiB\"\ncanary_seconds = 0".to_owned()), ..Setup::of("e2e-flood", &group) };
    let node = Node::watching(&setup, &group);
    let flood = Waiting::start(&group, OPEN_MANY, &["/proc/version", "20000"]);
    let _ = node.log_until_now(&group);
    // A daemon that gets no processor: the ring fills, and nothing takes records out.
    node.signal(Signal::STOP);
    assert!(flood.go().success());
    node.signal(Signal::CONT);
    let log = node.log_until_now(&group);
    let lines = log.all(&[("/file/path", json!("/proc/version"))]).len() as u64;
    let dropped = "agentmon_events_dropped_total{kind=\"open\",stage=\"kernel_ringbuf\"}";
    let lost = OPENS - lines;
    assert!(lost > 0 && lines > 0, "{lines} of {OPENS} came through");
    let metrics = node.metrics_when("the metrics have counted all that was produced", |samples| samples.whole(dropped) == lost);
    let stopped = node.stop();
    assert_eq!(stopped.log.lost("open"), lost, "lines and gap records are all that was produced");
    stopped.log.assert_gapless();
    let kinds = stopped.log.kinds();
    assert!(metrics.whole("agentmon_events_total{kind=\"open\"}") <= kinds["open"]);
    println!("measured: flood of {OPENS} opens against a stopped daemon: {lines} lines, {lost} told to be lost");
}
