//! Debug messages of the probes (aya-log) as `tracing` events of the daemon.
//!
//! Loaded only when debug diagnostics are on: a message costs room in a ring of its own and time in the probe. Not for:
//! events of agents.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};

/// Forwards aya-log's records.
pub struct ToTracing;

impl Log for ToTracing {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        match record.level() {
            Level::Error | Level::Warn => tracing::warn!(target: "agentmon::probes", "{}", record.args()),
            Level::Info | Level::Debug | Level::Trace => tracing::debug!(target: "agentmon::probes", "{}", record.args()),
        }
    }

    fn flush(&self) {}
}

/// Takes the probes' message ring.
///
/// # Errors
/// When the eBPF object has none.
pub fn attach(ebpf: &mut Ebpf) -> Result<EbpfLogger<ToTracing>, aya_log::Error> {
    EbpfLogger::init_with_logger(ebpf, ToTracing)
}
