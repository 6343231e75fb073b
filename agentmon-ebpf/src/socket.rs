//! A socket call's arguments, however it came, and the kernel's socket behind a descriptor.
//!
//! Not for: what is recorded of a call (`network`, `send`, `netlink`).

use crate::bound::at_most;
use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{Block, file_of, offset, read};
use crate::maps::HeldSocket;
use crate::record::Record;
use agentmon_common::record::{SocketFixed, flags};
use agentmon_common::syscalls::{op, socketcall};
use aya_ebpf::helpers::{bpf_probe_read_kernel, generated::bpf_probe_read_user};

/// `S_IFMT` and `S_IFSOCK` (`include/uapi/linux/stat.h`).
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
/// Words of `struct sock` that hold the members of `__sk_common` read here; the loader checks it.
const SOCK_WORDS: usize = 12;
/// Words from the first of `sk_type` and `sk_protocol` that hold the other too; the loader checks it.
const KIND_WORDS: usize = 1;

/// By number.
static SOCKETCALLS: [socketcall::Row; socketcall::LEN] = socketcall::CALLS;

/// A socket call: which, and its arguments; those it does not have are 0 or what stood in the register.
#[derive(Clone, Copy)]
pub struct Args {
    pub op: u8,
    pub values: [u64; 6],
}

impl Args {
    /// `None` when a socketcall is none of the watched, or its arguments are unreadable.
    #[inline(always)]
    pub fn of(call: &Call) -> Result<Option<Self>, ProbeError> {
        if call.op == op::SOCKETCALL {
            return Self::behind_socketcall(call);
        }
        let values = [call.arg(0)?, call.arg(1)?, call.arg(2)?, call.arg(3)?, call.arg(4)?, call.arg(5)?];
        Ok(Some(Self { op: call.op, values }))
    }

    #[inline(always)]
    fn behind_socketcall(call: &Call) -> Result<Option<Self>, ProbeError> {
        let Ok(number) = at_most(call.arg(0)? as usize, socketcall::LEN - 1) else { return Ok(None) };
        let row = SOCKETCALLS[number & (socketcall::LEN - 1)];
        if row.op == op::NONE {
            return Ok(None);
        }
        let mut words = [0_u32; 6];
        // No more than the call has: behind them the page may end.
        let bytes = at_most(usize::from(row.args) * 4, size_of_val(&words))?;
        // SAFETY: `bytes` was just bounded by the size of the destination; the helper checks the source.
        let rc = unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), bytes as u32, call.arg(1)? as *const _) };
        if rc != 0 {
            return Ok(None);
        }
        Ok(Some(Self { op: row.op, values: words.map(u64::from) }))
    }

    #[inline(always)]
    pub fn fd(&self) -> i32 {
        self.values[0] as i32
    }
}

/// The `struct sock` behind a descriptor.
#[inline(always)]
pub fn sock(fd: i32) -> Result<*const u8, ProbeError> {
    let (socket, _) = behind(fd)?;
    read(socket, offset!(socket_sk))
}

/// The `struct socket` and the `struct inode` behind a descriptor.
#[inline(always)]
fn behind(fd: i32) -> Result<(*const u8, *const u8), ProbeError> {
    let file = file_of(fd)?;
    let inode: *const u8 = read(file, offset!(file_inode))?;
    if read::<u16>(inode, offset!(inode_mode))? & S_IFMT != S_IFSOCK {
        return Err(ProbeError::Null);
    }
    // Before 6.12 far behind the rest of the file: not worth a block.
    Ok((read(file, offset!(file_private_data))?, inode))
}

/// At entry: keeps which socket a descriptor stands for. Its `struct sock`, null when it is no socket.
#[inline(always)]
pub fn hold(held: &mut HeldSocket, fd: i32) -> *const u8 {
    am_hold(held, fd) as *const u8
}

/// The same as a number. A global function, which the verifier checks once (see `record::am_identify`), as the next.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_hold(held: *mut HeldSocket, fd: i32) -> u64 {
    if held.is_null() {
        return 0;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there.
    let held = unsafe { &mut *held };
    held.is_known = 1;
    held.sock = 0;
    let Ok((socket, inode)) = behind(fd) else { return 0 };
    let (Ok(sock), Ok(ino)) = (read::<u64>(socket, offset!(socket_sk)), read(inode, offset!(inode_ino))) else { return 0 };
    held.socket = socket as u64;
    held.inode = inode as u64;
    held.ino = ino;
    held.sock = sock;
    sock
}

/// At exit: the socket that the call was about, by what its descriptor stood for at entry, whatever it stands for by now. Flags that
/// it stands for another one. None when there is none, or none that is still there.
#[inline(always)]
pub fn of_call(record: &mut Record, call: &Call, fd: i32) -> Result<Option<*const u8>, ProbeError> {
    let held = call.entered()?.map_or(core::ptr::null(), |entered| &raw const entered.socket);
    let found = am_socket(held, fd);
    if found & OTHER != 0 {
        record.flag(flags::CHANGED);
    }
    let sock = found & !OTHER;
    Ok((sock != 0).then_some(sock as *const u8))
}

/// Beside the address of a `struct sock`, which is a multiple of eight: the descriptor stands for another one by now.
const OTHER: u64 = 1;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_socket(held: *const HeldSocket, fd: i32) -> u64 {
    let now = behind(fd);
    let sock = now.as_ref().map_or(0, |(socket, _)| read::<u64>(*socket, offset!(socket_sk)).unwrap_or(0));
    if held.is_null() {
        return sock;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there.
    let held = unsafe { &*held };
    if held.is_known == 0 {
        return sock;
    }
    // Released or not: the kernel takes `sk` from a socket before it lets go of it, and no other one gets its number.
    let is_there = held.sock != 0
        && read::<u64>(held.socket as *const u8, offset!(socket_sk)).is_ok_and(|sock| sock == held.sock)
        && read::<u64>(held.inode as *const u8, offset!(inode_ino)).is_ok_and(|ino| ino == held.ino);
    let other = if sock != 0 && (sock != held.sock || !is_there) { OTHER } else { 0 };
    match (is_there, held.sock) {
        (true, held) => held | other,
        // It was none when the call began: what it was during the call nobody knows better.
        (false, 0) => sock | other,
        (false, _) => other,
    }
}

/// `AF_*` of a socket.
#[inline(always)]
pub fn family(sock: *const u8) -> Result<u16, ProbeError> {
    read(sock, offset!(sock_family))
}

/// Protocol of a socket.
#[inline(always)]
pub fn protocol(sock: *const u8) -> Result<u32, ProbeError> {
    read::<u16>(sock, offset!(sock_protocol)).map(u32::from)
}

/// Family, type and addresses of a socket.
#[inline(always)]
pub fn describe(fixed: &mut SocketFixed, sock: *const u8) -> Result<(), ProbeError> {
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
