//! The writer on good days: order, rotation under load with a tailing reader, files replaced under it.

use super::sample::{every_kind, format};
use crate::log::{Chunk, Format, Host, LogWriter, Segment, WriterConfig};
use bytes::Bytes;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest a test waits for something that has to happen.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn config(path: PathBuf) -> WriterConfig {
    let host = Host { hostname: "node-17".to_owned(), boot_id: "0f3c9d6e-4b1a-4f0c".to_owned(), run: 7 };
    let programs = vec!["am_exec".to_owned(), "am_open".to_owned()];
    let segment = Segment { kernel_release: "6.18.0".to_owned(), rules_digest: "sha256:ab".to_owned(), programs };
    WriterConfig { flush_interval: Duration::from_millis(5), ..WriterConfig::new(path, host, segment) }
}

/// A chunk of `lines` operations.
pub(super) fn chunk(format: &mut Format, lines: usize) -> Chunk {
    let samples = every_kind();
    let first = format.next_sequence();
    let mut out = Vec::new();
    for sample in samples.iter().cycle().take(lines) {
        format.operation(&sample.operation(), &[], &mut out);
    }
    Chunk { bytes: Bytes::from(out), sequences: first..format.next_sequence() }
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < DEADLINE, "waited in vain: {what}");
        #[expect(clippy::disallowed_methods, reason = "a look every few milliseconds, with a deadline around it")]
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every line of a file as JSON; each must be complete.
pub(super) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "the last line is complete");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub(super) fn code(line: &Value) -> &str {
    line["metadata"]["event_code"].as_str().unwrap()
}

pub(super) fn sequences(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter_map(|line| line["metadata"]["sequence"].as_u64()).collect()
}

/// The rotated files in the order of their first number, then the live one.
pub(super) fn all_files(path: &Path) -> Vec<PathBuf> {
    let mut rotated: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).filter(|file| file != path).collect();
    rotated.sort_by_key(|file| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        name.rsplit('-').next().unwrap().parse::<u64>().unwrap()
    });
    rotated.push(path.to_owned());
    rotated
}

#[test]
fn lines_arrive_in_order_behind_a_long_unique_first_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut first_lines = Vec::new();
    let mut format = format();
    for run in 1..=2 {
        let (mut handle, writer) = LogWriter::start(config(path.clone())).unwrap();
        assert!(handle.send(chunk(&mut format, 50)));
        let counters = writer.stop();
        assert_eq!(counters.lines.load(Ordering::Relaxed), 50);
        assert_eq!(counters.dropped_lines.load(Ordering::Relaxed), 0);
        if run == 1 {
            assert_eq!(counters.bytes.load(Ordering::Relaxed), std::fs::metadata(&path).unwrap().len());
            first_lines.push(std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned());
            std::fs::rename(&path, directory.path().join("first")).unwrap();
        }
    }
    let written = lines(&path);
    // The second writer expected line 1 and got 51.
    assert_eq!(code(&written[1]), "log_gap");
    assert_eq!(sequences(&written), (51..=100).collect::<Vec<_>>());
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777 & !0o640, 0, "at most 0640");

    let head = &first_lines[0];
    assert!(head.len() > 1100, "{}", head.len());
    let uid = lines(&directory.path().join("first"))[0]["metadata"]["uid"].as_str().unwrap().to_owned();
    assert!(head[..1000].contains(&uid));
    for fact in ["node-17", "6.18.0", "sha256:ab", "am_open"] {
        assert!(head.contains(fact), "{fact}");
    }
}

#[test]
fn an_existing_file_is_continued_and_its_torn_line_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    std::fs::write(&path, "{\"torn\":").unwrap();
    let (mut handle, writer) = LogWriter::start(config(path.clone())).unwrap();
    assert!(handle.send(chunk(&mut format(), 3)));
    writer.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut rest = text.lines();
    assert_eq!(rest.next(), Some("{\"torn\":"));
    let rest: Vec<Value> = rest.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sequences(&rest), [1, 2, 3]);
}

