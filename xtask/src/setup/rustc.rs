//! A Rust compiler, and whether it can compile for the eBPF target.
//!
//! Judges one compiler by asking it; where compilers are looked for is in `distribution` and
//! `rustup`.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::isolated;
use crate::process;
use crate::workspace::BPF_TARGET;

/// Where `core` for the eBPF target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// A library in the compiler's sysroot.
    Prebuilt,
    /// Compiled along with the program: `-Z build-std=core`, from the component rust-src.
    FromSource,
}

/// What `rustc -vV` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major, minor, patch.
    pub release: (u32, u32, u32),
    /// `-nightly` or `-dev` in the release.
    pub unstable: bool,
    /// Major version of its LLVM.
    pub llvm: u32,
}

/// A compiler that can compile the eBPF crate.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Absolute path of rustc.
    pub rustc: PathBuf,
    /// Its version.
    pub version: Version,
    /// How it gets `core`.
    pub core: Core,
}

impl fmt::Display for Compiler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = match self.core {
            Core::Prebuilt => "prebuilt core",
            Core::FromSource => "core from rust-src",
        };
        let path = self.rustc.display();
        write!(formatter, "{path} {} ({core})", self.version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.release;
        let nightly = if self.unstable { "-nightly" } else { "" };
        write!(formatter, "{major}.{minor}.{patch}{nightly}, LLVM {}", self.llvm)
    }
}

impl Version {
    /// Reads the output of `rustc -vV`.
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let release = field("release")?;
        let (numbers, suffix) = release.split_once('-').unwrap_or((release, ""));
        Some(Self {
            release: triple(numbers)?,
            unstable: !suffix.is_empty() && !suffix.starts_with("beta"),
            llvm: field("LLVM version")?.split('.').next()?.parse().ok()?,
        })
    }
}

/// `1.95` or `1.95.0` as numbers.
pub fn triple(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.trim().split('.').map(|part| part.parse().ok());
    let major = parts.next()??;
    let minor = parts.next()??;
    let patch = parts.next().unwrap_or(Some(0))?;
    Some((major, minor, patch))
}

/// The oldest compiler that the workspace allows.
pub fn oldest_allowed() -> (u32, u32, u32) {
    triple(env!("CARGO_PKG_RUST_VERSION")).unwrap_or_default()
}

/// Asks a compiler whether it will do; the error is a sentence about this compiler.
pub fn examine(rustc: &Path) -> Result<Compiler, String> {
    let path = rustc.display();
    if !process::is_executable(rustc) {
        return Err(format!("{path}: not there"));
    }
    let text = process::output(isolated(rustc).arg("-vV")).map_err(|error| format!("{error:#}"))?;
    let version = Version::parse(&text).ok_or_else(|| format!("{path}: `-vV` printed no release and LLVM version"))?;
    let (major, minor, _) = oldest_allowed();
    if version.release < oldest_allowed() {
        return Err(format!("{path}: {version}; older than {major}.{minor}"));
    }
    let core = core_of(rustc, &version).map_err(|reason| format!("{path} {version}: {reason}"))?;
    Ok(Compiler { rustc: rustc.to_owned(), version, core })
}

fn core_of(rustc: &Path, version: &Version) -> Result<Core, String> {
    let ask = |what: &str| {
        let mut command = isolated(rustc);
        command.args(["--print", what, "--target", BPF_TARGET]);
        process::output(&mut command).map(|path| PathBuf::from(path.trim())).map_err(|error| format!("{error:#}"))
    };
    if has_core_library(&ask("target-libdir")?) {
        return Ok(Core::Prebuilt);
    }
    let source = ask("sysroot")?.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    match (source.exists(), version.unstable) {
        (true, true) => Ok(Core::FromSource),
        (true, false) => Err("has rust-src but is no nightly".to_owned()),
        (false, true) => Err(format!("no core library for {BPF_TARGET} and no component rust-src")),
        (false, false) => Err(format!("no core library for {BPF_TARGET}")),
    }
}

fn has_core_library(directory: &Path) -> bool {
    let is_core = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    };
    fs::read_dir(directory).is_ok_and(|entries| entries.flatten().any(|entry| is_core(&entry.file_name())))
}

#[cfg(test)]
mod tests {
    use super::{Version, has_core_library, triple};

    const DISTRIBUTION: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
        binary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn release_and_llvm_are_read() {
        let version = Version::parse(DISTRIBUTION).unwrap();
        assert_eq!(version.release, (1, 96, 0));
        assert_eq!(version.llvm, 22);
        assert!(!version.unstable);
        assert_eq!(version.to_string(), "1.96.0, LLVM 22");
    }

    #[test]
    fn a_nightly_is_unstable_and_a_beta_is_not() {
        let nightly = Version::parse("release: 1.97.0-nightly\nLLVM version: 22.1\n").unwrap();
        assert!(nightly.unstable);
        let beta = Version::parse("release: 1.97.0-beta.2\nLLVM version: 22.1\n").unwrap();
        assert!(!beta.unstable);
    }

    #[test]
    fn output_without_an_llvm_version_is_refused() {
        assert_eq!(Version::parse("release: 1.96.0\n"), None);
        assert_eq!(Version::parse("LLVM version: 22.1.8\n"), None);
        assert_eq!(Version::parse("release: x.y\nLLVM version: 22\n"), None);
    }

    #[test]
    fn a_version_without_patch_level_counts_as_patch_zero() {
        assert_eq!(triple("1.95"), Some((1, 95, 0)));
        assert_eq!(triple("1.95.x"), None);
        assert_eq!(triple("1"), None);
    }

    #[test]
    fn only_a_core_rlib_counts_as_a_core_library() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("libcore-1234.rmeta"), "").unwrap();
        assert!(!has_core_library(directory.path()));
        std::fs::write(directory.path().join("libcore-1234.rlib"), "").unwrap();
        assert!(has_core_library(directory.path()));
        assert!(!has_core_library(&directory.path().join("missing")));
    }
}
