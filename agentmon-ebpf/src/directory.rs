//! The directory that a relative path begins at, as a call found it: looked at when the call begins and when it ends, because
//! another thread can change it meanwhile (`fchdir`, `dup2`).
//!
//! Not for: its path (`walk`), nor the relative path (`place`).

use crate::errors::ProbeError;
use crate::kernel::{OpenedFile, Task, file_of, load, offset, read};
use crate::maps::Directory;
use crate::place::AT_FDCWD;
use agentmon_common::offsets::ABSENT;

/// Looks which directory `dirfd` stands for now, [`AT_FDCWD`] the working directory. Whether there is one.
#[inline(always)]
pub fn look(found: *mut Directory, dirfd: i32) -> bool {
    am_directory(found, dirfd) == 0
}

/// The same. Not 0: there is none, and all of it is 0. A global function, which the verifier checks once (see
/// `record::am_identify`).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_directory(found: *mut Directory, dirfd: i32) -> u64 {
    if found.is_null() {
        return 1;
    }
    let now = now(dirfd);
    let Directory { dentry, mnt, mark } = now.unwrap_or(Directory::NONE);
    // SAFETY: not null, and the verifier has checked at the call that all of it is there. Volatile, so that neighbours that become
    // zero do not become a call of memset.
    unsafe {
        (&raw mut (*found).dentry).write_volatile(dentry);
        (&raw mut (*found).mnt).write_volatile(mnt);
        (&raw mut (*found).mark).write_volatile(mark);
    }
    u64::from(dentry == 0)
}

#[inline(always)]
fn now(dirfd: i32) -> Result<Directory, ProbeError> {
    if dirfd == AT_FDCWD {
        let fs = Task::current().fs()?;
        let (dentry, mnt): (*const u8, *const u8) = (load(fs, offset!(fs_pwd_dentry))?, load(fs, offset!(fs_pwd_mnt))?);
        // A seqcount of whatever sort begins with its number.
        let changes: u32 = if offset!(fs_seq) == ABSENT as usize { 0 } else { load(fs, offset!(fs_seq))? };
        return Ok(Directory { dentry: dentry as u64, mnt: mnt as u64, mark: u64::from(changes) });
    }
    let file = OpenedFile::of(file_of(dirfd)?)?;
    Ok(Directory { dentry: file.dentry as u64, mnt: file.mnt as u64, mark: read(file.inode, offset!(inode_ino))? })
}

/// Whether the two are not one directory, or a working directory that was changed meanwhile and changed back.
#[inline(always)]
pub fn differ(before: &Directory, now: *const Directory) -> bool {
    // SAFETY: the caller's scratch, a map value.
    let now = unsafe { &*now };
    before.dentry != now.dentry || before.mnt != now.mnt || before.mark != now.mark
}
