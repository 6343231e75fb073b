//! The second path: a nightly of rustup with the component rust-src.
//!
//! Looks into rustup's folders instead of asking rustup, which may download what is asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::environment::isolated;
use crate::process;
use crate::terminal;

use super::rustc::{self, Compiler};

/// The nightly that is installed when there is none. Pinned, because `-Z build-std` promises
/// nothing from one nightly to the next; its LLVM has to be one that bpf-linker knows.
const NIGHTLY: &str = "nightly-2026-05-20";

/// Where rustup downloads from by default; asked whether it can be reached at all.
const SERVER: &str = "static.rust-lang.org:443";

/// An installed nightly with rust-src: the pinned one if it is there.
pub fn find() -> Result<Compiler, String> {
    let toolchains = nightlies(&home());
    if toolchains.is_empty() {
        return Err(format!("no nightly in {}", home().join("toolchains").display()));
    }
    let mut reasons = Vec::new();
    for toolchain in toolchains {
        match rustc::examine(&toolchain.join("bin/rustc")) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

/// Installs the pinned nightly. `Ok(Err(reason))` when rustup is not there, may not
/// install, or reaches nothing.
pub fn install() -> Result<Result<Compiler, String>> {
    let Some(rustup) = process::find_in_path("rustup") else {
        return Ok(Err("no rustup in PATH".to_owned()));
    };
    if let Err(reason) = may_install().and_then(|()| server_answers()) {
        return Ok(Err(reason));
    }
    let _timed = terminal::timed(&format!("installing the toolchain {NIGHTLY} with rustup"));
    let mut command = isolated(&rustup);
    command.args(["toolchain", "install", NIGHTLY, "--profile", "minimal"]).args(["--component", "rust-src", "--no-self-update"]);
    match process::run(&mut command) {
        Ok(()) => Ok(find()),
        Err(error) => Ok(Err(format!("{error:#}"))),
    }
}

/// What to type to do by hand what [`install`] does.
pub fn by_hand() -> String {
    format!("rustup toolchain install {NIGHTLY} --profile minimal --component rust-src")
}

/// rustup installs nothing unasked where its own variable forbids it; neither does xtask.
fn may_install() -> Result<(), String> {
    match std::env::var("RUSTUP_AUTO_INSTALL") {
        Ok(value) if value == "0" => Err("RUSTUP_AUTO_INSTALL=0 forbids installing".to_owned()),
        _ => Ok(()),
    }
}

/// rustup retries for minutes where there is no way out: look first. With a mirror or a proxy
/// configured, rustup itself is the only judge.
fn server_answers() -> Result<(), String> {
    let configured = ["RUSTUP_DIST_SERVER", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    if configured.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(());
    }
    use std::net::{TcpStream, ToSocketAddrs as _};
    let unreachable = |error| format!("rustup's server {SERVER} cannot be reached: {error}");
    let mut addresses = SERVER.to_socket_addrs().map_err(unreachable)?;
    let Some(address) = addresses.next() else {
        return Err(format!("rustup's server {SERVER} has no address"));
    };
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).map(drop).map_err(unreachable)
}

fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("RUSTUP_HOME") {
        return PathBuf::from(home);
    }
    PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".rustup")
}

/// Toolchains named nightly, the pinned one first, then the others, newest date first.
fn nightlies(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("toolchains"));
    let mut names: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("nightly"))
        .collect();
    names.sort_by_key(|name| (name.starts_with(NIGHTLY), name.clone()));
    names.iter().rev().map(|name| home.join("toolchains").join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::{NIGHTLY, nightlies};

    #[test]
    fn the_pinned_nightly_comes_first_and_stable_never() {
        let home = tempfile::tempdir().unwrap();
        let pinned = format!("{NIGHTLY}-x86_64-unknown-linux-gnu");
        for name in ["stable-x", "nightly-x", "nightly-2099-01-01-x", &pinned] {
            std::fs::create_dir_all(home.path().join("toolchains").join(name)).unwrap();
        }
        let found = nightlies(home.path());
        assert_eq!(found.len(), 3);
        assert!(found[0].ends_with(&pinned));
    }

    #[test]
    fn no_rustup_means_no_nightly() {
        assert!(nightlies(std::path::Path::new("/nonexistent")).is_empty());
    }
}
