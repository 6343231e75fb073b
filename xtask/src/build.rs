//! `cargo xtask build`: the eBPF object, then agentmon with the object inside it.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cli::BuildArguments;
use crate::environment::{host_cargo, isolated, outer_cargo};
use crate::failure::Failure;
use crate::setup::{self, Core, Toolchain};
use crate::workspace::{self, BPF_TARGET};
use crate::{bpf_object, process, terminal};

/// Package and binary with the probes.
const BPF_PACKAGE: &str = "agentmon-ebpf";

/// v3 has 32-bit registers and jumps: fewer instructions than rustc's default. Kernels have had
/// it since 5.1, and agentmon needs a newer one for other reasons.
const BPF_CPU: &str = "v3";

/// `cargo xtask build`.
pub fn verb(arguments: &BuildArguments) -> Result<()> {
    bpf()?;
    if arguments.bpf_only {
        return Ok(());
    }
    host(arguments.debug)
}

/// Builds everything that `run`, `test` and `bench` need.
pub fn all() -> Result<()> {
    verb(&BuildArguments::default())
}

/// Builds the eBPF object, checks it and puts it where agentmon's build script looks.
fn bpf() -> Result<()> {
    let toolchain = setup::toolchain()?;
    {
        let _timed = terminal::timed("building the eBPF object");
        process::run(&mut bpf_cargo(&toolchain)).map_err(|error| {
            Failure::new(format!("cannot build the eBPF object: {error:#}")).hint("the compiler's own message is above")
        })?;
    }
    let built = workspace::bpf_target().join(BPF_TARGET).join("release").join(BPF_PACKAGE);
    let data = fs::read(&built).with_context(|| format!("cannot read the built eBPF object {}", built.display()))?;
    let summary = bpf_object::check(&data).map_err(|problems| {
        let list: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Failure::new(format!("the eBPF object {} cannot be used:{list}", built.display()))
    })?;
    let object = workspace::bpf_object();
    let change = if write_if_changed(&object, &data)? { "" } else { " (unchanged)" };
    terminal::step(&format!("{}: {summary}{change}", object.display()));
    Ok(())
}

fn host(debug: bool) -> Result<()> {
    let _timed = terminal::timed("building agentmon");
    let mut cargo = host_cargo("build");
    cargo.args(["--package", "agentmon"]);
    if !debug {
        cargo.arg("--release");
    }
    process::run(&mut cargo).map_err(|error| Failure::new(format!("cannot build agentmon: {error:#}")))?;
    let program = workspace::agentmon(debug);
    if !process::is_executable(&program) {
        let program = program.display();
        return Err(Failure::new(format!("cargo built agentmon, but not {program}")).into());
    }
    terminal::step(&format!("built {}", program.display()));
    Ok(())
}

/// The command that compiles and links the probes.
fn bpf_cargo(toolchain: &Toolchain) -> Command {
    let compiler = &toolchain.compiler;
    let mut cargo = isolated(&cargo_for(&compiler.rustc, compiler.core));
    cargo
        .env("RUSTC", &compiler.rustc)
        // A wrapper from the user's configuration may not know this compiler.
        .env("RUSTC_WRAPPER", "")
        // The flags in the environment win over those of any configuration file.
        .env("CARGO_ENCODED_RUSTFLAGS", bpf_flags(&toolchain.linker.path))
        .args(["build", "--release", "--target", BPF_TARGET, "--package", BPF_PACKAGE])
        .arg("--target-dir")
        .arg(workspace::bpf_target());
    match compiler.core {
        // aya-ebpf uses unstable features of `core`.
        Core::Prebuilt => cargo.env("RUSTC_BOOTSTRAP", "1"),
        Core::FromSource => cargo.args(["-Z", "build-std=core"]),
    };
    cargo
}

/// `-Z build-std` needs the nightly's own cargo; the distribution's rustc works with any.
fn cargo_for(rustc: &Path, core: Core) -> PathBuf {
    let beside = rustc.with_file_name("cargo");
    match core {
        Core::FromSource if process::is_executable(&beside) => beside,
        _ => outer_cargo(),
    }
}

fn bpf_flags(linker: &Path) -> OsString {
    let mut linker_flag = OsString::from("linker=");
    linker_flag.push(linker);
    let cpu = format!("target-cpu={BPF_CPU}");
    let words = ["-C", "debuginfo=2", "-C", "link-arg=--btf", "-C", &cpu];
    let mut flags: Vec<OsString> = words.map(OsString::from).to_vec();
    flags.extend([OsString::from("-C"), linker_flag]);
    // Everywhere a warning; on CI an error. Dependencies are exempt: cargo caps their lints.
    if std::env::var_os("CI").is_some() {
        flags.extend(["-D", "warnings"].map(OsString::from));
    }
    flags.join(std::ffi::OsStr::new("\u{1f}"))
}

/// Writes a file only if it would differ, so that what was built from it stays fresh.
fn write_if_changed(path: &Path, data: &[u8]) -> Result<bool> {
    match fs::read(path) {
        Ok(old) if old == data => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    }
    // A half-written object must never be found under the final name.
    let partial = path.with_extension("partial");
    fs::write(&partial, data).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("cannot replace {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{bpf_flags, write_if_changed};
    use std::path::Path;

    #[test]
    fn the_linker_is_passed_by_path_even_with_a_space_in_it() {
        let flags = bpf_flags(Path::new("/a b/bpf-linker"));
        let flags = flags.to_str().unwrap();
        assert!(flags.split('\u{1f}').any(|flag| flag == "linker=/a b/bpf-linker"));
        assert!(flags.split('\u{1f}').any(|flag| flag == "link-arg=--btf"));
    }

    #[test]
    fn an_equal_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("object");
        assert!(write_if_changed(&path, b"one").unwrap());
        let written = path.metadata().unwrap().modified().unwrap();
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
