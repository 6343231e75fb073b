//! The way into the thread: chunks of complete lines, bounded by bytes, never blocking the sender.
//!
//! Not for: writing anything (`super::output`).
#![expect(clippy::disallowed_types, reason = "the channel is bounded by bytes (`queue_bytes`), which a count could not do")]

use super::{Counters, Segment, WriterConfig};
use bytes::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;

/// Complete lines, one after the other, and which they are.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The lines, each ended by a newline.
    pub bytes: Bytes,
    /// Their sequence numbers: `Format::next_sequence` before the first and after the last.
    pub sequences: Range<u64>,
}

impl Chunk {
    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.sequences.end.saturating_sub(self.sequences.start)
    }
}

/// What sender and thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub counters: Arc<Counters>,
    pub segment: Mutex<Segment>,
    /// Bytes that wait.
    pub queued: AtomicUsize,
    /// Lines that wait.
    pub queued_lines: AtomicU64,
    /// One more than the last sequence number that was dropped.
    pub dropped_end: AtomicU64,
    queue_bytes: usize,
    flush_bytes: usize,
    stop: AtomicBool,
    reopen: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Shared {
    pub fn new(config: &WriterConfig) -> Self {
        Self {
            counters: Arc::default(),
            segment: Mutex::new(config.segment.clone()),
            queued: AtomicUsize::new(0),
            queued_lines: AtomicU64::new(0),
            dropped_end: AtomicU64::new(0),
            queue_bytes: config.queue_bytes,
            flush_bytes: config.flush_bytes,
            stop: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    pub fn wake_up(&self, thread: Thread) {
        self.thread.get_or_init(|| thread).unpark();
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub fn ask_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.unpark();
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub fn ask_reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.unpark();
    }

    pub fn reopen_wanted(&self) -> bool {
        self.reopen.load(Ordering::Acquire)
    }

    pub fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::AcqRel)
    }
}

/// Sends lines to the thread. One sender, so that lines arrive in the order of their numbers.
#[derive(Debug)]
pub struct LogHandle {
    shared: Arc<Shared>,
    sender: Sender<Chunk>,
}

impl LogHandle {
    pub(super) const fn new(shared: Arc<Shared>, sender: Sender<Chunk>) -> Self {
        Self { shared, sender }
    }

    /// Hands over a chunk; `false` when there was no room: then its lines are dropped and counted, and the file will
    /// name their numbers. Never waits: no lock, no system call but a wake-up of the sleeping thread.
    pub fn send(&mut self, chunk: Chunk) -> bool {
        let (len, lines, end) = (chunk.bytes.len(), chunk.lines(), chunk.sequences.end);
        if len == 0 {
            return true;
        }
        let shared = &*self.shared;
        let before = shared.queued.load(Ordering::Acquire);
        if before + len > shared.queue_bytes || shared.stopping() {
            return self.dropped(lines, end);
        }
        // Counted before it is there, so that the thread never subtracts what was not added.
        let before = shared.queued.fetch_add(len, Ordering::AcqRel);
        shared.queued_lines.fetch_add(lines, Ordering::AcqRel);
        if self.sender.send(chunk).is_err() {
            shared.queued.fetch_sub(len, Ordering::AcqRel);
            shared.queued_lines.fetch_sub(lines, Ordering::AcqRel);
            return self.dropped(lines, end);
        }
        // The thread sleeps when nothing waits, and else until its interval ends or a batch is full.
        if before == 0 || (before < shared.flush_bytes && before + len >= shared.flush_bytes) {
            shared.unpark();
        }
        true
    }

    /// Whether so much waits that the rest of the room is for what must not be missed.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.queued_bytes() > self.shared.queue_bytes / 4 * 3
    }

    /// A line that was not made because the queue is crowded.
    pub fn left_out(&self) {
        self.shared.counters.dropped_lines.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that wait now.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    fn dropped(&self, lines: u64, end: u64) -> bool {
        self.shared.counters.dropped_lines.fetch_add(lines, Ordering::Relaxed);
        self.shared.dropped_end.fetch_max(end, Ordering::AcqRel);
        false
    }
}
