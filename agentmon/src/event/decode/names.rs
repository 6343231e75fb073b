//! Records of what a process calls itself, and of what has no more than a number.
//!
//! Not for: exec.

use super::{DecodeError, Record, op_of};
use crate::event::{Argv, Capability, CgroupAction, CgroupId, CgroupState, ThreadName, UnknownCall};
use agentmon_common::record::{ArgvFixed, CapabilityFixed, CgroupStateFixed, ThreadNameFixed, UnknownCallFixed};
use agentmon_common::syscalls::{self, op};

impl Record<'_> {
    pub(super) fn thread_name(&self) -> Result<ThreadName, DecodeError> {
        let fixed: ThreadNameFixed = self.fixed()?;
        Ok(ThreadName::new(fixed.target_tid, fixed.before, fixed.after))
    }

    pub(super) fn argv(&self) -> Result<Argv, DecodeError> {
        let fixed: ArgvFixed = self.fixed()?;
        let argv = Argv { option: fixed.option, argv: self.text(fixed.argv)? };
        if argv.option_name().is_none() {
            return Err(DecodeError::Value("option of prctl"));
        }
        Ok(argv)
    }

    pub(super) fn unknown_call(&self) -> Result<UnknownCall, DecodeError> {
        let fixed: UnknownCallFixed = self.fixed()?;
        Ok(UnknownCall { number: fixed.number })
    }

    pub(super) fn capability(&self) -> Result<Capability, DecodeError> {
        let fixed: CapabilityFixed = self.fixed()?;
        let call = Some(op_of(&self.header)).filter(|op| *op != op::NONE).map(|op| syscalls::NAMES[usize::from(op)]);
        Ok(Capability { number: fixed.capability, call, in_initial_namespace: fixed.initial_namespace != 0 })
    }

    pub(super) fn cgroup_state(&self) -> Result<CgroupState, DecodeError> {
        let fixed: CgroupStateFixed = self.fixed()?;
        Ok(CgroupState {
            cgroup: CgroupId(fixed.cgroup_id),
            path: self.text(fixed.path)?,
            action: CgroupAction::from_number(fixed.action).ok_or(DecodeError::Value("action on a cgroup"))?,
            by_member: fixed.by_member != 0,
        })
    }
}
