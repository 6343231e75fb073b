//! From what was typed to what it means: limits, and what must fit together. All mistakes are collected.
//!
//! Not for: the kinds of values (`typed`).

use super::diagnostic::{ConfigError, Diagnostic, Source};
use super::size::{Bytes, shown};
use super::{AgentPattern, Config, Kernel, Log, Metrics, Mode, OnRuleError, Response, Rules, Terms, typed};
use crate::agents::resolve::{Pattern, Resolver};
use crate::agents::session::check_name;
use crate::event::Kinds;
use crate::rules::{Action, Policy};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

const LOG_FILE_BYTES: (u64, u64) = (1 << 20, 16 << 30);
/// A flight takes about a tenth of a second and starts two processes.
const CANARY_SECONDS: (u32, u32) = (10, 86_400);
/// libbpf and aya take any power of two of at least a page; below 256 KiB a single burst of exec records overflows it.
const RING_BYTES: (u64, u64) = (256 << 10, 1 << 30);

/// Collects mistakes and goes on with the default.
pub(super) struct Check<'a> {
    source: &'a Source<'a>,
    found: Vec<Diagnostic>,
}

pub(super) fn validate(typed: typed::File, source: &Source<'_>) -> Result<Config, ConfigError> {
    let mut check = Check { source, found: Vec::new() };
    let config = Config {
        log: check.log(&typed.log),
        metrics: check.metrics(&typed.metrics),
        rules: check.rules(&typed.rules),
        kernel: check.kernel(&typed.kernel),
        response: Response {
            mode: match typed.response.mode {
                typed::Mode::Enforce => Mode::Enforce,
                typed::Mode::Observe => Mode::Observe,
            },
        },
        agents: typed.agent.iter().filter_map(|agent| check.agent(agent)).collect(),
    };
    if check.found.is_empty() { Ok(config) } else { Err(ConfigError::invalid(check.found)) }
}

