//! Finds the eBPF object that `cargo xtask build` made, so that `sensor` can embed it. Builds nothing itself.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=AGENTMON_BPF_OBJECT");
    let object = std::env::var_os("AGENTMON_BPF_OBJECT")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/agentmon.bpf.o"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    if object.is_file() {
        println!("cargo::rustc-env=AGENTMON_BPF_OBJECT={}", object.display());
    } else {
        println!("cargo::error=no eBPF object at {}; run `cargo xtask build` first", object.display());
    }
}
