//! What the kernel resolved: its own path hooks, each with the objects that the operation is about to change.
//!
//! Whoever asks, by whatever call, by an io_uring or through the 32-bit entry, comes by here after every name is looked up:
//! nothing can point it elsewhere any more. What comes of it is not known yet. Not for: what was asked for (`calls`,
//! `uring`), nor whether the kernel has these functions (the loader finds out).

use crate::errors::{ProbeError, finish};
use crate::kernel::{Task, file_id, load, offset};
use crate::maps::{AM_ENTERED, AM_PROOFS};
use crate::record::Record;
use crate::signal::SystemCall;
use crate::walk::{self, Walked};
use crate::{calls, scope, syscall};
use agentmon_common::hooks::{self, PROOF_BYTES, hook};
use agentmon_common::record::{RECORD_MAX, ResolvedFixed, Span, flags, kind};
use agentmon_common::stats::probe;
use agentmon_common::syscalls::{op, place};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::{macros::fentry, programs::FEntryContext};

/// Prototype: `security_path_unlink(const struct path *dir, struct dentry *dentry)`, security/security.c.
#[fentry(function = "security_path_unlink")]
pub fn am_path_unlink(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, one(hook::UNLINK, Name::of(ctx.arg(0), ctx.arg(1)), [0; 2]))
}

/// Prototype: `security_path_rmdir(const struct path *dir, struct dentry *dentry)`.
#[fentry(function = "security_path_rmdir")]
pub fn am_path_rmdir(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, one(hook::RMDIR, Name::of(ctx.arg(0), ctx.arg(1)), [0; 2]))
}

/// Prototype: `security_path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir, struct
/// dentry *new_dentry, unsigned int flags)`.
#[fentry(function = "security_path_rename")]
pub fn am_path_rename(ctx: FEntryContext) -> i32 {
    let (from, to) = (Name::of(ctx.arg(0), ctx.arg(1)), Name::of(ctx.arg(2), ctx.arg(3)));
    finish(&ctx, probe::PATH, two(hook::RENAME, from, to, [ctx.arg(4), 0]))
}

/// Prototype: `security_path_link(struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)`. Both names
/// are on one mount.
#[fentry(function = "security_path_link")]
pub fn am_path_link(ctx: FEntryContext) -> i32 {
    let (from, to) = (Name::of(ctx.arg(1), ctx.arg(0)), Name::of(ctx.arg(1), ctx.arg(2)));
    finish(&ctx, probe::PATH, two(hook::LINK, from, to, [0; 2]))
}

/// Prototype: `security_path_symlink(const struct path *dir, struct dentry *dentry, const char *old_name)`.
#[fentry(function = "security_path_symlink")]
pub fn am_path_symlink(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, symlink(Name::of(ctx.arg(0), ctx.arg(1)), ctx.arg(2)))
}

/// Prototype: `security_path_mkdir(const struct path *dir, struct dentry *dentry, umode_t mode)`.
#[fentry(function = "security_path_mkdir")]
pub fn am_path_mkdir(ctx: FEntryContext) -> i32 {
    let mode: u32 = ctx.arg(2);
    finish(&ctx, probe::PATH, one(hook::MKDIR, Name::of(ctx.arg(0), ctx.arg(1)), [mode & MODE, 0]))
}

/// Prototype: `security_path_mknod(const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev)`. Of a file that
/// an open creates too, whose own record says it, and of a socket that bind makes.
#[fentry(function = "security_path_mknod")]
pub fn am_path_mknod(ctx: FEntryContext) -> i32 {
    let mode: u32 = ctx.arg(2);
    finish(&ctx, probe::PATH, one(hook::MKNOD, Name::of(ctx.arg(0), ctx.arg(1)), [mode & MODE, ctx.arg(3)]))
}

/// Prototype: `security_path_truncate(const struct path *path)`. Of ftruncate and of opens that cut too, before Linux 6.2.
#[fentry(function = "security_path_truncate")]
pub fn am_path_truncate(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, existing(hook::TRUNCATE, ctx.arg(0), [0; 2]))
}

