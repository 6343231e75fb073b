//! Views of kernel structures: every read of kernel memory that is not a path walk.
//!
//! A pointer the verifier knows the type of (tracepoint arguments, the current task) is read by direct loads, which
//! cost a nanosecond; any other address by `bpf_probe_read_kernel`. Offsets are those of the running kernel: the
//! loader writes them into `AM_OFFSETS` before the verifier sees it, so that they are constants to it.

use crate::errors::ProbeError;
use agentmon_common::offsets::{ABSENT, Offsets};
use agentmon_common::record::FileId;
use aya_ebpf::helpers::{bpf_get_current_task_btf, bpf_probe_read_kernel, generated};
use core::mem::MaybeUninit;

/// Filled by the loader; frozen before the programs load.
#[unsafe(no_mangle)]
static AM_OFFSETS: Offsets = Offsets::UNSET;

/// Offset of a member, by its name in `Offsets`.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::member_offset(core::mem::offset_of!(agentmon_common::offsets::Offsets, $field))
    };
}
pub(crate) use offset;

/// The value of `AM_OFFSETS` at `at` bytes.
#[inline(always)]
pub fn member_offset(at: usize) -> usize {
    // SAFETY: `at` comes from offset_of!, so it is aligned and inside the static. Volatile, because the loader
    // changes what the compiler believes to be a constant.
    unsafe { (&raw const AM_OFFSETS).cast::<u8>().add(at).cast::<u32>().read_volatile() as usize }
}

/// `TS_COMPAT` of `thread_info.status` (`arch/x86/include/asm/thread_info.h`).
const TS_COMPAT: u32 = 2;
/// `SIGNAL_GROUP_EXIT` of `signal_struct.flags` (`include/linux/sched/signal.h`).
const SIGNAL_GROUP_EXIT: u32 = 4;
/// `PF_IO_WORKER` of `task_struct.flags` (`include/linux/sched.h`).
const PF_IO_WORKER: u32 = 0x10;

/// Loads from a pointer whose type the verifier knows; null-checked, because kernels with RCU type tags insist.
#[inline(always)]
pub fn load<T: Copy>(base: *const u8, at: usize) -> Result<T, ProbeError> {
    if base.is_null() {
        return Err(ProbeError::Null);
    }
    // SAFETY: the verifier accepts the load only when `base` is a typed kernel pointer and `at` a member of it; a
    // stale pointer reads as zero, because the kernel handles the fault.
    Ok(unsafe { base.wrapping_add(at).cast::<T>().read_volatile() })
}

/// Reads kernel memory at any address.
#[inline(always)]
pub fn read<T: Copy>(base: *const u8, at: usize) -> Result<T, ProbeError> {
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(at).cast::<T>()) }.map_err(|_| ProbeError::KernelRead)
}

/// Part of a structure, read at once: a helper call costs 25 to 30 ns, whatever its length.
///
/// Filled where it stands, because the compiler copies one that is returned.
pub struct Block<const WORDS: usize>(MaybeUninit<[u64; WORDS]>);

impl<const WORDS: usize> Block<WORDS> {
    /// To be filled before it is asked for anything: the verifier insists.
    pub const EMPTY: Self = Self(MaybeUninit::uninit());

    /// Reads the bytes at `base`.
    #[inline(always)]
    pub fn fill(&mut self, base: *const u8) -> Result<(), ProbeError> {
        // SAFETY: the destination is WORDS words; the helper checks the source.
        let read = unsafe { generated::bpf_probe_read_kernel(self.0.as_mut_ptr().cast(), size_of::<Self>() as u32, base.cast()) };
        if read == 0 { Ok(()) } else { Err(ProbeError::KernelRead) }
    }

    /// The member at `at` from the start of the block. The loader has checked that it lies inside.
    #[inline(always)]
    pub fn get<T: Copy>(&self, at: usize) -> T {
        // SAFETY: the verifier knows `at` as a constant, and refuses a load outside the block or before it is filled.
        unsafe { self.0.as_ptr().cast::<u8>().wrapping_add(at).cast::<T>().read_volatile() }
    }
}

/// A `task_struct`.
#[derive(Clone, Copy)]
pub struct Task(pub *const u8);

impl Task {
    /// The task this program runs in.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: a helper without arguments.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    #[inline(always)]
    pub fn tgid(self) -> Result<u32, ProbeError> {
        load(self.0, offset!(task_tgid))
    }

    #[inline(always)]
    pub fn tid(self) -> Result<u32, ProbeError> {
        load(self.0, offset!(task_pid))
    }

