//! Tests that cannot run here: said aloud, and an error where nobody expected it.

/// Skips that are known: kernel release prefix (empty: any), test, reason prefix.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("", "a_move_in_a_v1_hierarchy_confuses_nobody", "no cgroup v1 hierarchy"),
    // A kernel that refuses fentry.
    ("6.18", "what_a_link_leads_to_is_resolved_and_flagged", "path hooks"),
    ("6.18", "every_call_that_changes_a_path_is_told_with_what_the_kernel_resolved", "path hooks"),
    ("6.18", "a_file_below_a_bind_mount_is_resolved_to_device_and_inode", "path hooks"),
    ("6.18", "the_32_bit_entry_is_told_with_what_the_kernel_resolved", "path hooks"),
    ("6.18", "what_a_ring_does_is_told_with_what_the_kernel_resolved", "path hooks"),
    ("6.18", "a_request_to_a_ring_that_is_resolved_apart_says_so", "path hooks"),
    ("6.18", "a_removal_whose_path_changes_during_its_call_is_resolved", "path hooks"),
    ("6.18", "a_removal_whose_directory_changes_during_its_call_is_resolved", "path hooks"),
    ("6.18", "what_the_kernel_resolved_of_a_kind_that_is_switched_off_makes_no_record", "path hooks"),
    ("6.18", "the_log_has_what_the_kernel_resolved_and_what_was_asked_for", "path hooks"),
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
