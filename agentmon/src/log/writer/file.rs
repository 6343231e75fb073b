//! Opening the log file without being led elsewhere: no symbolic links, no pipes, no files of others.
//!
//! Not for: writing and rotating (`super::output`, `super::rotation`).

use super::StartError;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file that is open for appending.
#[derive(Debug)]
pub(super) struct LogFile {
    pub file: File,
    /// Device and inode.
    pub id: (u64, u64),
    /// Bytes in it, as far as this process knows.
    pub size: u64,
    /// Whether its last line lacks its newline: who wrote it died.
    pub torn: bool,
}

/// Opens or creates the file.
pub(super) fn open(path: &Path) -> Result<LogFile, StartError> {
    // O_NONBLOCK: a pipe in the file's place must not hold us up.
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let refuse = |what| StartError::Unsafe { path: path.to_owned(), what };
    let fail = |error: Errno| StartError::Open { path: path.to_owned(), source: error.into() };
    let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o640)).map_err(|error| match error {
        Errno::LOOP => refuse("it is a symbolic link"),
        Errno::NXIO => refuse("it is not a regular file"),
        error => fail(error),
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(fail)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refuse("it is not a regular file"));
    }
    if stat.st_nlink > 1 {
        return Err(refuse("the file has a second name (hard link)"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refuse("the file belongs to another user"));
    }
    let file = File::from(fd);
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1).map_err(|source| StartError::Open { path: path.to_owned(), source })?;
    }
    Ok(LogFile { file, id: id(&stat), size, torn: last != [b'\n'] })
}

/// Whether the path still names the file with this device and inode.
pub(super) fn still_named(path: &Path, known: (u64, u64)) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| id(&stat) == known)
}

fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// The directory the file stands in.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the directory of the log, if only that is missing; what stands in the way is told by who opens the file.
pub(super) fn make_directory(path: &Path) {
    let _ = std::fs::DirBuilder::new().mode(0o750).create(directory(path));
}

/// Refuses a directory in which anyone may put and remove files; with the sticky bit (/tmp) it warns.
pub(super) fn check_directory(path: &Path) -> Result<(), StartError> {
    let directory = directory(path);
    let stat = rustix::fs::stat(directory).map_err(|error| StartError::Open { path: path.to_owned(), source: error.into() })?;
    if stat.st_mode & 0o002 == 0 {
        return Ok(());
    }
    if stat.st_mode & 0o1000 == 0 {
        return Err(StartError::Unsafe { path: directory.to_owned(), what: "everyone may write to this directory" });
    }
    tracing::warn!(directory = %directory.display(), "the log stands in a directory that everyone may write to");
    Ok(())
}
