//! Calls that are told by their arguments: OCSF classes 1001 (files), 1007 (reaching into processes), 1002 (kernel
//! modules) and 1003 (the kernel's own settings).
//!
//! Not for: open, exec, connect and what else has a shape of its own.

use super::format::Class;
use super::line::Line;
use super::process_class::{actor, file_type, file_uid};
use crate::event::{Argument, Call, Kind, Target};
use crate::process::Operation;
use agentmon_common::syscalls::op;

/// OCSF `kernel.type_id`: System Call.
const SYSTEM_CALL: u32 = 2;
/// `S_IFDIR`.
const DIRECTORY: u32 = 0o040_000;

pub(super) fn class(call: &Call) -> Class {
    let (uid, activity, activity_name) = match call.kind {
        Kind::Rename => (1001, 5, None),
        Kind::Link | Kind::Symlink | Kind::Mkdir | Kind::Mknod => (1001, 1, None),
        Kind::Truncate | Kind::Map => (1001, 3, None),
        Kind::Chmod | Kind::Chown | Kind::Xattr | Kind::FileFlags => (1001, 7, None),
        Kind::FileTimes => (1001, 6, None),
        Kind::Mount if call.op == op::IOCTL_FILE_SYSTEM => (1001, 99, Some("Set File System State")),
        Kind::Mount => match call.op {
            op::UMOUNT | op::UMOUNT_OLD => (1001, 13, None),
            op::CHROOT | op::PIVOT_ROOT => (1001, 99, Some("Change Root")),
            _ => (1001, 12, None),
        },
        Kind::ProcessAccess => match call.op {
            op::PROCESS_VM_WRITEV | op::IOCTL_TYPES => (1007, 4, None),
            op::PRLIMIT64 => (1007, 99, Some("Set Limit")),
            op::SCHED_SETSCHEDULER | op::SCHED_SETPARAM | op::SCHED_SETATTR | op::SCHED_SETAFFINITY | op::SETPRIORITY | op::IOPRIO_SET => {
                (1007, 99, Some("Set Priority"))
            }
            _ => (1007, 3, None),
        },
        Kind::Module => (1002, if call.op == op::DELETE_MODULE { 2 } else { 1 }, None),
        _ => (1003, 4, None),
    };
    Class { uid, activity, activity_name, status: None, users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, call: &'e Call) {
    actor(line, op);
    match class(call).uid {
        1001 => file(line, call),
        1002 => {
            line.json.object("driver");
            file(line, call);
            line.json.close();
        }
        1007 => {
            line.json.object("process");
            match call.arg("target_pid").filter(|pid| *pid != 0) {
                Some(pid) => line.json.number("pid", pid as u32),
                None => line.json.word("name", "?"),
            }
            line.json.close();
        }
        _ => kernel_call(line, op, Some(&call.target)),
    }
}

/// A system call that changes a setting of the kernel's.
pub(super) fn kernel<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    actor(line, op);
    kernel_call(line, op, None);
}

/// With the file that the call was about, where there is one: a swap file, a namespace's, a kernel to load.
pub(super) fn kernel_call<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, about: Option<&'e Target>) {
    line.json.object("kernel");
    line.json.word("name", op.event.operation);
    if let Some(about) = about.filter(|about| !about.path.bytes.is_empty()) {
        line.untrusted("path", "path", &about.path.bytes, about.path.bytes.len());
    }
    line.json.number("type_id", SYSTEM_CALL);
    line.json.close();
}

fn file<'e>(line: &mut Line<'_, 'e>, call: &'e Call) {
    line.json.object("file");
    match &call.text {
        // A module that is removed is named by a string.
        Some(name) if call.op == op::DELETE_MODULE => {
            line.json.key("name");
            line.basename(&name.bytes);
        }
        _ => line.file_path("path", &call.target.path),
    }
    let mode = if call.kind == Kind::Mkdir { DIRECTORY } else { call.file.mode };
    line.json.number("type_id", file_type(mode));
    file_uid(line, call.file);
    line.json.close();
    if let (Kind::Rename | Kind::Link, Some(second)) = (call.kind, &call.second) {
        file_result(line, second);
    }
}

/// The name that a rename or link leads to.
pub(super) fn file_result<'e>(line: &mut Line<'_, 'e>, to: &'e Target) {
    line.json.object("file_result");
    line.file_path("path2", &to.path);
    line.json.number("type_id", 0);
    line.json.close();
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, call: &'e Call) {
    asked(line, call);
    if call.kind == Kind::ProcessAccess && !call.target.path.bytes.is_empty() {
        line.untrusted("terminal", "terminal", &call.target.path.bytes, call.target.path.bytes.len());
    }
    if let Some(text) = call.text.as_ref().filter(|text| !text.is_empty()) {
        line.text("text", "text", text);
    }
    if call.args().next().is_none() {
        return;
    }
    line.json.object("args");
    for (name, argument) in call.shown_args() {
        match argument {
            Argument::Count(count) => line.json.number(name, count),
            Argument::Id(id) => {
                line.json.key(name);
                line.json.raw(itoa::Buffer::new().format(id));
            }
            Argument::Time(seconds) => {
                line.json.key(name);
                line.json.raw(itoa::Buffer::new().format(seconds));
            }
            Argument::Octal(_) | Argument::Hex(_) | Argument::Word(_) => line.json.plain(name, argument),
        }
    }
    line.json.close();
    let mut named = call.named_args().peekable();
    if named.peek().is_none() {
        return;
    }
    line.json.object("constants");
    for (name, constant) in named {
        line.json.plain(name, constant);
    }
    line.json.close();
}

fn asked<'e>(line: &mut Line<'_, 'e>, call: &'e Call) {
    if call.target != Target::default() {
        differing(line, &call.target, "asked", "asked_at_enter");
        line.trust(call.target.path.trust);
    }
    let Some(second) = &call.second else { return };
    differing(line, second, "asked2", "asked2_at_enter");
    // Names of a rename or link stand in `file_result`; a source has no place of its own.
    if !matches!(call.kind, Kind::Rename | Kind::Link) && !second.path.bytes.is_empty() {
        line.untrusted("source", "source", &second.path.bytes, second.path.bytes.len());
    }
}

fn differing<'e>(line: &mut Line<'_, 'e>, target: &'e Target, asked: &'static str, at_enter: &'static str) {
    if !target.asked.is_empty() && target.asked.bytes != target.path.bytes {
        line.text(asked, asked, &target.asked);
    }
    if let Some(before) = &target.at_enter {
        line.text(at_enter, at_enter, before);
    }
}
