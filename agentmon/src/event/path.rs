//! Paths out of kernel records: components into a path, and an asked-for string joined to its directory.
//!
//! Bytes in, bytes out. Not for: following symbolic links or asking the file system anything.

use super::{Path, PathTrust};
use agentmon_common::record::path_flags;
use bytes::{BufMut, Bytes, BytesMut};

/// A path from the names a walk wrote, leaf first, each ended by a NUL.
#[must_use]
pub fn from_components(components: &[u8], walk: u32) -> Path {
    let body = components.strip_suffix(b"\0").unwrap_or(components);
    let partial = walk & (path_flags::TRUNCATED | path_flags::UNREACHABLE | path_flags::FAULT) != 0;
    let trust = if partial { PathTrust::Partial } else { PathTrust::Resolved };
    // The kernel calls what has no name `/`: a namespace, say. No name has a slash.
    if body.is_empty() || partial && body == b"/" {
        let bytes = if partial { Bytes::new() } else { Bytes::from_static(b"/") };
        return Path { bytes, trust };
    }
    let mut path = BytesMut::with_capacity(body.len() + 1);
    let mut rest = body;
    loop {
        let (head, name) = match memrchr_nul(rest) {
            Some(nul) => (Some(&rest[..nul]), &rest[nul + 1..]),
            None => (None, rest),
        };
        if !partial || !path.is_empty() {
            path.put_u8(b'/');
        }
        path.put_slice(name);
        match head {
            Some(head) => rest = head,
            None => break,
        }
    }
    Path { bytes: path.freeze(), trust }
}

/// What a program meant by `asked`: as it is when absolute, else below `base`; `.`, `..` and `//` folded as text.
#[must_use]
pub fn join(base: &Path, asked: &Bytes) -> Path {
    if asked.is_empty() {
        return Path::default();
    }
    if asked[0] == b'/' {
        return Path { bytes: fold(asked), trust: PathTrust::Joined };
    }
    if base.bytes.first() != Some(&b'/') {
        return Path { bytes: asked.clone(), trust: PathTrust::Partial };
    }
    let mut whole = BytesMut::with_capacity(base.bytes.len() + 1 + asked.len());
    whole.put_slice(&base.bytes);
    whole.put_u8(b'/');
    whole.put_slice(asked);
    let trust = if base.trust == PathTrust::Partial { PathTrust::Partial } else { PathTrust::Joined };
    Path { bytes: fold(&whole.freeze()), trust }
}

/// An absolute path without `.`, `..`, doubled or trailing slashes.
fn fold(path: &Bytes) -> Bytes {
    if is_folded(path) {
        return path.clone();
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|b| *b == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    let mut folded = BytesMut::with_capacity(path.len());
    for name in &names {
        folded.put_u8(b'/');
        folded.put_slice(name);
    }
    if folded.is_empty() { Bytes::from_static(b"/") } else { folded.freeze() }
}

fn is_folded(path: &[u8]) -> bool {
    path.starts_with(b"/") && path[1..].split(|b| *b == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

fn memrchr_nul(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::{from_components, join};
    use crate::event::{Path, PathTrust};
    use agentmon_common::record::path_flags;
    use bytes::Bytes;

    #[test]
    fn components_are_reversed_into_a_path() {
        assert_eq!(from_components(b"c\0b\0a\0", 0), Path { bytes: Bytes::from_static(b"/a/b/c"), trust: PathTrust::Resolved });
        assert_eq!(&from_components(b"", 0).bytes[..], b"/");
        assert_eq!(&from_components(b"\xff\n\0", 0).bytes[..], b"/\xff\n");
    }

    #[test]
    fn a_walk_that_did_not_reach_a_root_is_partial_and_not_absolute() {
        let memfd = from_components(b"memfd:x\0", path_flags::UNREACHABLE);
        assert_eq!(memfd, Path { bytes: Bytes::from_static(b"memfd:x"), trust: PathTrust::Partial });
        assert_eq!(&from_components(b"c\0b\0", path_flags::TRUNCATED).bytes[..], b"b/c");
        assert!(from_components(b"", path_flags::FAULT).bytes.is_empty());
        assert!(from_components(b"/\0", path_flags::UNREACHABLE).bytes.is_empty(), "a namespace is not the root directory");
    }

    #[test]
    fn asked_paths_are_joined_and_folded_as_text() {
        let base = from_components(b"b\0a\0", 0);
        for (asked, want) in
            [("x", "/a/b/x"), ("./x//y/", "/a/b/x/y"), ("../../../x", "/x"), ("/etc/./passwd", "/etc/passwd"), ("..", "/a"), ("/", "/")]
        {
            let path = join(&base, &Bytes::copy_from_slice(asked.as_bytes()));
            assert_eq!((&path.bytes[..], path.trust), (want.as_bytes(), PathTrust::Joined), "{asked}");
        }
        assert_eq!(join(&base, &Bytes::new()), Path::default());
    }

    #[test]
    fn a_relative_path_below_an_unknown_directory_stays_partial() {
        let path = join(&Path::default(), &Bytes::from_static(b"x"));
        assert_eq!(path, Path { bytes: Bytes::from_static(b"x"), trust: PathTrust::Partial });
    }
}
