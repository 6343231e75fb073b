//! The breaker: writes an order to the kernel at once and hands its verification to a thread of its own.
//!
//! Called by the engine. Takes no lock and sends to a bounded queue without waiting. Not for: remembering what was
//! ordered; that is the register's.

use super::job::{BreakerReport, Job, Strike};
use super::{Command, Relist};
use crate::agents::AgentCgroups;
use crate::event::{AgentId, ProcessKey};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Orders that may wait for their verification. Beyond it an order is still written, and reported as unverified.
const QUEUE_MAX: usize = 256;

/// What is to be done to which agent.
pub struct Order<'a> {
    /// Whose it is; only handed on to the report.
    pub agent: AgentId,
    /// The agent's cgroups.
    pub cgroups: &'a AgentCgroups,
    /// What to do.
    pub command: Command,
    /// When it was decided; latencies count from here.
    pub decided: Instant,
    /// The agent's processes that are known to be outside its cgroups. Thaw leaves them alone.
    pub escaped: Vec<ProcessKey>,
    /// Finds further ones, after those are dealt with. Without it only `escaped` is.
    pub relist: Option<Relist>,
}

/// What is known when the order has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The order's number; the report will carry it.
    pub order: u64,
    /// From the decision until the last control file was written.
    pub write_latency: Duration,
    /// What could not be written or queued.
    pub errors: Vec<String>,
}

/// Writes orders; one per engine, for all agents.
#[derive(Debug)]
pub struct Breaker {
    jobs: SyncSender<Job>,
    last: u64,
}

impl Breaker {
    /// Starts the verifying thread, which ends when the breaker is dropped and its last order was reported. `sink` gets
    /// one report per order, on that thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(sink: impl FnMut(BreakerReport) + Send + 'static) -> std::io::Result<Self> {
        let (jobs, orders) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new().name("am-verify".to_owned()).spawn(move || verify(&orders, sink))?;
        Ok(Self { jobs, last: 0 })
    }

    /// Carries an order out: writes `cgroup.kill` or `cgroup.freeze` of every cgroup of the agent before anything else.
    /// Repeating an order is harmless; a frozen agent can be killed.
    pub fn act(&mut self, order: Order<'_>) -> Struck {
        self.last += 1;
        let strike = Strike::write(order.cgroups, order.command, order.decided);
        let write_latency = strike.write_latency;
        let mut errors = strike.errors.clone();
        let job = Job::new(self.last, order, strike);
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => errors.push("the order was written but cannot be verified: too many at once".to_owned()),
            Err(TrySendError::Disconnected(_)) => errors.push("the order was written but cannot be verified: no verifier".to_owned()),
        }
        Struck { order: self.last, write_latency, errors }
    }
}

/// The verifying thread: looks after all orders at once, so that none waits for another's stragglers.
fn verify(orders: &Receiver<Job>, mut sink: impl FnMut(BreakerReport)) {
    crate::priority::raise();
    let mut jobs: Vec<Job> = Vec::new();
    let mut open = true;
    while open || !jobs.is_empty() {
        if jobs.is_empty() {
            match orders.recv() {
                Ok(job) => jobs.push(job),
                Err(_) => open = false,
            }
        }
        loop {
            match orders.try_recv() {
                Ok(job) => {
                    jobs.iter_mut().for_each(|older| older.supersede(&job));
                    jobs.push(job);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    open = false;
                    break;
                }
            }
        }
        jobs.retain_mut(|job| match job.step(Instant::now()) {
            Some(report) => {
                sink(report);
                false
            }
            None => true,
        });
        Job::wait(&jobs);
    }
}
