//! The writer: a thread that puts chunks of lines on disk and never holds up who sends them.
//!
//! Bounded by bytes: what does not fit is dropped and counted, and the file says which sequence numbers are missing.
//! Rotation is by rename and create. Not for: making lines of events (`super::format`), other sinks, compression.

mod file;
mod output;
mod queue;
mod rotation;

pub use queue::{Chunk, LogHandle};

use super::format::{Envelope, Host};
use output::Output;
use queue::Shared;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where and how the log is written.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// The file that is written to, `/var/log/agentmon/events.jsonl`; rotated ones stand beside it.
    pub path: PathBuf,
    /// Size in bytes at which the file is rotated.
    pub max_bytes: u64,
    /// Most rotated files that are kept.
    pub max_files: usize,
    /// Most bytes that rotated files may have together.
    pub max_total_bytes: u64,
    /// Most bytes that wait for the thread; what is sent beyond is dropped.
    pub queue_bytes: usize,
    /// Longest time a line waits for others, before it is written.
    pub flush_interval: Duration,
    /// Bytes at which a batch is written without waiting.
    pub flush_bytes: usize,
    /// How long [`LogWriter::stop`] goes on trying when the file cannot be written.
    pub stop_timeout: Duration,
    /// Machine and run, as the lines name them.
    pub host: Host,
    /// What the first line of each file says.
    pub segment: Segment,
}

impl WriterConfig {
    /// The defaults: 64 MiB per file, 2 GiB or 4,096 files kept, 8 MiB of queue, batches of 50 ms or 256 KiB.
    #[must_use]
    pub fn new(path: PathBuf, host: Host, segment: Segment) -> Self {
        Self {
            path,
            max_bytes: 64 << 20,
            max_files: 4_096,
            max_total_bytes: 2 << 30,
            queue_bytes: 8 << 20,
            flush_interval: Duration::from_millis(50),
            flush_bytes: 256 << 10,
            stop_timeout: Duration::from_secs(2),
            host,
            segment,
        }
    }
}

/// What the first line of each file says, beside who writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// `uname -r`.
    pub kernel_release: String,
    /// Digest of the loaded rules.
    pub rules_digest: String,
    /// Names of the attached eBPF programs; at most 64 are written.
    pub programs: Vec<String>,
}

/// What the log has done, for the metrics. Read at any time from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Numbered lines in the file.
    pub lines: AtomicU64,
    /// Bytes in the file, the writer's own records included.
    pub bytes: AtomicU64,
    /// Lines that are not in the file: the queue was full, or the file could not be written until the end.
    pub dropped_lines: AtomicU64,
    /// Failed system calls: write, open, rename.
    pub write_errors: AtomicU64,
    /// Files that were rotated.
    pub rotations: AtomicU64,
    /// Lines with something cut. Kept up to date by who formats, from `Format::shortened`.
    pub truncated_lines: AtomicU64,
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file could not be opened or created.
    #[error("cannot open the log {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What stands there is not a file of ours: a symbolic link, a pipe, another user's file, a second name.
    #[error("refuse to write the log to {path}: {what}")]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The thread could not be started.
    #[error("cannot start the log thread: {0}")]
    Thread(std::io::Error),
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "create the directory, or name another one",
            Self::Unsafe { .. } => "use a directory that only root can write to, such as /var/log/agentmon",
            Self::Thread(_) => "raise the limit on threads (ulimit -u)",
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl LogWriter {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened or is not safe to write, or when no thread can be started. Trouble that comes
    /// later is counted, retried, and told by a gap record.
    pub fn start(config: WriterConfig) -> Result<(LogHandle, Self), StartError> {
        file::make_directory(&config.path);
        file::check_directory(&config.path)?;
        let opened = file::open(&config.path)?;
        let (sender, chunks) = mpsc::channel();
        let shared = Arc::new(Shared::new(&config));
        let envelope = Envelope::new(&config.host);
        let output = Output::new(config, envelope, Arc::clone(&shared), chunks, opened);
        let thread = thread::Builder::new().name("am-log".to_owned()).spawn(|| output.run()).map_err(StartError::Thread)?;
        shared.wake_up(thread.thread().clone());
        Ok((LogHandle::new(Arc::clone(&shared), sender), Self { shared, thread }))
    }

    /// The counters, which go on living when the thread has ended.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Closes the file and opens the path again, creating it if need be: for who rotates by other means (SIGUSR1).
    pub fn reopen(&self) {
        self.shared.ask_reopen();
    }

    /// What the first line of the next file says: after a reload.
    pub fn set_segment(&self, segment: Segment) {
        *self.shared.segment.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = segment;
    }

    /// Writes what was sent before this call, syncs the file, and ends the thread. Waits for the disk, but not longer
    /// than `stop_timeout` for one that refuses; what is left then counts as dropped.
    pub fn stop(self) -> Arc<Counters> {
        self.shared.ask_stop();
        if self.thread.join().is_err() {
            tracing::error!("the log thread panicked");
        }
        let late = self.shared.queued_lines.swap(0, Ordering::AcqRel);
        self.shared.counters.dropped_lines.fetch_add(late, Ordering::Relaxed);
        Arc::clone(&self.shared.counters)
    }
}
