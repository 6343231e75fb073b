//! Every map of the probes, and the accessors that need no knowledge of an operation.
//!
//! Sizes that depend on the host (`AM_SCRATCH`, `AM_SLOTS`, `AM_RING`) are set by the loader. Not for: what the values mean.

use agentmon_common::hooks::{Proof, hook};
use agentmon_common::record::{ENTER_BYTES, Header, RECORD_MAX, SocketFixed};
use agentmon_common::repeat::{COUNTED_MAX, Key, Repeated, SEEN_MAX};
use agentmon_common::rings::URGENT_BYTES;
use agentmon_common::stats::{CpuStats, Put, SLOTS, SlotStats, Taken};
use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};

/// Entries of one value of `AM_MEMBERS`.
pub const MEMBERS_PER_PAGE: usize = 2048;
/// Values of `AM_MEMBERS`: together one entry per possible process id (`PID_MAX_LIMIT` of 64-bit kernels, 4 Mi,
/// `include/linux/threads.h`).
const MEMBER_PAGES: u32 = (4 * 1024 * 1024 / MEMBERS_PER_PAGE) as u32;
/// Entries of one value of `AM_TOLD`.
pub const THREADS_PER_PAGE: usize = 4096;
/// Values of `AM_TOLD`: together one entry per possible thread id.
const THREAD_PAGES: u32 = (4 * 1024 * 1024 / THREADS_PER_PAGE) as u32;
/// Agents there can be: what fits into an entry of `AM_MEMBERS`.
const AGENTS_MAX: u32 = 1 << 16;
/// Threads that can be inside a system call whose arguments were read at entry.
const ENTERED_MAX: u32 = 16 * 1024;
/// Processes between the end of membership and the end of what they traced.
const ENDED_MAX: u32 = 1024;
/// TCP connections of members that are open.
const FLOWS_MAX: u32 = 16 * 1024;
/// Those of one agent: a quarter, so that no agent leaves nothing for others.
pub const FLOWS_OF_AGENT: u64 = 4 * 1024;
/// Sockets of members that have sent DNS messages.
const ASKERS_MAX: u32 = 4 * 1024;
/// Processes of members of which is known what capabilities the kernel has asked for.
const CAPABLE_MAX: u32 = 4 * 1024;
/// Agents' topmost cgroups.
const CGROUPS_MAX: u32 = 8 * 1024;

/// Records of the critical kinds to the daemon (`agentmon_common::rings`).
#[map]
pub static AM_URGENT: RingBuf = RingBuf::with_byte_size(URGENT_BYTES, 0);

/// Records of all other kinds.
#[map]
pub static AM_RING: RingBuf = RingBuf::with_byte_size(16 * 1024 * 1024, 0);

/// Id of an agent's topmost cgroup -> agent. Of one that is nested the probes ask its ancestors.
#[map]
pub static AM_CGROUPS: HashMap<u64, u32> = HashMap::with_max_entries(CGROUPS_MAX, 0);

/// tgid -> agent (0: not watched), 2,048 to a value. An array because every open on the host asks it: 5 ns instead of
/// the 40 of a hash.
#[map]
pub static AM_MEMBERS: Array<[u16; MEMBERS_PER_PAGE]> = Array::with_max_entries(MEMBER_PAGES, 0);

/// tid -> which programs have told of what the thread does just now, as bits for their second copies (`second`).
#[map]
pub static AM_TOLD: Array<[u8; THREADS_PER_PAGE]> = Array::with_max_entries(THREAD_PAGES, 0);

/// agent -> the kinds of records that are not wanted of it, as bits by kind.
#[map]
pub static AM_OFF: Array<u64> = Array::with_max_entries(AGENTS_MAX, 0);

/// tid -> what a thread gave at the entry of its current system call.
#[map]
pub static AM_ENTERED: HashMap<u32, Entered> = HashMap::with_max_entries(ENTERED_MAX, 0);

/// Records under construction: `SLOTS` per CPU.
#[map]
pub static AM_SCRATCH: Array<Scratch> = Array::with_max_entries(SLOTS as u32, 0);

