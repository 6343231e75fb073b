//! The pair on system-call entry and exit: which calls are wanted, and who handles them.
//!
//! Order in both: the table (cheap, and most calls end here), membership, whether the kind is wanted, handler. Attached only while an agent is
//! watched. Not for: what a handler records (`file`, `network`, `identity`).

use crate::call::Call;
use crate::errors::{ProbeError, finish};
use crate::kernel::{Regs, Task};
use crate::maps::{AM_ENTERED, Entered, Kept};
use crate::{calls, file, identity, network, scope};
use agentmon_common::stats::probe;
use agentmon_common::syscalls::{self, OPS, PER_ABI, X32_BIT, op};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
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
}

impl Operations {
    #[inline(always)]
    fn of(number: u64) -> Self {
        // Opaque, so that the compiler keeps one number for check and index: the verifier does not see that two are equal.
        let number = black_box((number & u64::from(!X32_BIT)) as usize);
        if number >= PER_ABI {
            return Self { number: 0, ops: 0 };
        }
        Self { number: number as u16, ops: PAIRS[number] }
    }

    #[inline(always)]
    fn is_none(self) -> bool {
        self.ops == 0
    }

    #[inline(always)]
    fn in_abi(self, compat: bool) -> u8 {
        (if compat { self.ops >> 8 } else { self.ops }) as u8
    }
}

/// `syscalls::TABLE` with the two ABIs side by side.
static PAIRS: [u16; PER_ABI] = pairs();

const fn pairs() -> [u16; PER_ABI] {
    let mut pairs = [0; PER_ABI];
    let mut number = 0;
    while number < PER_ABI {
        let (native, compat) = (syscalls::TABLE[number], syscalls::TABLE[syscalls::index(true, number as u16)]);
        pairs[number] = native as u16 | (compat as u16) << 8;
        number += 1;
    }
    pairs
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
    let shape = calls::shape(op);
    if !shape.has_path() && !network::has_address(op) {
        return Ok(());
    }
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || scope::is_off(agent, kind_bits(op)) {
        return Ok(());
    }
    let entered = entered(task, number)?;
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

/// Nothing remembered yet.
static NOTHING: Entered = Entered { syscall: 0, first: Kept::EMPTY, second: Kept::EMPTY };

/// Where this thread's call is remembered.
#[inline(always)]
fn entered(task: Task, number: u16) -> Result<&'static mut Entered, ProbeError> {
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
    let entered = unsafe { &mut *entered };
    entered.syscall = u32::from(number);
    Ok(entered)
}

/// Exit of any system call of any process: what was asked, what came of it.
///
/// Prototype: `sys_exit(struct pt_regs *regs, long ret)`, include/trace/events/syscalls.h. The registers still hold the
/// arguments and the number; execve that succeeded is left to `sched_process_exec`.
#[btf_tracepoint(function = "sys_exit")]
pub fn am_sys_exit(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::SYS_EXIT, exit(Regs(ctx.arg(0)), ctx.arg(1)))
}

#[inline(always)]
fn exit(regs: Regs, ret: i64) -> Result<(), ProbeError> {
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
    if agent == 0 || scope::is_off(agent, kind_bits(op)) {
        return Ok(());
    }
    let call = Call { task, agent, regs, compat, number, op, ret };
    match op {
        op::OPEN..=op::CREAT | op::OPEN_BY_HANDLE_AT => file::opened(&call),
        op::CONNECT | op::SOCKETCALL | op::BIND..=op::SEND => network::done(&call),
        op::EXECVE | op::EXECVEAT => file::not_executed(&call),
        op::SETUID..=op::CAPSET => identity::changed(&call),
        _ => calls::done(&call),
    }
}
