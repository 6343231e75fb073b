//! The LLVM that bpf-linker is built with: found on disk, or chosen among apt's offers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::root::Means;

use super::apt;
use super::linker::LLVM_FEATURES;

/// Where Debian and its relatives put `llvm-N`.
const PREFIXES: &str = "/usr/lib";
const PACKAGES: &str = "^llvm-[0-9]+-dev$";

/// An LLVM with headers and a library to link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Llvm {
    /// The folder that holds `bin`, `include` and `lib`.
    pub prefix: PathBuf,
    /// Major version.
    pub major: u32,
}

/// An installed LLVM that can serve a compiler with LLVM `least`, with the reason if there is none.
pub fn find(least: u32) -> Result<Llvm, String> {
    if let Some(prefix) = std::env::var_os("LLVM_PREFIX") {
        return at_prefix(Path::new(&prefix), least);
    }
    let found = installed();
    let majors: Vec<_> = found.iter().map(|llvm| llvm.major).collect();
    let chosen = smallest(&majors, least);
    found.into_iter().find(|llvm| Some(llvm.major) == chosen).ok_or_else(|| format!("LLVM: {}", nothing_fits("installed", &majors, least)))
}

/// Installs the smallest LLVM on offer that fits. `Ok(Err(reason))` when none is offered.
pub fn install(means: Means, least: u32) -> Result<Result<Llvm, String>> {
    let mut majors = offered()?;
    if smallest(&majors, least).is_none() && apt::update(means)? {
        majors = offered()?;
    }
    let Some(major) = smallest(&majors, least) else {
        return Ok(Err(format!("apt: {}", nothing_fits("offered", &majors, least))));
    };
    apt::install(means, &[package(major)])?;
    Ok(find(least))
}

/// The package of the newest LLVM on offer that bpf-linker can be built with.
pub fn newest_offered() -> Result<Option<String>> {
    let majors = offered()?.into_iter();
    let newest = majors.filter(|major| LLVM_FEATURES.contains(major)).max();
    Ok(newest.map(package))
}

/// The packages that would do, for messages.
pub fn wanted_packages() -> String {
    let names: Vec<_> = LLVM_FEATURES.iter().map(|major| package(*major)).collect();
    names.join(" or ")
}

/// The smallest version that is at least `least` and that bpf-linker knows. A linker reads
/// bitcode of its own LLVM or an older one; the nearest version is the best tested.
fn smallest(majors: &[u32], least: u32) -> Option<u32> {
    let fits = |major: &u32| *major >= least && LLVM_FEATURES.contains(major);
    majors.iter().copied().filter(fits).min()
}

fn nothing_fits(state: &str, majors: &[u32], least: u32) -> String {
    let found: Vec<_> = majors.iter().map(u32::to_string).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    format!("{state} with development files: {found}; wanted: {least} or newer, of {LLVM_FEATURES:?}")
}

fn offered() -> Result<Vec<u32>> {
    let offers = apt::offers(PACKAGES)?;
    Ok(offers.iter().filter_map(|offer| package_major(&offer.name)).collect())
}

fn package(major: u32) -> String {
    format!("llvm-{major}-dev")
}

/// `llvm-22-dev` is LLVM 22.
fn package_major(package: &str) -> Option<u32> {
    package.strip_prefix("llvm-")?.strip_suffix("-dev")?.parse().ok()
}

/// All LLVMs with development files, in the usual places and by `llvm-config` in PATH.
fn installed() -> Vec<Llvm> {
    let usual = fs::read_dir(PREFIXES).into_iter().flatten().flatten();
    let usual = usual.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("llvm-") || name.starts_with("llvm")
    });
    let numbered = LLVM_FEATURES.iter().map(|major| format!("llvm-config-{major}"));
    let configs = numbered.chain(["llvm-config".to_owned()]);
    let by_config = configs.filter_map(|name| {
        let config = process::find_in_path(&name)?;
        let prefix = process::output(Command::new(config).arg("--prefix")).ok()?;
        Some(PathBuf::from(prefix.trim()))
    });
    usual.chain(by_config).filter_map(|prefix| llvm_at(&prefix).ok()).collect()
}

fn at_prefix(prefix: &Path, least: u32) -> Result<Llvm, String> {
    let llvm = llvm_at(prefix).map_err(|reason| format!("LLVM_PREFIX: {reason}"))?;
    if smallest(&[llvm.major], least).is_none() {
        let reason = nothing_fits("installed", &[llvm.major], least);
        return Err(format!("LLVM_PREFIX={}: {reason}", prefix.display()));
    }
    Ok(llvm)
}

fn llvm_at(prefix: &Path) -> Result<Llvm, String> {
    let path = prefix.display();
    let config = prefix.join("bin/llvm-config");
    let version = process::output(Command::new(&config).arg("--version")).map_err(|error| format!("{path}: {error:#}"))?;
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.trim().parse().ok())
        .ok_or_else(|| format!("{path}: `llvm-config --version` printed {version:?}"))?;
    // llvm-config comes without the development package; the library to link does not.
    let library = format!("libLLVM-{major}.so");
    let linkable = [library.as_str(), "libLLVM.so"].iter().any(|name| prefix.join("lib").join(name).exists());
    if !linkable {
        return Err(format!("{path}: no lib/libLLVM.so to link with"));
    }
    Ok(Llvm { prefix: prefix.to_owned(), major })
}

#[cfg(test)]
mod tests {
    use super::{llvm_at, nothing_fits, package_major, smallest};
    use crate::setup::linker::LLVM_FEATURES;
    use std::path::Path;

    #[test]
    fn the_smallest_version_that_fits_is_chosen() {
        let newest = LLVM_FEATURES[LLVM_FEATURES.len() - 1];
        let oldest = LLVM_FEATURES[0];
        assert_eq!(smallest(&[14, newest, oldest], oldest), Some(oldest));
        assert_eq!(smallest(&[14, newest], oldest), Some(newest));
        assert_eq!(smallest(&[oldest], newest), None);
    }

    #[test]
    fn a_version_without_a_bpf_linker_feature_is_not_chosen() {
        assert_eq!(smallest(&[14, 19], 14), None);
        assert_eq!(smallest(&[999], 14), None);
    }

    #[test]
    fn what_was_found_is_said() {
        assert!(nothing_fits("offered", &[14, 19], 22).starts_with("offered with development files: 14, 19;"));
        assert!(nothing_fits("installed", &[], 22).contains("none"));
    }

    #[test]
    fn package_names_carry_the_version() {
        assert_eq!(package_major("llvm-22-dev"), Some(22));
        assert_eq!(package_major("llvm-dev"), None);
        assert_eq!(package_major("llvm-22-tools"), None);
    }

    #[test]
    fn a_folder_without_llvm_config_is_no_llvm() {
        let reason = llvm_at(Path::new("/nonexistent")).unwrap_err();
        assert!(reason.starts_with("/nonexistent: "), "{reason}");
    }
}
