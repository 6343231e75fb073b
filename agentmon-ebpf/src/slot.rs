//! Slots: where one record is built, held by one program at a time.
//!
//! A program that is preempted while it builds a record keeps its slot, and one that runs meanwhile on the same CPU takes
//! another: every tracepoint program from Linux 7.0 on, the task iterator always. A program stays on its CPU to its end
//! (the kernel disables migration), so that only programs of one CPU compete for its slots. Not for: what is written into
//! one (`record`).

use crate::atomic;
use crate::maps::{AM_SCRATCH, AM_SLOTS, Scratch};
use agentmon_common::stats::{SLOTS, SlotStats};
use aya_ebpf::helpers::bpf_get_smp_processor_id;

/// A claimed slot; free again when this is dropped, on whatever way the program ends.
pub struct Slot {
    scratch: *mut Scratch,
    stats: *mut SlotStats,
    number: u32,
}

impl Slot {
    /// Claims a free slot of this CPU; `None` when there is none. `now_ns` must not be 0.
    #[inline(always)]
    pub fn claim(now_ns: u64) -> Option<Self> {
        // SAFETY: a helper without arguments.
        let first = unsafe { bpf_get_smp_processor_id() } * SLOTS as u32;
        let mut slot = 0;
        while slot < SLOTS as u32 {
            let number = first + slot;
            // The scratch first: between claim and `Self` nothing may fail.
            let scratch = AM_SCRATCH.get_ptr_mut(number)?;
            let stats = AM_SLOTS.get_ptr_mut(number)?;
            // SAFETY: a word of a map value.
            if unsafe { atomic::claim(&raw mut (*stats).claimed_ns, now_ns) } == 0 {
                return Some(Self { scratch, stats, number });
            }
            slot += 1;
        }
        None
    }

    /// The scratch: this program's alone until the slot is dropped.
    #[inline(always)]
    pub fn scratch(&self) -> *mut Scratch {
        self.scratch
    }

    /// The counters of the slot.
    #[inline(always)]
    pub fn stats(&mut self) -> &mut SlotStats {
        // SAFETY: a map value, and this program's alone but for the claim, which nobody changes while it is held.
        unsafe { &mut *self.stats }
    }

    /// Its number among those of all CPUs.
    #[inline(always)]
    pub fn number(&self) -> u16 {
        self.number as u16
    }
}

impl Drop for Slot {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a word of a map value.
        unsafe { atomic::release(&raw mut (*self.stats).claimed_ns) };
    }
}
