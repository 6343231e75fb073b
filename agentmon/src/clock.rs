//! The two clocks of the pipeline: boot time, as the kernel stamps its records, and the time of day.
//!
//! Not for: stages that must be pure; they take time from events.

use crate::event::WallClock;
use rustix::time::{ClockId, clock_gettime};
use std::time::SystemTime;

/// `CLOCK_BOOTTIME` now, nanoseconds.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The time of day at boot, as of now.
pub fn wall_clock() -> WallClock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallClock { boot_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).saturating_sub(boot_ns()) }
}
