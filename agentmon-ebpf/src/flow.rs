//! TCP connections of members, from connect or accept to their end: how much went through.
//!
//! Not for: UDP, which has no end; connections made by TCP fast open or an io_uring; what goes through.

use crate::atomic;
use crate::errors::{ProbeError, count, finish};
use crate::kernel::{load, offset, read};
use crate::maps::{AM_FLOWING, AM_FLOWS, Attached, FLOWS_OF_AGENT, Scratch};
use crate::record::Record;
use crate::repeat::as_map_value;
use crate::scope;
use agentmon_common::offsets::ABSENT;
use agentmon_common::record::{FlowFixed, SocketFixed, kind};
use agentmon_common::stats::probe;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// `TCP_CLOSE` (`include/net/tcp_states.h`).
const TCP_CLOSE: u8 = 7;
/// `TCP_SYN_SENT`, likewise.
const TCP_SYN_SENT: i32 = 2;
const IPPROTO_TCP: u32 = 6;
/// `BPF_NOEXIST` (`include/uapi/linux/bpf.h`).
const NO_EXIST: u64 = 1;
/// `-EINPROGRESS`.
const IN_PROGRESS: i64 = -115;
/// Bit of `SOCK_DONE` in `sk_flags` (`include/net/sock.h`): the peer's FIN was received, which counts as a byte.
const SOCK_DONE: u64 = 1 << 1;

/// Remembers whose a connection is that was made or accepted just now: the start of its record, which lies in a map already,
/// because am_sys_exit has no room left on its stack.
#[inline(always)]
pub fn remember(record: &mut Record, sock: *const u8, kind: u16) {
    let ret = record.header().ret;
    let lives = match kind {
        kind::CONNECT => ret == 0 || ret == IN_PROGRESS,
        kind::ACCEPT => ret >= 0,
        _ => false,
    };
    if !lives
        || scope::is_off(record.header().agent, 1 << kind::FLOW)
        || record.fixed::<SocketFixed>().protocol != IPPROTO_TCP
        || offset!(sock_state) == ABSENT as usize
    {
        return;
    }
    am_flow_begins(record.scratch(), sock as u64);
    // Refused or reset meanwhile: that end was not seen, and no other will be.
    if !matches!(read::<u8>(sock, offset!(sock_state)), Ok(state) if state != TCP_CLOSE) {
        am_flow_ends(sock as u64);
    }
}

/// Remembers it by this key, unless there is no room, which is counted. A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_flow_begins(scratch: *const Scratch, key: u64) -> u64 {
    if scratch.is_null() {
        return 1;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there. Header and fixed part of a socket's record
    // stand one behind the other at its start, as in `Attached`.
    let Some(scratch) = as_map_value(unsafe { &(*scratch.cast::<Attached>()).header }) else { return 1 };
    // SAFETY: as above.
    let attached = unsafe { &*scratch.cast::<Attached>() };
    // A connect that was under way is made once more.
    forget(key);
    let Some(own) = AM_FLOWING.get_ptr_mut(attached.header.agent) else { return 1 };
    // SAFETY: a word of a map value. Volatile, because other CPUs change it.
    let is_full = unsafe { own.read_volatile() } >= FLOWS_OF_AGENT;
    // By reference, because a copy would stand on the stack.
    if is_full || AM_FLOWS.insert(key, attached, NO_EXIST).is_err() {
        count(probe::SOCK_STATE, ProbeError::MapFull);
        return 1;
    }
    // SAFETY: as above.
    unsafe { atomic::increment(own) };
    0
}

/// Forgets it, if it was remembered. A global function, as [`am_flow_begins`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_flow_ends(key: u64) -> u64 {
    forget(key);
    0
}

#[inline(always)]
fn forget(key: u64) {
    let Some(attached) = AM_FLOWS.get_ptr(key) else { return };
    // SAFETY: a map value.
    let agent = unsafe { (*attached).header.agent };
    if AM_FLOWS.remove(key).is_ok()
        && let Some(own) = AM_FLOWING.get_ptr_mut(agent)
    {
        // SAFETY: a word of a map value. Less one.
        unsafe { atomic::add(own, u64::MAX) };
    }
}

/// A socket's state changes: runs in whatever the kernel was about, most often an interrupt.
///
/// Prototype: `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`,
/// include/trace/events/sock.h. Runs before the state stands, when the local port is given back already.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn am_sock_state(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::SOCK_STATE, changed(ctx.arg(0), ctx.arg(1), ctx.arg(2)))
}

#[inline(always)]
fn changed(sock: *const u8, before: i32, state: i32) -> Result<(), ProbeError> {
    if state != i32::from(TCP_CLOSE) {
        return Ok(());
    }
    let key = sock as u64;
    let Some(attached) = AM_FLOWS.get_ptr(key) else { return Ok(()) };
    // SAFETY: a map value; only the owner's connect or accept writes it, before the socket can come here.
    let attached = unsafe { &*attached };
    // A connection that was under way and is refused now was none.
    let result = if before == TCP_SYN_SENT { Ok(()) } else { closed(sock, attached) };
    forget(key);
    result
}

#[inline(always)]
fn closed(sock: *const u8, attached: &Attached) -> Result<(), ProbeError> {
    let (owner, ends) = (&attached.header, &attached.socket);
    // Nobody asks for an agent that is no longer watched; and the address may be another socket's by now.
    if scope::is_off(owner.agent, 1 << kind::FLOW) || u16::from_be(load(sock, offset!(sock_peer_port))?) != ends.peer_port {
        return Ok(());
    }
    let mut record = Record::of_agent::<FlowFixed>(owner.agent, kind::FLOW)?;
    record.adopt(owner);
    let sent: u64 = read(sock, offset!(tcp_bytes_sent))?;
    let again: u64 = read(sock, offset!(tcp_bytes_retrans))?;
    let received: u64 = read(sock, offset!(tcp_bytes_received))?;
    let fin = u64::from(read::<u64>(sock, offset!(sock_flags))? & SOCK_DONE != 0);
    let fixed = record.fixed::<FlowFixed>();
    fixed.bytes_in = received.saturating_sub(fin);
    fixed.bytes_out = sent.saturating_sub(again);
    fixed.peer_addr = ends.peer_addr;
    fixed.local_addr = ends.local_addr;
    (fixed.peer_port, fixed.local_port) = (ends.peer_port, ends.local_port);
    fixed.family = ends.family;
    fixed.inbound = u16::from(owner.kind == kind::ACCEPT);
    record.submit()
}
