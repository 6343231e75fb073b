//! Every call whose record is made by its shape (`agentmon_common::syscalls::SHAPES`): arguments, the file or path it acts
//! on, where to.
//!
//! One handler for all of them, so that a further call is a row in the table. Not for: open and exec (`file`, `process`),
//! sockets (`network`), credentials (`identity`): they report what no argument says.

use crate::call::Call;
use crate::directory;
use crate::errors::ProbeError;
use crate::kernel::{Regs, Task, file_id, file_of, offset, read};
use crate::maps::{Directory, Entered, Kept};
use crate::place::{self, AT_FDCWD, EFAULT, Given};
use crate::record::Record;
use crate::walk;
use agentmon_common::offsets::ABSENT;
use agentmon_common::record::{CallFixed, flags};
use agentmon_common::syscalls::{self, ARGS_MAX, NO, OPS, PAIR, Place, Shape, besides, only, place as what};
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
    if !is_wanted(call, shape)? {
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

#[inline(always)]
fn push_text(record: &mut Record, call: &Call, shape: &Shape) -> Result<(), ProbeError> {
    let source = call.arg(shape.text)?;
    let pushed = match shape.besides {
        besides::COUNTED_TEXT => record.push_user::<NAME_MAX>(source, call.arg(1)?)?,
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
    // What these point to says more than the pointer.
    let pointed = match shape.besides {
        besides::BEHIND_FIRST => 0,
        besides::BEHIND_SECOND => 1,
        besides::PIDFD => {
            record.fixed::<CallFixed>().args[2] = u64::from(behind_pidfd(call));
            return Ok(());
        }
        besides::IN_MEMORY => return push_memory_flag(record, call),
        _ => return Ok(()),
    };
    let pointer = record.fixed::<CallFixed>().args[pointed];
    // SAFETY: the helper checks the source.
    let value = unsafe { bpf_probe_read_user(pointer as *const u32) };
    if value.is_err() {
        record.flag(flags::UNREADABLE);
    }
    record.fixed::<CallFixed>().args[pointed] = u64::from(value.unwrap_or(0));
    Ok(())
}

/// An argument, which the first mmap of i386 has in memory; 0 where that cannot be read.
#[inline(always)]
fn argument(call: &Call, index: u8) -> Result<u64, ProbeError> {
    if shape(call.op).besides != besides::IN_MEMORY {
        return call.arg(index);
    }
    Ok(u64::from(in_memory(call, index)?.unwrap_or(0)))
}

#[inline(always)]
fn in_memory(call: &Call, index: u8) -> Result<Option<u32>, ProbeError> {
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

/// `EPERM` and `ESRCH`: what the kernel says of the process behind a pidfd, not of the descriptor.
const OF_THE_PROCESS: [i64; 2] = [-1, -3];

/// The process behind the pidfd, in the initial pid namespace; 0 where the call did not get as far as to take the
/// descriptor for one, or the kernel has other structures.
///
/// `struct pid` hangs on the file before 6.9, on the inode of pidfs since (`pidfd_pid`, `pidfs_pid`).
#[inline(always)]
fn behind_pidfd(call: &Call) -> u32 {
    if call.ret < 0 && call.ret != OF_THE_PROCESS[0] && call.ret != OF_THE_PROCESS[1] {
        return 0;
    }
    if offset!(pid_numbers) == ABSENT as usize || offset!(inode_private) == ABSENT as usize {
        return 0;
    }
    pid_of_file(call).unwrap_or(0)
}

#[inline(always)]
fn pid_of_file(call: &Call) -> Result<u32, ProbeError> {
    let file = file_of(call.arg(0)? as i32)?;
    let mut pid: *const u8 = read(file, offset!(file_private_data))?;
    if pid.is_null() {
        pid = read(read(file, offset!(file_inode))?, offset!(inode_private))?;
    }
    // The first `struct upid` is that of the initial namespace, and begins with the number.
    read(pid, offset!(pid_numbers))
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

/// `FS_IOC_SETFLAGS`, `FS_IOC32_SETFLAGS`, `FS_IOC_FSSETXATTR` (`include/uapi/linux/fs.h`).
const SET_FLAGS: [u64; 3] = [0x4008_6602, 0x4004_6602, 0x401c_5820];
/// `PROT_WRITE`, `MAP_SHARED` (of `MAP_SHARED_VALIDATE` too), `MAP_ANONYMOUS` (`include/uapi/asm-generic/mman-common.h`).
const PROT_WRITE: u64 = 2;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
/// `FMODE_WRITE` of `file->f_mode` (`include/linux/fs.h`).
const FMODE_WRITE: u32 = 2;
/// `OPEN_TREE_CLONE` (`include/uapi/linux/mount.h`).
const OPEN_TREE_CLONE: u64 = 1;
/// Requests of ptrace that begin to trace or change the traced: `PTRACE_TRACEME`, `POKETEXT`, `POKEDATA`, `POKEUSR`,
/// `SETREGS`, `SETFPREGS`, `ATTACH`, `SETOPTIONS`, `SETREGSET`, `SEIZE` (`include/uapi/linux/ptrace.h`). Those that look or
/// continue come by the thousand and follow one of these.
const PTRACE_TELLING: [u64; 10] = [0, 4, 5, 6, 13, 15, 16, 0x4200, 0x4205, 0x4206];

/// `PRIO_PROCESS` (`include/uapi/linux/resource.h`) and `IOPRIO_WHO_PROCESS` (`include/uapi/linux/ioprio.h`).
const PRIO_PROCESS: u64 = 0;
const IOPRIO_WHO_PROCESS: u64 = 1;

/// Calls that do many things of which few are of interest.
#[inline(always)]
fn is_wanted(call: &Call, shape: &Shape) -> Result<bool, ProbeError> {
    Ok(match shape.only {
        only::SETS_FLAGS => is_one_of(&SET_FLAGS, call.arg(1)? & 0xffff_ffff),
        only::WRITABLE_MAP => is_writable_map(call)?,
        // Of arguments that cannot be read nothing is known.
        only::WRITABLE_MAP_OLD => in_memory(call, 3)?.is_none() || is_writable_map(call)?,
        only::CLONES => call.arg(2)? & OPEN_TREE_CLONE != 0,
        only::TELLING => is_one_of(&PTRACE_TELLING, call.arg(0)?),
        only::SETS_LIMIT => call.arg(0)? != 0 && call.arg(2)? != 0,
        only::OF_OTHER => is_other(call, 0)?,
        only::PRIORITY_OF_OTHER => call.arg(0)? != PRIO_PROCESS || is_other(call, 1)?,
        only::IOPRIO_OF_OTHER => call.arg(0)? != IOPRIO_WHO_PROCESS || is_other(call, 1)?,
        _ => true,
    })
}

/// Whether an argument is the id of another process. In a pid namespace, whose numbers are others, of any.
#[inline(always)]
fn is_other(call: &Call, index: u8) -> Result<bool, ProbeError> {
    Ok(am_is_other(call.arg(index)? as u32) != 0)
}

/// The same of the id itself. A global function, which the verifier checks once (see `record::am_identify`).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_is_other(pid: u32) -> u64 {
    let task = Task::current();
    let is_own = |own: Result<u32, ProbeError>| own.is_ok_and(|own| own == pid);
    u64::from(pid != 0 && !is_own(task.tid()) && !is_own(task.tgid()))
}

/// Whether a mapping is shared, of a file, and writable or able to become so (mprotect): the file is open for writing.
#[inline(always)]
fn is_writable_map(call: &Call) -> Result<bool, ProbeError> {
    let flags = argument(call, 3)?;
    if flags & MAP_SHARED == 0 || flags & MAP_ANONYMOUS != 0 {
        return Ok(false);
    }
    if argument(call, 2)? & PROT_WRITE != 0 {
        return Ok(true);
    }
    let Ok(file) = file_of(argument(call, 4)? as i32) else { return Ok(false) };
    Ok(read::<u32>(file, offset!(file_mode))? & FMODE_WRITE != 0)
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
