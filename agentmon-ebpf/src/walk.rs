//! Path walks: from a dentry and its mount up to the root, as names from the leaf to the root, each with its NUL.
//!
//! What `prepend_path` of `fs/d_path.c` does, without its locks: a rename during the walk can mix two states of one
//! path, as in any reader outside the kernel's seqlocks. Not for: strings that a program gave.

use crate::bound::at_most;
use crate::directory;
use crate::errors::ProbeError;
use crate::kernel::{Block, Task, load, offset, read};
use crate::maps::{Directory, Scratch, Walk};
use crate::place::AT_FDCWD;
use crate::record::Record;
use crate::word;
use agentmon_common::record::{COMPONENT_MAX, COMPONENTS_MAX, PATH_MAX, RECORD_MAX, Span, path_flags};
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel_str};

/// A walked path: where it stands in the record, and what the walk met.
pub struct Walked {
    pub span: Span,
    pub flags: u32,
}

impl Walked {
    /// There was nothing to walk.
    pub const NONE: Self = Self { span: Span { offset: 0, len: 0, original: 0 }, flags: 0 };
}

/// Writes the path of `dentry` on `mnt` (a `struct vfsmount *`) to the end of the record.
#[inline(always)]
pub fn path(record: &mut Record, dentry: *const u8, mnt: *const u8) -> Result<Walked, ProbeError> {
    // SAFETY: the verifier knows the pointer as a value of AM_SCRATCH; nothing else refers to it.
    unsafe { (*record.scratch()).walk.begin(dentry, mnt) };
    from_beginning(record)
}

/// The same of the directory that was looked for last.
#[inline(always)]
pub fn directory(record: &mut Record) -> Result<Walked, ProbeError> {
    // SAFETY: as above.
    unsafe {
        let Directory { dentry, mnt, .. } = (*record.scratch()).directory;
        (*record.scratch()).walk.begin(dentry as *const u8, mnt as *const u8);
    }
    from_beginning(record)
}

/// The same of the working directory of the task that runs now.
#[inline(always)]
pub fn working_directory(record: &mut Record) -> Result<Walked, ProbeError> {
    // SAFETY: as above.
    let found = unsafe { &raw mut (*record.scratch()).directory };
    if directory::look(found, AT_FDCWD) { directory(record) } else { Err(ProbeError::Null) }
}

#[inline(always)]
fn from_beginning(record: &mut Record) -> Result<Walked, ProbeError> {
    let start = record.len();
    // SAFETY: as in `path`.
    let walk = unsafe { &raw mut (*record.scratch()).walk };
    // SAFETY: as above.
    unsafe { (*walk).at = start as u64 };
    am_walk(record.scratch());
    // SAFETY: as above.
    let (end, flags) = unsafe { ((*walk).at as usize, (*walk).flags as u32) };
    if end < start || end > RECORD_MAX {
        return Err(ProbeError::TooLarge);
    }
    record.set_len(end);
    let len = (end - start) as u32;
    Ok(Walked { span: Span { offset: start as u32, len, original: len }, flags })
}

/// The walk itself: names from `at` of the scratch's `walk` on. What it came to stands there.
///
/// A function that the verifier knows by the types of its arguments and checks once (a global one, by `no_mangle`;
/// `btf_prepare_func_args`, kernel/bpf/btf.c), where it checks any other again with every state that calls it. It has to
/// return a number.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_walk(mut scratch: *mut Scratch) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there; nothing else refers to it.
    let walk = unsafe { &mut (*scratch).walk };
    walk.end = walk.at + PATH_MAX as u64;
    walk.flags = 0;
    walk.done = 0;
    // SAFETY: `step` has the signature bpf_loop asks for; its context outlives the call.
    unsafe { bpf_loop(COMPONENTS_MAX, step as *mut c_void, (&raw mut scratch).cast(), 0) };
    if walk.done == 0 {
        walk.flags |= u64::from(path_flags::TRUNCATED);
    }
    0
}

/// One step: over a mount point, or one name. Returns 1 to end the loop.
extern "C" fn step(_index: u32, context: *mut c_void) -> i64 {
    // SAFETY: bpf_loop hands back the pointer that `am_walk` gave it, to a pointer to its scratch.
    let scratch = unsafe { *context.cast::<*mut Scratch>() };
    // SAFETY: as in `am_walk`, which does not touch the scratch meanwhile.
    let walk = unsafe { &mut (*scratch).walk };
    let result = if walk.dentry == walk.mount_root { cross_mount(walk) } else { take_name(walk, scratch.cast()) };
    match result {
        Ok(go_on) => i64::from(!go_on),
        Err(_) => {
            walk.flags |= u64::from(path_flags::FAULT);
            walk.done = 1;
            1
        }
    }
}

/// Words from `mount.mnt_parent` that hold `mnt_mountpoint` and `mnt.mnt_root` too; the loader checks it.
const MOUNT_WORDS: usize = 8;

/// What a walk needs to know of a `struct mount`.
#[derive(Clone, Copy)]
struct MountView {
    at: u64,
    parent: u64,
    mountpoint: u64,
    root: u64,
}

