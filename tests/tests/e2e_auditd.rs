//! Rules of `service: auditd` on what the kernel tells: one rule for each type of record, each with a near miss.

use agentmon_tests::e2e::session::Session;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Titles and selections; the agent does what the first six ask for, and only nearly what the others do.
const RULES: [(&str, &str); 9] = [
    ("execve", "{type: EXECVE, a0: mkdir, a1: '-m', a2: 700, a3|startswith: .}"),
    ("path", "{type: PATH, nametype: CREATE, name|endswith: /place/x.service}"),
    ("removed", "{type: PATH, nametype: DELETE, name|endswith: /place/x.service, exe|endswith: /rm}"),
    ("syscall", "{type: SYSCALL, SYSCALL: [execve, execveat], comm: mkdir, success: 'yes'}"),
    ("proctitle", "{type: PROCTITLE, proctitle|startswith: mkdir -m 700}"),
    ("cwd", "{type: CWD, cwd|endswith: /place}"),
    ("not execve", "{type: EXECVE, a0: mkdir, a1: '-p'}"),
    ("not path", "{type: PATH, nametype: DELETE, name|endswith: /.hidden}"),
    ("not syscall", "{type: SYSCALL, SYSCALL: personality}"),
];

#[test]
fn rules_for_audit_records_find_what_an_agent_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("place");
    std::fs::create_dir(&place).expect("a directory");
    let mut text = String::new();
    for (number, (title, selection)) in RULES.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "title: {title}\nid: 44444444-4444-4444-8444-44444444444{number}\nlogsource: {{product: linux, service: auditd}}\n\
             detection:\n    selection: {selection}\n    condition: selection\nlevel: high\nagentmon: {{action: log}}\n---\n"
        );
    }
    let rules = directory.path().join("auditd.yml");
    std::fs::write(&rules, text).expect("a rule file");
    let options = ["--name", "e2e-auditd", "--no-builtin-rules", "--rules", rules.to_str().expect("a path")];
    let script = "cd \"$1\" && mkdir -m 700 .hidden && echo > x.service && rm x.service";
    let ended = Session::script(&options, script, &[place.to_str().expect("a path")]).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let events = ended.events();
    // Of several rules that match one operation the log names one, and lists all.
    let text = events.lines().iter().map(ToString::to_string).collect::<String>();
    let found: BTreeSet<&str> = RULES.iter().map(|(title, _)| *title).filter(|title| text.contains(&format!("\"{title}\""))).collect();
    assert_eq!(found, RULES[..6].iter().map(|(title, _)| *title).collect(), "{text}");
}
