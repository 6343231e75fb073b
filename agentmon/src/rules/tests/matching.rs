//! Modifiers, conditions, routing and counting, through rules as people write them.

use super::support::{
    Case, capability, connect, connect_unix, create, dns, engine, evaluate, exec, exec_as, firewall_option, flow, froze, identity, leave,
    made, matches, moved, netlink, path, read, renamed, resolved_unlink, rule, send, send_unix, tcp, titles, unknown_call, unlink,
    unlink_by_uring, write,
};
use crate::event::{Address, Detail, Kind, Socket, flags};
use crate::rules::{Action, Category, Field};

fn ls() -> Case {
    exec("/usr/bin/ls", "ls -la /home/U/Secret")
}

#[test]
fn every_modifier_does_what_sigma_says() {
    let cases = [
        ("Image: /usr/bin/ls", true),
        ("Image: /usr/bin/LS", true),
        ("Image: ls", false),
        ("Image|cased: /usr/bin/LS", false),
        ("Image|cased: /usr/bin/ls", true),
        ("Image: '*/ls'", true),
        ("Image: '/usr/*/l?'", true),
        ("Image|contains: BIN/l", true),
        ("Image|contains|cased: BIN/l", false),
        ("Image|startswith: /usr/", true),
        ("Image|startswith: usr/", false),
        ("Image|endswith: /ls", true),
        ("Image|endswith: /l", false),
        ("CommandLine|contains|all: [' -la', 'secret']", true),
        ("CommandLine|contains|all: [' -la', 'public']", false),
        ("CommandLine|contains: [' -la', 'public']", true),
        ("CommandLine|re: 'ls\\s+-l[a-z]+\\s'", true),
        ("CommandLine|re: 'secret'", false),
        ("CommandLine|re|i: 'secret'", true),
        ("CommandLine|windash|contains: ' /la'", true),
        ("Argc|gte: 3", true),
        ("Argc|gt: 3", false),
        ("Argc|lt: 4", true),
        ("Argc|lte: 2", false),
        ("Argc: 3", true),
        ("Argc|neq: 3", false),
        ("Argc|neq: 4", true),
        ("ParentImage|neq: /bin/x", false),
        ("Script|exists: false", true),
        ("Script|exists: true", false),
        ("Image|exists: true", true),
        ("Script: null", true),
        ("Image: null", false),
        ("Fileless: 'false'", true),
        ("Fileless: true", false),
        ("User: 1000", true),
        ("AgentName: tester", true),
        ("SessionId: 7f3a9c1e", true),
        ("Comm: worker", true),
        ("Outcome: success", true),
        ("Syscall: execve", true),
        ("CurrentDirectory: /work/repo", true),
    ];
    for (item, expected) in cases {
        let found = matches("process_creation", &format!("selection:\n    {item}\ncondition: selection"), &ls());
        assert_eq!(found, expected, "{item}");
    }
}

#[test]
fn networks_and_addresses() {
    let on =
        |item: &str, peer: &str| matches("network_connection", &format!("selection:\n    {item}\ncondition: selection"), &connect(peer));
    assert!(on("DestinationIp|cidr: 10.0.0.0/8", "10.1.2.3:443"));
    assert!(!on("DestinationIp|cidr: [10.0.0.0/8, 'fe80::/10']", "192.168.0.1:443"));
    assert!(on("DestinationIp|cidr: [10.0.0.0/8, 'fe80::/10']", "[fe80::1]:443"));
    assert!(on("DestinationIp: 1.2.3.4", "[::ffff:1.2.3.4]:80"), "a mapped address is the IPv4 address");
    assert!(on("{DestinationPort: 443, Protocol: tcp, Initiated: 'true'}", "1.2.3.4:443"));
    assert!(on("DestinationHostname: null", "1.2.3.4:443"), "the kernel knows no names");
}

