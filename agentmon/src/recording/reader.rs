//! The reader: lines of a recording, one by one. What it reads is anybody's: every line is bounded and checked.
//!
//! Not for: what the lines mean together (`super::replay`).

use super::{FORMAT, Header, Line};
use std::io::{self, BufRead, Read};

/// Longest line, bytes: far more than the largest record takes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Why a recording cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("line {line}: {source}")]
    Io {
        /// The line, counted from 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing.
    #[error("line 1: the file is empty")]
    Empty,
    /// A line without end.
    #[error("line {line}: longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// The line.
        line: u64,
    },
    /// The last line has no newline.
    #[error("line {line}: the file is cut short in the midst of it")]
    Cut {
        /// The line.
        line: u64,
    },
    /// The file ends without its last line.
    #[error("line {line}: the recording ends here without an `end` line: it is cut short, or still being written")]
    NoEnd {
        /// The line that is missing.
        line: u64,
    },
    /// A line that is none.
    #[error("line {line}: {what}")]
    Bad {
        /// The line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a recording line by line; after an error, or the last line, there is none.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    /// Number of the line that was read last.
    line: u64,
    buffer: Vec<u8>,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When this is no recording, or one of another version.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let header = Header {
            format: FORMAT,
            agentmon: String::new(),
            boot_ns: 0,
            kernel: String::new(),
            host: String::new(),
            rules_digest: String::new(),
            about: Vec::new(),
        };
        let mut reader = Self { input, header, line: 0, buffer: Vec::new(), over: false };
        if !reader.read()? {
            return Err(ReadError::Empty);
        }
        // Of another version perhaps nothing else is as it is here.
        let version = serde_json::from_slice::<serde_json::Value>(&reader.buffer).ok();
        match version.as_ref().and_then(|value| value.get("recording")?.get("format")?.as_u64()) {
            None => return Err(reader.bad("this is no recording: the first line has no `recording` with a `format`")),
            Some(format) if format != u64::from(FORMAT) => {
                return Err(reader.bad(format!("a recording of format {format}; this build reads format {FORMAT}")));
            }
            Some(_) => {}
        }
        match reader.parse()? {
            Line::Recording(header) => reader.header = header,
            _ => return Err(reader.bad("the first line is no header")),
        }
        Ok(reader)
    }

    /// What the first line says.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next line with its number; `None` after the last one.
    ///
    /// # Errors
    /// When the line is damaged, or missing.
    pub fn line(&mut self) -> Result<Option<(u64, Line)>, ReadError> {
        if self.over {
            return Ok(None);
        }
        let read = self.next_line();
        self.over = !matches!(read, Ok((_, ref line)) if !matches!(line, Line::End(_)));
        read.map(Some)
    }

    fn next_line(&mut self) -> Result<(u64, Line), ReadError> {
        if !self.read()? {
            return Err(ReadError::NoEnd { line: self.line });
        }
        let line = self.parse()?;
        match &line {
            Line::Recording(_) => return Err(self.bad("a second header")),
            Line::Event(event) => event.check().map_err(|what| self.bad(what))?,
            _ => {}
        }
        Ok((self.line, line))
    }

    /// Reads a line into the buffer, without its newline; `false` at the end of the file.
    fn read(&mut self) -> Result<bool, ReadError> {
        self.line += 1;
        let line = self.line;
        self.buffer.clear();
        let mut bounded = self.input.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        bounded.read_until(b'\n', &mut self.buffer).map_err(|source| ReadError::Io { line, source })?;
        match self.buffer.pop() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) if self.buffer.len() >= LINE_BYTES_MAX => Err(ReadError::TooLong { line }),
            Some(_) => Err(ReadError::Cut { line }),
        }
    }

    fn parse(&self) -> Result<Line, ReadError> {
        serde_json::from_slice(&self.buffer).map_err(|error| {
            // serde_json counts lines of its own.
            let text = error.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            self.bad(format!("{what} (column {})", error.column()))
        })
    }

    fn bad(&self, what: impl Into<String>) -> ReadError {
        let what = crate::view::escape::escaped(what.into().as_bytes());
        ReadError::Bad { line: self.line, what }
    }
}
