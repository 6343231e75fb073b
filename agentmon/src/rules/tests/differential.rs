//! The same rules and events through a second engine, rsigma-eval, which nobody here wrote.
//!
//! Events are made of the rules' own texts, so that rules match often and nearly match more often. Beside the pack and
//! `tests/fixtures/sigma`, `AGENTMON_SIGMA_DIR` names a directory of rules (such as SigmaHQ's `rules/linux`), and
//! `AGENTMON_DIFFERENTIAL_EVENTS` a number of events.

use super::pack::repository;
use super::support::{self, Case};
use crate::event::WallClock;
use crate::rules::audit::{self, AuditField};
use crate::rules::category::Categories;
use crate::rules::joined::{Joined, Joins};
use crate::rules::load::read_dir;
use crate::rules::value;
use crate::rules::yaml::{self, Node, Value};
use crate::rules::{Category, Engine, Field, Source, load, pack};
use proptest::test_runner::{RngAlgorithm, TestRng};
use rsigma_eval::event::JsonEvent;
use rsigma_parser::{SigmaCollection, parse_sigma_yaml};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rules that the second engine misses matches of. Its `base64offset` keeps the last letter, which holds bits of what stands
/// behind, so that it finds a text only before the right byte; `encoding` has its own proof.
const MISSED_THERE: [&str; 1] = ["Encoded command handed to an interpreter"];

type Random = TestRng;

fn below(random: &mut Random, end: usize) -> usize {
    use proptest::prelude::Rng as _;
    (random.next_u64() % end.max(1) as u64) as usize
}

fn pick<'a>(random: &mut Random, texts: &'a [String]) -> &'a str {
    texts.get(below(random, texts.len())).map_or("", |text| text)
}

/// The files of rules: names and texts.
fn corpus() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = pack::FILES.iter().map(|source| (source.name.to_owned(), source.text.to_owned())).collect();
    files.extend(read_dir(&repository().join("tests/fixtures/sigma")).unwrap().files);
    if let Some(dir) = std::env::var_os("AGENTMON_SIGMA_DIR") {
        files.extend(read_dir(dir.as_ref()).unwrap().files);
    }
    for (_, text) in &mut files {
        // Rules that are counted are told only then; of failures the other engine knows nothing.
        let alone = |document: &&str| !document.contains("\ncorrelation:") && !document.contains("outcome: failure");
        *text = text.split("\n---\n").filter(alone).collect::<Vec<_>>().join("\n---\n");
    }
    files
}

/// What stands in the detections of the rules, by the field it is for; by "" what has none.
fn texts(files: &[(String, String)]) -> HashMap<String, Vec<String>> {
    fn walk(field: &str, node: &Node, texts: &mut HashMap<String, Vec<String>>) {
        match &node.value {
            Value::Scalar(scalar) => texts.entry(field.to_owned()).or_default().push(scalar.text.clone()),
            Value::List(nodes) => nodes.iter().for_each(|node| walk(field, node, texts)),
            Value::Map(entries) => {
                for (key, node) in entries.iter().filter(|(key, _)| key.text != "condition") {
                    let name = key.text.split('|').next().unwrap_or_default();
                    let name = if Field::from_name(name).is_some() { name } else { "" };
                    walk(name, node, texts);
                    encoded(&key.text, node, texts);
                }
            }
        }
    }
    /// The Base64 of what is looked for in Base64.
    fn encoded(key: &str, node: &Node, texts: &mut HashMap<String, Vec<String>>) {
        use base64::Engine as _;
        if key.contains("base64") {
            for text in node.one_or_many().iter().filter_map(Node::text) {
                let bytes =
                    if key.contains("utf16") { text.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { text.as_bytes().to_vec() };
                let line = texts.entry("CommandLine".to_owned()).or_default();
                line.extend((0..3).map(|before| base64::engine::general_purpose::STANDARD.encode([&b"xyz"[..before], &bytes].concat())));
            }
        }
    }
    let mut found = HashMap::new();
    for (_, text) in files {
        for root in yaml::parse(text).iter().filter_map(|document| document.root.as_ref()) {
            for key in ["detection", "filter"] {
                root.get(key).into_iter().for_each(|detection| walk("", detection, &mut found));
            }
        }
    }
    found
}

/// A text without what wildcards and expressions mean.
fn plain(text: &str, random: &mut Random) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            '*' => plain.push_str(["", "x", "a/b"][below(random, 3)]),
            '?' => plain.push('q'),
            '^' | '$' | '(' | ')' if below(random, 2) == 0 => {}
            character if character.is_ascii() && !character.is_control() => {
                plain.push(if below(random, 40) == 0 { character.to_ascii_uppercase() } else { character });
            }
            _ => plain.push('-'),
        }
    }
    plain
}

