//! Debian's package tools: what is offered, what is installed, and installing it.
//!
//! Knows nothing about compilers; `distribution` and `llvm` decide which packages are wanted.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::failure::Failure;
use crate::root::{self, Means};
use crate::{process, terminal};

/// Whether the package lists were fetched by this process: once is enough.
static UPDATED: AtomicBool = AtomicBool::new(false);

/// A package and the version apt would install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The package's name.
    pub name: String,
    /// The candidate version.
    pub version: String,
}

/// How packages can be installed here, or a sentence why they cannot.
pub fn means() -> Result<Means, String> {
    if process::find_in_path("apt-get").is_none() {
        return Err("no apt-get here".to_owned());
    }
    root::means().ok_or_else(|| "installing packages needs root or passwordless sudo".to_owned())
}

/// The packages on offer whose names match an extended regular expression.
pub fn offers(names: &str) -> Result<Vec<Offer>> {
    let mut search = Command::new("apt-cache");
    let found = process::output(search.args(["search", "--names-only", names]))?;
    let names = parse_search(&found);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut policy = Command::new("apt-cache");
    policy.env("LC_ALL", "C").arg("policy").args(&names);
    Ok(parse_policy(&process::output(&mut policy)?))
}

/// Fetches the package lists, unless this process already did. True when it fetched them.
pub fn update(means: Means) -> Result<bool> {
    if UPDATED.swap(true, Ordering::Relaxed) {
        return Ok(false);
    }
    terminal::step("fetching apt's package lists");
    process::run(apt_get(means).args(["update", "-qq"]))?;
    Ok(true)
}

/// Installs packages that are missing. Removes nothing: a conflict is an error.
pub fn install(means: Means, packages: &[String]) -> Result<()> {
    let missing: Vec<_> = packages.iter().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|name| name.as_str()).collect();
    let _timed = terminal::timed(&format!("installing the packages {}", names.join(", ")));
    let attempt = || {
        let mut command = apt_get(means);
        command.args(["install", "-qq", "-y", "--no-install-recommends", "--no-remove"]);
        process::run(command.args(&names))
    };
    let Err(first) = attempt() else {
        return Ok(());
    };
    // Old lists name files that are gone, and an interrupted dpkg refuses to go on: both mend.
    terminal::warning(&format!("{first:#}; trying once more with fresh package lists"));
    update(means)?;
    process::run(root::command(means, Path::new("dpkg"), NO_QUESTIONS).args(["--configure", "-a"]))?;
    attempt().map_err(|error| {
        Failure::new(format!("cannot install the packages {}: {error:#}", names.join(", ")))
            .hint("apt's own message is above; `apt-get -s install PACKAGES` explains conflicts")
            .into()
    })
}

/// Whether dpkg has a package fully installed.
pub fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}", package]);
    process::output(&mut query).is_ok_and(|status| status == "installed")
}

const NO_QUESTIONS: &[(&str, &str)] = &[("DEBIAN_FRONTEND", "noninteractive")];

fn apt_get(means: Means) -> Command {
    let mut command = root::command(means, Path::new("apt-get"), NO_QUESTIONS);
    // Another apt may be at work, as after the first boot of a cloud machine.
    command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]);
    command
}

/// Names in the output of `apt-cache search`: `name - description`.
fn parse_search(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line.split_once(" - ")?.0.trim().to_owned())).collect()
}

/// Offers in the output of `apt-cache policy`.
fn parse_policy(text: &str) -> Vec<Offer> {
    let mut offers = Vec::new();
    let mut name = "";
    for line in text.lines() {
        if !line.starts_with(' ') {
            name = line.trim_end_matches(':');
        } else if let Some(version) = line.strip_prefix("  Candidate: ")
            && version != "(none)"
        {
            offers.push(Offer { name: name.to_owned(), version: version.to_owned() });
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::{Offer, is_installed, parse_policy, parse_search};

    const POLICY: &str = "\
rustc-web:
  Installed: (none)
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
     1.96.0+dfsg1-1~deb12u2 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
     1.85.0+dfsg3-1~deb12u3 500
rustc-virtual:
  Installed: (none)
  Candidate: (none)
  Version table:
";

    #[test]
    fn the_candidate_version_is_the_offer() {
        let rustc = Offer { name: "rustc-web".to_owned(), version: "1.96.0+dfsg1-1~deb12u2".to_owned() };
        assert_eq!(parse_policy(POLICY), [rustc]);
    }

    #[test]
    fn search_results_are_names() {
        let text = "llvm-19-dev - Modular compiler\nllvm-22-dev - Modular compiler\n";
        assert_eq!(parse_search(text), ["llvm-19-dev", "llvm-22-dev"]);
        assert!(parse_search("").is_empty());
    }

    #[test]
    fn a_package_nobody_has_is_not_installed() {
        assert!(!is_installed("no-such-package-anywhere"));
    }
}
