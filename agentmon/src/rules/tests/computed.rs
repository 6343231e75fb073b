//! Fields that the kernel cannot give alone: lists of the configuration, and what the agent did before.

use super::calls::{call, forked, renamed_to};
use super::support::{Case, connect, create, engine, exec, path, read, rule, unlink, write};
use crate::allow::{AllowList, Directory, Globs};
use crate::event::{Detail, Exec, FileId};
use crate::process::{History, Operation, ProcessTable};
use crate::rules::Match;
use std::sync::Arc;

fn lists() -> AllowList {
    let globs = |pattern: &str| Some(Globs::new(vec![pattern.to_owned()]).unwrap());
    AllowList {
        workdir: vec![Directory::new(b"/srv/job").unwrap()],
        executables: globs("/usr/bin/*"),
        destinations: Some(vec!["api.example.com:443".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]),
        read: globs("/usr/share/**"),
        write: globs("/var/cache/job/**"),
        ports: None,
    }
}

/// Whether a detection of this category holds, by what the agent did before.
fn holds(category: &str, selection: &str, case: &Case, history: &History) -> bool {
    let text = rule(category, &format!("s: {{{selection}}}\ncondition: s"));
    let mut matches: Vec<Match> = Vec::new();
    engine(&text).evaluate(&Operation { history: Some(history), ..case.operation() }, &mut matches);
    !matches.is_empty()
}

fn with_lists(mut case: Case) -> Case {
    case.agent.allowed = Arc::new(lists());
    case
}

#[test]
fn the_work_directory_is_the_configured_one_else_where_the_agent_began() {
    let mut history = History::new();
    let asks = |case: &Case, history: &History, is: &str| holds("file_access", &format!("TargetInWorkdir: {is}"), case, history);
    assert!(asks(&read("/work/repo/a"), &history, "null"), "nothing is known");
    history.apply(&exec("/bin/sh", "sh").event);
    for (file, inside) in [("/work/repo/a", "true"), ("/work/repository/a", "false"), ("/etc/hosts", "false")] {
        assert!(asks(&read(file), &history, inside), "{file}");
    }
    assert!(asks(&with_lists(read("/srv/job/x")), &history, "true") && asks(&with_lists(read("/work/repo/a")), &history, "false"));
    let moved = |from, to, inside: &str| holds("file_rename", &format!("TargetInWorkdir: {inside}"), &renamed_to(from, to), &history);
    assert!(
        moved("/work/repo/a", "/work/repo/b", "true")
            && moved("/work/repo/a", "/tmp/b", "false")
            && moved("/data/a", "/work/repo/b", "false")
    );
}

#[test]
fn what_the_agent_made_itself_is_told_from_what_was_there() {
    let mut history = History::new();
    let own = |case: &Case, history: &History| holds("file_delete", "TargetCreatedByAgent: true", case, history);
    assert!(!own(&unlink("/data/a"), &history));
    history.apply(&create("/data/a").event);
    history.apply(&write("/data/b").event);
    assert!(own(&unlink("/data/a"), &history) && !own(&unlink("/data/b"), &history) && !own(&unlink("/data/a").agent(2), &history));
    history.apply(&renamed_to("/data/a", "/data/c").event);
    history.apply(&renamed_to("/data/b", "/data/d").event);
    assert!(!own(&unlink("/data/a"), &history) && own(&unlink("/data/c"), &history) && !own(&unlink("/data/d"), &history));
    history.apply(&renamed_to("/data/d", "/data/c").event);
    assert!(!own(&unlink("/data/c"), &history), "what stands there now was not the agent's");
    history.apply(&create("/data/e").event);
    assert!(
        holds("file_rename", "TargetCreatedByAgent: true", &renamed_to("/data/e", "/data/b"), &history),
        "of a rename the old name counts"
    );
}

#[test]
fn a_name_that_was_led_elsewhere_is_not_what_the_agent_made() {
    let own = |case: &Case, history: &History| holds("file_delete", "TargetCreatedByAgent: true", case, history);
    let lead: [(&str, &[Case]); 3] = [
        ("a link in its place", &[renamed_to("/tmp/d", "/tmp/e"), call("symlink", &[]).on("/tmp/d").saying("/data")]),
        ("a mount over it", &[call("mount", &[]).on("/tmp/d").and("/data")]),
        ("another's directory in its place", &[renamed_to("/tmp/d", "/tmp/e"), renamed_to("/data", "/tmp/d")]),
    ];
    for (what, steps) in lead {
        let mut history = History::new();
        for made in [call("mkdir", &[]).on("/tmp/d"), create("/tmp/d/f"), create("/tmp/g")] {
            history.apply(&made.event);
        }
        assert!(own(&unlink("/tmp/d/f"), &history));
        steps.iter().for_each(|step| history.apply(&step.event));
        assert!(!own(&unlink("/tmp/d/f"), &history), "{what}");
        assert!(own(&unlink("/tmp/g"), &history), "{what}");
    }
    // A directory of others inside one of its own that takes the place of another of its own.
    let mut history = History::new();
    let steps = [call("mkdir", &[]).on("/p"), call("mkdir", &[]).on("/p/d"), create("/p/d/f"), call("mkdir", &[]).on("/q")];
    steps.iter().for_each(|step| history.apply(&step.event));
    for (from, to) in [("/victim", "/q/d"), ("/p", "/p2"), ("/q", "/p")] {
        history.apply(&renamed_to(from, to).event);
    }
    assert!(!own(&unlink("/p/d/f"), &history));
    // Names that begin at another root.
    let mut history = History::new();
    for step in [create("/data/f"), call("chroot", &[]).on("/tmp/jail")] {
        history.apply(&step.event);
    }
    assert!(!own(&unlink("/data/f"), &history));
    let in_work = holds("file_delete", "TargetInWorkdir: true", &with_lists(unlink("/srv/job/x")), &history);
    assert!(in_work, "where it works is not doubted");
    let mut history = History::new();
    history.apply(&call("symlink", &[]).on("/tmp/l").saying("/data").event);
    history.apply(&create("/tmp/m/f").event);
    history.apply(&renamed_to("/tmp/l", "/tmp/m").event);
    assert!(!own(&unlink("/tmp/m/f"), &history), "a link stays one under another name");
    history.apply(&call("symlink", &[]).on("/srv/job/h").saying("/home/u").event);
    let is_in = |path: &str, history: &History| holds("file_delete", "TargetInWorkdir: true", &with_lists(unlink(path)), history);
    assert!(is_in("/srv/job/x", &history) && !is_in("/srv/job/h/.ssh/id_rsa", &history));
    assert!(is_in("/srv/job/h", &history), "the link itself");
}

