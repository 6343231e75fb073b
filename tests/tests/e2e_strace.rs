//! A day's work under strace, call by call: what strace saw is in the log once, in order, and nothing else is.
//!
//! Needs the Debian package `strace`; `cargo xtask test` installs it where it can. Not for: calls with threads, 32-bit
//! calls and requests to a ring, which strace tells in other words.

use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::session::Session;
use agentmon_tests::skip::skip;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Calls that are compared, as strace and the log name them. The paths of each stand in the order of its arguments.
const CALLS: &[&str] = &[
    "open",
    "openat",
    "creat",
    "unlink",
    "unlinkat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchownat",
    "setxattr",
    "execve",
    "ftruncate",
    "fchmod",
    "fchown",
    "chroot",
    "unshare",
    "sethostname",
];
/// Calls that make a process; the log calls them `fork`.
const FORKS: &[&str] = &["fork", "vfork", "clone", "clone3"];

/// Names of every kind, links, refused calls, and hundreds of short processes.
const WORK: &str = r#"
cd "$1" && mkdir a a/b 'two
lines' && echo 1 >a/one && echo 2 >>a/one && : >a/b/two && ln -s ../one a/b/link && ln a/one a/hard && cp -a a copy
mv a/one "$(printf 'a/\377\033[31m')"; mv copy other; mkfifo pipe; cat a/b/link a/missing; rm -r other 'two
lines'; chmod 600 a/hard; chmod 700 missing; chown 1:1 a/hard; truncate -s 5 a/hard; cd a/b; rm ./../b/two ../../nothing; cd ../..
for i in 1 2 3 4 5; do touch "f$i"; (mv "f$i" "g$i"; exec rm "g$i"); done; touch a/x | cat; /no/such/program; ./a; unshare -u true
tar -cf t.tar a && tar -xf t.tar -C "$PWD" && find a -depth -delete; rmdir . missing; exit 3
"#;

/// One operation: the call, its paths, and its outcome or what it made.
type Step = (String, Vec<Vec<u8>>, String);
/// What each process did.
type Steps = BTreeMap<u64, Vec<Step>>;

#[test]
fn every_call_that_strace_sees_is_in_the_log_and_no_other() {
    let Some((seen, told)) = both(&[], WORK) else { return };
    let compared: usize = seen.values().map(Vec::len).sum();
    assert!(compared > 400, "strace saw only {compared} calls");
    let differing = differences(&seen, &told);
    assert!(differing.is_empty(), "{} of {compared}: {differing:#?}", differing.len());
}

#[test]
fn a_call_that_is_not_in_the_log_is_noticed() {
    let Some((seen, told)) = both(&["--without", "link"], "cd \"$1\"; : >a; ln a b; rm a b; exit 3") else { return };
    let differing = differences(&seen, &told);
    assert!(matches!(&differing[..], [only] if only.contains("strace \"link")), "{differing:#?}");
}

/// A script's work as strace and as the log tell it; `None` where there is no strace. It gets a directory and ends with 3.
fn both(options: &[&str], work: &str) -> Option<(Steps, Steps)> {
    if Command::new("strace").arg("-V").output().is_err() {
        skip("every_call_that_strace_sees_is_in_the_log_and_no_other", "strace is not installed");
        return None;
    }
    let (place, output) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let calls = format!("trace={}", [CALLS, FORKS].concat().join(","));
    let prefix = output.path().join("of").to_str().expect("a name").to_owned();
    let strace = ["strace", "-ff", "-xx", "-s", "4096", "-e", "signal=none", "-e", &calls, "-o", &prefix];
    let options = [&["-o", "json", "--observe", "--no-builtin-rules"], options].concat();
    let script = ["/bin/sh", "-c", work, "work", place.path().to_str().expect("a name")];
    let ended = Session::start(&options, &[&strace[..], &script].concat()).end();
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let seen = seen(output.path());
    let told = told(&ended.events(), &seen);
    Some((seen, told))
}

/// What differs, a line for each process that differs: its first difference.
fn differences(seen: &Steps, told: &Steps) -> Vec<String> {
    let none = Vec::new();
    let differing = seen.iter().filter_map(|(pid, seen)| {
        let told = told.get(pid).unwrap_or(&none);
        let at = (0..seen.len().max(told.len())).find(|i| seen.get(*i) != told.get(*i))?;
        Some(format!("process {pid}, call {at}: strace {}, the log {}", shown(seen.get(at)), shown(told.get(at))))
    });
    differing.collect()
}

fn shown(step: Option<&Step>) -> String {
    step.map_or("nothing".to_owned(), |(call, paths, outcome)| {
        let paths: Vec<String> = paths.iter().map(|path| path.escape_ascii().to_string()).collect();
        format!("{call:?} {paths:?} {outcome}")
    })
}