/// Reads as a shipper does: to the end of a file, and when the path names another one, that.
fn tail(path: &Path, last: u64) -> (Vec<u64>, u32) {
    let began = Instant::now();
    let (mut seen, mut files) = (Vec::new(), 0);
    let mut reader = BufReader::new(File::open(path).unwrap());
    let mut line = String::new();
    while seen.last() != Some(&last) {
        assert!(began.elapsed() < DEADLINE, "the reader stopped at {:?}", seen.last());
        let inode = reader.get_ref().metadata().unwrap().ino();
        let moved_on = std::fs::metadata(path).is_ok_and(|now| now.ino() != inode);
        // What is read after the rename was seen is all there is in the old file.
        if reader.read_line(&mut line).unwrap() == 0 {
            if moved_on {
                assert!(line.is_empty(), "a file ends with a complete line: {line}");
                // Read on in the file that follows this one, which may itself be rotated by now.
                let files_now = all_files(path);
                let at = files_now.iter().position(|file| std::fs::metadata(file).is_ok_and(|m| m.ino() == inode)).unwrap();
                reader = BufReader::new(File::open(&files_now[at + 1]).unwrap());
                files += 1;
            }
            continue;
        }
        if !line.ends_with('\n') {
            continue;
        }
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        seen.extend(value["metadata"]["sequence"].as_u64());
        line.clear();
    }
    (seen, files)
}

#[test]
fn rotation_under_load_loses_nothing_for_a_tailing_reader() {
    const LINES: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let config = WriterConfig { max_bytes: 1 << 20, flush_bytes: 32 << 10, ..config(path.clone()) };
    let (mut handle, writer) = LogWriter::start(config).unwrap();
    until("the first line", || std::fs::metadata(&path).is_ok_and(|file| file.len() > 0));
    let reader = std::thread::spawn({
        let path = path.clone();
        move || tail(&path, LINES)
    });
    let mut format = format();
    while format.next_sequence() <= LINES {
        let chunk = chunk(&mut format, 20);
        until("room in the queue", || handle.queued_bytes() < 1 << 20);
        assert!(handle.send(chunk));
    }
    let (seen, files) = reader.join().unwrap();
    let counters = writer.stop();
    assert_eq!(seen, (1..=LINES).collect::<Vec<_>>());
    let rotations = counters.rotations.load(Ordering::Relaxed);
    assert!(rotations >= 8 && files >= 1, "{rotations} rotations, the reader saw {files}");
    let mut expected = 1;
    for file in all_files(&path) {
        assert!(std::fs::metadata(&file).unwrap().len() <= 1 << 20);
        let lines = lines(&file);
        assert_eq!((code(&lines[0]), lines[0]["unmapped"]["first_sequence"].as_u64()), ("segment", Some(expected)));
        expected += sequences(&lines).len() as u64;
    }
    assert_eq!(expected, LINES + 1);
}

#[test]
fn only_so_many_rotated_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let config = WriterConfig { max_bytes: 64 << 10, flush_bytes: 8 << 10, max_files: 3, ..config(path.clone()) };
    let (mut handle, writer) = LogWriter::start(config).unwrap();
    let mut format = format();
    for _ in 0..100 {
        until("room in the queue", || handle.queued_bytes() < 1 << 20);
        assert!(handle.send(chunk(&mut format, 20)));
    }
    let counters = writer.stop();
    assert!(counters.rotations.load(Ordering::Relaxed) > 10);
    let files = all_files(&path);
    assert_eq!(files.len(), 4);
    let kept: Vec<u64> = files.iter().flat_map(|file| sequences(&lines(file))).collect();
    assert_eq!(kept, (kept[0]..=2000).collect::<Vec<_>>(), "the newest are kept, without holes");
}

#[test]
fn a_file_that_is_renamed_or_removed_or_reopened_is_created_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let aside = directory.path().join("aside");
    let (mut handle, writer) = LogWriter::start(config(path.clone())).unwrap();
    let mut format = format();
    let mut written = Vec::new();
    for way in ["rename", "remove", "reopen"] {
        assert!(handle.send(chunk(&mut format, 2)));
        let lines_so_far = format.next_sequence() - 1;
        until("the lines", || writer.counters().lines.load(Ordering::Relaxed) == lines_so_far);
        written.extend(sequences(&lines(&path)));
        let began = Instant::now();
        match way {
            "remove" => std::fs::remove_file(&path).unwrap(),
            _ => std::fs::rename(&path, &aside).unwrap(),
        }
        if way == "reopen" {
            writer.reopen();
        }
        until("a new file with its first line", || std::fs::metadata(&path).is_ok_and(|file| file.len() > 1024));
        assert!(began.elapsed() < Duration::from_secs(5), "{way} took {:?}", began.elapsed());
    }
    writer.stop();
    assert_eq!(written, [1, 2, 3, 4, 5, 6]);
    assert_eq!(lines(&path).len(), 1);
}