struct Texts(HashMap<String, Vec<String>>);

impl Texts {
    fn one(&self, fields: &[&str], random: &mut Random) -> String {
        let field = fields[below(random, fields.len())];
        let text = self.0.get(field).map_or("", |texts| pick(random, texts));
        plain(text, random)
    }

    fn path(&self, fields: &[&str], random: &mut Random) -> String {
        let front = ["", "/usr/bin", "/home/u", "/"][below(random, 4)];
        let middle = self.one(fields, random);
        let behind = if below(random, 3) == 0 { self.one(fields, random) } else { String::new() };
        let path = format!("{front}{middle}{behind}");
        if path.starts_with('/') { path } else { format!("/{path}") }
    }

    fn line(&self, random: &mut Random) -> String {
        if below(random, 4) == 0 {
            return self.arguments(random);
        }
        let count = 1 + below(random, 4);
        let separator = ["", " "][below(random, 2)];
        let parts: Vec<String> = (0..count).map(|_| self.one(&["CommandLine", "", "CommandLine", "Image"], random)).collect();
        let line = parts.join(separator);
        if below(random, 6) == 0 { format!("{} {line}", self.path(&["Image"], random)) } else { line }
    }

    /// Arguments as rules for audit records ask for them.
    fn arguments(&self, random: &mut Random) -> String {
        let one = |field| self.one(&[field], random);
        ["a0", "a1", "a2", "a3", "a4", "a5"].map(one).join(" ").trim_end().to_owned()
    }

    fn case(&self, random: &mut Random) -> Case {
        let target = self.path(&["TargetFilename", "TargetFilename", "SourceFilename", "name", ""], random);
        let ip = ["169.254.169.254", "10.1.2.3", "[fd00:ec2::254]", "127.0.0.1", "[::1]", "1.2.3.4"][below(random, 6)];
        let port = [53, 80, 443, 1024, 1025, 8080, 22, 9100, 65535][below(random, 9)];
        let image = self.path(&["Image", "Image", "Image", "exe"], random);
        let mut case = match below(random, 12) {
            0..=5 => support::exec(&image, &self.line(random)),
            6 => support::read(&target),
            7 => support::write(&target),
            8 => support::create(&target),
            9 => support::unlink(&target),
            10 => support::connect(&format!("{ip}:{port}")),
            _ => support::tcp(crate::event::Kind::Listen, &format!("{ip}:{port}")),
        };
        if !matches!(case.event.detail, crate::event::Detail::Exec(_)) {
            case = case.by(&image);
        }
        let parent = if below(random, 8) == 0 { image } else { self.path(&["ParentImage", "Image"], random) };
        let uid = [0, 1000, 33][below(random, 3)];
        case = case.user(uid, uid).at_ms(below(random, 400 * 24 * 3600) as u64 * 1000);
        if below(random, 5) > 0 { case.child_of(&parent, uid) } else { case }
    }
}

/// An event as the other engine takes it: every field of the category that has a value.
fn json(case: &Case, category: Category) -> serde_json::Value {
    let operation = case.operation();
    let mut joined = Joined::new(WallClock::default());
    joined.fill(&operation, Joins::asked(|_| true));
    let fields = Field::ALL.iter().filter(|field| field.is_in(category));
    let value = |field: &Field| Some(String::from_utf8_lossy(value::value(*field, &operation, &joined)?.bytes()).into_owned());
    let entries = fields.filter_map(|field| Some((field.name().to_owned(), serde_json::Value::String(value(field)?))));
    serde_json::Value::Object(entries.collect())
}

