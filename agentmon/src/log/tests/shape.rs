//! The shape of every line against a table: what a class requires, what may stand at the top, and the arithmetic.

use super::sample::{asked, breaker, connect, every_kind, format, open, path, program, rule, sample, socket, text};
use crate::event::{Address, Change, Detail, Dns, Exit, Identity, Kind, NetworkChange, Outcome, Socket, Unlink};
use crate::log::{BreakerView, FindingView, Lifecycle, Loss, ProcessRef};
use crate::response::Command;
use serde_json::Value;
use std::collections::BTreeSet;

/// What may stand at the top of any line.
const BASE: &[&str] = &[
    "time",
    "class_uid",
    "category_uid",
    "activity_id",
    "activity_name",
    "type_uid",
    "severity_id",
    "status_id",
    "status_code",
    "count",
    "message",
    "metadata",
    "device",
    "actor",
    "unmapped",
];
/// Attributes that a profile brings, which then has to be declared.
const PROFILES: &[(&str, &[&str])] =
    &[("ai_operation", &["ai_agent"]), ("security_control", &["action_id", "disposition_id", "is_alert", "policy", "attacks"])];
/// Class, what it requires beyond the base (a path into the line), what else it may have at the top.
const CLASSES: &[(u64, &[&str], &[&str])] = &[
    (1001, &["/actor/process/pid", "/file/name", "/file/type_id"], &["file", "file_result", "access_mask"]),
    (1002, &["/actor/process/pid", "/driver/file/name", "/driver/file/type_id"], &["driver"]),
    (1003, &["/actor/process/pid", "/kernel/name", "/kernel/type_id"], &["kernel"]),
    (1007, &["/actor", "/process/pid"], &["process", "launch_type_id", "exit_code"]),
    (1008, &["/log_name"], &["log_name"]),
    (2004, &["/finding_info/uid", "/finding_info/title"], &["finding_info", "evidences"]),
    (4001, &["/dst_endpoint", "/connection_info/direction_id"], &["src_endpoint", "dst_endpoint", "connection_info", "traffic"]),
    (
        4003,
        &["/dst_endpoint", "/connection_info/direction_id"],
        &["src_endpoint", "dst_endpoint", "connection_info", "query", "answers", "rcode", "rcode_id"],
    ),
    (6002, &["/app/name"], &["app"]),
    (7003, &["/command_uid", "/process/uid"], &["command_uid", "process", "countermeasures"]),
];
const REQUIRED: &[&str] = &[
    "/time",
    "/class_uid",
    "/category_uid",
    "/activity_id",
    "/type_uid",
    "/severity_id",
    "/status_id",
    "/metadata/version",
    "/metadata/uid",
    "/metadata/sequence",
    "/metadata/event_code",
    "/metadata/product/name",
    "/device/type_id",
    "/device/hostname",
    "/unmapped/ns",
];

