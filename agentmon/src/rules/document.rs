//! What every rule document says about itself, and our `agentmon:` block in it.
//!
//! Not for: detections (`super::detection`) and correlations (`super::correlation`).

use super::diagnostic::{Problem, Severity};
use super::yaml::{Key, Node, Value};
use super::{Action, Level};

/// Keys that Sigma defines at the top of a document, and ours.
const KEYS: [&str; 26] = [
    "title",
    "sigma-version",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "placeholders",
    "generate",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "custom_attributes",
    "agentmon",
];
const BLOCK_KEYS: [&str; 5] = ["class", "action", "runbook", "outcome", "suppress"];

/// Which outcomes of an operation a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcomes {
    #[default]
    Success,
    Failure,
    Any,
    /// Handed over to an io_uring: what came of it is not known. Of correlations only; a detection asks for the field `Outcome`.
    Submitted,
}

/// What a document says about itself.
#[derive(Debug)]
pub(super) struct Meta {
    pub id: String,
    pub name: Option<String>,
    pub title: String,
    pub description: Option<String>,
    pub author: Option<String>,
    pub level: Level,
    pub tags: Vec<String>,
    pub falsepositives: Vec<String>,
    pub class: Option<String>,
    pub action: Action,
    pub runbook: Option<String>,
    /// None: not said.
    pub outcomes: Option<Outcomes>,
    /// How long a correlation is silent for a group after it was told. None: not said.
    pub suppress_ns: Option<u64>,
    pub line: u32,
}

/// Reads them. `None` when an error among the problems forbids the rule.
pub(super) fn meta(document: &Node, problems: &mut Vec<Problem>) -> Option<Meta> {
    let before = problems.len();
    unknown_keys(document, problems);
    let id = id(document, problems);
    let title = required(document, "title", problems);
    let level = word(document, "level", &Level::NAMES, problems).and_then(|name| Level::from_name(&name));
    let level = level.unwrap_or(Level::Medium);
    let mut meta = Meta {
        id: id.unwrap_or_default(),
        name: optional(document, "name", problems),
        title: title.unwrap_or_default(),
        description: optional(document, "description", problems),
        author: optional(document, "author", problems),
        level,
        tags: texts(document, "tags", problems),
        falsepositives: texts(document, "falsepositives", problems),
        class: None,
        action: if level >= Level::High { Action::Alert } else { Action::Log },
        runbook: None,
        outcomes: None,
        suppress_ns: None,
        line: document.at.line,
    };
    if let Some(block) = document.get("agentmon") {
        self::block(document, block, &mut meta, problems);
    }
    problems[before..].iter().all(|problem| problem.severity < Severity::Error).then_some(meta)
}

/// Says which keys at the top of a document are nearly known ones.
pub(super) fn unknown_keys(document: &Node, problems: &mut Vec<Problem>) {
    document.entries().iter().for_each(|(key, _)| unknown_key(key, problems));
}

/// Sigma allows keys of one's own; one that is nearly a known key is a typo, and would be ignored silently.
fn unknown_key(key: &Key, problems: &mut Vec<Problem>) {
    if !KEYS.contains(&key.text.as_str()) && super::diagnostic::closest(&key.text, &KEYS).is_some() {
        problems.push(Problem::error(key.at, format!("unknown key `{}`", key.text)).suggest(&key.text, KEYS));
    }
}

fn id(document: &Node, problems: &mut Vec<Problem>) -> Option<String> {
    let hint = "a UUID, for example from `uuidgen`; it names the rule in logs and must never change";
    let Some(node) = document.get("id") else {
        problems.push(Problem::error(document.at, "the rule has no `id`").hint(hint));
        return None;
    };
    let id = node.text().unwrap_or_default().to_ascii_lowercase();
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !is_uuid {
        problems.push(Problem::error(node.at, "`id` is not a UUID").hint(hint));
        return None;
    }
    Some(id)
}

