//! The `agentmon` binary: parse, run, map what went wrong to an exit code.

use agentmon::cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(cli::Cli::parse())
}
