//! A Rust file as the checks see it: its text, and the same text with comments and literals
//! blanked, so that searching for a word finds code only.
//!
//! A scanner of a few token kinds, not a parser: good enough for words, paths and attributes.

/// A Rust source file. All line vectors have the same length.
#[derive(Debug)]
pub struct Source {
    /// The lines as written.
    pub text: Vec<String>,
    /// With comments and the contents of string and character literals replaced by spaces.
    pub code: Vec<String>,
    /// With only comments replaced.
    pub uncommented: Vec<String>,
    /// Whether the line belongs to a `#[cfg(test)]` item.
    pub test: Vec<bool>,
}

impl Source {
    /// Scans a file's text.
    pub fn new(text: &str) -> Self {
        let masked = mask(text);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let code = lines(&masked.code);
        let test = test_lines(&code);
        Self { text: lines(text), uncommented: lines(&masked.uncommented), test, code }
    }

    /// Lines of code with their numbers, counted from 1, without those of test modules.
    pub fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.code.iter().zip(&self.test).enumerate();
        numbered.filter(|(_, (_, test))| !**test).map(|(index, (line, _))| (index + 1, line.as_str()))
    }

    /// Whether a line, counted from 1, holds a comment and no code.
    pub fn is_comment(&self, line: usize) -> bool {
        let blank = |lines: &[String]| lines[line - 1].trim().is_empty();
        blank(&self.code) && !blank(&self.text)
    }
}

/// The identifiers of a line of code, with their byte offsets.
pub fn identifiers(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let mut rest = code;
    std::iter::from_fn(move || {
        let start = rest.find(is_part)?;
        let end = rest[start..].find(|c| !is_part(c)).map_or(rest.len(), |length| start + length);
        let word = &rest[start..end];
        let offset = code.len() - rest.len() + start;
        rest = &rest[end..];
        Some((offset, word))
    })
}

/// The string literals of an uncommented line. A literal over several lines is not seen.
pub fn string_literals(uncommented: &str) -> impl Iterator<Item = &str> {
    uncommented.split('"').skip(1).step_by(2)
}

struct Masked {
    code: String,
    uncommented: String,
}

impl Masked {
    fn keep(&mut self, text: &str) {
        self.code.push_str(text);
        self.uncommented.push_str(text);
    }

    fn literal(&mut self, text: &str) {
        blank(&mut self.code, text);
        self.uncommented.push_str(text);
    }

    fn comment(&mut self, text: &str) {
        blank(&mut self.code, text);
        blank(&mut self.uncommented, text);
    }
}

fn blank(target: &mut String, text: &str) {
    target.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

fn mask(text: &str) -> Masked {
    let mut masked = Masked { code: String::with_capacity(text.len()), uncommented: String::with_capacity(text.len()) };
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            masked.comment(&rest[..length]);
            length
        } else if rest.starts_with("/*") {
            let length = block_comment_length(rest);
            masked.comment(&rest[..length]);
            length
        } else if let Some((open, length, close)) = literal(rest, before) {
            masked.keep(&rest[..open]);
            masked.literal(&rest[open..length - close]);
            masked.keep(&rest[length - close..length]);
            length
        } else {
            masked.keep(&rest[..next.len_utf8()]);
            next.len_utf8()
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    masked
}

fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string or character literal at the start of the text: the lengths of its opening quote, of
/// all of it, and of its closing quote.
fn literal(text: &str, before: char) -> Option<(usize, usize, usize)> {
    let after_word = before == '_' || before.is_alphanumeric();
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    if text.starts_with('\'') {
        return is_character(text).then(|| quoted(text, '\''));
    }
    let hashes_at = text.strip_prefix('r').filter(|_| !after_word || before == 'b')?;
    let hashes = hashes_at.len() - hashes_at.trim_start_matches('#').len();
    if !hashes_at[hashes..].starts_with('"') {
        return None;
    }
    let open = 1 + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = text[open..].find(&close).map_or(text.len(), |at| open + at + close.len());
    let closed = text[..length].ends_with(&close) && length >= open + close.len();
    Some((open, length, if closed { close.len() } else { 0 }))
}

fn quoted(text: &str, quote: char) -> (usize, usize, usize) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (1, at + 1, 1),
            _ => {}
        }
    }
    (1, text.len(), 0)
}

/// Tells the character `'a'` from the lifetime `'a`.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// Marks the lines of items under `#[cfg(test)]`.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut test = vec![false; code.len()];
    let mut at = 0;
    while at < code.len() {
        if code[at].contains("#[cfg(test)]") {
            let end = item_end(&code[at..]).map_or(code.len(), |lines| at + lines);
            test[at..end].fill(true);
            at = end;
        } else {
            at += 1;
        }
    }
    test
}

/// How many lines an item takes: up to its closing brace, or its semicolon if it has no body.
fn item_end(code: &[String]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, line) in code.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth <= 1 => return Some(index + 1),
                '}' => depth -= 1,
                ';' if depth == 0 => return Some(index + 1),
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Source, identifiers, string_literals};

    fn code(text: &str) -> String {
        Source::new(text).code.join("\n")
    }

    #[test]
    fn comments_are_blanked() {
        assert_eq!(code("a // b").trim(), "a");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code("/* b\nc */ d"), "    \n     d");
    }

    #[test]
    fn literals_are_blanked_and_their_quotes_stay() {
        assert_eq!(code(r#"f("a // b", c)"#), r#"f("      ", c)"#);
        assert_eq!(code(r#""a\"b" c"#), r#""    " c"#);
        assert_eq!(code("r#\"a\"b\"# c"), "r#\"   \"# c");
        assert_eq!(code("br\"\\\" c"), "br\" \" c");
        assert_eq!(code("('\"', '\\'', x)"), "(' ', '  ', x)");
    }

    #[test]
    fn a_lifetime_is_no_literal() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn an_open_literal_ends_with_the_file() {
        assert_eq!(code("\"abc"), "\"   ");
        assert_eq!(code("r#\"abc"), "r#\"   ");
        assert_eq!(code("/* abc"), "      ");
    }

    #[test]
    fn test_modules_are_marked() {
        let source = Source::new("a\n#[cfg(test)]\nmod tests {\n  fn f() {}\n}\nb\n");
        assert_eq!(source.test, [false, true, true, true, true, false]);
        let source = Source::new("#[cfg(test)]\nmod tests;\nb\n");
        assert_eq!(source.test, [true, true, false]);
    }

    #[test]
    fn words_are_found_with_their_place() {
        let words: Vec<_> = identifiers("use aya::maps;").collect();
        assert_eq!(words, [(0, "use"), (4, "aya"), (9, "maps")]);
    }

    #[test]
    fn literals_of_a_line_are_found() {
        let found: Vec<_> = string_literals(r#"f("a", x, "b c")"#).collect();
        assert_eq!(found, ["a", "b c"]);
    }
}
