//! The setuid family, setgroups and capset against the real kernel, through both entries.

use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

#[test]
fn a_change_of_identity_is_reported_with_the_credentials_after_it() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["identities"]);
    watch.check(&run, 16 + 8 + 1 + 3 + 2);
}

#[test]
fn a_change_of_identity_through_the_32_bit_entry_is_seen_by_each_of_its_numbers() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["identities-compat"]);
    watch.check(&run, 18);
}
