//! The first path: the distribution's rustc with a prebuilt `core` for the eBPF target.
//!
//! Debian builds such libraries in packages named libstd-rust*-dev-bpf. Names and versions move
//! with every Debian update, so both are derived from what apt offers.

use std::path::Path;

use anyhow::Result;

use crate::failure::Failure;
use crate::root::Means;
use crate::terminal;

use super::apt::{self, Offer};
use super::llvm;
use super::rustc::{self, Compiler, triple};

/// Where distributions put their compiler; a rustc elsewhere in PATH may be rustup's.
const RUSTC: &str = "/usr/bin/rustc";

/// Packages with a `core` for eBPF.
const CORE_PACKAGES: &str = "^libstd-rust(-[a-z0-9.]+)?-dev-bpf$";
const COMPILER_PACKAGES: &str = "^rustc(-[a-z0-9.]+)?$";

/// A compiler and the library that was built with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    compiler: String,
    core: String,
    version: String,
}

/// The distribution's compiler, when it is there and complete.
pub fn find() -> Result<Compiler, String> {
    rustc::examine(Path::new(RUSTC))
}

/// Installs the distribution's compiler. `Ok(Err(reason))` when the packages are not on offer.
pub fn install(means: Means) -> Result<Result<Compiler, String>> {
    let mut choice = choose_offered()?;
    if choice.is_err() && apt::update(means)? {
        choice = choose_offered()?;
    }
    let pair = match choice {
        Ok(pair) => pair,
        Err(reason) => return Ok(Err(reason)),
    };
    terminal::step(&format!("the distribution offers {} {} with a core library for eBPF", pair.compiler, pair.version));
    apt::install(means, &[pair.compiler, pair.core])?;
    match find() {
        Ok(compiler) => Ok(Ok(compiler)),
        Err(reason) => Err(Failure::new(format!("the packages are installed, but {reason}"))
            .hint("set AGENTMON_BPF_RUSTC to a compiler that fits")
            .into()),
    }
}

/// The packages of this path that apt offers now, for somebody to install by hand.
pub fn packages_on_offer() -> Option<Vec<String>> {
    let pair = choose_offered().ok()?.ok()?;
    let llvm = llvm::newest_offered().ok()??;
    Some(vec![pair.compiler, pair.core, llvm])
}

fn choose_offered() -> Result<Result<Pair, String>> {
    if llvm::newest_offered()?.is_none() {
        return Ok(Err(format!("apt offers no {}", llvm::wanted_packages())));
    }
    let cores = apt::offers(CORE_PACKAGES)?;
    let compilers = apt::offers(COMPILER_PACKAGES)?;
    Ok(choose(&cores, &compilers, rustc::oldest_allowed()))
}

/// The newest pair on offer of a compiler and the `core` that was built with it.
fn choose(cores: &[Offer], compilers: &[Offer], oldest: (u32, u32, u32)) -> Result<Pair, String> {
    if cores.is_empty() {
        return Err("apt offers no package libstd-rust*-dev-bpf".to_owned());
    }
    let pairs = cores.iter().filter_map(|core| pair(core, compilers));
    let best = pairs.max_by_key(|pair| upstream(&pair.version));
    let Some(best) = best else {
        let names: Vec<_> = cores.iter().map(|core| core.name.as_str()).collect();
        let names = names.join(", ");
        return Err(format!("apt offers {names}, but no rustc of the same version"));
    };
    if upstream(&best.version) < Some(oldest) {
        let (major, minor, _) = oldest;
        let Pair { compiler, version, .. } = best;
        return Err(format!("apt offers {compiler} {version}, older than {major}.{minor}"));
    }
    Ok(best)
}

/// `libstd-rust-web-dev-bpf` belongs to `rustc-web`, `libstd-rust-dev-bpf` to `rustc`. The
/// library loads only into the very compiler version that built it.
fn pair(core: &Offer, compilers: &[Offer]) -> Option<Pair> {
    let flavour = core.name.strip_prefix("libstd-rust")?.strip_suffix("-dev-bpf")?;
    let wanted = format!("rustc{flavour}");
    let compiler =
        compilers.iter().find(|offer| offer.name == wanted && source_version(&offer.version) == source_version(&core.version))?;
    Some(Pair { compiler: compiler.name.clone(), core: core.name.clone(), version: compiler.version.clone() })
}

/// A version without the suffix of a binary rebuild: `1.96.0-1+b2` is built from `1.96.0-1`.
fn source_version(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((source, rebuild)) if rebuild.bytes().all(|b| b.is_ascii_digit()) => source,
        _ => version,
    }
}

/// The compiler's own version in a package version such as `1.96.0+dfsg1-1~deb12u2`.
fn upstream(version: &str) -> Option<(u32, u32, u32)> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    triple(&version[..end.unwrap_or(version.len())])
}

#[cfg(test)]
mod tests {
    use super::{Offer, choose, source_version, upstream};

    fn offer(name: &str, version: &str) -> Offer {
        Offer { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn the_newest_matching_pair_is_chosen() {
        let cores = [offer("libstd-rust-dev-bpf", "1.99.0+dfsg1-1"), offer("libstd-rust-web-dev-bpf", "1.103.0+dfsg1-1~deb13u2")];
        let compilers =
            [offer("rustc", "1.99.0+dfsg1-1+b1"), offer("rustc-web", "1.103.0+dfsg1-1~deb13u2"), offer("rustc-mozilla", "1.120.0")];
        let pair = choose(&cores, &compilers, (1, 95, 0)).unwrap();
        assert_eq!(pair.compiler, "rustc-web");
        assert_eq!(pair.core, "libstd-rust-web-dev-bpf");
        let pair = choose(&cores[..1], &compilers, (1, 95, 0)).unwrap();
        assert_eq!(pair.compiler, "rustc");
    }

    #[test]
    fn each_reason_for_no_pair_is_said() {
        let core = [offer("libstd-rust-dev-bpf", "1.96.0-1")];
        let reason = |cores, compilers: &[Offer]| choose(cores, compilers, (1, 95, 0)).unwrap_err();
        assert!(reason(&[], &[]).contains("no package libstd-rust*-dev-bpf"));
        let other = [offer("rustc", "1.85.0-1"), offer("rustc-web", "1.96.0-1")];
        assert!(reason(&core, &other).contains("no rustc of the same version"));
        let old = [offer("libstd-rust-dev-bpf", "1.85.0-1")];
        assert!(reason(&old, &other).contains("older than 1.95"));
    }

    #[test]
    fn package_versions_are_read() {
        assert_eq!(upstream("1.96.0+dfsg1-1~deb12u2"), Some((1, 96, 0)));
        assert_eq!(upstream("1:1.96.2-1"), Some((1, 96, 2)));
        assert_eq!(upstream("~rc"), None);
        assert_eq!(source_version("1.96.0+dfsg1-1+b2"), "1.96.0+dfsg1-1");
        assert_eq!(source_version("1.96.0+dfsg1-1"), "1.96.0+dfsg1-1");
    }
}
