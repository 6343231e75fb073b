//! DNS from the packet to the log: questions, answers, and the names of later connections.

use agentmon_tests::e2e::session::Session;
use serde_json::json;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

#[test]
fn a_connection_to_an_address_that_was_looked_up_has_its_name() {
    let place = tempfile::tempdir().expect("a directory");
    let rule = place.path().join("by-name.yml");
    let text = "title: By name\nid: 33333333-3333-4333-8333-333333333333\nlogsource: {product: linux, category: network_connection}\n\
                detection:\n    selection: {DestinationHostname: files.example}\n    condition: selection\nlevel: high\n\
                agentmon: {action: log, outcome: any}\n";
    std::fs::write(&rule, text).expect("a rule file");
    let options = ["--name", "e2e-dns", "--no-builtin-rules", "--rules", rule.to_str().expect("a path")];
    let ended = Session::start(&options, &[STIMULUS, "dns-lookup"]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let events = ended.events();
    let asked = events.one(&[("/type_uid", json!(400_301)), ("/metadata/event_code", json!("dns_egress"))]);
    assert_eq!((&asked["query"]["hostname"], &asked["query"]["type"]), (&json!("files.example"), &json!("A")));
    assert_eq!((&asked["dst_endpoint"]["port"], &asked["actor"]["process"]["path"]), (&json!(53), &json!(STIMULUS)));
    let answered = events.one(&[("/type_uid", json!(400_302)), ("/metadata/event_code", json!("dns_ingress"))]);
    assert_eq!((&answered["answers"][0]["rdata"], &answered["rcode"]), (&json!("127.0.0.99"), &json!("NOERROR")));
    let connected = events.one(&[("/metadata/event_code", json!("connect")), ("/dst_endpoint/ip", json!("127.0.0.99"))]);
    assert_eq!(connected["dst_endpoint"]["hostname"], "files.example");
    assert_eq!(connected["policy"]["name"], "By name", "a rule can ask for it: {connected}");
    // What is to the resolver itself has none.
    let sent = events.one(&[("/metadata/event_code", json!("sendto")), ("/dst_endpoint/port", json!(53))]);
    assert!(sent["dst_endpoint"].get("hostname").is_none(), "{sent}");
}
