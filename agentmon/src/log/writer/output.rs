//! The thread's side: batches, retries, gap records, and when to rotate or open the file again.
//!
//! A batch that cannot be written is kept and tried again from where it stopped, so that a line is never torn in two;
//! meanwhile the queue fills and drops. Not for: who may send what (`super::queue`).

use super::file::{self, LogFile};
use super::queue::{Chunk, Shared};
use super::{StartError, WriterConfig, rotation};
use crate::event::errno;
use crate::log::entry::WriteGap;
use crate::log::format::Envelope;
use crate::log::records;
use bstr::ByteSlice;
use jiff::Timestamp;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// How often the thread looks whether the path still names its file.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Between attempts at a file that cannot be written.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Everything the thread owns.
#[derive(Debug)]
pub(super) struct Output {
    config: WriterConfig,
    envelope: Envelope,
    shared: Arc<Shared>,
    chunks: Receiver<Chunk>,
    file: Option<LogFile>,
    /// The segment start of a file that was just opened, as far as it is not written.
    preamble: Pending,
    batch: Pending,
    /// First sequence number of the batch, and its lines.
    batch_first: u64,
    batch_lines: u64,
    /// The next sequence number, if nothing is missing.
    next: u64,
    /// First sequence number in the file.
    file_first: u64,
    /// Segment starts and gaps written so far.
    own_records: u64,
    errors_since_gap: u64,
    last_error: Option<&'static str>,
    looked: Instant,
    refused: Option<Instant>,
}

/// Bytes of which the first `written` are in the file.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
}

impl Pending {
    fn is_done(&self) -> bool {
        self.written == self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }

    fn is_torn(&self) -> bool {
        self.written > 0 && self.bytes[self.written - 1] != b'\n'
    }

    /// Back to the start of the line that was being written: another file gets it whole.
    fn back_to_line_start(&mut self) {
        self.written = self.bytes[..self.written].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    }

