//! `cargo xtask VERB`: every task of this repository that is more than plain cargo.
//!
//! This file maps a verb to its module and an error to an exit code, and nothing else. xtask
//! starts other programs (cargo, apt-get, bpf-linker); it holds no logic of agentmon.

mod bench;
mod bpf_object;
mod build;
mod cli;
mod environment;
mod failure;
mod lint;
mod process;
mod root;
mod run;
mod setup;
mod terminal;
mod test;
mod verifier;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Verb};

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Setup => setup::verb()?,
        Verb::Build(arguments) => build::verb(&arguments)?,
        Verb::Run(arguments) => return run::verb(&arguments),
        Verb::Test(arguments) => test::verb(&arguments)?,
        Verb::Vm(arguments) => return vm::verb(&arguments),
        Verb::Verifier(arguments) => return verifier::verb(&arguments),
        Verb::Bench(arguments) => bench::verb(&arguments)?,
        Verb::Lint(arguments) => return lint::verb(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}
