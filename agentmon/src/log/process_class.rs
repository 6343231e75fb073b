//! OCSF class 1007, Process Activity: exec, fork, exit, changes of identity, moves between cgroups.
//!
//! Also the acting process as all classes show it. An executed program alone carries argv, cwd, users and file facts;
//! other lines refer to it by `process.uid`.

use super::format::Class;
use super::line::{Line, basename};
use crate::event::constants::prctl_option;
use crate::event::{Cgroup, Detail, Event, Exec, FileId, Identity, ProcessKey, Signal, SignalName};
use crate::process::{Operation, Process};

/// Bytes of a thread name the kernel keeps.
const COMM_MAX: usize = 15;

pub(super) fn class(event: &Event) -> Class {
    let (activity, activity_name, users) = match &event.detail {
        Detail::Exit(_) => (2, None, false),
        Detail::Identity(_) => (5, None, true),
        Detail::CgroupLeave(_) => (99, Some("Cgroup Leave"), false),
        Detail::CgroupJoin(_) => (99, Some("Cgroup Join"), false),
        Detail::ProcessSeen(_) => (99, Some("Process Seen"), true),
        // Others may be caught, or mean something else to the target.
        Detail::Signal(signal) if matches!(signal.signal, SignalName::KILL | SignalName::TERM) => (2, None, false),
        Detail::Signal(_) => (99, Some("Signal"), false),
        Detail::ThreadName(_) => (99, Some("Set Name"), false),
        Detail::Argv(_) => (99, Some("Set Arguments"), false),
        Detail::Exec(_) => (1, None, true),
        _ => (1, None, false),
    };
    Class { uid: 1007, activity, activity_name, status: None, users }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, spaced: &[u8]) {
    match &op.event.detail {
        Detail::Exec(exec) => executed(line, op, exec, spaced),
        Detail::ProcessSeen(exec) => seen(line, op, exec, spaced),
        Detail::Fork(fork) => {
            line.json.number("launch_type_id", 2);
            actor(line, op);
            line.json.object("process");
            identity(line, fork.child, 0);
            line.json.object("parent_process");
            if fork.child_ppid == op.event.process.tgid {
                identity(line, op.event.process, op.process.execs);
            } else {
                // CLONE_PARENT: only the pid is known.
                line.json.number("pid", fork.child_ppid);
            }
            line.json.raw("}}");
        }
        Detail::ThreadName(_) | Detail::Argv(_) => {
            actor(line, op);
            line.json.object("process");
            identity(line, op.event.process, op.process.execs);
            line.json.close();
        }
        Detail::Exit(exit) => {
            if let Some(code) = exit.code() {
                line.json.number("exit_code", code);
            }
            actor(line, op);
            line.json.object("process");
            identity(line, op.event.process, op.process.execs);
            line.json.close();
        }
        Detail::Identity(after) => changed(line, op, after),
        Detail::CgroupLeave(cgroup) | Detail::CgroupJoin(cgroup) => moved(line, op, cgroup),
        Detail::Signal(signal) => signalled(line, op, signal),
        // Of other classes.
        _ => {}
    }
}

/// A program that runs (its creator is the actor), or was refused (the process that tried is).
fn executed<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, exec: &'e Exec, spaced: &[u8]) {
    line.json.number("launch_type_id", 3);
    if op.event.outcome.succeeded() {
        creator(line, op);
    } else {
        actor(line, op);
    }
    line.json.object("process");
    program(line, op, exec, spaced);
    line.json.close();
}

fn seen<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, exec: &'e Exec, spaced: &[u8]) {
    line.json.raw(",\"actor\":{\"app_name\":\"agentmon\"}");
    line.json.object("process");
    program(line, op, exec, spaced);
    line.json.close();
}

fn program<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, exec: &'e Exec, spaced: &[u8]) {
    let event = op.event;
    identity(line, event.process, op.process.execs);
    line.json.key("name");
    line.basename(&exec.exe.bytes);
    if !exec.argv.is_empty() {
        line.cmd_line(&exec.argv, spaced);
    }
    if !exec.cwd.bytes.is_empty() {
        line.untrusted("working_directory", "cwd", &exec.cwd.bytes, exec.cwd.bytes.len());
    }
    line.json.number("euid", event.euid);
    line.json.object("file");
    line.file_path("path", &exec.exe);
    let type_id = if file_type(exec.file.mode) == 1 { 8 } else { file_type(exec.file.mode) };
    line.json.number("type_id", type_id);
    file_uid(line, exec.file);
    line.json.close();
    parent(line, op);
    user(line, event.uid);
}

