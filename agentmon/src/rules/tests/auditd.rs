//! Tests of the auditd view: for each type of record rules that fire and near misses, and what is said of what cannot.

use super::calls::{call, renamed_to};
use super::support::{
    Case, connect, connect_unix, create, engine, evaluate, exec, exec_as, identity, leave, made, matches, read, resolved_unlink, rule,
    signal, text, titles, unlink, unlink_by_uring, write,
};
use crate::event::{Detail, flags};
use crate::rules::{Engine, Source, load};

/// A rule of `service: auditd` with these items in one selection.
fn selecting(items: &str) -> String {
    let items: String = items.lines().map(|item| format!("    {}\n", item.trim())).collect();
    rule("auditd", &format!("s:\n{items}condition: s"))
}

/// Whether such a rule matches.
fn fires(items: &str, case: &Case) -> bool {
    !evaluate(&mut engine(&selecting(items)), case).is_empty()
}

/// An open by another name than the one it was resolved to.
fn read_as(asked: &str, resolved: &str) -> Case {
    let mut case = read(resolved);
    if let Detail::Open(open) = &mut case.event.detail {
        open.asked = text(asked.as_bytes());
    }
    case
}

#[test]
fn arguments_of_a_program_are_an_execve_record() {
    let wiped = exec("/usr/bin/shred", "shred -u /work/notes.txt");
    assert!(fires("type: EXECVE\na0: shred\na1: '-u'\na2|endswith: .txt\nargc: 3", &wiped));
    assert!(fires("type: 'execve'\na0|contains: hre", &wiped));
    assert!(fires("a1|startswith: '-u'", &wiped), "a rule may leave the type out");
    assert!(!fires("type: EXECVE\na0: shred\na1: '-n'", &wiped));
    assert!(!fires("type: EXECVE\na3|exists: true", &wiped), "there is no fourth argument");
    assert!(!fires("type: EXECVE\na0: bash", &read("/bin/bash")), "an open by bash executes nothing");
}

#[test]
fn a_number_is_the_text_it_is_written_as() {
    assert!(fires("type: EXECVE\na0: chmod\na1: 777", &exec("/usr/bin/chmod", "chmod 777 /work")));
    assert!(!fires("type: EXECVE\na0: chmod\na1: 777", &exec("/usr/bin/chmod", "chmod 0777 /work")));
}

#[test]
fn keywords_are_looked_for_in_the_values_of_one_record() {
    let both = "sel: {type: EXECVE}\nwords:\n    '|all': [rsync, secrets]\ncondition: sel and words";
    assert!(matches("auditd", both, &exec("/usr/bin/rsync", "rsync -a /secrets host:")));
    assert!(!matches("auditd", both, &exec("/usr/bin/rsync", "rsync -a /work host:")));
    assert!(!matches("auditd", both, &exec("/opt/secrets/bin/x", "rsync")), "the program's path is in another record");
    let across = "sel: {type: EXECVE}\nwords: ['--port 42']\ncondition: sel and words";
    assert!(matches("auditd", across, &exec("/usr/bin/redirect", "redirect --port 4242")), "arguments are joined by a space");
    let call = "words: [openat worker]\ncondition: words";
    assert!(matches("auditd", call, &read("/x")) && !matches("auditd", call, &unlink("/x")));
}

#[test]
fn files_are_path_records() {
    let created = "type: PATH\nnametype: CREATE\nname|startswith: /etc/systemd/";
    assert!(fires(created, &create("/etc/systemd/system/x.service")));
    assert!(!fires(created, &write("/etc/systemd/system/x.service")), "it was there");
    assert!(!fires(created, &create("/etc/system/x")));
    assert!(fires("type: PATH\nname: /etc/shells\nnametype: NORMAL", &read("/etc/shells")));
    assert!(fires("type: PATH\nname: /data/x\nnametype: DELETE", &unlink("/data/x")));
    assert!(fires("type: PATH\nname: /data/x\nnametype: DELETE", &resolved_unlink("/data/x")));
    assert!(fires("type: PATH\nname: /data/x\nnametype: DELETE", &unlink_by_uring("/data/x")));
    assert!(!fires("type: PATH\nname: /data/x\nnametype: NORMAL", &unlink("/data/x")));
    assert!(fires("type: PATH\nname: /usr/local/bin/tool", &exec_as("/opt/tool-3/bin/tool", "/usr/local/bin/tool", "tool")));
    assert!(fires("type: PATH\nname: /opt/tool-3/bin/tool", &exec_as("/opt/tool-3/bin/tool", "/usr/local/bin/tool", "tool")));
}

