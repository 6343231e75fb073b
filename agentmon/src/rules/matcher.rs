//! All rules of one category against one event, at a cost that hardly grows with their number.
//!
//! Every text of every rule goes into one automaton per field. An event's field runs through it once; the texts found
//! say which rules can match at all, and only those are evaluated. Nothing is allocated per event.
//! Not for: which category an event has (`super::category`), what follows a match (`super::engine`).

use super::audit::{AuditField, Record};
use super::expression::Expression;
use super::field::Field;
use super::joined::{Joined, Joins};
use super::pattern::{Literal, Test};
use super::value;
use crate::event::{Detail, WallClock};
use crate::process::Operation;
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use std::collections::HashMap;

/// Texts of so many bytes become a table with one look-up per byte; more become a smaller, slower automaton.
const TABLE_BYTES_MAX: usize = 16 * 1024;

/// A test of one field.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub field: Field,
    pub test: Test,
}

/// A rule to be matched.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// What the caller knows it by.
    pub number: u32,
    pub condition: &'a Expression<Atom>,
    /// What of its matches is suppressed, by index.
    pub filters: Vec<usize>,
}

#[derive(Debug)]
struct Rule {
    number: u32,
    condition: Expression<u32>,
    filters: Vec<usize>,
}

/// The rules of one category, by what they need to see.
#[derive(Debug)]
pub(super) struct Matcher {
    rules: Vec<Rule>,
    /// What is suppressed, by index; `None` where no rule of this matcher asks.
    filters: Vec<Option<Expression<u32>>>,
    atoms: Vec<Compiled>,
    automata: Vec<Automaton>,
    /// Indices of `automata` that every event runs through.
    eager: Vec<usize>,
    /// Rules that no text can rule out, as a bit set.
    always: Vec<u64>,
    joins: Joins,
}

#[derive(Debug)]
struct Compiled {
    field: Field,
    test: Test,
    /// The automaton that finds it.
    automaton: Option<usize>,
    /// Rules to be evaluated once it is found.
    wakes: Vec<u32>,
}

#[derive(Debug)]
struct Automaton {
    field: Field,
    search: AhoCorasick,
    /// Atoms by pattern.
    atoms: Vec<Vec<u32>>,
}

/// What is known about one event so far. Kept between events so that nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Atoms that hold.
    holding: Vec<u64>,
    /// Wildcard atoms that have been tried: once is enough, and a hostile value has many places to try.
    tried: Vec<u64>,
    /// Rules to evaluate.
    woken: Vec<u64>,
    /// Automata that have run, as a bit set.
    run: u64,
    joined: Joined,
}

fn set(bits: &mut [u64], index: usize) -> bool {
    let Some(word) = bits.get_mut(index / 64) else { return false };
    let fresh = *word & (1 << (index % 64)) == 0;
    *word |= 1 << (index % 64);
    fresh
}

fn is_set(bits: &[u64], index: usize) -> bool {
    bits.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
}

impl Matcher {
    /// Compiles rules, and those of the filters that they ask for.
    ///
    /// # Errors
    /// When the texts together are more than an automaton can hold (billions of states).
    pub fn new(entries: Vec<Entry<'_>>, filters: &[Expression<Atom>]) -> Result<Self, BuildError> {
        let mut atoms = Interner::default();
        let mut compile = |condition: &Expression<Atom>| condition.clone().map(&mut |atom| atoms.intern(atom));
        let mut asked = vec![None; filters.len()];
        let rules: Vec<Rule> = entries
            .into_iter()
            .map(|Entry { number, condition, filters: of }| {
                for filter in &of {
                    asked[*filter].get_or_insert_with(|| compile(&filters[*filter]));
                }
                Rule { number, condition: compile(condition), filters: of }
            })
            .collect();
        let filters = asked;
        let mut atoms = atoms.atoms;
        let automata = build_automata(&mut atoms)?;
        let mut always = vec![0; rules.len().div_ceil(64)];
        let mut eager = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let Some((_, triggers)) = rule.condition.triggers(&|atom| cost(&atoms[*atom as usize])) else {
                set(&mut always, index);
                continue;
            };
            let triggers: Vec<u32> = triggers.into_iter().copied().collect();
            for trigger in triggers {
                let atom = &mut atoms[trigger as usize];
                atom.wakes.push(u32::try_from(index).unwrap_or(u32::MAX));
                eager.extend(atom.automaton);
            }
        }
        eager.sort_unstable();
        eager.dedup();
        let asks = |atom: &Compiled, wanted| atom.field == wanted || matches!(&atom.test, Test::Reference(to) if to.other == wanted);
        let asked = |wanted| atoms.iter().any(|atom| asks(atom, wanted));
        let joins = Joins::asked(asked);
        Ok(Self { rules, filters, atoms, automata, eager, always, joins })
    }

    /// Calls `matched` with the number of every rule that matches, in order.
    pub fn evaluate(&self, operation: &Operation<'_>, scratch: &mut Scratch, mut matched: impl FnMut(u32)) {
        scratch.reset(self.atoms.len(), &self.always);
        if self.joins.any() || matches!(operation.event.detail, Detail::Argv(_) | Detail::Dns(_)) {
            scratch.joined.fill(operation, self.joins);
        }
        for automaton in &self.eager {
            self.run(*automaton, operation, scratch);
        }
        for word in 0..scratch.woken.len() {
            let mut bits = scratch.woken[word];
            while bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if let Some(rule) = self.rules.get(index)
                    && rule.condition.holds(&mut |atom| self.holds(*atom, operation, scratch))
                    && !self.is_suppressed(rule, operation, scratch)
                {
                    matched(rule.number);
                }
            }
        }
    }

    /// Whether a filter holds for a rule that matched.
    fn is_suppressed(&self, rule: &Rule, operation: &Operation<'_>, scratch: &mut Scratch) -> bool {
        let mut filters = rule.filters.iter().filter_map(|filter| self.filters.get(*filter)?.as_ref());
        filters.any(|filter| filter.holds(&mut |atom| self.holds(*atom, operation, scratch)))
    }

    /// Whether an atom holds, running its field through its automaton if that was not done yet.
    fn holds(&self, atom: u32, operation: &Operation<'_>, scratch: &mut Scratch) -> bool {
        let Some(compiled) = self.atoms.get(atom as usize) else { return false };
        if let Some(automaton) = compiled.automaton {
            self.run(automaton, operation, scratch);
            return is_set(&scratch.holding, atom as usize);
        }
        let value = |field| value::value(field, operation, &scratch.joined);
        match &compiled.test {
            Test::Reference(reference) => match (value(compiled.field), value(reference.other)) {
                (Some(this), Some(other)) => reference.relates(this.bytes(), other.bytes()),
                _ => false,
            },
            test => value(compiled.field).is_some_and(|value| test.passes(value.bytes())),
        }
    }

    /// Finds every text of one automaton in its field, once per event.
    fn run(&self, index: usize, operation: &Operation<'_>, scratch: &mut Scratch) {
        if scratch.run & (1 << index) != 0 {
            return;
        }
        scratch.run |= 1 << index;
        let automaton = &self.automata[index];
        let Scratch { holding, tried, woken, joined, .. } = scratch;
        let Some(value) = value::value(automaton.field, operation, joined) else { return };
        let value = value.bytes();
        for found in automaton.search.find_overlapping_iter(value) {
            for atom in &automaton.atoms[found.pattern().as_usize()] {
                let compiled = &self.atoms[*atom as usize];
                let holds = match &compiled.test {
                    Test::Literal(literal) => literal.confirms(value, found.start(), found.end()),
                    test => set(tried, *atom as usize) && test.passes(value),
                };
                if holds && set(holding, *atom as usize) {
                    compiled.wakes.iter().for_each(|rule| {
                        set(woken, *rule as usize);
                    });
                }
            }
        }
    }
}

