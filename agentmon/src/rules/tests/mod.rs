//! Tests of the rules as a whole: loading, matching, counting, the pack.

mod deletion;
mod hostile;
mod loading;
mod matching;
mod pack;
mod support;
