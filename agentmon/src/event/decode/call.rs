//! Records of calls that are told by their arguments.
//!
//! Not for: unlink, which has a value of its own.

use super::{DecodeError, Record, file, op_of};
use crate::event::{Call, FileId, Kind, Path, PathTrust, Target, Text, flags};
use agentmon_common::record::CallFixed;
use agentmon_common::syscalls::{self, Place, besides, op, place, variants};

/// `AT_EMPTY_PATH` (`include/uapi/linux/fcntl.h`).
const AT_EMPTY_PATH: u64 = 0x1000;
/// `MOVE_MOUNT_T_EMPTY_PATH`, `FSPICK_EMPTY_PATH`, `MS_REMOUNT`, `MS_BIND`, `MS_MOVE`, and the flags that change only how a mount propagates
/// (`include/uapi/linux/mount.h`).
const MOVE_MOUNT_T_EMPTY_PATH: u64 = 0x40;
const FSPICK_EMPTY_PATH: u64 = 8;
const MS_REMOUNT: u64 = 0x20;
const MS_BIND: u64 = 0x1000;
const MS_MOVE: u64 = 0x2000;
const MS_PROPAGATION: u64 = 0x1e_0000;
/// `FSCONFIG_SET_PATH`, `FSCONFIG_SET_PATH_EMPTY` (`include/uapi/linux/mount.h`).
const FSCONFIG_PATHS: [u64; 2] = [3, 4];
/// chown, fchown and lchown of i386 that take ids of 16 bits (`arch/x86/entry/syscalls/syscall_32.tbl`).
const CHOWN_16: [u16; 3] = [16, 95, 182];

impl Record<'_> {
    pub(super) fn call(&self, kind: Kind) -> Result<Call, DecodeError> {
        let fixed: CallFixed = self.fixed()?;
        let op = variants::of(op_of(&self.header), fixed.args[0], fixed.args[1]);
        let shape = syscalls::SHAPES[usize::from(op)];
        if shape.kind != kind as u16 {
            return Err(DecodeError::Value("system call"));
        }
        let mut text = if shape.text == syscalls::NO { None } else { Some(self.text(fixed.text)?) };
        if shape.besides == besides::INTERFACE_TEXT {
            text = text.map(up_to_nul);
        }
        let mut call = Call {
            kind,
            op,
            args: self.ids(fixed.args),
            file: FileId::default(),
            target: if is_open(shape.first) { Target::default() } else { self.target(&fixed.first)? },
            second: if shape.second.what == place::NONE { None } else { Some(self.target(&fixed.second)?) },
            text,
        };
        if is_open(shape.first) || call.target.asked.is_empty() && self.empty_is_the_descriptor(&call) {
            call.file = file(fixed.file);
            call.target.path = self.path(fixed.path, fixed.file.path_flags)?;
        }
        self.as_given(&mut call);
        Ok(call)
    }

    /// Arguments as the kernel takes them: the oldest calls cut ids to 16 bits, of which all set means -1.
    fn ids(&self, args: [u64; syscalls::ARGS_MAX]) -> [u64; syscalls::ARGS_MAX] {
        if self.header.flags & flags::COMPAT == 0 || !CHOWN_16.contains(&self.header.syscall) {
            return args;
        }
        let [uid, gid, rest @ ..] = args;
        let wide = |id: u64| u64::from(if id as u16 == u16::MAX { u32::MAX } else { u32::from(id as u16) });
        let mut all = [wide(uid), wide(gid), 0, 0];
        all[2..].copy_from_slice(&rest);
        all
    }

    /// Whether an empty path means the descriptor before it.
    fn empty_is_the_descriptor(&self, call: &Call) -> bool {
        let bit = match call.op {
            op::MOVE_MOUNT => MOVE_MOUNT_T_EMPTY_PATH,
            op::FSPICK => FSPICK_EMPTY_PATH,
            // No path at all, which only these take; an empty one is refused.
            op::UTIMENSAT | op::FUTIMESAT if !self.failed() => return true,
            _ => AT_EMPTY_PATH,
        };
        syscalls::SHAPES[usize::from(call.op)].first.what == place::AT && call.arg("flags").is_some_and(|flags| flags & bit != 0)
    }

    /// Leaves strings as they are that are no paths, or whose directory is called otherwise by now.
    fn as_given(&self, call: &mut Call) {
        let relative = |target: &Target| target.asked.bytes.first().is_some_and(|byte| *byte != b'/');
        let leave = |target: &mut Target| {
            target.path = Path { bytes: target.asked.bytes.clone(), trust: PathTrust::Partial };
        };
        match (call.op, &mut call.second) {
            (op::MOUNT, Some(source)) if !has_source_path(call.args[0]) => leave(source),
            (op::FSCONFIG, Some(value)) if !FSCONFIG_PATHS.contains(&call.args[1]) => leave(value),
            (op::PIVOT_ROOT, Some(old)) if !self.failed() => {
                for target in [&mut call.target, old].into_iter().filter(|target| relative(target)) {
                    leave(target);
                }
            }
            _ => {}
        }
    }
}

/// Whether mount takes its source for a path: when it binds or moves. Else the string is the file system's to read.
const fn has_source_path(flags: u64) -> bool {
    flags & MS_REMOUNT == 0 && (flags & MS_BIND != 0 || flags & (MS_MOVE | MS_PROPAGATION) == MS_MOVE)
}

/// A name in memory that has more behind it.
fn up_to_nul(text: Text) -> Text {
    let len = text.bytes.iter().position(|byte| *byte == 0).unwrap_or(text.bytes.len());
    Text { bytes: text.bytes.slice(..len), original: u32::try_from(len).unwrap_or(u32::MAX) }
}

/// Whether a place is an open file.
const fn is_open(place: Place) -> bool {
    matches!(place.what, place::FD | place::RESULT)
}
