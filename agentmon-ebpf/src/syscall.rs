//! The pair on system-call entry and exit: which calls are wanted, and who handles them.
//!
//! Order in both: the table (cheap, and most calls end here), membership, whether the kind is wanted, handler. Attached only while an agent is
//! watched. Not for: what a handler records (`file`, `network`, `identity`).

use crate::call::Call;
use crate::errors::{ProbeError, finish};
use crate::kernel::{Regs, Task};
use crate::maps::{AM_ENTERED, Directory, Entered, HeldSocket, Installed, Kept, NO_CALL, NOT_MADE, RETURNED};
use crate::second::{Copy, event};
use crate::{calls, file, identity, names, network, scope, unknown};
use agentmon_common::record::NO_SYSCALL;
use agentmon_common::stats::probe;
use agentmon_common::syscalls::{self, OPS, PER_ABI, X32_BIT, op, variants};
use aya_ebpf::{helpers::generated::bpf_task_pt_regs, macros::btf_tracepoint, programs::BtfTracePointContext};
use core::hint::black_box;

/// The operations of a number, one per ABI.
///
/// Most system calls of the host end with both of them `NONE`: that answer must cost nothing, so the table is constant
/// memory of the program instead of a map, and the ABI, which takes a helper to find out, is not asked for first.
#[derive(Clone, Copy)]
struct Operations {
    number: u16,
    /// Native in the low byte, 32-bit in the high one.
    ops: u16,
    /// Whether it came with [`X32_BIT`].
    x32: bool,
}

impl Operations {
    #[inline(always)]
    fn of(number: u64) -> Self {
        // Opaque, so that the compiler keeps one number for check and index: the verifier does not see that two are equal.
        let x32 = number & u64::from(X32_BIT) != 0;
        let number = black_box((number & u64::from(!X32_BIT)) as usize);
        if number >= PER_ABI {
            // A negative one is no call: what seccomp or a tracer leaves of one that it skipped.
            let ops = if number & NEGATIVE != 0 { 0 } else { UNKNOWN };
            return Self { number: NO_SYSCALL, ops, x32: false };
        }
        Self { number: number as u16, ops: PAIRS[number], x32 }
    }

    #[inline(always)]
    fn is_none(self) -> bool {
        self.ops == 0 && !self.x32
    }

    /// A number of x32 that is not watched may be unknown to this kernel: its handler asks.
    #[inline(always)]
    fn in_abi(self, compat: bool) -> u8 {
        let op = (if compat { self.ops >> 8 } else { self.ops }) as u8;
        if op == op::NONE && self.x32 { op::UNKNOWN } else { op }
    }
}

/// Sign of a number, which the kernel takes for 32 bits wide.
const NEGATIVE: usize = 1 << 31;
/// Unknown in both ABIs.
const UNKNOWN: u16 = op::UNKNOWN as u16 | (op::UNKNOWN as u16) << 8;

/// `syscalls::TABLE` with the two ABIs side by side, and what is unknown marked.
static PAIRS: [u16; PER_ABI] = pairs();

const fn pairs() -> [u16; PER_ABI] {
    let mut pairs = [0; PER_ABI];
    let mut number = 0;
    while number < PER_ABI {
        pairs[number] = operation(false, number) as u16 | (operation(true, number) as u16) << 8;
        number += 1;
    }
    pairs
}

const fn operation(compat: bool, number: usize) -> u8 {
    if syscalls::is_unknown(compat, number as u64) { op::UNKNOWN } else { syscalls::TABLE[syscalls::index(compat, number as u16)] }
}

/// The operation of a number that a task is in.
#[inline(always)]
pub fn operation_of(number: u16, compat: bool) -> u8 {
    if number == NO_SYSCALL { op::NONE } else { Operations::of(u64::from(number)).in_abi(compat) }
}

