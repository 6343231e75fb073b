//! What is particular to each kind of event.
//!
//! Values only. Not for: what every event has (`super::Event`), nor for making them from bytes (`super::decode`).

use super::serial::{argv, is_default};
use super::{
    Argv, Call, Capability, CgroupId, CgroupState, Dns, Flow, NetworkChange, ProcessKey, Resolved, Signal, Socket, ThreadName, UnknownCall,
    Uring,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What is particular to a kind of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// [`Kind::Exec`].
    Exec(Exec),
    /// [`Kind::Fork`].
    Fork(Fork),
    /// [`Kind::Exit`].
    Exit(Exit),
    /// [`Kind::Open`].
    Open(Open),
    /// What was done with a socket; see [`Socket::kind`].
    Socket(Socket),
    /// [`Kind::Netlink`].
    Netlink(NetworkChange),
    /// [`Kind::Unlink`].
    Unlink(Unlink),
    /// [`Kind::Identity`].
    Identity(Identity),
    /// [`Kind::CgroupLeave`].
    CgroupLeave(Cgroup),
    /// [`Kind::CgroupJoin`].
    CgroupJoin(Cgroup),
    /// [`Kind::ProcessSeen`].
    ProcessSeen(Exec),
    /// [`Kind::Signal`].
    Signal(Signal),
    /// [`Kind::CgroupState`].
    CgroupState(CgroupState),
    /// [`Kind::ThreadName`].
    ThreadName(ThreadName),
    /// [`Kind::UnknownSyscall`].
    UnknownCall(UnknownCall),
    /// [`Kind::Argv`].
    Argv(Argv),
    /// [`Kind::Flow`].
    Flow(Flow),
    /// [`Kind::Dns`].
    Dns(Dns),
    /// [`Kind::Capability`].
    Capability(Capability),
    /// [`Kind::Resolved`](super::Kind::Resolved).
    Resolved(Resolved),
    /// A request to a ring, of [`Kind::IoUring`](super::Kind::IoUring).
    Uring(Uring),
    /// Every kind that is told by its arguments; see [`Call::kind`].
    Call(Call),
}

/// Bytes that may have been cut: `original` says how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What is there.
    pub bytes: Bytes,
    /// How many bytes there were.
    pub original: u32,
}

impl Text {
    /// Whether bytes are missing at the end.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.original as usize > self.bytes.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self { bytes: Bytes::from_static(text.as_bytes()), original: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }
}

/// A file as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileId {
    /// Major number of the file system's device.
    pub major: u32,
    /// Minor number of the file system's device.
    pub minor: u32,
    /// Inode number.
    pub ino: u64,
    /// `st_mode`: file type and permissions.
    pub mode: u32,
    /// Hard links; 0: the file has no name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nlink: u32,
}

/// A path: what the kernel resolved, or the best that can be said from what the program asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Absolute when `trust` is not [`PathTrust::Partial`]; empty when nothing is known.
    pub bytes: Bytes,
    /// How far it can be believed.
    pub trust: PathTrust,
}

/// How far a path can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathTrust {
    /// The kernel's own object: free of symbolic links and races.
    Resolved,
    /// Joined from the program's string and a directory the kernel resolved; `.` and `..` folded as text, symbolic
    /// links not followed.
    Joined,
    /// The front is missing, or the file is not below any mount (memfd, pipe).
    #[default]
    Partial,
}

/// A program that runs, was refused, or was found running.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The file that runs; for a script, the interpreter. For a failed exec, the path asked for, joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exe: Path,
    /// That file's identity; zero when the exec failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
    /// The path given to execve.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filename: Text,
    /// The script, when `exe` is its interpreter.
    #[serde(default, skip_serializing_if = "is_default")]
    pub script: Option<Text>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cwd: Path,
    /// Arguments, each ended by a NUL.
    #[serde(default, with = "argv", skip_serializing_if = "is_default")]
    pub argv: Text,
    /// Number of arguments the kernel counted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub argc: u32,
}

