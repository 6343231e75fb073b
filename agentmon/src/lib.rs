//! agentmon: watches what AI agents do on a host, from the kernel, and stops them.
//!
//! The way of an event is one direction: `sensor` (ring buffer) → `event` (decode) → `process` (who did it) → `rules`
//! (matches) → `response` (freeze, kill) → `log`, `metrics`, `view`. A stage knows only the value it receives and the
//! value it hands on; `monitor` wires them. `docs/architecture.md` has the picture and the invariants.

pub mod agents;
pub mod allow;
pub mod canary;
pub mod cgroup;
pub mod cli;
mod clock;
pub mod config;
pub mod daemon;
pub mod event;
pub mod log;
pub mod metrics;
pub mod monitor;
pub mod priority;
pub mod process;
pub mod recording;
pub mod response;
pub mod rules;
pub mod sensor;
pub mod stages;
pub mod view;
