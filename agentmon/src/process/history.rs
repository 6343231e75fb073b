//! What each agent has done so far, as far as rules ask: a pure fold over events, so that a replay knows the same.
//!
//! Names, not files: a path is remembered by its hash. What the agent changes in ways that are not seen (`docs/evasions.md`) is not in
//! here, and of many more names than are kept the agent with most forgets its oldest: then it is as if it had not done that.
//! Not for: what it is expected to do (`crate::allow`).

use super::questions::{is_under_way, peer};
use crate::allow::Directory;
use crate::event::{AgentId, Detail, Event, Exec, Kind};
use siphasher::sip::SipHasher13;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hasher;
use std::net::IpAddr;

/// Most things remembered, of all agents together: at most 52 MiB, 20 as a rule.
pub const REMEMBERED_MAX: usize = 1 << 20;
/// Most names of an agent that may lead elsewhere. With more of them it is believed to have made nothing.
pub const MARKS_MAX: usize = 1 << 14;
/// Most directories above a name that are looked at: a name that lies deeper is nobody's.
const DEPTH_MAX: usize = 64;
/// Directories that are never an agent's work directory unless the configuration says so.
const NOT_WORK: [&[u8]; 19] = [
    b"bin", b"boot", b"dev", b"etc", b"home", b"lib", b"lib32", b"lib64", b"media", b"mnt", b"opt", b"proc", b"root", b"run", b"sbin",
    b"srv", b"sys", b"tmp", b"usr",
];
/// Below these no directory is one either.
const NEVER_WORK: [&[u8]; 9] = [b"bin", b"boot", b"dev", b"etc", b"lib", b"proc", b"sbin", b"sys", b"usr"];

/// What the agents have done.
#[derive(Debug, Default)]
pub struct History {
    agents: HashMap<AgentId, Deeds>,
    remembered: usize,
    forgotten: u64,
}

/// What one agent has done.
#[derive(Debug, Default)]
struct Deeds {
    /// Where its first program began to work.
    began_in: Option<Directory>,
    began: bool,
    done: HashSet<u64>,
    /// In the order in which it was done. Entries that are not in `done` any more are skipped.
    order: VecDeque<u64>,
    /// Names that may mean something else than what was made. Never forgotten one by one: that would make the agent more trusted.
    marks: HashSet<u64>,
    /// It changed what all its names mean (chroot, another mount namespace), or has more marks than are kept.
    is_doubted: bool,
    /// Things it did were forgotten.
    has_forgotten: bool,
}