impl Exec {
    /// The arguments one by one.
    pub fn args(&self) -> impl Iterator<Item = &[u8]> {
        let bytes: &[u8] = &self.argv.bytes;
        bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|b| *b == 0).filter(move |_| !bytes.is_empty())
    }

    /// A copy that holds on to no record, with at most `argv_max` bytes of arguments: for who keeps it. A record's bytes
    /// keep the whole slab that they were drained into.
    #[must_use]
    pub fn detached(&self, argv_max: usize) -> Self {
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let path = |path: &Path| Path { bytes: own(&path.bytes), trust: path.trust };
        let text = |text: &Text| Text { bytes: own(&text.bytes), original: text.original };
        let argv = self.argv.bytes.slice(..self.argv.bytes.len().min(argv_max));
        Self {
            exe: path(&self.exe),
            file: self.file,
            filename: text(&self.filename),
            script: self.script.as_ref().map(text),
            cwd: path(&self.cwd),
            argv: Text { bytes: own(&argv), original: self.argv.original },
            argc: self.argc,
        }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let script = self.script.as_ref().map_or(0, |script| script.bytes.len());
        self.exe.bytes.len() + self.filename.bytes.len() + script + self.cwd.bytes.len() + self.argv.bytes.len()
    }

    /// Whether the file had no name when it was executed: memfd, or already unlinked.
    #[must_use]
    pub fn is_fileless(&self) -> bool {
        self.file.ino != 0 && self.file.nlink == 0
    }
}

/// A new process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The child.
    pub child: ProcessKey,
    /// The child's parent: not the creator after CLONE_PARENT.
    pub child_ppid: u32,
    /// The child's cgroup.
    pub child_cgroup: CgroupId,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// As wait(2) reports it.
    pub status: u32,
}

impl Exit {
    /// Exit code, when it ended by itself.
    #[must_use]
    pub const fn code(self) -> Option<u32> {
        if self.status & 0x7f == 0 { Some((self.status >> 8) & 0xff) } else { None }
    }

    /// Signal that ended it.
    #[must_use]
    pub const fn signal(self) -> Option<u32> {
        if self.status & 0x7f == 0 { None } else { Some(self.status & 0x7f) }
    }
}

/// An opened file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Which file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: Path,
    /// The path the program gave.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked: Text,
    /// The file; zero when the open failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
    /// `O_*` flags as given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub open_flags: u64,
    /// Mode for a created file, as given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_mode: u32,
    /// Whether this open created the file (the kernel's `FMODE_CREATED`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub created: bool,
}

impl Open {
    /// Whether the program asked to write: `O_WRONLY`, `O_RDWR` or `O_TRUNC`.
    #[must_use]
    pub const fn for_writing(&self) -> bool {
        self.open_flags & 0o3 != 0 || self.truncates()
    }

    /// Whether the program asked to empty the file: `O_TRUNC`.
    #[must_use]
    pub const fn truncates(&self) -> bool {
        self.open_flags & 0o1000 != 0
    }
}

/// A removed file or directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    /// Which one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: Path,
    /// The path the program gave.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked: Text,
    /// With [`flags::CHANGED`]: what stood there when the call began.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked_at_enter: Option<Text>,
    /// Whether a directory was to be removed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub directory: bool,
    /// The file; zero unless the kernel's path hooks told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
}

/// A change of identity; the values are those after the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What was asked: ids for set*id, count for setgroups, capability sets for capset.
    pub args: [u64; 3],
    /// uid, euid, suid, fsuid.
    pub uids: [u32; 4],
    /// gid, egid, sgid, fsgid.
    pub gids: [u32; 4],
    /// Effective capabilities, as a bit set.
    pub cap_effective: u64,
    /// Permitted capabilities, as a bit set.
    pub cap_permitted: u64,
}

/// A move between cgroups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cgroup {
    /// Where the process is now.
    pub to: CgroupId,
    /// Path of that cgroup below the v2 mount, where the kernel gave it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: Text,
    /// Process id of who moved it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mover_tgid: u32,
    /// Whether it was born there (CLONE_INTO_CGROUP).
    #[serde(default, skip_serializing_if = "is_default")]
    pub born: bool,
}
