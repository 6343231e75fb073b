//! Requests to an io_uring: OCSF classes 1001 (files), 4001 (a connection) and 1003 (the rest).
//!
//! All have status 0: what came of them is not known. Not for: setting a ring up (`super::call_class`).

use super::call_class::{file_result, kernel_call};
use super::format::Class;
use super::line::Line;
use super::network_class::{endpoint, hostname};
use super::process_class::{actor, file_type, file_uid};
use crate::event::{Address, Target, Uring};
use crate::process::Operation;
use agentmon_common::uring::opcode;

pub(super) fn class(uring: &Uring) -> Class {
    let (uid, activity) = match uring.opcode {
        opcode::OPENAT | opcode::OPENAT2 if uring.creates() => (1001, 1),
        opcode::OPENAT | opcode::OPENAT2 if uring.for_writing() => (1001, 3),
        opcode::OPENAT | opcode::OPENAT2 => (1001, 14),
        opcode::UNLINKAT => (1001, 4),
        opcode::RENAMEAT => (1001, 5),
        opcode::MKDIRAT | opcode::SYMLINKAT | opcode::LINKAT => (1001, 1),
        opcode::FTRUNCATE | opcode::FALLOCATE => (1001, 3),
        opcode::SETXATTR | opcode::FSETXATTR => (1001, 7),
        opcode::CONNECT => (4001, 1),
        _ => (1003, 4),
    };
    Class { uid, activity, activity_name: None, status: Some(0), users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, uring: &'e Uring) {
    actor(line, op);
    match class(uring).uid {
        1001 => file(line, uring),
        4001 => {
            line.json.object("dst_endpoint");
            endpoint(line, "peer_path", uring.peer.as_ref().unwrap_or(&Address::Unknown));
            hostname(line, op);
            line.json.close();
        }
        _ => kernel_call(line, op, None),
    }
}

fn file<'e>(line: &mut Line<'_, 'e>, uring: &'e Uring) {
    line.json.object("file");
    line.file_path("path", &uring.target.path);
    line.json.number("type_id", if uring.opcode == opcode::MKDIRAT { 2 } else { file_type(uring.file.mode) });
    file_uid(line, uring.file);
    line.json.close();
    if let Some(second) = &uring.second {
        file_result(line, second);
    }
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, uring: &'e Uring) {
    line.json.number("opcode", uring.opcode);
    if uring.target != Target::default() {
        asked(line, "asked", &uring.target);
        if !uring.target.path.bytes.is_empty() {
            line.trust(uring.target.path.trust);
        }
    }
    if let Some(second) = &uring.second {
        asked(line, "asked2", second);
    }
    if let Some(text) = &uring.text {
        line.text("text", "text", text);
    }
    if uring.peer.is_some() {
        line.json.boolean("from_kernel", uring.from_kernel);
    }
    if uring.fd >= 0 {
        line.json.number("fd", uring.fd);
    }
    if uring.args().next().is_none() {
        return;
    }
    line.json.object("args");
    for (name, value) in uring.args() {
        match name {
            "flags" | "command" => line.json.plain(name, format_args!("{:#x}", value & 0xffff_ffff)),
            "mode" => line.json.plain(name, format_args!("0{value:o}")),
            _ => line.json.number(name, value),
        }
    }
    line.json.close();
}

fn asked<'e>(line: &mut Line<'_, 'e>, key: &'static str, target: &'e Target) {
    if !target.asked.is_empty() && target.asked.bytes != target.path.bytes {
        line.text(key, key, &target.asked);
    }
}
