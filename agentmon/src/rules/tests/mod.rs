//! Tests of the rules as a whole: loading, matching, counting, the pack.

mod auditd;
pub(super) mod calls;
mod computed;
mod correlations;
mod deletion;
mod differential;
mod effects;
mod filters;
mod hostile;
mod language;
mod loading;
mod matching;
mod pack;
mod reference;
mod requests;
pub(crate) mod support;