    #[inline(always)]
    pub fn real_parent(self) -> Result<Self, ProbeError> {
        load(self.0, offset!(task_real_parent)).map(Self)
    }

    /// Start of the process: its group leader's.
    #[inline(always)]
    pub fn start_ns(self) -> Result<u64, ProbeError> {
        load(load(self.0, offset!(task_group_leader))?, offset!(task_start_boottime))
    }

    #[inline(always)]
    pub fn cred(self) -> Result<*const u8, ProbeError> {
        load(self.0, offset!(task_cred))
    }

    #[inline(always)]
    pub fn comm(self) -> Result<[u64; 2], ProbeError> {
        Ok([load(self.0, offset!(task_comm))?, load(self.0, offset!(task_comm) + 8)?])
    }

    /// The task's cgroup in the v2 hierarchy.
    #[inline(always)]
    pub fn cgroup(self) -> Result<Cgroup, ProbeError> {
        let css_set: *const u8 = load(self.0, offset!(task_cgroups))?;
        load(css_set, offset!(css_set_dfl_cgrp)).map(Cgroup)
    }

    /// Its identifier.
    #[inline(always)]
    pub fn cgroup_id(self) -> Result<u64, ProbeError> {
        self.cgroup()?.id()
    }

    /// Whether the current system call came through a 32-bit entry.
    #[inline(always)]
    pub fn in_compat_syscall(self) -> Result<bool, ProbeError> {
        Ok(load::<u32>(self.0, offset!(task_status))? & TS_COMPAT != 0)
    }

    /// Null when the descriptor is free.
    #[inline(always)]
    fn file(self, fd: i32) -> Result<*const u8, ProbeError> {
        let files: *const u8 = load(self.0, offset!(task_files))?;
        let fdt: *const u8 = load(files, offset!(files_fdt))?;
        let max_fds: u32 = load(fdt, offset!(fdtable_max_fds))?;
        if fd < 0 || fd as u32 >= max_fds {
            return Err(ProbeError::Null);
        }
        let table: *const u8 = load(fdt, offset!(fdtable_fd))?;
        read(table, fd as usize * 8)
    }

    #[inline(always)]
    pub fn mm(self) -> Result<*const u8, ProbeError> {
        load(self.0, offset!(task_mm))
    }

    #[inline(always)]
    pub fn fs(self) -> Result<*const u8, ProbeError> {
        load(self.0, offset!(task_fs))
    }

    /// Whether it is a thread of an io_uring, which is in no system call.
    #[inline(always)]
    pub fn is_io_worker(self) -> Result<bool, ProbeError> {
        Ok(offset!(task_flags) != ABSENT as usize && load::<u32>(self.0, offset!(task_flags))? & PF_IO_WORKER != 0)
    }

    /// Whether the last thread of the process is gone.
    #[inline(always)]
    pub fn is_dead(self) -> Result<bool, ProbeError> {
        let signal: *const u8 = load(self.0, offset!(task_signal))?;
        Ok(load::<u32>(signal, offset!(signal_live))? == 0)
    }

    /// Status of a dead process, as wait(2) reports it.
    #[inline(always)]
    pub fn exit_status(self) -> Result<u32, ProbeError> {
        let signal: *const u8 = load(self.0, offset!(task_signal))?;
        if load::<u32>(signal, offset!(signal_flags))? & SIGNAL_GROUP_EXIT != 0 {
            return load(signal, offset!(signal_group_exit_code));
        }
        load(load(self.0, offset!(task_group_leader))?, offset!(task_exit_code))
    }
}

/// A `struct cgroup` behind a typed pointer.
#[derive(Clone, Copy)]
pub struct Cgroup(pub *const u8);

impl Cgroup {
    /// Its identifier: the inode of its directory.
    #[inline(always)]
    pub fn id(self) -> Result<u64, ProbeError> {
        load(load(self.0, offset!(cgroup_kn))?, offset!(kernfs_node_id))
    }

    /// Whether it is of the v2 hierarchy: v1 hierarchies raise the same tracepoints, with identifiers that clash.
    #[inline(always)]
    pub fn is_v2(self) -> Result<bool, ProbeError> {
        let root: *const u8 = load(self.0, offset!(cgroup_root))?;
        Ok(load::<i32>(root, offset!(cgroup_root_hierarchy_id))? == 0)
    }

