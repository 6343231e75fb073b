//! The process that is to be killed: opens what a rule forbids, then writes down the time until it can no more.
//!
//! Not for: judging (`breaker`).

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open};
use rustix::time::{ClockId, clock_gettime};
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest life of a victim that nobody kills.
pub const LIFE: Duration = Duration::from_secs(3);

/// Waits for a line on standard input. `times` then holds two words: `CLOCK_BOOTTIME` just before the opening, and the
/// last one it saw; the second is 0 until the opening is done.
pub fn run(canary: &Path, times: &Path) -> Result<()> {
    let times = std::fs::File::create(times)?;
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let born = Instant::now();
    let before = boottime_ns();
    times.write_all_at(&before.to_ne_bytes(), 0)?;
    let _canary = open(canary, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    while born.elapsed() < LIFE {
        times.write_all_at(&boottime_ns().to_ne_bytes(), 8)?;
    }
    Ok(())
}

/// What `times` holds: (before the opening, last seen), in nanoseconds.
pub fn read(times: &Path) -> Result<(u64, u64)> {
    let bytes = std::fs::read(times)?;
    let word = |at: usize| -> Result<u64> { Ok(u64::from_ne_bytes(bytes.get(at..at + 8).unwrap_or(&[0; 8]).try_into()?)) };
    Ok((word(0)?, word(8)?))
}

fn boottime_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
