//! Network: connect, by its own system call or through i386's socketcall.
//!
//! The address comes from the program's memory at entry and, for the internet families, from the kernel's socket at
//! exit. Not for: unconnected datagrams and io_uring.

use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{Block, Regs, offset, read};
use crate::maps::{Entered, Kept};
use crate::record::Record;
use crate::word;
use agentmon_common::record::{ConnectFixed, SOCKADDR_MAX, flags, kind};
use agentmon_common::syscalls::{SOCKETCALL_CONNECT, op};
use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_user};

/// `S_IFMT` and `S_IFSOCK` (`include/uapi/linux/stat.h`).
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// Words of `struct sock` that hold the members of `__sk_common` read here; the loader checks it.
const SOCK_WORDS: usize = 12;
/// Words from the first of `sk_type` and `sk_protocol` that hold the other too; the loader checks it.
const KIND_WORDS: usize = 1;

/// Descriptor, address and its length.
#[derive(Clone, Copy)]
struct Args {
    fd: i32,
    address: u64,
    len: u32,
}

/// The arguments; `None` when a socketcall is not a connect or its arguments are unreadable.
#[inline(always)]
fn args(regs: Regs, compat: bool, op: u8) -> Result<Option<Args>, ProbeError> {
    if op == op::CONNECT {
        return Ok(Some(Args { fd: regs.arg(compat, 0)? as i32, address: regs.arg(compat, 1)?, len: regs.arg(compat, 2)? as u32 }));
    }
    if regs.arg(compat, 0)? != SOCKETCALL_CONNECT {
        return Ok(None);
    }
    // SAFETY: the helper checks the source.
    let Ok(args) = (unsafe { bpf_probe_read_user(regs.arg(compat, 1)? as *const [u32; 3]) }) else { return Ok(None) };
    Ok(Some(Args { fd: args[0] as i32, address: u64::from(args[1]), len: args[2] }))
}

/// At entry: keeps the address.
#[inline(always)]
pub fn remember(regs: Regs, compat: bool, op: u8, entered: &mut Entered) -> Result<(), ProbeError> {
    entered.first.len = 0;
    if let Some(args) = args(regs, compat, op)? {
        remember_bytes(&mut entered.first, args.address, args.len);
    }
    Ok(())
}

/// Reads `len` bytes of user memory to the start of what is remembered.
#[inline(always)]
fn remember_bytes(kept: &mut Kept, source: u64, len: u32) {
    if len == 0 || len > agentmon_common::record::SOCKADDR_MAX as u32 {
        return;
    }
    // SAFETY: `len` is at most half of the destination; the helper checks the source.
    let read = unsafe { aya_ebpf::helpers::generated::bpf_probe_read_user(kept.bytes.as_mut_ptr().cast(), len, source as *const _) };
    if read == 0 {
        kept.len = len;
    }
}

/// The exit of connect.
#[inline(never)]
pub fn connected(call: &Call) -> Result<(), ProbeError> {
    let Some(args) = args(call.regs, call.compat, call.op)? else { return Ok(()) };
    let mut record = Record::new::<ConnectFixed>(call.task, call.agent, kind::CONNECT, call.ret)?;
    call.stamp(&mut record);
    record.fixed::<ConnectFixed>().fd = args.fd;
    push_asked(&mut record, call, args)?;
    // A descriptor that is no socket (or was closed meanwhile) has no addresses: nothing more to say.
    if let Ok(sock) = sock(call, args.fd) {
        describe(record.fixed(), sock)?;
    }
    record.submit()
}

/// The address as the program gave it: at entry, or at exit when it was unreadable then.
#[inline(always)]
fn push_asked(record: &mut Record, call: &Call, args: Args) -> Result<(), ProbeError> {
    if let Some(entered) = call.entered()?
        && entered.first.len != 0
    {
        let kept = &entered.first;
        let at = record.len();
        let len = kept.len;
        if at > 4096 || len > SOCKADDR_MAX as u32 {
            return Err(ProbeError::TooLarge);
        }
        let mut i = 0;
        while i < SOCKADDR_MAX {
            // SAFETY: both sides hold SOCKADDR_MAX bytes; `at` was just bounded.
            unsafe { word::put(record.base().add(at + i), word::get(kept.bytes.as_ptr().add(i))) };
            i += 8;
        }
        record.set_len(at + len as usize);
        record.fixed::<ConnectFixed>().asked = agentmon_common::record::Span { offset: at as u32, len, original: len };
        return Ok(());
    }
    if args.len == 0 || args.len > SOCKADDR_MAX as u32 {
        return Ok(());
    }
    match record.push_user::<SOCKADDR_MAX>(args.address, u64::from(args.len))? {
        Some(span) => {
            record.flag(flags::READ_AT_EXIT);
            record.fixed::<ConnectFixed>().asked = span;
        }
        None => record.flag(flags::UNREADABLE),
    }
    Ok(())
}

/// The `struct sock` behind a descriptor.
#[inline(always)]
fn sock(call: &Call, fd: i32) -> Result<*const u8, ProbeError> {
    let file = call.task.file(fd)?;
    let inode: *const u8 = read(file, offset!(file_inode))?;
    if read::<u16>(inode, offset!(inode_mode))? & S_IFMT != S_IFSOCK {
        return Err(ProbeError::Null);
    }
    // Before 6.12 far behind the rest of the file: not worth a block.
    let socket: *const u8 = read(file, offset!(file_private_data))?;
    read(socket, offset!(socket_sk))
}

/// Family, type and addresses of a socket.
#[inline(always)]
fn describe(fixed: &mut ConnectFixed, sock: *const u8) -> Result<(), ProbeError> {
    let mut common = Block::<SOCK_WORDS>::EMPTY;
    common.fill(sock)?;
    fixed.family = common.get(offset!(sock_family));
    let first = if offset!(sock_type) < offset!(sock_protocol) { offset!(sock_type) } else { offset!(sock_protocol) };
    let mut kind = Block::<KIND_WORDS>::EMPTY;
    kind.fill(sock.wrapping_add(first))?;
    fixed.sock_type = kind.get(offset!(sock_type) - first);
    fixed.protocol = u32::from(kind.get::<u16>(offset!(sock_protocol) - first));
    if fixed.family == AF_INET || fixed.family == AF_INET6 {
        fixed.peer_port = u16::from_be(common.get(offset!(sock_peer_port)));
        fixed.local_port = common.get(offset!(sock_local_port));
    }
    if fixed.family == AF_INET {
        fixed.peer_addr[..4].copy_from_slice(&common.get::<u32>(offset!(sock_peer_v4)).to_ne_bytes());
        fixed.local_addr[..4].copy_from_slice(&common.get::<u32>(offset!(sock_local_v4)).to_ne_bytes());
    } else if fixed.family == AF_INET6 {
        // SAFETY: the helper checks the source.
        fixed.peer_addr = unsafe { bpf_probe_read_kernel(sock.wrapping_add(offset!(sock_peer_v6)).cast()) }.unwrap_or_default();
        // SAFETY: as above.
        fixed.local_addr = unsafe { bpf_probe_read_kernel(sock.wrapping_add(offset!(sock_local_v6)).cast()) }.unwrap_or_default();
    }
    Ok(())
}
