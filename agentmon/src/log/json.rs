//! A JSON object as it is written: keys, numbers and strings appended to a buffer, commas placed by looking back.
//!
//! Why not serde: a line is capped after escaping and names the raw bytes of what it could not show, so writing and
//! measuring are one act. Not for: strings an agent chose (`super::line` limits those), and not for reading JSON.

use super::text;

/// Appends to one line.
#[derive(Debug)]
pub(super) struct Json<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Json<'o> {
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// A comma, unless this is the first thing in its object or list.
    pub fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b'\n')) {
            self.out.push(b',');
        }
    }

    /// Text that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    pub fn key(&mut self, key: &str) {
        self.separate();
        self.out.push(b'"');
        self.raw(key);
        self.raw("\":");
    }

    /// Opens an object without a name: a line, or a member of a list.
    pub fn open(&mut self) {
        self.separate();
        self.out.push(b'{');
    }

    pub fn object(&mut self, key: &str) {
        self.key(key);
        self.out.push(b'{');
    }

    pub fn close(&mut self) {
        self.out.push(b'}');
    }

    pub fn list(&mut self, key: &str) {
        self.key(key);
        self.out.push(b'[');
    }

    pub fn close_list(&mut self) {
        self.out.push(b']');
    }

    pub fn number(&mut self, key: &str, value: impl itoa::Integer) {
        self.key(key);
        self.raw(itoa::Buffer::new().format(value));
    }

    /// A number as a member of a list.
    pub fn item(&mut self, value: impl itoa::Integer) {
        self.separate();
        self.raw(itoa::Buffer::new().format(value));
    }

    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.raw(if value { "true" } else { "false" });
    }

    /// A string this program chose: written as it is.
    pub fn word(&mut self, key: &str, value: &'static str) {
        self.key(key);
        self.quoted(value);
    }

    /// A string this program chose, as a member of a list or a value.
    pub fn quoted(&mut self, value: &str) {
        self.out.push(b'"');
        self.raw(value);
        self.out.push(b'"');
    }

    /// A string from a configuration or a rule: escaped, and cut when its escaped form is longer than `limit` bytes.
    pub fn string(&mut self, key: &str, value: &str, limit: usize) {
        self.key(key);
        self.string_value(value, limit);
    }

    /// The same as a value of its own.
    pub fn string_value(&mut self, value: &str, limit: usize) {
        self.out.push(b'"');
        text::escape(self.out, value.as_bytes(), limit);
        self.out.push(b'"');
    }

    /// Displayed into quotes; for values whose text needs no escaping (addresses).
    pub fn plain(&mut self, key: &str, value: impl std::fmt::Display) {
        use std::io::Write;
        self.key(key);
        self.out.push(b'"');
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, "{value}");
        self.out.push(b'"');
    }

    /// Lower-case hexadecimal digits, without quotes or leading zeros.
    pub fn hex(&mut self, value: u64) {
        let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.out.push(b"0123456789abcdef"[(value >> (digit * 4)) as usize & 0xf]);
        }
    }
}
