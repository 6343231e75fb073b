//! The rules that come with the program, compiled in.
//!
//! The list is kept by hand because a build script would be the only other way; a test fails when it differs from the
//! folder `rules/`.

use super::loader::{Loaded, Source, load};

macro_rules! pack {
    ($($stem:literal)*) => {
        /// File names and texts, sorted.
        pub(super) const FILES: &[Source<'static>] = &[
            $(Source { name: concat!("rules/", $stem, ".yml"), text: include_str!(concat!("../../../rules/", $stem, ".yml")) },)*
        ];
    };
}

pack! {
    "account-database-write"
    "agent-guardrail-write"
    "arguments-cut"
    "authorized-keys-write"
    "bulk-delete-any-program"
    "bulk-delete"
    "cgroup-control-write"
    "cgroup-escape"
    "container-stop"
    "credential-file-read"
    "credential-tool"
    "delegation-socket"
    "delegation-tool"
    "disk-format"
    "disk-overwrite-tool"
    "disk-overwrite"
    "docker-socket"
    "firewall-change-file"
    "firewall-change-netlink"
    "firewall-change-tool"
    "git-clean"
    "git-credential-helper"
    "git-directory-removed"
    "loop-device-write"
    "metadata-service-connect"
    "monitor-files-removed"
    "monitor-files"
    "monitor-signal"
    "monitor-stop"
    "path-cut"
    "payment-tool"
    "permission-setuid"
    "permission-system-path"
    "permission-world-writable"
    "persistence-write"
    "port-open-file-server"
    "port-open-listen"
    "port-open-listener"
    "port-open-privileged"
    "port-open-tunnel"
    "privilege-gain"
    "privilege-tool"
    "process-kill-all"
    "process-kill-by-name"
    "process-kill-outside"
    "process-memory-read"
    "raw-socket"
    "recursive-delete-root"
    "service-stop"
    "setuid-root-elsewhere"
    "system-settings-tool"
    "system-settings-write"
    "trust-store-write"
    "upload-tool"
}

/// The built-in rules. A test holds that nothing is wrong with them.
#[must_use]
pub fn built_in() -> Loaded {
    load(FILES)
}
