//! `cargo xtask verifier`: how much work the probes are for each kernel's verifier, and whether it grew.
//!
//! A kernel walks a million instructions of a program and then refuses it (`BPF_COMPLEXITY_LIMIT_INSNS`,
//! include/linux/bpf.h); what it walks is time that the daemon takes to start.

mod kept;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::cli::{BuildArguments, VerifierArguments};
use crate::environment::host_cargo;
use crate::failure::Failure;
use crate::test::{KERNEL_TESTS, as_root, means_to_load};
use crate::vm::matrix::{HOST, Matrix};
use crate::vm::{self, programs};
use crate::{build, process, terminal};
use kept::{Counts, Entry, Kept, grown};

/// What begins a line of tests/src/bin/verifier.rs.
const MARK: &str = "verified ";

/// `cargo xtask verifier`.
pub fn verb(arguments: &VerifierArguments) -> Result<ExitCode> {
    let mut kept = Kept::read()?;
    let counted = count(&arguments.names, &kept)?;
    let mut has_grown = false;
    for (name, release, counts) in counted {
        let before = kept.0.get(&name).map(|entry| entry.instructions.clone()).unwrap_or_default();
        println!("{}", table(&name, &release, &counts, &before));
        has_grown |= !grown(&counts, &before).is_empty();
        if let Some(why) = &arguments.keep {
            kept.0.insert(name, Entry { release, why: why.clone(), instructions: counts });
        }
    }
    if arguments.keep.is_some() {
        kept.write()?;
        terminal::step("kept in tests/vm/verifier.toml");
        return Ok(ExitCode::SUCCESS);
    }
    if has_grown {
        let failure = Failure::new("the verifier has more than a tenth more to walk, or a program it did not know");
        return Err(failure.hint("make it less, or say why: cargo xtask verifier NAME --keep WHY").into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Name, release and counts of each of these kernels; without names this machine's and those of the matrix that are kept.
fn count(names: &[String], kept: &Kept) -> Result<Vec<(String, String, Counts)>> {
    let matrix = Matrix::read()?;
    let all = || matrix.kernels.iter().map(|kernel| kernel.name.clone()).filter(|name| kept.0.contains_key(name));
    let names: Vec<String> = if names.is_empty() { all().chain([HOST.to_owned()]).collect() } else { names.to_vec() };
    let kernels: Vec<_> = names.iter().filter(|name| *name != HOST).map(|name| matrix.kernel(name)).collect::<Result<_>>()?;
    let mut counted = Vec::new();
    build::verb(&BuildArguments { bpf_only: true, ..BuildArguments::default() })?;
    if names.iter().any(|name| name == HOST) {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read this kernel's release")?;
        counted.push((series(release.trim()), release.trim().to_owned(), parse(on_host()?.lines())?));
    }
    if kernels.is_empty() {
        return Ok(counted);
    }
    let programs = programs::build()?;
    for kernel in kernels {
        let (release, output) = vm::verifier(&matrix, &programs, kernel)?;
        counted.push((kernel.name.clone(), release, parse(output.iter().map(String::as_str))?));
    }
    Ok(counted)
}

/// Machines are kept by the series of their kernel: `6.18` of `6.18.44-cloud`.
fn series(release: &str) -> String {
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

fn on_host() -> Result<String> {
    let means = means_to_load("probes that the verifier shall see")?;
    let mut cargo = host_cargo("run");
    cargo.args(KERNEL_TESTS).args(["--bin", "verifier"]);
    as_root(&mut cargo, means);
    process::stdout_of(&mut cargo)
}

fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Counts> {
    let mut counts = Counts::new();
    for line in lines.filter_map(|line| line.strip_prefix(MARK)) {
        let (name, count) = line.split_once(' ').with_context(|| format!("not understood: {line:?}"))?;
        counts.insert(name.to_owned(), count.trim().parse().with_context(|| format!("not understood: {line:?}"))?);
    }
    if counts.is_empty() || counts.values().any(|count| *count == 0) {
        return Err(Failure::new("the kernel does not say what its verifier walked (it does since 5.16)").into());
    }
    Ok(counts)
}

fn table(name: &str, release: &str, counts: &Counts, kept: &Counts) -> String {
    let grown = grown(counts, kept);
    let mut text = format!("{name} ({release})\n{:<20} {:>8} {:>8} {:>8}\n", "program", "now", "kept", "change");
    for (program, count) in counts {
        let (before, change) = match kept.get(program) {
            Some(before) => (before.to_string(), format!("{:+.1} %", (*count as f64 / *before as f64 - 1.0) * 100.0)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let mark = if kept.contains_key(program) && grown.contains(&program.as_str()) { "  grown" } else { "" };
        text.push_str(&format!("{program:<20} {count:>8} {before:>8} {change:>8}{mark}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Counts, parse, table};

    #[test]
    fn lines_of_the_program_become_counts_and_nothing_is_an_error() {
        let counts = parse("noise\nverified am_exec 12\nverified am_fork 3\n".lines()).unwrap();
        assert_eq!(counts, Counts::from([("am_exec".to_owned(), 12), ("am_fork".to_owned(), 3)]));
        assert!(parse("".lines()).is_err() && parse("verified am_exec 0".lines()).is_err() && parse("verified am_exec x".lines()).is_err());
    }

    #[test]
    fn growth_is_marked() {
        let text = table("host", "6.18", &Counts::from([("a".to_owned(), 120)]), &Counts::from([("a".to_owned(), 100)]));
        assert!(text.ends_with("a                         120      100  +20.0 %  grown\n"), "{text}");
        assert_eq!(super::series("6.18.44-x.y"), "6.18");
    }
}
