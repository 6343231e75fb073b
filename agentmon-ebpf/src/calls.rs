//! Every call whose record is made by its shape (`agentmon_common::syscalls::SHAPES`): arguments, the file or path it acts
//! on, where to.
//!
//! One handler for all of them, so that a further call is a row in the table. Not for: open and exec (`file`, `process`),
//! sockets (`network`), credentials (`identity`): they report what no argument says.

use crate::call::Call;
use crate::directory;
use crate::errors::ProbeError;
use crate::kernel::{Regs, file_id, file_of, offset, read};
use crate::maps::{Directory, Entered, Kept};
use crate::place::{self, AT_FDCWD, EFAULT, Given};
use crate::record::Record;
use crate::{pointed, walk, wanted};
use agentmon_common::record::{CallFixed, flags};
use agentmon_common::syscalls::{self, ARGS_MAX, NO, OPS, PAIR, Place, Shape, besides, place as what};
use aya_ebpf::helpers::bpf_probe_read_user;

/// By operation.
static SHAPES: [Shape; OPS] = syscalls::SHAPES;

/// How this operation's record is made; `kind` 0 when it has a handler of its own.
#[inline(always)]
pub fn shape(op: u8) -> &'static Shape {
    &SHAPES[op as usize % OPS]
}

/// At entry: keeps the paths and where they begin, before another thread can change them.
#[inline(always)]
pub fn remember(regs: Regs, compat: bool, shape: &Shape, entered: &mut Entered) -> Result<(), ProbeError> {
    remember_place(regs, compat, shape.first, &mut entered.first, &mut entered.first_directory)?;
    remember_place(regs, compat, shape.second, &mut entered.second, &mut entered.second_directory)
}

#[inline(always)]
fn remember_place(regs: Regs, compat: bool, place: Place, path: &mut Kept, directory: &mut Directory) -> Result<(), ProbeError> {
    path.len = 0;
    let (dirfd, at) = match place.what {
        what::PATH => (AT_FDCWD, place.at),
        what::AT => (regs.arg(compat, place.at)? as i32, place.at + 1),
        _ => return Ok(()),
    };
    let source = regs.arg(compat, at)?;
    place::remember(path, source);
    // One that cannot be read yet may be relative.
    if source != 0 && (path.len == 0 || path.bytes[0] != b'/') {
        directory::look(directory, dirfd);
    }
    Ok(())
}

/// The exit of a call.
#[inline(never)]
pub fn done(call: &Call) -> Result<(), ProbeError> {
    let shape = shape(call.op);
    if !wanted::is_wanted(call)? {
        return Ok(());
    }
    let mut record = Record::of_current::<CallFixed>(call.agent, shape.kind, call.ret)?;
    call.stamp(&mut record);
    push_args(&mut record, call, shape)?;
    let entered = call.entered()?;
    if let Some(entered) = entered {
        record.fixed::<CallFixed>().resolved_ns = entered.resolved_ns;
    }
    // A new root can be a new working directory too.
    let moves = shape.besides == besides::NEW_ROOT;
    let first = entered.map(|entered| Given { path: &entered.first, directory: (!moves).then_some(&entered.first_directory) });
    push_first(&mut record, call, shape.first, first)?;
    if shape.second.what != what::NONE {
        let second = entered.map(|entered| Given { path: &entered.second, directory: (!moves).then_some(&entered.second_directory) });
        push_second(&mut record, call, shape.second, second)?;
    }
    if shape.text != NO {
        push_text(&mut record, call, shape)?;
    }
    record.submit()
}

/// Most bytes of a host or domain name, twice over (`__NEW_UTS_LEN`, `include/uapi/linux/utsname.h`).
const NAME_MAX: usize = 128;
/// Bytes of an interface's name, NUL included (`IFNAMSIZ`, `include/uapi/linux/if.h`).
const INTERFACE_MAX: u64 = 16;

