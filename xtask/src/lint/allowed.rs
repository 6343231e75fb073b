//! The exceptions to the checks. Each has a reason; an entry is a file, or a folder when it ends
//! in a slash.

/// A place and why it may.
pub type Allowed = (&'static str, &'static str);

/// Files of the pure stages that may do I/O.
pub const IO_IN_PURE_STAGES: &[Allowed] = &[("agentmon/src/rules/load.rs", "reads the rule files, before any event")];

/// Places in agentmon that may use `unsafe`.
pub const UNSAFE: &[Allowed] = &[
    ("agentmon/src/sensor/pod.rs", "aya's Pod trait for the values of our maps"),
    ("agentmon/src/sensor/proof.rs", "truncate by path, which rustix does not have"),
    ("agentmon/src/agents/launch.rs", "the child between fork and exec: pre_exec, signals, close_range"),
    ("agentmon/src/agents/lifeline.rs", "fork of the guard process"),
    ("agentmon/src/canary/raw.rs", "system calls by number, and the 32-bit entry"),
    ("agentmon/src/canary/uring.rs", "the memory that an io_uring shares with the kernel"),
    ("agentmon/src/response/urgent.rs", "the scheduling class of the thread that writes cgroup.kill"),
];

/// Modules whose types are on a process boundary.
pub const SERDE: &[Allowed] = &[
    ("agentmon/src/log", "log lines"),
    ("agentmon/src/api", "control API"),
    ("agentmon/src/config", "configuration file"),
    ("agentmon/src/allow", "what is expected of an agent, in recordings"),
    ("agentmon/src/event", "events in recordings"),
    ("agentmon/src/recording", "recordings"),
    ("agentmon/src/rules", "rule files"),
];

/// Whether a path is an entry, or below an entry.
pub fn is_allowed(path: &str, table: &[Allowed]) -> bool {
    table.iter().any(|(entry, _)| is_at(path, entry))
}

/// Whether a path is this module: the file `entry.rs`, the folder `entry/`, or the entry itself.
pub fn is_at(path: &str, entry: &str) -> bool {
    match path.strip_prefix(entry) {
        Some(rest) => rest.is_empty() || entry.ends_with('/') || rest == ".rs" || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_at;

    #[test]
    fn a_module_is_its_file_and_its_folder() {
        assert!(is_at("agentmon/src/log.rs", "agentmon/src/log"));
        assert!(is_at("agentmon/src/log/rotate.rs", "agentmon/src/log"));
        assert!(is_at("agentmon/src/rules/load.rs", "agentmon/src/rules/load.rs"));
        assert!(is_at("agentmon/src/sensor/x.rs", "agentmon/src/sensor/"));
        assert!(!is_at("agentmon/src/login.rs", "agentmon/src/log"));
        assert!(!is_at("xtask/src/log.rs", "agentmon/src/log"));
    }
}
