//! The kernel's own path hooks (`security_path_*`, `security/security.c`), where it has resolved what it acts on: which
//! there are, and what the record of each is about.
//!
//! Read by the probes, the loader and the decoder. Not for: what a system call was given (`crate::syscalls`).

use crate::record::kind;
use crate::uring::opcode;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Numbers of the hooks; never reused.
#[expect(missing_docs, reason = "the names are the functions'")]
pub mod hook {
    pub const UNLINK: u32 = 0;
    pub const RMDIR: u32 = 1;
    pub const RENAME: u32 = 2;
    pub const LINK: u32 = 3;
    pub const SYMLINK: u32 = 4;
    pub const MKDIR: u32 = 5;
    pub const MKNOD: u32 = 6;
    pub const TRUNCATE: u32 = 7;
    pub const CHMOD: u32 = 8;
    pub const CHOWN: u32 = 9;
    /// One more than the largest.
    pub const COUNT: usize = 10;
}

/// One hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The kernel's function.
    pub function: &'static str,
    /// The program on it, in the eBPF object.
    pub program: &'static str,
    /// The kind of event that the same operation is as a system call.
    pub kind: u16,
    /// Names of its plain arguments.
    pub args: &'static [&'static str],
}

/// Most plain arguments of a hook.
pub const ARGS_MAX: usize = 2;

/// Every hook, by number.
pub const HOOKS: [Hook; hook::COUNT] = [
    Hook { function: "security_path_unlink", program: "am_path_unlink", kind: kind::UNLINK, args: &[] },
    Hook { function: "security_path_rmdir", program: "am_path_rmdir", kind: kind::UNLINK, args: &[] },
    Hook { function: "security_path_rename", program: "am_path_rename", kind: kind::RENAME, args: &["flags"] },
    Hook { function: "security_path_link", program: "am_path_link", kind: kind::LINK, args: &[] },
    Hook { function: "security_path_symlink", program: "am_path_symlink", kind: kind::SYMLINK, args: &[] },
    Hook { function: "security_path_mkdir", program: "am_path_mkdir", kind: kind::MKDIR, args: &["mode"] },
    Hook { function: "security_path_mknod", program: "am_path_mknod", kind: kind::MKNOD, args: &["mode", "device"] },
    Hook { function: "security_path_truncate", program: "am_path_truncate", kind: kind::TRUNCATE, args: &[] },
    Hook { function: "security_path_chmod", program: "am_path_chmod", kind: kind::CHMOD, args: &["mode"] },
    Hook { function: "security_path_chown", program: "am_path_chown", kind: kind::CHOWN, args: &["uid", "gid"] },
];

/// The kernel's function that makes a descriptor of an opened file, and the program on it: it tells the end of an open which file that
/// was, and makes no record.
pub const INSTALL: (&str, &str) = ("fd_install", "am_fd_install");

/// The kind of each hook, as a bit.
pub const KIND_BITS: [u64; hook::COUNT] = {
    let mut bits = [0; hook::COUNT];
    let mut i = 0;
    while i < hook::COUNT {
        bits[i] = 1 << HOOKS[i].kind;
        i += 1;
    }
    bits
};

/// Of each operation of an io_uring that the hooks tell of ([`crate::uring::opcode`]) the kind, as a bit.
pub const URING_KIND_BITS: [u64; 64] = {
    let mut bits = [0; 64];
    bits[opcode::UNLINKAT as usize] = 1 << kind::UNLINK;
    bits[opcode::RENAMEAT as usize] = 1 << kind::RENAME;
    bits[opcode::LINKAT as usize] = 1 << kind::LINK;
    bits[opcode::SYMLINKAT as usize] = 1 << kind::SYMLINK;
    bits[opcode::MKDIRAT as usize] = 1 << kind::MKDIR;
    bits
};

/// Bytes of a walked path that a [`Proof`] keeps.
pub const PROOF_BYTES: usize = 128;

/// What a hook saw the monitor itself do, when it was asked to: the proof that it reports.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Proof {
    /// 1 while the monitor waits for one, 2 once the hook has written it, 0 before and after.
    pub state: u64,
    /// Inode number of the object; 0 when it is only being made.
    pub ino: u64,
    /// Where the walked path begins: names from the leaf to the root, each with its NUL.
    pub path: [u8; PROOF_BYTES],
    /// The same of the second path.
    pub second: [u8; PROOF_BYTES],
}

impl Proof {
    /// Nothing is asked for.
    pub const NONE: Self = Self { state: 0, ino: 0, path: [0; PROOF_BYTES], second: [0; PROOF_BYTES] };
    /// The monitor waits for one.
    pub const WANTED: Self = Self { state: 1, ..Self::NONE };
}