/// What is remembered, as one number.
#[derive(Clone, Copy)]
enum Deed<'a> {
    /// It made this file by opening it.
    File(&'a [u8]),
    /// It made this name otherwise: a directory, a node, a link.
    Made(&'a [u8]),
    /// It opened this file of the system to write.
    Wrote(&'a [u8]),
    /// It executed this file.
    Ran(&'a [u8]),
    /// It connected or sent there.
    Reached(IpAddr, u16),
}

/// Why a name may mean something else.
#[derive(Clone, Copy)]
enum Mark {
    /// It leads elsewhere: a symbolic link, a mount.
    Led = 4,
    /// A directory, or something of others, was moved here or away from here.
    Moved = 5,
}

impl Mark {
    fn digest(self, path: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write_u8(self as u8);
        hasher.write(path);
        hasher.finish()
    }
}

impl Deed<'_> {
    fn digest(self) -> u64 {
        let mut hasher = SipHasher13::new();
        match self {
            Self::Made(path) => {
                hasher.write_u8(0);
                hasher.write(path);
            }
            Self::Ran(path) => {
                hasher.write_u8(1);
                hasher.write(path);
            }
            Self::Reached(ip, port) => {
                hasher.write_u8(2);
                hasher.write_u16(port);
                match ip.to_canonical() {
                    IpAddr::V4(ip) => hasher.write(&ip.octets()),
                    IpAddr::V6(ip) => hasher.write(&ip.octets()),
                }
            }
            Self::File(path) => {
                hasher.write_u8(3);
                hasher.write(path);
            }
            Self::Wrote(path) => {
                hasher.write_u8(6);
                hasher.write(path);
            }
        }
        hasher.finish()
    }
}

impl History {
    /// Nothing was done.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds one event in, after it was judged: to a rule an agent's first connection is its first.
    pub fn apply(&mut self, event: &Event) {
        if let Detail::Exec(exec) | Detail::ProcessSeen(exec) = &event.detail {
            self.ran(event, exec);
        }
        if !event.outcome.succeeded() {
            // A connection that is under way was begun.
            if let (Some((ip, port)), true) = (peer(event), is_under_way(event)) {
                self.remember(event.agent, Deed::Reached(ip, port));
            }
            return;
        }
        if let Some((ip, port)) = peer(event) {
            self.remember(event.agent, Deed::Reached(ip, port));
        }
        self.named(event);
    }

    /// Whether the agent made this name, and it still means what it made.
    #[must_use]
    pub fn made(&self, agent: AgentId, path: &[u8]) -> bool {
        self.has_made(agent, path) && !self.is_doubted(agent) && !self.is_marked(agent, path, &[Mark::Led, Mark::Moved])
    }

    /// Whether a directory above this name is a link or mount of the agent's own. A link itself is where it stands.
    #[must_use]
    pub fn leads_elsewhere(&self, agent: AgentId, path: &[u8]) -> bool {
        let above = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
        above > 0 && self.is_marked(agent, &path[..above], &[Mark::Led])
    }

    /// Whether the agent may have put this file there, or changed it. Of an agent that did more than is remembered: yes.
    #[must_use]
    pub fn may_have_written(&self, agent: AgentId, path: &[u8]) -> bool {
        let Some(deeds) = self.agents.get(&agent) else { return false };
        deeds.has_forgotten
            || deeds.is_doubted
            || self.has_made(agent, path)
            || self.knows(agent, Deed::Wrote(path))
            || self.is_marked(agent, path, &[Mark::Led, Mark::Moved])
    }

    /// Whether the agent executed this file.
    #[must_use]
    pub fn ran_before(&self, agent: AgentId, path: &[u8]) -> bool {
        self.knows(agent, Deed::Ran(path))
    }

    /// Whether the agent connected or sent there.
    #[must_use]
    pub fn reached(&self, agent: AgentId, ip: IpAddr, port: u16) -> bool {
        self.knows(agent, Deed::Reached(ip, port))
    }

    /// Where the agent's first program began to work, when that can be a work directory.
    #[must_use]
    pub fn began_in(&self, agent: AgentId) -> Option<&Directory> {
        self.agents.get(&agent)?.began_in.as_ref()
    }

    /// Forgets an agent.
    pub fn forget(&mut self, agent: AgentId) {
        if let Some(deeds) = self.agents.remove(&agent) {
            self.remembered -= deeds.done.len();
        }
    }

    /// Things that had to be forgotten for want of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn ran(&mut self, event: &Event, exec: &Exec) {
        let deeds = self.agents.entry(event.agent).or_default();
        if !std::mem::replace(&mut deeds.began, true) {
            deeds.began_in = work_directory(&exec.cwd.bytes);
        }
        if event.outcome.succeeded() {
            self.remember(event.agent, Deed::Ran(&exec.exe.bytes));
        }
    }

    fn has_made(&self, agent: AgentId, path: &[u8]) -> bool {
        self.knows(agent, Deed::File(path)) || self.knows(agent, Deed::Made(path))
    }

    fn is_marked(&self, agent: AgentId, path: &[u8], marks: &[Mark]) -> bool {
        let Some(deeds) = self.agents.get(&agent) else { return false };
        if deeds.marks.is_empty() {
            return false;
        }
        let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        let is_marked = |end: usize| marks.iter().any(|mark| deeds.marks.contains(&mark.digest(&path[..end])));
        let mut depth = 0;
        for end in ends {
            depth += 1;
            if depth > DEPTH_MAX || is_marked(end) {
                return true;
            }
        }
        false
    }

    fn is_doubted(&self, agent: AgentId) -> bool {
        self.agents.get(&agent).is_some_and(|deeds| deeds.is_doubted)
    }

    fn mark(&mut self, agent: AgentId, mark: Mark, path: &[u8]) {
        let deeds = self.agents.entry(agent).or_default();
        if deeds.marks.len() < MARKS_MAX {
            deeds.marks.insert(mark.digest(path));
        } else {
            deeds.is_doubted = true;
        }
    }

    /// Names that come and go.
    fn named(&mut self, event: &Event) {
        if matches!(event.operation, "chroot" | "pivot_root" | "setns") {
            self.agents.entry(event.agent).or_default().is_doubted = true;
        }
        let Some(target) = event.target().map(|path| &path.bytes[..]) else { return };
        let (agent, source) = (event.agent, event.source().map(|path| &path.bytes[..]));
        match event.kind() {
            Kind::Open => self.opened(event, target),
            Kind::Mkdir | Kind::Mknod => self.remember(agent, Deed::Made(target)),
            Kind::Symlink => {
                self.remember(agent, Deed::Made(target));
                self.mark(agent, Mark::Led, target);
            }
            // Another name of a file of others is theirs.
            Kind::Link if source.is_some_and(|source| self.made(agent, source)) => self.remember(agent, Deed::Made(target)),
            Kind::Mount if target == b"/" => self.agents.entry(agent).or_default().is_doubted = true,
            Kind::Mount => self.mark(agent, Mark::Led, target),
            Kind::Unlink => self.gone(agent, target),
            Kind::Rename => self.renamed(agent, source.unwrap_or_default(), target),
            _ => {}
        }
    }

    fn opened(&mut self, event: &Event, target: &[u8]) {
        let Detail::Open(open) = &event.detail else { return };
        if open.created {
            self.remember(event.agent, Deed::File(target));
        } else if open.for_writing() && is_of_system(target) {
            self.remember(event.agent, Deed::Wrote(target));
        }
    }

    fn gone(&mut self, agent: AgentId, path: &[u8]) {
        self.undo(agent, Deed::File(path));
        self.undo(agent, Deed::Made(path));
    }

    /// A file keeps its maker. What lies below a directory has other names now, here and there, of which nothing is known; nor of what
    /// was others'.
    fn renamed(&mut self, agent: AgentId, source: &[u8], target: &[u8]) {
        let is_own_file = self.knows(agent, Deed::File(source)) && self.made(agent, source);
        let led = self.agents.get(&agent).is_some_and(|deeds| deeds.marks.contains(&Mark::Led.digest(source)));
        self.gone(agent, source);
        self.gone(agent, target);
        if led {
            self.mark(agent, Mark::Led, target);
        }
        if is_own_file {
            self.remember(agent, Deed::File(target));
        } else {
            self.mark(agent, Mark::Moved, source);
            self.mark(agent, Mark::Moved, target);
        }
    }

    fn knows(&self, agent: AgentId, deed: Deed<'_>) -> bool {
        self.agents.get(&agent).is_some_and(|deeds| deeds.done.contains(&deed.digest()))
    }

    fn undo(&mut self, agent: AgentId, deed: Deed<'_>) {
        if self.agents.get_mut(&agent).is_some_and(|deeds| deeds.done.remove(&deed.digest())) {
            self.remembered -= 1;
        }
    }

    fn remember(&mut self, agent: AgentId, deed: Deed<'_>) {
        let deeds = self.agents.entry(agent).or_default();
        let digest = deed.digest();
        if !deeds.done.insert(digest) {
            return;
        }
        deeds.order.push_back(digest);
        if deeds.order.len() > 2 * deeds.done.len() + 1024 {
            let done = &deeds.done;
            deeds.order.retain(|digest| done.contains(digest));
        }
        self.remembered += 1;
        while self.remembered > REMEMBERED_MAX {
            // The number decides between equals, so that a replay forgets the same one's.
            let most = self.agents.iter_mut().max_by_key(|(agent, deeds)| (deeds.done.len(), **agent));
            let Some((_, most)) = most else { return };
            if !most.forget_oldest() {
                return;
            }
            most.has_forgotten = true;
            self.remembered -= 1;
            self.forgotten += 1;
        }
    }
}

impl Deeds {
    fn forget_oldest(&mut self) -> bool {
        while let Some(digest) = self.order.pop_front() {
            if self.done.remove(&digest) {
                return true;
            }
        }
        false
    }
}

/// Whether a path is one of the system's programs and libraries.
pub(super) fn is_of_system(path: &[u8]) -> bool {
    [&b"/usr/"[..], b"/bin/", b"/sbin/", b"/lib/", b"/lib64/", b"/lib32/"].iter().any(|system| path.starts_with(system))
}

/// A directory that can be somebody's work: neither the root, nor one of the system's, nor anybody's home itself.
#[must_use]
pub fn work_directory(path: &[u8]) -> Option<Directory> {
    let mut parts = path.strip_prefix(b"/")?.split(|byte| *byte == b'/');
    let (first, rest) = (parts.next()?, parts.count());
    let is_top = rest == 0 && (NOT_WORK.contains(&first) || first == b"var");
    let is_home = rest == 1 && first == b"home";
    let is_system = NEVER_WORK.contains(&first);
    if is_top || is_home || is_system { None } else { Directory::new(path) }
}

#[cfg(test)]
mod tests {
    use super::{History, REMEMBERED_MAX, work_directory};
    use crate::event::{AgentId, Detail, Event, Exec, Open, Outcome, Path, PathTrust, ProcessKey, Unlink};
    use bytes::Bytes;

    fn event(agent: u32, detail: Detail) -> Event {
        let process = ProcessKey { tgid: 4, start_ns: 5 };
        Event { agent: AgentId(agent), ..crate::process::tests::event(process, detail) }
    }

    fn path(path: &str) -> Path {
        Path { bytes: Bytes::copy_from_slice(path.as_bytes()), trust: PathTrust::Resolved }
    }

    fn create(agent: u32, name: &str) -> Event {
        event(agent, Detail::Open(Open { path: path(name), created: true, ..Open::default() }))
    }

    #[test]
    fn a_name_is_the_agents_from_when_it_made_it_until_it_removed_it() {
        let mut history = History::new();
        history.apply(&create(1, "/w/a"));
        assert!(history.made(AgentId(1), b"/w/a") && !history.made(AgentId(2), b"/w/a") && !history.made(AgentId(1), b"/w/b"));
        let mut failed = create(1, "/w/b");
        failed.outcome = Outcome(-13);
        history.apply(&failed);
        assert!(!history.made(AgentId(1), b"/w/b"));
        history.apply(&event(1, Detail::Open(Open { path: path("/w/c"), created: false, ..Open::default() })));
        assert!(!history.made(AgentId(1), b"/w/c"), "it was there before");
        history.apply(&event(1, Detail::Unlink(Unlink { path: path("/w/a"), ..Unlink::default() })));
        assert!(!history.made(AgentId(1), b"/w/a") && history.remembered == 0);
    }

    #[test]
    fn the_first_program_tells_where_the_work_is() {
        let exec = |cwd: &str| Detail::Exec(Exec { exe: path("/bin/sh"), cwd: path(cwd), ..Exec::default() });
        let mut history = History::new();
        history.apply(&event(1, exec("/work/repo")));
        history.apply(&event(1, exec("/etc")));
        assert!(history.began_in(AgentId(1)).is_some_and(|directory| directory.contains(b"/work/repo/src")));
        history.apply(&event(2, exec("/root")));
        history.apply(&event(2, exec("/work/repo")));
        assert!(history.began_in(AgentId(2)).is_none(), "an agent cannot choose it later");
        assert!(history.ran_before(AgentId(2), b"/bin/sh") && !history.ran_before(AgentId(3), b"/bin/sh"));
        for (directory, may_be) in [
            ("/", false),
            ("/root", false),
            ("/home/a", false),
            ("/home/a/x", true),
            ("/usr/src/x", false),
            ("/srv/x", true),
            ("/app", true),
            ("/tmp", false),
            ("/var", false),
            ("relative", false),
        ] {
            assert_eq!(work_directory(directory.as_bytes()).is_some(), may_be, "{directory}");
        }
    }

    #[test]
    fn the_agent_that_did_most_forgets_first_and_all_is_bounded() {
        let mut history = History::new();
        history.apply(&create(1, "/modest"));
        for number in 0..REMEMBERED_MAX + 1000 {
            history.apply(&create(2, &format!("/many/{number}")));
        }
        assert_eq!((history.remembered, history.forgotten()), (REMEMBERED_MAX, 1001));
        assert!(history.made(AgentId(1), b"/modest") && !history.made(AgentId(2), b"/many/0"));
        history.forget(AgentId(2));
        assert_eq!(history.remembered, 1);
        for number in 0..5000 {
            history.apply(&create(1, &format!("/x/{number}")));
            history.apply(&event(1, Detail::Unlink(Unlink { path: path(&format!("/x/{number}")), ..Unlink::default() })));
        }
        assert!(history.agents[&AgentId(1)].order.len() < 2000, "what was undone does not pile up");
    }
}
