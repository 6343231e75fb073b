//! Where `cargo xtask vm` keeps its things: all below `target/vm`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// The folder of everything.
pub fn root() -> PathBuf {
    workspace::target().join("vm")
}

/// cargo's target folder for the programs that run in the machines.
pub fn build() -> PathBuf {
    root().join("build")
}

/// QEMU, unpacked, with all it needs.
pub fn qemu() -> PathBuf {
    root().join("qemu")
}

/// The package and the image of a kernel.
pub fn kernel(package: &str, version: &str) -> PathBuf {
    root().join("kernels").join(format!("{package}_{}", version.replace([':', '/'], "-")))
}

/// What a run of a kernel leaves: its logs, and with `--keep` what it booted from.
pub fn run(kernel: &str) -> PathBuf {
    root().join("runs").join(kernel)
}

/// An empty folder, whatever was there.
pub fn fresh(path: &Path) -> Result<()> {
    if path.exists() {
        std::fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}
