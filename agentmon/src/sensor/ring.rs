//! The drain: moves records from the kernel's two rings into user memory as fast as it can, and nothing else.
//!
//! One thread owns the rings. It copies each record once into a slab and hands `Bytes` frames to the engine through a
//! wait-free queue for each ring. It never waits for the engine: when the engine is behind by [`BACKLOG_BYTES`], records
//! stay in the kernel's ring, so that the only place where a record can be lost is the ring itself, where the probes count
//! it. Not for: the order in which the engine takes them (`super::frames`).

use super::frames::Frames;
use super::shares::Ledger;
use crate::clock::boot_ns;
use crate::event::decode;
use agentmon_common::rings::{self, MAIN, URGENT};
use aya::maps::{Array, MapData, RingBuf};
use bytes::{Bytes, BytesMut};
use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// Most bytes of records between drain and engine, by ring.
pub const BACKLOG_BYTES: [usize; rings::COUNT] = [8 * 1024 * 1024, 4 * 1024 * 1024];
/// Most records between drain and engine, by ring.
pub const BACKLOG_RECORDS: [usize; rings::COUNT] = [32 * 1024, 16 * 1024];
/// Records are copied into slabs of this size.
const SLAB_BYTES: usize = 256 * 1024;
/// Pause between two looks at the rings while records are coming.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
/// Looks that find nothing before the drain goes to sleep.
const IDLE_LOOKS: u32 = 2;
/// Longest sleep: bounds what a lost wakeup could cost, should there be one.
const SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Where records come from.
pub struct RecordSource {
    /// By `agentmon_common::rings`.
    pub(super) rings: [RingBuf<MapData>; rings::COUNT],
    pub(super) sleeping: Array<MapData, u32>,
    pub(super) taken: Ledger,
    pub(super) capacity_bytes: [usize; rings::COUNT],
}

/// What drain and engine share.
pub(super) struct Shared {
    /// Waiting for the engine, by ring.
    pub backlog_bytes: [AtomicUsize; rings::COUNT],
    /// What the last look found in the kernel's rings.
    pub ring_bytes: [AtomicUsize; rings::COUNT],
    pub ring_capacity_bytes: [usize; rings::COUNT],
    /// By ring: when a record of it up to this boot time is taken, nothing that belongs before it is still in a ring.
    pub complete_ns: [AtomicU64; rings::COUNT],
    stop: AtomicBool,
    wake: OwnedFd,
}

