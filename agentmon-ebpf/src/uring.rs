//! What is asked of an io_uring: requests make no system call of their own, and so nothing else sees them.
//!
//! A request is told when the kernel has taken it over, with the names as the kernel copied them: nothing can change them
//! any more. What comes of it is not known then. Not for: setting a ring up (`calls`), reading and writing.

use crate::bound::at_most;
use crate::errors::{ProbeError, finish};
use crate::kernel::{Block, Task, file_id, file_of, load, offset, read};
use crate::maps::{AM_HOOKED, AM_OFF};
use crate::place::{AT_FDCWD, base_of};
use crate::record::Record;
use crate::scope;
use crate::walk;
use agentmon_common::hooks;
use agentmon_common::offsets::ABSENT;
use agentmon_common::record::{PlaceFixed, RECORD_MAX, SOCKADDR_MAX, Span, UringFixed, flags, kind};
use agentmon_common::stats::probe;
use agentmon_common::uring::{ARGS_MAX, TOLD, opcode};
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// Words of `struct io_cmd_data`, at the start of `struct io_kiocb`: what the operation's own structure overlays.
const COMMAND_WORDS: usize = 8;
/// `REQ_F_FIXED_FILE`: the number is that of a file registered with the ring, not a descriptor.
const FIXED_FILE: u32 = 1;

/// A request was taken over: runs in the thread that submits it, or in the ring's own (`iou-sqp-PID`), which is a thread
/// of the same process.
///
/// Prototype: `io_uring_submit_req(struct io_kiocb *req)`, include/trace/events/io_uring.h; before 6.4
/// `io_uring_submit_sqe(struct io_kiocb *req, bool force_nonblock)`.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn am_uring(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::IO_URING, submitted(ctx.arg(0)))
}

fn submitted(request: *const u8) -> Result<(), ProbeError> {
    let task = Task::current();
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || scope::is_off(agent, 1 << kind::IO_URING) {
        return Ok(());
    }
    let opcode: u8 = load(request, offset!(kiocb_opcode))?;
    if opcode > 63 || TOLD >> opcode & 1 == 0 {
        return Ok(());
    }
    let apart = told_apart(opcode, agent)?;
    let asked = Asked::of(opcode, request)?;
    let address = Address::of(opcode, request)?;
    let mut record = Record::of_current::<UringFixed>(agent, kind::IO_URING, 0)?;
    record.flag(flags::SUBMITTED | apart);
    {
        let fixed = record.fixed::<UringFixed>();
        fixed.opcode = u32::from(opcode);
        let mut i = 0;
        while i < ARGS_MAX {
            fixed.args[i] = asked.args[i];
            i += 1;
        }
        fixed.first.fd = asked.at;
        fixed.second.fd = asked.to_at;
    }
    if asked.on_file {
        // A file that is registered with the ring has no descriptor: its number there is all there is to say.
        let _ = push_file(&mut record, request);
    } else if asked.has_path {
        let place = place(&mut record, asked.at, asked.name)?;
        record.fixed::<UringFixed>().first = place;
    }
    if asked.to_name != 0 {
        let place = place(&mut record, asked.to_at, asked.to_name)?;
        record.fixed::<UringFixed>().second = place;
    }
    if asked.text != 0 {
        let text = record.push_kernel_str(asked.text as *const u8)?;
        record.fixed::<UringFixed>().text = text;
    }
    push_address(&mut record, &address)?;
    record.submit()
}

/// By operation.
static KIND_BITS: [u64; 64] = hooks::URING_KIND_BITS;

/// [`flags::APART`] when what the kernel resolves of it makes a record of its own, else 0. Without a branch: the verifier would
/// walk all that follows once for each side.
#[inline(always)]
fn told_apart(opcode: u8, agent: u32) -> Result<u16, ProbeError> {
    let hooked = *AM_HOOKED.get(0).ok_or(ProbeError::Null)?;
    let off = *AM_OFF.get(agent).ok_or(ProbeError::Null)?;
    let told = KIND_BITS[opcode as usize % 64] & hooked & !off;
    // The highest bit of a number or of its negative is set unless it is 0.
    let is_told = (told | told.wrapping_neg()) >> 63;
    let is_off = off >> kind::RESOLVED & 1;
    Ok((is_told & !is_off) as u16 * flags::APART)
}

