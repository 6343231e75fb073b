//! Signals by their effect: whoever sends one, by whatever call, ends here.
//!
//! Not for: signals that never came to be (no permission, no such process), and what the kernel tells a process about
//! itself, its children, its timers and its terminal (descriptors are told).

use crate::errors::{ProbeError, finish};
use crate::kernel::{Regs, Task, offset, read};
use crate::record::Record;
use crate::{scope, syscall};
use agentmon_common::record::{NO_SYSCALL, SignalFixed, flags, kind, signal_bits};
use agentmon_common::stats::probe;
use agentmon_common::syscalls::{PER_ABI, X32_BIT, is_sender};
use aya_ebpf::{helpers::generated::bpf_task_pt_regs, macros::btf_tracepoint, programs::BtfTracePointContext};

/// Numbers of x86-64 (`include/uapi/asm-generic/signal.h`).
const SIGKILL: u32 = 9;
const SIGCHLD: u32 = 17;
const SIGXCPU: u32 = 24;
const SIGIO: u32 = 29;
const SIGSYS: u32 = 31;
/// `include/uapi/asm-generic/siginfo.h`.
const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;
const SI_SIGIO: i32 = -5;
const SI_KERNEL: i32 = 0x80;
/// A seccomp filter ended a call. A program that sends itself this code is in another call.
const SYS_SECCOMP: i32 = 1;
const POLL_IN: i32 = 1;
const POLL_HUP: i32 = 6;
/// `SEND_SIG_PRIV` (`include/linux/sched/signal.h`), in place of a pointer: the kernel itself sends.
const SEND_SIG_PRIV: usize = 1;
/// `TRACE_SIGNAL_OVERFLOW_FAIL` (`include/trace/events/signal.h`): kill fails with `EAGAIN`.
const OVERFLOW_FAIL: u32 = 3;
const EAGAIN: i64 = 11;

/// A signal was sent: runs in the sender, or, for what the kernel sends from an interrupt, in whatever it interrupted.
///
/// Prototype: `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`,
/// include/trace/events/signal.h. Sees kill, tkill, tgkill, the sigqueue calls, pidfd_send_signal, cgroup.kill, the
/// kernel's out-of-memory killer and PTRACE_O_EXITKILL. Does not see `SIGKILL` between threads of one process. Needs
/// `bpf_task_pt_regs` (Linux 5.15).
#[btf_tracepoint(function = "signal_generate")]
pub fn am_signal(ctx: BtfTracePointContext) -> i32 {
    let sent = Sent { signal: ctx.arg(0), info: ctx.arg(1), target: Task(ctx.arg(2)), group: ctx.arg(3), result: ctx.arg(4) };
    finish(&ctx, probe::SIGNAL, generated(&sent))
}

struct Sent {
    signal: u32,
    info: *const u8,
    target: Task,
    group: u32,
    result: u32,
}

#[inline(always)]
fn generated(sent: &Sent) -> Result<(), ProbeError> {
    let sender = Task::current();
    let (from, to) = (sender.tgid()?, sent.target.tgid()?);
    let (mut agent, of_target) = (scope::agent_of(from), scope::agent_of(to));
    // A tracer's end ends what it traced, after it has ceased to be a member.
    if agent == 0 && sent.signal == SIGKILL {
        agent = scope::agent_of_ended(sender)?;
    }
    if agent == 0 && of_target == 0 {
        return Ok(());
    }
    if sent.signal == SIGSYS && from == to {
        return filtered(sender, sent);
    }
    if scope::is_off(if agent == 0 { of_target } else { agent }, 1 << kind::SIGNAL) {
        return Ok(());
    }
    let code = code(sent.info)?;
    let by = SystemCall::of(sender)?;
    if !is_told(sent.signal, code, from == to, &by) {
        return Ok(());
    }
    let received = agent == 0;
    let (subject, other) = if received { (sent.target, sender) } else { (sender, sent.target) };
    let to_monitor = is_monitors(sent.target, to, of_target)?;
    let ret = if sent.result == OVERFLOW_FAIL { -EAGAIN } else { 0 };
    let whose = if received { of_target } else { agent };
    let mut record = Record::of_task::<SignalFixed>(subject, whose, kind::SIGNAL, ret)?;
    let header = record.header();
    header.syscall = by.number;
    if by.compat {
        header.flags |= flags::COMPAT;
    }
    let fixed = record.fixed::<SignalFixed>();
    fixed.other_start_ns = other.start_ns()?;
    fixed.other_tgid = other.tgid()?;
    fixed.other_agent = if received { 0 } else { of_target };
    fixed.target_tid = sent.target.tid()?;
    fixed.signal = sent.signal;
    fixed.code = code;
    fixed.result = sent.result;
    fixed.bits = bits(sent, received, to_monitor, from);
    let comm = other.comm()?;
    // SAFETY: sixteen bytes in the middle of a fixed part; the pointer comes from a reference to them.
    unsafe { (&raw mut fixed.other_comm).cast::<[u64; 2]>().write_unaligned(comm) };
    record.submit()
}