#[test]
fn a_rename_has_a_record_for_each_of_its_names() {
    let moved = renamed_to("/work/a", "/etc/b");
    assert!(fires("type: PATH\nname: /work/a\nnametype: DELETE", &moved));
    assert!(fires("type: PATH\nname: /etc/b\nnametype: CREATE", &moved));
    assert!(!fires("type: PATH\nname: /etc/b\nnametype: DELETE", &moved), "each record is an event of its own");
    let both = "a: {name: /work/a}\nb: {name: /etc/b}\ncondition: a or b";
    assert_eq!(evaluate(&mut engine(&rule("auditd", both)), &moved).len(), 1, "one operation, told once");
}

#[test]
fn a_file_is_found_by_the_name_it_was_asked_by_and_by_its_own() {
    let by_link = read_as("/var/run/x.pid", "/run/x.pid");
    assert!(fires("type: PATH\nname: /var/run/x.pid", &by_link) && fires("type: PATH\nname: /run/x.pid", &by_link));
    let relative = read_as("x.pid", "/run/x.pid");
    assert!(!fires("type: PATH\nname: x.pid", &relative) && fires("type: PATH\nname: /run/x.pid", &relative));
}

#[test]
fn calls_are_syscall_records() {
    let personality = call("personality", &[("persona", 0x40000)]);
    assert!(fires("type: SYSCALL\nSYSCALL: personality\na0: 40000", &personality), "hexadecimal, without 0x");
    assert!(!fires("type: SYSCALL\nSYSCALL: personality\na0: 262144", &personality));
    assert!(!fires("type: SYSCALL\nSYSCALL: personality\na1|exists: true", &personality));
    assert!(fires("type: SYSCALL\nSYSCALL: socket\na0: 26", &made(38, 5, 0)), "AF_ALG");
    assert!(!fires("type: SYSCALL\nSYSCALL: socket\na0: 26", &made(17, 3, 0)));
    assert!(fires("type: SYSCALL\nSYSCALL:\n    - 'execve'\n    - 'execveat'\neuid: 33", &exec("/bin/sh", "sh").user(33, 33)));
    assert!(!fires("type: SYSCALL\nSYSCALL: execve\neuid: 33", &exec("/bin/sh", "sh")));
    let mut told = exec("/bin/sh", "sh");
    told.event.operation = "exec";
    assert!(fires("SYSCALL: execve", &told), "as the kernel tells of a success");
    assert!(fires("type: SYSCALL\ncomm: worker\nexe|endswith: /bash\nsuccess: 'yes'\narch: c000003e", &identity(0, 0)));
    assert!(fires("type: SYSCALL\nSYSCALL: kill\npid: 4242\nexit: 0", &signal(9, 77, false)));
    assert!(!fires("type: SYSCALL\npid|exists: true", &unlink_by_uring("/x")), "no call was made for it");
    assert!(!fires("SYSCALL|exists: true", &unlink_by_uring("/x")) && !fires("SYSCALL|exists: true", &resolved_unlink("/x")));
    assert!(!fires("pid|exists: true", &leave()), "nothing that auditd would write");
}

#[test]
fn other_records() {
    let connected = connect("198.51.100.7:4444");
    assert!(fires("type: SOCKADDR\nsaddr_fam: inet\nladdr|cidr: 198.51.100.0/24\nlport|gte: 4444", &connected));
    assert!(!fires("type: SOCKADDR\nlport: 444", &connected));
    assert!(fires("type: SOCKADDR\nsaddr_fam: local\npath: /run/docker.sock", &connect_unix("/run/docker.sock")));
    assert!(!fires("type: SOCKADDR\npid|exists: true", &made(38, 5, 0)), "no address was given");
    assert!(fires("type: CWD\ncwd: /work/repo", &read("/x")) && !fires("type: CWD\ncwd: /work", &read("/x")));
    assert!(fires("type: PROCTITLE\nproctitle: bash", &read("/x")));
    assert!(fires("type: PROCTITLE\nproctitle|contains: '-a /x'", &exec("/bin/ls", "ls -a /x")));
}

#[test]
fn what_the_call_says_can_be_asked_of_each_of_its_records() {
    let text = "s: {type: PATH, name: /etc/shells}\nf: {exe|endswith: /chsh}\ncondition: s and not f";
    assert!(matches("auditd", text, &read("/etc/shells")));
    assert!(!matches("auditd", text, &read("/etc/shells").by("/usr/bin/chsh")));
}

#[test]
fn a_failure_is_seen_when_it_is_asked_for() {
    let refused = read("/etc/shadow").outcome(-13);
    let items = "type: PATH\nname: /etc/shadow\nsuccess: 'no'\nexit: -13";
    assert!(!fires(items, &refused));
    let text = selecting(items) + "agentmon: {outcome: failure}\n";
    assert_eq!(evaluate(&mut engine(&text), &refused).len(), 1);
}

