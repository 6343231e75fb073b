//! The exact line of every kind. A change here is a change of the log's format.

use super::sample::{Sample, breaker, call, every_kind, format, open, path, rule, sample, text};
use crate::agents::State;
use crate::event::{Detail, FileId, Identity, Kind, Outcome, Path, PathTrust, Target, Uring, flags};
use crate::log::{FindingView, Lifecycle, Loss, ProcessRef, StateView};
use agentmon_common::syscalls::{SHAPES, place};

/// Common parts of the lines, as `$NAME` in the expectations.
const COMMON: &[(&str, &str)] = &[
    ("$PRODUCT", r#""product":{"name":"agentmon"}},"device":{"hostname":"node-17","type_id":1}"#),
    ("$AGENT", r#""ai_agent":{"uid":"claude-code","instance_uid":"7f3a9c1e","type_id":1}"#),
    ("$META", r#""metadata":{"version":"1.9.0","uid":"0f3c9d6e4b1a-5f2c-1","sequence":1"#),
    ("$CURL", r#""actor":{"process":{"pid":4712,"uid":"1268.5f2c9f31.1","path":"/usr/bin/curl"}}"#),
    ("$SELF", r#""pid":4712,"uid":"1268.5f2c9f31.1""#),
    ("$BASH", r#""pid":4711,"uid":"1267.5f2c91a0.2""#),
    ("$FILE", r#""file":{"name":"curl","path":"/usr/bin/curl","type_id":8,"uid":"8:1:131073"}"#),
    ("$NS", r#""ns":1795166558577123456"#),
    ("$TIME", r#""time":1795166558577"#),
];

fn same(got: &[u8], expected: &str) {
    let expected = COMMON.iter().fold(expected.to_owned(), |text, (name, value)| text.replace(name, value));
    assert_eq!(std::str::from_utf8(got).unwrap(), expected + "\n");
}

#[test]
fn one_line_of_each_kind() {
    let expected = [
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":1,"type_uid":100701,"severity_id":1,"status_id":1,$META,"event_code":"execve","profiles":["host","ai_operation","linux/linux_users"],$PRODUCT,$AGENT,"launch_type_id":3,"actor":{"process":{$BASH,"path":"/usr/bin/bash"},"user":{"uid":"1001"}},"process":{$SELF,"name":"curl","cmd_line":"curl -s https://example.com/i.sh","working_directory":"/work/repo","euid":1001,$FILE,"parent_process":{$BASH},"user":{"uid":"1001"}},"unmapped":{$NS,"cgroup_id":41233,"argc":3}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":1,"type_uid":100701,"severity_id":1,"status_id":1,$META,"event_code":"fork","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"launch_type_id":2,$CURL,"process":{"pid":4713,"uid":"1269.5f2ca001.0","parent_process":{$SELF}},"unmapped":{$NS,"cgroup_id":41233}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":2,"type_uid":100702,"severity_id":1,"status_id":1,$META,"event_code":"exit","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"exit_code":0,$CURL,"process":{$SELF},"unmapped":{$NS}}"#,
        r#"{$TIME,"class_uid":1001,"category_uid":1,"activity_id":14,"type_uid":100114,"severity_id":1,"status_id":1,$META,"event_code":"openat","profiles":["host","ai_operation"],$PRODUCT,$AGENT,$CURL,"file":{"name":"credentials","path":"/home/agent/.aws/credentials","type_id":1,"uid":"8:1:77"},"access_mask":0,"unmapped":{$NS,"open_flags":"O_RDONLY|O_CLOEXEC"}}"#,
        r#"{$TIME,"class_uid":4001,"category_uid":4,"activity_id":1,"type_uid":400101,"severity_id":1,"status_id":1,$META,"event_code":"connect","profiles":["host","ai_operation"],$PRODUCT,$AGENT,$CURL,"src_endpoint":{"ip":"10.0.3.17","port":51514},"dst_endpoint":{"ip":"93.184.215.14","port":443},"connection_info":{"direction_id":2,"protocol_num":6,"protocol_name":"tcp"},"unmapped":{$NS,"peer":"inet","family":2,"sock_type":1,"fd":5}}"#,
        r#"{$TIME,"class_uid":1001,"category_uid":1,"activity_id":4,"type_uid":100104,"severity_id":1,"status_id":1,$META,"event_code":"unlinkat","profiles":["host","ai_operation"],$PRODUCT,$AGENT,$CURL,"file":{"name":"main.rs","path":"/work/repo/src/main.rs","type_id":0},"unmapped":{$NS,"asked":"src/main.rs","path_trust":"joined"}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":5,"type_uid":100705,"severity_id":1,"status_id":1,$META,"event_code":"setuid","profiles":["host","ai_operation","linux/linux_users"],$PRODUCT,$AGENT,$CURL,"process":{$SELF,"euid":1001,"egid":1001,"user":{"uid":"1001"}},"unmapped":{$NS,"args":[0],"uids":[1001,1001,1001,1001],"gids":[1001,1001,1001,1001],"cap_effective":"0","cap_permitted":"0"}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":99,"activity_name":"Cgroup Leave","type_uid":100799,"severity_id":1,"status_id":1,$META,"event_code":"cgroup_leave","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"actor":{"process":{"pid":4711}},"process":{$SELF,"path":"/usr/bin/curl"},"unmapped":{$NS,"cgroup_id":7,"cgroup":"/elsewhere","born":false}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":99,"activity_name":"Cgroup Join","type_uid":100799,"severity_id":1,"status_id":1,$META,"event_code":"cgroup_join","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"actor":{"process":{"pid":4711}},"process":{$SELF,"path":"/usr/bin/curl"},"unmapped":{$NS,"cgroup_id":7,"cgroup":"/elsewhere","born":false}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":99,"activity_name":"Process Seen","type_uid":100799,"severity_id":1,"status_id":1,$META,"event_code":"process_seen","profiles":["host","ai_operation","linux/linux_users"],$PRODUCT,$AGENT,"actor":{"app_name":"agentmon"},"process":{$SELF,"name":"curl","working_directory":"/work/repo","euid":1001,$FILE,"parent_process":{$BASH},"user":{"uid":"1001"}},"unmapped":{$NS,"cgroup_id":41233}}"#,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":2,"type_uid":100702,"severity_id":1,"status_id":1,$META,"event_code":"kill","profiles":["host","ai_operation"],$PRODUCT,$AGENT,$CURL,"process":{"pid":812,"name":"postgres"},"unmapped":{$NS,"signal":"SIGTERM","code":"SI_USER","result":"delivered","other_start_ns":65537,"target_in_agent":false}}"#,
    ];
    let own: Vec<Sample> = every_kind().into_iter().filter(|sample| !is_call(sample)).collect();
    assert_eq!(expected.len(), own.len());
    for (sample, expected) in own.iter().zip(expected) {
        let mut out = Vec::new();
        format().operation(&sample.operation(), &[], &mut out);
        same(&out, expected);
    }
}

#[test]
fn a_request_to_a_ring_says_that_its_outcome_is_unknown() {
    let path = |bytes: &[u8]| Path { trust: PathTrust::Joined, ..path(bytes) };
    let target = Target { path: path(b"/work/repo/x"), asked: text(b"x"), at_enter: None };
    let uring = Uring {
        opcode: 36,
        args: [0x200, 0, 0],
        fd: -100,
        file: FileId::default(),
        target,
        second: None,
        text: None,
        peer: None,
        from_kernel: true,
    };
    let mut sample = sample("io_uring_unlinkat", Detail::Uring(uring));
    sample.event.flags = flags::SUBMITTED;
    let mut out = Vec::new();
    format().operation(&sample.operation(), &[], &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":1001,"category_uid":1,"activity_id":4,"type_uid":100104,"severity_id":1,"status_id":0,$META,"event_code":"io_uring_unlinkat","profiles":["host","ai_operation"],$PRODUCT,$AGENT,$CURL,"file":{"name":"x","path":"/work/repo/x","type_id":0},"unmapped":{$NS,"opcode":36,"asked":"x","path_trust":"joined","args":{"flags":"0x200"},"flags":["submitted"]}}"#,
    );
}

#[test]
fn a_request_without_a_path_has_no_trust_in_one() {
    let path = Path { trust: PathTrust::Partial, ..path(b"") };
    let uring = Uring {
        opcode: 57,
        args: [16, 0, 0],
        fd: 5,
        file: FileId::default(),
        target: Target { path, at_enter: Some(text(b"")), ..Target::default() },
        second: None,
        text: None,
        peer: None,
        from_kernel: true,
    };
    let mut out = Vec::new();
    format().operation(&sample("io_uring_listen", Detail::Uring(uring)).operation(), &[], &mut out);
    let line = String::from_utf8(out).unwrap();
    assert!(line.contains("\"event_code\":\"io_uring_listen\"") && !line.contains("path_trust"), "{line}");
}

/// Calls that are told by their arguments, and what is done with sockets but connect; `AGENTMON_BLESS=1` writes the file anew.
#[test]
fn one_line_of_each_kind_of_call() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/log/tests/calls.jsonl");
    let mut out = Vec::new();
    for sample in every_kind().iter().filter(|sample| is_call(sample)) {
        format().operation(&sample.operation(), &[], &mut out);
    }
    if std::env::var_os("AGENTMON_BLESS").is_some() {
        std::fs::write(file, &out).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), std::fs::read_to_string(file).unwrap(), "AGENTMON_BLESS=1 writes the file anew");
}

#[test]
fn the_line_of_every_call_has_the_paths_it_acts_on() {
    for (op, shape) in SHAPES.iter().enumerate().filter(|(_, shape)| shape.kind != 0) {
        let sample = call(op);
        let mut out = Vec::new();
        format().operation(&sample.operation(), &[], &mut out);
        let line = String::from_utf8(out).unwrap();
        for (place, path) in [(shape.first, "/work/repo/src/main.rs"), (shape.second, "/work/repo/src/lib.rs")] {
            let has_path = place.what != place::NONE;
            assert_eq!(line.contains(&format!("\"{path}\"")), has_path, "{path} in {line}");
        }
    }
}

fn is_call(sample: &Sample) -> bool {
    matches!(sample.event.detail, Detail::Call(_)) || sample.event.kind() >= Kind::CgroupState
}

#[test]
fn a_refused_change_of_identity_and_a_matched_open() {
    let identity = Identity { args: [0, 0, 0], uids: [1001; 4], gids: [1001; 4], cap_effective: 0x2f, cap_permitted: 0 };
    let mut refused = sample("setresuid", Detail::Identity(identity));
    refused.event.outcome = Outcome(-1);
    let mut out = Vec::new();
    format().operation(&refused.operation(), &[], &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":1007,"category_uid":1,"activity_id":5,"type_uid":100705,"severity_id":1,"status_id":2,"status_code":"EPERM",$META,"event_code":"setresuid","profiles":["host","ai_operation","linux/linux_users"],$PRODUCT,$AGENT,$CURL,"process":{$SELF,"euid":1001,"egid":1001,"user":{"uid":"1001"}},"unmapped":{$NS,"args":[0,0,0],"uids":[1001,1001,1001,1001],"gids":[1001,1001,1001,1001],"cap_effective":"2f","cap_permitted":"0"}}"#,
    );

    let tags = ["attack.t1552.001".to_owned(), "pg.8g.credentials".to_owned()];
    let matched = sample("openat", open(b"/home/agent/.aws/credentials", 0));
    out.clear();
    format().operation(&matched.operation(), &[rule(&tags, 3, "log"), rule(&tags, 4, "alert")], &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":1001,"category_uid":1,"activity_id":14,"type_uid":100114,"severity_id":4,"status_id":1,"action_id":3,"disposition_id":19,"is_alert":true,"policy":{"uid":"cred-file-read","name":"Credential file read by an agent"},"attacks":[{"technique":{"uid":"T1552.001"}}],$META,"event_code":"openat","profiles":["host","ai_operation","security_control"],$PRODUCT,$AGENT,$CURL,"file":{"name":"credentials","path":"/home/agent/.aws/credentials","type_id":1,"uid":"8:1:77"},"access_mask":0,"unmapped":{$NS,"open_flags":"O_RDONLY","action":"alert","class":"credentials","match_count":2,"other_matches":[{"uid":"cred-file-read","name":"Credential file read by an agent","severity_id":3,"action":"log","class":"credentials"}]}}"#,
    );
}

#[test]
fn the_monitors_own_records() {
    let agent = &every_kind()[0].agent;
    let mut out = Vec::new();
    let losses = [Loss { stage: "kernel_ringbuf", kind: Some(Kind::Open), count: 7 }, Loss { stage: "user_queue", kind: None, count: 2 }];
    format().gap(558_577_123_456, &losses, &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":1008,"category_uid":1,"activity_id":99,"activity_name":"Gap","type_uid":100899,"severity_id":3,"status_id":1,$META,"event_code":"gap","profiles":["host"],$PRODUCT,"actor":{"app_name":"agentmon"},"log_name":"events","unmapped":{$NS,"lost":9,"losses":[{"stage":"kernel_ringbuf","kind":"open","count":7},{"stage":"user_queue","count":2}]}}"#,
    );

    out.clear();
    format().breaker(&breaker(agent), &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":7003,"category_uid":7,"activity_id":1,"type_uid":700301,"severity_id":4,"status_id":1,$META,"event_code":"breaker.freeze","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"command_uid":"c-31","message":"Credential read then connect","countermeasures":[{"d3f_technique":{"uid":"D3-PS"}}],"actor":{"app_name":"agentmon","app_uid":"rule:cred-exfil"},"process":{$SELF},"unmapped":{$NS,"cgroup":"/agents.slice/claude-7f3a.scope","latency_ms":3.105,"tasks":14,"verified":true}}"#,
    );

    out.clear();
    let (state, before) = (State::Running, State::Frozen);
    format().state(&StateView { timestamp_ns: 558_577_123_456, agent, state, before, cgroup: "/agents.slice/claude-7f3a.scope" }, &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":6002,"category_uid":6,"activity_id":99,"activity_name":"Thaw","type_uid":600299,"severity_id":3,"status_id":1,$META,"event_code":"agent.state","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"app":{"name":"claude-code"},"unmapped":{$NS,"state":"running","state_before":"frozen","cgroup":"/agents.slice/claude-7f3a.scope"}}"#,
    );

    out.clear();
    format().lifecycle(558_577_123_456, &Lifecycle::Start { rules_digest: "sha256:ab", rules: 12 }, &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":6002,"category_uid":6,"activity_id":3,"type_uid":600203,"severity_id":1,"status_id":1,$META,"event_code":"monitor.start","profiles":["host"],$PRODUCT,"app":{"name":"agentmon","version":"0.1.0"},"unmapped":{$NS,"rules_digest":"sha256:ab","rules":12}}"#,
    );

    out.clear();
    format().forgotten(558_577_123_456, agent, 17, &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":6002,"category_uid":6,"activity_id":99,"activity_name":"Forget","type_uid":600299,"severity_id":3,"status_id":1,$META,"event_code":"agent.forgotten","profiles":["host","ai_operation"],$PRODUCT,$AGENT,"app":{"name":"claude-code"},"unmapped":{$NS,"processes":17}}"#,
    );

    out.clear();
    let unwatched = Lifecycle::Unwatched { name: "claude", cgroup: "/a.slice/\"x", error: "map AM_CGROUPS: full" };
    format().lifecycle(558_577_123_456, &unwatched, &mut out);
    same(
        &out,
        r#"{$TIME,"class_uid":6002,"category_uid":6,"activity_id":99,"activity_name":"Unwatched","type_uid":600299,"severity_id":4,"status_id":2,$META,"event_code":"monitor.unwatched","profiles":["host"],$PRODUCT,"app":{"name":"agentmon","version":"0.1.0"},"message":"map AM_CGROUPS: full","unmapped":{$NS,"name":"claude","cgroup":"/a.slice/\"x"}}"#,
    );

    out.clear();
    let tags = ["attack.t1041".to_owned()];
    let process = Some(ProcessRef { key: every_kind()[0].process.key, execs: 1 });
    let finding = FindingView {
        timestamp_ns: 558_577_123_456,
        agent,
        rule: rule(&tags, 4, "freeze"),
        message: "claude-code read a credential file and then connected to a new host",
        process,
        related: &[26, 30],
    };
    assert_eq!(format().finding(&finding, &mut out), 1);
    same(
        &out,
        r#"{$TIME,"class_uid":2004,"category_uid":2,"activity_id":1,"type_uid":200401,"severity_id":4,"status_id":1,"action_id":3,"disposition_id":4,"is_alert":true,"message":"claude-code read a credential file and then connected to a new host",$META,"event_code":"finding","profiles":["host","ai_operation","security_control"],$PRODUCT,$AGENT,"finding_info":{"uid":"0f3c9d6e4b1a-5f2c-1","title":"Credential file read by an agent","analytic":{"type_id":1,"uid":"cred-file-read"},"attacks":[{"technique":{"uid":"T1041"}}],"related_events":[{"uid":"0f3c9d6e4b1a-5f2c-1a"},{"uid":"0f3c9d6e4b1a-5f2c-1e"}],"related_events_count":2},"evidences":[{"process":{$SELF}}],"unmapped":{$NS,"action":"freeze","class":"credentials"}}"#,
    );
}
