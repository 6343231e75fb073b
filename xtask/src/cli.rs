//! What can be typed: the verbs, their options and the text of `--help`.
//!
//! No decisions here; each verb's module receives its arguments from this file.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

const ENVIRONMENT: &str = "\
Environment:
  AGENTMON_BPF_RUSTC  the rustc that compiles the eBPF object: one with a prebuilt `core` for
                      bpfel-unknown-none, or a nightly with the component rust-src
  BPF_LINKER          the bpf-linker to use
  LLVM_PREFIX         the LLVM that bpf-linker is built with (as /usr/lib/llvm-N), if it has to
                      be installed
  RUSTUP_AUTO_INSTALL 0 forbids xtask, as it does rustup, to install a toolchain with rustup
  NO_COLOR            no colours (they are only used on a terminal)

Exit status: 0 done, 1 failed (`error:` and `hint:` say why), 2 wrong usage. `run` has the exit
status of agentmon; of `vm`, 3 is a kernel that could not be tried.";

/// Build, run, test and check agentmon.
///
/// Every verb that needs the eBPF toolchain finds or installs it first and says what it is doing
/// on standard error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_long_help = ENVIRONMENT)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs, in the order a newcomer meets them.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Find, or install, what the eBPF build needs
    ///
    /// An eBPF build needs a Rust compiler with a `core` library for bpfel-unknown-none, and
    /// bpf-linker with an LLVM at least as new as that compiler's. Two paths lead there, tried
    /// in this order:
    ///
    /// 1. The distribution's packages: its rustc, the package libstd-rust*-dev-bpf, llvm-N-dev.
    ///    Installed with apt-get when root (or passwordless sudo) and apt offers them.
    ///
    /// 2. rustup: a nightly with the component rust-src.
    ///
    /// Something complete that is already installed always wins. bpf-linker goes into
    /// target/tools when the one in PATH does not fit. Nothing happens when all is there.
    #[command(after_long_help = ENVIRONMENT)]
    Setup,
    /// Build the eBPF object, then agentmon with the object inside it
    ///
    /// Results: target/bpf/agentmon.bpf.o and target/release/agentmon (target/debug with --debug).
    #[command(after_long_help = ENVIRONMENT)]
    Build(BuildArguments),
    /// Build, then watch COMMAND as an agent
    ///
    /// What stands before `--` is passed to `agentmon run`; without COMMAND the bundled
    /// demonstration agent runs. Needs root: started through sudo otherwise. The exit status is
    /// agentmon's.
    ///
    /// Examples:
    ///   cargo xtask run -- bash -c 'ls /; cat /etc/hostname'
    ///   cargo xtask run --name builder -o json -- make
    ///   cargo xtask run
    #[command(verbatim_doc_comment)]
    Run(RunArguments),
    /// Build, then run all tests: those of the crates, and those against this machine's kernel
    ///
    /// The kernel tests load the eBPF programs and need root.
    Test(TestArguments),
    /// Boot Debian kernels in QEMU and run the kernel tests in them
    ///
    /// The kernels and what must come of each stand in tests/vm/matrix.toml. Needs neither root nor
    /// KVM: an interpreted CPU runs them. QEMU and the kernels are downloaded as Debian packages,
    /// checked, and unpacked below target/vm; nothing is installed. Without a name all kernels run,
    /// one after the other. Logs of the last run of each: target/vm/runs/NAME.
    ///
    /// Exit status: 0 all as declared, 1 a kernel failed, 2 wrong usage, 3 a kernel could not be
    /// tried (nothing that was tried failed).
    Vm(VmArguments),
    /// Build, and say how many instructions the verifier walks for each probe, on this machine and in QEMU
    ///
    /// Beside each count what tests/vm/verifier.toml keeps. More than a tenth above it is an error,
    /// until it is kept with a word on why. `host` is this machine's kernel; the other names are
    /// those of `cargo xtask vm --list`. Without a name: this machine, and those that are kept.
    ///
    /// Examples:
    ///   cargo xtask verifier host
    ///   cargo xtask verifier 6.1 6.12 --keep 'sends have a kind of their own'
    #[command(verbatim_doc_comment)]
    Verifier(VerifierArguments),
    /// Build, then run the benchmarks (as root); arguments go to the benchmark program
    Bench(BenchArguments),
    /// Check the architecture's invariants in the source text
    Lint(LintArguments),
}

/// Arguments of `build`.
#[derive(Debug, Default, Args)]
pub struct BuildArguments {
    /// Build agentmon without optimisation (the eBPF object is always optimised)
    #[arg(long, conflicts_with = "release")]
    pub debug: bool,
    /// Build agentmon with optimisation (the default)
    #[arg(long)]
    pub release: bool,
    /// Build only the eBPF object
    #[arg(long)]
    pub bpf_only: bool,
    /// Turn warnings of the eBPF crate into errors
    #[arg(long)]
    pub deny_warnings: bool,
}

/// Arguments of `run`: taken as typed, see [`crate::run`].
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Options of `agentmon run`, then `--`, then the command to watch
    #[arg(value_name = "OPTIONS -- COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Only tests whose name contains this
    pub filter: Option<String>,
    /// Leave the kernel tests out: no root needed
    #[arg(long)]
    pub host_only: bool,
}

/// Arguments of `vm`.
#[derive(Debug, Args)]
pub struct VmArguments {
    /// Kernels to run, as `--list` names them
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// List the kernels, and run nothing
    #[arg(long, exclusive = true)]
    pub list: bool,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEST")]
    pub filter: Option<String>,
    /// Keep the archive a kernel booted from, so that the printed QEMU command can be run again
    #[arg(long)]
    pub keep: bool,
    /// Pin the newest package of this kernel's series in tests/vm/matrix.toml, and run nothing
    #[arg(long, value_name = "NAME", exclusive = true)]
    pub repin: Option<String>,
}

/// Arguments of `verifier`.
#[derive(Debug, Args)]
pub struct VerifierArguments {
    /// Kernels to ask
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Keep what was counted, and why it changed
    #[arg(long, value_name = "WHY")]
    pub keep: Option<String>,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Arguments of the benchmark program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub struct LintArguments {
    /// List the checks and why each is there
    #[arg(long)]
    pub list: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
