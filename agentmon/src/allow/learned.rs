//! What an agent did beyond its lists, as entries that would have allowed it.
//!
//! A proposal for a person to read: what an agent did is not what it may do. What a rule of level high matched is never proposed. Not for:
//! writing a configuration.

use crate::event::{Detail, Kind, Open};
use crate::process::Operation;
use crate::rules::{Level, Match};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Most entries of a list; beyond them a session says nothing of what is ordinary.
const ENTRIES_MAX: usize = 500;
/// Most entries in one directory that are proposed one by one.
const SINGLE_MAX: usize = 8;

/// Entries for the lists of one agent.
#[derive(Debug, Default)]
pub struct Learned {
    executables: BTreeSet<String>,
    destinations: BTreeSet<String>,
    read: BTreeSet<String>,
    write: BTreeSet<String>,
    ports: BTreeSet<String>,
    /// Operations that are not proposed because a rule of level high matched them.
    pub refused: u64,
    /// Operations whose name cannot stand in a list (not UTF-8, or with signs of a pattern in it), or found no room.
    pub unlisted: u64,
}

impl Learned {
    /// Takes one operation, and what the rules say of it.
    pub fn see(&mut self, op: &Operation<'_>, matches: &[Match]) {
        if !op.event.outcome.succeeded() && op.event.outcome.error_name() != Some("EINPROGRESS") {
            return;
        }
        let Some((list, entry)) = entry(op) else { return };
        if matches.iter().any(|found| found.rule.level >= Level::High) {
            self.refused += 1;
            return;
        }
        let set = match list {
            List::Executables => &mut self.executables,
            List::Destinations => &mut self.destinations,
            List::Read => &mut self.read,
            List::Write => &mut self.write,
            List::Ports => &mut self.ports,
        };
        match entry {
            Some(entry) if set.len() < ENTRIES_MAX || set.contains(&entry) => drop(set.insert(entry)),
            _ => self.unlisted += 1,
        }
    }

    /// The lists that have entries, by their key in the configuration. Many files of one directory are one pattern.
    #[must_use]
    pub fn lists(&self) -> Vec<(&'static str, Vec<String>)> {
        let all = [
            ("executables", gathered(&self.executables, "*")),
            ("destinations", self.destinations.iter().cloned().collect()),
            ("read", gathered(&self.read, "**")),
            ("write", gathered(&self.write, "**")),
            ("ports", self.ports.iter().cloned().collect()),
        ];
        all.into_iter().filter(|(_, entries)| !entries.is_empty()).collect()
    }
}

enum List {
    Executables,
    Destinations,
    Read,
    Write,
    Ports,
}

/// Which list lacks what; the entry is absent when it cannot be written as one. `None`: the lists allow it, or it is none of their business.
fn entry(op: &Operation<'_>) -> Option<(List, Option<String>)> {
    let allowed = |answer: Option<bool>| answer == Some(true);
    match &op.event.detail {
        Detail::Exec(exec) if !allowed(op.agent.allowed.runs(&exec.exe.bytes)) => Some((List::Executables, path(&exec.exe.bytes))),
        Detail::Socket(socket) if socket.kind == Kind::Listen && !allowed(op.bind_allowed()) => {
            let local = socket.local.inet()?;
            (!local.ip().is_loopback()).then(|| (List::Ports, Some(local.port().to_string())))
        }
        Detail::Socket(socket) if matches!(socket.kind, Kind::Connect | Kind::Send) => {
            let peer = socket.peer.inet()?;
            let known = allowed(op.destination_allowed()) || peer.ip().to_canonical().is_loopback();
            (!known).then(|| (List::Destinations, destination(peer.ip(), peer.port(), op.hostname)))
        }
        Detail::Open(Open { file, .. }) if file.mode & 0o170_000 != 0o100_000 => None,
        _ => {
            let target = &op.event.target()?.bytes;
            if target.starts_with(b"/proc/")
                || target.starts_with(b"/dev/")
                || op.target_in_workdir() == Some(true)
                || allowed(op.target_allowed())
            {
                return None;
            }
            let reads = matches!(&op.event.detail, Detail::Open(open) if !open.for_writing());
            Some((if reads { List::Read } else { List::Write }, path(target)))
        }
    }
}