fn block(document: &Node, block: &Node, meta: &mut Meta, problems: &mut Vec<Problem>) {
    if !matches!(block.value, Value::Map(_)) {
        problems.push(Problem::error(block.at, format!("`agentmon` must be a mapping, not {}", block.noun())));
        return;
    }
    for (key, _) in block.entries() {
        if !BLOCK_KEYS.contains(&key.text.as_str()) {
            problems.push(Problem::error(key.at, format!("unknown key `{}` in `agentmon`", key.text)).suggest(&key.text, BLOCK_KEYS));
        }
    }
    meta.class = optional(block, "class", problems);
    if let (Some(class), Some(node)) = (&meta.class, block.get("class")) {
        let fits = class.len() <= 40 && class.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !fits {
            problems.push(Problem::error(node.at, "`class` must be lower-case letters, digits and `_`, 40 at most"));
        }
    }
    meta.runbook = optional(block, "runbook", problems);
    if let Some(action) = word(block, "action", &Action::NAMES, problems).and_then(|name| Action::from_name(&name)) {
        meta.action = action;
        if let (Action::Confirm | Action::Deny, Some(node)) = (action, block.get("action")) {
            meta.action = Action::Freeze;
            let message = format!("this build cannot `{}` yet: the action becomes `freeze`", action.name());
            problems.push(Problem::warning(node.at, message).hint("a frozen agent waits for `agentmon thaw` or `agentmon kill`"));
        }
    }
    meta.outcomes = word(block, "outcome", &["success", "failure", "any", "submitted"], problems).map(|name| match name.as_str() {
        "failure" => Outcomes::Failure,
        "any" => Outcomes::Any,
        "submitted" => Outcomes::Submitted,
        _ => Outcomes::Success,
    });
    let of_correlation = document.get("correlation").is_some();
    if let Some(node) = block.get("suppress") {
        meta.suppress_ns = node.text().and_then(super::correlation::duration_ns);
        if !of_correlation {
            problems.push(Problem::error(node.at, "`suppress` is for correlations: a rule of single events is told each time"));
        } else if meta.suppress_ns.is_none() {
            problems.push(
                Problem::error(node.at, "not a timespan").hint("a number and ms, s, m, h or d; seven days at most; 0s: told each time"),
            );
        }
    }
    if let (Some(node), Some(outcomes)) = (block.get("outcome"), meta.outcomes) {
        match outcomes {
            Outcomes::Submitted if !of_correlation => {
                let problem = Problem::error(node.at, "`outcome: submitted` is for correlations");
                problems.push(problem.hint("in a detection: `Outcome: submitted`"));
            }
            Outcomes::Failure if of_correlation => {
                problems.push(Problem::error(node.at, "a correlation counts what its rules match: say `outcome: failure` there"));
            }
            _ => {}
        }
    }
}

/// The text under a key that must be there.
pub(super) fn required(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    if node.get(key).is_none() {
        problems.push(Problem::error(node.at, format!("`{key}` is missing")));
    }
    optional(node, key, problems)
}

/// The text under a key that may be there.
pub(super) fn optional(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let value = node.get(key)?;
    let text = value.text();
    if text.is_none() {
        problems.push(Problem::error(value.at, format!("`{key}` must be a text, not {}", value.noun())));
    }
    text.map(|text| text.trim_end().to_owned())
}

/// The text under a key, one of a few words.
pub(super) fn word(node: &Node, key: &str, words: &[&str], problems: &mut Vec<Problem>) -> Option<String> {
    let word = optional(node, key, problems)?;
    if words.contains(&word.as_str()) {
        return Some(word);
    }
    if let Some(value) = node.get(key) {
        problems.push(Problem::error(value.at, format!("unknown {key} `{word}`")).suggest(&word, words.iter().copied()));
    }
    None
}

/// The texts under a key: one, a list, or none.
pub(super) fn texts(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut texts = Vec::new();
    for value in node.get(key).map(Node::one_or_many).unwrap_or_default() {
        match value.text() {
            Some(text) => texts.push(text.to_owned()),
            None => problems.push(Problem::error(value.at, format!("`{key}` must be a list of texts"))),
        }
    }
    texts
}
