//! One system call of a watched task, as its handler gets it.
//!
//! Not for: which calls are watched (`syscall`), nor what a handler records (`file`, `network`, `identity`).

use crate::errors::ProbeError;
use crate::kernel::{Regs, Task};
use crate::maps::{AM_ENTERED, Entered, RETURNED};
use crate::record::Record;
use agentmon_common::record::flags;

/// One system call of a watched task.
#[derive(Clone, Copy)]
pub struct Call {
    pub task: Task,
    pub agent: u32,
    pub regs: Regs,
    pub compat: bool,
    pub number: u16,
    pub op: u8,
    /// Return value; 0 at entry.
    pub ret: i64,
}

impl Call {
    /// Writes what every record of a system call carries.
    #[inline(always)]
    pub fn stamp(&self, record: &mut Record) {
        let header = record.header();
        header.syscall = self.number;
        if self.compat {
            header.flags |= flags::COMPAT;
        }
    }

    /// An argument as given.
    #[inline(always)]
    pub fn arg(&self, index: u8) -> Result<u64, ProbeError> {
        self.regs.arg(self.compat, index)
    }

    /// What this thread gave at the entry of this call.
    #[inline(always)]
    pub fn entered(&self) -> Result<Option<&'static Entered>, ProbeError> {
        let Some(entered) = AM_ENTERED.get_ptr(self.task.tid()?) else { return Ok(None) };
        // SAFETY: a map value that only this thread's programs write.
        let entered = unsafe { &*entered };
        Ok((entered.syscall == RETURNED | u32::from(self.number)).then_some(entered))
    }
}