#[test]
fn conditions_combine_detections() {
    let detection = |condition: &str| {
        format!(
            "a:\n    Image|endswith: /ls\nb_one:\n    CommandLine|contains: nothing\nb_two:\n    CommandLine|contains: Secret\ncondition: {condition}"
        )
    };
    let cases = [
        ("a and b_two and not b_one", true),
        ("a and b_one or b_two", true),
        ("a and (b_one or b_two)", true),
        ("not (a and (b_one or b_two))", false),
        ("1 of b_* and a", true),
        ("all of b_* and a", false),
        ("2 of them", true),
        ("3 of them", false),
        ("all of them", false),
        ("1 of them", true),
        ("any of b*", true),
        ("not 1 of b_o* and a and b_two", true),
    ];
    for (condition, expected) in cases {
        let text = rule("process_creation", &detection(condition));
        let mut engine = crate::rules::Engine::new(crate::rules::load(&[crate::rules::Source { name: "t", text: &text }]).rules);
        assert_eq!(!evaluate(&mut engine, &ls()).is_empty(), expected, "{condition}");
    }
}

#[test]
fn a_list_of_mappings_is_one_or_the_other() {
    let detection = "s:\n    - Image|endswith: /nothing\n    - Image|endswith: /ls\n      CommandLine|contains: secret\ncondition: s";
    assert!(matches("process_creation", detection, &ls()));
    assert!(!matches("process_creation", detection, &exec("/usr/bin/ls", "ls")));
}

#[test]
fn several_conditions_are_alternatives() {
    let detection = "a:\n    Image|endswith: /x\nb:\n    Image|endswith: /ls\ncondition:\n    - a\n    - b";
    assert!(matches("process_creation", detection, &ls()));
}

/// The categories in which a rule that any event of them passes sees the operation.
fn seen_as(case: &Case, outcome: &str) -> Vec<Category> {
    let sees = |category: &Category| {
        let text = rule(category.name(), "s:\n    ProcessId|exists: true\ncondition: s") + &format!("agentmon: {{outcome: {outcome}}}\n");
        !evaluate(&mut engine(&text), case).is_empty()
    };
    Category::OF_OPERATIONS.iter().copied().filter(sees).collect()
}

#[test]
fn events_go_to_their_categories_only() {
    use Category::{
        CgroupChange, FileAccess, FileChange, FileDelete, FileEvent, Netlink, NetworkBind, NetworkConnection, PrivilegeChange,
        ProcessCreation, ProcessTampering, SocketCreate, UnixConnect, UnknownSyscall,
    };
    let seen = |case: &Case| seen_as(case, "success");
    assert_eq!(seen(&ls()), [ProcessCreation]);
    assert_eq!(seen(&read("/x")), [FileAccess]);
    assert_eq!(seen(&write("/x")), [FileAccess, FileChange]);
    assert_eq!(seen(&create("/x")), [FileEvent, FileAccess]);
    assert_eq!(seen(&unlink("/x")), [FileDelete]);
    assert_eq!(seen(&connect("1.2.3.4:5")), [NetworkConnection]);
    assert_eq!(seen(&connect_unix("/run/x")), [UnixConnect]);
    assert_eq!(seen(&send("1.2.3.4:5")), [NetworkConnection], "a send to a destination is a connection");
    assert_eq!(seen(&send_unix("/run/x")), [UnixConnect]);
    assert_eq!(seen(&tcp(Kind::Accept, "1.2.3.4:5")), [NetworkConnection]);
    assert_eq!(seen(&tcp(Kind::Bind, "1.2.3.4:5")), [NetworkBind]);
    assert_eq!(seen(&tcp(Kind::Listen, "1.2.3.4:5")), [NetworkBind]);
    assert_eq!(seen(&made(17, 3, 768)), [SocketCreate]);
    assert_eq!(seen(&netlink(0, 24)), [Netlink]);
    assert_eq!(seen(&identity(0, 0)), [PrivilegeChange]);
    assert_eq!(seen(&leave()), [CgroupChange]);
    assert_eq!(seen(&froze(true)), [CgroupChange]);
    assert_eq!(seen(&froze(false)), [], "what others do is not the agent's doing");
    assert_eq!((seen(&renamed()), seen(&moved(b"x\0"))), (vec![ProcessTampering], vec![ProcessTampering]));
    assert_eq!((seen(&unknown_call(470)), seen_as(&unknown_call(470), "any")), (vec![], vec![UnknownSyscall]));
    let mut disconnect = connect("1.2.3.4:5");
    disconnect.event.detail = Detail::Socket(Socket { peer: Address::Disconnect, ..Socket::new(Kind::Connect) });
    assert_eq!(seen(&disconnect), []);
    let mut before = ls();
    let Detail::Exec(exec) = before.event.detail.clone() else { unreachable!() };
    before.event.detail = Detail::ProcessSeen(exec);
    assert_eq!(seen(&before), [], "a process that was there before was not created");
}

