//! Scheduling priority of the threads between a record and the kill: drain, engine and verifier.
//!
//! On a host whose CPUs are all busy, with agents' own work perhaps, a thread of ordinary priority waits for its turn:
//! the slowest kills then took 6 to 21 ms from operation to `cgroup.kill`. Not for: the log and the screen, which may
//! wait, nor for real-time priority (`crate::response::urgent`), which a flood of records could turn against the host.

/// `nice` value of those threads: the strongest there is.
const NICE: i32 = -20;

/// Raises the calling thread. Threads that it starts later inherit that.
pub fn raise() {
    // On Linux the "process" of setpriority(2) is a thread, and none named is the caller's.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!("ordinary priority only: {error}");
    }
}
