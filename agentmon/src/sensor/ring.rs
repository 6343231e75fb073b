//! The drain: moves records from the kernel's ring into user memory as fast as it can, and nothing else.
//!
//! One thread owns the ring. It copies each record once into a slab and hands `Bytes` frames to the engine through a
//! wait-free queue. It never waits for the engine: when the engine is behind by [`BACKLOG_BYTES`], records stay in the
//! kernel's ring, so that the only place where a record can be lost is the ring itself, where the probes count it.

use aya::maps::{Array, MapData, RingBuf};
use bytes::{Bytes, BytesMut};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// Most bytes of records between drain and engine.
pub const BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// Most records between drain and engine.
pub const BACKLOG_RECORDS: usize = 32 * 1024;
/// Records are copied into slabs of this size.
const SLAB_BYTES: usize = 256 * 1024;
/// Pause between two looks at the ring while records are coming.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
/// Looks that find nothing before the drain goes to sleep.
const IDLE_LOOKS: u32 = 2;
/// Longest sleep: bounds what a lost wakeup could cost, should there be one.
const SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Where records come from.
pub struct RecordSource {
    pub(super) ring: RingBuf<MapData>,
    pub(super) sleeping: Array<MapData, u32>,
    pub(super) capacity_bytes: usize,
}

/// What drain and engine share.
struct Shared {
    backlog_bytes: AtomicUsize,
    /// What the last look found in the kernel's ring.
    ring_bytes: AtomicUsize,
    ring_capacity_bytes: usize,
    stop: AtomicBool,
    wake: OwnedFd,
}

/// The engine's end of the queue.
pub struct Frames {
    queue: HeapCons<Bytes>,
    shared: Arc<Shared>,
}

/// The records that are waiting; `None` when there is none now.
impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let frame = self.queue.try_pop()?;
        self.shared.backlog_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Frames {
    /// Records waiting now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.occupied_len()
    }

    /// Bytes waiting in the kernel's ring at the last look.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.shared.ring_bytes.load(Ordering::Relaxed)
    }

    /// Size of the kernel's ring.
    #[must_use]
    pub fn ring_capacity_bytes(&self) -> usize {
        self.shared.ring_capacity_bytes
    }

    /// Whether none is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
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
    let (producer, consumer) = HeapRb::new(BACKLOG_RECORDS).split();
    let shared = Arc::new(Shared {
        backlog_bytes: AtomicUsize::new(0),
        ring_bytes: AtomicUsize::new(0),
        ring_capacity_bytes: source.capacity_bytes,
        stop: AtomicBool::new(false),
        wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
    });
    let mut worker = Worker { source, queue: producer, shared: Arc::clone(&shared), engine, slab: BytesMut::new() };
    let thread = std::thread::Builder::new().name("am-drain".into()).spawn(move || worker.run())?;
    Ok((Drain { shared: Arc::clone(&shared), thread }, Frames { queue: consumer, shared }))
}

impl Drain {
    /// Takes what is in the ring, then ends the thread. Records the engine has no room for stay in the ring.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        // Full (EAGAIN) means that it is going to wake anyway.
        let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
        if self.thread.join().is_err() {
            tracing::error!("the drain thread panicked");
        }
    }
}

struct Worker {
    source: RecordSource,
    queue: HeapProd<Bytes>,
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
            // Without room the ring may still hold some: the engine is making room.
            if stopping && moved == 0 && self.has_room() {
                return;
            }
            idle = if moved == 0 { idle + 1 } else { 0 };
            if idle < IDLE_LOOKS {
                #[expect(clippy::disallowed_methods, reason = "while records are coming the pause is the point: a wakeup each costs 6 µs")]
                std::thread::sleep(BUSY_PAUSE);
            } else {
                self.sleep();
            }
        }
    }

    /// Moves what is there; returns how many records.
    fn drain(&mut self) -> usize {
        let (mut moved, mut bytes) = (0, 0);
        while self.has_room() {
            let Some(record) = self.source.ring.next() else { break };
            if self.slab.capacity() - self.slab.len() < record.len() {
                self.slab = BytesMut::with_capacity(SLAB_BYTES.max(record.len()));
            }
            self.slab.extend_from_slice(&record);
            drop(record);
            let frame = self.slab.split().freeze();
            bytes += frame.len();
            self.shared.backlog_bytes.fetch_add(frame.len(), Ordering::Relaxed);
            if self.queue.try_push(frame).is_err() {
                unreachable!("has_room() said that there is room, and only this thread fills the queue");
            }
            moved += 1;
        }
        self.shared.ring_bytes.store(bytes, Ordering::Relaxed);
        if moved > 0 {
            self.engine.unpark();
        }
        moved
    }

    fn has_room(&self) -> bool {
        !self.queue.is_full() && self.shared.backlog_bytes.load(Ordering::Relaxed) < BACKLOG_BYTES
    }

    /// Asks to be woken by the next record, looks once more, and waits.
    ///
    /// A probe commits its record before it looks at the flag, and this thread looks at the ring after it has stored
    /// the flag, so one of the two sees the other.
    fn sleep(&mut self) {
        if let Err(error) = self.source.sleeping.set(0, 1, 0) {
            tracing::error!("cannot ask the probes for a wakeup: {error}");
        }
        if self.drain() > 0 {
            return;
        }
        let mut fds = [PollFd::new(&self.source.ring, PollFlags::IN), PollFd::from_borrowed_fd(self.shared.wake.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&SLEEP)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => tracing::error!("cannot wait for records: {error}"),
        }
    }
}
