//! YAML into a tree that knows where everything stands, within bounds that no file can exceed.
//!
//! Rules need no anchors, aliases, merge keys, tags or complex keys, so these are errors rather than work: no bomb can
//! be written without them. Not for: what the keys mean (`super::document`).

use super::diagnostic::{Position, Problem};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

/// Largest rule file in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most documents, collections and scalars in one file.
const NODES_MAX: usize = 50_000;
/// Most entries of one mapping.
const ENTRIES_MAX: usize = 1_000;
/// Deepest nesting.
const DEPTH_MAX: usize = 24;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub at: Position,
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar as written.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub text: String,
    /// Whether it was written without quotes, so that `null` and `true` are meant as such.
    pub plain: bool,
    /// Whether the text stands in the file as it is, so that an offset in it is an offset in the line.
    pub verbatim: bool,
}

/// The key of a mapping's entry.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub at: Position,
    pub text: String,
}

impl Node {
    /// The text of a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The node under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The entries of a mapping; none when it is something else.
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// One node, or the nodes of a list.
    pub fn one_or_many(&self) -> &[Self] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// What it is, for a message.
    pub fn noun(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Scalar {
    /// Whether it is YAML's null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// Its value; none when it could not be read to its end.
    pub root: Option<Node>,
    /// What is wrong with it as YAML. With an error it is no rule; its value is there to be checked further.
    pub problems: Vec<Problem>,
}

/// The documents of a file. What cannot be read as YAML costs its own document and no other: each is read by itself, from one
/// line `---` to the next, as YAML allows that line nowhere within a document.
pub(super) fn parse(text: &str) -> Vec<Document> {
    let mut builder = Builder::default();
    if text.len() > FILE_BYTES_MAX {
        builder.end(None, Some(Problem::error(Position::START, format!("the file is larger than {FILE_BYTES_MAX} bytes"))));
        return builder.documents;
    }
    for (line, part) in parts(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        builder.line = line;
        if let Err(problem) = builder.read(part) {
            builder.open.clear();
            builder.end(None, Some(problem));
        }
        if builder.nodes > NODES_MAX {
            break;
        }
    }
    builder.documents
}

/// The text cut before each line `---`; and how many lines stand before each part.
fn parts(text: &str) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut from, mut from_line, mut at) = (0, 0, 0);
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        if line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            parts.push((from_line, &text[from..at]));
            (from, from_line) = (at, number);
        }
        at += line.len();
    }
    parts.push((from_line, &text[from..]));
    parts
}

/// Collections that are open, outermost first, and what is finished.
#[derive(Default)]
struct Builder {
    /// Lines of the file before the part that is being read.
    line: u32,
    open: Vec<Open>,
    nodes: usize,
    /// Of the document that is being read.
    problems: Vec<Problem>,
    documents: Vec<Document>,
}

struct Open {
    at: Position,
    kind: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key> },
}

impl Builder {
    /// Reads a part of the file. The error: what is behind it could not be read.
    fn read(&mut self, part: &str) -> Result<(), Problem> {
        let mut options = Options::default();
        options.disallow_directives = true;
        options.flow_nesting_limit = DEPTH_MAX;
        options.block_nesting_limit = DEPTH_MAX;
        for event in Parser::new_from_str_with_options(part, options) {
            match event {
                Ok((event, span)) => self.take(event, span)?,
                Err(error) => return Err(Problem::error(self.position(error.marker()), format!("not valid YAML: {}", error.info()))),
            }
        }
        Ok(())
    }

