//! Finding, or installing, the eBPF toolchain: a compiler and a linker that fit each other.
//!
//! Two paths lead to a compiler: `distribution` and `rustup`. Something complete that is
//! installed wins over installing anything. Every verb that builds calls [`toolchain`].

mod apt;
mod distribution;
mod linker;
mod llvm;
mod rustc;
mod rustup;

use std::path::Path;

use anyhow::Result;

use crate::failure::Failure;
use crate::terminal;

pub use linker::Linker;
pub use rustc::{Compiler, Core};

/// Debian packages that the tests need beside the toolchain's: `prometheus` scrapes a daemon, its `promtool` lints the metrics;
/// `strace` sees what an agent's processes do by other means.
const TEST_PACKAGES: &[&str] = &["prometheus", "strace"];

/// A compiler and a linker that can build the eBPF object together.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Compiles the eBPF crate.
    pub compiler: Compiler,
    /// Links it.
    pub linker: Linker,
}

/// `cargo xtask setup`.
pub fn verb() -> Result<()> {
    toolchain()?;
    test_packages()?;
    terminal::step("ready: `cargo xtask run` and `cargo xtask test` have what they need");
    Ok(())
}

/// Installs the packages the tests need, where packages can be installed.
pub fn test_packages() -> Result<()> {
    let packages: Vec<_> = TEST_PACKAGES.iter().map(ToString::to_string).collect();
    let missing: Vec<_> = packages.iter().filter(|name| !apt::is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    match apt::means() {
        Ok(means) => apt::install(means, &packages),
        Err(reason) => {
            terminal::warning(&format!("the tests want the packages {missing:?}: {reason}"));
            Ok(())
        }
    }
}

/// The eBPF toolchain, installed if need be. Says what it uses and what it does.
pub fn toolchain() -> Result<Toolchain> {
    let toolchain = match std::env::var_os("AGENTMON_BPF_RUSTC") {
        Some(rustc) => chosen_by_user(Path::new(&rustc))?,
        None => found_or_installed()?,
    };
    terminal::step(&format!("eBPF compiler: {}", toolchain.compiler));
    terminal::step(&format!("eBPF linker:   {}", toolchain.linker));
    Ok(toolchain)
}

fn chosen_by_user(rustc: &Path) -> Result<Toolchain> {
    let compiler = rustc::examine(rustc).map_err(|reason| {
        Failure::new(format!("AGENTMON_BPF_RUSTC: {reason}"))
            .hint("name a rustc with a core library for eBPF, a nightly with rust-src, or unset it")
    })?;
    let mut survey = Survey::default();
    if let Some(toolchain) = survey.complete(&compiler) {
        return Ok(toolchain);
    }
    match survey.install_linker(&compiler)? {
        Some(toolchain) => Ok(toolchain),
        None => Err(survey.failure(distribution::packages_on_offer()).into()),
    }
}

fn found_or_installed() -> Result<Toolchain> {
    let mut survey = Survey::default();
    let compilers = survey.compilers();
    for compiler in &compilers {
        if let Some(toolchain) = survey.complete(compiler) {
            return Ok(toolchain);
        }
    }
    for compiler in &compilers {
        if let Some(toolchain) = survey.install_linker(compiler)? {
            return Ok(toolchain);
        }
    }
    // Nothing installed will do. The second path is also the way out when the first one's
    // compiler is newer than any LLVM that bpf-linker can use.
    for install in [Survey::install_distribution, Survey::install_rustup] {
        let Some(compiler) = install(&mut survey)? else {
            continue;
        };
        if let Some(toolchain) = survey.complete(&compiler) {
            return Ok(toolchain);
        }
        if let Some(toolchain) = survey.install_linker(&compiler)? {
            return Ok(toolchain);
        }
    }
    Err(survey.failure(distribution::packages_on_offer()).into())
}

/// What was looked for and not found, for the one error at the end.
#[derive(Debug, Default)]
struct Survey {
    distribution: Vec<String>,
    rustup: Vec<String>,
    linker: Vec<String>,
    least_llvm: Option<u32>,
}

impl Survey {
    /// The usable compilers that are installed, in order of preference.
    fn compilers(&mut self) -> Vec<Compiler> {
        let mut compilers = Vec::new();
        match distribution::find() {
            Ok(compiler) => compilers.push(compiler),
            Err(reason) => self.distribution.push(reason),
        }
        match rustup::find() {
            Ok(compiler) => compilers.push(compiler),
            Err(reason) => self.rustup.push(reason),
        }
        compilers
    }

    fn complete(&mut self, compiler: &Compiler) -> Option<Toolchain> {
        self.least_llvm = Some(compiler.version.llvm);
        match linker::find(compiler.version.llvm) {
            Ok(linker) => Some(Toolchain { compiler: compiler.clone(), linker }),
            Err(reason) => {
                self.linker.push(reason);
                None
            }
        }
    }

    fn install_linker(&mut self, compiler: &Compiler) -> Result<Option<Toolchain>> {
        terminal::step(&format!("eBPF compiler: {compiler}; its linker is missing"));
        let means = apt::means();
        if let Err(reason) = &means {
            self.linker.push(reason.clone());
        }
        Ok(match linker::install(compiler.version.llvm, means.ok())? {
            Ok(linker) => Some(Toolchain { compiler: compiler.clone(), linker }),
            Err(reason) => {
                self.linker.push(reason);
                None
            }
        })
    }

    fn install_distribution(&mut self) -> Result<Option<Compiler>> {
        if distribution::find().is_ok() {
            return Ok(None);
        }
        terminal::step("no complete eBPF toolchain is installed; looking at what apt offers");
        match apt::means() {
            Ok(means) => match distribution::install(means) {
                Ok(Ok(compiler)) => return Ok(Some(compiler)),
                Ok(Err(reason)) => self.distribution.push(reason),
                // What apt could not do, rustup may: the reason ends up in the error if not.
                Err(error) => self.distribution.push(format!("{error:#}")),
            },
            Err(reason) => self.distribution.push(reason),
        }
        Ok(None)
    }

    fn install_rustup(&mut self) -> Result<Option<Compiler>> {
        if rustup::find().is_ok() {
            return Ok(None);
        }
        terminal::step("looking at what rustup can install");
        match rustup::install()? {
            Ok(compiler) => Ok(Some(compiler)),
            Err(reason) => {
                self.rustup.push(reason);
                Ok(None)
            }
        }
    }

    /// One error with all that was found, and what to install on each path: these packages, if
    /// apt offers any.
    fn failure(&self, offered: Option<Vec<String>>) -> Failure {
        let parts = [("distribution's rustc", &self.distribution), ("rustup", &self.rustup), ("linker", &self.linker)];
        let looked_for: String = parts
            .iter()
            .flat_map(|(path, reasons)| reasons.iter().map(move |reason| (path, reason)))
            .map(|(path, reason)| format!("\n  {path}: {reason}"))
            .collect();
        let failure = Failure::new(format!("no compiler and linker for eBPF; looked for:{looked_for}"));
        let Some(llvm) = self.least_llvm else {
            return failure
                .hint(match offered {
                    Some(packages) => format!("as root: apt-get install {}", packages.join(" ")),
                    None => format!(
                        "on Debian, as root: apt-get update, then install the package \
                         libstd-rust*-dev-bpf, the rustc package of the same version, and {}",
                        llvm::wanted_packages()
                    ),
                })
                .hint(format!("or with rustup: {}", rustup::by_hand()))
                .hint("then run `cargo xtask setup` again: it builds the linker");
        };
        failure.hint(format!("install bpf-linker: {}", linker::by_hand(llvm))).hint("on Debian that LLVM is the package llvm-N-dev")
    }
}

#[cfg(test)]
mod tests {
    use super::Survey;

    #[test]
    fn the_error_lists_what_was_found_on_each_path() {
        let survey = Survey {
            distribution: vec!["/usr/bin/rustc: not there".to_owned()],
            rustup: vec!["no nightly".to_owned()],
            ..Survey::default()
        };
        let failure = survey.failure(Some(vec!["rustc-x".to_owned()]));
        let text = failure.to_string();
        assert!(text.contains("distribution's rustc: /usr/bin/rustc: not there"), "{text}");
        assert!(text.contains("rustup: no nightly"), "{text}");
        let hints = failure.hints.join("\n");
        assert!(hints.contains("apt-get install rustc-x"), "{hints}");
        assert!(hints.contains("rust-src"), "{hints}");
    }

    #[test]
    fn with_a_compiler_only_the_linker_is_asked_for() {
        let survey = Survey { least_llvm: Some(22), ..Survey::default() };
        let hints = survey.failure(None).hints.join("\n");
        assert!(hints.contains("bpf-linker"), "{hints}");
        assert!(!hints.contains("rust-src"), "{hints}");
    }
}
