//! Building a record in the scratch and handing it to its ring: the only code that writes either.
//!
//! Not for: what goes into a record (the family files).

use crate::atomic;
use crate::bound::at_most;
use crate::errors::ProbeError;
use crate::kernel::{Task, load, offset};
use crate::maps::{self, AM_RING, AM_SLEEPING, AM_URGENT, Scratch};
use crate::slot::Slot;
use crate::{repeat, share};
use agentmon_common::record::{Header, NO_SYSCALL, PATH_MAX, RECORD_MAX, Span, flags, kind};
use agentmon_common::rings::{self, URGENT};
use agentmon_common::stats::SlotStats;
use aya_ebpf::helpers::generated::{
    bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str, bpf_ringbuf_output,
};

/// `BPF_RB_NO_WAKEUP` and `BPF_RB_FORCE_WAKEUP` (`include/uapi/linux/bpf.h`).
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;

/// Writes zeros over a fixed part, a word at a time: `write(F::default())` becomes a call of memset, which on this
/// target is a loop over bytes.
///
/// # Safety
/// `at` must be valid for writes of an `F`, and aligned to 8.
#[inline(always)]
unsafe fn zero<F>(at: *mut u64) {
    let (words, rest) = (size_of::<F>() / 8, size_of::<F>() % 8);
    let mut i = 0;
    while i < words {
        // SAFETY: the caller vouches for the whole `F`. Volatile, so that the stores stay stores.
        unsafe { at.add(i).write_volatile(0) };
        i += 1;
    }
    if rest != 0 {
        // SAFETY: as above; a fixed part is made of words of four bytes at least.
        unsafe { at.add(words).cast::<u32>().write_volatile(0) };
    }
}

/// A record under construction in a slot of its own, with a scratch of `RECORD_MAX` bytes. Dropped unsent, it frees the slot
/// and leaves no trace.
pub struct Record {
    slot: Slot,
    len: usize,
}

impl Record {
    /// A record of the task that runs now, with a zeroed fixed part `F`.
    #[inline(always)]
    pub fn of_current<F: Copy>(agent: u32, kind: u16, ret: i64) -> Result<Self, ProbeError> {
        let mut record = Self::claim::<F>(agent, kind, ret)?;
        record.identify()?;
        Ok(record)
    }

    /// A record of any task, with a zeroed fixed part `F`.
    #[inline(always)]
    pub fn of_task<F: Copy>(task: Task, agent: u32, kind: u16, ret: i64) -> Result<Self, ProbeError> {
        let mut record = Self::claim::<F>(agent, kind, ret)?;
        identify(record.header(), task)?;
        Ok(record)
    }

    /// A record of which only the agent is known, until [`Record::adopt`] says more.
    #[inline(always)]
    pub fn of_agent<F: Copy>(agent: u32, kind: u16) -> Result<Self, ProbeError> {
        Self::claim::<F>(agent, kind, 0)
    }

    /// Makes it the task's that runs now.
    #[inline(always)]
    pub fn identify(&mut self) -> Result<(), ProbeError> {
        if am_identify(self.scratch()) == 0 { Ok(()) } else { Err(ProbeError::Null) }
    }

    /// Makes it that process's of which an earlier record was.
    #[inline(always)]
    pub fn adopt(&mut self, owner: &Header) {
        let header = self.header();
        header.start_ns = owner.start_ns;
        header.cgroup_id = owner.cgroup_id;
        (header.tgid, header.tid, header.ppid) = (owner.tgid, owner.tid, owner.ppid);
        (header.uid, header.euid) = (owner.uid, owner.euid);
        header.comm = owner.comm;
    }

    /// A record that does not say yet whose it is.
    #[inline(always)]
    fn claim<F: Copy>(agent: u32, kind: u16, ret: i64) -> Result<Self, ProbeError> {
        // SAFETY: a helper without arguments.
        let timestamp_ns = unsafe { bpf_ktime_get_boot_ns() };
        let Some(slot) = Slot::claim(timestamp_ns) else { return Err(no_slot(kind)) };
        let mut record = Self { slot, len: size_of::<Header>() + size_of::<F>() };
        let number = record.slot.number();
        // SAFETY: the scratch is a map value of RECORD_MAX bytes, aligned to 8, and this program's alone while it holds the slot.
        unsafe { zero::<Header>(record.base().cast()) };
        let header = record.header();
        header.kind = kind;
        header.timestamp_ns = timestamp_ns;
        header.ret = ret;
        header.agent = agent;
        header.slot = number;
        header.syscall = NO_SYSCALL;
        // SAFETY: the fixed part lies behind the header in the same map value.
        unsafe { zero::<F>(record.base().add(size_of::<Header>()).cast()) };
        Ok(record)
    }

