//! OCSF class 1001, File System Activity: open, create, write-open, unlink.
//!
//! The activity is what the program asked for (a refused open for writing is an Update that failed); a creation is one
//! only when the kernel created the file.

use super::format::Class;
use super::line::Line;
use super::process_class::{actor, file_type, file_uid};
use crate::event::{Detail, Event, Open, Path, Text, Unlink};
use crate::process::Operation;

pub(super) fn class(event: &Event) -> Class {
    let activity = match &event.detail {
        Detail::Unlink(_) => 4,
        Detail::Open(open) if open.created => 1,
        Detail::Open(open) if open.for_writing() => 3,
        _ => 14,
    };
    Class { uid: 1001, activity, activity_name: None, status: None, users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    actor(line, op);
    line.json.object("file");
    match &op.event.detail {
        Detail::Open(open) => {
            named(line, &open.path, &open.asked);
            line.json.number("type_id", file_type(open.file.mode));
            file_uid(line, open.file);
            line.json.close();
            // O_ACCMODE: 0 read, 1 write, 2 both.
            line.json.number("access_mask", open.open_flags & 0o3);
        }
        Detail::Unlink(unlink) => {
            named(line, &unlink.path, &unlink.asked);
            // What a removed name stood for is not known, unless a directory was to be removed or the kernel told.
            line.json.number("type_id", if unlink.directory { 2 } else { file_type(unlink.file.mode) });
            file_uid(line, unlink.file);
            line.json.close();
        }
        _ => line.json.close(),
    }
}

/// The path; the asked one with how much of it the kernel could keep, where that is all there is.
fn named<'e>(line: &mut Line<'_, 'e>, path: &'e Path, asked: &'e Text) {
    if path.bytes == asked.bytes && asked.is_truncated() {
        line.json.key("name");
        line.basename(&path.bytes);
        line.text("path", "path", asked);
    } else {
        line.file_path("path", path);
    }
}

pub(super) fn unmapped<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>) {
    match &op.event.detail {
        Detail::Open(open) => {
            open_flags(line, open);
            if open.created {
                line.json.number("create_mode", open.create_mode);
            }
            if open.file.ino != 0 && open.file.nlink == 0 {
                line.json.boolean("nameless", true);
            }
            asked(line, &open.path, &open.asked);
        }
        Detail::Unlink(unlink) => {
            asked(line, &unlink.path, &unlink.asked);
            before(line, unlink);
        }
        _ => {}
    }
}

fn asked<'e>(line: &mut Line<'_, 'e>, path: &'e Path, asked: &'e Text) {
    if !asked.is_empty() && asked.bytes != path.bytes {
        line.text("asked", "asked", asked);
    }
    line.trust(path.trust);
}

fn before<'e>(line: &mut Line<'_, 'e>, unlink: &'e Unlink) {
    if let Some(before) = &unlink.asked_at_enter {
        line.text("asked_at_enter", "asked_at_enter", before);
    }
}

/// `O_*` as a program gave them: `O_WRONLY|O_CREAT`; bits without a name as one octal number.
fn open_flags(line: &mut Line<'_, '_>, open: &Open) {
    line.json.key("open_flags");
    line.json.raw("\"");
    line.json.raw(match open.open_flags & 0o3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    });
    let mut rest = open.open_flags & !0o3;
    for (bits, name) in OPEN_FLAGS {
        if rest & bits == bits {
            line.json.raw("|");
            line.json.raw(name);
            rest &= !bits;
        }
    }
    if rest != 0 {
        line.json.raw("|0x");
        line.json.hex(rest);
    }
    line.json.raw("\"");
}

/// `include/uapi/asm-generic/fcntl.h`; names that contain the bits of others come first. i386 has the same numbers.
const OPEN_FLAGS: [(u64, &str); 16] = [
    (0o20_200_000, "O_TMPFILE"),
    (0o4_010_000, "O_SYNC"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10_000, "O_DSYNC"),
    (0o20_000, "O_ASYNC"),
    (0o40_000, "O_DIRECT"),
    (0o100_000, "O_LARGEFILE"),
    (0o200_000, "O_DIRECTORY"),
    (0o400_000, "O_NOFOLLOW"),
    (0o1_000_000, "O_NOATIME"),
    (0o2_000_000, "O_CLOEXEC"),
];
