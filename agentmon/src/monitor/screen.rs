//! Live lines on standard output, written by a thread of their own: a terminal that stands still holds nobody up.
//!
//! Bounded: when the reader is that far behind, lines are dropped, and counted by who sends. Not for: what a line says
//! (`crate::view`, `crate::log`).

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Chunks that may wait; a chunk is at most about 64 KiB.
const CHUNKS_MAX: usize = 256;
/// How long the end waits for a reader.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What live lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenMode {
    /// One compact line per operation, for people.
    Compact {
        /// With colours.
        colour: bool,
        /// Also what is usually of no interest: successful reads, forks.
        all: bool,
    },
    /// The log's lines.
    Json,
}

/// The sending end.
pub struct Screen {
    sender: SyncSender<Bytes>,
    /// Lines that could not be written, for whatever reason but a reader that has gone.
    unwritten: Arc<AtomicU64>,
    /// Chunks that wait.
    waiting: Arc<AtomicUsize>,
    /// Answers when the thread has ended.
    ended: Receiver<()>,
}

impl Screen {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start() -> std::io::Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS_MAX);
        let (end, ended) = sync_channel::<()>(1);
        let unwritten = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&unwritten);
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&waiting);
        std::thread::Builder::new().name("am-screen".into()).spawn(move || {
            let taking = chunks.iter().inspect(|_| {
                taken.fetch_sub(1, Ordering::Relaxed);
            });
            write(taking, &counter);
            drop(end);
        })?;
        Ok(Self { sender, unwritten, waiting, ended })
    }

    /// Whether so much waits that the rest of the room is for what must not be missed.
    pub fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > CHUNKS_MAX / 4 * 3
    }

    /// Hands over lines; `false` when the reader is too far behind.
    pub fn send(&self, lines: Bytes) -> bool {
        self.unwritten.fetch_add(count(&lines), Ordering::Relaxed);
        // Counted before it is there, so that the thread never subtracts what was not added.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match self.sender.try_send(lines) {
            Ok(()) => true,
            Err(TrySendError::Full(lines)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                self.unwritten.fetch_sub(count(&lines), Ordering::Relaxed);
                false
            }
            // A reader that has gone away (EPIPE) wants nothing: not a loss.
            Err(TrySendError::Disconnected(lines)) => {
                self.unwritten.fetch_sub(count(&lines), Ordering::Relaxed);
                true
            }
        }
    }

    /// Writes what was sent and ends the thread; a reader that stands still is waited for no longer than [`STOP_WITHIN`].
    /// Returns the lines that were not written.
    pub fn stop(self) -> u64 {
        drop(self.sender);
        // Disconnected is the end of the thread, which sends nothing.
        if self.ended.recv_timeout(STOP_WITHIN) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("whoever reads standard output stands still; the rest of the live lines is dropped");
        }
        self.unwritten.load(Ordering::Relaxed)
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|b| **b == b'\n').count() as u64
}

fn write(chunks: impl Iterator<Item = Bytes>, unwritten: &AtomicU64) {
    let out = std::io::stdout();
    let mut given_up = false;
    for chunk in chunks {
        // Taken all the same, so that what comes stays counted as unwritten.
        if given_up {
            continue;
        }
        match write_whole(&out, &chunk) {
            Ok(()) => drop(unwritten.fetch_sub(count(&chunk), Ordering::Relaxed)),
            Err(Errno::PIPE) => {
                unwritten.store(0, Ordering::Relaxed);
                return;
            }
            Err(error) => {
                tracing::warn!("live lines cannot be written any more: {error}");
                given_up = true;
            }
        }
    }
}

/// Writes all, waiting for the reader: the agent shares the open file, and may have made it non-blocking.
fn write_whole(out: &impl AsFd, mut rest: &[u8]) -> Result<(), Errno> {
    while !rest.is_empty() {
        match rustix::io::write(out, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(out, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
