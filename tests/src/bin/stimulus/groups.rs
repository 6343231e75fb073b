//! cgroups made, removed, frozen and thawed inside the agent's own.
//!
//! Not for: moves between cgroups (`scope`).

use crate::sys::{at, c, sys};
use crate::truth::Truth;
use std::os::unix::fs::MetadataExt as _;

/// One that is there: `path` on this host, `name` below the mount.
struct Group {
    path: String,
    name: String,
    id: u64,
}

impl Group {
    fn make(inside: &str, name: &str) -> Self {
        let (path, name) = (format!("{inside}/{}", last(name)), name.to_owned());
        assert_eq!(sys(libc::SYS_mkdir, &[at(&c(&path)), 0o755]), 0, "mkdir {path}");
        let id = std::fs::metadata(&path).expect("a cgroup").ino();
        let group = Self { path, name, id };
        group.tell("cgroup_mkdir", "made");
        group
    }

    fn tell(&self, op: &str, action: &str) {
        let truth = Truth::of(op, 0).with("action", action).with("of_cgroup", self.id).with("by_member", true);
        truth.bytes("of_path", &self.name).print();
    }

    fn freeze(&self, on: bool) {
        std::fs::write(format!("{}/cgroup.freeze", self.path), if on { "1" } else { "0" }).expect("cgroup.freeze");
    }

    fn remove(self) {
        assert_eq!(sys(libc::SYS_rmdir, &[at(&c(&self.path))]), 0, "rmdir {}", self.path);
        self.tell("cgroup_rmdir", "removed");
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// All four, of a cgroup and one inside it. `path` is the agent's cgroup on this host, `name` below the mount.
pub fn all(path: &str, name: &str) {
    let outer = Group::make(path, &format!("{name}/outer"));
    let inner = Group::make(&outer.path, &format!("{}/inner \u{e9}", outer.name));
    outer.freeze(true);
    // What is frozen already stays so: no news.
    outer.freeze(true);
    inner.freeze(true);
    outer.tell("cgroup_freeze", "frozen");
    inner.tell("cgroup_freeze", "frozen");
    inner.freeze(false);
    outer.freeze(false);
    outer.tell("cgroup_unfreeze", "thawed");
    inner.tell("cgroup_unfreeze", "thawed");
    inner.remove();
    outer.remove();
    // Refused: no news either.
    assert_ne!(sys(libc::SYS_mkdir, &[at(&c(format!("{path}/cgroup.procs"))), 0o755]), 0);
}
