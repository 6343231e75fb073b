//! `agentmon daemon`: the flags of the node service.

use crate::daemon;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Watch the agents of this node.
#[derive(Debug, Args)]
#[command(after_help = "Signals: SIGTERM and SIGINT drain and stop; SIGHUP reads configuration and rules again (on a mistake the \
    old ones stay); SIGUSR1 opens the log file anew.\nAgents that are frozen stay frozen when the daemon stops; `agentmon thaw` \
    lets them go on.")]
pub struct Daemon {
    /// The configuration file; docs/agentmon.toml explains every key.
    #[arg(long, value_name = "FILE", default_value = "/etc/agentmon/agentmon.toml")]
    config: PathBuf,
    /// Also record every event to this new file, for `agentmon replay`; 4 GiB at most.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Daemon {
    /// Runs until stopped.
    pub fn run(self) -> Result<u8> {
        daemon::serve(&self.config, self.record, super::wants_probe_messages())?;
        Ok(0)
    }
}
