//! The recordings beside the pack's rules.

use crate::recording::beside;
use crate::rules::load::gather;
use std::path::Path;

#[test]
fn every_recording_beside_the_pack_comes_out_as_it_must() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let tested = beside::run(&gather(false, &[rules]).rules).unwrap();
    let failures: Vec<&String> = tested.iter().flat_map(|tested| &tested.failures).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(tested.iter().filter(|tested| tested.fires > 0 && tested.near > 0).count() >= 5);
}

#[test]
fn a_recording_that_is_of_no_rule_or_comes_out_wrong_is_a_failure() {
    let place = tempfile::tempdir().unwrap();
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let copy = |from: &str, to: &str| std::fs::copy(pack.join(from), place.path().join(to)).unwrap();
    std::fs::create_dir(place.path().join("tests")).unwrap();
    copy("permission-setuid.yml", "permission-setuid.yml");
    copy("tests/permission-setuid.fires.jsonl", "tests/permission-setuid.near.jsonl");
    copy("tests/permission-setuid.near.jsonl", "tests/permission-setuid.fires.jsonl");
    let run = || beside::run(&gather(false, &[place.path().to_owned()]).rules);
    let failures = run().unwrap().remove(0).failures;
    assert!(failures.len() == 2 && failures[0].ends_with("fires.jsonl: does not match"), "{failures:?}");
    assert!(failures[1].contains("near.jsonl:") && failures[1].ends_with(": matches, and must not"), "{failures:?}");
    copy("tests/bulk-delete.fires.jsonl", "tests/bulk-delet.fires.jsonl");
    assert!(run().unwrap_err().to_string().contains("no rules called bulk-delet.yml"));
}
