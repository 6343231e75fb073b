//! The command line: one file per verb. Turns flags into settings and results into exit codes.
//!
//! Not for: deciding anything about an agent (`crate::monitor` and the stages).

mod bench;
mod control;
mod coverage;
mod demo;
mod doctor;
mod errors;
mod explain;
mod learn;
mod node;
mod replay;
mod rules;
mod run;
mod verdict;

use crate::view::{escape::escaped, say};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
  5  the recording is cut short or damaged      6  replay --against: verdicts differ
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
    Agents(control::Agents),
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
    /// Propose lists for the configuration from a recorded session.
    Learn(learn::Learn),
    /// Judge a recording anew: the verdicts of these rules, or how they differ from those of others.
    Replay(replay::Replay),
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
        Verb::Agents(verb) => verb.run(),
        Verb::Kill(target) => target.apply(crate::response::Command::Kill),
        Verb::Freeze(target) => target.apply(crate::response::Command::Freeze),
        Verb::Thaw(target) => target.apply(crate::response::Command::Thaw),
        Verb::Doctor(verb) => verb.run(),
        Verb::Canary(verb) => verb.run(),
        Verb::Learn(verb) => verb.run(),
        Verb::Replay(verb) => verb.run(),
        Verb::Rules(verb) => verb.run(),
    };
    errors::exit(done, errors::FAILED)
}

/// The daemon's own messages: standard error, warnings unless `AGENTMON_LOG` says otherwise.
fn diagnostics() {
    let (filter, refused) = filter(std::env::var_os("AGENTMON_LOG"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour(&std::io::stderr()));
    // A standard error that is gone must not be complained about on standard error: that panics, and stops the engine.
    subscriber.log_internal_errors(false).init();
    if let Some(why) = refused {
        say::err(format_args!("warning: AGENTMON_LOG is ignored: {why} (error, warn, info, debug)"));
    }
}

/// The filter that `AGENTMON_LOG` asks for, and why it is not used.
fn filter(asked: Option<OsString>) -> (EnvFilter, Option<String>) {
    let usual = || EnvFilter::new("warn");
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else { return (usual(), None) };
    let shown = escaped(asked.as_bytes());
    // A single word would be taken for the name of a module: a misspelt level would silence everything.
    let known = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    match asked.to_str().filter(|text| text.split(',').all(known)).map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual(), Some(format!("`{shown}`: {error}"))),
        None => (usual(), Some(format!("`{shown}` is no level"))),
    }
}

/// Whether the probes' messages were asked for.
fn wants_probe_messages() -> bool {
    tracing::enabled!(target: "agentmon::probes", tracing::Level::DEBUG)
}

/// Whether to use colours on this stream: a terminal, and nobody objects (<https://no-color.org>).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::filter;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_level_that_is_none_is_said_and_warnings_stay() {
        let asked = |text: &[u8]| filter(Some(OsString::from_vec(text.to_vec())));
        for good in ["error", "DEBUG", "info,agentmon::probes=debug", "off", ""] {
            let (filter, refused) = asked(good.as_bytes());
            assert_eq!(refused, None, "{good}: {filter}");
        }
        assert_eq!(asked(b"agentmon=debug").0.to_string(), "agentmon=debug");
        for (bad, why) in [(&b"verbose"[..], "`verbose` is no level"), (b"\x1b[2J\xff", r"`\x1b[2J\xff` is no level")] {
            let (filter, refused) = asked(bad);
            assert_eq!((filter.to_string(), refused), ("warn".to_owned(), Some(why.to_owned())));
        }
        assert!(asked(b"agentmon=loud").1.is_some_and(|why| why.starts_with("`agentmon=loud`: ")));
    }
}
