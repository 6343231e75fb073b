//! The kernel side as the daemon sees it: loads the probes, tells them what to watch, drains their records.
//!
//! The only module that names `aya`. Not for: what a record means (`crate::event::decode`) or what to do about it.

pub mod btf;
mod cgroups;
mod error;
mod flows;
pub mod frames;
mod load;
mod members;
mod misses;
pub mod offsets;
mod paths;
mod pod;
mod probe_log;
pub mod programs;
mod proof;
mod refusal;
mod repeats;
pub mod ring;
pub mod run_time;
mod second;
mod shares;
pub mod stats;
mod watch;

pub use error::SensorError;
pub use load::{Missing, Sensor, SensorConfig, check_capabilities};
pub use members::Members;
pub use paths::{PathHook, PathHookState};
pub use repeats::Counted;