#[test]
fn names_cgroups_and_unknown_numbers_have_fields() {
    let all = |category, fields: &str, case: &Case| {
        let detection = format!("s:\n{fields}condition: s");
        let text = rule(category, &detection) + "agentmon: {outcome: any}\n";
        evaluate(&mut engine(&text), case).len() == 1
    };
    let sent = flow("1.2.3.4:443", 2_000_000);
    let ends = "    DestinationIp|cidr: 1.2.3.0/24\n    DestinationPort: 443\n    SourcePort: 50000\n    Initiated: true\n";
    assert!(all("network_flow", &format!("    traffic.bytes_out|gt: 1000000\n    traffic.bytes_in: 7\n{ends}"), &sent));
    assert!(!all("network_flow", "    traffic.bytes_out|gt: 2000000\n", &sent));
    let asked = dns("data.evil.example", 16, 0, &[]);
    assert!(all(
        "dns_query",
        "    QueryName|endswith: .evil.example\n    QueryType: TXT\n    DnsType: query\n    Initiated: true\n    DestinationPort: 53\n    Protocol: udp\n    QueryResults: null\n    QueryStatus: null\n",
        &asked
    ));
    let answered = dns("example.com", 1, 0, &["www.example.com", "1.2.3.4"]);
    assert!(all(
        "dns_query",
        "    QueryResults: www.example.com;1.2.3.4;\n    QueryStatus: 0\n    DnsType: answer\n    SourcePort: 53\n",
        &answered
    ));
    assert!(all("dns_query", "    QueryStatus: 9003\n", &dns("nothing.example", 1, 3, &[])));
    let used = capability(12, true);
    assert!(all("capability_use", "    Capability: CAP_NET_ADMIN\n    InInitialNamespace: true\n", &used));
    assert!(!all("capability_use", "    Capability: CAP_NET_ADMIN\n    InInitialNamespace: true\n", &capability(12, false)));
    let named = connect("1.2.3.4:443").looked_up("api.example.com");
    assert!(all("network_connection", "    DestinationHostname|endswith: .example.com\n", &named));
    assert!(all("network_connection", "    DestinationHostname: null\n", &connect("1.2.3.4:443")));
    assert!(all("cgroup_change", "    CgroupAction: frozen\n    TargetCgroup|endswith: /sub\n", &froze(true)));
    assert!(all("process_tampering", "    OldName: bash\n    NewName: sshd\n    EventKind: thread_name\n", &renamed()));
    let sshd = moved(b"sshd\0-D\0");
    assert!(all("process_tampering", "    NewCommandLine: sshd -D\n    EventKind: argv\n", &sshd));
    assert!(!all("process_tampering", "    NewName: sshd\n", &sshd));
    for (number, abi) in [(470, "x86_64"), (0x4000_01d6, "x32")] {
        let fields = format!("    SyscallNumber: {number}\n    SyscallAbi: {abi}\n    Outcome: ENOSYS\n");
        assert!(all("unknown_syscall", &fields, &unknown_call(number)), "{fields}");
    }
    let mut compat = unknown_call(470);
    compat.event.flags = flags::COMPAT;
    assert!(all("unknown_syscall", "    SyscallAbi: i386\n", &compat));
}

