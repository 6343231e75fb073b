//! Profiles: how much follows from the same rules.
//!
//! Rules say what an operation is and what should follow; how far a site goes with that is its own. Not for: leaving matches out
//! (`super::filter`), nor for computing verdicts without carrying them out (`[response] mode = "observe"`).

use super::{Action, Level, Rule, RuleSet};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How much follows from a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Nothing beyond an alert.
    Observe,
    /// What the rules say.
    #[default]
    Guard,
    /// The agent is frozen where a rule of level high or critical would only alert.
    Strict,
}

/// A profile, and what follows for single classes whatever the profile and the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For all rules.
    pub profile: Profile,
    /// By class: for all rules of that class that are told.
    pub classes: BTreeMap<String, Action>,
}

/// A class that a policy names and no rule has: most likely misspelt.
#[derive(Debug, thiserror::Error)]
#[error("`rules.actions`: no rule has the class `{0}` (agentmon rules list shows the classes)")]
pub struct UnknownClass(String);

impl Policy {
    /// What follows from a match of this rule.
    #[must_use]
    pub fn action(&self, rule: &Rule) -> Action {
        // What is only logged or counted is no verdict to begin with.
        if rule.action == Action::Log {
            return Action::Log;
        }
        if let Some(action) = rule.class.as_ref().and_then(|class| self.classes.get(class)) {
            return *action;
        }
        match self.profile {
            Profile::Observe => rule.action.min(Action::Alert),
            Profile::Guard => rule.action,
            Profile::Strict if rule.level >= Level::High => rule.action.max(Action::Freeze),
            Profile::Strict => rule.action,
        }
    }

    /// Whether the rules have every class that it names.
    ///
    /// # Errors
    /// The first that none has.
    pub fn check(&self, rules: &RuleSet) -> Result<(), UnknownClass> {
        let is_known = |class: &str| rules.rules().iter().any(|rule| rule.class.as_deref() == Some(class));
        match self.classes.keys().find(|class| !is_known(class)) {
            Some(class) => Err(UnknownClass(class.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, Profile};
    use crate::rules::{Action, Level, built_in};
    use std::collections::BTreeMap;

    fn actions(policy: &Policy, level: Level, was: Action) -> Vec<Action> {
        let before = built_in().rules;
        let after = built_in().rules.under(policy);
        let of = |at: usize| (before.rules()[at].clone(), after.rules()[at].action);
        let mut found: Vec<Action> =
            (0..before.len()).map(of).filter(|(rule, _)| rule.level == level && rule.action == was).map(|(_, action)| action).collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn profiles_raise_and_lower_what_follows_and_leave_what_is_only_logged() {
        let with = |profile| Policy { profile, classes: BTreeMap::new() };
        let (observe, guard, strict) = (with(Profile::Observe), with(Profile::Guard), with(Profile::Strict));
        assert_eq!(actions(&observe, Level::Critical, Action::Kill), [Action::Alert]);
        assert_eq!(actions(&guard, Level::Critical, Action::Kill), [Action::Kill]);
        assert_eq!(actions(&strict, Level::Critical, Action::Kill), [Action::Kill]);
        assert_eq!(actions(&strict, Level::High, Action::Alert), [Action::Freeze]);
        assert_eq!(actions(&strict, Level::Medium, Action::Alert), [Action::Alert]);
        assert_eq!(actions(&strict, Level::Informational, Action::Log), [Action::Log]);
    }

    #[test]
    fn a_class_has_its_own_action_whatever_the_profile() {
        let policy = Policy { profile: Profile::Strict, classes: BTreeMap::from([("bulk_delete".to_owned(), Action::Alert)]) };
        let rules = built_in().rules.under(&policy);
        let of_class = |class: &'static str| rules.rules().iter().filter(move |rule| rule.class.as_deref() == Some(class));
        assert!(of_class("bulk_delete").all(|rule| rule.action <= Action::Alert));
        assert!(of_class("key_change").any(|rule| rule.action == Action::Freeze));
        let misspelt = Policy { classes: BTreeMap::from([("bulk_delet".to_owned(), Action::Kill)]), ..Policy::default() };
        assert!(policy.check(&rules).is_ok());
        assert!(misspelt.check(&rules).unwrap_err().to_string().contains("`bulk_delet`"));
        assert_ne!(rules.digest(), built_in().rules.digest(), "what follows is part of what is loaded");
        assert_eq!(built_in().rules.under(&Policy::default()).digest(), built_in().rules.digest());
    }
}
