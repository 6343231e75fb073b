//! Sources into a set of rules, and a diagnostic for everything in them that is not one.
//!
//! Pure: text in, rules out. A broken document costs itself only. Not for: reading files (`super::load`).

use super::audit;
use super::category::Category;
use super::correlation;
use super::detection::{self, Context};
use super::diagnostic::{Diagnostic, Position, Problem, SKIPPED};
use super::document::{self, Meta, Outcomes};
use super::expression::Expression;
use super::filter::{self, Filter};
use super::logsource::category;
use super::matcher::{Atom, Entry, Matcher};
use super::placeholder::Placeholders;
use super::resolve::{Resolved, Rules};
use super::rule_set::{Compiled, RuleSet};
use super::satisfiable::satisfiable;
use super::yaml::{self, Node, Value};
use super::{Rule, Severity};
use aho_corasick::BuildError;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A file of rules: its name as the user knows it, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Path, as shown in diagnostics and matches.
    pub name: &'a str,
    /// The YAML.
    pub text: &'a str,
}

/// The rules that are good, and what is wrong with the others.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The good ones.
    pub rules: RuleSet,
    /// Everything that a person should know, by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether some rule was not loaded.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Loads every rule of every source. Rules of different sources may refer to each other.
#[must_use]
pub fn load(sources: &[Source<'_>]) -> Loaded {
    let mut loader = Loader::default();
    let mut documents = Vec::new();
    for source in sources {
        documents.extend(yaml::parse(source.text).into_iter().map(|document| (source.name, document)));
    }
    // Rules may stand before the placeholders that they name.
    for (_, document) in &mut documents {
        if let Some(root) = &document.root
            && root.get("placeholders").is_some()
        {
            loader.placeholders.add(root, &mut document.problems);
        }
    }
    for (name, document) in documents {
        loader.document(name, document);
    }
    loader.finish(digest(sources))
}

fn digest(sources: &[Source<'_>]) -> String {
    let mut hash = Sha256::new();
    for source in sources {
        for part in [source.name, source.text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[derive(Default)]
struct Loader {
    rules: Vec<Rule>,
    detections: Vec<(u32, Category, Outcomes, Expression<Atom>)>,
    correlations: Vec<(u32, correlation::Parsed)>,
    /// With their files.
    filters: Vec<(String, Filter)>,
    placeholders: Placeholders,
    /// Ids and names, to rules.
    names: HashMap<String, u32>,
    /// What is no rule because of a mistake, to be checked for others once all rules are known.
    broken: Vec<Broken>,
    diagnostics: Vec<Diagnostic>,
}

/// A document with a mistake.
struct Broken {
    file: String,
    /// Its id and name, with their key, as far as it has them.
    names: Vec<(&'static str, String, Position)>,
    correlation: Option<correlation::Parsed>,
}

impl Loader {
    fn document(&mut self, file: &str, document: yaml::Document) {
        let mut problems = document.problems;
        if let Some(root) = document.root {
            self.check(file, &root, &mut problems);
        }
        self.diagnostics.extend(problems.into_iter().map(|problem| problem.in_file(file)));
    }

    /// Loads a rule, unless there are problems.
    fn check(&mut self, file: &str, document: &Node, problems: &mut Vec<Problem>) {
        if matches!(&document.value, Value::Scalar(scalar) if scalar.is_null()) {
            return;
        }
        if !matches!(document.value, Value::Map(_)) {
            problems.push(Problem::error(document.at, format!("a rule is a mapping, not {}", document.noun())));
        } else if document.get("correlation").is_some() {
            self.correlation(file, document, problems);
        } else if document.get("filter").is_some() {
            self.filter(file, document, problems);
        } else if document.get("action").is_some() {
            problems
                .push(Problem::error(document.at, "`action` documents belong to old Sigma versions").hint("every document is one rule"));
        } else if document.get("placeholders").is_none() {
            self.detection(file, document, problems);
        }
    }

    fn detection(&mut self, file: &str, document: &Node, problems: &mut Vec<Problem>) {
        let Some(category) = category(document, problems) else { return };
        let meta = document::meta(document, problems);
        let expression = if let Some(detection) = document.get("detection") {
            let context = Context { category, placeholders: &self.placeholders, besides: None };
            detection::compile(detection, context, problems).map(|compiled| compiled.expression)
        } else {
            problems.push(Problem::error(document.at, "`detection` is missing"));
            None
        };
        if let (Some(category), Some(meta), Some(expression)) = (category, meta, expression)
            && is_sound(problems)
        {
            if category == Category::Auditd && !audit::can_match(&expression) {
                let why = audit::why_never(problems);
                problems.clear();
                problems.push(Problem::warning(document.at, format!("{SKIPPED}no audit record here can match: {why}")));
                return;
            }
            let outcomes = meta.outcomes.unwrap_or_default();
            if let Some(number) = self.add(file, meta, Some(category), document, problems) {
                self.detections.push((number, category, outcomes, expression));
            }
        } else {
            self.broken.push(Broken::new(file, document, None));
        }
    }

    fn filter(&mut self, file: &str, document: &Node, problems: &mut Vec<Problem>) {
        let Some(category) = category(document, problems) else { return };
        let filter = filter::parse(document, category, &self.placeholders, problems);
        self.filters.extend(filter.filter(|_| is_sound(problems)).map(|filter| (file.to_owned(), filter)));
    }

    fn correlation(&mut self, file: &str, document: &Node, problems: &mut Vec<Problem>) {
        let Some(node) = document.get("correlation") else { return };
        let meta = document::meta(document, problems);
        let parsed = correlation::parse(node, document.get("generate"), meta.as_ref(), problems);
        match meta.filter(|_| parsed.sound && is_sound(problems)) {
            Some(meta) => {
                if let Some(number) = self.add(file, meta, None, document, problems) {
                    self.correlations.push((number, parsed));
                }
            }
            None => self.broken.push(Broken::new(file, document, Some(parsed))),
        }
    }

    /// That a rule has this id or name already.
    fn taken(&self, key: &str, name: &str, at: Position) -> Option<Problem> {
        let other = self.rules.get(*self.names.get(name)? as usize)?;
        let problem = Problem::error(at, format!("this `{key}` is taken by the rule `{}`", other.title));
        Some(problem.hint(format!("the other one is in {}, line {}", other.file, other.line)))
    }

    /// Adds a rule under its id and name, unless one of them is taken.
    fn add(&mut self, file: &str, meta: Meta, category: Option<Category>, at: &Node, problems: &mut Vec<Problem>) -> Option<u32> {
        let names = [("id", Some(&meta.id)), ("name", meta.name.as_ref())];
        let taken = names.into_iter().filter_map(|(key, name)| self.taken(key, name?, at.get(key).map_or(at.at, |node| node.at)));
        let before = problems.len();
        problems.extend(taken);
        if problems.len() > before {
            return None;
        }
        let number = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        self.names.insert(meta.id.clone(), number);
        self.names.extend(meta.name.map(|name| (name, number)));
        self.rules.push(Rule {
            id: meta.id,
            title: meta.title,
            description: meta.description,
            author: meta.author,
            level: meta.level,
            class: meta.class,
            action: meta.action,
            runbook: meta.runbook,
            tags: meta.tags,
            falsepositives: meta.falsepositives,
            file: file.to_owned(),
            line: meta.line,
            category,
            reported: true,
        });
        Some(number)
    }

    fn finish(mut self, digest: String) -> Loaded {
        let mut correlations = Vec::new();
        let mut counted_by = vec![Vec::new(); self.rules.len()];
        let mut told = vec![None; self.rules.len()];
        let mut works = vec![true; self.rules.len()];
        let parsed = std::mem::take(&mut self.correlations);
        let mut known = self.known();
        let resolved = known.resolve(&parsed);
        let further: Vec<_> = self.broken.iter().map(|broken| (broken.file.clone(), self.further(broken, &known))).collect();
        let generate: HashMap<u32, bool> = parsed.iter().map(|(number, parsed)| (*number, parsed.generate)).collect();
        for Resolved { number, found, problems } in resolved {
            if let Some((correlation, members)) = found {
                for (step, member) in members.into_iter().enumerate() {
                    counted_by[member as usize].push((correlations.len(), step));
                    *told[member as usize].get_or_insert(false) |= generate.get(&number).is_some_and(|generate| *generate);
                }
                correlations.push(correlation);
            } else {
                works[number as usize] = false;
            }
            let file = self.rules[number as usize].file.clone();
            self.diagnostics.extend(problems.into_iter().map(|problem| problem.in_file(&file)));
        }
        for (file, problems) in further {
            self.diagnostics.extend(problems.into_iter().map(|problem| problem.in_file(&file)));
        }
        let (filtered, filters) = self.filtered();
        for (rule, told) in self.rules.iter_mut().zip(told) {
            rule.reported = told.unwrap_or(true);
        }
        let matchers = self.matchers(&filtered, &filters);
        let audited = [Outcomes::Success, Outcomes::Failure]
            .map(|unwanted| self.compile(Category::Auditd, unwanted, &filtered, |rules| audit::View::new(&rules, &filters)).flatten());
        self.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let numbered: Vec<Arc<Rule>> = self.rules.into_iter().map(Arc::new).collect();
        let rules = numbered.iter().zip(works).filter(|(_, works)| *works).map(|(rule, _)| Arc::clone(rule)).collect();
        let compiled = Compiled { rules, numbered, matchers, audited, correlations, counted_by, digest };
        Loaded { rules: compiled.into(), diagnostics: self.diagnostics }
    }

    /// What else is wrong with a document that is no rule.
    fn further(&self, broken: &Broken, rules: &Rules<'_>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = broken.names.iter().filter_map(|(key, name, at)| self.taken(key, name, *at)).collect();
        if let Some(parsed) = &broken.correlation {
            let _ = rules.one(u32::MAX, parsed, &mut problems);
        }
        problems
    }

    /// The rules as correlations and filters see them.
    fn known(&self) -> Rules<'_> {
        let categories = self.rules.iter().map(|rule| rule.category.map(|category| vec![category])).collect();
        Rules { names: &self.names, categories }
    }

    /// Finds the rules that each filter is for: by rule the filters, and what they suppress.
    fn filtered(&mut self) -> (HashMap<u32, Vec<usize>>, Vec<Expression<Atom>>) {
        let mut filtered: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut suppressed = Vec::new();
        for (file, filter) in std::mem::take(&mut self.filters) {
            let mut problems = Vec::new();
            let rules = self.filters_rules(&filter, &mut problems);
            for (number, _, _, condition) in self.detections.iter().filter(|(number, ..)| rules.contains(number)) {
                filtered.entry(*number).or_default().push(suppressed.len());
                let rest = Expression::All(vec![condition.clone(), Expression::Not(Box::new(filter.suppressed.clone()))]);
                if !satisfiable(&rest) {
                    let title = &self.rules[*number as usize].title;
                    problems.push(Problem::warning(filter.at, format!("the filter suppresses all that the rule `{title}` finds")));
                }
            }
            suppressed.push(filter.suppressed);
            self.diagnostics.extend(problems.into_iter().map(|problem| problem.in_file(&file)));
        }
        (filtered, suppressed)
    }

    fn filters_rules(&self, filter: &Filter, problems: &mut Vec<Problem>) -> Vec<u32> {
        let of_category = self.detections.iter().filter(|(_, category, ..)| *category == filter.category).map(|(number, ..)| *number);
        let Some(names) = &filter.rules else {
            let rules: Vec<u32> = of_category.collect();
            if rules.is_empty() {
                problems.push(Problem::warning(
                    filter.at,
                    format!("no loaded rule is for {}: the filter has no effect", filter.category.name()),
                ));
            }
            return rules;
        };
        let known = self.known();
        let mut rules = Vec::new();
        for (name, at) in names {
            let Some(number) = known.find(name) else {
                problems.push(known.unknown(name, *at));
                continue;
            };
            match self.rules[number as usize].category {
                Some(category) if category == filter.category => rules.push(number),
                Some(category) => {
                    let message = format!("the filter is for {}, the rule `{name}` for {}", filter.category.name(), category.name());
                    problems.push(Problem::error(*at, message));
                }
                None => {
                    let problem = Problem::error(*at, format!("`{name}` is a correlation: a filter suppresses matches of single events"));
                    problems.push(problem.hint("name the rules that it counts"));
                }
            }
        }
        rules
    }

    fn matchers(&mut self, filtered: &HashMap<u32, Vec<usize>>, filters: &[Expression<Atom>]) -> HashMap<Category, [Option<Matcher>; 2]> {
        let mut matchers = HashMap::new();
        for category in Category::OF_OPERATIONS {
            let pair = [Outcomes::Success, Outcomes::Failure]
                .map(|unwanted| self.compile(*category, unwanted, filtered, |rules| Matcher::new(rules, filters)));
            if pair.iter().any(Option::is_some) {
                matchers.insert(*category, pair);
            }
        }
        matchers
    }

    /// Compiles the rules of a category that want other outcomes than these; `None` when there are none.
    fn compile<M>(
        &mut self,
        category: Category,
        unwanted: Outcomes,
        filtered: &HashMap<u32, Vec<usize>>,
        build: impl FnOnce(Vec<Entry<'_>>) -> Result<M, BuildError>,
    ) -> Option<M> {
        let rules = self.detections.iter().filter(|(_, of, outcomes, _)| *of == category && *outcomes != unwanted);
        let rules: Vec<Entry<'_>> = rules
            .map(|(number, _, _, condition)| Entry {
                number: *number,
                condition,
                filters: filtered.get(number).cloned().unwrap_or_default(),
            })
            .collect();
        let file = rules.first().and_then(|entry| self.rules.get(entry.number as usize)).map(|rule| rule.file.clone())?;
        build(rules)
            .map_err(|error| {
                let message = format!("the rules for {} do not fit into an automaton: {error}", category.name());
                self.diagnostics.push(Problem::error(Position::START, message).in_file(&file));
            })
            .ok()
    }
}

impl Broken {
    fn new(file: &str, document: &Node, correlation: Option<correlation::Parsed>) -> Self {
        let name = |key| document.get(key).and_then(|node| Some((key, node.text()?.to_owned(), node.at)));
        let id = name("id").map(|(key, id, at)| (key, id.to_ascii_lowercase(), at));
        Self { file: file.to_owned(), names: id.into_iter().chain(name("name")).collect(), correlation }
    }
}

/// Whether nothing is wrong so far.
fn is_sound(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.severity < Severity::Error)
}
