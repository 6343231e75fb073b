//! Calls that do many things, matched by what was asked for.

use super::calls::call;
use super::support::{Case, engine, rule};
use crate::rules::Match;

/// Whether a detection of this category holds.
fn holds(category: &str, selection: &str, case: &Case) -> bool {
    let text = rule(category, &format!("s: {{{selection}}}\ncondition: s"));
    let mut matches: Vec<Match> = Vec::new();
    engine(&text).evaluate(&case.operation(), &mut matches);
    !matches.is_empty()
}

#[test]
fn requests_are_matched_by_the_kernels_names() {
    let typed = call("ioctl", &[("request", 0x5412), ("byte", 108)]).on("/dev/pts/3");
    assert!(holds("process_access", "RequestName: TIOCSTI, Request: '0x5412', TargetFilename: /dev/pts/3", &typed));
    assert!(!holds("process_access", "RequestName: PTRACE_ATTACH", &typed));
    let raised = call("ioctl", &[("request", 0x8914), ("fd", 3)]).saying("eth0");
    assert!(holds("netlink", "RequestName: SIOCSIFFLAGS, Name: eth0", &raised));
    let traced = call("ptrace", &[("request", 16), ("target_pid", 7)]);
    assert!(holds("process_access", "RequestName: PTRACE_ATTACH, TargetProcessId: 7", &traced));
    let discarded = call("ioctl", &[("request", 0x1277), ("offset", 0), ("length", 4096)]).on("/dev/sda");
    assert!(holds("file_change", "RequestName: BLKDISCARD, TargetFilename: /dev/sda", &discarded));
    let persona = call("personality", &[("persona", 0x4_0000)]);
    assert!(holds("process_tampering", "RequestName|contains: ADDR_NO_RANDOMIZE, EventKind: process_setting", &persona));
    let dumpable = call("prctl", &[("option", 4), ("value", 0)]);
    assert!(holds("process_tampering", "RequestName: PR_SET_DUMPABLE", &dumpable));
    let memory = call("memfd_create", &[]).saying("payload");
    assert!(holds("file_event", "Name: payload, Syscall: memfd_create", &memory));
}

#[test]
fn times_that_a_file_is_given_are_numbers_or_words() {
    let given = |seconds: i64| call("utimensat", &[("modified", seconds as u64)]).on("/etc/passwd");
    assert!(holds("permission_change", "Modified|lt: 1700000000, TargetFilename: /etc/passwd", &given(1_000_000_000)));
    assert!(!holds("permission_change", "Modified|lt: 1700000000", &given(i64::MIN)));
    assert!(holds("permission_change", "Modified: now", &given(i64::MIN)));
}
