//! The log: one NDJSON line per operation in lean OCSF 1.9, and the thread that puts lines on disk.
//!
//! [`Format`] turns values into lines and numbers them; [`LogWriter`] writes chunks of lines without ever holding up who
//! sends them. Not for: what people read on a terminal (`crate::view`), the daemon's own diagnostics (`tracing`), or
//! deciding anything about an event.

mod call_class;
mod dns_class;
mod entry;
mod file_class;
mod format;
mod json;
mod kernel_class;
mod line;
mod network_class;
mod process_class;
mod records;
mod resolved_class;
mod security;
pub mod text;
mod uring_class;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use entry::{BreakerView, FindingView, Lifecycle, Loss, MatchView, ProcessRef, StateView, WriteGap};
pub use format::{Format, Host};
pub use line::LINE_MAX;
pub use writer::{Chunk, Counters, LogHandle, LogWriter, Segment, StartError, WriterConfig};
