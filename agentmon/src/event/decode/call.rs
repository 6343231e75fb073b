//! Records of calls that are told by their arguments.
//!
//! Not for: unlink, which has a value of its own.

use super::{DecodeError, Record, file, op_of};
use crate::event::{Call, FileId, Kind, Path, PathTrust, Target, flags};
use agentmon_common::record::CallFixed;
use agentmon_common::syscalls::{self, op, place};

/// `AT_EMPTY_PATH` (`include/uapi/linux/fcntl.h`).
const AT_EMPTY_PATH: u64 = 0x1000;
/// `MOVE_MOUNT_T_EMPTY_PATH`, `MS_REMOUNT`, `MS_BIND`, `MS_MOVE`, and the flags that change only how a mount propagates
/// (`include/uapi/linux/mount.h`).
const MOVE_MOUNT_T_EMPTY_PATH: u64 = 0x40;
const MS_REMOUNT: u64 = 0x20;
const MS_BIND: u64 = 0x1000;
const MS_MOVE: u64 = 0x2000;
const MS_PROPAGATION: u64 = 0x1e_0000;
/// chown, fchown and lchown of i386 that take ids of 16 bits (`arch/x86/entry/syscalls/syscall_32.tbl`).
const CHOWN_16: [u16; 3] = [16, 95, 182];

impl Record<'_> {
    pub(super) fn call(&self, kind: Kind) -> Result<Call, DecodeError> {
        let fixed: CallFixed = self.fixed()?;
        let op = op_of(&self.header);
        let shape = syscalls::SHAPES[usize::from(op)];
        if shape.kind != kind as u16 {
            return Err(DecodeError::Value("system call"));
        }
        let text = if shape.text == syscalls::NO { None } else { Some(self.text(fixed.text)?) };
        let mut call = Call {
            kind,
            op,
            args: self.ids(fixed.args),
            file: FileId::default(),
            target: if shape.first.what == place::FD { Target::default() } else { self.target(&fixed.first)? },
            second: if shape.second.what == place::NONE { None } else { Some(self.target(&fixed.second)?) },
            text,
        };
        if shape.first.what == place::FD || call.target.asked.is_empty() && empty_is_the_descriptor(&call) {
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

    /// Leaves strings as they are that are no paths, or whose directory is called otherwise by now.
    fn as_given(&self, call: &mut Call) {
        let relative = |target: &Target| target.asked.bytes.first().is_some_and(|byte| *byte != b'/');
        let leave = |target: &mut Target| {
            target.path = Path { bytes: target.asked.bytes.clone(), trust: PathTrust::Partial };
        };
        match (call.op, &mut call.second) {
            (op::MOUNT, Some(source)) if !has_source_path(call.args[0]) => leave(source),
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

/// Whether an empty path means the descriptor before it.
fn empty_is_the_descriptor(call: &Call) -> bool {
    let bit = if call.op == op::MOVE_MOUNT { MOVE_MOUNT_T_EMPTY_PATH } else { AT_EMPTY_PATH };
    syscalls::SHAPES[usize::from(call.op)].first.what == place::AT && call.arg("flags").is_some_and(|flags| flags & bit != 0)
}
