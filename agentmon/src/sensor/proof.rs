//! What this process does to see whether a path hook reports it: one operation on files of its own, and what the hook must
//! say of it.
//!
//! Not for: attaching (`super::paths`), nor the canary, which goes the whole way through the ring (`crate::canary`).

use crate::agents::session::new_session;
use agentmon_common::hooks::{Proof, hook};
use rustix::fs::{CWD, FileType, Mode};
use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory of its own, removed with what is in it.
pub(super) struct Ground(PathBuf);

impl Ground {
    pub(super) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("agentmon-hooks-{}", new_session()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// What must be there before the operation.
    pub(super) fn prepare(&self, hook: u32, round: u32) -> io::Result<Scene> {
        let from = self.0.join(format!("{hook}-{round}"));
        let to = self.0.join(format!("{hook}-{round}-to"));
        let ino = match hook {
            hook::SYMLINK | hook::MKDIR | hook::MKNOD => 0,
            hook::RMDIR => {
                fs::create_dir(&from)?;
                fs::symlink_metadata(&from)?.ino()
            }
            _ => File::create_new(&from)?.metadata()?.ino(),
        };
        Ok(Scene { hook, from, to, ino })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What cannot be removed lies in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One operation, and what it is done to.
pub(super) struct Scene {
    hook: u32,
    from: PathBuf,
    to: PathBuf,
    /// Of what is there before; else 0.
    ino: u64,
}

impl Scene {
    pub(super) fn act(&self) -> io::Result<()> {
        let from = &self.from;
        match self.hook {
            hook::UNLINK => fs::remove_file(from),
            hook::RMDIR => fs::remove_dir(from),
            hook::RENAME => fs::rename(from, &self.to),
            hook::LINK => fs::hard_link(from, &self.to),
            hook::SYMLINK => std::os::unix::fs::symlink("nowhere", from),
            hook::MKDIR => fs::create_dir(from),
            hook::MKNOD => Ok(rustix::fs::mknodat(CWD, from, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?),
            hook::TRUNCATE => truncate(from),
            hook::CHMOD => fs::set_permissions(from, fs::Permissions::from_mode(0o600)),
            hook::CHOWN => std::os::unix::fs::chown(from, None, None),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether the operation leads from one name to another.
    const fn has_second(&self) -> bool {
        matches!(self.hook, hook::RENAME | hook::LINK)
    }
}

/// By path: rustix has only the one by descriptor, which the hook does not see from Linux 6.2 on.
fn truncate(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a string with its NUL that outlives the call.
    if unsafe { libc::truncate(path.as_ptr(), 0) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a proof says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Proved,
    Silent,
    Wrong,
}

/// Holds what the hook wrote against what was done.
pub(super) fn judge(proof: &Proof, scene: &Scene) -> Judgement {
    if proof.state != 2 {
        return Judgement::Silent;
    }
    let second = !scene.has_second() || is_of(&proof.second, &scene.to);
    if proof.ino == scene.ino && is_of(&proof.path, &scene.from) && second { Judgement::Proved } else { Judgement::Wrong }
}

/// Whether a walk begins with the last two names of a path: the directory's is nobody else's.
fn is_of(walked: &[u8], path: &Path) -> bool {
    let mut names = path.iter().rev().map(|name| name.as_bytes());
    let mut walked = walked.split(|byte| *byte == 0);
    (0..2).all(|_| names.next().is_some_and(|name| walked.next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::{Judgement, Scene, judge};
    use agentmon_common::hooks::{PROOF_BYTES, Proof, hook};

    fn walked(names: &[u8]) -> [u8; PROOF_BYTES] {
        std::array::from_fn(|at| names.get(at).copied().unwrap_or(0))
    }

    fn scene(hook: u32) -> Scene {
        Scene { hook, from: "/tmp/ground/1-0".into(), to: "/tmp/ground/1-0-to".into(), ino: 77 }
    }

    #[test]
    fn a_hook_is_believed_when_inode_and_names_are_right() {
        let right = Proof { state: 2, ino: 77, path: walked(b"1-0\0ground\0tmp\0"), second: walked(b"") };
        assert_eq!(judge(&right, &scene(hook::UNLINK)), Judgement::Proved);
        assert_eq!(judge(&Proof { state: 1, ..right }, &scene(hook::UNLINK)), Judgement::Silent);
        assert_eq!(judge(&Proof { ino: 78, ..right }, &scene(hook::UNLINK)), Judgement::Wrong);
        for path in [&b"1-1\0ground\0"[..], b"1-0\0other\0", b"1-0\0", b""] {
            assert_eq!(judge(&Proof { path: walked(path), ..right }, &scene(hook::UNLINK)), Judgement::Wrong);
        }
        assert_eq!(judge(&right, &scene(hook::RENAME)), Judgement::Wrong, "where to");
        assert_eq!(judge(&Proof { second: walked(b"1-0-to\0ground\0"), ..right }, &scene(hook::RENAME)), Judgement::Proved);
    }
}
