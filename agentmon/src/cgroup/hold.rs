//! Whose session still lives: a shared lock on the directory, which the kernel takes back when its holder dies.
//!
//! Advice among agentmon's own processes: it keeps one from tidying up what another is about to use. Not for: keeping
//! anybody else away; whoever may read the directory may lock it, too.

use super::Cgroup;
use rustix::fs::{FlockOperation, flock};
use std::time::Duration;

/// How often it is tried, a millisecond apart: `agentmon agents` may just be looking.
const LOOKS: u32 = 50;

impl Cgroup {
    /// Says that this process uses the cgroup, for as long as this value or a clone of it lives. `false`: somebody keeps
    /// it locked, for longer than a look takes.
    #[must_use]
    pub fn hold(&self) -> bool {
        (0..LOOKS).any(|_| {
            let held = flock(&self.fd, FlockOperation::NonBlockingLockShared).is_ok();
            if !held {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            held
        })
    }

    /// Takes it for removal: nobody holds it now, and nobody can as long as this value lives.
    #[must_use]
    pub fn take(&self) -> bool {
        flock(&self.fd, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Whether nobody holds it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        let abandoned = self.take();
        if abandoned {
            // Given back at once: another process may want to hold it.
            let _ = flock(&self.fd, FlockOperation::Unlock);
        }
        abandoned
    }
}
