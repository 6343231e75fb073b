//! Netlink messages that change the network's own settings: the first of a send that does.
//!
//! Read at entry and again at exit. Looked at are the messages in the first piece (`struct iovec`) of the first
//! message; a send that has more, and no change among these, is reported with its first message and flagged
//! `TRUNCATED`. Not for: which messages are changes (`agentmon_common::netlink`); write(2) on a netlink socket.

use crate::call::Call;
use crate::errors::ProbeError;
use crate::maps::{Entered, Kept};
use crate::network::record;
use crate::record::Record;
use crate::send;
use crate::socket::{self, Args};
use agentmon_common::netlink::{AF_NETLINK, MESSAGES_MAX, is_change, is_watched};
use agentmon_common::record::{SocketFixed, flags, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_loop};

/// Bytes of a `struct nlmsghdr`: length, type and flags, sequence, port.
const HEADER: u64 = 16;

/// Values of [`Found::state`].
mod state {
    /// The messages only ask.
    pub const ASKS: u32 = 0;
    /// `code` and `flags` are those of the first that changes something.
    pub const CHANGES: u32 = 1;
    /// A header could not be read.
    pub const UNREADABLE: u32 = 2;
    /// There are more messages than were looked at.
    pub const MORE: u32 = 3;
}

/// What the messages of a send do.
#[derive(Clone, Copy)]
#[repr(C)]
struct Found {
    state: u32,
    /// `nlmsg_type` and `nlmsg_flags` of the message that changes something, else of the first.
    code: u32,
    flags: u32,
}

/// The walk over the messages of one piece.
struct Walk {
    at: u64,
    left: u64,
    protocol: u32,
    first: u32,
    found: Found,
}

/// One message. Returns 1 to end the loop.
extern "C" fn step(_index: u32, context: *mut c_void) -> i64 {
    // SAFETY: bpf_loop hands back the pointer that `walk` gave it; nothing else refers to it meanwhile.
    let walk = unsafe { &mut *context.cast::<Walk>() };
    if walk.left < HEADER {
        walk.left = 0;
        return 1;
    }
    // SAFETY: the helper checks the source.
    let Ok(words) = (unsafe { bpf_probe_read_user(walk.at as *const [u32; 2]) }) else {
        walk.found.state = state::UNREADABLE;
        return 1;
    };
    let (len, code, flags) = (u64::from(words[0]), words[1] & 0xffff, words[1] >> 16);
    if walk.first == 0 {
        walk.first = 1;
        walk.found.code = code;
        walk.found.flags = flags;
    }
    if is_change(walk.protocol, code as u16, flags as u16) {
        walk.found = Found { state: state::CHANGES, code, flags };
        return 1;
    }
    // NLMSG_ALIGN. Here the kernel stops too.
    let len = (len + 3) & !3;
    if len < HEADER || len >= walk.left {
        walk.left = 0;
        return 1;
    }
    walk.at += len;
    walk.left -= len;
    0
}

/// The first piece of what is sent: address and length, and whether there are more.
#[inline(always)]
fn piece(call: &Call, args: &Args) -> Option<(u64, u64, bool)> {
    if matches!(args.op, op::SENDTO | op::SEND) {
        return Some((args.values[1], args.values[2], false));
    }
    let narrow = send::is_narrow(call);
    let message = send::message(args.values[1], narrow)?;
    let more = message.count > 1 || (args.op == op::SENDMMSG && args.values[2] & 0xffff_ffff > 1);
    if message.count == 0 {
        return Some((0, 0, more));
    }
    if narrow {
        // SAFETY: the helper checks the source.
        let piece = unsafe { bpf_probe_read_user(message.pieces as *const [u32; 2]) }.ok()?;
        return Some((u64::from(piece[0]), u64::from(piece[1]), more));
    }
    // SAFETY: as above.
    let piece = unsafe { bpf_probe_read_user(message.pieces as *const [u64; 2]) }.ok()?;
    Some((piece[0], piece[1], more))
}

/// What the messages do, as the program's memory says now.
#[inline(always)]
fn look(call: &Call, args: &Args, protocol: u32) -> Found {
    let nothing = Found { state: state::UNREADABLE, code: 0, flags: 0 };
    let Some((at, left, more)) = piece(call, args) else { return nothing };
    let mut walk = Walk { at, left, protocol, first: 0, found: Found { state: state::ASKS, ..nothing } };
    // SAFETY: `step` has the signature bpf_loop asks for; its context outlives the call.
    unsafe { bpf_loop(MESSAGES_MAX, step as *mut c_void, (&raw mut walk).cast(), 0) };
    if walk.found.state == state::ASKS && (more || walk.left != 0) {
        walk.found.state = state::MORE;
    }
    walk.found
}

/// Where a [`Found`] and the protocol are kept between entry and exit.
#[repr(C)]
#[derive(Clone, Copy)]
struct KeptFound {
    found: Found,
    protocol: u32,
}

/// At entry of a send on a netlink socket.
#[inline(always)]
pub fn remember(call: &Call, args: &Args, sock: *const u8, entered: &mut Entered) -> Result<(), ProbeError> {
    let protocol = socket::protocol(sock)?;
    if is_watched(protocol) {
        keep(&mut entered.second, KeptFound { found: look(call, args, protocol), protocol });
    }
    Ok(())
}

#[inline(always)]
fn keep(kept: &mut Kept, found: KeptFound) {
    // SAFETY: the room is longer, and as aligned as the length before it.
    unsafe { kept.bytes.as_mut_ptr().cast::<KeptFound>().write(found) };
    kept.len = size_of::<KeptFound>() as u32;
}

/// Whether this send is one whose messages were looked at when it began.
#[inline(always)]
pub fn is_kept(call: &Call) -> Result<bool, ProbeError> {
    Ok(call.entered()?.is_some_and(|entered| entered.second.len != 0))
}

/// The exit of a send on a netlink socket.
#[inline(never)]
pub fn sent(call: &Call, args: &Args) -> Result<(), ProbeError> {
    let Some(entered) = call.entered()? else { return Ok(()) };
    // SAFETY: written by `keep` at the entry of this call.
    let KeptFound { found: before, protocol } = unsafe { entered.second.bytes.as_ptr().cast::<KeptFound>().read() };
    let after = look(call, args, protocol);
    if before.state == state::ASKS && after.state == state::ASKS {
        return Ok(());
    }
    let was_unreadable = before.state == state::UNREADABLE;
    if was_unreadable && after.state == state::ASKS {
        return Ok(());
    }
    let told = if was_unreadable || (before.state != state::CHANGES && after.state == state::CHANGES) { after } else { before };
    let Some(mut record) = record(call, args, kind::NETLINK)? else { return Ok(()) };
    let differs = before.state != after.state || before.code != after.code || before.flags != after.flags;
    if was_unreadable && after.state != state::UNREADABLE {
        record.flag(flags::READ_AT_EXIT);
    } else if differs {
        record.flag(flags::CHANGED);
    }
    match told.state {
        state::UNREADABLE => record.flag(flags::UNREADABLE),
        state::MORE => record.flag(flags::TRUNCATED),
        _ => {}
    }
    tell(&mut record, told.code, told.flags);
    // As at entry: the descriptor may be another socket by now.
    let fixed = record.fixed::<SocketFixed>();
    fixed.family = AF_NETLINK;
    fixed.protocol = protocol;
    record.submit()
}

/// Which change.
#[inline(always)]
pub fn tell(record: &mut Record, code: u32, flags: u32) {
    let fixed = record.fixed::<SocketFixed>();
    fixed.code = code;
    fixed.flags = flags;
}