#[test]
fn lists_are_asked_and_are_silent_where_there_is_none() {
    let history = History::new();
    let is = |category: &str, selection: &str, case: Case| holds(category, selection, &with_lists(case), &history);
    assert!(is("network_connection", "DestinationAllowed: true", connect("10.1.2.3:443")));
    assert!(is("network_connection", "DestinationAllowed: false", connect("1.2.3.4:443")));
    assert!(is("network_connection", "DestinationAllowed: true", connect("127.0.0.1:5432")), "this host");
    let named = Case { hostname: Some(b"api.example.com"), ..connect("1.2.3.4:443") };
    assert!(is("network_connection", "DestinationAllowed: true", named));
    assert!(
        is("file_access", "TargetAllowed: true", read("/usr/share/x/y"))
            && is("file_access", "TargetAllowed: false", write("/usr/share/x/y"))
    );
    assert!(is("file_access", "TargetAllowed: true", write("/srv/job/a")) && is("file_access", "TargetAllowed: false", read("/etc/hosts")));
    assert!(is("process_creation", "ImageAllowed: true", exec("/usr/bin/ls", "ls")));
    assert!(is("process_creation", "ImageAllowed: false", exec("/opt/x", "x")));
    assert!(holds("network_connection", "DestinationAllowed: null", &connect("1.2.3.4:443"), &history));
    assert!(holds("file_access", "TargetAllowed: null", &read("/etc/hosts"), &history));
}

#[test]
fn the_first_time_is_the_time_before_anything_was_seen() {
    let mut history = History::new();
    let (ls, there) = (exec("/usr/bin/ls", "ls"), connect("1.2.3.4:443"));
    assert!(holds("process_creation", "ImageFirstSeen: true", &ls, &history));
    assert!(holds("network_connection", "DestinationFirstSeen: true", &there, &history));
    history.apply(&ls.event);
    history.apply(&there.event);
    assert!(holds("process_creation", "ImageFirstSeen: false", &ls, &history));
    assert!(holds("network_connection", "DestinationFirstSeen: false", &there, &history));
    assert!(holds("network_connection", "DestinationFirstSeen: true", &connect("1.2.3.4:80"), &history));
}

#[test]
fn a_program_is_trusted_when_neither_the_agent_nor_others_can_have_written_it() {
    let mut history = History::new();
    let with = |image: &str, mode: u32, nlink: u32| {
        let mut case = exec(image, "x");
        let file = FileId { ino: 7, nlink, mode, ..FileId::default() };
        let image = Exec { exe: path(image.as_bytes()), file, ..Exec::default() };
        case.event.detail = Detail::Exec(image.clone());
        case.process.image = Some(Arc::new(image));
        case
    };
    let trusted = |case: &Case, history: &History| holds("process_creation", "ImageTrusted: true", case, history);
    assert!(trusted(&with("/usr/bin/git", 0o100_755, 1), &history) && trusted(&with("/bin/sh", 0o100_755, 1), &history));
    for case in [
        with("/usr/local/bin/x", 0o100_755, 1),
        with("/tmp/git", 0o100_755, 1),
        with("/usr/bin/git", 0o100_775, 1),
        with("/usr/bin/x", 0o100_755, 0),
    ] {
        assert!(!trusted(&case, &history), "{:?}", case.event.detail);
    }
    for changed in
        [create("/usr/bin/git"), write("/usr/bin/ls"), renamed_to("/tmp/x", "/usr/bin/tar"), call("mount", &[]).on("/usr/bin/id")]
    {
        history.apply(&changed.event);
    }
    for image in ["/usr/bin/git", "/usr/bin/ls", "/usr/bin/tar", "/usr/bin/id"] {
        assert!(!trusted(&with(image, 0o100_755, 1), &history), "{image}");
    }
    assert!(trusted(&with("/usr/bin/cat", 0o100_755, 1), &history));
}

#[test]
fn ancestors_are_told_from_the_creator_upwards() {
    let mut table = ProcessTable::new();
    let mut last = None;
    for (tgid, image) in [(1, "/usr/bin/node"), (2, "/usr/bin/bash"), (3, "/usr/bin/ls")] {
        let case = exec(image, image).process(tgid);
        if let Some(parent) = last.replace(case.clone()) {
            table.apply(&forked(&parent, tgid).event);
        }
        table.apply(&case.event);
    }
    let ls = last.unwrap();
    let process = table.get(ls.event.process).unwrap();
    let op = Operation { process, parent: table.parent(process), processes: Some(&table), ..ls.operation() };
    let mut matches = Vec::new();
    let text = rule("process_creation", "s: {AncestorImages: '/usr/bin/bash;/usr/bin/node;'}\ncondition: s");
    engine(&text).evaluate(&op, &mut matches);
    assert_eq!(matches.len(), 1);
}
