//! Sends that name a destination: unconnected datagrams, TCP fast open, UNIX datagrams.
//!
//! A send on a connected socket names none and gives no record; the payload is never copied. Not for: what a netlink
//! message says (`netlink`).

use crate::call::Call;
use crate::errors::ProbeError;
use crate::maps::Entered;
use crate::netlink;
use crate::network::{push_asked, record, remember_bytes};
use crate::socket::{self, Args};
use agentmon_common::netlink::AF_NETLINK;
use agentmon_common::record::{SOCKADDR_MAX, SocketFixed, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_loop};

/// `UIO_MAXIOV`: the kernel sends no more messages in one sendmmsg.
const MESSAGES_MAX: u64 = 1024;
/// `MSG_FASTOPEN` (`include/linux/socket.h`).
const MSG_FASTOPEN: u32 = 0x2000_0000;
const SOCK_STREAM: u16 = 1;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_MPTCP: u32 = 262;
/// x32's own numbers of sendmsg and sendmmsg.
const X32_SENDMSG: u16 = 518;
const X32_SENDMMSG: u16 = 538;

/// A destination in user memory.
#[derive(Clone, Copy)]
pub struct Destination {
    address: u64,
    /// 0: there is none.
    len: u32,
    /// Messages of the call that have one.
    count: u32,
}

/// What is asked of a `struct msghdr`.
#[derive(Clone, Copy)]
pub struct Message {
    pub name: u64,
    pub name_len: u32,
    /// `struct iovec` array, and how many of them.
    pub pieces: u64,
    pub count: u64,
}

/// Whether pointers in the call's structures have 32 bits.
#[inline(always)]
pub fn is_narrow(call: &Call) -> bool {
    call.compat || matches!(call.number, X32_SENDMSG | X32_SENDMMSG)
}

/// Reads a `struct msghdr` (or the one at the start of a `struct mmsghdr`).
#[inline(always)]
pub fn message(at: u64, narrow: bool) -> Option<Message> {
    let (name, len, pieces, count) = if narrow {
        // SAFETY: the helper checks the source.
        let words = unsafe { bpf_probe_read_user(at as *const [u32; 4]) }.ok()?;
        (u64::from(words[0]), words[1], u64::from(words[2]), u64::from(words[3]))
    } else {
        // SAFETY: as above.
        let words = unsafe { bpf_probe_read_user(at as *const [u64; 4]) }.ok()?;
        (words[0], words[1] as u32, words[2], words[3])
    };
    // The kernel takes a longer length for the longest there is (`__copy_msghdr`, `net/socket.c`).
    let longest = SOCKADDR_MAX as u32;
    let len = if name == 0 { 0 } else { len };
    Some(Message { name, name_len: if len > longest { longest } else { len }, pieces, count })
}

/// The search for the first message of a sendmmsg that has a destination.
struct Search {
    at: u64,
    narrow: u64,
    address: u64,
    len: u32,
    count: u32,
}

/// One message.
extern "C" fn look(_index: u32, context: *mut c_void) -> i64 {
    // SAFETY: bpf_loop hands back the pointer that `search` gave it; nothing else refers to it meanwhile.
    let search = unsafe { &mut *context.cast::<Search>() };
    let narrow = search.narrow != 0;
    let Some(message) = message(search.at, narrow) else { return 1 };
    if message.name_len != 0 {
        if search.count == 0 {
            search.address = message.name;
            search.len = message.name_len;
        }
        search.count += 1;
    }
    // struct mmsghdr { struct msghdr; unsigned int msg_len; }
    search.at += if narrow { 32 } else { 64 };
    0
}

#[inline(always)]
fn search(at: u64, messages: u64, narrow: bool) -> Destination {
    let mut search = Search { at, narrow: u64::from(narrow), address: 0, len: 0, count: 0 };
    let messages = if messages > MESSAGES_MAX { MESSAGES_MAX } else { messages };
    // SAFETY: `look` has the signature bpf_loop asks for; its context outlives the call.
    unsafe { bpf_loop(messages as u32, look as *mut c_void, (&raw mut search).cast(), 0) };
    Destination { address: search.address, len: search.len, count: search.count }
}

/// Where the call sends to, as the program's memory says now. Not inlined: what it reads would stand on the stack below all that
/// follows.
#[inline(never)]
fn destination(call: &Call, args: &Args) -> Destination {
    let narrow = is_narrow(call);
    let one = |address: u64, len: u32| Destination { address, len, count: u32::from(len != 0) };
    match args.op {
        op::SENDTO if args.values[4] != 0 => one(args.values[4], args.values[5] as u32),
        op::SENDMSG => message(args.values[1], narrow).map_or(one(0, 0), |message| one(message.name, message.name_len)),
        op::SENDMMSG => search(args.values[1], args.values[2] & 0xffff_ffff, narrow),
        _ => one(0, 0),
    }
}

/// At entry: keeps the destination, or what a netlink message changes.
#[inline(always)]
pub fn remember(call: &Call, args: &Args, entered: &mut Entered) -> Result<(), ProbeError> {
    // A descriptor that is no socket sends nothing.
    let sock = socket::hold(&mut entered.socket, args.fd());
    if sock.is_null() {
        return Ok(());
    }
    if socket::family(sock)? == AF_NETLINK {
        return netlink::remember(call, args, sock, entered);
    }
    let to = destination(call, args);
    remember_bytes(&mut entered.first, to.address, to.len);
    Ok(())
}

/// The exit of a send.
#[inline(never)]
pub fn sent(call: &Call, args: &Args) -> Result<(), ProbeError> {
    let entered = call.entered()?;
    let to = destination(call, args);
    if to.len == 0 && entered.is_none_or(|entered| entered.first.len == 0) {
        return Ok(());
    }
    let Some(mut record) = record(call, args, kind::SEND)? else { return Ok(()) };
    let Some(sock) = socket::of_call(&mut record, call, args.fd())? else { return Ok(()) };
    socket::describe(record.fixed(), sock)?;
    let flags = (if args.op == op::SENDMSG { args.values[2] } else { args.values[3] }) as u32;
    let fixed = record.fixed::<SocketFixed>();
    // A connected stream ignores the destination; netlink has its own record.
    let is_stream = fixed.sock_type == SOCK_STREAM && matches!(fixed.protocol, IPPROTO_TCP | IPPROTO_MPTCP);
    if fixed.family == AF_NETLINK || (is_stream && flags & MSG_FASTOPEN == 0) {
        return Ok(());
    }
    fixed.flags = flags;
    fixed.count = to.count;
    push_asked(&mut record, call, to.address, to.len, true)?;
    record.submit()
}
