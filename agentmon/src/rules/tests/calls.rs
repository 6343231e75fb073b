//! System calls that are told by their arguments, for tests: one line each.

use super::support::{Case, case, path, text};
use crate::event::{Call, Detail, FileId, Fork, Kind, Path, PathTrust, ProcessKey, Target};
use agentmon_common::syscalls::{ARG_NAMES, NAMES, SHAPES, variants};

/// A call of this name, with these plain arguments: of one that is many things the first say which.
pub fn call(name: &'static str, args: &[(&str, u64)]) -> Case {
    let op = NAMES.iter().position(|known| *known == name).unwrap_or_else(|| panic!("no call {name}"));
    let given = |at: usize| args.get(at).map_or(0, |(_, value)| *value);
    let op = usize::from(variants::of(u8::try_from(op).unwrap(), given(0), given(1)));
    let kind =
        Kind::ALL.into_iter().find(|kind| *kind as u16 == SHAPES[op].kind).unwrap_or_else(|| panic!("{name} has an event of its own"));
    let mut values = [0; 4];
    for (arg, value) in args {
        let at = ARG_NAMES[op].iter().position(|known| known == arg).unwrap_or_else(|| panic!("{name} has no {arg}"));
        values[at] = *value;
    }
    let call = Call {
        kind,
        op: u8::try_from(op).unwrap(),
        args: values,
        file: FileId::default(),
        target: Target::default(),
        second: None,
        text: None,
    };
    case(name, Detail::Call(call))
}

fn target(bytes: &str) -> Target {
    let path = Path { trust: PathTrust::Joined, ..path(bytes.as_bytes()) };
    Target { path, asked: text(bytes.as_bytes()), at_enter: None }
}

impl Case {
    fn call(&mut self) -> &mut Call {
        match &mut self.event.detail {
            Detail::Call(call) => call,
            other => panic!("{other:?} is no call"),
        }
    }

    /// On this file.
    pub fn on(mut self, file: &str) -> Self {
        self.call().target = target(file);
        self
    }

    /// With this second file: where a rename or link leads to, what a mount comes from.
    pub fn and(mut self, file: &str) -> Self {
        self.call().second = Some(target(file));
        self
    }

    /// With this text: what a symbolic link points to, the name of an attribute.
    pub fn saying(mut self, said: &str) -> Self {
        self.call().text = Some(text(said.as_bytes()));
        self
    }
}

/// A file was given another name.
pub fn renamed_to(from: &str, to: &str) -> Case {
    call("rename", &[]).on(from).and(to)
}

/// This process made another.
pub fn forked(parent: &Case, tgid: u32) -> Case {
    let child = ProcessKey { tgid, start_ns: u64::from(tgid) };
    let mut case = case("fork", Detail::Fork(Fork { child, child_ppid: parent.event.process.tgid, child_cgroup: parent.event.cgroup }));
    case.event.process = parent.event.process;
    case
}
