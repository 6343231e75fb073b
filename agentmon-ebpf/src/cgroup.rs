//! What is done to an agent's cgroups: made, removed, frozen, thawed, by its own processes or by others.
//!
//! Not for: which cgroups are an agent's, and who is in them (`scope`, which calls `report` for making and removing).

use crate::errors::{ProbeError, finish};
use crate::kernel::{Cgroup, Task};
use crate::record::Record;
use crate::scope;
use agentmon_common::record::{CgroupStateFixed, cgroup_action, kind};
use agentmon_common::stats::probe;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// A cgroup is to be frozen: runs in the task that writes `cgroup.freeze`, once for it and for each below that was not frozen
/// yet, before its processes stand still.
///
/// Prototype: `cgroup_freeze(struct cgroup *cgrp, const char *path)`, include/trace/events/cgroup.h. Does not see the freezer
/// of a v1 hierarchy.
#[btf_tracepoint(function = "cgroup_freeze")]
pub fn am_cgroup_freeze(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CGROUP_FREEZE, changed(Cgroup(ctx.arg(0)), ctx.arg(1), cgroup_action::FROZEN, probe::CGROUP_FREEZE))
}

/// A cgroup is to be thawed: as `am_cgroup_freeze`.
///
/// Prototype: `cgroup_unfreeze(struct cgroup *cgrp, const char *path)`, include/trace/events/cgroup.h.
#[btf_tracepoint(function = "cgroup_unfreeze")]
pub fn am_cgroup_thaw(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CGROUP_UNFREEZE, changed(Cgroup(ctx.arg(0)), ctx.arg(1), cgroup_action::THAWED, probe::CGROUP_UNFREEZE))
}

#[inline(always)]
fn changed(cgroup: Cgroup, path: *const u8, action: u32, probe: usize) -> Result<(), ProbeError> {
    if !cgroup.is_v2()? {
        return Ok(());
    }
    match scope::agent_of_cgroup(cgroup, probe)? {
        0 => Ok(()),
        agent => report(agent, cgroup.id()?, action, path),
    }
}

/// Reports what the current task does to a cgroup of `agent`'s.
#[inline(always)]
pub fn report(agent: u32, cgroup_id: u64, action: u32, path: *const u8) -> Result<(), ProbeError> {
    if scope::is_off(agent, 1 << kind::CGROUP_STATE) {
        return Ok(());
    }
    let task = Task::current();
    let by_member = u32::from(scope::agent_of(task.tgid()?) == agent);
    let mut record = Record::of_current::<CgroupStateFixed>(agent, kind::CGROUP_STATE, 0)?;
    let path = record.push_kernel_str(path)?;
    *record.fixed() = CgroupStateFixed { cgroup_id, action, by_member, path, reserved: 0 };
    record.submit()
}