impl Shared {
    pub(super) fn new(ring_capacity_bytes: [usize; rings::COUNT]) -> std::io::Result<Self> {
        Ok(Self {
            backlog_bytes: Default::default(),
            ring_bytes: Default::default(),
            ring_capacity_bytes,
            complete_ns: [const { AtomicU64::new(0) }; rings::COUNT],
            stop: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }
}

/// The running drain thread.
pub struct Drain {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// Starts the drain. `engine` is unparked whenever frames are waiting.
///
/// # Errors
/// When the eventfd or the thread cannot be had.
pub fn start(source: RecordSource, engine: Thread) -> std::io::Result<(Drain, Frames)> {
    let shared = Arc::new(Shared::new(source.capacity_bytes)?);
    let (producers, frames) = Frames::new(&shared);
    let mut worker =
        Worker { source, queues: producers, latest_ns: [0; rings::COUNT], shared: Arc::clone(&shared), engine, slab: BytesMut::new() };
    let thread = std::thread::Builder::new().name("am-drain".into()).spawn(move || worker.run())?;
    Ok((Drain { shared, thread }, frames))
}

impl Drain {
    /// Takes what is in the rings, then ends the thread. Records the engine has no room for stay there.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        // Full (EAGAIN) means that it is going to wake anyway.
        let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
        if self.thread.join().is_err() {
            tracing::error!("the drain thread panicked");
        }
    }
}

/// What was taken from a ring at one look.
struct Look {
    records: usize,
    /// Up to this time nothing is left in the ring.
    complete_ns: u64,
    /// Whether the ring was empty at the end.
    all: bool,
}

struct Worker {
    source: RecordSource,
    /// By ring.
    queues: [HeapProd<Bytes>; rings::COUNT],
    /// Latest time of a record that was taken, by ring.
    latest_ns: [u64; rings::COUNT],
    shared: Arc<Shared>,
    engine: Thread,
    slab: BytesMut,
}

impl Worker {
    fn run(&mut self) {
        crate::priority::raise();
        let mut idle = 0;
        loop {
            let stopping = self.shared.stop.load(Ordering::Acquire);
            let moved = self.drain();
            // Without room the rings may still hold some: the engine is making room.
            if stopping && moved == 0 && self.has_room() {
                // Nothing that comes later could be earlier.
                self.complete([u64::MAX; rings::COUNT]);
                return self.engine.unpark();
            }
            idle = if moved == 0 { idle + 1 } else { 0 };
            // Without room a ring that holds something would end the sleep at once.
            if idle < IDLE_LOOKS || !self.has_room() {
                #[expect(clippy::disallowed_methods, reason = "while records are coming the pause is the point: a wakeup each costs 6 µs")]
                std::thread::sleep(BUSY_PAUSE);
            } else {
                self.sleep();
            }
        }
    }

    /// One look at both rings: moves what is there; returns how many records.
    ///
    /// The time first, then the main ring, then the urgent one: what a process did before a record that was found in the
    /// main ring is found in the urgent ring (`docs/decisions/0017-urgent-ring.md`).
    fn drain(&mut self) -> usize {
        let now_ns = boot_ns();
        let main = self.take(MAIN, now_ns);
        let urgent = self.take(URGENT, now_ns);
        let both_ns = main.complete_ns.min(urgent.complete_ns);
        // What belongs before a record of the main ring was in the urgent one before it was found.
        self.complete([if urgent.all { self.latest_ns[MAIN].max(both_ns) } else { both_ns }, both_ns]);
        // Also for those that an earlier look moved and did not make complete.
        if self.queues.iter().any(|queue| !queue.is_empty()) {
            self.engine.unpark();
        }
        main.records + urgent.records
    }

    /// Says up to when the engine may take records, by ring.
    fn complete(&self, times_ns: [u64; rings::COUNT]) {
        for (complete_ns, time_ns) in self.shared.complete_ns.iter().zip(times_ns) {
            complete_ns.fetch_max(time_ns, Ordering::Release);
        }
    }

    /// Moves what is in a ring, as far as there is room. `now_ns` is a time before this look.
    fn take(&mut self, ring: usize, now_ns: u64) -> Look {
        let (mut records, mut bytes, mut all) = (0, 0, false);
        while self.has_room_for(ring) {
            let Some(record) = self.source.rings[ring].next() else {
                all = true;
                break;
            };
            if self.slab.capacity() - self.slab.len() < record.len() {
                self.slab = BytesMut::with_capacity(SLAB_BYTES.max(record.len()));
            }
            self.slab.extend_from_slice(&record);
            drop(record);
            let frame = self.slab.split().freeze();
            self.latest_ns[ring] = self.latest_ns[ring].max(decode::timestamp_ns(&frame));
            self.source.taken.add(decode::agent_number(&frame), ring, frame.len());
            (records, bytes) = (records + 1, bytes + frame.len());
            self.shared.backlog_bytes[ring].fetch_add(frame.len(), Ordering::Relaxed);
            if self.queues[ring].try_push(frame).is_err() {
                unreachable!("has_room_for() said that there is room, and only this thread fills the queue");
            }
        }
        self.shared.ring_bytes[ring].store(bytes, Ordering::Relaxed);
        if let Err(error) = self.source.taken.tell() {
            tracing::error!("cannot tell the probes what was taken: {error}");
        }
        // What was left in a ring was begun after everything that was taken from it.
        Look { records, complete_ns: if all { now_ns } else { self.latest_ns[ring] }, all }
    }

    fn has_room(&self) -> bool {
        (0..rings::COUNT).all(|ring| self.has_room_for(ring))
    }

    fn has_room_for(&self, ring: usize) -> bool {
        !self.queues[ring].is_full() && self.shared.backlog_bytes[ring].load(Ordering::Relaxed) < BACKLOG_BYTES[ring]
    }

    /// Asks to be woken by the next record, looks once more, and waits.
    ///
    /// A probe commits its record before it looks at the flag, and this thread looks at the rings after it has stored
    /// the flag, so one of the two sees the other.
    fn sleep(&mut self) {
        if let Err(error) = self.source.sleeping.set(0, 1, 0) {
            tracing::error!("cannot ask the probes for a wakeup: {error}");
        }
        if self.drain() > 0 {
            return;
        }
        let [main, urgent] = &self.source.rings;
        let mut fds = [main.as_fd(), urgent.as_fd(), self.shared.wake.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, Some(&SLEEP)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => tracing::error!("cannot wait for records: {error}"),
        }
    }
}
