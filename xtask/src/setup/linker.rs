//! bpf-linker: found, or built with cargo into target/tools.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::environment::{isolated, outer_cargo};
use crate::failure::Failure;
use crate::root::Means;
use crate::{process, terminal, workspace};

use super::llvm::{self, Llvm};
use super::rustc::triple;

/// The version that is installed, and the oldest accepted when found: the newest that builds
/// with the workspace's Rust, and the one the recorded results were made with. `LLVM_FEATURES`
/// belongs to it.
const VERSION: &str = "0.13.0";

/// The LLVM versions this bpf-linker can be built with (its cargo features `llvm-N`), ascending.
pub const LLVM_FEATURES: &[u32] = &[21, 22, 23];

/// A linker that works.
#[derive(Clone, Debug)]
pub struct Linker {
    /// Absolute path.
    pub path: PathBuf,
    version: (u32, u32, u32),
    /// Major version of the LLVM it is linked with; unknown when linked statically.
    llvm: Option<u32>,
}

impl fmt::Display for Linker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        let path = self.path.display();
        write!(formatter, "{path} {major}.{minor}.{patch}, ")?;
        match self.llvm {
            Some(llvm) => write!(formatter, "LLVM {llvm}"),
            None => formatter.write_str("LLVM linked statically"),
        }
    }
}

/// A linker for bitcode of this LLVM version: $BPF_LINKER alone if set, else xtask's own, else
/// the one in PATH.
pub fn find(least_llvm: u32) -> Result<Linker, String> {
    if let Some(path) = std::env::var_os("BPF_LINKER") {
        return examine(Path::new(&path), least_llvm).map_err(|reason| format!("BPF_LINKER={reason}"));
    }
    let own = examine(&own_path(), least_llvm);
    let Err(own_reason) = own else {
        return own;
    };
    match process::find_in_path("bpf-linker") {
        Some(path) => examine(&path, least_llvm).map_err(|reason| format!("{own_reason}; {reason}")),
        None => Err(format!("{own_reason}; bpf-linker: not in PATH")),
    }
}

/// Builds bpf-linker, installing an LLVM for it if packages can be installed. `Ok(Err(reason))`
/// when there is no LLVM to build it with.
pub fn install(least_llvm: u32, means: Option<Means>) -> Result<Result<Linker, String>> {
    if std::env::var_os("BPF_LINKER").is_some() {
        return Ok(find(least_llvm));
    }
    let llvm = match (llvm::find(least_llvm), means) {
        (Ok(llvm), _) => llvm,
        (Err(reason), None) => return Ok(Err(reason)),
        (Err(reason), Some(means)) => match llvm::install(means, least_llvm)? {
            Ok(llvm) => llvm,
            Err(second) => return Ok(Err(format!("{reason}; {second}"))),
        },
    };
    build(&llvm)?;
    examine(&own_path(), least_llvm).map(Ok).map_err(|reason| Failure::new(format!("bpf-linker was built, but {reason}")).into())
}

/// What to type to do by hand what [`install`] does.
pub fn by_hand(least_llvm: u32) -> String {
    format!(
        "cargo install bpf-linker --version {VERSION} --locked --no-default-features \
         --features llvm-N, with LLVM_PREFIX=/usr/lib/llvm-N where N is {least_llvm} or newer"
    )
}

fn own_path() -> PathBuf {
    workspace::tools().join("bin/bpf-linker")
}

fn build(llvm: &Llvm) -> Result<()> {
    let Llvm { prefix, major } = llvm;
    let _timed = terminal::timed(&format!(
        "building bpf-linker {VERSION} with LLVM {major} into {} (one or two minutes)",
        workspace::tools().display()
    ));
    // Kept while the build has not succeeded: an interrupted one goes on where it stopped.
    let scratch = workspace::tools().join("build");
    let mut command = isolated(&outer_cargo());
    command
        .env("LLVM_PREFIX", prefix)
        // Else cargo advises to put this folder into PATH, which is not needed.
        .env("PATH", path_with(&workspace::tools().join("bin")))
        .args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{major}")])
        .arg("--root")
        .arg(workspace::tools())
        .arg("--target-dir")
        .arg(&scratch);
    process::run(&mut command).map_err(|error| {
        Failure::new(format!("cannot build bpf-linker {VERSION}: {error:#}"))
            .hint("cargo's own message is above; or install it yourself and set BPF_LINKER")
    })?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove the build folder {}", scratch.display()))
}

fn path_with(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([folder.to_owned()]);
    std::env::join_paths(folders).unwrap_or(path.clone())
}

fn examine(path: &Path, least_llvm: u32) -> Result<Linker, String> {
    let name = path.display();
    if !process::is_executable(path) {
        return Err(format!("{name}: not there"));
    }
    let text = process::output(isolated(path).arg("--version")).map_err(|error| format!("{error:#}"))?;
    let version = parse_version(&text).ok_or_else(|| format!("{name}: `--version` printed {:?}", text.trim()))?;
    let bytes = fs::read(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let linker = Linker { path: path.to_owned(), version, llvm: linked_llvm(&bytes) };
    if Some(version) < triple(VERSION) {
        return Err(format!("{linker}: older than {VERSION}"));
    }
    if linker.llvm.is_some_and(|llvm| llvm < least_llvm) {
        return Err(format!("{linker}: the compiler has LLVM {least_llvm}"));
    }
    Ok(linker)
}

/// The output of `bpf-linker --version`. It names no LLVM.
fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    triple(text.trim().strip_prefix("bpf-linker ")?)
}

/// The LLVM version in the name of the shared library a program wants: `libLLVM.so.22.1`, or
/// `libLLVM-21.so` as older builds call it.
fn linked_llvm(program: &[u8]) -> Option<u32> {
    ["libLLVM.so.", "libLLVM-"].iter().find_map(|prefix| {
        let prefix = prefix.as_bytes();
        let places = program.windows(prefix.len()).enumerate();
        let mut matches = places.filter(|(_, window)| *window == prefix);
        matches.find_map(|(place, _)| leading_number(&program[place + prefix.len()..]))
    })
}

fn leading_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{VERSION, linked_llvm, parse_version};
    use crate::setup::rustc::triple;

    #[test]
    fn the_version_is_read() {
        assert_eq!(parse_version("bpf-linker 0.13.0\n"), Some((0, 13, 0)));
        assert_eq!(parse_version("ld 2.40\n"), None);
        assert!(triple(VERSION).is_some());
    }

    #[test]
    fn the_llvm_is_read_from_the_name_of_its_library() {
        assert_eq!(linked_llvm(b"\0libc.so.6\0libLLVM.so.22.1\0"), Some(22));
        assert_eq!(linked_llvm(b"libLLVM-x\0libLLVM-21.so\0"), Some(21));
        assert_eq!(linked_llvm(b"statically linked"), None);
    }
}
