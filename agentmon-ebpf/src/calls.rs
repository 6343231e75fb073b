//! Every call whose record is made by its shape (`agentmon_common::syscalls::SHAPES`): arguments, the file or path it acts
//! on, where to.
//!
//! One handler for all of them, so that a further call is a row in the table. Not for: open and exec (`file`, `process`),
//! sockets (`network`), credentials (`identity`): they report what no argument says.

use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{Regs, file_id, offset, read};
use crate::maps::Entered;
use crate::place::{self, AT_FDCWD};
use crate::record::Record;
use crate::walk;
use agentmon_common::record::{CallFixed, flags};
use agentmon_common::syscalls::{self, ARGS_MAX, NO, OPS, PAIR, Place, Shape, op, place as what};
use aya_ebpf::helpers::bpf_probe_read_user;

/// By operation.
static SHAPES: [Shape; OPS] = syscalls::SHAPES;

/// How this operation's record is made; `kind` 0 when it has a handler of its own.
#[inline(always)]
pub fn shape(op: u8) -> &'static Shape {
    &SHAPES[op as usize % OPS]
}

/// At entry: keeps the paths, before another thread can change them.
#[inline(always)]
pub fn remember(regs: Regs, compat: bool, shape: &Shape, entered: &mut Entered) -> Result<(), ProbeError> {
    entered.first.len = 0;
    entered.second.len = 0;
    if let Some(index) = string_of(shape.first) {
        place::remember(&mut entered.first, regs.arg(compat, index)?);
    }
    if let Some(index) = string_of(shape.second) {
        place::remember(&mut entered.second, regs.arg(compat, index)?);
    }
    Ok(())
}

/// The argument that is a place's path.
#[inline(always)]
fn string_of(place: Place) -> Option<u8> {
    match place.what {
        what::PATH => Some(place.at),
        what::AT => Some(place.at + 1),
        _ => None,
    }
}

/// The exit of a call.
#[inline(never)]
pub fn done(call: &Call) -> Result<(), ProbeError> {
    if !is_wanted(call)? {
        return Ok(());
    }
    let shape = shape(call.op);
    let mut record = Record::new::<CallFixed>(call.task, call.agent, shape.kind, call.ret)?;
    call.stamp(&mut record);
    push_args(&mut record, call, shape)?;
    let entered = call.entered()?;
    push_first(&mut record, call, shape.first, entered)?;
    if shape.second.what != what::NONE {
        push_second(&mut record, call, shape.second, entered)?;
    }
    if shape.text != NO {
        match record.push_user_str(call.arg(shape.text)?)? {
            Some(span) => record.fixed::<CallFixed>().text = span,
            None => record.flag(flags::UNREADABLE),
        }
    }
    record.submit()
}

#[inline(always)]
fn push_args(record: &mut Record, call: &Call, shape: &Shape) -> Result<(), ProbeError> {
    let mut i = 0;
    while i < ARGS_MAX {
        if shape.args[i] != NO {
            record.fixed::<CallFixed>().args[i] = value(call, shape.args[i])?;
        }
        i += 1;
    }
    // What these point to says more than the pointer.
    let pointed = match call.op {
        op::IOCTL => 1,
        op::FILE_SETATTR => 0,
        _ => return Ok(()),
    };
    let pointer = record.fixed::<CallFixed>().args[pointed];
    // SAFETY: the helper checks the source; what is unreadable stays 0.
    record.fixed::<CallFixed>().args[pointed] = u64::from(unsafe { bpf_probe_read_user(pointer as *const u32) }.unwrap_or(0));
    Ok(())
}

/// A plain argument; of a pair the high half stands behind the low one.
#[inline(always)]
fn value(call: &Call, index: u8) -> Result<u64, ProbeError> {
    let low = call.arg(index & !PAIR)?;
    if index & PAIR == 0 {
        return Ok(low);
    }
    Ok(low | call.arg((index & !PAIR) + 1)? << 32)
}

