//! The rules that correlations name: found, checked, and put in an order in which each comes after those it counts.
//!
//! Not for: reading correlations (`super::correlation`), counting (`super::groups`).

use super::bound::Bound;
use super::category::Category;
use super::correlation::{Alias, Condition, Correlation, Kind, Member, Names, Parsed};
use super::detection::known_field;
use super::diagnostic::{Position, Problem};
use super::field::Field;
use std::collections::{HashMap, VecDeque};

/// The rules by id and name, and what each sees.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub names: &'a HashMap<String, u32>,
    /// By number: a detection's category, and of correlations those of the rules they count, once resolved.
    pub categories: Vec<Option<Vec<Category>>>,
}

/// What became of a correlation.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Number of the rule it is.
    pub number: u32,
    /// It, and the numbers of the rules that it counts, by position. None: the problems say why not.
    pub found: Option<(Correlation, Vec<u32>)>,
    pub problems: Vec<Problem>,
}

impl Rules<'_> {
    /// The rule with this id or name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.names.get(name).or_else(|| self.names.get(&name.to_ascii_lowercase())).copied()
    }

    /// That there is no such rule.
    pub fn unknown(&self, name: &str, at: Position) -> Problem {
        Problem::error(at, format!("no loaded rule has the id or name `{name}`")).suggest(name, self.names.keys().map(String::as_str))
    }

    /// Resolves correlations, each with the number of its rule, in an order in which each comes after those it counts.
    pub fn resolve(&mut self, correlations: &[(u32, Parsed)]) -> Vec<Resolved> {
        let index: HashMap<u32, usize> = correlations.iter().enumerate().map(|(index, (number, _))| (*number, index)).collect();
        let mut waits = vec![0_usize; correlations.len()];
        let mut waited_by: Vec<Vec<usize>> = vec![Vec::new(); correlations.len()];
        for (at, (_, parsed)) in correlations.iter().enumerate() {
            for other in parsed.rules.iter().filter_map(|(name, _)| index.get(&self.find(name)?)) {
                waits[at] += 1;
                waited_by[*other].push(at);
            }
        }
        let mut ready: VecDeque<usize> = (0..correlations.len()).filter(|at| waits[*at] == 0).collect();
        let mut resolved = Vec::new();
        let mut done = vec![false; correlations.len()];
        while let Some(at) = ready.pop_front() {
            done[at] = true;
            let (number, parsed) = &correlations[at];
            let mut problems = Vec::new();
            let found = self.one(*number, parsed, &mut problems);
            if let Some((_, members)) = &found {
                let mut of_members: Vec<Category> = members.iter().filter_map(|rule| self.seen_by(*rule)).flatten().collect();
                of_members.sort_unstable();
                of_members.dedup();
                if let Some(categories) = self.categories.get_mut(*number as usize) {
                    *categories = Some(of_members);
                }
            }
            resolved.push(Resolved { number: *number, found, problems });
            for other in &waited_by[at] {
                waits[*other] -= 1;
                if waits[*other] == 0 {
                    ready.push_back(*other);
                }
            }
        }
        // What still waits counts itself, or one that does.
        for (number, parsed) in correlations.iter().enumerate().filter(|(at, _)| !done[*at]).map(|(_, correlation)| correlation) {
            let waiting = |name: &str| self.find(name).and_then(|rule| index.get(&rule)).is_some_and(|at| !done[*at]);
            let at = parsed.rules.iter().find(|(name, _)| waiting(name)).map_or(Position::START, |(_, at)| *at);
            let problem = Problem::error(at, "correlations count each other in a circle: none of them can be first");
            resolved.push(Resolved { number: *number, found: None, problems: vec![problem] });
        }
        resolved
    }

    /// The categories of the events that a rule matches; `None` when it is broken.
    fn seen_by(&self, rule: u32) -> Option<Vec<Category>> {
        self.categories.get(rule as usize)?.clone()
    }

    /// Finds the rules of one correlation, and checks its fields against their categories.
    pub fn one(&self, number: u32, parsed: &Parsed, problems: &mut Vec<Problem>) -> Option<(Correlation, Vec<u32>)> {
        let mut rules: Vec<u32> = Vec::new();
        let mut members = Vec::new();
        for (name, at) in &parsed.rules {
            let Some(rule) = self.find(name) else {
                problems.push(self.unknown(name, *at));
                continue;
            };
            let Some(categories) = self.seen_by(rule) else {
                problems.push(Problem::error(*at, format!("the correlation `{name}` is not loaded: it has mistakes of its own")));
                continue;
            };
            if rules.contains(&rule) && parsed.kind != Kind::TemporalOrdered {
                problems.push(Problem::error(*at, format!("`{name}` stands here twice")));
            }
            rules.push(rule);
            members.push(self.member(rule, parsed, &categories, problems));
        }
        self.unused_aliases(parsed, problems);
        problems.is_empty().then(|| (build(number, parsed, members), rules))
    }

    /// What is looked at in the events of one rule.
    fn member(&self, rule: u32, parsed: &Parsed, categories: &[Category], problems: &mut Vec<Problem>) -> Member {
        let mut fields = |names: &Names| {
            let found = names.iter().filter_map(|(name, at)| {
                let alias = parsed.aliases.iter().find(|alias| alias.name == *name);
                let (name, at) = match alias {
                    Some(alias) => self.aliased(alias, rule, problems)?,
                    None => (name.as_str(), *at),
                };
                let found: Result<Vec<Field>, Problem> = categories.iter().map(|category| known_field(name, at, *category)).collect();
                // Several rules of one category have the same mistake once.
                found.map_err(|problem| (!problems.contains(&problem)).then(|| problems.push(problem))).ok()?.first().copied()
            });
            found.collect()
        };
        let member = Member { group_by: fields(&parsed.group_by), values: fields(&parsed.values) };
        if parsed.kind.is_numeric()
            && let (Some(field), Some((name, at))) = (member.values.first(), parsed.values.first())
            && !field.is_number()
        {
            let problem = Problem::error(*at, format!("the values of `{name}` are no numbers to compute with"));
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        member
    }

    /// The field that an alias stands for in the events of a rule.
    fn aliased<'p>(&self, alias: &'p Alias, rule: u32, problems: &mut Vec<Problem>) -> Option<(&'p str, Position)> {
        let found = alias.fields.iter().find(|(name, ..)| self.find(name) == Some(rule));
        if found.is_none() {
            let problem = Problem::error(alias.at, format!("the alias `{}` names no field for one of the rules", alias.name));
            if !problems.contains(&problem) {
                problems.push(problem.hint("every rule of the correlation needs one"));
            }
        }
        found.map(|(_, _, field, at)| (field.as_str(), *at))
    }

    /// Aliases that nothing asks for, or for rules that are not counted.
    fn unused_aliases(&self, parsed: &Parsed, problems: &mut Vec<Problem>) {
        let counted: Vec<u32> = parsed.rules.iter().filter_map(|(name, _)| self.find(name)).collect();
        for alias in &parsed.aliases {
            if !parsed.group_by.iter().chain(&parsed.values).any(|(name, _)| *name == alias.name) {
                problems.push(Problem::error(alias.at, format!("neither `group-by` nor `field` asks for the alias `{}`", alias.name)));
            }
            for (name, at, ..) in &alias.fields {
                if !self.find(name).is_some_and(|rule| counted.contains(&rule)) {
                    let problem = Problem::error(*at, format!("`{name}` is not among the correlation's `rules`"));
                    problems.push(problem.suggest(name, parsed.rules.iter().map(|(rule, _)| rule.as_str())));
                }
            }
        }
    }
}

fn build(number: u32, parsed: &Parsed, members: Vec<Member>) -> Correlation {
    let condition = match &parsed.condition {
        Some(Condition::Rules(expression)) => {
            let position = |name: String| parsed.rules.iter().position(|(rule, _)| *rule == name).unwrap_or(0);
            Condition::Rules(expression.clone().map(&mut { position }))
        }
        Some(Condition::Bounds(bounds)) if parsed.kind.is_temporal() && bounds.is_empty() => {
            Condition::Bounds(vec![Bound::at_least(members.len())])
        }
        Some(Condition::Bounds(bounds)) => Condition::Bounds(bounds.clone()),
        // One without a condition is not sound, and not used.
        None => Condition::Bounds(Vec::new()),
    };
    let largest = match &condition {
        Condition::Bounds(bounds) => bounds.iter().map(|bound| bound.number()).max(),
        Condition::Rules(_) => None,
    };
    Correlation {
        rule: number,
        kind: parsed.kind,
        members,
        timespan_ns: parsed.timespan_ns,
        suppress_ns: parsed.suppress_ns,
        condition,
        outcomes: parsed.outcomes,
        keep: largest.unwrap_or(0) + 1,
    }
}