/// Prototype: `security_path_chmod(const struct path *path, umode_t mode)`.
#[fentry(function = "security_path_chmod")]
pub fn am_path_chmod(ctx: FEntryContext) -> i32 {
    let mode: u32 = ctx.arg(1);
    finish(&ctx, probe::PATH, existing(hook::CHMOD, ctx.arg(0), [mode & MODE, 0]))
}

/// Prototype: `security_path_chown(const struct path *path, kuid_t uid, kgid_t gid)`: ids of the initial user namespace.
#[fentry(function = "security_path_chown")]
pub fn am_path_chown(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, existing(hook::CHOWN, ctx.arg(0), [ctx.arg(1), ctx.arg(2)]))
}

/// `umode_t` has 16 bits.
const MODE: u32 = 0xffff;

/// Where a name stands: the directory's `struct path` and the `struct dentry` in it. Typed pointers.
struct Name {
    dir: *const u8,
    dentry: *const u8,
}

impl Name {
    #[inline(always)]
    fn of(dir: *const u8, dentry: *const u8) -> Self {
        Self { dir, dentry }
    }

    #[inline(always)]
    fn walk(&self, record: &mut Record) -> Result<Walked, ProbeError> {
        walk::path(record, self.dentry, load(self.dir, offset!(path_mnt))?)
    }

    /// Null when there is no such file yet.
    #[inline(always)]
    fn inode(&self) -> Result<*const u8, ProbeError> {
        load(self.dentry, offset!(dentry_inode))
    }
}

/// Who does it, and what is to be told of it.
struct Doer {
    /// 0: the monitor itself, which wants a proof.
    agent: u32,
    call: SystemCall,
    worker: bool,
    of_call: bool,
}

impl Doer {
    /// `None` when nobody wants to know.
    #[inline(always)]
    fn of(hook: u32) -> Result<Option<Self>, ProbeError> {
        let task = Task::current();
        let tgid = task.tgid()?;
        let agent = scope::agent_of(tgid);
        if agent == 0 {
            let nobody = Self { agent, call: SystemCall::NONE, worker: false, of_call: false };
            return Ok((tgid == scope::monitor() && is_proof_wanted(hook)).then_some(nobody));
        }
        if scope::is_off(agent, 1 << kind::RESOLVED) || scope::is_off(agent, KIND_BITS[hook as usize % hook::COUNT]) {
            return Ok(None);
        }
        let worker = task.is_io_worker()?;
        let call = if worker { SystemCall::NONE } else { SystemCall::of(task)? };
        let op = syscall::operation_of(call.number, call.compat);
        let shape = calls::shape(op);
        // A call whose own record is about an open file says what the kernel resolved itself.
        if shape.first.what == place::FD || matches!(op, op::OPEN..=op::CREAT | op::OPEN_BY_HANDLE_AT) {
            return Ok(None);
        }
        Ok(Some(Self { agent, call, worker, of_call: shape.has_path() }))
    }
}

/// By hook.
static KIND_BITS: [u64; hook::COUNT] = hooks::KIND_BITS;

#[inline(always)]
fn is_proof_wanted(hook: u32) -> bool {
    // SAFETY: a word of a map value.
    AM_PROOFS.get_ptr(hook).is_some_and(|proof| unsafe { (&raw const (*proof).state).read_volatile() } == 1)
}

#[inline(always)]
fn one(hook: u32, name: Name, args: [u32; hooks::ARGS_MAX]) -> Result<(), ProbeError> {
    let Some(doer) = Doer::of(hook)? else { return Ok(()) };
    let mut record = begin(&doer, hook, args)?;
    push_first(&mut record, &name)?;
    end(record, &doer, hook)
}

/// Of a file that is there: the whole `struct path`.
#[inline(always)]
fn existing(hook: u32, path: *const u8, args: [u32; hooks::ARGS_MAX]) -> Result<(), ProbeError> {
    one(hook, Name::of(path, load(path, offset!(path_dentry))?), args)
}

#[inline(always)]
fn symlink(name: Name, target: *const u8) -> Result<(), ProbeError> {
    let Some(doer) = Doer::of(hook::SYMLINK)? else { return Ok(()) };
    let mut record = begin(&doer, hook::SYMLINK, [0; 2])?;
    push_first(&mut record, &name)?;
    let text = record.push_kernel_str(target)?;
    record.fixed::<ResolvedFixed>().text = text;
    end(record, &doer, hook::SYMLINK)
}