/// Who holds each scratch, and what was counted there: the same indices.
#[map]
pub static AM_SLOTS: Array<SlotStats> = Array::with_max_entries(SLOTS as u32, 0);

/// What failed lately, as marks of its hash: what has no mark here fails for the first time, and costs no look into `AM_REPEATED`.
/// Marks overwrite one another.
#[map]
pub static AM_SEEN: Array<u64> = Array::with_max_entries(SEEN_MAX, 0);

/// What fails again and again, and how often. When it is full, what is not in it is not counted but sent.
#[map]
pub static AM_REPEATED: HashMap<Key, Repeated> = HashMap::with_max_entries(COUNTED_MAX, 0);

/// agent -> what it has put into the rings.
#[map]
pub static AM_PUT: Array<Put> = Array::with_max_entries(AGENTS_MAX, 0);

/// agent -> what of that the daemon has taken.
#[map]
pub static AM_TAKEN: Array<Taken> = Array::with_max_entries(AGENTS_MAX, 0);

/// Counters of what has no slot.
#[map]
pub static AM_STATS: PerCpuArray<CpuStats> = PerCpuArray::with_max_entries(1, 0);

/// Element 0 is not 0 while the daemon sleeps and wants to be woken by the next record.
#[map]
pub static AM_SLEEPING: Array<u32> = Array::with_max_entries(1, 0);

/// Element 0 is the agent whose members the task iterator is to forget; 0: it is to find members.
#[map]
pub static AM_FORGET: Array<u32> = Array::with_max_entries(1, 0);

/// Element 0 is the process id of the daemon, in the initial pid namespace; 0 before it has watched anything.
#[map]
pub static AM_MONITOR: Array<u32> = Array::with_max_entries(1, 0);

/// Processes that have just ended, by tgid: what their end does to others is still theirs. The oldest go by themselves.
#[map]
pub static AM_ENDED: LruHashMap<u32, Ended> = LruHashMap::with_max_entries(ENDED_MAX, 0);

/// Connections of members, by the address of the kernel's socket. What has no room is counted as an error (`map_full`). The daemon
/// takes out an agent's when it is no longer watched.
#[map]
pub static AM_FLOWS: HashMap<u64, Attached> = HashMap::with_max_entries(FLOWS_MAX, 0);

/// agent -> how many of these are its.
#[map]
pub static AM_FLOWING: Array<u64> = Array::with_max_entries(AGENTS_MAX, 0);

/// socket cookie -> the header of the last DNS message that was sent through it: whom an answer is for. The oldest go by
/// themselves.
#[map]
pub static AM_ASKERS: LruHashMap<u64, Header> = LruHashMap::with_max_entries(ASKERS_MAX, 0);

/// tgid -> the capabilities that were asked for. The oldest go by themselves.
#[map]
pub static AM_CAPABLE: LruHashMap<u32, Asked> = LruHashMap::with_max_entries(CAPABLE_MAX, 0);

/// Which capabilities the kernel has asked for of a program that a process runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Asked {
    /// Start of the process, since its number is used again.
    pub start_ns: u64,
    /// `task->self_exec_id`: the program.
    pub exec_id: u64,
    /// Bits by capability: refused, granted; the same in the initial user namespace.
    pub seen: [u64; 4],
}

/// The start of a record about a socket: who did it, and where it leads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attached {
    pub header: Header,
    pub socket: SocketFixed,
}

/// By hook: what it saw the monitor do. Asked for when the hooks are tried out.
#[map]
pub static AM_PROOFS: Array<Proof> = Array::with_max_entries(hook::COUNT as u32, 0);

/// Element 0 has the kinds, as bits, of which the kernel's path hooks report.
#[map]
pub static AM_HOOKED: Array<u64> = Array::with_max_entries(1, 0);

/// A process that has ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Ended {
    /// Its start, since its number is used again.
    pub start_ns: u64,
    pub agent: u64,
}