/// Entry of any system call of any process: keeps what a program gave before it can change it.
///
/// Prototype: `sys_enter(struct pt_regs *regs, long id)`, include/trace/events/syscalls.h. Sees 32-bit calls; does not
/// see io_uring.
#[btf_tracepoint(function = "sys_enter")]
pub fn am_sys_enter(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::SYS_ENTER, enter(Regs(ctx.arg(0)), ctx.arg(1)))
}

#[inline(always)]
fn enter(regs: Regs, number: u64) -> Result<(), ProbeError> {
    let operations = Operations::of(number);
    if operations.is_none() {
        return Ok(());
    }
    let task = Task::current();
    let compat = task.in_compat_syscall()?;
    let (number, op) = (operations.number, operations.in_abi(compat));
    if !IS_KEPT[op as usize % OPS] {
        return Ok(());
    }
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || scope::is_off(agent, kind_bits(op)) {
        return Ok(());
    }
    let entered = entered(task, number)?;
    let shape = calls::shape(op);
    if shape.has_path() {
        return calls::remember(regs, compat, shape, entered);
    }
    network::remember(&Call { task, agent, regs, compat, number, op, ret: 0 }, entered)
}

/// By operation.
static KIND_BITS: [u64; OPS] = syscalls::KIND_BITS;

/// The kind of record of an operation, as a bit; 0 where its handler must find out.
#[inline(always)]
fn kind_bits(op: u8) -> u64 {
    KIND_BITS[op as usize % OPS]
}

/// By operation: whether something is kept at its entry.
static IS_KEPT: [bool; OPS] = is_kept();

const fn is_kept() -> [bool; OPS] {
    let mut kept = [false; OPS];
    let mut op = 0;
    while op < OPS {
        kept[op] = syscalls::SHAPES[op].has_path() || network::is_remembered(op as u8);
        op += 1;
    }
    kept
}

/// Nothing remembered yet.
static NOTHING: Entered = Entered {
    syscall: 0,
    first: Kept::EMPTY,
    second: Kept::EMPTY,
    first_directory: Directory::NONE,
    second_directory: Directory::NONE,
    socket: HeldSocket::UNKNOWN,
    installed: Installed::NONE,
    resolved_ns: 0,
};

/// Where what this thread does is remembered.
#[inline(always)]
pub fn remembered(task: Task) -> Result<&'static mut Entered, ProbeError> {
    let tid = task.tid()?;
    let entered = match AM_ENTERED.get_ptr_mut(tid) {
        Some(entered) => entered,
        None => {
            #[expect(clippy::needless_borrows_for_generic_args, reason = "a copy would take all of the stack")]
            AM_ENTERED.insert(tid, &NOTHING, 0).map_err(|_| ProbeError::MapFull)?;
            AM_ENTERED.get_ptr_mut(tid).ok_or(ProbeError::MapFull)?
        }
    };
    // SAFETY: a map value that only this thread's programs write.
    Ok(unsafe { &mut *entered })
}

/// The same, for a call that begins.
#[inline(always)]
fn entered(task: Task, number: u16) -> Result<&'static mut Entered, ProbeError> {
    let entered = remembered(task)?;
    entered.syscall = u32::from(number);
    entered.resolved_ns = 0;
    Ok(entered)
}

/// Exit of any system call of any process: what was asked, what came of it.
///
/// Prototype: `sys_exit(struct pt_regs *regs, long ret)`, include/trace/events/syscalls.h. The registers still hold the
/// arguments and the number; execve that succeeded is left to `sched_process_exec`.
#[btf_tracepoint(function = "sys_exit")]
pub fn am_sys_exit(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::SYS_EXIT, exit(Regs(ctx.arg(0)), ctx.arg(1), Copy::First))
}

