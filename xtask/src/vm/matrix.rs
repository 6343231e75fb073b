//! tests/vm/matrix.toml: which kernels there are, where they come from, and what each must do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::failure::Failure;
use crate::workspace;

/// The machine the tests of `cargo xtask test` run on: a name like a kernel's.
pub const HOST: &str = "host";

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The machine that boots the kernels.
    pub machine: Machine,
    /// The kernels, in the order they are run.
    #[serde(rename = "kernel")]
    pub kernels: Vec<Kernel>,
    /// What may be left out where.
    #[serde(rename = "skip", default)]
    pub skips: Vec<Skip>,
}

/// QEMU and its machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Debian suite of QEMU and all it needs.
    pub suite: String,
    /// QEMU's package.
    pub package: String,
    /// Number of CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Seconds until a kernel is given up.
    pub time_limit_s: u64,
    /// Kernel command line of every kernel.
    pub cmdline: String,
}

/// One row of the matrix.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Its name on the command line and in reports.
    pub name: String,
    /// Debian suite, as `bookworm-security`.
    pub suite: String,
    /// Package with the kernel image.
    pub package: String,
    /// The package's exact version.
    pub version: String,
    /// SHA-256 of the package, in hexadecimal.
    pub sha256: String,
    /// Extended regular expression of the packages `--repin` may choose from.
    pub series: String,
    /// Kernel command line beside the machine's.
    #[serde(default)]
    pub cmdline: String,
    /// Features that must be there, and no other of those that vm-init knows.
    pub supports: BTreeSet<String>,
    /// What agentmon says where it cannot run; no tests then.
    pub refuses: Option<Refusal>,
}

/// How agentmon refuses a kernel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Exit status of `agentmon run`.
    pub exit: i32,
    /// What its message contains.
    pub says: Vec<String>,
}

/// A test that may say it was skipped, and must.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Names of kernels.
    pub kernels: Vec<String>,
    /// Name of the test, without its program's.
    pub test: String,
    /// How the reason it gives begins.
    pub reason: String,
}

impl Matrix {
    /// The file of this workspace.
    pub fn path() -> PathBuf {
        workspace::root().join("tests/vm/matrix.toml")
    }

    /// Reads and checks the file of this workspace.
    pub fn read() -> Result<Self> {
        let path = Self::path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self> {
        let matrix: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for kernel in &matrix.kernels {
            anyhow::ensure!(kernel.name != HOST && names.insert(&kernel.name), "the name {:?} is taken", kernel.name);
            let hash = &kernel.sha256;
            anyhow::ensure!(is_hash(hash), "kernel {:?}: {hash:?} is no SHA-256", kernel.name);
        }
        for skip in &matrix.skips {
            let unknown = skip.kernels.iter().find(|name| !names.contains(name));
            anyhow::ensure!(unknown.is_none(), "skip of {:?}: there is no kernel {:?}", skip.test, unknown.unwrap_or(&skip.test));
        }
        Ok(matrix)
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Result<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name).ok_or_else(|| {
            let names: Vec<_> = self.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            Failure::new(format!("there is no kernel {name:?} in tests/vm/matrix.toml"))
                .hint(format!("there are: {}, {HOST}", names.join(", ")))
                .into()
        })
    }

    /// The skips declared for a kernel.
    pub fn skips_of(&self, kernel: &str) -> Vec<Skip> {
        self.skips.iter().filter(|skip| skip.kernels.iter().any(|name| name == kernel)).cloned().collect()
    }
}

/// Whether this is a SHA-256 in lower-case hexadecimal.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::Matrix;

    const MACHINE: &str = "[machine]\nsuite = 's'\npackage = 'q'\ncpus = 2\nmemory_mib = 512\ntime_limit_s = 900\ncmdline = ''\n";

    fn kernel(name: &str) -> String {
        let hash = "0".repeat(64);
        format!("[[kernel]]\nname = '{name}'\nsuite = 's'\npackage = 'p'\nversion = '1'\nsha256 = '{hash}'\nseries = 'p'\nsupports = []\n")
    }

    fn error(text: &str) -> String {
        format!("{:#}", Matrix::parse(&format!("{MACHINE}{text}")).unwrap_err())
    }

    #[test]
    fn the_file_of_the_workspace_is_right() {
        let matrix = Matrix::read().unwrap();
        assert!(matrix.kernel("6.1").is_ok() && matrix.kernel("6.12").is_ok(), ".ci/run names them");
    }

    #[test]
    fn names_are_unique_and_hashes_whole() {
        assert!(error(&format!("{}{}", kernel("a"), kernel("a"))).contains("\"a\" is taken"));
        assert!(error(&kernel("host")).contains("is taken"));
        assert!(error(&kernel("a").replace("00'", "0'")).contains("no SHA-256"));
    }

    #[test]
    fn a_skip_names_kernels_that_are_there_and_nothing_is_misspelt() {
        let skip = "[[skip]]\nkernels = ['b']\ntest = 't'\nreason = 'r'\n";
        assert!(error(&format!("{}{skip}", kernel("a"))).contains("no kernel \"b\""));
        assert!(error(&kernel("a").replace("series", "serie")).contains("serie"));
    }
}
