//! `cargo xtask bench`: build, then run the benchmark program of the tests as root.

use anyhow::Result;

use crate::cli::BenchArguments;
use crate::environment::host_cargo;
use crate::test::{KERNEL_TESTS, as_root, means_to_load};
use crate::{build, process};

/// `cargo xtask bench`.
pub fn verb(arguments: &BenchArguments) -> Result<()> {
    let means = means_to_load("benchmarks")?;
    build::all()?;
    let mut cargo = host_cargo("run");
    cargo.arg("--release").args(KERNEL_TESTS).args(["--bin", "bench"]);
    as_root(&mut cargo, means);
    cargo.arg("--").args(&arguments.arguments);
    process::run_with_stdout(&mut cargo)
}
