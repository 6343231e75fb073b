//! What a line costs: `cargo test --release -p agentmon log::tests::speed -- --ignored --nocapture`.

use super::sample::{every_kind, format};
use super::writing::{chunk, config};
use crate::log::{LogWriter, WriterConfig};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
#[ignore = "a measurement, not a check"]
fn nanoseconds_per_line() {
    for sample in every_kind() {
        let (mut format, mut out) = (format(), Vec::new());
        let op = sample.operation();
        let mut best = u128::MAX;
        for _ in 0..5 {
            let began = Instant::now();
            for _ in 0..100_000 {
                out.clear();
                format.operation(&op, &[], &mut out);
            }
            best = best.min(began.elapsed().as_nanos() / 100_000);
        }
        println!("{:14} {best:5} ns {:5} bytes", sample.event.kind().name(), out.len());
    }
}

#[test]
#[ignore = "a measurement, not a check"]
fn lines_per_second_to_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let (mut handle, writer) = LogWriter::start(WriterConfig { max_files: 2, ..config(path) }).unwrap();
    let mut format = format();
    let (began, mut sending) = (Instant::now(), Duration::ZERO);
    for _ in 0..20_000 {
        let chunk = chunk(&mut format, 64);
        let now = Instant::now();
        handle.send(chunk);
        sending += now.elapsed();
    }
    let formatted = began.elapsed();
    let counters = writer.stop();
    let (lines, dropped) = (counters.lines.load(Ordering::Relaxed), counters.dropped_lines.load(Ordering::Relaxed));
    println!("{lines} lines written, {dropped} dropped; formatting and sending {formatted:?}, all {:?}", began.elapsed());
    println!("{} ns per send of 64 lines, {} rotations", sending.as_nanos() / 20_000, counters.rotations.load(Ordering::Relaxed));
}