impl MountView {
    #[inline(always)]
    fn read(block: &mut Block<MOUNT_WORDS>, mount: u64) -> Result<Self, ProbeError> {
        let first = offset!(mount_parent);
        block.fill((mount as *const u8).wrapping_add(first))?;
        Ok(Self {
            at: mount,
            parent: block.get(0),
            mountpoint: block.get(offset!(mount_mountpoint) - first),
            root: block.get(offset!(mount_mnt) + offset!(vfsmount_root) - first),
        })
    }
}

impl Walk {
    /// Where to begin: as if at the root of a mount that hangs on `dentry` of `mnt`. By way of memory: to the verifier these
    /// are pointers of their types, and a global function takes numbers only.
    #[inline(always)]
    fn begin(&mut self, dentry: *const u8, mnt: *const u8) {
        self.mountpoint = dentry as u64;
        self.mount_parent = (mnt as u64).wrapping_sub(offset!(mount_mnt) as u64);
        self.mount = 0;
        self.dentry = 0;
        self.mount_root = 0;
    }

    #[inline(always)]
    fn enter(&mut self, mount: MountView) {
        self.mount = mount.at;
        self.mount_parent = mount.parent;
        self.mountpoint = mount.mountpoint;
        self.mount_root = mount.root;
    }
}

/// At the root of a mount: go on at its mount point, unless it is the root of all.
#[inline(always)]
fn cross_mount(walk: &mut Walk) -> Result<bool, ProbeError> {
    if walk.mount_parent == walk.mount {
        walk.done = 1;
        return Ok(false);
    }
    let mut block = Block::EMPTY;
    let parent = MountView::read(&mut block, walk.mount_parent)?;
    walk.dentry = walk.mountpoint;
    walk.enter(parent);
    Ok(true)
}

/// Words from `dentry.d_parent` that hold `d_name` and the name itself when it is short; the loader checks it.
const DENTRY_WORDS: usize = 9;
/// Bytes of a name that a dentry holds itself, NUL included, in the kernels that hold the most.
const SHORT_NAME_WORDS: usize = 5;

/// Writes one name and goes on to the parent.
///
/// Most names are short and stand in the dentry: then one read brings parent and name.
#[inline(always)]
fn take_name(walk: &mut Walk, record: *mut u8) -> Result<bool, ProbeError> {
    let first = offset!(dentry_parent);
    let mut dentry = Block::<DENTRY_WORDS>::EMPTY;
    dentry.fill((walk.dentry as *const u8).wrapping_add(first))?;
    let parent: u64 = dentry.get(0);
    let name: u64 = dentry.get(offset!(dentry_name) - first);
    let len: u32 = dentry.get(offset!(dentry_name_len) - first);
    let at = walk.at as usize;
    let (true, Ok(at)) = (at < walk.end as usize, at_most(at, RECORD_MAX - COMPONENT_MAX)) else {
        walk.flags |= u64::from(path_flags::TRUNCATED);
        walk.done = 1;
        return Ok(false);
    };
    let short = walk.dentry.wrapping_add(offset!(dentry_short_name) as u64);
    let taken = if name == short
        && let Ok(len) = at_most(len as usize, 8 * SHORT_NAME_WORDS - 1)
    {
        let mut i = 0;
        while i < SHORT_NAME_WORDS {
            let word: u64 = dentry.get(offset!(dentry_short_name) - first + 8 * i);
            // SAFETY: `at` was just bounded, so that COMPONENT_MAX bytes fit.
            unsafe { word::put(record.wrapping_add(at + 8 * i), word) };
            i += 1;
        }
        // SAFETY: as above; `len` was just bounded. A rename can mix two names: the end is ours to write.
        unsafe { record.wrapping_add(at + len).write_volatile(0) };
        len + 1
    } else {
        // SAFETY: `at` was just bounded, so that COMPONENT_MAX bytes fit; the helper checks the source.
        let len = unsafe { bpf_probe_read_kernel_str(record.wrapping_add(at).cast(), COMPONENT_MAX as u32, name as *const _) };
        if len <= 0 || len > COMPONENT_MAX as i64 {
            return Err(ProbeError::KernelRead);
        }
        len as usize
    };
    walk.at = (at + taken) as u64;
    if parent == walk.dentry {
        walk.flags |= u64::from(path_flags::UNREACHABLE);
        walk.done = 1;
        return Ok(false);
    }
    walk.dentry = parent;
    Ok(true)
}

/// Writes the path of an open file.
#[inline(always)]
pub fn file_path(record: &mut Record, file: *const u8) -> Result<Walked, ProbeError> {
    let path: [*const u8; 2] = read(file, offset!(file_path_mnt))?;
    self::path(record, path[1], path[0])
}

/// Writes the path of any task's working directory.
#[inline(always)]
pub fn working_directory_of(record: &mut Record, task: Task) -> Result<Walked, ProbeError> {
    let (dentry, mnt) = pwd(task)?;
    path(record, dentry, mnt)
}

/// Dentry and mount of a task's working directory.
#[inline(always)]
fn pwd(task: Task) -> Result<(*const u8, *const u8), ProbeError> {
    let fs = task.fs()?;
    Ok((load(fs, offset!(fs_pwd_dentry))?, load(fs, offset!(fs_pwd_mnt))?))
}
