//! Which rules see nothing, or not everything, of an agent that some kinds of events are switched off for.
//!
//! Said once, when watching such an agent is configured. Not for: matching; a rule that sees nothing needs no telling.

use super::{Category, Rule, RuleSet};
use crate::event::{Kind, Kinds};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Rules that need what is switched off.
#[derive(Clone, Debug, Default)]
pub struct Blinded {
    /// Their operations are not seen at all, but for requests to an io_uring.
    pub cannot_fire: Vec<Arc<Rule>>,
    /// Some of their operations are not seen.
    pub partly: Vec<Arc<Rule>>,
    /// Whether requests to an io_uring are still seen.
    by_ring: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    None,
    Part,
    Full,
}

/// What auditd would write records of.
const AUDITED: &[Kind] = &[
    Kind::Exec,
    Kind::Open,
    Kind::Unlink,
    Kind::Rename,
    Kind::Link,
    Kind::Symlink,
    Kind::Mkdir,
    Kind::Mknod,
    Kind::Truncate,
    Kind::Map,
    Kind::Chmod,
    Kind::Chown,
    Kind::Xattr,
    Kind::FileFlags,
    Kind::FileTimes,
    Kind::Mount,
    Kind::Connect,
    Kind::Accept,
    Kind::Send,
    Kind::Bind,
    Kind::Listen,
    Kind::Socket,
    Kind::Netlink,
    Kind::Identity,
    Kind::ProcessAccess,
    Kind::ProcessSetting,
    Kind::ThreadName,
    Kind::Argv,
    Kind::Namespace,
    Kind::Module,
    Kind::Bpf,
    Kind::System,
    Kind::IoUring,
    Kind::Resolved,
    Kind::Signal,
];

impl Category {
    /// The kinds of events that can be of this category; io_uring besides, for its requests.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::ProcessCreation => &[Kind::Exec],
            Self::FileEvent => &[Kind::Open, Kind::Rename, Kind::Link, Kind::Symlink, Kind::Mkdir, Kind::Mknod],
            Self::FileAccess => &[Kind::Open],
            Self::FileChange => &[Kind::Open, Kind::Truncate, Kind::Map],
            Self::FileDelete => &[Kind::Unlink],
            Self::NetworkConnection | Self::UnixConnect => &[Kind::Connect, Kind::Accept, Kind::Send],
            Self::PrivilegeChange => &[Kind::Identity],
            Self::CgroupChange => &[Kind::CgroupLeave, Kind::CgroupState],
            Self::FileRename => &[Kind::Rename],
            Self::FileLink => &[Kind::Link, Kind::Symlink],
            Self::PermissionChange => &[Kind::Chmod, Kind::Chown, Kind::Xattr, Kind::FileFlags, Kind::FileTimes],
            Self::Mount => &[Kind::Mount],
            Self::ProcessAccess => &[Kind::ProcessAccess],
            Self::NamespaceChange => &[Kind::Namespace],
            Self::DriverLoad => &[Kind::Module],
            Self::BpfSyscall => &[Kind::Bpf],
            Self::SystemSetting => &[Kind::System],
            Self::IoUring => &[Kind::IoUring],
            Self::NetworkBind => &[Kind::Bind, Kind::Listen],
            Self::SocketCreate => &[Kind::Socket],
            Self::Netlink => &[Kind::Netlink],
            Self::ProcessSignal => &[Kind::Signal],
            Self::ProcessTampering => &[Kind::ThreadName, Kind::Argv, Kind::ProcessSetting],
            Self::UnknownSyscall => &[Kind::UnknownSyscall],
            Self::NetworkFlow => &[Kind::Flow],
            Self::DnsQuery => &[Kind::Dns],
            Self::CapabilityUse => &[Kind::Capability],
            Self::Auditd => AUDITED,
        }
    }

    fn sight(self, off: Kinds) -> Sight {
        let seen = self.kinds().iter().filter(|kind| !off.contains(**kind)).count();
        match seen {
            0 => Sight::None,
            seen if seen == self.kinds().len() => Sight::Full,
            _ => Sight::Part,
        }
    }
}