#[inline(always)]
fn push_text(record: &mut Record, call: &Call, shape: &Shape) -> Result<(), ProbeError> {
    let source = call.arg(shape.text)?;
    let pushed = match shape.besides {
        besides::COUNTED_TEXT | besides::INTERFACE_TEXT => {
            let len = if shape.besides == besides::INTERFACE_TEXT { INTERFACE_MAX } else { call.arg(1)? };
            record.push_user::<NAME_MAX>(source, len)?
        }
        _ => record.push_user_str(source)?,
    };
    match pushed {
        Some(span) => record.fixed::<CallFixed>().text = span,
        // No string is allowed, where the kernel does not say otherwise.
        None if source == 0 && call.ret != EFAULT => {}
        None => record.flag(flags::UNREADABLE),
    }
    Ok(())
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
    // Of every call: the verifier would walk all that follows once for each way.
    pointed::push(record, call);
    if shape.besides == besides::IN_MEMORY { push_memory_flag(record, call) } else { Ok(()) }
}

/// An argument, which the first mmap of i386 has in memory; 0 where that cannot be read.
#[inline(always)]
pub fn argument(call: &Call, index: u8) -> Result<u64, ProbeError> {
    if shape(call.op).besides != besides::IN_MEMORY {
        return call.arg(index);
    }
    Ok(u64::from(in_memory(call, index)?.unwrap_or(0)))
}

#[inline(always)]
pub fn in_memory(call: &Call, index: u8) -> Result<Option<u32>, ProbeError> {
    let at = call.arg(0)? + 4 * u64::from(index);
    // SAFETY: the helper checks the source.
    Ok(unsafe { bpf_probe_read_user(at as *const u32) }.ok())
}

/// What stands in memory is read when the call has returned.
#[inline(always)]
fn push_memory_flag(record: &mut Record, call: &Call) -> Result<(), ProbeError> {
    record.flag(if in_memory(call, 3)?.is_some() { flags::READ_AT_EXIT } else { flags::UNREADABLE });
    Ok(())
}

/// A plain argument; of a pair the high half stands behind the low one.
#[inline(always)]
fn value(call: &Call, index: u8) -> Result<u64, ProbeError> {
    let low = argument(call, index & !PAIR)?;
    if index & PAIR == 0 {
        return Ok(low);
    }
    Ok(low | call.arg((index & !PAIR) + 1)? << 32)
}

#[inline(always)]
fn push_first(record: &mut Record, call: &Call, place: Place, given: Option<Given>) -> Result<(), ProbeError> {
    let fd = match place.what {
        what::NONE => return Ok(()),
        what::FD => {
            let fd = argument(call, place.at)? as i32;
            record.fixed::<CallFixed>().first.fd = fd;
            fd
        }
        // Of a failure there is none.
        what::RESULT => call.ret as i32,
        _ => {
            let (fd, source) = path_of(call, place)?;
            let pushed = place::path(record, call, fd, source, given)?;
            record.fixed::<CallFixed>().first = pushed;
            // With AT_EMPTY_PATH the descriptor itself is meant.
            if pushed.asked.len != 0 {
                return Ok(());
            }
            fd
        }
    };
    // Another thread may have closed the descriptor, or it never was one: then its number is all there is to say.
    let _ = push_file(record, fd);
    Ok(())
}

/// A second place is never a descriptor.
#[inline(always)]
fn push_second(record: &mut Record, call: &Call, place: Place, given: Option<Given>) -> Result<(), ProbeError> {
    let (fd, source) = path_of(call, place)?;
    let pushed = place::path(record, call, fd, source, given)?;
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
fn push_file(record: &mut Record, fd: i32) -> Result<(), ProbeError> {
    let file = file_of(fd)?;
    let mut id = file_id(read(file, offset!(file_inode))?)?;
    let walked = walk::file_path(record, file)?;
    id.path_flags = walked.flags;
    let fixed = record.fixed::<CallFixed>();
    fixed.file = id;
    fixed.path = walked.span;
    Ok(())
}
