//! Why a probe could not do its work, and the one wrapper that counts it.
//!
//! Not for: failures of the watched operation; those are outcomes and travel in the record.

use crate::{atomic, maps};
use agentmon_common::stats::cause;
use aya_ebpf::EbpfContext;
use aya_log_ebpf::debug;

/// Numbers are those of `agentmon_common::stats::cause`.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum ProbeError {
    Null = cause::NULL,
    KernelRead = cause::KERNEL_READ,
    MapFull = cause::MAP_FULL,
    Scratch = cause::SCRATCH,
    TooLarge = cause::TOO_LARGE,
    TooDeep = cause::TOO_DEEP,
}

/// Counts what `result` says went wrong in `probe` (an index of `stats::probe`).
#[inline(always)]
pub fn finish(ctx: &impl EbpfContext, probe: usize, result: Result<(), ProbeError>) -> i32 {
    if let Err(error) = result {
        count(probe, error);
        debug!(ctx, "probe {} failed with cause {}", probe, error as usize);
    }
    0
}

/// Counts an error, whether or not the probe goes on.
#[inline(always)]
pub fn count(probe: usize, error: ProbeError) {
    let cause = error as usize;
    if let Some(stats) = maps::stats()
        && probe < agentmon_common::stats::probe::COUNT
        && cause < cause::COUNT
    {
        // SAFETY: a word of a map value.
        unsafe { atomic::increment(&raw mut (*stats).errors[probe][cause]) };
    }
}
