//! Tests of the rules as a whole: loading, matching, counting, the pack.

mod correlations;
mod deletion;
mod filters;
mod hostile;
mod language;
mod loading;
mod matching;
mod pack;
pub(super) mod support;
