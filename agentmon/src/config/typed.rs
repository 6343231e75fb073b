//! The configuration as it is typed: keys and their kinds of value, with the places they stand at.
//!
//! Every key is optional here. Not for: what the values mean and whether they make sense (`validate`).

use super::size::Bytes;
use crate::rules::Profile;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) log: Log,
    pub(super) metrics: Metrics,
    pub(super) rules: Rules,
    pub(super) kernel: Kernel,
    pub(super) response: Response,
    pub(super) agent: Vec<Agent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) dir: Option<Spanned<String>>,
    pub(super) max_bytes: Option<Spanned<Bytes>>,
    pub(super) max_total_bytes: Option<Spanned<Bytes>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub(super) enabled: Option<bool>,
    pub(super) listen: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rules {
    pub(super) dirs: Vec<Spanned<String>>,
    pub(super) built_in: Option<bool>,
    pub(super) on_error: OnError,
    pub(super) profile: Profile,
    /// By class.
    pub(super) actions: BTreeMap<String, Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnError {
    #[default]
    Refuse,
    Skip,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Kernel {
    pub(super) ring_bytes: Option<Spanned<Bytes>>,
    pub(super) canary_seconds: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Response {
    pub(super) mode: Mode,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    #[default]
    Enforce,
    Observe,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agent {
    pub(super) name: Spanned<String>,
    pub(super) cgroup: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) without: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) workdir: Vec<Spanned<String>>,
    pub(super) executables: Option<Vec<Spanned<String>>>,
    pub(super) destinations: Option<Vec<Spanned<String>>>,
    pub(super) read: Option<Vec<Spanned<String>>>,
    pub(super) write: Option<Vec<Spanned<String>>>,
    pub(super) ports: Option<Vec<Spanned<String>>>,
}
