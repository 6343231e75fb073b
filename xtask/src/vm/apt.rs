//! Packages of any Debian suite, downloaded and unpacked below `target/vm`; nothing is installed,
//! and root is not needed.
//!
//! apt works in folders of its own, with the archive's signatures checked as ever. The machine's
//! own package lists and packages are neither used nor changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::folders;
use crate::failure::Failure;
use crate::{process, terminal};

/// Debian's keys, from the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Where a machine that is not a Debian looks.
const DEBIAN: &str = "http://deb.debian.org/debian";
const DEBIAN_SECURITY: &str = "http://deb.debian.org/debian-security";

/// apt for one suite.
#[derive(Debug)]
pub struct Apt {
    suite: String,
    folder: PathBuf,
}

/// A package that a suite offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
}

impl Apt {
    /// Writes the configuration and fetches the suite's package lists.
    pub fn fetch_lists(suite: &str) -> Result<Self> {
        requirements()?;
        let folder = folders::root().join("apt").join(suite);
        for below in ["lists/partial", "cache/archives/partial"] {
            let path = folder.join(below);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let address = address_of(suite);
        write(&folder.join("sources.list"), &format!("deb [arch=amd64 signed-by={KEYRING}] {address} {suite} main\n"))?;
        // An empty list of installed packages: what is needed is downloaded, whatever is here.
        write(&folder.join("status"), "")?;
        write(&folder.join("apt.conf"), &configuration(&folder))?;
        let apt = Self { suite: suite.to_owned(), folder };
        let _timed = terminal::timed(&format!("fetching the package lists of {suite}"));
        process::run(apt.command("apt-get").args(["update", "-qq"])).map_err(|error| cannot_reach(&error, suite, &address))?;
        Ok(apt)
    }

    /// Downloads a version of a package into a folder and returns its path.
    pub fn download(&self, package: &str, version: &str, into: &Path) -> Result<PathBuf> {
        let before = packages_in(into)?;
        let mut command = self.command("apt-get");
        command.current_dir(into).args(["download", "-q", &format!("{package}={version}")]);
        process::run(&mut command)?;
        let new = packages_in(into)?.into_iter().find(|path| !before.contains(path));
        new.ok_or_else(|| Failure::new(format!("apt-get downloaded no {package} {version}")).into())
    }

    /// Downloads a package and all it needs, down to the C library; returns the files.
    pub fn download_with_dependencies(&self, package: &str) -> Result<Vec<PathBuf>> {
        let mut command = self.command("apt-get");
        command.args(["install", "-y", "-qq", "--download-only", "--no-install-recommends", package]);
        process::run(&mut command)?;
        packages_in(&self.folder.join("cache/archives"))
    }

    /// The packages whose whole names match an extended regular expression, oldest version first.
    pub fn offers(&self, names: &str) -> Result<Vec<Offer>> {
        let mut search = self.command("apt-cache");
        let found = process::output(search.args(["search", "--names-only", names]))?;
        let names: Vec<_> = found.lines().filter_map(|line| Some(line.split_once(" - ")?.0.trim())).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut offers = parse_madison(&process::output(self.command("apt-cache").arg("madison").args(names))?);
        offers.sort_by(|one, other| debian_order(&one.version, &other.version));
        Ok(offers)
    }

    /// The SHA-256 of a package file, as the signed package list has it.
    pub fn hash_of(&self, offer: &Offer) -> Result<String> {
        let Offer { package, version } = offer;
        let shown = process::output(self.command("apt-cache").args(["show", &format!("{package}={version}")]))?;
        let hash = shown.lines().find_map(|line| line.strip_prefix("SHA256: "));
        hash.map(|hash| hash.trim().to_owned())
            .ok_or_else(|| Failure::new(format!("the lists of {} have no SHA-256 of {package} {version}", self.suite)).into())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// Unpacks packages over each other; runs nothing of what is in them.
pub fn unpack(packages: &[PathBuf], into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    for package in packages {
        process::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(into))?;
    }
    Ok(())
}

fn requirements() -> Result<()> {
    for program in ["apt-get", "apt-cache", "apt-config", "dpkg-deb"] {
        if process::find_in_path(program).is_none() {
            return Err(Failure::new(format!("no {program} here: kernels and QEMU come as Debian packages"))
                .hint("use a Debian or a distribution made of it, or a container of one")
                .into());
        }
    }
    if !Path::new(KEYRING).exists() {
        return Err(Failure::new(format!("{KEYRING} is missing: the Debian archive's signatures could not be checked"))
            .hint("as root: apt-get install debian-archive-keyring")
            .into());
    }
    Ok(())
}

/// The machine's own files are left out, hooks that would clean its caches among them; but how it
/// reaches the network is kept.
fn configuration(folder: &Path) -> String {
    let machine = process::output(Command::new("apt-config").arg("dump")).unwrap_or_default();
    let is_network = |line: &&str| line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets");
    let mut lines: Vec<String> = machine.lines().filter(is_network).map(str::to_owned).collect();
    let folders = [
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ];
    lines.extend(folders.map(|(name, below)| format!("{name} \"{}\";", folder.join(below).display())));
    let rest = [
        ("Dir::Etc::main", "/dev/null"),
        ("Dir::Etc::parts", "/dev/null"),
        ("Dir::Etc::sourceparts", "-"),
        ("APT::Architecture", "amd64"),
        // A list that cannot be fetched is an error, not a reason to use the last one.
        ("APT::Update::Error-Mode", "any"),
        // The user `_apt` may not be allowed to write here.
        ("APT::Sandbox::User", "root"),
        ("Acquire::Languages", "none"),
        ("Acquire::Retries", "3"),
    ];
    lines.extend(rest.map(|(name, value)| format!("{name} \"{value}\";")));
    lines.join("\n") + "\n"
}

/// The mirror this machine uses for such a suite, if it uses one.
fn address_of(suite: &str) -> String {
    let (label, usual) = if suite.ends_with("-security") { ("Debian-Security", DEBIAN_SECURITY) } else { ("Debian", DEBIAN) };
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Identifier: Packages"]);
    let list = process::output(&mut targets).unwrap_or_default();
    let own = list.lines().find_map(|line| line.split_once(' ').filter(|(of, _)| *of == label));
    own.map_or(usual, |(_, address)| address).trim_end_matches('/').to_owned()
}

fn cannot_reach(error: &anyhow::Error, suite: &str, address: &str) -> anyhow::Error {
    Failure::new(format!("cannot fetch the package lists of {suite} from {address}: {error:#}"))
        .hint("apt's own message is above; the kernels and QEMU are downloaded once and kept in target/vm")
        .hint("a suite that has left the mirror is replaced by hand, in tests/vm/matrix.toml")
        .into()
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    paths.sort();
    Ok(paths)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Lines of `apt-cache madison`: ` package | version | address suite/component arch Packages`.
fn parse_madison(text: &str) -> Vec<Offer> {
    let line = |line: &str| {
        let mut fields = line.split('|').map(|field| field.trim().to_owned());
        let offer = Offer { package: fields.next()?, version: fields.next()? };
        fields.next().is_some_and(|from| from.ends_with("Packages")).then_some(offer)
    };
    text.lines().filter_map(line).collect()
}

/// dpkg's own comparison.
fn debian_order(one: &str, other: &str) -> std::cmp::Ordering {
    let is = |relation| process::succeeds(Command::new("dpkg").args(["--compare-versions", one, relation, other]));
    if is("lt") {
        std::cmp::Ordering::Less
    } else if is("gt") {
        std::cmp::Ordering::Greater
    } else {
        std::cmp::Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::{Offer, address_of, parse_madison};

    #[test]
    fn madison_lists_packages_with_versions() {
        let text = "linux-image-a | 6.1.1-1 | http://mirror.example/debian s/main amd64 Packages\n\
                    linux-image-a | 6.1.0-1 | http://mirror.example/debian s/main Sources\n";
        let offer = Offer { package: "linux-image-a".to_owned(), version: "6.1.1-1".to_owned() };
        assert_eq!(parse_madison(text), [offer]);
    }

    #[test]
    fn security_suites_come_from_their_own_archive() {
        assert!(address_of("bullseye-security").ends_with("-security"));
        assert!(!address_of("trixie").ends_with("-security"));
    }
}
