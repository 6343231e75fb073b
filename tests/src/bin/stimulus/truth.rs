//! What was done, as one JSON line per operation on standard output.
//!
//! Keys are those of `agentmon_tests::flat`: the test compares every key a line has with the event. A key that starts
//! with `_` is a note for the test. Bytes are escaped as ASCII, so that no byte is lost.

use crate::sys::{self, pid, start_ticks, tid};
use serde_json::{Map, Value};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

/// One operation.
pub struct Truth(Map<String, Value>);

impl Truth {
    /// An operation this thread just did.
    pub fn of(op: &str, ret: i64) -> Self {
        // SAFETY: these calls only return numbers.
        let (uid, euid) = unsafe { (libc::getuid(), libc::geteuid()) };
        Self(Map::new())
            .with("op", op)
            .with("ret", ret)
            .with("pid", pid())
            .with("tid", tid())
            .with("start", start_ticks(pid()))
            .with("uid", uid)
            .with("euid", euid)
    }

    /// An operation of another process, of which only this is known.
    pub fn of_process(op: &str, pid: i64) -> Self {
        Self(Map::new()).with("op", op).with("pid", pid)
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.is_null() {
            self.0.remove(key);
        } else {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    pub fn bytes(self, key: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with(key, bytes.as_ref().escape_ascii().to_string())
    }

    /// The file behind a descriptor, by fstat.
    pub fn file(self, fd: i64) -> Self {
        self.metadata(&std::fs::metadata(format!("/proc/self/fd/{fd}")).expect("an open descriptor"))
    }

    pub fn metadata(self, file: &std::fs::Metadata) -> Self {
        self.with("ino", file.ino())
            .with("dev", format!("{}:{}", libc::major(file.dev()), libc::minor(file.dev())))
            .with("mode", file.mode())
            .with("nlink", file.nlink())
    }

    /// The path of a descriptor as the kernel's own `d_path` prints it.
    pub fn path_of(self, fd: i64) -> Self {
        let path = sys::read_link(format!("/proc/self/fd/{fd}")).expect("an open descriptor");
        let path = sys::bytes(path);
        self.bytes("path", path.strip_suffix(b" (deleted)").unwrap_or(&path))
    }

    pub fn print(self) {
        let mut line = Value::Object(self.0).to_string();
        line.push('\n');
        std::io::stdout().write_all(line.as_bytes()).expect("standard output");
    }
}