/// A path as an entry that means only itself.
fn path(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = !text.chars().any(|sign| sign.is_control() || "*?[]{}\\\"".contains(sign));
    (plain && text.starts_with('/')).then(|| text.to_owned())
}

fn destination(ip: IpAddr, port: u16, name: Option<&[u8]>) -> Option<String> {
    let host = match name.and_then(|name| std::str::from_utf8(name).ok()) {
        Some(name) => name.to_owned(),
        None => match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        },
    };
    let entry = format!("{host}:{port}");
    entry.parse::<super::Destination>().is_ok().then_some(entry)
}

/// The entries, those of a crowded directory as a pattern of it: of `/usr/lib/x/y` and more like it `/usr/lib/x/**`.
fn gathered(entries: &BTreeSet<String>, pattern: &str) -> Vec<String> {
    let parent = |entry: &str| entry.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default();
    let crowded = |directory: &str| !directory.is_empty() && entries.iter().filter(|entry| parent(entry) == directory).count() > SINGLE_MAX;
    let all: BTreeSet<String> = entries
        .iter()
        .map(|entry| {
            let directory = parent(entry);
            if crowded(&directory) { format!("{directory}/{pattern}") } else { entry.clone() }
        })
        .collect();
    let covers =
        |pattern: &str, entry: &str| pattern.strip_suffix("**").is_some_and(|directory| entry != pattern && entry.starts_with(directory));
    all.iter().filter(|entry| !all.iter().any(|pattern| covers(pattern, entry))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::{Learned, SINGLE_MAX};
    use crate::process::Operation;
    use crate::rules::tests::support::{Case, connect, exec, read, tcp, write};
    use crate::rules::{Engine, Match, built_in};
    use crate::{allow::AllowList, allow::Directory, event::Kind};
    use std::sync::Arc;

    fn learn(cases: impl IntoIterator<Item = Case>) -> Learned {
        let mut engine = Engine::new(built_in().rules);
        let mut learned = Learned::default();
        for mut case in cases {
            let workdir = vec![Directory::new(b"/work/repo").unwrap()];
            let destinations = Some(vec!["10.0.0.0/8".parse().unwrap()]);
            case.agent.allowed = Arc::new(AllowList { workdir, destinations, ..AllowList::default() });
            let op: Operation<'_> = case.operation();
            let mut matches: Vec<Match> = Vec::new();
            engine.evaluate(&op, &mut matches);
            learned.see(&op, &matches);
        }
        learned
    }

    #[test]
    fn what_the_lists_lack_is_proposed_and_what_a_rule_finds_high_is_not() {
        let learned = learn([
            exec("/usr/bin/git", "git status"),
            connect("1.2.3.4:443").looked_up("api.example.com").by("/usr/bin/curl"),
            connect("[2001:db8::1]:22").by("/usr/bin/git"),
            connect("10.1.2.3:443"),
            connect("127.0.0.1:5432"),
            read("/work/repo/src/main.rs"),
            read("/etc/hosts"),
            read("/home/u/.ssh/id_ed25519").by("/usr/bin/cat"),
            write("/home/u/.cache/x"),
            write("/etc/hosts"),
            write("/home/u/a*b"),
            read("/nowhere").outcome(-2),
            tcp(Kind::Listen, "127.0.0.1:3000"),
        ]);
        let expected = [
            ("executables", vec!["/usr/bin/git".to_owned()]),
            ("destinations", vec!["[2001:db8::1]:22".to_owned(), "api.example.com:443".to_owned()]),
            ("read", vec!["/etc/hosts".to_owned()]),
            ("write", vec!["/home/u/.cache/x".to_owned()]),
        ];
        assert_eq!(learned.lists(), expected);
        assert_eq!((learned.refused, learned.unlisted), (2, 1));
    }

    #[test]
    fn many_files_of_a_directory_are_one_pattern() {
        let few = learn((0..SINGLE_MAX).map(|number| read(&format!("/usr/share/x/{number}"))));
        assert_eq!(few.lists()[0].1.len(), SINGLE_MAX);
        let names = (0..=SINGLE_MAX).map(|number| format!("/usr/share/x/{number}")).chain(["/usr/share/x/y/z".to_owned()]);
        let many = learn(names.map(|name| read(&name)));
        assert_eq!(many.lists(), [("read", vec!["/usr/share/x/**".to_owned()])]);
    }
}
