//! The command line: one file per verb. Turns flags into settings and results into exit codes.
//!
//! Not for: deciding anything about an agent (`crate::monitor` and the stages).

mod control;
mod demo;
mod doctor;
mod errors;
mod node;
mod rules;
mod run;

use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runtime behaviour monitor and circuit breaker for AI agents.
#[derive(Debug, Parser)]
#[command(version, about, long_about = LONG_ABOUT, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const LONG_ABOUT: &str = "\
Watches, from the kernel, what an AI agent's processes do: programs executed, files opened and removed, connections, \
changes of identity. Matches it against rules for high-risk operations, logs every operation as NDJSON (OCSF), exports \
Prometheus metrics, and freezes or kills the agent's cgroup when a rule says so.

Try it:  sudo agentmon run --demo";

const EXIT_CODES: &str = "\
Exit codes:
  0  done          1  failed          2  wrong usage, configuration or rules          3  no such agent
  4  doctor: a probe reports nothing
  run: the status of COMMAND (128 + N when signal N ended it, 137 for the breaker's kill);
       125 agentmon itself failed, 126 COMMAND cannot be executed, 127 COMMAND not found

Environment:
  AGENTMON_LOG  level of agentmon's own messages (error, warn, info, debug; debug includes the probes' own)
  NO_COLOR      no colours, even on a terminal";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a command as a watched agent, in a cgroup of its own. Needs no daemon and no configuration.
    Run(run::Run),
    /// Watch the agents of this node, as the configuration names them.
    Daemon(node::Daemon),
    /// List the agents that are watched on this host, by a daemon or by `run`.
    Agents,
    /// Kill every process of an agent, and verify that they are gone.
    Kill(control::Target),
    /// Stop every process of an agent where it is; nothing is lost.
    Freeze(control::Target),
    /// Let a frozen agent go on.
    Thaw(control::Target),
    /// Find out what the kernel of this host lets agentmon see.
    Doctor(doctor::Doctor),
    /// The canary's helper.
    #[command(hide = true)]
    Canary(doctor::Helper),
    /// Look at the rules.
    Rules(rules::Rules),
}

/// Runs a verb.
#[must_use]
pub fn main(cli: Cli) -> ExitCode {
    diagnostics();
    let done = match cli.verb {
        Verb::Run(verb) => return errors::exit(verb.run(), errors::RUN_FAILED),
        Verb::Daemon(verb) => verb.run(),
        Verb::Agents => control::list(),
        Verb::Kill(target) => target.apply(crate::response::Command::Kill),
        Verb::Freeze(target) => target.apply(crate::response::Command::Freeze),
        Verb::Thaw(target) => target.apply(crate::response::Command::Thaw),
        Verb::Doctor(verb) => verb.run(),
        Verb::Canary(verb) => verb.run(),
        Verb::Rules(verb) => verb.run(),
    };
    errors::exit(done, errors::FAILED)
}

/// The daemon's own messages: standard error, warnings unless `AGENTMON_LOG` says otherwise.
fn diagnostics() {
    let filter = EnvFilter::try_from_env("AGENTMON_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour(&std::io::stderr()));
    // A standard error that is gone must not be complained about on standard error: that panics, and stops the engine.
    subscriber.log_internal_errors(false).init();
}

/// Whether the probes' messages were asked for.
fn wants_probe_messages() -> bool {
    tracing::enabled!(target: "agentmon::probes", tracing::Level::DEBUG)
}

/// Whether to use colours on this stream: a terminal, and nobody objects (<https://no-color.org>).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
