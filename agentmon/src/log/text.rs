//! Bytes an agent chose, as the inside of a JSON string: valid UTF-8, escaped, within a bound.
//!
//! Escaped beyond what JSON asks: DEL, C1 controls, bidi overrides, zero-width and tag characters, so that a log shown on
//! a terminal steers nothing and hides nothing. Not for: terminal views (`crate::view::escape`).

/// What [`escape`] did with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped {
    /// Bytes of the input that are in the output.
    pub kept: usize,
    /// Whether bytes that are not UTF-8 were replaced (U+FFFD).
    pub lossy: bool,
}

/// Longest escaped form of one input byte (`\u001b`).
pub const EXPANSION: usize = 6;

/// Whether a character could steer a terminal or hide text from a reader: C0 and C1 controls, DEL, bidi controls,
/// zero-width and invisible characters, line and paragraph separators, tag characters, interlinear annotation.
#[must_use]
pub const fn steers(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends the inside of a JSON string for `bytes`, at most `limit` bytes of output, cut between characters.
pub fn escape(out: &mut Vec<u8>, bytes: &[u8], limit: usize) -> Escaped {
    let end = out.len() + limit;
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Escaped { kept: escape_str(out, text, end), lossy: false };
    }
    let mut kept = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = escape_str(out, chunk.valid(), end);
        kept += valid;
        if valid < chunk.valid().len() || out.len() + '\u{fffd}'.len_utf8() > end {
            break;
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
            kept += chunk.invalid().len();
        }
    }
    Escaped { kept, lossy: true }
}

/// Appends `text` until `out` would grow beyond `end`; returns the bytes of `text` that are in.
fn escape_str(out: &mut Vec<u8>, text: &str, end: usize) -> usize {
    let room = end.saturating_sub(out.len());
    // What surely fits is not measured again, character by character.
    let mut sure = (room / EXPANSION).min(text.len());
    while !text.is_char_boundary(sure) {
        sure -= 1;
    }
    escape_all(out, &text[..sure]);
    let mut scratch = Vec::new();
    let mut kept = sure;
    for (at, c) in text[sure..].char_indices() {
        scratch.clear();
        let bytes = &text[sure + at..sure + at + c.len_utf8()];
        escape_all(&mut scratch, bytes);
        if out.len() + scratch.len() > end {
            break;
        }
        out.extend_from_slice(&scratch);
        kept = sure + at + c.len_utf8();
    }
    kept
}

fn escape_all(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        // One test for plain ASCII; leads of multi-byte characters are looked at when they can begin one that steers.
        if PLAIN[bytes[at] as usize] {
            at += 1;
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        if c == '"' || c == '\\' || steers(c) {
            out.extend_from_slice(&bytes[from..at]);
            escape_char(out, c);
            from = at + c.len_utf8();
        }
        at += c.len_utf8();
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Bytes that need no look: printable ASCII but for `"` and `\`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

fn escape_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(b"0123456789abcdef"[usize::from(*unit >> shift) & 0xf]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, steers};
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    fn escaped(bytes: &[u8], limit: usize) -> (String, usize, bool) {
        let mut out = Vec::new();
        let done = escape(&mut out, bytes, limit);
        (String::from_utf8(out).unwrap(), done.kept, done.lossy)
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(escaped(b"a\"\\\n\x1b\x7f", 99), (r#"a\"\\\n\u001b\u007f"#.to_owned(), 6, false));
        assert_eq!(escaped("\u{9b}31m\u{202e}\u{e0041}é".as_bytes(), 99).0, "\\u009b31m\\u202e\\udb40\\udc41é");
        assert_eq!(escaped(b"a\xff\xfeb", 99), ("a\u{fffd}\u{fffd}b".to_owned(), 4, true));
    }

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(escaped("aé".as_bytes(), 2), ("a".to_owned(), 1, false));
        assert_eq!(escaped(b"a\x01", 6), ("a".to_owned(), 1, false));
        assert_eq!(escaped(b"a\x01", 7), ("a\\u0001".to_owned(), 2, false));
        assert_eq!(escaped(b"\xff\xff", 5), ("\u{fffd}".to_owned(), 1, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_bytes_become_a_json_string_of_what_was_kept(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0usize..900) {
            let (text, kept, lossy) = escaped(&bytes, limit);
            prop_assert!(text.len() <= limit);
            prop_assert!(!text.chars().any(steers));
            prop_assert_eq!(lossy, std::str::from_utf8(&bytes).is_err());
            let back: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes[..kept]).into_owned());
            prop_assert!(kept == bytes.len() || text.len() + 12 > limit);
        }
    }
}
