//! Errors as people see them, and the one mapping from errors to exit codes.

use crate::agents::launch::LaunchError;
use crate::cgroup::CgroupError;
use crate::config::ConfigError;
use crate::log::StartError;
use crate::metrics::serve::BindError;
use crate::monitor::MonitorError;
use crate::recording::{self, beside::TestError};
use crate::response::manual::ManualError;
use crate::rules::UnknownClass;
use crate::rules::load::{BadRules, UnreadableRules};
use crate::sensor::SensorError;
use crate::view::say;
use std::fmt::Display;
use std::process::ExitCode;

/// The verb failed.
pub const FAILED: u8 = 1;
/// Wrong usage, configuration or rules.
pub const USAGE: u8 = 2;
/// There is no such agent.
pub const NO_AGENT: u8 = 3;
/// `doctor`: a probe reports nothing.
pub const BLIND: u8 = 4;
/// A recording is cut short, damaged, or none.
pub const DAMAGED: u8 = 5;
/// `replay --against`: the verdicts of the two sets of rules differ.
pub const DIFFERENT: u8 = 6;
/// `run`: agentmon itself failed, not COMMAND.
pub const RUN_FAILED: u8 = 125;

/// Prints the error, its causes and its hint; gives the exit code.
pub fn exit(done: anyhow::Result<u8>, failed: u8) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&error);
            ExitCode::from(code(&error).unwrap_or(failed))
        }
    }
}

/// Each mistake of a configuration with its own hint; any other error as one line.
fn tell(error: &anyhow::Error) {
    let one = |what: &dyn Display, hint: Option<&str>| {
        say::err(format_args!("error: {what}"));
        if let Some(hint) = hint {
            say::err(format_args!("  hint: {hint}"));
        }
    };
    match error.downcast_ref() {
        Some(ConfigError::Invalid { diagnostics }) => diagnostics.iter().for_each(|found| one(found, found.hint.as_deref())),
        _ => one(&chain(error), hint(error).as_deref()),
    }
}

/// One line: the error and its causes, each said once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(MonitorError::Sensor(error)) = cause.downcast_ref() {
            return error.hint().map(str::to_owned);
        }
        let hint = cause.downcast_ref::<SensorError>().and_then(SensorError::hint);
        let hint = hint.or_else(|| cause.downcast_ref::<LaunchError>().and_then(LaunchError::hint));
        let hint = hint.or_else(|| cause.downcast_ref::<CgroupError>().and_then(CgroupError::hint));
        let hint = hint.or_else(|| cause.downcast_ref::<StartError>().map(StartError::hint));
        let hint = hint.or_else(|| cause.downcast_ref::<recording::StartError>().map(recording::StartError::hint));
        let hint = hint.or_else(|| cause.downcast_ref::<BindError>().map(BindError::hint));
        hint.map(str::to_owned).or_else(|| cause.downcast_ref::<ManualError>().and_then(ManualError::hint))
    })
}

fn code(error: &anyhow::Error) -> Option<u8> {
    error.chain().find_map(|cause| {
        if let Some(launch) = cause.downcast_ref::<LaunchError>() {
            // 1 is agentmon's own failure, which `run` tells from COMMAND's status 1.
            return Some(launch.exit_code()).filter(|code| *code != FAILED);
        }
        if cause.is::<ConfigError>() || cause.is::<BadRules>() || cause.is::<UnreadableRules>() || cause.is::<UnknownClass>() {
            return Some(USAGE);
        }
        if cause.is::<recording::ReadError>() {
            return Some(DAMAGED);
        }
        if let Some(TestError::Damaged { .. }) = cause.downcast_ref() {
            return Some(DAMAGED);
        }
        if cause.is::<recording::CutError>() {
            return Some(USAGE);
        }
        matches!(cause.downcast_ref(), Some(ManualError::Unknown { .. })).then_some(NO_AGENT)
    })
}
