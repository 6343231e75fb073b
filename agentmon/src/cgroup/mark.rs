//! Marks on a cgroup that outlive agentmon: extended attributes that say which agent's it is.
//!
//! They are how `agentmon kill` finds agents when no daemon answers, and they survive `kill -9` of it. `trusted.*` is
//! used where it can be, because the owner of a delegated cgroup can neither remove nor forge it; `user.*` (Linux 5.7)
//! where CAP_SYS_ADMIN is missing. Not for: anything that has to be secret.

use super::{Cgroup, CgroupError};
use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// Whose cgroup it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The agent's name, as [`crate::process::Agent::name`].
    pub name: String,
    /// Its session, as [`crate::process::Agent::session`].
    pub session: String,
}

/// A kill by hand: written just before it, so that the monitor that watches the agent knows who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillMark {
    /// User id of who killed.
    pub uid: u32,
    /// Process id of the `agentmon kill`, which sends the signals.
    pub pid: u32,
    /// When, boot time in nanoseconds.
    pub boot_ns: u64,
}

/// Not as `user.*`: who may not write this one is told as any other sender of signals.
const KILL_NAME: &str = "trusted.agentmon.kill";
const NAMES: [&str; 2] = ["trusted.agentmon.agent", "user.agentmon.agent"];
/// Longest value that is read: kernfs allows 64 KiB, a mark needs less than 200 bytes.
const VALUE_MAX: usize = 512;

impl Cgroup {
    /// Marks it. An older mark is replaced.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when neither kind of attribute can be written.
    pub fn set_mark(&self, mark: &Mark) -> Result<(), CgroupError> {
        let value = format!("{} {}", mark.session, mark.name);
        let set = |name| fsetxattr(&self.fd, name, value.as_bytes(), XattrFlags::empty());
        set(NAMES[0]).or_else(|_| set(NAMES[1])).map_err(|source| CgroupError::io("mark", &self.path, source))
    }

    /// Reads its mark, if it has one that makes sense.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        NAMES.iter().find_map(|name| {
            let mut value = [0; VALUE_MAX];
            let length = fgetxattr(&self.fd, *name, &mut value).ok()?;
            // The owner of a delegated cgroup can write `user.*`: nothing that could steer a terminal is taken over.
            let text = std::str::from_utf8(value.get(..length)?).ok().filter(|text| text.bytes().all(|b| matches!(b, b' '..=b'~')))?;
            let (session, name) = text.split_once(' ')?;
            Some(Mark { name: name.to_owned(), session: session.to_owned() })
        })
    }

    /// Notes a kill by hand.
    ///
    /// # Errors
    /// [`CgroupError::Io`], for example without CAP_SYS_ADMIN.
    pub fn set_kill_mark(&self, mark: KillMark) -> Result<(), CgroupError> {
        let value = format!("{} {} {}", mark.uid, mark.pid, mark.boot_ns);
        let set = fsetxattr(&self.fd, KILL_NAME, value.as_bytes(), XattrFlags::empty());
        set.map_err(|source| CgroupError::io("mark", &self.path, source))
    }

    /// Takes the note of a kill by hand away, if there is one that makes sense. Also of a cgroup that was removed meanwhile.
    #[must_use]
    pub fn take_kill_mark(&self) -> Option<KillMark> {
        let mut value = [0; VALUE_MAX];
        let length = fgetxattr(&self.fd, KILL_NAME, &mut value).ok()?;
        // A cgroup that is gone keeps it, and nobody will read it again.
        let _ = fremovexattr(&self.fd, KILL_NAME);
        let mut fields = std::str::from_utf8(value.get(..length)?).ok()?.split(' ');
        let (uid, pid, boot_ns) = (fields.next()?, fields.next()?, fields.next()?);
        Some(KillMark { uid: uid.parse().ok()?, pid: pid.parse().ok()?, boot_ns: boot_ns.parse().ok()? })
    }

    /// Removes its mark. One that is not there, or a cgroup that is gone, is no error.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn clear_mark(&self) -> Result<(), CgroupError> {
        for name in NAMES {
            match fremovexattr(&self.fd, name) {
                Ok(()) | Err(Errno::NODATA | Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {}
                Err(Errno::PERM) if name == NAMES[0] => {}
                Err(source) => return Err(CgroupError::io("unmark", &self.path, source)),
            }
        }
        Ok(())
    }
}