    fn position(&self, marker: &granit_parser::Marker) -> Position {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: number(marker.line().max(1)).saturating_add(self.line), column: number(marker.col()).saturating_add(1) }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = self.position(&span.start);
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::error(at, format!("the file has more than {NODES_MAX} values")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(at, anchor, tag.is_some());
                let verbatim = matches!(style, ScalarStyle::Plain | ScalarStyle::SingleQuoted) && span.end.line() == span.start.line();
                let quote = u32::from(verbatim && style == ScalarStyle::SingleQuoted);
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain, verbatim };
                self.add(Node { at: at.right(quote), value: Value::Scalar(scalar) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse(at, anchor, tag.is_some());
                self.start(at, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse(at, anchor, tag.is_some());
                self.start(at, Collection::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, kind: Collection::List(nodes) }) => self.add(Node { at, value: Value::List(nodes) }),
                Some(Open { at, kind: Collection::Map { entries, .. } }) => self.add(Node { at, value: Value::Map(entries) }),
                None => Ok(()),
            },
            // What it stands for is not looked at, so nothing can be said of the document but this.
            Event::Alias(_) | Event::UnresolvedAlias(_) => Err(Problem::error(at, "YAML aliases are not supported in rules")),
            _ => Ok(()),
        }
    }

    fn start(&mut self, at: Position, kind: Collection) -> Result<(), Problem> {
        if let Some(Open { kind: Collection::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(Problem::error(at, "a key must be a single value"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(Problem::error(at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { at, kind });
        Ok(())
    }

    /// Puts a finished node where it belongs: into the innermost open collection, or among the documents.
    fn add(&mut self, node: Node) -> Result<(), Problem> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.end(Some(node), None),
            Some(Collection::List(nodes)) => nodes.push(node),
            Some(Collection::Map { entries, key }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(new_key(node, entries, &mut self.problems)?),
            },
        }
        Ok(())
    }

    fn end(&mut self, root: Option<Node>, problem: Option<Problem>) {
        self.problems.extend(problem);
        self.documents.push(Document { root, problems: std::mem::take(&mut self.problems) });
    }

    fn refuse(&mut self, at: Position, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.problems.push(Problem::error(at, "YAML anchors are not supported in rules"));
        }
        if tagged {
            self.problems.push(Problem::error(at, "YAML tags are not supported in rules"));
        }
    }
}

fn new_key(node: Node, entries: &[(Key, Node)], problems: &mut Vec<Problem>) -> Result<Key, Problem> {
    let Value::Scalar(scalar) = node.value else {
        return Err(Problem::error(node.at, "a key must be a single value"));
    };
    if entries.len() >= ENTRIES_MAX {
        return Err(Problem::error(node.at, format!("more than {ENTRIES_MAX} keys in one mapping")));
    }
    // The position of a key is its first character, quote included.
    let quote = u32::from(scalar.verbatim && !scalar.plain);
    let at = Position { column: node.at.column - quote, ..node.at };
    if scalar.text == "<<" {
        problems.push(Problem::error(at, "YAML merge keys are not supported in rules"));
    }
    if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == scalar.text) {
        let message = format!("the key `{}` stands twice in this mapping; first on line {}", scalar.text, first.at.line);
        problems.push(Problem::error(node.at, message));
    }
    Ok(Key { at, text: scalar.text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (u32, u32, String) {
        let problem = parse(text).into_iter().find_map(|document| document.problems.into_iter().next()).expect("a problem");
        (problem.at.line, problem.at.column, problem.message)
    }

    #[test]
    fn values_know_where_they_stand() {
        let documents: Vec<Node> =
            parse("a: 1\nb:\n  - x\n  - 'y z'\n---\nc: {d: null}\n").into_iter().filter_map(|found| found.root).collect();
        assert_eq!(documents.len(), 2);
        let list = documents[0].get("b").unwrap().one_or_many();
        assert_eq!(list[0].at, Position { line: 3, column: 5 });
        assert_eq!(list[1].at, Position { line: 4, column: 6 });
        assert_eq!(list[1].text(), Some("y z"));
        let inner = documents[1].get("c").unwrap();
        assert_eq!(inner.entries()[0].0.at, Position { line: 6, column: 5 });
        assert_eq!(inner.get("d").unwrap().text(), None);
    }

    #[test]
    fn a_duplicate_key_is_an_error_where_it_stands() {
        assert_eq!(problem("a: 1\n'b': 2\na: 3\n"), (3, 1, "the key `a` stands twice in this mapping; first on line 1".into()));
    }

    #[test]
    fn bombs_are_refused() {
        assert_eq!(problem("a: &x [1]\nb: [*x, *x]\n").2, "YAML anchors are not supported in rules");
        assert!(problem("a:\n  <<: {b: 1}\n").2.contains("merge keys"));
        assert!(problem(&"[".repeat(100_000)).2.contains("YAML") || problem(&"[".repeat(100_000)).2.contains("nested"));
        assert!(problem(&"- a\n".repeat(60_000)).2.contains("more than 50000 values"));
        assert!(problem(&"#".repeat(FILE_BYTES_MAX + 1)).2.contains("larger than"));
        assert!(problem("a: !!binary x\n").2.contains("tags"));
        assert!(problem("? [a]\n: b\n").2.contains("key must be"));
    }

    #[test]
    fn broken_yaml_costs_its_own_document_and_no_other() {
        let documents = parse("a: 1\n---\nb: [1\n---\nc: 'x\n--- # three\nd: 1\nd: &e 2\n---x: 1\n");
        let read: Vec<bool> = documents.iter().map(|document| document.root.is_some()).collect();
        assert_eq!(read, [true, false, false, true], "{documents:?}");
        let problems: Vec<(u32, &str)> =
            documents.iter().flat_map(|document| &document.problems).map(|found| (found.at.line, found.message.as_str())).collect();
        assert!(problems[0].1.starts_with("not valid YAML: ") && (3..5).contains(&problems[0].0), "{problems:?}");
        assert!(problems[1].1.starts_with("not valid YAML: ") && (5..7).contains(&problems[1].0), "{problems:?}");
        let twice = (8, "the key `d` stands twice in this mapping; first on line 7");
        assert_eq!(problems[2..], [twice, (8, "YAML anchors are not supported in rules")]);
    }
}