    /// The header.
    #[inline(always)]
    pub fn header(&mut self) -> &mut Header {
        // SAFETY: written by `claim`, at the start of the scratch.
        unsafe { &mut *self.base().cast() }
    }

    /// The fixed part; `F` must be the type given to `claim`.
    #[inline(always)]
    pub fn fixed<F: Copy>(&mut self) -> &mut F {
        // SAFETY: written by `claim` behind the header; every …Fixed is plain integers, aligned to 8 or less.
        unsafe { &mut *self.base().add(size_of::<Header>()).cast() }
    }

    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.slot.scratch().cast()
    }

    /// The scratch, for the state of a path walk.
    #[inline(always)]
    pub fn scratch(&self) -> *mut Scratch {
        self.slot.scratch()
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Only for a writer that has put bytes behind the end itself.
    #[inline(always)]
    pub fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    /// Sets bits of `flags`.
    #[inline(always)]
    pub fn flag(&mut self, bits: u16) {
        self.header().flags |= bits;
    }

    /// Appends a string from user memory, without its NUL. An unreadable one gives `None`.
    #[inline(always)]
    pub fn push_user_str(&mut self, source: u64) -> Result<Option<Span>, ProbeError> {
        let at = at_most(self.len, RECORD_MAX - PATH_MAX)?;
        // SAFETY: `at` was just bounded, so that PATH_MAX bytes fit; the helper checks the source.
        let read = unsafe { bpf_probe_read_user_str(self.base().wrapping_add(at).cast(), PATH_MAX as u32, source as *const _) };
        // Some kernels (6.1) do not count the NUL of an empty string.
        let read = if read == 0 { 1 } else { read };
        let Some(mut span) = self.take_str(at, read) else { return Ok(None) };
        // The last byte is a NUL in any case: of a longer string another byte stands there.
        if span.len == PATH_MAX as u32 - 1 {
            // SAFETY: the helper checks the source.
            let last = unsafe { aya_ebpf::helpers::bpf_probe_read_user(source.wrapping_add(u64::from(span.len)) as *const u8) };
            if last.unwrap_or(1) != 0 {
                span.original += 1;
                self.flag(flags::TRUNCATED);
            }
        }
        Ok(Some(span))
    }

    /// Appends a string from kernel memory, without its NUL.
    #[inline(always)]
    pub fn push_kernel_str(&mut self, source: *const u8) -> Result<Span, ProbeError> {
        let at = at_most(self.len, RECORD_MAX - PATH_MAX)?;
        // SAFETY: as in `push_user_str`.
        let read = unsafe { bpf_probe_read_kernel_str(self.base().wrapping_add(at).cast(), PATH_MAX as u32, source.cast()) };
        self.take_str(at, read).ok_or(ProbeError::KernelRead)
    }

    #[inline(always)]
    fn take_str(&mut self, at: usize, read: i64) -> Option<Span> {
        if read <= 0 || read > PATH_MAX as i64 {
            return None;
        }
        let len = read as usize - 1;
        self.len = at + len;
        Some(Span { offset: at as u32, len: len as u32, original: len as u32 })
    }

    /// Appends up to `MAX` of the `wanted` bytes at `source` in user memory; `MAX` must be a power of two.
    #[inline(always)]
    pub fn push_user<const MAX: usize>(&mut self, source: u64, wanted: u64) -> Result<Option<Span>, ProbeError> {
        let take = at_most(if wanted > MAX as u64 { MAX } else { wanted as usize }, MAX)?;
        let at = at_most(self.len, RECORD_MAX - MAX)?;
        // SAFETY: `at` and `take` were just bounded; the helper checks the source.
        let read = unsafe { bpf_probe_read_user(self.base().wrapping_add(at).cast(), take as u32, source as *const _) };
        if read != 0 {
            return Ok(None);
        }
        self.len = at + take;
        let original = if wanted > u64::from(u32::MAX) { u32::MAX } else { wanted as u32 };
        if original > take as u32 {
            self.flag(flags::TRUNCATED);
        }
        Ok(Some(Span { offset: at as u32, len: take as u32, original }))
    }

    /// Counts the record and hands it to the ring of its kind, unless it repeats a failure that is being counted.
    #[inline(always)]
    pub fn submit(mut self) -> Result<(), ProbeError> {
        let len = at_most(self.len, RECORD_MAX)?;
        let header = self.header();
        header.len = len as u32;
        let failed = header.ret < 0;
        let counted = failed && repeat::is_counted_instead(self.scratch());
        let sent = am_send(self.scratch(), self.slot.stats(), u64::from(counted));
        if sent == 0 { Ok(()) } else { Err(ProbeError::TooLarge) }
    }
}

