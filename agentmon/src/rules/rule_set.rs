//! A set of rules, compiled: what an engine evaluates, and what is known about it.
//!
//! Not for: making one (`super::loader`).

use super::Rule;
use super::audit::View;
use super::category::Category;
use super::correlation::Correlation;
use super::matcher::Matcher;
use super::profile::Policy;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Rules, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleSet(Arc<Compiled>, usize);

impl From<Compiled> for RuleSet {
    fn from(compiled: Compiled) -> Self {
        Self(Arc::new(compiled), 0)
    }
}

#[derive(Debug)]
pub(super) struct Compiled {
    /// Those that work.
    pub rules: Vec<Arc<Rule>>,
    /// By number; a correlation whose rules are missing has one too.
    pub numbered: Vec<Arc<Rule>>,
    /// By category; then of failures, of successes.
    pub matchers: HashMap<Category, [Option<Matcher>; 2]>,
    /// Those of the auditd view, of failures and of successes.
    pub audited: [Option<View>; 2],
    pub correlations: Vec<Correlation>,
    /// By rule: the correlations that count it, and at which position.
    pub counted_by: Vec<Vec<(usize, usize)>>,
    pub digest: String,
}

impl RuleSet {
    /// SHA-256 over the names and texts of all sources, in hexadecimal: what exactly is loaded.
    #[must_use]
    pub fn digest(&self) -> String {
        self.0.digest.clone()
    }

    /// Every rule, in the order of the sources; those that only feed a correlation included.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.0.rules
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.rules.len()
    }

    /// Files of which something was left out because of a mistake.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.1
    }

    /// The same rules, and that of so many files something was left out.
    pub(super) fn with_skipped(self, files: usize) -> Self {
        Self(self.0, files)
    }

    /// The same rules with what a policy lets follow. Its digest says so, unless it is the default.
    #[must_use]
    pub fn under(mut self, policy: &Policy) -> Self {
        if *policy == Policy::default() {
            return self;
        }
        // Nobody else has it yet where rules are loaded; else the others keep theirs.
        if let Some(compiled) = Arc::get_mut(&mut self.0) {
            for rule in compiled.rules.iter_mut().chain(&mut compiled.numbered) {
                let action = policy.action(rule);
                Arc::make_mut(rule).action = action;
            }
            compiled.digest = digest_of(&compiled.digest, policy);
        }
        self
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.rules.is_empty()
    }

    /// What a rule is about; of a correlation what the rules are about that it counts.
    #[must_use]
    pub fn categories(&self, rule: &Rule) -> Vec<Category> {
        let mut found = BTreeSet::new();
        let mut numbers: Vec<usize> = (0..self.0.numbered.len()).filter(|number| self.0.numbered[*number].id == rule.id).collect();
        let mut seen = vec![false; self.0.numbered.len()];
        while let Some(number) = numbers.pop() {
            if std::mem::replace(&mut seen[number], true) {
                continue;
            }
            found.extend(self.0.numbered[number].category);
            let counts =
                |member: &usize| self.0.counted_by[*member].iter().any(|(index, _)| self.0.correlations[*index].rule as usize == number);
            numbers.extend((0..self.0.counted_by.len()).filter(counts));
        }
        found.into_iter().collect()
    }

    pub(super) fn rule(&self, number: u32) -> Option<&Arc<Rule>> {
        self.0.numbered.get(number as usize)
    }

    pub(super) fn matcher(&self, category: Category, success: bool) -> Option<&Matcher> {
        self.0.matchers.get(&category)?[usize::from(success)].as_ref()
    }

    pub(super) fn audited(&self, success: bool) -> Option<&View> {
        self.0.audited[usize::from(success)].as_ref()
    }

    pub(super) fn correlations(&self) -> &[Correlation] {
        &self.0.correlations
    }

    pub(super) fn counted_by(&self, rule: u32) -> &[(usize, usize)] {
        self.0.counted_by.get(rule as usize).map_or(&[], |indices| indices)
    }
}

fn digest_of(texts: &str, policy: &Policy) -> String {
    let mut sha = Sha256::new();
    sha.update(texts);
    sha.update(format!("{policy:?}"));
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