impl Scratch {
    /// One for events whose stamps begin at this time.
    pub fn new(clock: WallClock) -> Self {
        Self { joined: Joined::new(clock), ..Self::default() }
    }

    /// Looks at this record of an operation from now on.
    pub fn look_at(&mut self, record: Record) {
        self.joined.record = Some(record);
    }

    fn reset(&mut self, atoms: usize, always: &[u64]) {
        for bits in [&mut self.holding, &mut self.tried] {
            bits.clear();
            bits.resize(atoms.div_ceil(64), 0);
        }
        self.woken.clear();
        self.woken.extend_from_slice(always);
        self.run = 0;
    }
}

/// The text by which an automaton finds an atom, when it has one.
fn handle(test: &Test) -> Option<Vec<u8>> {
    let text = match test {
        Test::Literal(literal) => literal.text.clone(),
        Test::Glob(glob) => glob.longest_text(),
        _ => return None,
    };
    (!text.is_empty()).then(|| text.to_ascii_lowercase())
}

/// What it costs to wait for an atom: long command lines cost more than paths, short texts wake rules for nothing.
fn cost(atom: &Compiled) -> Option<u64> {
    atom.automaton?;
    let field = match atom.field {
        Field::CommandLine | Field::ParentCommandLine | Field::Audit(AuditField::Line | AuditField::Proctitle) => 400,
        Field::TargetFilename | Field::Image | Field::DestinationIp | Field::TargetSocket => 0,
        field if field.is_computed() => 1000,
        _ => 100,
    };
    let short = match &atom.test {
        Test::Literal(Literal { text, .. }) if text.len() >= 4 => 0,
        _ => 50,
    };
    Some(1 + field + short)
}

/// One automaton per field that has texts.
fn build_automata(atoms: &mut [Compiled]) -> Result<Vec<Automaton>, BuildError> {
    let mut automata = Vec::new();
    for field in Field::ALL {
        let mut patterns: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        for (number, atom) in (0_u32..).zip(atoms.iter_mut()) {
            let Some(text) = handle(&atom.test).filter(|_| atom.field == *field) else { continue };
            atom.automaton = Some(automata.len());
            let pattern = *known.entry(text.clone()).or_insert(patterns.len());
            match patterns.get_mut(pattern) {
                Some((_, atoms)) => atoms.push(number),
                None => patterns.push((text, vec![number])),
            }
        }
        if patterns.is_empty() {
            continue;
        }
        let bytes: usize = patterns.iter().map(|(text, _)| text.len()).sum();
        let kind = if bytes <= TABLE_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let search = AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(kind)).build(patterns.iter().map(|(text, _)| text))?;
        automata.push(Automaton { field: *field, search, atoms: patterns.into_iter().map(|(_, atoms)| atoms).collect() });
    }
    Ok(automata)
}

/// Gives equal atoms one number.
#[derive(Default)]
struct Interner {
    atoms: Vec<Compiled>,
    known: HashMap<(Field, String), u32>,
}

impl Interner {
    fn intern(&mut self, atom: Atom) -> u32 {
        let next = u32::try_from(self.atoms.len()).unwrap_or(u32::MAX);
        // Regular expressions with the same text may differ in their flags: each stays its own.
        let number = match &atom.test {
            Test::Regex(_) => next,
            test => *self.known.entry((atom.field, format!("{test:?}"))).or_insert(next),
        };
        if number == next {
            self.atoms.push(Compiled { field: atom.field, test: atom.test, automaton: None, wakes: Vec::new() });
        }
        number
    }
}
