//! `agentmon doctor`: what this host's kernel lets agentmon see, found out by doing it.

use super::errors;
use crate::canary::{self, Findings, Sight};
use crate::cgroup::Mount;
use crate::config::{Kernel, Mode};
use crate::event::Kind;
use crate::metrics::Metrics;
use crate::metrics::serve::Health;
use crate::monitor::{Monitor, Settings};
use crate::rules::load::gather;
use crate::sensor::programs::source;
use crate::sensor::{PathHook, PathHookState, SensorConfig, check_capabilities};
use crate::view::say;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Find out what the kernel of this host lets agentmon see.
#[derive(Debug, Args)]
#[command(
    after_help = "A helper process does one harmless operation of each family in a cgroup of its own; a probe that does not report it \
    within a second is blind.\n\nExit codes: 0 every probe reports; 4 some are blind; 1 the probes cannot be loaded."
)]
pub struct Doctor {
    /// Also show each operation that was tried.
    #[arg(long)]
    verbose: bool,
}

/// What the canary's helper is started with; see [`crate::canary`].
#[derive(Debug, Args)]
pub struct Helper {
    /// The directory to do it in.
    directory: Option<PathBuf>,
    /// Only what goes through the 32-bit entry.
    #[arg(long)]
    compat: bool,
}

impl Helper {
    /// Does what the canary does.
    pub fn run(self) -> Result<u8> {
        match self.directory {
            _ if self.compat => canary::perform_compat(),
            Some(directory) => canary::perform(&directory).context("the canary's helper")?,
            None => anyhow::bail!("this verb is the canary's own; see `agentmon doctor`"),
        }
        Ok(0)
    }
}

impl Doctor {
    /// Looks, and prints.
    pub fn run(self) -> Result<u8> {
        check_capabilities()?;
        let mount = Mount::find()?;
        let uname = rustix::system::uname();
        say::out(format_args!("kernel   {} {}", uname.release().to_string_lossy(), uname.machine().to_string_lossy()));
        say::out(format_args!(
            "cgroup   v2 at {}",
            crate::view::escape::escaped(std::os::unix::ffi::OsStrExt::as_bytes(mount.root().path().as_os_str()))
        ));
        say::out(format_args!("deny     {}", deny_means()));
        let (findings, hooks) = find_out(&mount)?;
        self.print(&findings, &hooks);
        let blind = findings.blind().count();
        Ok(if blind == 0 { 0 } else { errors::BLIND })
    }

    fn print(&self, findings: &Findings, hooks: &[PathHook]) {
        say::out(format_args!("\n{:<16} {:<8} {:<51} NOT SEEN", "KIND", "STATE", "HOOKS"));
        for kind in Kind::ALL {
            let source = source(kind, hooks);
            let state = findings.of(kind).map_or("untried", Sight::name);
            say::out(format_args!("{:<16} {:<8} {:<51} {}", kind.name(), state, source.hooks, source.blind_to));
        }
        path_hooks(hooks);
        if self.verbose {
            say::out(format_args!("\n{:<24} {:<16} STATE", "OPERATION", "KIND"));
            for (act, sight) in &findings.sights {
                say::out(format_args!("{:<24} {:<16} {}", act.shown(), act.kind.name(), sight.name()));
            }
        }
        for act in findings.blind() {
            say::err(format_args!("blind: {} was done and no probe reported it", act.shown()));
        }
    }
}

/// Which of the kernel's own path hooks are in use, and why the others are not: once, where it is one reason for all.
fn path_hooks(hooks: &[PathHook]) {
    say::out("");
    if let Some(PathHook { state: PathHookState::NotAvailable(why), .. }) = hooks.first()
        && hooks.iter().all(|hook| hook.state == hooks[0].state)
    {
        return say::out(format_args!("path hooks (fentry security_path_*): not available: {}", why.escape_debug()));
    }
    say::out(format_args!("{:<24} STATE", "PATH HOOK"));
    for hook in hooks {
        match &hook.state {
            PathHookState::InUse => say::out(format_args!("{:<24} in use", hook.function)),
            PathHookState::NotAvailable(why) => say::out(format_args!("{:<24} not available: {}", hook.function, why.escape_debug())),
        }
    }
}

/// What the probes report here, by a flight of the canary.
pub(super) fn find_out(mount: &Mount) -> Result<(Findings, Vec<PathHook>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(look(mount))
}

/// One flight with a monitor of its own.
async fn look(mount: &Mount) -> Result<(Findings, Vec<PathHook>)> {
    let health = Arc::new(Health::default());
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))?);
    let rules = gather(false, &[]).rules;
    let sensor = SensorConfig { ring_bytes: Kernel::default().ring_bytes, messages: super::wants_probe_messages(), path_hooks: true };
    let monitor = Monitor::start(Settings {
        sensor,
        rules,
        mode: Mode::Observe,
        log: None,
        record: None,
        screen: None,
        summary: false,
        metrics,
        health,
    })?;
    let findings = canary::run(&monitor, mount).await;
    let hooks = monitor.path_hooks().to_vec();
    monitor.stop("doctor")?;
    Ok((findings?, hooks))
}

/// What this build could refuse before the effect here.
fn deny_means() -> String {
    let list = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let lsm = if list.trim().split(',').any(|name| name == "bpf") { "bpf is in the LSM list" } else { "bpf is not in the LSM list" };
    format!("nothing is refused before its effect: this version freezes and kills after it ({lsm})")
}