    /// The one it lies in; nothing at the top.
    #[inline(always)]
    pub fn parent(self) -> Result<Option<Self>, ProbeError> {
        let css: *const u8 = load(self.0, offset!(cgroup_self_parent))?;
        if css.is_null() {
            return Ok(None);
        }
        load(css, offset!(css_cgroup)).map(|cgroup| Some(Self(cgroup)))
    }
}

/// The `struct file` behind a descriptor of the task that runs now. Not a typed pointer: use [`read`].
#[inline(always)]
pub fn file_of(fd: i32) -> Result<*const u8, ProbeError> {
    let file = am_file(fd) as *const u8;
    if file.is_null() { Err(ProbeError::Null) } else { Ok(file) }
}

/// The same as a number, 0 when there is none. A global function, which the verifier checks once (see
/// `record::am_identify`).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_file(fd: i32) -> u64 {
    Task::current().file(fd).map_or(0, |file| file as u64)
}

/// Words of `struct file` that are read at once.
const FILE_WORDS: usize = 10;

/// What is asked of a `struct file`.
pub struct OpenedFile {
    pub inode: *const u8,
    pub mode: u32,
    pub mnt: *const u8,
    pub dentry: *const u8,
}

impl OpenedFile {
    /// One read where this kernel has all of it near the start; some between 6.1 and 6.12 have it behind the readahead
    /// state. The verifier knows the offsets and drops the other branch.
    #[inline(always)]
    pub fn of(file: *const u8) -> Result<Self, ProbeError> {
        const BYTES: usize = FILE_WORDS * 8;
        if offset!(file_inode) + 8 <= BYTES && offset!(file_path_mnt) + 16 <= BYTES && offset!(file_mode) + 4 <= BYTES {
            let mut block = Block::<FILE_WORDS>::EMPTY;
            block.fill(file)?;
            return Ok(Self {
                inode: block.get(offset!(file_inode)),
                mode: block.get(offset!(file_mode)),
                mnt: block.get(offset!(file_path_mnt)),
                dentry: block.get(offset!(file_path_dentry)),
            });
        }
        let path: [*const u8; 2] = read(file, offset!(file_path_mnt))?;
        Ok(Self { inode: read(file, offset!(file_inode))?, mode: read(file, offset!(file_mode))?, mnt: path[0], dentry: path[1] })
    }
}

/// Words of `struct inode` that hold the members of [`file_id`]; the loader checks it.
const INODE_WORDS: usize = 12;

/// Identity of the file behind an inode; `path_flags` stays 0.
#[inline(always)]
pub fn file_id(inode: *const u8) -> Result<FileId, ProbeError> {
    let mut block = Block::<INODE_WORDS>::EMPTY;
    block.fill(inode)?;
    let dev = read(block.get::<*const u8>(offset!(inode_sb)), offset!(super_block_dev))?;
    Ok(FileId {
        ino: block.get(offset!(inode_ino)),
        dev,
        mode: u32::from(block.get::<u16>(offset!(inode_mode))),
        nlink: block.get(offset!(inode_nlink)),
        path_flags: 0,
    })
}

/// A `pt_regs`: the registers at the entry of a system call.
#[derive(Clone, Copy)]
pub struct Regs(pub *const u8);

impl Regs {
    #[inline(always)]
    pub fn syscall(self) -> Result<u64, ProbeError> {
        load(self.0, offset!(regs_nr))
    }

    /// Argument 0 to 5.
    #[inline(always)]
    pub fn arg(self, compat: bool, index: u8) -> Result<u64, ProbeError> {
        match (compat, index) {
            (false, 0) => load(self.0, offset!(regs_di)),
            (false, 1) => load(self.0, offset!(regs_si)),
            (false, 2) => load(self.0, offset!(regs_dx)),
            (false, 3) => load(self.0, offset!(regs_r10)),
            (false, 4) => load(self.0, offset!(regs_r8)),
            (false, 5) => load(self.0, offset!(regs_r9)),
            (true, 0) => self.low(offset!(regs_bx)),
            (true, 1) => self.low(offset!(regs_cx)),
            (true, 2) => self.low(offset!(regs_dx)),
            (true, 3) => self.low(offset!(regs_si)),
            (true, 4) => self.low(offset!(regs_di)),
            (true, 5) => self.low(offset!(regs_bp)),
            _ => Err(ProbeError::TooLarge),
        }
    }

    #[inline(always)]
    fn low(self, at: usize) -> Result<u64, ProbeError> {
        Ok(load::<u64>(self.0, at)? & 0xffff_ffff)
    }
}
