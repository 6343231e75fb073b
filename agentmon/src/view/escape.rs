//! Untrusted bytes made safe to show on a terminal: nothing in the output moves the cursor, colours, hides or reorders.
//!
//! Not for: JSON (`crate::log::text`), which has its own escapes.

use crate::log::text::steers;
use std::fmt::Write;

/// Appends `bytes` for a terminal. Printable UTF-8 stays; control bytes and bytes that are not UTF-8 become `\xNN`,
/// characters that steer or hide become `\u{N}`, and a backslash is doubled, so that the text is unambiguous.
pub fn escape(out: &mut String, bytes: &[u8]) {
    escape_within(out, bytes, usize::MAX);
}

/// The same with at most `width` characters; what is cut ends in `…`. Returns the characters that were added. A wide
/// character counts as one: this bounds what an agent can print, it does not align columns.
pub fn escape_within(out: &mut String, bytes: &[u8], width: usize) -> usize {
    let mut writer = Bounded { out, left: width, used: 0, undo: None };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if !writer.character(c) {
                return writer.cut();
            }
        }
        for byte in chunk.invalid() {
            if !writer.piece(format_args!("\\x{byte:02x}"), 4) {
                return writer.cut();
            }
        }
    }
    writer.used
}

/// `bytes` for a terminal, as a string of its own.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    escape(&mut out, bytes);
    out
}

struct Bounded<'a> {
    out: &'a mut String,
    left: usize,
    used: usize,
    /// Where the text ended while there was still room for `…`: length in bytes and characters.
    undo: Option<(usize, usize)>,
}

impl Bounded<'_> {
    fn character(&mut self, c: char) -> bool {
        match c {
            '\\' => self.piece(format_args!("\\\\"), 2),
            c if c.is_ascii() && steers(c) => self.piece(format_args!("\\x{:02x}", u32::from(c)), 4),
            c if steers(c) => {
                let digits = 8 - (u32::from(c).leading_zeros() / 4) as usize;
                self.piece(format_args!("\\u{{{:x}}}", u32::from(c)), digits + 4)
            }
            c => self.piece(format_args!("{c}"), 1),
        }
    }

    /// Adds a piece of `width` characters, if there is room.
    fn piece(&mut self, text: std::fmt::Arguments<'_>, width: usize) -> bool {
        if self.left > 0 {
            self.undo = Some((self.out.len(), self.used));
        }
        if width > self.left {
            return false;
        }
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
        self.left -= width;
        self.used += width;
        true
    }

    /// Puts `…` at the end, in place of the last piece if need be.
    fn cut(self) -> usize {
        let Some((len, used)) = self.undo else { return self.used };
        self.out.truncate(len);
        self.out.push('…');
        used + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{escape_within, escaped};
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn what_steers_a_terminal_is_shown_instead_of_obeyed() {
        assert_eq!(escaped(b"a\x1b[2Jb\n\x7f\\"), r"a\x1b[2Jb\x0a\x7f\\");
        assert_eq!(escaped("é\u{9b}\u{202e}\u{200b}\u{e0041}".as_bytes()), r"é\u{9b}\u{202e}\u{200b}\u{e0041}");
        assert_eq!(escaped(b"\xc2\xff"), r"\xc2\xff");
    }

    #[test]
    fn a_width_is_kept_and_a_cut_is_shown() {
        for (bytes, width, want) in
            [(&b"abc"[..], 3, "abc"), (b"abcd", 3, "ab…"), (b"a\x1bb", 4, "a…"), (b"a\x1b", 5, "a\\x1b"), (b"ab", 0, ""), (b"ab", 1, "…")]
        {
            let mut out = String::new();
            assert_eq!(escape_within(&mut out, bytes, width), want.chars().count());
            assert_eq!(out, want);
        }
    }

    /// C1 and bidi controls, named here once more so that the test does not lean on what it tests.
    fn reorders(c: char) -> bool {
        matches!(c, '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn no_bytes_become_a_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..200), width in 0usize..300) {
            let whole = escaped(&bytes);
            let mut cut = String::new();
            let used = escape_within(&mut cut, &bytes, width);
            for text in [&whole, &cut] {
                prop_assert!(!text.bytes().any(|b| b < 0x20 || b == 0x7f));
                prop_assert!(!text.chars().any(reorders));
            }
            prop_assert_eq!(used, cut.chars().count());
            prop_assert!(used <= width);
            prop_assert!(width == 0 || cut.ends_with('…') || cut == whole);
        }
        #[test]
        fn characters_of_all_planes_are_safe(text in any::<String>()) {
            prop_assert!(!escaped(text.as_bytes()).chars().any(crate::log::text::steers));
        }
    }
}