#[inline(always)]
fn push_first(record: &mut Record, call: &Call, place: Place, entered: Option<&'static Entered>) -> Result<(), ProbeError> {
    match place.what {
        what::NONE => {}
        what::FD => {
            let fd = call.arg(place.at)? as i32;
            record.fixed::<CallFixed>().first.fd = fd;
            // Another thread may have closed the descriptor, or it never was one: then its number is all there is to say.
            let _ = push_file(record, call, fd);
        }
        _ => {
            let (fd, source) = path_of(call, place)?;
            let pushed = place::path(record, call, fd, source, entered.map(|entered| &entered.first))?;
            record.fixed::<CallFixed>().first = pushed;
        }
    }
    Ok(())
}

/// A second place is never a descriptor.
#[inline(always)]
fn push_second(record: &mut Record, call: &Call, place: Place, entered: Option<&'static Entered>) -> Result<(), ProbeError> {
    let (fd, source) = path_of(call, place)?;
    let pushed = place::path(record, call, fd, source, entered.map(|entered| &entered.second))?;
    record.fixed::<CallFixed>().second = pushed;
    Ok(())
}

#[inline(always)]
fn path_of(call: &Call, place: Place) -> Result<(i32, u64), ProbeError> {
    if place.what == what::AT {
        return Ok((call.arg(place.at)? as i32, call.arg(place.at + 1)?));
    }
    Ok((AT_FDCWD, call.arg(place.at)?))
}

/// The open file behind a descriptor.
#[inline(always)]
fn push_file(record: &mut Record, call: &Call, fd: i32) -> Result<(), ProbeError> {
    let file = call.task.file(fd)?;
    let mut id = file_id(read(file, offset!(file_inode))?)?;
    let walked = walk::file_path(record, file)?;
    id.path_flags = walked.flags;
    let fixed = record.fixed::<CallFixed>();
    fixed.file = id;
    fixed.path = walked.span;
    Ok(())
}

/// `FS_IOC_SETFLAGS`, `FS_IOC32_SETFLAGS`, `FS_IOC_FSSETXATTR` (`include/uapi/linux/fs.h`).
const SET_FLAGS: [u64; 3] = [0x4008_6602, 0x4004_6602, 0x401c_5820];
/// `PROT_WRITE`, `MAP_SHARED`, the bits of the mapping's type, `MAP_ANONYMOUS` (`include/uapi/asm-generic/mman-common.h`).
const PROT_WRITE: u64 = 2;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
/// `OPEN_TREE_CLONE` (`include/uapi/linux/mount.h`).
const OPEN_TREE_CLONE: u64 = 1;
/// Requests of ptrace that begin to trace or change the traced: `PTRACE_TRACEME`, `POKETEXT`, `POKEDATA`, `POKEUSR`,
/// `SETREGS`, `SETFPREGS`, `ATTACH`, `SETOPTIONS`, `SETREGSET`, `SEIZE` (`include/uapi/linux/ptrace.h`). Those that look or
/// continue come by the thousand and follow one of these.
const PTRACE_TELLING: [u64; 10] = [0, 4, 5, 6, 13, 15, 16, 0x4200, 0x4205, 0x4206];

/// Calls that do many things of which few are of interest.
#[inline(always)]
fn is_wanted(call: &Call) -> Result<bool, ProbeError> {
    Ok(match call.op {
        op::IOCTL => is_one_of(&SET_FLAGS, call.arg(1)? & 0xffff_ffff),
        op::MMAP => {
            let flags = call.arg(3)?;
            call.arg(2)? & PROT_WRITE != 0 && flags & MAP_SHARED != 0 && flags & MAP_ANONYMOUS == 0
        }
        op::OPEN_TREE => call.arg(2)? & OPEN_TREE_CLONE != 0,
        op::PTRACE => is_one_of(&PTRACE_TELLING, call.arg(0)?),
        op::PRLIMIT64 => call.arg(0)? != 0 && call.arg(2)? != 0,
        _ => true,
    })
}

/// Unrolled: no array on the stack, no loop for the verifier.
#[inline(always)]
fn is_one_of<const N: usize>(all: &[u64; N], one: u64) -> bool {
    let mut i = 0;
    let mut found = false;
    while i < N {
        found |= all[i] == one;
        i += 1;
    }
    found
}