/// An operation's audit records as the other engine takes them.
fn records(case: &Case) -> Vec<serde_json::Value> {
    let operation = case.operation();
    let mut joined = Joined::new(WallClock::default());
    let mut records = Vec::new();
    for (record, fields) in audit::shown(&operation) {
        joined.record = Some(record);
        joined.fill(&operation, Joins::asked(|_| true));
        let value = |field: AuditField| Some(String::from_utf8_lossy(audit::value(field, &operation, &joined)?.bytes()).into_owned());
        let entries = fields.into_iter().filter_map(|field| Some((field.name().to_owned(), serde_json::Value::String(value(field)?))));
        records.push(serde_json::Value::Object(entries.collect()));
    }
    records
}

/// The operation as all that its rules see of it, by category.
fn seen(case: &Case) -> Vec<(Category, serde_json::Value)> {
    let categories = Categories::of(&case.event).iter().map(|category| (category, json(case, category)));
    categories.chain(records(case).into_iter().map(|record| (Category::Auditd, record))).collect()
}

/// The other engine, for one category: with the rules that this one takes.
fn other(collection: &SigmaCollection, category: Category, taken: &BTreeSet<String>) -> rsigma_eval::Engine {
    let of_category = |logsource: &rsigma_parser::LogSource| {
        let named = if category == Category::Auditd { &logsource.service } else { &logsource.category };
        named.as_deref() == Some(category.name())
    };
    let is_taken = |rule: &rsigma_parser::SigmaRule| rule.id.as_ref().is_some_and(|id| taken.contains(&id.to_ascii_lowercase()));
    let rules = collection.rules.iter().filter(|rule| of_category(&rule.logsource) && is_taken(rule)).cloned().collect();
    let wanted = SigmaCollection { rules, filters: collection.filters.clone(), ..SigmaCollection::default() };
    let mut engine = rsigma_eval::Engine::new();
    engine.add_collection(&wanted).unwrap();
    engine
}

#[test]
fn a_second_engine_says_the_same() {
    let files = corpus();
    let sources: Vec<Source<'_>> = files.iter().map(|(name, text)| Source { name, text }).collect();
    let rules = load(&sources).rules;
    let taken: BTreeSet<String> = rules.rules().iter().map(|rule| rule.id.clone()).collect();
    let all = files.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n---\n");
    let collection = parse_sigma_yaml(&all).unwrap();
    let others: HashMap<Category, rsigma_eval::Engine> =
        Category::ALL.into_iter().map(|category| (category, other(&collection, category, &taken))).collect();
    let mut engine = Engine::new(rules.clone());
    let texts = Texts(texts(&files));
    let events = std::env::var("AGENTMON_DIFFERENTIAL_EVENTS").ok().and_then(|number| number.parse().ok()).unwrap_or(4_000_usize);
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut matched, mut matches) = (BTreeSet::new(), 0);
    let mut differences: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..events {
        let case = texts.case(&mut random);
        let ours: BTreeSet<String> = support::evaluate(&mut engine, &case).into_iter().map(|found| found.rule.id.clone()).collect();
        let mut theirs = BTreeSet::new();
        for (category, event) in seen(&case) {
            let found = others[&category].evaluate(&JsonEvent::borrow(&event));
            theirs.extend(found.into_iter().filter_map(|found| found.header.rule_id.clone().map(|id| id.to_ascii_lowercase())));
        }
        let title = |id: &String| rules.rules().iter().find(|rule| rule.id == *id).map_or("?", |rule| rule.title.as_str());
        for (who, id) in ours.difference(&theirs).map(|id| ("we", id)).chain(theirs.difference(&ours).map(|id| ("they", id))) {
            if who == "we" && MISSED_THERE.contains(&title(id)) {
                continue;
            }
            differences.entry(format!("only {who} match {}", title(id))).or_insert_with(|| format!("event {number}: {:?}", seen(&case)));
        }
        matches += ours.len();
        matched.extend(ours);
    }
    assert!(differences.is_empty(), "{differences:#?}");
    println!("{events} events, {} rules, {} of them matched, {matches} matches", taken.len(), matched.len());
    assert!(matched.len() > 40 && matches > events / 10, "{} rules matched, {matches} times", matched.len());
}