#[inline(always)]
pub fn exit(regs: Regs, ret: i64, copy: Copy) -> Result<(), ProbeError> {
    let operations = Operations::of(regs.syscall()?);
    if operations.is_none() {
        return Ok(());
    }
    let task = Task::current();
    let compat = task.in_compat_syscall()?;
    let (number, op) = (operations.number, operations.in_abi(compat));
    if op == op::NONE {
        return Ok(());
    }
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 {
        return Ok(());
    }
    // Of every call, and not of those alone that vary: the verifier would walk all that follows twice. Opaque, because it does not see
    // what the compiler sees: that nothing above 255 comes back.
    let op = black_box(am_variant(u64::from(op))) as u8;
    if op == op::NONE || scope::is_off(agent, kind_bits(op)) {
        return Ok(());
    }
    if !copy.is_to_tell(event::SYS_EXIT)? {
        return Ok(());
    }
    let call = Call { task, agent, regs, compat, number, op, ret: am_answer(ret) };
    match op {
        op::OPEN..=op::CREAT | op::OPEN_BY_HANDLE_AT => file::opened(&call),
        op::CONNECT | op::SOCKETCALL | op::BIND..=op::SEND => network::done(&call),
        op::EXECVE | op::EXECVEAT => file::not_executed(&call),
        op::SETUID..=op::CAPSET | op::PRCTL_CAPABILITIES => identity::changed(&call),
        op::PRCTL => names::arguments(&call),
        op::UNKNOWN => unknown::called(&call),
        _ => calls::done(&call),
    }
}

/// Which operation a call is by its arguments. A global function, so that the verifier goes on with one state behind it, whatever
/// was asked; it finds out by itself which call it is, as [`am_answer`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_variant(op: u64) -> u64 {
    let op = op as u8;
    if !variants::varies(op) {
        return u64::from(op);
    }
    u64::from(variant(op).unwrap_or(op::NONE))
}

#[inline(always)]
fn variant(op: u8) -> Result<u8, ProbeError> {
    let task = Task::current();
    // SAFETY: as in `answer`.
    let regs = Regs(unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8);
    let (compat, at) = (task.in_compat_syscall()?, variants::argument(op));
    Ok(variants::of(op, regs.arg(compat, at)?, regs.arg(compat, at + 1)?))
}

/// `-EINTR`: what a call is said to have returned that a signal ended.
const INTERRUPTED: i64 = -4;

/// What came of a call; and the end of what was kept at its entry, because a filter can answer the next one without an entry.
///
/// A filter that ends a call with `SIGSYS` leaves the number where the result belongs (`syscall_rollback`), and the call was
/// not made. A global function: the verifier goes on with one state behind it, whatever came of the call.
///
/// Finds out by itself which call it is: on 6.1 its caller has no room to keep anything more.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_answer(ret: i64) -> i64 {
    answer(ret).unwrap_or(ret)
}

#[inline(always)]
fn answer(ret: i64) -> Result<i64, ProbeError> {
    let task = Task::current();
    // SAFETY: the verifier knows the pointer as a task's, and the result as its registers.
    let given = Regs(unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8).syscall()?;
    let operations = Operations::of(given);
    let op = operations.in_abi(task.in_compat_syscall()?);
    if !IS_KEPT[op as usize % OPS] && ret as u64 != given {
        return Ok(ret);
    }
    let Some(entered) = AM_ENTERED.get_ptr_mut(task.tid()?) else { return Ok(ret) };
    let number = u32::from(operations.number);
    // SAFETY: a word of a map value that only this thread's programs write.
    let syscall = unsafe { &mut (*entered).syscall };
    let before = *syscall;
    *syscall = if before == number { RETURNED | number } else { NO_CALL };
    Ok(if before == NOT_MADE | number && ret as u64 == given { INTERRUPTED } else { ret })
}

/// A seccomp filter has ended the call this thread is in. A global function, so that the verifier goes through it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn am_not_made() -> u64 {
    u64::from(not_made().is_ok())
}

#[inline(always)]
fn not_made() -> Result<(), ProbeError> {
    let task = Task::current();
    // SAFETY: as in `answer`.
    let given = Regs(unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8).syscall()?;
    entered(task, Operations::of(given).number)?.syscall |= NOT_MADE;
    Ok(())
}
