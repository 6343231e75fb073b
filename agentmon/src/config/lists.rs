//! The lists of `[[agent]]`: what it is expected to do.
//!
//! Not for: what follows from them (`crate::allow`, and the rules).

use super::typed;
use super::validate::Check;
use crate::allow::{AllowList, Destination, Directory, Globs};
use std::ops::RangeInclusive;
use toml::Spanned;

impl Check<'_> {
    pub(super) fn allow_list(&mut self, typed: &typed::Agent) -> AllowList {
        AllowList {
            workdir: typed.workdir.iter().filter_map(|at| self.directory(at)).collect(),
            executables: self.globs(typed.executables.as_deref(), "agent.executables"),
            destinations: typed.destinations.as_ref().map(|all| all.iter().filter_map(|at| self.destination(at)).collect()),
            read: self.globs(typed.read.as_deref(), "agent.read"),
            write: self.globs(typed.write.as_deref(), "agent.write"),
            ports: typed.ports.as_ref().map(|all| all.iter().filter_map(|at| self.ports(at)).collect()),
        }
    }

    fn directory(&mut self, at: &Spanned<String>) -> Option<Directory> {
        let directory = Directory::new(at.get_ref().as_bytes());
        if directory.is_none() {
            let what = format!("`{}` is not a directory's absolute path", at.get_ref().escape_debug());
            self.wrong(at, "agent.workdir", &what, "as the kernel resolves it: no `..`, no symbolic link, and not / itself");
        }
        directory
    }

    fn globs(&mut self, typed: Option<&[Spanned<String>]>, key: &str) -> Option<Globs> {
        let typed = typed?;
        match Globs::new(typed.iter().map(|at| at.get_ref().clone()).collect()) {
            Ok(globs) => Some(globs),
            Err((index, reason)) => {
                let what = format!("`{}` is no pattern of paths: {reason}", typed[index].get_ref().escape_debug());
                self.wrong(&typed[index], key, &what, "absolute; * stays within a level, ** does not: /home/*/.cache/**");
                None
            }
        }
    }

    fn destination(&mut self, at: &Spanned<String>) -> Option<Destination> {
        at.get_ref().parse().map_err(|error| self.wrong(at, "agent.destinations", &format!("{error}"), "")).ok()
    }

    fn ports(&mut self, at: &Spanned<String>) -> Option<RangeInclusive<u16>> {
        let text = at.get_ref();
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) if from <= to => Some(from..=to),
            _ => {
                let what = format!("`{}` is no port and no range of ports", text.escape_debug());
                self.wrong(at, "agent.ports", &what, "in quotes: \"8080\" or \"3000-3009\"");
                None
            }
        }
    }
}