/// `actor` is the process that created this one, as far as it is known.
fn creator<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    line.json.object("actor");
    line.json.object("process");
    match op.parent {
        Some(parent) => described(line, parent, parent.image.as_deref()),
        None => line.json.number("pid", op.event.ppid),
    }
    line.json.close();
    if let Some(parent) = op.parent {
        user(line, parent.uid);
    }
    line.json.close();
}

fn parent(line: &mut Line<'_, '_>, op: &Operation<'_>) {
    line.json.object("parent_process");
    match op.parent {
        Some(parent) => identity(line, parent.key, parent.execs),
        None => line.json.number("pid", op.event.ppid),
    }
    line.json.close();
}

/// A change of user, group or capabilities: the actor is who it was, `process` what it is after the call.
fn changed<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, after: &Identity) {
    actor(line, op);
    line.json.object("process");
    identity(line, op.event.process, op.process.execs);
    line.json.number("euid", after.uids[1]);
    line.json.number("egid", after.gids[1]);
    user(line, after.uids[0]);
    line.json.close();
}

/// The actor is who sent it, `process` who got it.
fn signalled<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, signal: &'e Signal) {
    if signal.received {
        line.json.object("actor");
        line.json.object("process");
        other(line, signal);
        line.json.raw("}}");
        line.json.object("process");
        described(line, op.process, op.process.image.as_deref());
    } else {
        actor(line, op);
        line.json.object("process");
        other(line, signal);
    }
    line.json.close();
}

/// A process that may be no agent's: how many programs it executed is not known, so that it has no `uid`.
fn other<'e>(line: &mut Line<'_, 'e>, signal: &'e Signal) {
    line.json.number("pid", signal.other.tgid);
    line.untrusted("name", "name", signal.other_comm(), signal.other_comm().len());
}

fn moved<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, cgroup: &Cgroup) {
    if cgroup.mover_tgid == op.event.process.tgid {
        actor(line, op);
    } else {
        line.json.object("actor");
        line.json.object("process");
        line.json.number("pid", cgroup.mover_tgid);
        line.json.raw("}}");
    }
    line.json.object("process");
    described(line, op.process, op.process.image.as_deref());
    line.json.close();
}

/// `actor.process`: who did it, with the program it runs.
pub(super) fn actor<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    line.json.object("actor");
    line.json.object("process");
    if op.process.key.tgid == 0 {
        // Nobody knows which it was.
        line.json.number("pid", 0);
        line.json.word("name", "unknown");
    } else {
        described(line, op.process, op.process.image.as_deref());
    }
    line.json.raw("}}");
}

fn described<'e>(line: &mut Line<'_, 'e>, process: &Process, image: Option<&'e Exec>) {
    identity(line, process.key, process.execs);
    if let Some(image) = image
        && !image.exe.bytes.is_empty()
    {
        line.untrusted("path", "actor_path", &image.exe.bytes, image.exe.bytes.len());
    }
}

/// `pid` and `uid`: `<pid>.<start>.<programs executed>`, hexadecimal but for the last.
pub(super) fn identity(line: &mut Line<'_, '_>, key: ProcessKey, execs: u32) {
    let json = &mut line.json;
    json.number("pid", key.tgid);
    json.key("uid");
    json.raw("\"");
    json.hex(u64::from(key.tgid));
    json.raw(".");
    json.hex(key.start_ns);
    json.raw(".");
    json.raw(itoa::Buffer::new().format(execs));
    json.raw("\"");
}

fn user(line: &mut Line<'_, '_>, uid: u32) {
    line.json.object("user");
    line.json.key("uid");
    line.json.quoted(itoa::Buffer::new().format(uid));
    line.json.close();
}

/// OCSF file `type_id` of an `st_mode`.
pub(super) const fn file_type(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 => 1,
        0o040_000 => 2,
        0o020_000 => 3,
        0o060_000 => 4,
        0o140_000 => 5,
        0o010_000 => 6,
        0o120_000 => 7,
        _ => 0,
    }
}

