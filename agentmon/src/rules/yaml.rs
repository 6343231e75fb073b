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

/// The documents of a file. On a problem: those before it, and the problem.
pub(super) fn parse(text: &str) -> (Vec<Node>, Option<Problem>) {
    let mut documents = Vec::new();
    if text.len() > FILE_BYTES_MAX {
        return (documents, Some(Problem::error(Position::START, format!("the file is larger than {FILE_BYTES_MAX} bytes"))));
    }
    let mut options = Options::default();
    options.disallow_directives = true;
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let parser = Parser::new_from_str_with_options(text.strip_prefix('\u{feff}').unwrap_or(text), options);
    let mut builder = Builder::default();
    for event in parser {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, span, &mut documents),
            Err(error) => Err(Problem::error(marker(error.marker()), format!("not valid YAML: {}", error.info()))),
        };
        if let Err(problem) = outcome {
            return (documents, Some(problem));
        }
    }
    (documents, None)
}

fn marker(marker: &granit_parser::Marker) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(marker.line().max(1)), column: number(marker.col()).saturating_add(1) }
}

/// Collections that are open, outermost first.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    nodes: usize,
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
    fn take(&mut self, event: Event<'_>, span: Span, documents: &mut Vec<Node>) -> Result<(), Problem> {
        let at = marker(&span.start);
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::error(at, format!("the file has more than {NODES_MAX} values")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse(at, anchor, tag.is_some())?;
                let verbatim = matches!(style, ScalarStyle::Plain | ScalarStyle::SingleQuoted) && span.end.line() == span.start.line();
                let quote = u32::from(verbatim && style == ScalarStyle::SingleQuoted);
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain, verbatim };
                self.add(Node { at: at.right(quote), value: Value::Scalar(scalar) }, documents)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse(at, anchor, tag.is_some())?;
                self.start(at, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse(at, anchor, tag.is_some())?;
                self.start(at, Collection::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, kind: Collection::List(nodes) }) => self.add(Node { at, value: Value::List(nodes) }, documents),
                Some(Open { at, kind: Collection::Map { entries, .. } }) => self.add(Node { at, value: Value::Map(entries) }, documents),
                None => Ok(()),
            },
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
    fn add(&mut self, node: Node, documents: &mut Vec<Node>) -> Result<(), Problem> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => documents.push(node),
            Some(Collection::List(nodes)) => nodes.push(node),
            Some(Collection::Map { entries, key }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(new_key(node, entries)?),
            },
        }
        Ok(())
    }
}

fn new_key(node: Node, entries: &[(Key, Node)]) -> Result<Key, Problem> {
    let Value::Scalar(scalar) = node.value else {
        return Err(Problem::error(node.at, "a key must be a single value"));
    };
    if scalar.text == "<<" {
        return Err(Problem::error(node.at, "YAML merge keys are not supported in rules"));
    }
    if entries.len() >= ENTRIES_MAX {
        return Err(Problem::error(node.at, format!("more than {ENTRIES_MAX} keys in one mapping")));
    }
    if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == scalar.text) {
        let message = format!("the key `{}` stands twice in this mapping; first on line {}", scalar.text, first.at.line);
        return Err(Problem::error(node.at, message));
    }
    // The position of a key is its first character, quote included.
    let quote = u32::from(scalar.verbatim && !scalar.plain);
    let at = Position { column: node.at.column - quote, ..node.at };
    Ok(Key { at, text: scalar.text })
}

fn refuse(at: Position, anchor: usize, tagged: bool) -> Result<(), Problem> {
    if anchor != 0 {
        return Err(Problem::error(at, "YAML anchors are not supported in rules"));
    }
    if tagged {
        return Err(Problem::error(at, "YAML tags are not supported in rules"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (u32, u32, String) {
        let problem = parse(text).1.expect("a problem");
        (problem.at.line, problem.at.column, problem.message)
    }

    #[test]
    fn values_know_where_they_stand() {
        let (documents, none) = parse("a: 1\nb:\n  - x\n  - 'y z'\n---\nc: {d: null}\n");
        assert!(none.is_none());
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
    fn broken_yaml_keeps_the_documents_before_it() {
        let (documents, problem) = parse("a: 1\n---\nb: [1\n");
        assert_eq!(documents.len(), 1);
        assert!(problem.unwrap().message.starts_with("not valid YAML: "));
    }
}
