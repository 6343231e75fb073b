//! Rotated files: their names, and which are deleted.
//!
//! `events.jsonl` becomes `events-20261120T091500Z-6700.jsonl`: when it was closed, and the first sequence number in it.
//! Only files with such a name are ever deleted. Not for: deciding when to rotate (`super::output`).

use super::file::directory;
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Most files of one second and first number.
const COLLISIONS_MAX: u32 = 1000;

/// Renames the file out of the way, never over another. Returns the new path.
pub(super) fn rename_away(path: &Path, now: Timestamp, first: u64) -> io::Result<PathBuf> {
    for attempt in 0..COLLISIONS_MAX {
        let target = rotated_name(path, now, first, attempt);
        match rustix::fs::renameat_with(CWD, path, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(target),
            Err(Errno::EXIST) => {}
            // A file system without RENAME_NOREPLACE: only this process makes such names.
            Err(Errno::INVAL | Errno::NOSYS) if !target.exists() => return std::fs::rename(path, &target).map(|()| target),
            Err(Errno::INVAL | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

fn rotated_name(path: &Path, now: Timestamp, first: u64, attempt: u32) -> PathBuf {
    let (stem, extension) = affixes(path);
    let mut name = stem;
    name.extend_from_slice(format!("{}-{first}", now.strftime("%Y%m%dT%H%M%SZ")).as_bytes());
    if attempt > 0 {
        name.extend_from_slice(format!(".{attempt}").as_bytes());
    }
    name.extend_from_slice(&extension);
    path.with_file_name(OsString::from_vec(name))
}

/// `events-` and `.jsonl` of `events.jsonl`.
fn affixes(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut stem = path.file_stem().unwrap_or_default().as_bytes().to_vec();
    stem.push(b'-');
    let extension = path.extension().map(|extension| [b".", extension.as_bytes()].concat()).unwrap_or_default();
    (stem, extension)
}

/// When a rotated file was closed (as its name says), its first number, and how many of that name there were before.
fn parse_name(name: &[u8], stem: &[u8], extension: &[u8]) -> Option<(String, u64, u32)> {
    let middle = std::str::from_utf8(name.strip_prefix(stem)?.strip_suffix(extension)?).ok()?;
    let (time, rest) = middle.split_once('-')?;
    let (first, attempt) = rest.split_once('.').unwrap_or((rest, "0"));
    let bytes = time.as_bytes();
    let well_formed = bytes.len() == 16
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return None;
    }
    Some((time.to_owned(), first.parse().ok()?, attempt.parse().ok()?))
}

/// Deletes the oldest rotated files until at most `max_files` with at most `max_total_bytes` remain. Returns how many
/// went, and goes on past one that cannot be deleted.
pub(super) fn delete_oldest(path: &Path, max_files: usize, max_total_bytes: u64) -> io::Result<usize> {
    let (stem, extension) = affixes(path);
    let mut rotated = Vec::new();
    for entry in std::fs::read_dir(directory(path))? {
        let entry = entry?;
        let Some(age) = parse_name(entry.file_name().as_bytes(), &stem, &extension) else { continue };
        if let Ok(metadata) = entry.metadata()
            && metadata.is_file()
        {
            rotated.push((age, metadata.len(), entry.path()));
        }
    }
    rotated.sort();
    let mut total: u64 = rotated.iter().map(|(_, len, _)| len).sum();
    let mut remaining = rotated.len();
    let mut deleted = 0;
    for (_, len, path) in rotated {
        if remaining <= max_files && total <= max_total_bytes {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            deleted += 1;
        }
        remaining -= 1;
        total -= len;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::{delete_oldest, parse_name, rename_away};
    use jiff::Timestamp;

    #[test]
    fn only_names_of_rotated_files_are_recognised() {
        let parse = |name: &str| parse_name(name.as_bytes(), b"events-", b".jsonl");
        assert_eq!(parse("events-20261120T091500Z-6700.jsonl"), Some(("20261120T091500Z".to_owned(), 6700, 0)));
        assert_eq!(parse("events-20261120T091500Z-6700.2.jsonl"), Some(("20261120T091500Z".to_owned(), 6700, 2)));
        for other in [
            "events.jsonl",
            "events-old.jsonl",
            "events-20261120T091500Z-6700.jsonl.bak",
            "events-2026-1.jsonl",
            "x-20261120T091500Z-1.jsonl",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_rename_never_replaces_a_file_and_the_oldest_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let now = Timestamp::from_second(1_795_166_558).unwrap();
        let names: Vec<_> = (0..3)
            .map(|n| {
                std::fs::write(&path, format!("{n}")).unwrap();
                rename_away(&path, now, 9).unwrap()
            })
            .collect();
        std::fs::write(&path, "live").unwrap();
        std::fs::write(directory.path().join("events-mine.jsonl"), "kept").unwrap();
        for (n, name) in names.iter().enumerate() {
            assert_eq!(std::fs::read_to_string(name).unwrap(), n.to_string());
        }
        assert_eq!(delete_oldest(&path, 1, u64::MAX).unwrap(), 2);
        assert_eq!(names.iter().map(|name| name.exists()).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(delete_oldest(&path, 9, 0).unwrap(), 1);
        assert!(path.exists() && directory.path().join("events-mine.jsonl").exists());
    }
}
