//! Placeholders: names for lists of values that differ by site, for the modifier `expand`.
//!
//! They stand in documents of their own among the rules, so that one digest says what is loaded, a reload covers them,
//! and a replay needs nothing else. Not for: deciding what a value means (`super::modifiers`).

use super::diagnostic::{Position, Problem};
use super::yaml::{Key, Node, Value};
use std::collections::HashMap;

/// Most texts that one value may expand to.
const TEXTS_MAX: usize = 1_000;
const KEYS: [&str; 3] = ["placeholders", "title", "description"];

/// Every placeholder's values, by name.
#[derive(Debug, Default)]
pub(super) struct Placeholders(HashMap<String, Vec<String>>);

impl Placeholders {
    /// Takes those of one document.
    pub fn add(&mut self, document: &Node, problems: &mut Vec<Problem>) {
        for (key, _) in document.entries().iter().filter(|(key, _)| !KEYS.contains(&key.text.as_str())) {
            let message = format!("unknown key `{}` beside `placeholders`", key.text);
            problems.push(Problem::error(key.at, message).suggest(&key.text, KEYS));
        }
        let Some(names) = document.get("placeholders") else { return };
        if !matches!(names.value, Value::Map(_)) {
            problems.push(Problem::error(names.at, format!("`placeholders` must be a mapping, not {}", names.noun())));
        }
        for (key, values) in names.entries() {
            self.one(key, values, problems);
        }
    }

    fn one(&mut self, key: &Key, values: &Node, problems: &mut Vec<Problem>) {
        if key.text.is_empty() || !key.text.bytes().all(is_name) {
            problems.push(
                Problem::error(key.at, format!("`{}` is no name for a placeholder", key.text)).hint("letters, digits, `_`, `-`, `.`"),
            );
            return;
        }
        let texts: Vec<String> = values.one_or_many().iter().filter_map(|value| value.text().map(str::to_owned)).collect();
        if texts.is_empty() || texts.len() < values.one_or_many().len() {
            problems.push(Problem::error(values.at, format!("the values of `{}` must be texts, at least one", key.text)));
        } else if self.0.insert(key.text.clone(), texts).is_some() {
            problems.push(Problem::error(key.at, format!("the placeholder `{}` is defined twice", key.text)));
        }
    }

    /// A text with every `%name%` replaced by each of its values: all combinations. `\%` is a percent sign.
    ///
    /// # Errors
    /// When it names a placeholder that nobody defined, or none, or grows too much.
    pub fn expand(&self, text: &str, at: Position) -> Result<Vec<String>, Problem> {
        let mut expanded = vec![String::new()];
        let mut rest = text;
        let mut named = false;
        while let Some(mark) = rest.find('%') {
            let (before, behind) = (&rest[..mark], &rest[mark + 1..]);
            if let Some(before) = before.strip_suffix('\\') {
                push(&mut expanded, before);
                push(&mut expanded, "%");
                rest = behind;
                continue;
            }
            let Some(name) = behind.split_once('%').map(|(name, _)| name).filter(|name| !name.is_empty() && name.bytes().all(is_name))
            else {
                return Err(Problem::error(at, "a `%` that begins no placeholder").hint("`%name%`, or `\\%` for a percent sign"));
            };
            let Some(values) = self.0.get(name) else {
                let problem = Problem::error(at, format!("no placeholder is called `{name}`"));
                return Err(if self.0.is_empty() {
                    problem.hint(format!("define it in a document of its own: placeholders: {{{name}: [a, b]}}"))
                } else {
                    problem.suggest(name, self.0.keys().map(String::as_str))
                });
            };
            if expanded.len() * values.len() > TEXTS_MAX {
                return Err(Problem::error(at, format!("the value expands to more than {TEXTS_MAX} texts")));
            }
            push(&mut expanded, before);
            expanded = expanded.iter().flat_map(|text| values.iter().map(move |value| format!("{text}{value}"))).collect();
            rest = &behind[name.len() + 1..];
            named = true;
        }
        if !named {
            return Err(Problem::error(at, "`expand`, but the value names no placeholder").hint("`%name%`"));
        }
        push(&mut expanded, rest);
        Ok(expanded)
    }
}

fn push(texts: &mut [String], part: &str) {
    texts.iter_mut().for_each(|text| text.push_str(part));
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_expand_to_all_combinations_within_a_bound() {
        let values = |prefix: &str, n| (0..n).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
        let placeholders = Placeholders(HashMap::from([("a".to_owned(), values("a", 2)), ("many".to_owned(), values("m", 100))]));
        let expand = |text| placeholders.expand(text, Position::START);
        assert_eq!(expand(r"\%x%a%-%a%y").unwrap(), ["%xa0-a0y", "%xa0-a1y", "%xa1-a0y", "%xa1-a1y"]);
        assert!(expand("%many%%many%").unwrap_err().message.contains("more than"));
        assert_eq!(expand("%man%").unwrap_err().hint.unwrap(), "did you mean `many`?");
        assert!(expand("plain").is_err() && expand("50%").is_err() && expand("%a b%").is_err());
    }
}
