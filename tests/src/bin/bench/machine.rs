//! The machine a table was measured on. Figures without it mean nothing.

use anyhow::{Context, Result};
use std::path::Path;

/// One line each, for the head of the table.
pub fn describe() -> Result<Vec<(&'static str, String)>> {
    let uname = rustix::system::uname();
    let cpuinfo = read("/proc/cpuinfo")?;
    let cpu = after(&cpuinfo, "model name").unwrap_or("unknown");
    let meminfo = read("/proc/meminfo")?;
    let kib: u64 = after(&meminfo, "MemTotal").and_then(|total| total.split(' ').next()?.parse().ok()).unwrap_or(0);
    let loadavg = read("/proc/loadavg")?;
    let jit = std::fs::read_to_string("/proc/sys/net/core/bpf_jit_harden").unwrap_or_default();
    Ok(vec![
        ("kernel", format!("{} {}", uname.release().to_string_lossy(), uname.machine().to_string_lossy())),
        ("CPU", format!("{cpu}, {} cores", std::thread::available_parallelism()?)),
        ("memory", format!("{:.1} GiB", kib as f64 / 1024.0 / 1024.0)),
        ("JIT hardening", if jit.trim().is_empty() { "unknown".to_owned() } else { jit.trim().to_owned() }),
        ("load before", loadavg.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("date", today()),
    ])
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(Path::new(path)).with_context(|| format!("cannot read {path}"))
}

/// The value of the first `key : value` line.
pub fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':').map(str::trim))
}

/// Today in UTC, by the civil-from-days algorithm (proleptic Gregorian calendar).
fn today() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = (seconds / 86_400) as i64 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
