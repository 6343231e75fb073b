//! The environment of the cargo and rustc processes that xtask starts.
//!
//! `cargo xtask` runs under a cargo which itself may run under rustup. Both leave variables
//! behind that would steer an inner build to the outer one's compiler, flags or folders.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// What the user may say about every build: where downloads live, how to reach the network and
/// how to print. Any other variable of cargo or rustc is removed from an eBPF build.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "RUSTUP_AUTO_INSTALL",
    "RUSTUP_DIST_",
    "RUSTUP_HOME",
    "RUSTUP_UPDATE_",
];

/// What cargo tells the programs it runs; wrong for another package, and meaningless to a build.
const OF_THE_OUTER_RUN: &[&str] = &["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// The host's cargo, as the user started it (`cargo +toolchain xtask` is respected), building in
/// the workspace and into its `target/`.
pub fn host_cargo(verb: &str) -> Command {
    host_cargo_into(&workspace::target(), verb)
}

/// The same, building into another folder: for flags that would rebuild everything there.
pub fn host_cargo_into(folder: &Path, verb: &str) -> Command {
    let mut command = Command::new(outer_cargo());
    clean_library_path(&mut command);
    for (name, _) in env::vars_os() {
        if starts_with_any(&name, OF_THE_OUTER_RUN) {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(workspace::root())
        .env_remove("CARGO")
        .env_remove("CARGO_TARGET_DIR")
        // Then agentmon's build script uses its default place, which is where xtask puts the
        // object, and a plain `cargo build` after `cargo xtask build` rebuilds nothing.
        .env_remove("AGENTMON_BPF_OBJECT")
        .arg(verb)
        .arg("--target-dir")
        .arg(folder);
    command
}

/// A program that must not see anything of the outer cargo or rustup: compilers for the eBPF
/// build and the builds of tools.
pub fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    clean_library_path(&mut command);
    for (name, _) in env::vars_os() {
        if steers_a_build(&name) {
            command.env_remove(&name);
        }
    }
    command.current_dir(workspace::root());
    command
}

/// The cargo that runs xtask.
pub fn outer_cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn steers_a_build(name: &OsString) -> bool {
    let text = name.to_string_lossy();
    // RUST_BACKTRACE and RUST_LOG have an underscore: they print, and steer nothing.
    let relevant = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP", "CLIPPY"];
    relevant.iter().any(|prefix| text.starts_with(prefix)) && !starts_with_any(name, KEPT)
}

fn starts_with_any(name: &OsString, prefixes: &[&str]) -> bool {
    let text = name.to_string_lossy();
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

/// `cargo run` puts the toolchain's and the target's libraries in front of LD_LIBRARY_PATH; another
/// compiler must not load them.
fn clean_library_path(command: &mut Command) {
    const NAME: &str = "LD_LIBRARY_PATH";
    let Some(value) = env::var_os(NAME) else {
        return;
    };
    let kept = user_library_path(&value);
    if kept.is_empty() {
        command.env_remove(NAME);
    } else {
        command.env(NAME, kept);
    }
}

fn user_library_path(value: &OsString) -> OsString {
    let target = workspace::target();
    let kept = env::split_paths(value).filter(|path| {
        let of_rustup = path.components().any(|part| part.as_os_str() == "toolchains");
        !path.as_os_str().is_empty() && !path.starts_with(&target) && !of_rustup
    });
    env::join_paths(kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{steers_a_build, user_library_path};
    use std::ffi::OsString;

    #[test]
    fn what_steers_the_outer_build_is_removed() {
        for name in [
            "RUSTUP_TOOLCHAIN",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO",
        ] {
            assert!(steers_a_build(&OsString::from(name)), "{name}");
        }
    }

    #[test]
    fn how_to_reach_the_network_and_how_to_print_is_kept() {
        for name in ["CARGO_HOME", "CARGO_HTTP_CAINFO", "RUST_BACKTRACE", "PATH", "RUSTUP_HOME"] {
            assert!(!steers_a_build(&OsString::from(name)), "{name}");
        }
    }

    #[test]
    fn libraries_of_a_rustup_toolchain_leave_the_library_path() {
        let value = OsString::from("/home/a/.rustup/toolchains/stable/lib:/opt/mine/lib");
        assert_eq!(user_library_path(&value), "/opt/mine/lib");
    }
}
