//! Finding the program of a command the way a shell does, and telling apart why one cannot be started.
//!
//! Exit codes follow the shells: 127 when it is not found, 126 when it is there and cannot be executed. Not for:
//! starting it (`launch`).

use crate::cgroup::Shown;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a command cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such file.
    #[error("{command}: no such file")]
    NoFile {
        /// The command as given, escaped.
        command: Shown,
    },
    /// No directory of PATH has it.
    #[error("{command}: not found in PATH")]
    NotInPath {
        /// The command as given, escaped.
        command: Shown,
    },
    /// It is a directory.
    #[error("{path}: is a directory")]
    Directory {
        /// The file, escaped.
        path: Shown,
    },
    /// It may not be executed.
    #[error("{path}: not executable: permission denied")]
    Permission {
        /// The file, escaped.
        path: Shown,
    },
    /// The interpreter it names does not exist.
    #[error("{path}: its interpreter {interpreter} does not exist")]
    Interpreter {
        /// The file, escaped.
        path: Shown,
        /// The interpreter of its `#!` line, or `(dynamic loader)`.
        interpreter: Shown,
    },
    /// The kernel knows no such format.
    #[error("{path}: neither a program for this machine nor a script with a #! line")]
    Format {
        /// The file, escaped.
        path: Shown,
    },
    /// The kernel refused for another reason.
    #[error("{path}: cannot execute: {source}")]
    Exec {
        /// The file, escaped.
        path: Shown,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

impl CommandError {
    /// The exit code a shell would give: 127 not found, 126 not executable.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoFile { .. } | Self::NotInPath { .. } => 127,
            _ => 126,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotInPath { .. } => Some("install it, or give its path"),
            Self::Permission { .. } => Some("make it executable (chmod +x), and check that the mount is not noexec"),
            Self::Interpreter { .. } => Some("install the interpreter, or correct the #! line (a carriage return at its end counts)"),
            Self::Format { .. } => Some("start it through its interpreter, e.g. sh FILE"),
            Self::NoFile { .. } | Self::Directory { .. } | Self::Exec { .. } => None,
        }
    }
}

/// The file that a command names: itself when it has a slash, else the first executable one in the directories of
/// `path` (the value of PATH).
///
/// # Errors
/// [`CommandError`], the most telling one when several directories have an unusable file of that name.
pub fn find(command: &OsStr, path: &OsStr) -> Result<PathBuf, CommandError> {
    if command.as_bytes().contains(&b'/') {
        return usable(Path::new(command)).map(|()| command.into());
    }
    let mut failure = CommandError::NotInPath { command: Shown::new(Path::new(command)) };
    if command.is_empty() {
        return Err(failure);
    }
    for directory in std::env::split_paths(path) {
        // An empty entry means the current directory.
        let file = if directory.as_os_str().is_empty() { Path::new(".").join(command) } else { directory.join(command) };
        match usable(&file) {
            Ok(()) => return Ok(file),
            Err(CommandError::NoFile { .. }) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// What the kernel's answer to execve of this file means.
#[must_use]
pub fn explain(file: &Path, errno: Errno) -> CommandError {
    let path = Shown::new(file);
    match errno {
        Errno::NOENT if file.exists() => CommandError::Interpreter { path, interpreter: interpreter(file) },
        Errno::NOENT => CommandError::NoFile { command: path },
        Errno::ACCESS => CommandError::Permission { path },
        Errno::NOEXEC => CommandError::Format { path },
        source => CommandError::Exec { path, source },
    }
}

fn usable(file: &Path) -> Result<(), CommandError> {
    let path = Shown::new(file);
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(CommandError::Directory { path }),
        Ok(_) => accessat(CWD, file, Access::EXEC_OK, AtFlags::EACCESS).map_err(|errno| explain(file, errno)),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(CommandError::Permission { path }),
        Err(_) => Err(CommandError::NoFile { command: path }),
    }
}

/// The interpreter a file names in its first line.
fn interpreter(file: &Path) -> Shown {
    let mut line = [0; 256];
    let length = std::fs::File::open(file).and_then(|mut file| file.read(&mut line)).unwrap_or(0);
    let first = line[..length].split(|b| *b == b'\n').next().unwrap_or_default();
    let name = first
        .strip_prefix(b"#!")
        .map_or(&b"(dynamic loader)"[..], |rest| rest.trim_ascii_start().split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default());
    Shown::new(Path::new(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(directory: &Path, name: &str, text: &str, mode: u32) {
        std::fs::write(directory.join(name), text).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn path_is_searched_past_directories_and_files_that_cannot_run() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = std::env::join_paths([Path::new("/no/such"), one.path(), two.path()]).unwrap();
        let look = |name: &str| find(OsStr::new(name), &path);
        std::fs::create_dir(one.path().join("tool")).unwrap();
        assert!(matches!(look("tool"), Err(CommandError::Directory { .. })));
        file(two.path(), "tool", "", 0o755);
        assert_eq!(look("tool").unwrap(), two.path().join("tool"));
        file(one.path(), "data", "", 0o644);
        let error = look("data").unwrap_err();
        assert_eq!(error.exit_code(), 126);
        assert!(matches!(error, CommandError::Permission { .. }));
        for missing in ["nothing", ""] {
            let error = look(missing).unwrap_err();
            assert_eq!((error.to_string(), error.exit_code()), (format!("{missing}: not found in PATH"), 127));
        }
        let error = look("./no\x1bne").unwrap_err();
        assert_eq!((error.to_string(), error.exit_code()), (r"./no\x1bne: no such file".to_owned(), 127));
        assert_eq!(look("/tmp").unwrap_err().to_string(), "/tmp: is a directory");
    }

    #[test]
    fn a_missing_interpreter_is_not_a_missing_file() {
        let one = tempfile::tempdir().unwrap();
        file(one.path(), "script", "#! /no/such/sh -e\necho\n", 0o755);
        let path = one.path().join("script");
        let error = explain(&path, Errno::NOENT);
        assert_eq!(error.to_string(), format!("{}: its interpreter /no/such/sh does not exist", path.display()));
        assert_eq!(error.exit_code(), 126);
        assert_eq!(explain(&one.path().join("gone"), Errno::NOENT).exit_code(), 127);
        assert_eq!(explain(&path, Errno::NOEXEC).exit_code(), 126);
    }
}