/// `uid` of a file: `<major>:<minor>:<inode>`, when there is one.
pub(super) fn file_uid(line: &mut Line<'_, '_>, file: FileId) {
    if file.ino == 0 {
        return;
    }
    line.json.key("uid");
    line.json.raw("\"");
    for (number, end) in [(u64::from(file.major), ":"), (u64::from(file.minor), ":"), (file.ino, "\"")] {
        line.json.raw(itoa::Buffer::new().format(number));
        line.json.raw(end);
    }
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    match &op.event.detail {
        Detail::Exec(exec) | Detail::ProcessSeen(exec) => program_facts(line, op, exec),
        Detail::Fork(fork) => line.json.number("cgroup_id", fork.child_cgroup.0),
        Detail::Exit(exit) => {
            if let Some(signal) = exit.signal() {
                line.json.number("signal", signal);
                line.json.boolean("core_dumped", exit.status & 0x80 != 0);
            }
        }
        Detail::Identity(after) => credentials(line, op.event, after),
        Detail::CgroupLeave(cgroup) | Detail::CgroupJoin(cgroup) => {
            line.json.number("cgroup_id", cgroup.to.0);
            if !cgroup.path.is_empty() {
                line.text("cgroup", "cgroup", &cgroup.path);
            }
            line.json.boolean("born", cgroup.born);
        }
        Detail::Signal(signal) => signal_facts(line, signal),
        Detail::ThreadName(name) => {
            if name.thread != op.event.process.tgid {
                line.json.number("target_tid", name.thread);
            }
            line.untrusted("name_before", "name_before", name.before(), name.before().len());
            line.untrusted("name_after", "name_after", name.after(), name.after().len());
        }
        Detail::Argv(argv) => {
            line.json.word("option", argv.option_name().unwrap_or("?"));
            line.text("argv", "argv", &argv.argv);
        }
        // Of other classes.
        _ => {}
    }
}

fn signal_facts(line: &mut Line<'_, '_>, signal: &Signal) {
    line.json.plain("signal", signal.signal);
    match signal.code_name() {
        Some(name) => line.json.word("code", name),
        None => line.json.plain("code", signal.code),
    }
    line.json.word("result", signal.delivery.name());
    if let Some(thread) = signal.thread {
        line.json.number("target_tid", thread);
    }
    line.json.number("other_start_ns", signal.other.start_ns);
    if signal.received {
        line.json.boolean("from_outside", true);
        line.json.boolean("from_monitor", signal.from_monitor);
    } else {
        line.json.boolean("target_in_agent", signal.other_agent.is_some());
    }
    if signal.to_monitor {
        line.json.boolean("target_is_monitor", true);
    }
}

fn program_facts<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, exec: &'e Exec) {
    line.json.number("cgroup_id", op.event.cgroup.0);
    if !exec.argv.is_empty() {
        line.json.number("argc", exec.argc);
    }
    if !exec.filename.is_empty() && exec.filename.bytes != exec.exe.bytes {
        line.text("asked", "asked", &exec.filename);
    }
    if let Some(script) = &exec.script {
        line.text("script", "script", script);
    }
    if exec.is_fileless() {
        line.json.boolean("fileless", true);
    }
    if op.parent.is_some_and(|parent| parent.key.tgid != op.event.ppid) {
        line.json.number("ppid", op.event.ppid);
    }
    line.trust(exec.exe.trust);
}

fn credentials(line: &mut Line<'_, '_>, event: &Event, after: &Identity) {
    if let Some(option) = prctl_option(event.operation, after.args) {
        line.json.plain("option", option);
    }
    line.json.list("args");
    if event.operation.starts_with("cap") {
        for set in after.args {
            hex_value(line, set);
        }
    } else {
        for id in &after.args[..arguments(event.operation)] {
            // Ids are 32 bits wide; what a program left in the upper half has no meaning.
            line.json.item(*id & 0xffff_ffff);
        }
    }
    line.json.close_list();
    for (name, ids) in [("uids", after.uids), ("gids", after.gids)] {
        line.json.list(name);
        ids.into_iter().for_each(|id| line.json.item(id));
        line.json.close_list();
    }
    for (name, set) in [("cap_effective", after.cap_effective), ("cap_permitted", after.cap_permitted)] {
        line.json.key(name);
        hex_value_bare(line, set);
    }
}

fn hex_value(line: &mut Line<'_, '_>, value: u64) {
    line.json.separate();
    hex_value_bare(line, value);
}

fn hex_value_bare(line: &mut Line<'_, '_>, value: u64) {
    line.json.raw("\"");
    line.json.hex(value);
    line.json.raw("\"");
}

/// How many arguments of an identity call mean something.
fn arguments(operation: &str) -> usize {
    match operation {
        "setresuid" | "setresgid" => 3,
        "setreuid" | "setregid" => 2,
        // The option, and what it says of which capability.
        "prctl" => 3,
        _ => 1,
    }
}

/// The thread, where it is not the process's first one, and its name, where that is not the program's.
pub(super) fn thread<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    let event = op.event;
    if event.tid != event.process.tgid {
        line.json.number("tid", event.tid);
    }
    let comm = event.comm();
    let name = op.image().map(|image| basename(&image.exe.bytes)).unwrap_or_default();
    if !comm.is_empty() && comm != &name[..name.len().min(COMM_MAX)] {
        line.untrusted("comm", "comm", comm, comm.len());
    }
}