/// Counts the record in the scratch as produced and, if it is not `counted` elsewhere, hands it to its ring. Not 0: it is none.
///
/// A global function, as `am_identify`. It calls none: on 6.1 all nested functions have 512 bytes of stack.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_send(scratch: *mut Scratch, stats: *mut SlotStats, counted: u64) -> u64 {
    if scratch.is_null() || stats.is_null() {
        return 1;
    }
    // SAFETY: neither is null, the verifier has checked at the call that all of both is there, and they are the caller's alone.
    let (header, stats) = unsafe { (&mut *scratch.cast::<Header>(), &mut *stats) };
    let kind = header.kind as usize;
    if kind >= kind::COUNT {
        return 1;
    }
    stats.produced[kind] += 1;
    if counted != 0 {
        return 0;
    }
    let ring = rings::of(kind as u16);
    stats.rings[ring].seq += 1;
    header.seq = stats.rings[ring].seq;
    header.lost_before = stats.rings[ring].lost as u32;
    if output(scratch, header, ring) {
        // Anew: with the one from above the verifier would walk all that follows once for each ring.
        let ring = rings::of(header.kind);
        stats.rings[ring].lost = 0;
        share::add(header.agent, ring, u64::from(header.len));
        wake();
        return 0;
    }
    let ring = rings::of(header.kind);
    if header.flags & flags::REPEATED != 0 && repeat::is_taken_back(scratch, header) {
        // Nothing is lost: the next one tells of it, or the daemon fetches it.
        stats.rings[ring].seq -= 1;
        return 0;
    }
    stats.dropped[kind] += 1;
    stats.rings[ring].lost += 1;
    0
}

/// Whether the record in the scratch is in its ring now: there was room, and its agent has not more there than its share.
#[inline(always)]
fn output(scratch: *mut Scratch, header: &Header, ring: usize) -> bool {
    let len = u64::from(header.len);
    if !share::has_room(header.agent, ring, len, header.ret < 0) {
        return false;
    }
    let Ok(len) = at_most(len as usize, RECORD_MAX) else { return false };
    let map = if ring == URGENT { &raw const AM_URGENT } else { &raw const AM_RING };
    // SAFETY: the scratch begins with RECORD_MAX bytes of record, and `len` is no more than that.
    let rc = unsafe { bpf_ringbuf_output(map.cast_mut().cast(), scratch.cast(), len as u64, NO_WAKEUP) };
    rc >= 0
}

/// Whose the record in the scratch is: the task's that runs now. Not 0: a pointer was null.
///
/// A global function, which the verifier checks once, as `am_walk`: it looks for every pointer in a structure it knows by
/// name through all the kernel's types (`btf_nested_type_is_trusted`, kernel/bpf/btf.c), half a millisecond each time.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_identify(scratch: *mut Scratch) -> u64 {
    if scratch.is_null() {
        return 1;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there; it begins with the header.
    let header = unsafe { &mut *scratch.cast::<Header>() };
    u64::from(identify(header, Task::current()).is_err())
}

#[inline(always)]
fn identify(header: &mut Header, task: Task) -> Result<(), ProbeError> {
    let cred = task.cred()?;
    header.start_ns = task.start_ns()?;
    header.cgroup_id = task.cgroup_id()?;
    header.tgid = task.tgid()?;
    header.tid = task.tid()?;
    header.ppid = task.real_parent()?.tgid()?;
    header.uid = load(cred, offset!(cred_uid))?;
    header.euid = load(cred, offset!(cred_euid))?;
    let comm = task.comm()?;
    // SAFETY: sixteen bytes in the middle of the header; the pointer comes from a reference to them.
    unsafe { (&raw mut header.comm).cast::<[u64; 2]>().write_unaligned(comm) };
    Ok(())
}

/// Counts a record that found no slot: as dropped, by kind.
#[inline(always)]
fn no_slot(kind: u16) -> ProbeError {
    if let Some(stats) = maps::stats()
        && let Ok(kind) = at_most(kind as usize, kind::COUNT - 1)
    {
        // SAFETY: a word of a map value.
        unsafe { atomic::increment(&raw mut (*stats).no_slot[kind]) };
    }
    ProbeError::Scratch
}

/// Wakes the daemon if it said that it sleeps.
///
/// The record was committed before this load, and the daemon looks at the rings again between storing the flag and
/// sleeping: one of the two sees the other, so no record waits for a time-out. An empty record in the main
/// ring that is discarded at once carries the wakeup, whichever ring the record went through: a daemon that sleeps has
/// emptied both and waits for both. A busy daemon pays for none. Two programs that both find it asleep both wake it.
#[inline(always)]
fn wake() {
    let Some(sleeping) = AM_SLEEPING.get_ptr_mut(0) else { return };
    // SAFETY: a map value; both sides read and write the whole word.
    unsafe {
        if sleeping.read_volatile() == 0 {
            return;
        }
        sleeping.write_volatile(0);
    }
    if let Some(entry) = AM_RING.reserve::<u64>(0) {
        entry.discard(FORCE_WAKEUP);
    }
}