#[test]
fn what_the_kernel_resolves_of_a_request_is_one_operation() {
    let mut told_apart = unlink_by_uring("/data/x");
    told_apart.event.flags |= flags::APART;
    assert!(!fires("type: PATH\nname: /data/x", &told_apart));
}

#[test]
fn filters_and_correlations_take_rules_of_the_view() {
    let base = selecting("type: EXECVE\na0: ls") + "name: listed\n";
    let filter = "---\ntitle: f\nlogsource: {product: linux, service: auditd}\nfilter:\n    rules: [listed]\n    s: {exe|startswith: /opt/}\n    condition: s\n";
    let mut filtered = engine(&(base.clone() + filter));
    assert_eq!(titles(&mut filtered, &exec("/bin/ls", "ls")), ["r"]);
    assert!(titles(&mut filtered, &exec("/opt/ls", "ls")).is_empty());
    let many = "---\ntitle: many\nid: 22222222-2222-4222-8222-222222222222\ncorrelation:\n    type: value_count\n    rules: [listed]\n    group-by: [SessionId, exe]\n    timespan: 1m\n    condition: {gte: 2, field: a1}\n";
    let mut counted = engine(&(base + many));
    assert!(titles(&mut counted, &exec("/bin/ls", "ls /a")).is_empty() && titles(&mut counted, &exec("/bin/ls", "ls /a")).is_empty());
    assert_eq!(titles(&mut counted, &exec("/bin/ls", "ls /b")), ["many"]);
}

/// What is said of a rule with these items.
fn said(items: &str) -> Vec<String> {
    let text = selecting(items);
    load(&[Source { name: "r", text: &text }]).diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_be_given_makes_a_rule_unusable_and_says_why() {
    for (items, why) in [
        ("type: SERVICE_STOP\nunit: ufw", "no record has `type: SERVICE_STOP`: other programs write it; `unit` is in no record: "),
        ("key: mine", "`key` is in no record: auditctl's rules give keys, and there are none here"),
        ("type: SYSCALL\nSYSCALL: sysinfo", "no record has `SYSCALL: sysinfo`: looks, and changes nothing"),
        ("type: PATH\nnametype: PARENT", "no record has `nametype: PARENT`: "),
        ("type: PATH\na0: x", "no single record has all the fields that it asks for"),
        ("type: SYSCALL\na7: x", "no single record has all the fields that it asks for"),
    ] {
        let said = said(items);
        let begin = format!("r:1:1: warning: skipped: no audit record here can match: {why}");
        assert!(said.len() == 1 && said[0].starts_with(&begin), "{said:?}");
    }
}

#[test]
fn a_part_that_cannot_hold_leaves_the_rest() {
    let text = rule("auditd", "a: {type: ADD_USER}\nb: {type: EXECVE, a0: useradd}\ncondition: a or b");
    let loaded = load(&[Source { name: "r", text: &text }]);
    let said: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["r:5:15: warning: never holds: no record has `type: ADD_USER`: other programs write it"]);
    let mut engine = Engine::new(loaded.rules);
    assert_eq!(titles(&mut engine, &exec("/usr/sbin/useradd", "useradd x")), ["r"]);
    assert!(titles(&mut engine, &exec("/usr/sbin/userdel", "userdel x")).is_empty());
}

#[test]
fn a_misspelt_name_is_a_mistake() {
    for (items, says, hint) in [
        ("type: EXECV", "unknown value `EXECV` of `type`", "did you mean `EXECVE`?"),
        ("type: SERVICE_STOPP", "unknown value `SERVICE_STOPP` of `type`", "did you mean `SERVICE_STOP`?"),
        ("SYSCALL: mknode", "unknown value `mknode` of `SYSCALL`", "did you mean `mknod`?"),
        ("nametype: CREATED", "unknown value `CREATED` of `nametype`", "did you mean `CREATE`?"),
        ("Name: /x", "auditd events have no field `Name`", "it is a field of "),
        ("syscal: x", "unknown field `syscal`", "did you mean `SYSCALL`?"),
        ("a32: x", "unknown field `a32`", "did you mean "),
        ("SYSCALL|startswith: zz", "no `SYSCALL` of auditd is such", ""),
    ] {
        let said = said(items);
        assert!(said.len() == 1 && said[0].contains(&format!("error: {says}")) && said[0].contains(hint), "{items}: {said:?}");
    }
    let text = rule("auditd", "s: {type: PATH}\ncondition: s").replace("service: auditd", "category: auditd");
    let loaded = load(&[Source { name: "r", text: &text }]);
    assert!(loaded.has_errors() && loaded.diagnostics[0].hint.as_deref() == Some("write `service: auditd`"), "{:?}", loaded.diagnostics);
}