/// What a request says, in the words of its operation.
struct Asked {
    on_file: bool,
    has_path: bool,
    at: i32,
    /// A `struct filename *`.
    name: u64,
    to_at: i32,
    to_name: u64,
    /// A string that is no path.
    text: u64,
    args: [u64; ARGS_MAX],
}

impl Asked {
    const NOTHING: Self =
        Self { on_file: false, has_path: false, at: AT_FDCWD, name: 0, to_at: AT_FDCWD, to_name: 0, text: 0, args: [0; ARGS_MAX] };
    const ON_FILE: Self = Self { on_file: true, ..Self::NOTHING };

    #[inline(always)]
    fn of(opcode: u8, request: *const u8) -> Result<Self, ProbeError> {
        let mut block = Block::<COMMAND_WORDS>::EMPTY;
        block.fill(request)?;
        let c = Command(block);
        Ok(match opcode {
            opcode::OPENAT | opcode::OPENAT2 => Self {
                args: [c.get(offset!(io_open_flags)), c.get(offset!(io_open_mode)), 0],
                ..Self::path(c.get(offset!(io_open_dfd)), c.get(offset!(io_open_filename)))
            },
            opcode::UNLINKAT => Self {
                args: [c.word(offset!(io_unlink_flags)), 0, 0],
                ..Self::path(c.get(offset!(io_unlink_dfd)), c.get(offset!(io_unlink_filename)))
            },
            opcode::MKDIRAT => Self {
                args: [u64::from(c.get::<u16>(offset!(io_mkdir_mode))), 0, 0],
                ..Self::path(c.get(offset!(io_mkdir_dfd)), c.get(offset!(io_mkdir_filename)))
            },
            opcode::RENAMEAT => Self {
                to_at: c.get(offset!(io_rename_new_dfd)),
                to_name: c.get(offset!(io_rename_newpath)),
                args: [c.word(offset!(io_rename_flags)), 0, 0],
                ..Self::path(c.get(offset!(io_rename_old_dfd)), c.get(offset!(io_rename_oldpath)))
            },
            opcode::LINKAT => Self {
                to_at: c.get(offset!(io_link_new_dfd)),
                to_name: c.get(offset!(io_link_newpath)),
                args: [c.word(offset!(io_link_flags)), 0, 0],
                ..Self::path(c.get(offset!(io_link_old_dfd)), c.get(offset!(io_link_oldpath)))
            },
            opcode::SYMLINKAT => Self {
                text: string(c.get(offset!(io_link_oldpath))),
                ..Self::path(c.get(offset!(io_link_new_dfd)), c.get(offset!(io_link_newpath)))
            },
            opcode::SETXATTR => Self { text: c.get(offset!(io_xattr_name)), ..Self::path(AT_FDCWD, c.get(offset!(io_xattr_filename))) },
            opcode::FSETXATTR => Self { text: c.get(offset!(io_xattr_name)), ..Self::ON_FILE },
            opcode::FTRUNCATE => Self { args: [c.get(offset!(io_ftrunc_len)), 0, 0], ..Self::ON_FILE },
            opcode::FALLOCATE => {
                Self { args: [c.word(offset!(io_sync_mode)), c.get(offset!(io_sync_off)), c.get(offset!(io_sync_len))], ..Self::ON_FILE }
            }
            opcode::SOCKET => Self {
                args: [c.word(offset!(io_socket_domain)), c.word(offset!(io_socket_type)), c.word(offset!(io_socket_protocol))],
                ..Self::NOTHING
            },
            opcode::URING_CMD => Self { args: [c.word(offset!(io_uring_cmd_op)), 0, 0], ..Self::ON_FILE },
            opcode::LISTEN => Self { args: [c.word(offset!(io_listen_backlog)), 0, 0], ..Self::ON_FILE },
            _ => Self::ON_FILE,
        })
    }

