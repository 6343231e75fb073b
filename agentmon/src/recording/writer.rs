//! The writer: a thread that turns lines into JSON and writes them, and never holds up who sends them.
//!
//! Bounded in lines and bytes: what does not fit is left out, counted, and told in the file where it is missing. Not for:
//! rotation; a recording is one file.

use super::{End, FORMAT, Header, Line, Lost};
use crate::event::Event;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Largest recording, bytes; it ends there, and says so.
pub const RECORDING_BYTES_MAX: u64 = 4 << 30;
/// Most lines that wait for the thread.
const LINES_MAX: usize = 32_768;
/// Of these, kept free for what is not an event: agents that come and go must not be missed.
const LINES_KEPT: usize = 256;
/// Most bytes of records whose events wait.
const QUEUE_BYTES: usize = 32 << 20;
/// Longest time a line waits for others before it is written.
const FLUSH: Duration = Duration::from_millis(100);

/// Why a recording could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something stands there already.
    #[error("refuse to record to {}: it exists already", .0.display())]
    Exists(PathBuf),
    /// The file could not be created.
    #[error("cannot create the recording {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("cannot start the recording's thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists(_) => "name a new file: a recording never overwrites another",
            Self::Create { .. } => "create the directory, or name another one",
            Self::Thread(_) => "raise the limit on threads (ulimit -u)",
        }
    }
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Recording {
    sender: SyncSender<Entry>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// Lines left out since this was last written.
    untold: u64,
    lost: u64,
}

#[derive(Debug)]
struct Entry {
    line: Line,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Shared {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl Recording {
    /// Creates the file, readable by its owner alone, and starts the thread.
    ///
    /// # Errors
    /// When something stands there already, or the file cannot be created.
    pub fn start(path: &Path, header: Header) -> Result<Self, StartError> {
        debug_assert_eq!(header.format, FORMAT, "the only format there is");
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = created.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => StartError::Exists(path.to_owned()),
            _ => StartError::Create { path: path.to_owned(), source },
        })?;
        let (sender, entries) = sync_channel(LINES_MAX);
        let shared = Arc::<Shared>::default();
        let output =
            Output { file: BufWriter::with_capacity(256 << 10, file), path: path.to_owned(), room: RECORDING_BYTES_MAX, ended: false };
        let counts = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("am-record".to_owned()).spawn(move || output.run(&entries, &counts));
        let mut recording = Self { sender, shared, thread: thread.map_err(StartError::Thread)?, untold: 0, lost: 0 };
        recording.line(Line::Recording(header));
        Ok(recording)
    }

    /// An event, of a record of so many bytes. Never waits.
    pub fn event(&mut self, event: Event, record_bytes: usize) {
        let bytes = size_of::<Event>() + record_bytes;
        let crowded = self.shared.lines.load(Ordering::Acquire) >= LINES_MAX - LINES_KEPT;
        if crowded || self.shared.bytes.load(Ordering::Acquire) + bytes > QUEUE_BYTES {
            self.untold += 1;
            self.lost += 1;
            return;
        }
        self.send(Line::Event(Box::new(event)), bytes);
    }

    /// Anything else. Never waits.
    pub fn line(&mut self, line: Line) {
        self.send(line, 0);
    }

    /// Lines that are missing in the file.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes all that was sent, and the last line; waits for the disk.
    pub fn stop(mut self, reason: &str) -> u64 {
        self.tell_lost();
        let end = Line::End(End { reason: reason.to_owned(), lost: self.lost });
        // The queue may be full, and now there is time.
        let _ = self.sender.send(Entry { line: end, bytes: 0 });
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the recording's thread panicked");
        }
        self.lost
    }

    fn send(&mut self, line: Line, bytes: usize) {
        self.tell_lost();
        self.put(line, bytes);
    }

    /// Says in the file that something is missing here.
    fn tell_lost(&mut self) {
        if self.untold > 0 && self.put(Line::Lost(Lost { stage: "recording".to_owned(), kind: None, count: self.untold }), 0) {
            self.untold = 0;
        }
    }

    fn put(&mut self, line: Line, bytes: usize) -> bool {
        // Counted before it is there, so that the thread never subtracts what was not added.
        self.shared.lines.fetch_add(1, Ordering::AcqRel);
        self.shared.bytes.fetch_add(bytes, Ordering::AcqRel);
        let is_told = matches!(line, Line::Lost(_));
        let sent = self.sender.try_send(Entry { line, bytes });
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.shared.lines.fetch_sub(1, Ordering::AcqRel);
            self.shared.bytes.fetch_sub(bytes, Ordering::AcqRel);
            if !is_told {
                self.untold += 1;
                self.lost += 1;
            }
            return false;
        }
        true
    }
}

/// The thread's side.
struct Output {
    file: BufWriter<File>,
    path: PathBuf,
    /// Bytes that may still be written.
    room: u64,
    /// Whether nothing more is written: the file is full, or could not be written.
    ended: bool,
}

impl Output {
    fn run(mut self, entries: &Receiver<Entry>, shared: &Shared) {
        loop {
            match entries.recv_timeout(FLUSH) {
                Ok(entry) => {
                    self.write(&entry.line);
                    shared.lines.fetch_sub(1, Ordering::AcqRel);
                    shared.bytes.fetch_sub(entry.bytes, Ordering::AcqRel);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.ended
                        && let Err(error) = self.file.flush()
                    {
                        self.failed(&error);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.ended {
            return;
        }
        if let Err(error) = self.file.flush().and_then(|()| self.file.get_ref().sync_all()) {
            self.failed(&error);
        }
    }

    fn write(&mut self, line: &Line) {
        if self.ended {
            return;
        }
        let mut text = match serde_json::to_vec(line) {
            Ok(text) => text,
            Err(error) => return self.failed(&error.into()),
        };
        text.push(b'\n');
        let written = match self.room.checked_sub(text.len() as u64) {
            Some(room) => {
                self.room = room;
                self.file.write_all(&text)
            }
            None => self.end_full(),
        };
        if let Err(error) = written {
            self.failed(&error);
        }
    }

    /// The file is as large as it may be. The last line says so: a replay knows that more was done than it shows.
    fn end_full(&mut self) -> io::Result<()> {
        self.ended = true;
        tracing::warn!("the recording {} ends: it has {RECORDING_BYTES_MAX} bytes", self.path.display());
        let end = Line::End(End { reason: "the recording was full".to_owned(), lost: 0 });
        serde_json::to_writer(&mut self.file, &end)?;
        self.file.write_all(b"\n")?;
        self.file.flush()
    }

    fn failed(&mut self, error: &io::Error) {
        self.ended = true;
        tracing::error!("the recording {} ends: {error}", self.path.display());
    }
}
