//! Truth against events: which event a line of truth is, and what differs when there is none.

use serde_json::{Map, Value};

/// What the stimulus says of one operation, or an event, by `crate::flat`.
pub type Fields = Map<String, Value>;

/// Whether an event says the same as the truth, key by key. Keys that start with `_` are notes. Of `args` the event may
/// have more: registers behind a call's last argument.
#[must_use]
pub fn agrees(truth: &Fields, event: &Fields) -> bool {
    truth.iter().all(|(key, value)| same(key, value, event))
}

fn same(key: &str, value: &Value, event: &Fields) -> bool {
    if key.starts_with('_') {
        return true;
    }
    match (key, value, event.get(key)) {
        ("args", Value::Array(truth), Some(Value::Array(event))) => event.starts_with(truth),
        (_, value, Some(event)) => value == event,
        _ => false,
    }
}

/// Finds for every line of truth an event of its own.
///
/// # Errors
/// For each line that has none: the closest event, and every key in which it differs.
pub fn match_all(truths: &[Fields], events: &[Fields]) -> Result<Vec<usize>, String> {
    let mut used = vec![false; events.len()];
    let mut found = Vec::new();
    let mut report = String::new();
    for truth in truths {
        match (0..events.len()).find(|i| !used[*i] && agrees(truth, &events[*i])) {
            Some(i) => {
                used[i] = true;
                found.push(i);
            }
            None => report.push_str(&explain(truth, events, &used)),
        }
    }
    if report.is_empty() { Ok(found) } else { Err(report) }
}

/// The closest event to a line of truth, field by field.
#[must_use]
pub fn explain(truth: &Fields, events: &[Fields], used: &[bool]) -> String {
    let weight = |key: &str| if matches!(key, "op" | "asked" | "filename" | "child_pid" | "peer") { 3 } else { 1 };
    let score = |event: &Fields| -> u32 { truth.iter().filter(|(key, value)| same(key, value, event)).map(|(key, _)| weight(key)).sum() };
    let mut text = format!("no event for {}\n", cut(&Value::Object(truth.clone())));
    let candidates = events.iter().enumerate().filter(|(i, _)| !used.get(*i).copied().unwrap_or(false));
    let Some((_, closest)) = candidates.max_by_key(|(_, event)| score(event)) else {
        return text + "  there are no other events\n";
    };
    for (key, value) in truth.iter().filter(|(key, value)| !same(key, value, closest)) {
        let seen = closest.get(key).map_or("(absent)".to_owned(), cut);
        text.push_str(&format!("  {key}: did {}, saw {seen}\n", cut(value)));
    }
    text + &format!("  closest event: {}\n", cut(&Value::Object(closest.clone())))
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 1500 { text } else { format!("{}… ({} bytes)", text.chars().take(1500).collect::<String>(), text.len()) }
}