#[inline(always)]
fn two(hook: u32, from: Name, to: Name, args: [u32; hooks::ARGS_MAX]) -> Result<(), ProbeError> {
    let Some(doer) = Doer::of(hook)? else { return Ok(()) };
    let mut record = begin(&doer, hook, args)?;
    push_first(&mut record, &from)?;
    let inode = to.inode()?;
    if !inode.is_null() {
        let id = file_id(inode)?;
        record.fixed::<ResolvedFixed>().second_file = id;
    }
    let walked = to.walk(&mut record)?;
    let fixed = record.fixed::<ResolvedFixed>();
    fixed.second = walked.span;
    fixed.second_flags = walked.flags;
    end(record, &doer, hook)
}

#[inline(always)]
fn begin(doer: &Doer, hook: u32, args: [u32; hooks::ARGS_MAX]) -> Result<Record, ProbeError> {
    let mut record = Record::of_current::<ResolvedFixed>(doer.agent, kind::RESOLVED, 0)?;
    let header = record.header();
    header.syscall = doer.call.number;
    header.flags = flags::SUBMITTED;
    if doer.call.compat {
        header.flags |= flags::COMPAT;
    }
    let fixed = record.fixed::<ResolvedFixed>();
    fixed.hook = hook;
    fixed.args = args;
    fixed.by_worker = u32::from(doer.worker);
    Ok(record)
}

#[inline(always)]
fn push_first(record: &mut Record, name: &Name) -> Result<(), ProbeError> {
    let inode = name.inode()?;
    if !inode.is_null() {
        let id = file_id(inode)?;
        record.fixed::<ResolvedFixed>().file = id;
    }
    let walked = name.walk(record)?;
    let fixed = record.fixed::<ResolvedFixed>();
    fixed.path = walked.span;
    fixed.file.path_flags = walked.flags;
    Ok(())
}

/// To the ring, and the call it happens in is told which record is its own; or to who wants a proof.
#[inline(always)]
fn end(mut record: Record, doer: &Doer, hook: u32) -> Result<(), ProbeError> {
    if doer.agent == 0 {
        return prove(&mut record, hook);
    }
    if doer.of_call {
        let timestamp_ns = record.header().timestamp_ns;
        if is_noted(doer, timestamp_ns)? {
            record.flag(flags::OF_CALL);
        }
    }
    record.submit()
}

/// Whether the call's record will name this one.
#[inline(always)]
fn is_noted(doer: &Doer, timestamp_ns: u64) -> Result<bool, ProbeError> {
    let Some(entered) = AM_ENTERED.get_ptr_mut(Task::current().tid()?) else { return Ok(false) };
    // SAFETY: a map value that only this thread's programs write.
    let entered = unsafe { &mut *entered };
    if entered.syscall != u32::from(doer.call.number) {
        return Ok(false);
    }
    entered.resolved_ns = timestamp_ns;
    Ok(true)
}

/// Writes down what would have been told.
#[inline(always)]
fn prove(record: &mut Record, hook: u32) -> Result<(), ProbeError> {
    let Some(proof) = AM_PROOFS.get_ptr_mut(hook) else { return Ok(()) };
    let fixed = record.fixed::<ResolvedFixed>();
    let (ino, path, second) = (fixed.file.ino, fixed.path, fixed.second);
    // SAFETY: a map value that nobody but the monitor reads, and only once the state says that it is written.
    let proof = unsafe { &mut *proof };
    proof.ino = ino;
    copy(record, path, &mut proof.path)?;
    copy(record, second, &mut proof.second)?;
    proof.state = 2;
    Ok(())
}

#[inline(always)]
fn copy(record: &Record, span: Span, to: &mut [u8; PROOF_BYTES]) -> Result<(), ProbeError> {
    let at = crate::bound::at_most(span.offset as usize, RECORD_MAX - PROOF_BYTES)?;
    // SAFETY: the destination is PROOF_BYTES long; `at` was just bounded, so that as many are there.
    unsafe { bpf_probe_read_kernel(to.as_mut_ptr().cast(), PROOF_BYTES as u32, record.base().wrapping_add(at).cast()) };
    Ok(())
}
