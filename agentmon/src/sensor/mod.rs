//! The kernel side as the daemon sees it: loads the probes, tells them what to watch, drains their records.
//!
//! The only module that names `aya`. Not for: what a record means (`crate::event::decode`) or what to do about it.

pub mod btf;
mod cgroups;
pub mod frames;
mod load;
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

pub use load::{Members, Missing, Sensor, SensorConfig, SensorError, check_capabilities};
pub use paths::{PathHook, PathHookState};
pub use repeats::Counted;