impl Check<'_> {
    pub(super) fn wrong<T>(&mut self, at: &Spanned<T>, key: &str, what: &str, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.found.push(self.source.at(&at.span(), format!("`{key}`: {what}"), hint));
    }

    fn log(&mut self, typed: &typed::Log) -> Log {
        let default = Log::default();
        let max_bytes = self.size(typed.max_bytes.as_ref(), "log.max_bytes", LOG_FILE_BYTES).unwrap_or(default.max_bytes);
        let max_total_bytes = typed.max_total_bytes.as_ref().map_or(default.max_total_bytes.max(2 * max_bytes), |total| total.get_ref().0);
        if let Some(total) = typed.max_total_bytes.as_ref().filter(|_| max_total_bytes < 2 * max_bytes) {
            let what = format!("{} is less than two files of {}", shown(max_total_bytes), shown(max_bytes));
            self.wrong(total, "log.max_total_bytes", &what, "the file being written is never removed: leave room for another");
        }
        let dir = typed.dir.as_ref().and_then(|dir| self.absolute(dir, "log.dir"));
        Log { dir: dir.unwrap_or(default.dir), max_bytes, max_total_bytes }
    }

    fn metrics(&mut self, typed: &typed::Metrics) -> Metrics {
        let default = Metrics::default();
        let mut listen = default.listen;
        if let Some(text) = &typed.listen {
            match text.get_ref().parse() {
                Ok(address) => listen = address,
                Err(_) => {
                    let what = format!("`{}` is not an address and port", text.get_ref().escape_debug());
                    self.wrong(text, "metrics.listen", &what, "give an IP address: 127.0.0.1:9188, [::1]:9188 or 0.0.0.0:9188");
                }
            }
        }
        Metrics { enabled: typed.enabled.unwrap_or(default.enabled), listen }
    }

    fn rules(&mut self, typed: &typed::Rules) -> Rules {
        let dirs: Vec<PathBuf> = typed.dirs.iter().filter_map(|dir| self.absolute(dir, "rules.dirs")).collect();
        let on_error = match typed.on_error {
            typed::OnError::Refuse => OnRuleError::Refuse,
            typed::OnError::Skip => OnRuleError::Skip,
        };
        let policy = Policy { profile: typed.profile, classes: self.actions(&typed.actions) };
        Rules { dirs, built_in: typed.built_in.unwrap_or(true), on_error, policy }
    }

    /// Whether there are such classes only the rules say, once they are loaded.
    fn actions(&mut self, typed: &BTreeMap<String, Spanned<String>>) -> BTreeMap<String, Action> {
        let mut actions = BTreeMap::new();
        for (class, at) in typed {
            match Action::from_name(at.get_ref()) {
                Some(Action::Confirm | Action::Deny) => {
                    let what = format!("this build cannot `{}` yet", at.get_ref());
                    self.wrong(at, "rules.actions", &what, "log, alert, freeze or kill");
                }
                Some(action) => drop(actions.insert(class.clone(), action)),
                None => {
                    let what = format!("unknown action `{}`", at.get_ref().escape_debug());
                    self.wrong(at, "rules.actions", &what, "log, alert, freeze or kill");
                }
            }
        }
        actions
    }

    fn kernel(&mut self, typed: &typed::Kernel) -> Kernel {
        let default = Kernel::default();
        Kernel {
            ring_bytes: typed.ring_bytes.as_ref().and_then(|at| self.ring_bytes(at)).unwrap_or(default.ring_bytes),
            canary_seconds: typed.canary_seconds.as_ref().and_then(|at| self.canary_seconds(at)).unwrap_or(default.canary_seconds),
        }
    }

    fn ring_bytes(&mut self, at: &Spanned<Bytes>) -> Option<u32> {
        let bytes = self.size(Some(at), "kernel.ring_bytes", RING_BYTES)?;
        if !bytes.is_power_of_two() {
            let (above, below) = (bytes.next_power_of_two(), bytes.next_power_of_two() / 2);
            let what = format!("{} is not a power of two", shown(bytes));
            self.wrong(at, "kernel.ring_bytes", &what, &format!("take {} or {}", shown(below), shown(above)));
            return None;
        }
        u32::try_from(bytes).ok()
    }

    fn canary_seconds(&mut self, at: &Spanned<u32>) -> Option<u32> {
        let (seconds, (least, most)) = (*at.get_ref(), CANARY_SECONDS);
        if seconds != 0 && !(least..=most).contains(&seconds) {
            let what = format!("{seconds} is not between {least} and {most}");
            self.wrong(at, "kernel.canary_seconds", &what, "0 keeps the canary from flying");
            return None;
        }
        Some(seconds)
    }

    fn agent(&mut self, typed: &typed::Agent) -> Option<AgentPattern> {
        let name = &typed.name;
        if let Err(error) = check_name(name.get_ref()) {
            self.wrong(name, "agent.name", &error.to_string(), "");
        }
        let (at, key, pattern) = match (&typed.cgroup, &typed.unit) {
            (Some(path), None) => (path, "agent.cgroup", Pattern::Path(path.get_ref().clone())),
            (None, Some(unit)) => (unit, "agent.unit", Pattern::Unit(unit.get_ref().clone())),
            (None, None) | (Some(_), Some(_)) => {
                let hint = "cgroup = \"/user.slice/**/claude*.scope\" or unit = \"claude.service\"";
                self.wrong(name, "agent.name", "an agent needs one of `cgroup` and `unit`, and not both", hint);
                return None;
            }
        };
        if let Err(error) = Resolver::new([&pattern]) {
            let hint = "paths begin below the cgroup2 mount, as in /proc/PID/cgroup; * stays within a level, ** does not";
            self.wrong(at, key, &error.to_string(), if key == "agent.cgroup" { hint } else { "" });
        }
        let without = self.without(&typed.without);
        Some(AgentPattern { name: name.get_ref().clone(), pattern, terms: Terms { without, allowed: Arc::new(self.allow_list(typed)) } })
    }

    fn without(&mut self, typed: &[Spanned<String>]) -> Kinds {
        let mut kinds = Kinds::default();
        for name in typed {
            if let Err(error) = kinds.insert(name.get_ref()) {
                self.wrong(name, "agent.without", &error.to_string(), &error.hint());
            }
        }
        kinds
    }

    fn size(&mut self, at: Option<&Spanned<Bytes>>, key: &str, (least, most): (u64, u64)) -> Option<u64> {
        let at = at?;
        let bytes = at.get_ref().0;
        if (least..=most).contains(&bytes) {
            return Some(bytes);
        }
        let what = format!("{} is out of range", shown(bytes));
        self.wrong(at, key, &what, &format!("from {} to {}", shown(least), shown(most)));
        None
    }

    fn absolute(&mut self, at: &Spanned<String>, key: &str) -> Option<PathBuf> {
        let path = Path::new(at.get_ref());
        if path.is_absolute() {
            return Some(path.to_owned());
        }
        let what = format!("`{}` is not an absolute path", at.get_ref().escape_debug());
        self.wrong(at, key, &what, "a daemon's working directory is not yours: begin with /");
        None
    }
}