    fn write(&mut self, file: &mut LogFile, bytes: &AtomicU64) -> io::Result<()> {
        while !self.is_done() {
            match file.file.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.written += len;
                    file.size += len as u64;
                    bytes.fetch_add(len as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.clear();
        Ok(())
    }
}

impl Output {
    pub fn new(config: WriterConfig, envelope: Envelope, shared: Arc<Shared>, chunks: Receiver<Chunk>, opened: LogFile) -> Self {
        let mut output = Self {
            config,
            envelope,
            shared,
            chunks,
            file: None,
            preamble: Pending::default(),
            batch: Pending::default(),
            batch_first: 1,
            batch_lines: 0,
            next: 1,
            file_first: 1,
            own_records: 0,
            errors_since_gap: 0,
            last_error: None,
            looked: Instant::now(),
            refused: None,
        };
        output.begin_file(opened);
        output
    }

    pub fn run(mut self) {
        loop {
            let stopping = self.shared.stopping();
            self.look_after_file();
            if self.batch.bytes.is_empty() {
                self.fill();
            }
            if let Err(error) = self.flush() {
                self.failed(&error);
                if stopping && self.refused.is_some_and(|since| since.elapsed() >= self.config.stop_timeout) {
                    return self.give_up();
                }
                thread::park_timeout(RETRY_INTERVAL);
                continue;
            }
            self.refused = None;
            if self.has_more() {
                continue;
            }
            if stopping {
                return self.finish();
            }
            self.wait();
        }
    }

    fn has_more(&self) -> bool {
        self.shared.queued.load(Ordering::Acquire) > 0 || self.shared.dropped_end.load(Ordering::Acquire) > self.next
    }

    /// Sleeps while nothing waits; then until the interval ends, a batch is full, or something is asked.
    fn wait(&self) {
        let shared = &*self.shared;
        let asked = || shared.stopping() || shared.reopen_wanted();
        if shared.queued.load(Ordering::Acquire) == 0 && !asked() {
            thread::park_timeout(LOOK_INTERVAL.saturating_sub(self.looked.elapsed()).max(Duration::from_millis(1)));
        }
        let until = Instant::now() + self.config.flush_interval;
        loop {
            let queued = shared.queued.load(Ordering::Acquire);
            let left = until.saturating_duration_since(Instant::now());
            if queued == 0 || queued >= self.config.flush_bytes || asked() || left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    /// Takes chunks into the batch, and says before each which numbers are missing.
    fn fill(&mut self) {
        self.batch_first = self.next;
        // Read before the queue is: what was sent before a drop is then found in the queue first.
        let dropped_end = self.shared.dropped_end.load(Ordering::Acquire);
        while self.batch.bytes.len() < self.config.flush_bytes {
            let Ok(chunk) = self.chunks.try_recv() else {
                self.gap_until(dropped_end);
                return;
            };
            self.shared.queued.fetch_sub(chunk.bytes.len(), Ordering::AcqRel);
            self.shared.queued_lines.fetch_sub(chunk.lines(), Ordering::AcqRel);
            self.gap_until(chunk.sequences.start);
            self.batch.bytes.extend_from_slice(&chunk.bytes);
            debug_assert_eq!(chunk.bytes.last(), Some(&b'\n'), "chunks hold complete lines");
            self.batch_lines += chunk.lines();
            self.next = chunk.sequences.end;
        }
    }

    fn gap_until(&mut self, start: u64) {
        if start <= self.next {
            return;
        }
        let gap = WriteGap { missing: self.next..start, write_errors: self.errors_since_gap, error: self.last_error };
        let number = self.own_number();
        records::write_gap(&self.envelope, number, now_ns(), &gap, &mut self.batch.bytes);
        self.next = start;
        self.errors_since_gap = 0;
        self.last_error = None;
    }

    fn own_number(&mut self) -> u64 {
        self.own_records += 1;
        self.own_records
    }

    /// Writes what is pending. After an error the rest is still pending.
    fn flush(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let opened = file::open(&self.config.path).map_err(into_io)?;
            self.begin_file(opened);
        }
        self.rotate_if_full()?;
        let counters = Arc::clone(&self.shared.counters);
        if let Some(file) = &mut self.file {
            self.preamble.write(file, &counters.bytes)?;
            self.batch.write(file, &counters.bytes)?;
        }
        counters.lines.fetch_add(self.batch_lines, Ordering::Relaxed);
        self.batch_lines = 0;
        Ok(())
    }

    /// Makes an opened file the current one; its segment start comes before anything else.
    fn begin_file(&mut self, opened: LogFile) {
        self.preamble.clear();
        if opened.torn {
            self.preamble.bytes.push(b'\n');
        }
        self.file_first = if self.batch.bytes.is_empty() { self.next } else { self.batch_first };
        let number = self.own_number();
        let segment = self.shared.segment.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        records::segment_start(&self.envelope, number, now_ns(), self.file_first, &segment, &mut self.preamble.bytes);
        self.file = Some(opened);
    }

    fn rotate_if_full(&mut self) -> io::Result<()> {
        let Some(current) = &self.file else { return Ok(()) };
        // Never in the middle of a batch, and never a file that has nothing but its first line.
        let begun = self.batch.written > 0 || !self.preamble.is_done() || self.file_first == self.batch_first;
        let full = current.size + self.batch.bytes.len() as u64 > self.config.max_bytes;
        if begun || !full || self.batch.bytes.is_empty() {
            return Ok(());
        }
        if file::still_named(&self.config.path, current.id) {
            match rotation::rename_away(&self.config.path, Timestamp::now(), self.file_first) {
                Ok(_) => {
                    self.shared.counters.rotations.fetch_add(1, Ordering::Relaxed);
                }
                // Better a file that is too large than lines that are lost.
                Err(error) => {
                    self.count_error(&error);
                    return Ok(());
                }
            }
        }
        self.file = None;
        if let Err(error) = rotation::delete_oldest(&self.config.path, self.config.max_files, self.config.max_total_bytes) {
            self.count_error(&error);
        }
        let opened = file::open(&self.config.path).map_err(into_io)?;
        self.begin_file(opened);
        Ok(())
    }

    /// Opens the path again when that was asked for, or when it no longer names our file.
    fn look_after_file(&mut self) {
        let asked = self.shared.take_reopen();
        if !asked && self.looked.elapsed() < LOOK_INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let Some(current) = &self.file else { return };
        if asked || !file::still_named(&self.config.path, current.id) {
            self.leave_file();
        }
    }

    fn leave_file(&mut self) {
        if let Some(current) = &mut self.file
            && (self.batch.is_torn() || self.preamble.is_torn())
        {
            // The other file's last line ends here; this one will have it whole.
            let _ = current.file.write(b"\n");
        }
        self.batch.back_to_line_start();
        self.file = None;
    }

    fn failed(&mut self, error: &io::Error) {
        self.count_error(error);
        if self.refused.is_none() {
            self.refused = Some(Instant::now());
            tracing::error!(path = %self.config.path.display(), %error, "cannot write the log; trying again");
        }
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if !full && self.file.is_some() {
            self.leave_file();
        }
    }

    fn count_error(&mut self, error: &io::Error) {
        self.shared.counters.write_errors.fetch_add(1, Ordering::Relaxed);
        self.errors_since_gap += 1;
        self.last_error = Some(error.raw_os_error().and_then(|code| u32::try_from(code).ok()).map_or("E?", errno::name));
    }

    /// The file is refused until the end: what is left counts as dropped.
    fn give_up(&mut self) {
        let written = numbered_lines(&self.batch.bytes[..self.batch.written]);
        self.shared.counters.lines.fetch_add(written, Ordering::Relaxed);
        self.shared.counters.dropped_lines.fetch_add(self.batch_lines - written, Ordering::Relaxed);
        tracing::error!(path = %self.config.path.display(), lines = self.batch_lines - written, "the log was given up with lines unwritten");
    }

    fn finish(&mut self) {
        if let Some(current) = &self.file
            && let Err(error) = current.file.sync_all()
        {
            self.count_error(&error);
        }
    }
}

/// Complete lines that are not gap records. An agent's text cannot look like one: its quotes are escaped.
fn numbered_lines(bytes: &[u8]) -> u64 {
    let complete = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    complete.filter(|line| !line.contains_str("\"event_code\":\"log_gap\"")).count() as u64
}

fn into_io(error: StartError) -> io::Error {
    match error {
        StartError::Open { source, .. } | StartError::Thread(source) => source,
        StartError::Unsafe { what, .. } => io::Error::other(what),
    }
}

/// Nanoseconds since the epoch. The writer's own records are stamped when they are made.
fn now_ns() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}
