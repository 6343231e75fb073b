//! Network: connect, bind, listen, accept, sockets that are not ordinary, and a firewall's socket options.
//!
//! The address comes from the program's memory at entry and, for the internet families, from the kernel's socket at
//! exit. Not for: sends (`send`, `netlink`) and io_uring.

use crate::bound::at_most;
use crate::call::Call;
use crate::errors::ProbeError;
use crate::maps::{Entered, Kept};
use crate::place::is_same;
use crate::record::Record;
use crate::socket::{self, AF_INET, AF_INET6, AF_UNIX, Args};
use crate::word;
use crate::{flow, netlink, scope, send};
use agentmon_common::netlink::is_firewall_option;
use agentmon_common::record::{RECORD_MAX, SOCKADDR_MAX, SocketFixed, Span, flags, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::helpers::generated::bpf_probe_read_user;

/// `-EAGAIN`: nobody to accept yet.
const AGAIN: i64 = -11;
/// `SOCK_TYPE_MASK` (`include/linux/net.h`): above are flags.
const TYPE_MASK: u64 = 0xf;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
const IPPROTO_TCP: u64 = 6;
const IPPROTO_UDP: u64 = 17;
/// Go's listeners ask for it first.
const IPPROTO_MPTCP: u64 = 262;

/// Whether a call gives an address, or a socket, that another thread could change while the kernel looks.
#[inline(always)]
pub const fn is_remembered(op: u8) -> bool {
    matches!(op, op::CONNECT | op::BIND | op::LISTEN | op::SOCKETCALL | op::SENDTO | op::SENDMSG | op::SENDMMSG)
}

/// At entry: keeps the address and the socket, and of a netlink message what it changes.
#[inline(never)]
pub fn remember(call: &Call, entered: &mut Entered) -> Result<(), ProbeError> {
    entered.first.len = 0;
    entered.second.len = 0;
    entered.socket.is_known = 0;
    let Some(args) = Args::of(call)? else { return Ok(()) };
    match args.op {
        op::CONNECT | op::BIND | op::LISTEN => {
            socket::hold(&mut entered.socket, args.fd());
            if args.op != op::LISTEN {
                remember_bytes(&mut entered.first, args.values[1], args.values[2] as u32);
            }
        }
        op::SEND | op::SENDTO | op::SENDMSG | op::SENDMMSG => send::remember(call, &args, entered)?,
        _ => {}
    }
    Ok(())
}

/// Reads `len` bytes of user memory to the start of what is remembered.
#[inline(always)]
pub fn remember_bytes(kept: &mut Kept, source: u64, len: u32) {
    if len == 0 {
        return;
    }
    let Ok(bytes) = at_most(len as usize, SOCKADDR_MAX) else { return };
    // SAFETY: `bytes` is at most half of the destination; the helper checks the source.
    let read = unsafe { bpf_probe_read_user(kept.bytes.as_mut_ptr().cast(), bytes as u32, source as *const _) };
    if read == 0 {
        kept.len = bytes as u32;
    }
}

/// The exit of a socket call. Not inlined: its arguments would stand on the stack below every other handler.
#[inline(never)]
pub fn done(call: &Call) -> Result<(), ProbeError> {
    let Some(args) = Args::of(call)? else { return Ok(()) };
    match args.op {
        // Side by side, not one in the other: on 6.1 all nested functions have 512 bytes of stack.
        op::SEND | op::SENDTO | op::SENDMSG | op::SENDMMSG if netlink::is_kept(call)? => netlink::sent(call, &args),
        op::SEND | op::SENDTO | op::SENDMSG | op::SENDMMSG => send::sent(call, &args),
        op::SOCKET | op::SOCKETPAIR => made(call, &args),
        op::SETSOCKOPT => option_set(call, &args),
        // Programs that wait for connections ask until there are none.
        op::ACCEPT | op::ACCEPT4 if call.ret == AGAIN => Ok(()),
        _ => attached(call, &args),
    }
}

/// A record about a socket; `None` when its kind is switched off. Asked here, because of a send or a socketcall only its
/// arguments say which kind it is.
#[inline(always)]
pub fn record(call: &Call, args: &Args, kind: u16) -> Result<Option<Record>, ProbeError> {
    if scope::is_off(call.agent, 1 << kind) {
        return Ok(None);
    }
    let mut record = Record::of_current::<SocketFixed>(call.agent, kind, call.ret)?;
    call.stamp(&mut record);
    let fixed = record.fixed::<SocketFixed>();
    fixed.op = u32::from(args.op);
    fixed.fd = args.fd();
    Ok(Some(record))
}

/// Connect, bind, listen and accept: the address as given, and those of the socket.
#[inline(never)]
fn attached(call: &Call, args: &Args) -> Result<(), ProbeError> {
    let kind = match args.op {
        op::CONNECT => kind::CONNECT,
        op::BIND => kind::BIND,
        op::LISTEN => kind::LISTEN,
        _ => kind::ACCEPT,
    };
    let Some(mut record) = record(call, args, kind)? else { return Ok(()) };
    if kind == kind::LISTEN {
        record.fixed::<SocketFixed>().count = args.values[1] as u32;
    } else if kind != kind::ACCEPT {
        // The kernel's socket says where a connection really went.
        push_asked(&mut record, call, args.values[1], args.values[2] as u32, kind == kind::BIND)?;
    }
    // An accept's own socket is nothing that was there at entry.
    let sock = if kind == kind::ACCEPT {
        socket::sock(if call.ret >= 0 { call.ret as i32 } else { args.fd() }).ok()
    } else {
        socket::of_call(&mut record, call, args.fd())?
    };
    // A descriptor that is no socket (or was closed meanwhile) has no addresses: nothing more to say.
    if let Some(sock) = sock {
        socket::describe(record.fixed(), sock)?;
        flow::remember(&mut record, sock, kind);
    }
    record.submit()
}

/// The address as the program gave it: at entry, or at exit when it was unreadable then. With `compare` also what
/// stands there at exit, when that differs.
#[inline(always)]
pub fn push_asked(record: &mut Record, call: &Call, address: u64, len: u32, compare: bool) -> Result<(), ProbeError> {
    let kept = match call.entered()? {
        Some(entered) if entered.first.len != 0 => &entered.first,
        _ => return push_at_exit(record, address, len),
    };
    let asked = push_kept(record, kept)?;
    record.fixed::<SocketFixed>().asked = asked;
    if !compare {
        return Ok(());
    }
    let before = record.len();
    match record.push_user::<SOCKADDR_MAX>(address, u64::from(len))? {
        Some(span) if span.len == kept.len && is_same(record, kept, span) => record.set_len(before),
        span => {
            record.flag(flags::CHANGED);
            record.fixed::<SocketFixed>().at_exit = span.unwrap_or_default();
        }
    }
    Ok(())
}

#[inline(always)]
fn push_at_exit(record: &mut Record, address: u64, len: u32) -> Result<(), ProbeError> {
    if len == 0 || len > SOCKADDR_MAX as u32 {
        return Ok(());
    }
    match record.push_user::<SOCKADDR_MAX>(address, u64::from(len))? {
        Some(span) => {
            record.flag(flags::READ_AT_EXIT);
            record.fixed::<SocketFixed>().asked = span;
        }
        None => record.flag(flags::UNREADABLE),
    }
    Ok(())
}

/// Appends the address remembered from entry.
#[inline(always)]
fn push_kept(record: &mut Record, kept: &Kept) -> Result<Span, ProbeError> {
    let len = at_most(kept.len as usize, SOCKADDR_MAX)?;
    let at = at_most(record.len(), RECORD_MAX - SOCKADDR_MAX)?;
    let mut i = 0;
    while i < SOCKADDR_MAX {
        // SAFETY: both sides hold SOCKADDR_MAX bytes; `at` was just bounded.
        unsafe { word::put(record.base().add(at + i), word::get(kept.bytes.as_ptr().add(i))) };
        i += 8;
    }
    record.set_len(at + len);
    Ok(Span { offset: at as u32, len: len as u32, original: len as u32 })
}

/// A new socket, unless it is one that every program has: UNIX, and TCP or UDP over IP.
#[inline(never)]
fn made(call: &Call, args: &Args) -> Result<(), ProbeError> {
    let (family, kind, protocol) = (args.values[0] & 0xffff_ffff, args.values[1] & TYPE_MASK, args.values[2] & 0xffff_ffff);
    let is_inet = family == u64::from(AF_INET) || family == u64::from(AF_INET6);
    let is_plain = match kind {
        SOCK_STREAM => matches!(protocol, 0 | IPPROTO_TCP | IPPROTO_MPTCP),
        SOCK_DGRAM => matches!(protocol, 0 | IPPROTO_UDP),
        _ => false,
    };
    if family == u64::from(AF_UNIX) || (is_inet && is_plain) {
        return Ok(());
    }
    let Some(mut record) = record(call, args, kind::SOCKET)? else { return Ok(()) };
    let fixed = record.fixed::<SocketFixed>();
    fixed.fd = -1;
    fixed.family = family as u16;
    fixed.sock_type = kind as u16;
    fixed.protocol = protocol as u32;
    record.submit()
}

/// A socket option, if it changes a firewall.
#[inline(never)]
fn option_set(call: &Call, args: &Args) -> Result<(), ProbeError> {
    let (level, option) = (args.values[1] as u32, args.values[2] as u32);
    if !is_firewall_option(level, option) {
        return Ok(());
    }
    let Some(mut record) = record(call, args, kind::NETLINK)? else { return Ok(()) };
    netlink::tell(&mut record, option, level);
    if let Ok(sock) = socket::sock(args.fd()) {
        socket::describe(record.fixed(), sock)?;
    }
    record.submit()
}
