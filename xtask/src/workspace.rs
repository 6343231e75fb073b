//! Where things are: the workspace, and the files xtask makes under `target/`.

use std::path::{Path, PathBuf};

/// The target of the eBPF object. Little endian: every machine agentmon supports is.
pub const BPF_TARGET: &str = "bpfel-unknown-none";

/// The workspace's top folder.
pub fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; the built-in value serves a binary started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_owned)
}

/// The host build's folder. Fixed, so that what xtask builds is always where the documentation
/// says, whatever CARGO_TARGET_DIR is.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The eBPF build's folder, apart from the host's: another compiler writes there.
pub fn bpf_target() -> PathBuf {
    target().join("bpf")
}

/// The eBPF object that agentmon embeds; `agentmon/build.rs` looks here.
pub fn bpf_object() -> PathBuf {
    bpf_target().join("agentmon.bpf.o")
}

/// Where xtask installs tools; `bin/` below it holds the programs.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The built agentmon.
pub fn agentmon(debug: bool) -> PathBuf {
    let profile = if debug { "debug" } else { "release" };
    target().join(profile).join("agentmon")
}
