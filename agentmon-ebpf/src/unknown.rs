//! System calls whose number this build does not know: of a later kernel, or of none.
//!
//! Not for: numbers that are known and not watched.

use crate::call::Call;
use crate::errors::ProbeError;
use crate::record::Record;
use agentmon_common::record::{UnknownCallFixed, flags, kind};
use agentmon_common::syscalls::is_unknown;

const ENOSYS: i64 = 38;

/// The exit of a call with an unknown number, or with one of x32 that is not watched: that is unknown where the kernel says so.
#[inline(never)]
pub fn called(call: &Call) -> Result<(), ProbeError> {
    if !is_unknown(call.compat, u64::from(call.number)) && call.ret != -ENOSYS {
        return Ok(());
    }
    let mut record = Record::of_current::<UnknownCallFixed>(call.agent, kind::UNKNOWN_SYSCALL, call.ret)?;
    record.fixed::<UnknownCallFixed>().number = call.regs.syscall()? as u32;
    if call.compat {
        record.flag(flags::COMPAT);
    }
    record.submit()
}