/// A signal that tells nobody, but says that a seccomp filter has ended the call that this thread is in.
#[inline(always)]
fn filtered(sender: Task, sent: &Sent) -> Result<(), ProbeError> {
    if sender.tid()? != sent.target.tid()? || code(sent.info)? != SYS_SECCOMP {
        return Ok(());
    }
    syscall::am_not_made();
    Ok(())
}

/// Whether a process is the monitor or a child of it that is no agent's: the guard that kills an agent when the monitor dies.
#[inline(always)]
fn is_monitors(target: Task, tgid: u32, agent: u32) -> Result<bool, ProbeError> {
    Ok(agent == 0 && scope::is_monitors(target, tgid)?)
}

#[inline(always)]
fn bits(sent: &Sent, received: bool, to_monitor: bool, from: u32) -> u32 {
    let mut bits = 0;
    if sent.group != 0 {
        bits |= signal_bits::GROUP;
    }
    if received {
        bits |= signal_bits::RECEIVED;
        if from == scope::monitor() {
            bits |= signal_bits::FROM_MONITOR;
        }
    }
    if to_monitor {
        bits |= signal_bits::TO_MONITOR;
    }
    bits
}

/// Whether somebody meant it: left out are what a process sends itself (`raise`, `abort`, faults, broken pipes) but for
/// the end that a limit on it or want of memory brings, and what the kernel tells processes of their children, timers and
/// terminals. What a descriptor tells another process (`F_SETOWN`, `F_SETSIG`) ends that process like any other signal; where
/// it was ready by an interrupt, the sender is whoever was interrupted. That some call of the sender's sends signals makes it told whatever code it claims:
/// `rt_sigqueueinfo` lets it claim any negative one.
#[inline(always)]
fn is_told(signal: u32, code: i32, to_itself: bool, by: &SystemCall) -> bool {
    if to_itself {
        return code == SI_KERNEL && (signal == SIGKILL || signal == SIGXCPU);
    }
    let of_descriptor = signal != SIGCHLD && (code == SI_SIGIO || (POLL_IN..=POLL_HUP).contains(&code));
    matches!(code, SI_USER | SI_TKILL | SI_QUEUE)
        || of_descriptor
        || (code == SI_KERNEL && matches!(signal, SIGKILL | SIGIO))
        || (code < 0 && by.sends)
}

/// `si_code`. Only read by the helper: the argument may be a small number that is no pointer.
#[inline(always)]
fn code(info: *const u8) -> Result<i32, ProbeError> {
    if info.is_null() {
        return Ok(SI_USER);
    }
    match read(info, offset!(siginfo_code)) {
        Ok(code) => Ok(code),
        // The verifier may take it that an argument is never null, and forget the question above.
        Err(_) => Ok(if info as usize == SEND_SIG_PRIV { SI_KERNEL } else { SI_USER }),
    }
}

/// The system call a task is in.
pub struct SystemCall {
    pub number: u16,
    pub compat: bool,
    sends: bool,
}

impl SystemCall {
    pub const NONE: Self = Self { number: NO_SYSCALL, compat: false, sends: false };

    /// Whether there is none.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.number == NO_SYSCALL
    }

    #[inline(always)]
    pub fn of(task: Task) -> Result<Self, ProbeError> {
        // A thread of the kernel has made none.
        if task.mm()?.is_null() {
            return Ok(Self::NONE);
        }
        // SAFETY: the verifier knows the pointer as a task's, and the result as its registers.
        let regs = unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) };
        // -1 in a program that was interrupted.
        let number = Regs(regs as *const u8).syscall()?;
        if number >> 32 != 0 {
            return Ok(Self::NONE);
        }
        let number = number & u64::from(!X32_BIT);
        if number >= PER_ABI as u64 {
            return Ok(Self::NONE);
        }
        let compat = task.in_compat_syscall()?;
        Ok(Self { number: number as u16, compat, sends: is_sender(compat, number) })
    }
}
