//! The program as a user starts it: a session of `agentmon run`, a node with `agentmon daemon`, and what they wrote.
//!
//! A test acts through shells and files alone, and waits for facts with a deadline ([`poll`]). Not for: single records of
//! the probes, which the tests of the sensor compare field by field.

pub mod binary;
pub mod events;
pub mod group;
pub mod http;
pub mod node;
pub mod poll;
pub mod rule;
pub mod session;
pub mod terminal;