#[test]
fn failures_are_seen_by_rules_that_ask_for_them() {
    let refused = ls().outcome(-13);
    assert_eq!(seen_as(&refused, "success"), []);
    assert_eq!(seen_as(&refused, "failure"), [Category::ProcessCreation]);
    assert_eq!(seen_as(&refused, "any"), [Category::ProcessCreation]);
    assert_eq!(seen_as(&ls(), "any"), [Category::ProcessCreation]);
    assert_eq!(seen_as(&ls(), "failure"), []);
    let under_way = connect("1.2.3.4:5").outcome(-115);
    assert_eq!(seen_as(&under_way, "success"), [Category::NetworkConnection]);
    assert_eq!(seen_as(&under_way, "failure"), []);
    assert_eq!(seen_as(&create("/x").outcome(-2), "failure"), [Category::FileEvent, Category::FileAccess], "what was meant");
    let text = rule("process_creation", "s:\n    Outcome: EACCES\ncondition: s") + "agentmon: {outcome: any}\n";
    assert_eq!(evaluate(&mut engine(&text), &refused).len(), 1);
}

#[test]
fn a_failed_exec_is_about_what_was_asked_for() {
    let mut failed = exec("/usr/bin/missing", "missing --flag").outcome(-2);
    failed.process.image = Some(std::sync::Arc::new(super::support::program("/usr/bin/bash", "bash")));
    let text = rule("process_creation", "s:\n    Image: /usr/bin/missing\n    CommandLine: missing --flag\ncondition: s");
    assert_eq!(evaluate(&mut engine(&(text + "agentmon: {outcome: failure}\n")), &failed).len(), 1);
}

#[test]
fn names_by_which_programs_are_called_are_fields_too() {
    let case = exec_as("/usr/sbin/xtables-nft-multi", "/usr/sbin/iptables", "iptables -L").child_of("/usr/bin/make", 0);
    for item in ["Filename: /usr/sbin/iptables", "ParentImage|endswith: /make", "ParentCommandLine: /usr/bin/make", "ParentUser: root"] {
        assert!(matches("process_creation", &format!("s:\n    {item}\ncondition: s"), &case), "{item}");
    }
}

#[test]
fn bytes_that_are_not_text_match_as_bytes() {
    let mut case = read("/x");
    let Detail::Open(open) = &mut case.event.detail else { unreachable!() };
    open.path = path(b"/data/\xff\xfe/secret\n.kdbx");
    for item in [
        "TargetFilename|endswith: .KDBX",
        "TargetFilename|contains: /secret",
        "TargetFilename: '/data/*.kdbx'",
        "TargetFilename|re: '^/data/.*secret'",
    ] {
        assert!(matches("file_access", &format!("s:\n    {item}\ncondition: s"), &case), "{item}");
    }
}

#[test]
fn every_field_can_be_asked_for_in_every_category_that_carries_it() {
    let cases =
        [ls(), create("/x"), read("/x"), write("/x"), unlink("/x"), connect("1.2.3.4:5"), connect_unix("/s"), identity(0, 0), leave()];
    // Of some fields of the auditd view it is known beforehand that they have no such value: see `auditd`.
    let can = |field: &&Field| !matches!(field, Field::Audit(field) if ["type", "nametype", "SYSCALL", "arch", "success", "key"].contains(&field.name()));
    for field in Field::ALL.iter().filter(can) {
        for category in field.categories() {
            let mut engine = engine(&rule(category.name(), &format!("s:\n    {}|contains: '~nothing~'\ncondition: s", field.name())));
            cases.iter().for_each(|case| assert_eq!(evaluate(&mut engine, case), []));
        }
    }
}

const COUNTED: &str = "title: base
id: 11111111-1111-4111-8111-111111111111
name: base
logsource: {product: linux, category: file_delete}
detection:
    s:
        TargetFilename|startswith: /data/
    condition: s
