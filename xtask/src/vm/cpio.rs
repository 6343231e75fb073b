//! A writer of cpio archives in the format "newc", which kernels unpack as their first file system.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux. Only what xtask
//! needs: directories, regular files and device nodes, all owned by root.

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive being written.
pub struct Archive<W: Write> {
    to: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub fn new(to: W) -> Self {
        Self { to, entries: 0, directories: BTreeSet::new() }
    }

    /// A directory and those above it, each once. Paths begin with a slash.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || path == "/" || self.directories.contains(path) {
            return Ok(());
        }
        self.above(path)?;
        self.directories.insert(path.to_owned());
        self.entry(path, DIRECTORY, (0, 0), b"")
    }

    /// A regular file with the permission bits of `mode`.
    pub fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, FILE | (mode & 0o7777), (0, 0), data)
    }

    /// A character device: major and minor number.
    pub fn device(&mut self, path: &str, number: (u32, u32)) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, CHARACTER_DEVICE, number, b"")
    }

    /// The closing entry. An archive without it is not whole.
    pub fn end(mut self) -> io::Result<()> {
        self.entry("/TRAILER!!!", 0, (0, 0), b"")?;
        self.to.flush()
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        self.directory(path.rsplit_once('/').map_or("", |(above, _)| above))
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let name = path.trim_start_matches('/');
        let size = u32::try_from(data.len()).map_err(|_| io::Error::other(format!("{path} has 4 GiB or more")))?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        // ino, mode, uid, gid, nlink, mtime, filesize, dev (2), rdev (2), namesize, check.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        let header: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        write!(self.to, "070701{header}{name}\0")?;
        self.pad(6 + header.len() + name.len() + 1)?;
        self.to.write_all(data)?;
        self.pad(data.len())
    }

    /// Zeros up to a multiple of four.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.to.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn headers_and_data_are_padded_to_four() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.file("/a/b", 0o644, b"12345").unwrap();
        archive.end().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"0707010000000100"));
        // The header of a directory named "a": 110 bytes, 2 of name, none of padding.
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..118], b"070701");
        assert_eq!(&bytes[112 + 110..112 + 110 + 4], b"a/b\0");
        // 114 bytes of header and name, padded to 116.
        assert_eq!(&bytes[112 + 116..112 + 116 + 8], b"12345\0\0\0");
    }

    #[test]
    fn each_directory_is_there_once() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        for path in ["/a/b/c", "/a/b/d", "/a/e"] {
            archive.file(path, 0o755, b"").unwrap();
        }
        assert_eq!(archive.entries, 5);
    }

    #[test]
    fn the_formats_own_tool_agrees() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.file("/x/file", 0o755, b"data").unwrap();
        archive.device("/dev/console", (5, 1)).unwrap();
        archive.end().unwrap();
        let Ok(mut cpio) = Command::new("cpio").args(["-t", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            return;
        };
        cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
        let list = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(list, "x\nx/file\ndev\ndev/console\n");
    }
}
