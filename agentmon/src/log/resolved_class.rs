//! What the kernel resolved where no call says what came of it: OCSF class 1001, File System Activity, with status 0.
//!
//! Not for: what was joined to its call; that is a line of the call's.

use super::format::Class;
use super::line::Line;
use super::process_class::{actor, file_type, file_uid};
use crate::event::{Kind, Path, PathTrust, Resolved};
use crate::process::Operation;

pub(super) fn class(it: &Resolved) -> Class {
    let activity = match it.kind {
        Kind::Unlink => 4,
        Kind::Rename => 5,
        Kind::Link | Kind::Symlink | Kind::Mkdir | Kind::Mknod => 1,
        Kind::Truncate => 3,
        _ => 7,
    };
    Class { uid: 1001, activity, activity_name: None, status: Some(0), users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, it: &'e Resolved) {
    actor(line, op);
    line.json.object("file");
    line.file_path("path", &it.path);
    line.json.number("type_id", if it.is_directory() { 2 } else { file_type(it.file.mode) });
    file_uid(line, it.file);
    line.json.close();
    if let Some(second) = &it.second {
        line.json.object("file_result");
        line.file_path("path2", second);
        line.json.number("type_id", file_type(it.replaced.mode));
        file_uid(line, it.replaced);
        line.json.close();
    }
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, it: &'e Resolved) {
    // A path whose front is missing; any other is the kernel's.
    let is_partial = |path: &Path| path.trust != PathTrust::Resolved;
    if is_partial(&it.path) || it.second.as_ref().is_some_and(is_partial) {
        line.trust(PathTrust::Partial);
    }
    if let Some(text) = &it.text {
        line.text("text", "text", text);
    }
    if it.by_worker {
        line.json.boolean("by_worker", true);
    }
    if it.args().next().is_none() {
        return;
    }
    line.json.object("args");
    for (name, value) in it.args() {
        match name {
            "flags" | "device" => line.json.plain(name, format_args!("{value:#x}")),
            "mode" => line.json.plain(name, format_args!("0{value:o}")),
            _ => {
                line.json.key(name);
                // -1 leaves it as it is.
                line.json.raw(itoa::Buffer::new().format(value as i32));
            }
        }
    }
    line.json.close();
}