---
title: many
id: 22222222-2222-4222-8222-222222222222
correlation:
    type: TYPE
    rules: [base]
    group-by: [GROUP]
    timespan: 500ms
    condition: CONDITION
level: critical
agentmon: {class: bulk_delete, action: kill}
";

fn counted(kind: &str, group: &str, condition: &str) -> String {
    COUNTED.replace("TYPE", kind).replace("GROUP", group).replace("CONDITION", condition)
}

#[test]
fn distinct_values_are_counted_in_a_window_that_slides() {
    let mut engine = engine(&counted("value_count", "SessionId", "{gte: 3, field: TargetFilename}"));
    let mut at = |file: &str, ms: u64| evaluate(&mut engine, &unlink(file).at_ms(ms));
    assert!(at("/data/a", 800).is_empty() && at("/data/a", 850).is_empty() && at("/data/b", 900).is_empty());
    assert!(at("/other/c", 950).is_empty(), "not what the rule counts");
    let found = at("/data/c", 1100);
    assert_eq!(found.len(), 1, "800, 900 and 1100 are within 500 ms, across the second's edge");
    assert_eq!((found[0].count, found[0].rule.action, found[0].rule.title.as_str()), (Some(3), Action::Kill, "many"));
}

#[test]
fn a_window_forgets_what_is_older() {
    let mut engine = engine(&counted("value_count", "SessionId", "{gte: 3, field: TargetFilename}"));
    for number in 0..20 {
        assert_eq!(evaluate(&mut engine, &unlink(&format!("/data/{number}")).at_ms(number * 250)), [], "two at a time");
    }
}

#[test]
fn a_correlation_fires_once_per_timespan() {
    let mut engine = engine(&counted("event_count", "SessionId", "{gt: 2}"));
    let fired: Vec<u64> = (0..200).filter(|n| !evaluate(&mut engine, &unlink("/data/same").at_ms(n * 10)).is_empty()).collect();
    assert_eq!(fired, [2, 52, 102, 152]);
}

#[test]
fn what_the_kernel_counted_counts_as_often_as_it_was_done_and_is_one_value() {
    let mut events = engine(&counted("event_count", "SessionId", "{gte: 100}"));
    assert_eq!(titles(&mut events, &unlink("/data/a").times(99)), [""; 0]);
    let found = evaluate(&mut events, &unlink("/data/a").times(50));
    assert_eq!(found.iter().map(|found| found.count).collect::<Vec<_>>(), [Some(101)], "no more is counted than decides");
    let mut values = engine(&counted("value_count", "SessionId", "{gte: 2, field: TargetFilename}"));
    assert_eq!(titles(&mut values, &unlink("/data/a").times(1000)), [""; 0]);
    assert_eq!(titles(&mut values, &unlink("/data/b")), ["many"]);
}

#[test]
fn groups_and_agents_are_counted_apart() {
    let mut engine = engine(&counted("event_count", "ProcessId", "{gte: 3}"));
    for number in 0..2 {
        assert_eq!(evaluate(&mut engine, &unlink("/data/a").process(7).at_ms(number)), []);
        assert_eq!(evaluate(&mut engine, &unlink("/data/a").process(8).at_ms(number)), []);
        assert_eq!(evaluate(&mut engine, &unlink("/data/a").process(7).agent(2).at_ms(number)), []);
    }
    assert_eq!(titles(&mut engine, &unlink("/data/a").process(7).at_ms(3)), ["many"]);
    assert_eq!(titles(&mut engine, &unlink("/data/a").process(8).agent(2).at_ms(3)), [""; 0]);
}

#[test]
fn a_counted_rule_is_told_only_when_asked() {
    let text = counted("event_count", "SessionId", "{gte: 100}");
    assert_eq!(titles(&mut engine(&text), &unlink("/data/a")), [""; 0]);
    let told = text.replace("level: critical", "generate: true\nlevel: critical");
    assert_eq!(titles(&mut engine(&told), &unlink("/data/a")), ["base"]);
}

