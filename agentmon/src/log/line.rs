//! One line while it is written: the common head, untrusted strings within limits, and what had to be cut or replaced.
//!
//! Used by the modules of each class. Not for: what a class contains, and not for files.

use super::json::Json;
use super::text;
use crate::event::{Event, Path, PathTrust, Text, flags};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest line in bytes, the newline included. Shippers stop at, split or forge from longer ones.
pub const LINE_MAX: usize = 16 * 1024;
/// Longest escaped form of a short name: of an agent, a rule, a host, a file.
pub(super) const NAME_MAX: usize = 128;
/// Most untrusted fields of one line.
const NOTES_MAX: usize = 12;

/// Longest escaped form of strings that may be long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub cmd_line: usize,
    pub other: usize,
}

/// What became of an untrusted string.
#[derive(Clone, Copy, Debug, Default)]
struct Note<'e> {
    field: &'static str,
    raw: &'e [u8],
    original: usize,
    lossy: bool,
}

impl Note<'_> {
    fn is_cut(&self) -> bool {
        self.original > self.raw.len()
    }
}

/// A line in the making.
#[derive(Debug)]
pub(super) struct Line<'o, 'e> {
    pub json: Json<'o>,
    limits: Limits,
    notes: [Note<'e>; NOTES_MAX],
    noted: usize,
    /// Bytes that text and base64 of the command line take.
    pub cmd_line_cost: usize,
}

/// What stands at the front of every line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub epoch_ns: u64,
    pub class: u32,
    pub activity: u32,
    /// For activity 99.
    pub activity_name: Option<&'static str>,
    pub severity: u8,
    /// 0 unknown, 1 success, 2 failure.
    pub status: u8,
    pub status_code: Option<&'static str>,
}

impl<'o, 'e> Line<'o, 'e> {
    pub fn new(out: &'o mut Vec<u8>, limits: Limits) -> Self {
        Self { json: Json::new(out), limits, notes: [Note::default(); NOTES_MAX], noted: 0, cmd_line_cost: 0 }
    }

    pub fn head(&mut self, head: &Head) {
        let json = &mut self.json;
        json.raw("{\"time\":");
        json.raw(itoa::Buffer::new().format(head.epoch_ns / 1_000_000));
        json.number("class_uid", head.class);
        json.number("category_uid", head.class / 1000);
        json.number("activity_id", head.activity);
        if let Some(name) = head.activity_name {
            json.word("activity_name", name);
        }
        json.number("type_uid", head.class * 100 + head.activity);
        json.number("severity_id", head.severity);
        json.number("status_id", head.status);
        if let Some(code) = head.status_code {
            json.word("status_code", code);
        }
    }

    /// A string the agent chose, under `key`; remembered as `field` if it is cut or not UTF-8.
    pub fn untrusted(&mut self, key: &str, field: &'static str, raw: &'e [u8], original: usize) {
        self.json.key(key);
        self.untrusted_value(field, raw, original, self.limits.other);
    }

    pub fn text(&mut self, key: &str, field: &'static str, text: &'e Text) {
        self.untrusted(key, field, &text.bytes, text.original as usize);
    }

    fn untrusted_value(&mut self, field: &'static str, raw: &'e [u8], original: usize, limit: usize) {
        let out = self.json.buffer();
        out.push(b'"');
        let done = text::escape(out, raw, limit);
        out.push(b'"');
        self.note(Note { field, raw: &raw[..done.kept], original: original.max(raw.len()), lossy: done.lossy });
    }

    fn note(&mut self, note: Note<'e>) {
        if (note.lossy || note.is_cut()) && self.noted < NOTES_MAX {
            self.notes[self.noted] = note;
            self.noted += 1;
        }
    }

    /// The command line: arguments joined by blanks. `spaced` is `argv` with blanks for NULs.
    pub fn cmd_line(&mut self, argv: &'e Text, spaced: &[u8]) {
        self.json.key("cmd_line");
        let limit = self.limits.cmd_line;
        let out = self.json.buffer();
        let before = out.len();
        out.push(b'"');
        let done = text::escape(out, spaced, limit);
        out.push(b'"');
        self.cmd_line_cost = out.len() - before;
        let missing = argv.bytes.len() - spaced.len();
        let whole = done.kept == spaced.len();
        let kept = if whole { done.kept + missing } else { done.kept };
        if done.lossy {
            self.cmd_line_cost += kept.div_ceil(3) * 4;
        }
        let original = (argv.original as usize).max(argv.bytes.len());
        self.note(Note { field: "cmd_line", raw: &argv.bytes[..kept], original, lossy: done.lossy });
    }

    /// `name` and `path` of a file object.
    pub fn file_path(&mut self, field: &'static str, path: &'e Path) {
        self.json.key("name");
        self.basename(&path.bytes);
        if !path.bytes.is_empty() {
            self.untrusted("path", field, &path.bytes, path.bytes.len());
        }
    }

    /// The last component of a path as a value. It is cut without a note: the path has it in full.
    pub fn basename(&mut self, path: &[u8]) {
        let out = self.json.buffer();
        out.push(b'"');
        let name = basename(path);
        text::escape(out, if name.is_empty() { b"?" } else { name }, 2 * NAME_MAX);
        out.push(b'"');
    }

    /// `"path_trust"` of a path the kernel did not resolve.
    pub fn trust(&mut self, trust: PathTrust) {
        match trust {
            PathTrust::Resolved => {}
            PathTrust::Joined => self.json.word("path_trust", "joined"),
            PathTrust::Partial => self.json.word("path_trust", "partial"),
        }
    }

    /// Names of the event's flags.
    pub fn flags(&mut self, event: &Event) {
        if event.flags == 0 {
            return;
        }
        self.json.list("flags");
        for (bit, name) in FLAG_NAMES {
            if event.has(bit) {
                self.json.separate();
                self.json.quoted(name);
            }
        }
        self.json.close_list();
    }

    /// What was cut (with how long it was) and the raw bytes of what is not UTF-8; belongs into `unmapped`, last.
    /// Returns whether anything was cut.
    pub fn notes(&mut self) -> bool {
        let notes = &self.notes[..self.noted];
        for note in notes.iter().filter(|note| note.lossy) {
            self.json.separate();
            self.json.raw("\"");
            self.json.raw(note.field);
            self.json.raw("_b64\":\"");
            let out = self.json.buffer();
            let from = out.len();
            out.resize(from + note.raw.len().div_ceil(3) * 4, 0);
            // The room is exact, so that this cannot fail.
            let _ = STANDARD.encode_slice(note.raw, &mut out[from..]);
            out.push(b'"');
        }
        if !notes.iter().any(Note::is_cut) {
            return false;
        }
        self.json.object("truncated");
        for note in notes.iter().filter(|note| note.is_cut()) {
            self.json.number(note.field, note.original);
        }
        self.json.close();
        true
    }
}

/// Names of the bits of [`flags`], in `unmapped.flags`.
const FLAG_NAMES: [(u16, &str); 9] = [
    (flags::COMPAT, "compat32"),
    (flags::READ_AT_EXIT, "read_at_exit"),
    (flags::UNREADABLE, "unreadable"),
    (flags::CHANGED, "changed"),
    (flags::TRUNCATED, "truncated"),
    (flags::SUBMITTED, "submitted"),
    (flags::APART, "told_apart"),
    (flags::RESOLVED, "resolved"),
    (flags::MISMATCH, "path_mismatch"),
];

/// The last component of a path; the whole of it when there is none.
pub(super) fn basename(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) if slash + 1 < path.len() => &path[slash + 1..],
        _ => path,
    }
}