    #[inline(always)]
    fn path(at: i32, name: u64) -> Self {
        Self { has_path: true, at, name, ..Self::NOTHING }
    }
}

/// The operation's own structure. A member that this kernel does not have reads as 0.
struct Command(Block<COMMAND_WORDS>);

impl Command {
    #[inline(always)]
    fn get<T: Copy + Default>(&self, at: usize) -> T {
        if at + size_of::<T>() > COMMAND_WORDS * 8 {
            return T::default();
        }
        self.0.get(at)
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        u64::from(self.get::<u32>(at))
    }
}

/// The string of a `struct filename`; 0 when there is none.
#[inline(always)]
fn string(filename: u64) -> u64 {
    if filename == 0 {
        return 0;
    }
    read(filename as *const u8, offset!(filename_name)).unwrap_or(0)
}

/// A path the kernel has copied, and the directory it is relative to.
#[inline(always)]
fn place(record: &mut Record, at: i32, filename: u64) -> Result<PlaceFixed, ProbeError> {
    let string = string(filename);
    if string == 0 {
        record.flag(flags::UNREADABLE);
        return Ok(PlaceFixed { fd: at, ..PlaceFixed::default() });
    }
    let asked = record.push_kernel_str(string as *const u8)?;
    let base = base_of(record, at, asked, None)?;
    Ok(PlaceFixed { fd: at, asked, at_enter: Span::default(), base: base.span, base_flags: base.flags })
}

/// The open file that a request acts on.
#[inline(always)]
fn push_file(record: &mut Record, request: *const u8) -> Result<(), ProbeError> {
    let fd: i32 = read(request, offset!(kiocb_fd))?;
    record.fixed::<UringFixed>().first.fd = fd;
    if read::<u32>(request, offset!(kiocb_flags))? & FIXED_FILE != 0 {
        return Ok(());
    }
    let file = file_of(fd)?;
    let mut id = file_id(read(file, offset!(file_inode))?)?;
    let walked = walk::file_path(record, file)?;
    id.path_flags = walked.flags;
    let fixed = record.fixed::<UringFixed>();
    fixed.file = id;
    fixed.path = walked.span;
    Ok(())
}

/// Where a socket address stands, in the program's memory: the kernel's copy has no place that is known.
struct Address {
    at: u64,
    len: usize,
}

impl Address {
    #[inline(always)]
    fn of(opcode: u8, request: *const u8) -> Result<Self, ProbeError> {
        if opcode != opcode::CONNECT || offset!(io_connect_addr_len) == ABSENT as usize {
            return Ok(Self { at: 0, len: 0 });
        }
        let (at, len): (u64, u32) = (read(request, offset!(io_connect_addr))?, read(request, offset!(io_connect_addr_len))?);
        Ok(Self { at, len: len as usize })
    }
}

#[inline(always)]
fn push_address(record: &mut Record, address: &Address) -> Result<(), ProbeError> {
    if address.len == 0 {
        return Ok(());
    }
    let at = at_most(record.len(), RECORD_MAX - SOCKADDR_MAX)?;
    let take = at_most(address.len, SOCKADDR_MAX)?;
    let to = record.base().wrapping_add(at).cast();
    // SAFETY: `at` and `take` were just bounded; the helper checks the source.
    let failed = unsafe { bpf_probe_read_user(to, take as u32, address.at as *const _) };
    if failed != 0 {
        record.flag(flags::UNREADABLE);
        return Ok(());
    }
    record.set_len(at + take);
    record.fixed::<UringFixed>().address = Span { offset: at as u32, len: take as u32, original: take as u32 };
    record.fixed::<UringFixed>().address_is_users = 1;
    Ok(())
}