/// What a thread gave at the entry of a system call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entered {
    /// System-call number, so that a value left by another call is not taken for this one's; with [`RETURNED`] from the exit of
    /// that call on; with [`NOT_MADE`] of the call that a seccomp filter has just ended; or [`NO_CALL`].
    pub syscall: u32,
    /// A path with its NUL, or a socket address.
    pub first: Kept,
    /// The second path of a call that has two.
    pub second: Kept,
    /// Where the paths begin, if they are relative.
    pub first_directory: Directory,
    pub second_directory: Directory,
    /// The socket of a call on one.
    pub socket: HeldSocket,
    /// The file of an open.
    pub installed: Installed,
    /// When the last record was made inside this call that says what the kernel resolved; 0: there is none.
    pub resolved_ns: u64,
}

/// On [`Entered::syscall`]: the call was not made. Above every number of the table.
pub const NOT_MADE: u32 = 1 << 31;
/// On [`Entered::syscall`]: the call is at its exit.
pub const RETURNED: u32 = 1 << 30;
/// [`Entered::syscall`] of none. No number: x86-64's end below 512.
pub const NO_CALL: u32 = u32::MAX;

/// Which directory a path is relative to, at one moment (`directory`). All 0: there is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Directory {
    /// Addresses of the kernel's `struct dentry` and `struct vfsmount`.
    pub dentry: u64,
    pub mnt: u64,
    /// Of a working directory how often the process has changed it or its root (`fs_struct.seq`); of a descriptor the inode number.
    pub mark: u64,
}

impl Directory {
    /// There is none.
    pub const NONE: Self = Self { dentry: 0, mnt: 0, mark: 0 };
}

/// Which socket a descriptor stood for at the entry of a call (`socket`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HeldSocket {
    /// Whether it was looked at: else nothing is known of the entry.
    pub is_known: u64,
    /// Addresses of the kernel's `struct sock`, `struct socket`, and `struct inode`; the first is 0 when there is no socket.
    pub sock: u64,
    pub socket: u64,
    pub inode: u64,
    /// Number of the inode, which no other socket gets.
    pub ino: u64,
}

impl HeldSocket {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { is_known: 0, sock: 0, socket: 0, inode: 0, ino: 0 };
}

/// The file that an open has made a descriptor of (`installed`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Installed {
    /// Address of the kernel's `struct file`; 0: nothing was opened yet.
    pub file: u64,
    /// Addresses of what it has: inode, mount, dentry.
    pub inode: u64,
    pub mnt: u64,
    pub dentry: u64,
    /// Number of the inode.
    pub ino: u64,
    /// `file->f_mode`.
    pub mode: u32,
    pub fd: u32,
}

impl Installed {
    /// Nothing yet.
    pub const NONE: Self = Self { file: 0, inode: 0, mnt: 0, dentry: 0, ino: 0, mode: 0, fd: 0 };
}

/// User memory as it was at entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Kept {
    /// Bytes of `bytes` that were read; 0 when they could not be.
    pub len: u32,
    pub bytes: [u8; ENTER_BYTES],
}

impl Kept {
    /// Nothing yet.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; ENTER_BYTES] };
}

/// Where one record is built.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Scratch {
    pub record: [u8; RECORD_MAX],
    pub walk: Walk,
    /// Where the relative path that is being told begins.
    pub directory: Directory,
    /// Of the record, if it failed (`repeat`).
    pub repeat: Key,
}

/// State of one path walk. It lives in a map value, not on the stack, because the verifier forgets what it knew of
/// memory in maps: every step of the loop looks the same to it, and it checks one instead of hundreds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Walk {
    /// `path_flags`. Apart from `done`: two neighbours that become zero become a call of memset, a loop over bytes.
    pub flags: u64,
    pub dentry: u64,
    pub mount: u64,
    pub mount_parent: u64,
    pub mountpoint: u64,
    pub mount_root: u64,
    /// Where the next name goes, from the start of the record.
    pub at: u64,
    /// Where names must end.
    pub end: u64,
    /// Not 0 once the walk has met its end.
    pub done: u64,
}

/// This CPU's counters of what has no slot: to be added to by [`crate::atomic::increment`] alone, because a program can
/// be preempted by another on its CPU.
#[inline(always)]
pub fn stats() -> Option<*mut CpuStats> {
    AM_STATS.get_ptr_mut(0)
}
