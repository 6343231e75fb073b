//! The kernel's member offsets as the probes want them, checked against what the probes take for granted.
//!
//! Not for: reading BTF (`super::btf`).

use super::btf::{Btf, BtfError};
use agentmon_common::offsets::{ABSENT, Offsets};
use thiserror::Error;
use zerocopy::{FromBytes, IntoBytes};

/// Why the probes cannot be given their offsets.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OffsetsError {
    /// Members this kernel does not have, every one of them.
    #[error("this kernel's BTF lacks what the probes read: {}", list(.0))]
    Missing(Vec<BtfError>),
    /// A structure is laid out in a way the probes do not expect.
    #[error("this kernel lays out {0}")]
    Layout(&'static str),
}

fn list(errors: &[BtfError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The first of these members (`structure.member`) that the kernel does not have.
#[must_use]
pub fn first_absent<'m>(offsets: &Offsets, members: &[&'m str]) -> Option<&'m str> {
    let words = offsets.as_bytes();
    let is_present = |name: &str| {
        let member = Offsets::MEMBERS.iter().find(|member| name.split_once('.') == Some((member.of, member.path)));
        member.is_some_and(|member| words.get(4 * member.index..4 * member.index + 4).is_some_and(|word| word != ABSENT.as_bytes()))
    };
    members.iter().copied().find(|name| !is_present(name))
}

/// Looks every member up. Optional ones that the kernel lacks are [`ABSENT`].
///
/// # Errors
/// Names every other member that is missing, and the first layout that does not fit the probes' block reads.
pub fn resolve(btf: &Btf<'_>) -> Result<Offsets, OffsetsError> {
    let mut words = vec![ABSENT; Offsets::MEMBERS.len()];
    let mut missing = Vec::new();
    for member in Offsets::MEMBERS {
        match btf.offset(member.of, member.path) {
            Ok(offset) => words[member.index] = offset,
            Err(_) if member.optional => {}
            Err(error) => missing.push(error),
        }
    }
    if !missing.is_empty() {
        return Err(OffsetsError::Missing(missing));
    }
    let offsets = Offsets::read_from_bytes(words.as_bytes()).map_err(|_| OffsetsError::Layout("Offsets is not a table of words"))?;
    check(&offsets)?;
    Ok(offsets)
}

/// What the probes read in one block must lie in that block (`agentmon-ebpf`: `INODE_WORDS`, `SOCK_WORDS`, `DENTRY_WORDS`,
/// `MOUNT_WORDS`, `KIND_WORDS`), and pairs that are read together must be neighbours.
fn check(o: &Offsets) -> Result<(), OffsetsError> {
    let within = |at: u32, size: u32, words: u32| at + size <= words * 8;
    let behind = |at: u32, first: u32, size: u32, words: u32| at > first && within(at - first, size, words);
    let rules = [
        (
            within(o.inode_ino, 8, 12) && within(o.inode_mode, 2, 12) && within(o.inode_nlink, 4, 12) && within(o.inode_sb, 8, 12),
            "struct inode with i_ino, i_mode, i_nlink or i_sb beyond 96 bytes",
        ),
        (o.sock_type.abs_diff(o.sock_protocol) <= 6, "struct sock with sk_type far from sk_protocol"),
        (o.file_path_dentry == o.file_path_mnt + 8, "struct path with dentry not behind mnt"),
        (
            behind(o.dentry_name, o.dentry_parent, 8, 9)
                && behind(o.dentry_name_len, o.dentry_parent, 4, 9)
                && behind(o.dentry_short_name, o.dentry_parent, 40, 9),
            "struct dentry with d_name or the short name beyond 72 bytes from d_parent",
        ),
        (
            behind(o.mount_mountpoint, o.mount_parent, 8, 8) && behind(o.mount_mnt + o.vfsmount_root, o.mount_parent, 8, 8),
            "struct mount with mnt_mountpoint or mnt_root beyond 64 bytes from mnt_parent",
        ),
        (
            within(o.sock_family, 2, 12)
                && within(o.sock_peer_port, 2, 12)
                && within(o.sock_local_port, 2, 12)
                && within(o.sock_peer_v4, 4, 12)
                && within(o.sock_local_v4, 4, 12),
            "struct sock_common with addresses beyond 96 bytes",
        ),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(OffsetsError::Layout(what)),
        None => Ok(()),
    }
}