fn check(line: &Value) {
    let number = |at: &str| line.pointer(at).and_then(Value::as_u64).unwrap_or_else(|| panic!("{at} is no number: {line}"));
    for required in REQUIRED {
        assert!(line.pointer(required).is_some(), "{required} is missing: {line}");
    }
    let class = number("/class_uid");
    assert_eq!(number("/category_uid"), class / 1000);
    assert_eq!(number("/type_uid"), class * 100 + number("/activity_id"));
    assert_eq!(number("/activity_id") == 99, line["activity_name"].is_string(), "{line}");
    assert!((1..=5).contains(&number("/severity_id")));
    assert_eq!(number("/time"), number("/unmapped/ns") / 1_000_000);
    let (_, required, allowed) =
        CLASSES.iter().find(|(uid, ..)| *uid == class).unwrap_or_else(|| panic!("class {class} is not in the table"));
    for required in *required {
        assert!(line.pointer(required).is_some(), "{required} is missing: {line}");
    }
    let declared: Vec<&str> = line["metadata"]["profiles"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(declared.contains(&"host"), "device and actor need it");
    for key in line.as_object().unwrap().keys().map(String::as_str) {
        let profile = PROFILES.iter().find(|(_, keys)| keys.contains(&key));
        let known = BASE.contains(&key) || allowed.contains(&key) || profile.is_some_and(|(name, _)| declared.contains(name));
        assert!(known, "{key} may not stand in class {class} with {declared:?}");
    }
    let users = line.pointer("/process/euid").is_some();
    assert_eq!(users, declared.contains(&"linux/linux_users"), "{line}");
}

/// Every kind with every turn it can take.
fn operations() -> Vec<super::sample::Sample> {
    let mut all = every_kind();
    for mut failed in every_kind() {
        failed.event.outcome = Outcome(-13);
        failed.event.tid = 9999;
        failed.event.lost_before = 5;
        failed.event.repeated = 7;
        failed.event.flags = 0x1f;
        failed.parent = None;
        failed.process.image = None;
        all.push(failed);
    }
    all.push(sample("exit", Detail::Exit(Exit { status: 0x8b })));
    all.push(sample("rmdir", Detail::Unlink(Unlink { path: path(b"/"), directory: true, ..Unlink::default() })));
    all.push(sample("unlink", Detail::Unlink(Unlink::default())));
    let identity = Identity { args: [u64::MAX; 3], uids: [0; 4], gids: [0; 4], cap_effective: u64::MAX, cap_permitted: 1 };
    all.push(sample("capset", Detail::Identity(identity)));
    for peer in [
        Address::Inet("[::ffff:1.2.3.4]:80".parse().unwrap()),
        Address::UnixPath(text(b"/run/x")),
        Address::UnixAbstract(text(b"x")),
        Address::Disconnect,
        Address::Other(text(b"\x01\xff")),
        Address::Unknown,
    ] {
        all.push(sample("connect", connect(peer.clone())));
        for kind in [Kind::Bind, Kind::Listen, Kind::Accept, Kind::Socket, Kind::Send] {
            let socket = Socket { local: peer.clone(), at_exit: Some(peer.clone()), ..Socket::new(kind) };
            all.push(sample("sendmsg", Detail::Socket(Socket { peer: peer.clone(), ..socket })));
        }
    }
    all.push(sample("dns_ingress", asked(Some("93.184.215.14"))));
    if let Detail::Dns(dns) = asked(None) {
        all.push(sample("dns_egress", Detail::Dns(Dns { message: None, ..dns })));
    }
    let mut named = sample("connect", connect(Address::Inet("93.184.215.14:443".parse().unwrap())));
    named.hostname = Some(b"example.com");
    all.push(named);
    let change = Change::Option { level: 0, option: 64 };
    all.push(sample("setsockopt", Detail::Netlink(NetworkChange { change, fd: 5 })));
    all
}

#[test]
fn every_line_has_what_its_class_requires_and_nothing_else() {
    let tags = ["attack.t1552.001".to_owned(), "pg.x".to_owned()];
    let (mut format, mut out) = (format(), Vec::new());
    for sample in operations() {
        format.operation(&sample.operation(), &[], &mut out);
        format.operation(&sample.operation(), &[rule(&tags, 4, "alert"), rule(&tags, 5, "kill")], &mut out);
    }
    let agent = &every_kind()[0].agent;
    format.gap(1, &[Loss { stage: "kernel_ringbuf", kind: Some(Kind::Open), count: 3 }], &mut out);
    for (action, error) in [(Command::Freeze, None), (Command::Thaw, None), (Command::Kill, Some("EBUSY"))] {
        format.breaker(&BreakerView { action, error, process: None, ..breaker(agent) }, &mut out);
    }
    format.lifecycle(1, &Lifecycle::Start { rules_digest: "ab", rules: 3 }, &mut out);
    format.lifecycle(1, &Lifecycle::Stop { reason: "SIGTERM" }, &mut out);
    format.lifecycle(1, &Lifecycle::Unwatched { name: "a", cgroup: "/a", error: "full" }, &mut out);
    format.forgotten(1, agent, 2, &mut out);
    format.lifecycle(1, &Lifecycle::Reload { rules_digest: "ab", rules: 3, error: Some("broken") }, &mut out);
    let process = Some(ProcessRef { key: every_kind()[0].process.key, execs: 1 });
    let related = [1, 2];
    format.finding(
        &FindingView { timestamp_ns: 1, agent, rule: rule(&tags, 4, "freeze"), message: "m", process, related: &related },
        &mut out,
    );

    let lines: Vec<Value> = String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(check);
    let seen: BTreeSet<u64> = lines.iter().map(|line| line["class_uid"].as_u64().unwrap()).collect();
    assert_eq!(seen, CLASSES.iter().map(|(class, ..)| *class).collect());
    let numbers: Vec<u64> = lines.iter().map(|line| line["metadata"]["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..format.next_sequence()).collect::<Vec<_>>());
    let uids: BTreeSet<&str> = lines.iter().map(|line| line["metadata"]["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), lines.len(), "every uid is unique");
}

/// Class and activity, status and its code of one operation.
fn class_of(operation: &'static str, detail: Detail, outcome: i64) -> (u64, u64, Option<String>) {
    let mut sample = sample(operation, detail);
    sample.event.outcome = Outcome(outcome);
    let mut out = Vec::new();
    format().operation(&sample.operation(), &[], &mut out);
    let line: Value = serde_json::from_slice(&out).unwrap();
    (line["type_uid"].as_u64().unwrap(), line["status_id"].as_u64().unwrap(), line["status_code"].as_str().map(str::to_owned))
}

#[test]
fn activities_and_outcomes_follow_the_map() {
    let created = || match open(b"/x", 0o101) {
        Detail::Open(open) => Detail::Open(crate::event::Open { created: true, ..open }),
        other => other,
    };
    let inet = || connect(Address::Inet("1.2.3.4:5".parse().unwrap()));
    let code = |name: &str| Some(name.to_owned());
    assert_eq!(class_of("execve", Detail::Exec(program("/x", b"x\0")), -2), (100_701, 2, code("ENOENT")));
    assert_eq!(class_of("openat", open(b"/x", 0), 3), (100_114, 1, None));
    assert_eq!(class_of("openat", open(b"/x", 0o1), 3), (100_103, 1, None));
    assert_eq!(class_of("openat", open(b"/x", 0o1), -13), (100_103, 2, code("EACCES")));
    assert_eq!(class_of("openat", created(), 3), (100_101, 1, None));
    assert_eq!(class_of("connect", inet(), 0), (400_101, 1, None));
    assert_eq!(class_of("connect", inet(), -115), (400_101, 0, code("EINPROGRESS")));
    assert_eq!(class_of("connect", inet(), -111), (400_105, 2, code("ECONNREFUSED")));
    assert_eq!(class_of("connect", inet(), -110), (400_104, 2, code("ETIMEDOUT")));
    assert_eq!(class_of("connect", connect(Address::Disconnect), 0), (400_102, 1, None));
    let other = |kind, outcome| class_of("x", socket(kind).event.detail, outcome);
    assert_eq!(other(Kind::Bind, 0), (400_107, 1, None));
    assert_eq!(other(Kind::Bind, -98), (400_107, 2, code("EADDRINUSE")));
    assert_eq!(other(Kind::Listen, 0), (400_107, 1, None));
    assert_eq!(other(Kind::Accept, 5), (400_101, 1, None));
    assert_eq!(other(Kind::Socket, -1), (400_199, 2, code("EPERM")));
    assert_eq!(other(Kind::Send, 5), (400_106, 1, None));
    assert_eq!(other(Kind::Send, -115), (400_101, 2, code("EINPROGRESS")), "of a datagram it is a failure");
    let opened = Socket { send_flags: 0x2000_0000, ..Socket::new(Kind::Send) };
    assert_eq!(class_of("sendto", Detail::Socket(opened.clone()), 5), (400_101, 1, None));
    assert_eq!(class_of("sendto", Detail::Socket(opened), -115), (400_101, 0, code("EINPROGRESS")));
    let netlink = NetworkChange { change: Change::Option { level: 0, option: 64 }, fd: 5 };
    assert_eq!(class_of("setsockopt", Detail::Netlink(netlink), 0), (100_304, 1, None));
}
