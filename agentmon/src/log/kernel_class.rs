//! OCSF class 1003, Kernel Activity, of what is no system call that has a name: cgroups, capabilities, and calls of unknown numbers.
//!
//! Not for: calls that are told by their arguments (`super::call_class`).

use super::format::Class;
use super::line::Line;
use super::process_class::actor;
use crate::event::{Capability, CgroupAction, CgroupState, UnknownCall};
use crate::process::Operation;

/// OCSF `kernel.type_id`: Other.
const OTHER: u32 = 99;

pub(super) const fn cgroup_class(state: &CgroupState) -> Class {
    let (activity, activity_name) = match state.action {
        CgroupAction::Made => (1, None),
        CgroupAction::Removed => (3, None),
        CgroupAction::Frozen => (99, Some("Freeze")),
        CgroupAction::Thawed => (99, Some("Thaw")),
    };
    Class { uid: 1003, activity, activity_name, status: None, users: false }
}

pub(super) const fn call_class() -> Class {
    Class { uid: 1003, activity: 4, activity_name: None, status: None, users: false }
}

pub(super) fn cgroup<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, state: &'e CgroupState) {
    actor(line, op);
    line.json.object("kernel");
    line.text("name", "cgroup", &state.path);
    line.json.number("type_id", OTHER);
    line.json.word("type", "cgroup");
    line.json.close();
}

pub(super) fn cgroup_facts(line: &mut Line<'_, '_>, state: &CgroupState) {
    line.json.number("cgroup_id", state.cgroup.0);
    line.json.boolean("by_agent", state.by_member);
}

pub(super) fn capability<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, capability: Capability) {
    actor(line, op);
    line.json.object("kernel");
    line.json.plain("name", capability);
    line.json.number("type_id", OTHER);
    line.json.word("type", "capability");
    line.json.close();
}

pub(super) fn capability_facts(line: &mut Line<'_, '_>, capability: Capability) {
    if let Some(call) = capability.call {
        line.json.word("call", call);
    }
    line.json.boolean("initial_namespace", capability.in_initial_namespace);
}

pub(super) fn call_facts(line: &mut Line<'_, '_>, call: UnknownCall) {
    line.json.number("number", call.number);
}