/// Reads strace's files: one of each process, `of.PID`.
fn seen(directory: &Path) -> Steps {
    let files = std::fs::read_dir(directory).expect("strace's files").map(|file| file.expect("a file").path());
    let steps = files.map(|file| {
        let pid = file.extension().and_then(|pid| pid.to_str()?.parse().ok()).expect("a process id");
        let text = std::fs::read_to_string(&file).expect("hexadecimal strings");
        (pid, text.lines().filter_map(step_of_line).collect())
    });
    steps.collect()
}

/// `call(arguments) = outcome`, or `+++ exited with STATUS +++`.
fn step_of_line(line: &str) -> Option<Step> {
    if let Some(status) = line.strip_prefix("+++ exited with ") {
        return Some(("exit".to_owned(), Vec::new(), status.trim_end_matches(" +++").to_owned()));
    }
    let (call, rest) = line.split_once('(')?;
    let (arguments, outcome) = rest.rsplit_once(" = ").unwrap_or_else(|| panic!("{line}"));
    let outcome = outcome.split(' ').nth(usize::from(outcome.starts_with("-1 "))).unwrap_or_default();
    if FORKS.contains(&call) {
        return Some(("fork".to_owned(), Vec::new(), outcome.to_owned()));
    }
    // Every second piece stands between quotes. Behind the program of an execve are its arguments, behind a name its value.
    let strings = arguments.split('"').skip(1).step_by(2).take(if matches!(call, "execve" | "setxattr") { 1 } else { 2 });
    let outcome = if outcome.starts_with('E') { outcome } else { "done" };
    Some((call.to_owned(), strings.map(unescaped).collect(), outcome.to_owned()))
}

/// The bytes of `\x2f\x61`.
fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect()
}

/// The same out of the log, of the processes that strace saw.
fn told(events: &Events, seen: &Steps) -> Steps {
    let mut lines: Vec<&Value> = events.lines().iter().collect();
    // The critical kinds have a ring of their own.
    lines.sort_by_key(|line| line["unmapped"]["ns"].as_u64());
    let mut told = Steps::new();
    for line in lines {
        let (pid, step) = match line["metadata"]["event_code"].as_str().expect("a code") {
            "exec" => (&line["process"]["pid"], ("execve".to_owned(), paths(line, "execve"), "done".to_owned())),
            "fork" => (&line["actor"]["process"]["pid"], ("fork".to_owned(), Vec::new(), line["process"]["pid"].to_string())),
            "exit" => (&line["process"]["pid"], ("exit".to_owned(), Vec::new(), line["exit_code"].to_string())),
            call if CALLS.contains(&call) => {
                let outcome = line["status_code"].as_str().unwrap_or("done");
                (&line["actor"]["process"]["pid"], (call.to_owned(), paths(line, call), outcome.to_owned()))
            }
            _ => continue,
        };
        let pid = pid.as_u64().expect("a process id");
        // Until its first exec it is strace's.
        if seen.contains_key(&pid) && (told.contains_key(&pid) || is_forked(seen, pid) || step.0 == "execve") {
            told.entry(pid).or_default().push(step);
        }
    }
    told
}

/// Whether a process that strace saw made this one.
fn is_forked(seen: &Steps, pid: u64) -> bool {
    seen.values().flatten().any(|(call, _, made)| call == "fork" && *made == pid.to_string())
}

/// The paths as the program gave them, in the order of the call's arguments.
fn paths(line: &Value, call: &str) -> Vec<Vec<u8>> {
    let file = if call == "execve" { &line["process"]["file"] } else { &line["file"] };
    let first = raw(line, "asked", &line["unmapped"]["asked"]).or_else(|| raw(line, "path", &file["path"]));
    let second = raw(line, "asked2", &line["unmapped"]["asked2"]).or_else(|| raw(line, "path2", &line["file_result"]["path"]));
    let text = raw(line, "text", &line["unmapped"]["text"]);
    match call {
        "ftruncate" | "fchmod" | "fchown" | "unshare" => Vec::new(),
        "symlink" | "symlinkat" | "sethostname" => text.into_iter().chain(first).collect(),
        _ => first.into_iter().chain(second).collect(),
    }
}

fn raw(line: &Value, field: &str, shown: &Value) -> Option<Vec<u8>> {
    let encoded = line["unmapped"][format!("{field}_b64")].as_str();
    encoded.map(|encoded| STANDARD.decode(encoded).expect("base64")).or_else(|| shown.as_str().map(|shown| shown.as_bytes().to_vec()))
}
