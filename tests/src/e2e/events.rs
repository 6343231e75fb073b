//! Lines of the log, held against what every line promises, and found by their members.
//!
//! On failure the closest record is shown, member by member. Not for: what a member means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest line, the newline included.
const LINE_MAX: usize = 16 * 1024;
/// Members of every record, as JSON pointers.
const REQUIRED: [&str; 12] = [
    "/time",
    "/class_uid",
    "/category_uid",
    "/activity_id",
    "/type_uid",
    "/severity_id",
    "/status_id",
    "/metadata/version",
    "/metadata/uid",
    "/metadata/event_code",
    "/metadata/product/name",
    "/device/type_id",
];

/// Members that a record must have, as JSON pointer and value.
pub type Wanted<'a> = &'a [(&'a str, Value)];

/// Records, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Events {
    lines: Vec<Value>,
}

impl Events {
    /// Reads complete lines and checks each.
    ///
    /// # Panics
    /// When a line is torn, too long, not JSON, or lacks what OCSF requires.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "the last line is torn: {}", tail(bytes));
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
            assert!(line.len() <= LINE_MAX, "a line of {} bytes: {}", line.len(), tail(line));
            let record = serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
            check(&record);
            record
        });
        Self { lines: lines.collect() }
    }

    /// Adds the records of a later file.
    pub fn append(&mut self, later: Self) {
        self.lines.extend(later.lines);
    }

    /// All of them.
    #[must_use]
    pub fn lines(&self) -> &[Value] {
        &self.lines
    }

    /// Those with these members.
    #[must_use]
    pub fn all(&self, wanted: Wanted<'_>) -> Vec<&Value> {
        self.lines.iter().filter(|line| score(line, wanted) == wanted.len()).collect()
    }

    /// The first with these members, or the closest one in words.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, wanted: Wanted<'_>) -> Result<&Value, String> {
        let best = self.lines.iter().max_by_key(|line| score(line, wanted));
        match best {
            Some(line) if score(line, wanted) == wanted.len() => Ok(self.all(wanted)[0]),
            Some(line) => {
                Err(format!("none of {} records; the closest differs in {}\n{line}", self.lines.len(), differences(line, wanted)))
            }
            None => Err("there are no records".to_owned()),
        }
    }

    /// The only one with these members.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[track_caller]
    #[must_use]
    pub fn one(&self, wanted: Wanted<'_>) -> &Value {
        let found = self.find(wanted).unwrap_or_else(|closest| panic!("{closest}"));
        let all = self.all(wanted);
        assert_eq!(all.len(), 1, "several records: {all:#?}");
        found
    }

    /// Sequence numbers, the writer's own records left out.
    #[must_use]
    pub fn sequences(&self) -> Vec<u64> {
        self.lines.iter().filter_map(|line| line.pointer("/metadata/sequence")?.as_u64()).collect()
    }

    /// Every number from 1 is there once, in order.
    ///
    /// # Panics
    /// When not.
    #[track_caller]
    pub fn assert_gapless(&self) {
        let numbers = self.sequences();
        assert!(!numbers.is_empty(), "nothing is numbered");
        for (want, found) in (1..).zip(&numbers) {
            assert_eq!(want, *found, "a hole or a repetition in the sequence numbers");
        }
    }

    /// The last record says that the monitor stopped, and why.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    #[must_use]
    pub fn stop_reason(&self) -> &str {
        let last = self.lines.last().expect("records");
        assert_eq!(last["metadata"]["event_code"], "monitor.stop", "the last record: {last}");
        last["unmapped"]["reason"].as_str().expect("a reason")
    }

    /// Operations of agents by kind, as the metric names kinds.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for kind in self.lines.iter().filter_map(kind) {
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }

    /// Records lost of a kind, as the gap records say.
    #[must_use]
    pub fn lost(&self, kind: &str) -> u64 {
        let losses = self.all(&[("/metadata/event_code", json!("gap"))]).into_iter().filter_map(|gap| gap["unmapped"]["losses"].as_array());
        losses.flatten().filter(|loss| loss["kind"] == kind).filter_map(|loss| loss["count"].as_u64()).sum()
    }
}

/// The raw bytes of a member that was not UTF-8.
///
/// # Panics
/// When the member is missing or no base64.
#[must_use]
pub fn raw(record: &Value, field: &str) -> Vec<u8> {
    let text = record["unmapped"][format!("{field}_b64")].as_str().unwrap_or_else(|| panic!("no {field}_b64 in {record}"));
    STANDARD.decode(text).expect("base64")
}

fn kind(line: &Value) -> Option<&'static str> {
    line.get("ai_agent")?;
    let activity = line["activity_id"].as_u64()?;
    Some(match line["class_uid"].as_u64()? {
        1001 if activity == 4 => "unlink",
        1001 => "open",
        4001 | 1002..=1006 => "connect",
        1007 => match line["metadata"]["event_code"].as_str()? {
            "exec" | "execve" | "execveat" => "exec",
            "fork" => "fork",
            "exit" => "exit",
            "cgroup_leave" => "cgroup_leave",
            "cgroup_join" => "cgroup_join",
            "process_seen" => "process_seen",
            _ => "identity",
        },
        _ => return None,
    })
}

fn check(record: &Value) {
    for member in REQUIRED {
        assert!(record.pointer(member).is_some(), "no {member} in {record}");
    }
    let number = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {record}"));
    assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"), "{record}");
    assert_eq!(number("category_uid"), number("class_uid") / 1000, "{record}");
    let of_class: &[&str] = match number("class_uid") {
        1001 => &["/actor/process/uid", "/file/name", "/file/type_id", "/ai_agent/uid", "/ai_agent/instance_uid"],
        // A signal's other process may be nobody's whose beginning was seen.
        1007 if record["unmapped"]["result"].is_string() => &["/process/pid", "/ai_agent/uid", "/ai_agent/instance_uid"],
        // A call that reaches into a process has its id alone, as the agent gave it: 0 is none.
        1007 if record["unmapped"]["args"]["target_pid"].is_number() => &["/process", "/ai_agent/uid", "/ai_agent/instance_uid"],
        1007 => &["/actor", "/process/pid", "/process/uid", "/ai_agent/uid", "/ai_agent/instance_uid"],
        4001 => &["/actor/process/uid", "/dst_endpoint", "/ai_agent/uid"],
        // What no rule asked for has no process whose operation led to it.
        7003 if record["actor"]["app_uid"].as_str().is_some_and(|by| !by.starts_with("rule:")) => {
            &["/command_uid", "/ai_agent/uid", "/unmapped/verified"]
        }
        7003 => &["/command_uid", "/process/uid", "/ai_agent/uid", "/unmapped/verified"],
        6002 => &["/app/name"],
        1008 => &["/log_name"],
        _ => &[],
    };
    for member in of_class {
        assert!(record.pointer(member).is_some(), "no {member} in {record}");
    }
}

fn score(line: &Value, wanted: Wanted<'_>) -> usize {
    wanted.iter().filter(|(member, value)| line.pointer(member) == Some(value)).count()
}

fn differences(line: &Value, wanted: Wanted<'_>) -> String {
    let differ = wanted.iter().filter(|(member, value)| line.pointer(member) != Some(value));
    differ
        .map(|(member, value)| format!("{member}: wanted {value}, found {}", line.pointer(member).unwrap_or(&Value::Null)))
        .collect::<Vec<_>>()
        .join("; ")
}

fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(200)..]).into_owned()
}