#[test]
fn bounds_may_be_combined_and_inverted() {
    let mut engine = engine(&counted("event_count", "SessionId", "{gte: 2, lte: 3}"));
    let fired: Vec<u64> = (0..6).filter(|n| !evaluate(&mut engine, &unlink("/data/a").at_ms(*n)).is_empty()).collect();
    assert_eq!(fired, [1]);
}

#[test]
fn fields_of_sockets_say_which_end_is_whose() {
    let holds = |category: &str, field: &str, value: &str, case: &Case| {
        assert!(matches(category, &format!("s:\n    {field}: '{value}'\ncondition: s"), case), "{field} is not {value}");
    };
    let sent = send("9.8.7.6:53");
    for (field, value) in [("DestinationIp", "9.8.7.6"), ("DestinationPort", "53"), ("Initiated", "true"), ("Protocol", "udp")] {
        holds("network_connection", field, value, &sent);
    }
    let accepted = tcp(Kind::Accept, "10.0.0.1:80");
    for (field, value) in
        [("DestinationIp", "10.0.0.1"), ("DestinationPort", "80"), ("SourceIp", "10.0.0.9"), ("SourcePort", "4000"), ("Initiated", "false")]
    {
        holds("network_connection", field, value, &accepted);
    }
    let bound = tcp(Kind::Bind, "[::ffff:127.0.0.2]:80");
    for (field, value) in
        [("BindIp", "127.0.0.2"), ("BindPort", "80"), ("BindLoopback", "true"), ("SocketFamily", "inet"), ("SocketType", "stream")]
    {
        holds("network_bind", field, value, &bound);
    }
    for (field, value) in [("SocketFamily", "packet"), ("SocketType", "raw"), ("Protocol", "768")] {
        holds("socket_create", field, value, &made(17, 3, 768));
    }
    holds("socket_create", "SocketFamily", "99", &made(99, 1, 0));
    holds("netlink", "NetlinkProtocol", "netfilter", &netlink(12, 0x0a08));
    holds("netlink", "NetlinkType", "NFT_MSG_DELRULE", &netlink(12, 0x0a08));
    holds("netlink", "NetlinkType", "IPT_SO_SET_REPLACE", &firewall_option(64));
    let absent = "s:\n    NetlinkProtocol: null\ncondition: s";
    assert!(matches("netlink", absent, &firewall_option(64)) && !matches("netlink", absent, &netlink(12, 0x0a08)));
}

#[test]
fn a_request_to_a_ring_is_what_it_asks_for_and_submitted() {
    let resolved = resolved_unlink("/home/u/x");
    let said = "s: {TargetFilename: /home/u/x, PathTrust: resolved, Outcome: submitted, EventKind: resolved}\ncondition: s";
    assert!(matches("file_delete", said, &resolved));
    let mut both = unlink("/home/u/x");
    assert!(!matches("file_delete", "s: {PathMismatch|exists: true}\ncondition: s", &both), "nothing was told");
    both.event.flags = flags::RESOLVED;
    assert!(matches("file_delete", "s: {PathMismatch: false}\ncondition: s", &both));
    both.event.flags |= flags::MISMATCH;
    assert!(matches("file_delete", "s: {PathMismatch: true}\ncondition: s", &both));
    both.event.flags = flags::MISMATCH;
    assert!(matches("file_delete", "s: {PathMismatch: true}\ncondition: s", &both), "one path of two is the kernel's");
    let request = unlink_by_uring("/home/u/x");
    assert!(matches("io_uring", "s: {Opcode: unlinkat, Outcome: submitted, TargetFilename: /home/u/x}\ncondition: s", &request));
    assert!(matches("file_delete", "s: {TargetFilename: /home/u/x, Directory: 'false'}\ncondition: s", &request));
    assert!(!matches("file_access", "s: {TargetFilename: /home/u/x}\ncondition: s", &request));
}
