//! tests/vm/verifier.toml: what the verifier walked when it was last looked at, and why it grew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::workspace;

/// Growth beyond this is an error: hundredths.
const GROWTH: u64 = 10;
/// What stands above the tables.
const HEAD: &str =
    "# Instructions that each kernel's verifier walks for each probe. Written by `cargo xtask verifier NAME --keep WHY`.\n\n";

/// Instructions by program.
pub type Counts = BTreeMap<String, u64>;

/// The whole file, by name of the kernel in the matrix, or its series.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Kept(pub BTreeMap<String, Entry>);

/// One kernel.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its release.
    pub release: String,
    /// Why the counts are what they are, when they were kept.
    pub why: String,
    /// What was counted.
    pub instructions: Counts,
}

impl Kept {
    /// Reads the file of this workspace.
    pub fn read() -> Result<Self> {
        let path = path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    /// Writes it.
    pub fn write(&self) -> Result<()> {
        let path = path();
        let text = format!("{HEAD}{}", toml::to_string(self).context("the counts cannot be written as TOML")?);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn path() -> PathBuf {
    workspace::root().join("tests/vm/verifier.toml")
}

/// Programs that grew by more than a tenth, or that nothing is kept of.
pub fn grown<'a>(counts: &'a Counts, kept: &Counts) -> Vec<&'a str> {
    let is_grown = |name: &str, count: u64| kept.get(name).is_none_or(|kept| count * 100 > kept * (100 + GROWTH));
    counts.iter().filter(|(name, count)| is_grown(name, **count)).map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Counts, Kept, grown};

    #[test]
    fn more_than_a_tenth_is_growth_and_so_is_a_new_program() {
        let counts = |all: &[(&str, u64)]| all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Counts>();
        let kept = counts(&[("a", 100), ("b", 100), ("gone", 5)]);
        assert_eq!(grown(&counts(&[("a", 110), ("b", 111), ("c", 1)]), &kept), ["b", "c"]);
    }

    #[test]
    fn the_file_of_this_workspace_has_every_kernel_that_must_pass() {
        let kept = Kept::read().unwrap();
        assert!(["6.1", "6.12"].iter().all(|name| kept.0.get(*name).is_some_and(|entry| entry.instructions.contains_key("am_sys_exit"))));
    }
}
