//! Tests that cannot run here: said aloud, and an error where nobody expected it.

/// Skips that are known: kernel release prefix (empty: any), test, reason prefix.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("", "a_move_in_a_v1_hierarchy_confuses_nobody", "no cgroup v1 hierarchy"),
    ("", "connections_are_reported_with_peer_and_local_address", "no IPv6 loopback address"),
];

/// Says that a test, or a part of it, is skipped: `skipped: NAME: reason`.
///
/// # Panics
/// With `AGENTMON_REQUIRE` in the environment, when the table of expected skips does not have it.
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if std::env::var_os("AGENTMON_REQUIRE").is_none() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let expected = EXPECTED.iter().any(|(kernel, name, why)| release.starts_with(kernel) && *name == test && reason.starts_with(why));
    assert!(expected, "{test} was skipped, and no skip is declared for kernel {}: {reason}", release.trim());
}
