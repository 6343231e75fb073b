//! One flight of the canary: its cgroup, its helper, and the wait for what the probes report.
//!
//! Not for: what the helper does (`super::acts`).

use super::{Findings, NAME, Sight, Sightings, acts};
use crate::agents::launch::{self, LaunchError, Launched};
use crate::agents::session::new_session;
use crate::cgroup::{CgroupError, Mount};
use crate::monitor::{Monitor, MonitorError};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::Instant;

/// How long the helper may take.
const HELPER_WITHIN: Duration = Duration::from_secs(5);
/// How long a hook may take to report once the helper has ended.
const REPORT_WITHIN: Duration = Duration::from_secs(1);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Why the canary could not fly.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// The helper could not be started.
    #[error("cannot start the canary: {0}")]
    Launch(#[from] LaunchError),
    /// Its cgroup could not be cleared away.
    #[error("cannot end the canary: {0}")]
    Cgroup(#[from] CgroupError),
    /// The monitor refused or is gone.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// Its directory, its output or its end.
    #[error("canary: {0}")]
    Io(#[from] std::io::Error),
    /// It did not end.
    #[error("the canary's helper did not end within {} s", HELPER_WITHIN.as_secs())]
    Stuck,
}

/// Lets the canary fly once.
///
/// # Errors
/// [`CanaryError`]: then nothing is known about the hooks.
pub async fn run(monitor: &Monitor, mount: &Mount) -> Result<Findings, CanaryError> {
    let place = Place::new()?;
    let args = ["canary".into(), place.0.clone().into_os_string()];
    let prepared = launch::prepare(mount, NAME, OsStr::new("/proc/self/exe"), &args, None)?;
    monitor.begin_canary(prepared.cgroups().clone())?;
    let unused = without_hook(monitor);
    let flown = fly(monitor, prepared, unused).await;
    let sightings = monitor.end_canary()?;
    Ok(judge(&flown?, &sightings))
}

/// Starts the helper and waits for its end and for its events. Gives the acts that could not be done.
async fn fly(monitor: &Monitor, prepared: launch::Prepared, unused: HashSet<usize>) -> Result<HashSet<usize>, CanaryError> {
    let mut launched = prepared.start(Stdio::piped())?;
    let ended = wait(&mut launched).await;
    let mut said = String::new();
    if let Some(mut stdout) = launched.child.stdout.take()
        && ended.is_ok()
    {
        stdout.read_to_string(&mut said)?;
    }
    let mut impossible = unused;
    impossible.extend(said.lines().filter_map(|line| line.parse::<usize>().ok()));
    let until = Instant::now() + REPORT_WITHIN;
    while ended.is_ok() && Instant::now() < until && judge(&impossible, &monitor.sightings()?).blind().next().is_some() {
        tokio::time::sleep(LOOK).await;
    }
    launched.finish(HELPER_WITHIN)?;
    ended.map(|()| impossible)
}

/// Acts that only a path hook reports which is not in use.
fn without_hook(monitor: &Monitor) -> HashSet<usize> {
    let in_use = |function| monitor.path_hooks().iter().any(|hook| hook.function == function && hook.is_in_use());
    let unused = acts().iter().enumerate().filter(|(_, act)| act.is_path_hook() && !in_use(act.operation));
    unused.map(|(index, _)| index).collect()
}

async fn wait(launched: &mut Launched) -> Result<(), CanaryError> {
    let until = Instant::now() + HELPER_WITHIN;
    while launched.child.try_wait()?.is_none() {
        if Instant::now() >= until {
            return Err(CanaryError::Stuck);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn judge(impossible: &HashSet<usize>, sightings: &Sightings) -> Findings {
    let sight = |(index, act): (usize, &'static super::Act)| {
        let sight = match (sightings.has(act.sign()), impossible.contains(&index)) {
            (true, _) => Sight::Seen,
            (false, true) => Sight::Impossible,
            (false, false) => Sight::Blind,
        };
        (act, sight)
    };
    Findings { sights: acts().iter().enumerate().map(sight).collect() }
}

/// The helper's directory; removed with what is in it.
struct Place(PathBuf);

impl Place {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("{NAME}-{}", new_session()));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}