impl RuleSet {
    /// The rules that need kinds of `off`. A correlation needs what the rules need that it counts.
    #[must_use]
    pub fn blinded(&self, off: Kinds) -> Blinded {
        let mut blinded = Blinded { by_ring: !off.contains(Kind::IoUring), ..Blinded::default() };
        let mut counted: Vec<Sights> = vec![(None, None); self.correlations().len()];
        for (number, rule) in (0..).map_while(|number| Some((number, self.rule(number)?))) {
            let Some(category) = rule.category else { continue };
            let sight = category.sight(off);
            blinded.add(rule, sight, sight);
            self.needs(number, sight, sight, &mut counted);
        }
        // Each stands after those it counts.
        for (index, correlation) in self.correlations().iter().enumerate() {
            if let (Some(rule), (Some(least), Some(most))) = (self.rule(correlation.rule), counted[index]) {
                blinded.add(rule, least, most);
                self.needs(correlation.rule, least, most, &mut counted);
            }
        }
        blinded
    }
}

type Sights = (Option<Sight>, Option<Sight>);

impl RuleSet {
    /// What the correlations that count a rule see of it.
    fn needs(&self, number: u32, least: Sight, most: Sight, counted: &mut [Sights]) {
        for (index, _) in self.counted_by(number) {
            if let Some((least_of_all, most_of_all)) = counted.get_mut(*index) {
                *least_of_all = Some(least_of_all.map_or(least, |other| other.min(least)));
                *most_of_all = (*most_of_all).max(Some(most));
            }
        }
    }
}

impl Blinded {
    /// Whether every rule sees all that it is about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cannot_fire.is_empty() && self.partly.is_empty()
    }

    fn add(&mut self, rule: &Arc<Rule>, least: Sight, most: Sight) {
        if !rule.reported || least == Sight::Full {
            return;
        }
        if most == Sight::None { &mut self.cannot_fire } else { &mut self.partly }.push(Arc::clone(rule));
    }
}

/// One line: `3 rules cannot fire: a, b, c; 1 sees only part: d`.
impl fmt::Display for Blinded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no rule needs them");
        }
        let (blind, partly) = (self.cannot_fire.len(), self.partly.len());
        if blind > 0 {
            let but = if self.by_ring { " but on a request to an io_uring" } else { "" };
            write!(f, "{blind} {} cannot fire{but}: {}", plural(blind, "rule", "rules"), names(&self.cannot_fire))?;
        }
        if partly > 0 {
            let what = plural(partly, "rule sees", "rules see");
            write!(f, "{}{partly} {what} only part: {}", if blind > 0 { "; " } else { "" }, names(&self.partly))?;
        }
        Ok(())
    }
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// The files' stems, each once: a file holds a rule and what feeds it.
fn names(rules: &[Arc<Rule>]) -> String {
    let mut names: Vec<String> = rules
        .iter()
        .map(|rule| Path::new(&rule.file).file_stem().unwrap_or_default().to_string_lossy().escape_debug().to_string())
        .collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Category, Kinds};
    use crate::rules::load::gather;

    fn off(names: &[&str]) -> Kinds {
        let mut kinds = Kinds::default();
        names.iter().for_each(|name| kinds.insert(name).unwrap());
        kinds
    }

    #[test]
    fn rules_that_need_what_is_switched_off_are_named() {
        let rules = gather(true, &[]).rules;
        let line = rules.blinded(off(&["unlink", "io_uring"])).to_string();
        assert!(line.contains(" cannot fire: ") && line.contains(" bulk-delete, "), "{line}");
        assert!(!line.contains("cgroup-escape") && !line.contains("privilege-gain"), "{line}");
        let line = rules.blinded(off(&["identity"])).to_string();
        assert_eq!(line, "1 rule cannot fire but on a request to an io_uring: privilege-gain");
        let line = rules.blinded(off(&["open"])).to_string();
        assert!(line.contains("credential-file-read"), "{line}");
        assert!(line.contains(" see only part: ") && line.contains("persistence-write"), "{line}");
        assert_eq!(rules.blinded(Kinds::default()).to_string(), "no rule needs them");
    }

    #[test]
    fn every_category_names_the_kinds_it_is_made_of() {
        assert!(Category::ALL.into_iter().all(|category| !category.kinds().is_empty()));
    }
}
