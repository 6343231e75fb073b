//! Tests of the log: golden lines, the shape of every line, the cap, and the writer on good days and bad ones.

mod bad_days;
mod cap;
mod golden;
pub(crate) mod sample;
mod shape;
mod speed;
mod writing;
