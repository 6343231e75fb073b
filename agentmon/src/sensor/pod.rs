//! Values of maps that aya may copy: each a struct of the contract with the probes, as it is.
//!
//! `#[repr(transparent)]`: the layout is that of the struct within. Not for: what they mean (`agentmon_common`).

use agentmon_common::hooks::Proof;
use agentmon_common::offsets::Offsets;
use agentmon_common::repeat::{Key, Repeated};
use agentmon_common::stats::{CpuStats, Put, SlotStats, Taken};

/// Counters of a CPU.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodStats(pub CpuStats);

// SAFETY: CpuStats is #[repr(C)] and made of u64 alone, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodStats {}

/// A slot.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodSlot(pub SlotStats);

// SAFETY: SlotStats is #[repr(C)] and made of u64 alone, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodSlot {}

/// Offsets of members.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodOffsets(pub Offsets);

// SAFETY: Offsets is #[repr(C)] and made of u32 alone, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodOffsets {}

/// What an agent has put into the rings.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodPut(pub Put);

// SAFETY: Put is #[repr(C)] and made of u64 alone, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodPut {}

/// What was taken of that.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub(super) struct PodTaken(pub Taken);

// SAFETY: Taken is #[repr(C)] and made of u64 alone, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodTaken {}

/// A failure that is counted.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodKey(pub Key);

// SAFETY: Key is #[repr(C)] and made of u64 and u32 without padding, so any bytes are a value.
unsafe impl aya::Pod for PodKey {}

/// What is known of one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodRepeated(pub Repeated);

// SAFETY: Repeated is #[repr(C)] and made of bytes and u64 without padding, so any bytes are a value.
unsafe impl aya::Pod for PodRepeated {}

/// What the path hooks are tried with.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct PodProof(pub Proof);

// SAFETY: Proof is #[repr(C)], made of u64 and of bytes in multiples of eight, so any bytes are a value and none is padding.
unsafe impl aya::Pod for PodProof {}
