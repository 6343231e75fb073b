//! The one table of probes: program, hook, when it is attached, and what is lost without it.
//!
//! Not for: loading and attaching (`super`).

use super::paths::PathHook;
use crate::event::Kind;
use agentmon_common::hooks::{HOOKS, Hook as PathFunction};
use agentmon_common::stats::probe;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// BTF tracepoint of the first of these names that the kernel has.
    Tracepoint(&'static [&'static str]),
    /// BPF iterator over this kind of object; runs when read.
    Iterator(&'static str),
    /// Packets of the sockets of a cgroup, going this way.
    Cgroup(Way),
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It leaves a socket.
    Out,
    /// It comes to one.
    In,
}

/// When a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// From start to end: cheap, and membership depends on it.
    Always,
    /// Only while an agent is watched: costs every system call of the host.
    WhileWatching,
    /// On each watched agent's cgroup: costs the packets of its sockets.
    OnAgent,
    /// Run for each agent that begins to be watched, and for each that is watched no more.
    OnWatch,
}

/// Whether the monitor starts without a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It does not.
    Must,
    /// It does, without the kinds of events that the program makes, and says so. The program cannot do without these
    /// members, as `structure.member`.
    May(&'static [&'static str]),
}

/// Where the events of a kind come from, and what that cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The kernel's hooks.
    pub hooks: &'static str,
    /// What passes by them.
    pub blind_to: &'static str,
}

const CALLS: &str = "tp_btf sys_exit, sys_enter";
const BY_PATH: Source = Source { hooks: CALLS, blind_to: "the file behind a path: links in it are not followed" };
const BY_CALL: Source = Source { hooks: CALLS, blind_to: "nothing known of" };

/// The source of a kind, with those of the kernel's own path hooks that are in use.
#[must_use]
pub fn source(kind: Kind, hooks: &[PathHook]) -> Source {
    let in_use = |hook: &PathFunction| hooks.iter().any(|known| known.function == hook.function && known.is_in_use());
    let mut of_kind = HOOKS.iter().filter(|hook| hook.kind == kind as u16).peekable();
    if of_kind.peek().is_some() && of_kind.all(in_use) {
        return Source { hooks: "tp_btf sys_exit, sys_enter; fentry security_path_*", blind_to: "nothing known of" };
    }
    alone(kind)
}

/// The same without them.
const fn alone(kind: Kind) -> Source {
    match kind {
        Kind::Exec => Source {
            hooks: "tp_btf sched_process_exec; failures: sys_exit",
            blind_to: "code that is loaded without exec (mmap, an interpreter's)",
        },
        Kind::Fork => Source { hooks: "tp_btf sched_process_fork", blind_to: "threads" },
        Kind::Exit => Source { hooks: "tp_btf sched_process_exit", blind_to: "nothing known of" },
        Kind::Open => Source { hooks: CALLS, blind_to: "descriptors received over a socket; what is read and written" },
        Kind::Connect | Kind::Bind | Kind::Listen | Kind::Accept | Kind::Socket => {
            Source { hooks: CALLS, blind_to: "io_uring, which `io_uring` tells" }
        }
        Kind::Send => Source { hooks: CALLS, blind_to: "io_uring; of sendmmsg all destinations but the first" },
        Kind::Netlink => Source { hooks: CALLS, blind_to: "io_uring; write(2) on a netlink socket; pieces of a message but the first" },
        Kind::CgroupLeave | Kind::CgroupJoin => {
            Source { hooks: "tp_btf cgroup_attach_task, sched_process_fork", blind_to: "nothing known of" }
        }
        Kind::ProcessSeen => Source { hooks: "iter task", blind_to: "nothing known of" },
        Kind::Map => Source { hooks: CALLS, blind_to: "what is written through the mapping" },
        Kind::IoUring => Source {
            hooks: "tp_btf io_uring_submit_req; setting up: sys_exit",
            blind_to: "what comes of a request; reads and writes; files registered with the ring",
        },
        Kind::CgroupState => {
            Source { hooks: "tp_btf cgroup_mkdir, _rmdir, _freeze, _unfreeze", blind_to: "v1 hierarchies; limits that are set" }
        }
        Kind::Flow => {
            Source { hooks: "tp_btf inet_sock_set_state", blind_to: "UDP; TCP fast open; io_uring; what outlives the agent's cgroup" }
        }
        Kind::Dns => Source {
            hooks: "cgroup_skb egress, ingress",
            blind_to: "DNS in TLS or HTTPS; by a UNIX socket; other ports; sockets made outside",
        },
        Kind::Capability => {
            Source { hooks: "tp_btf cap_capable, since Linux 6.14", blind_to: "CAP_SYS_ADMIN in calls that take memory; what came of it" }
        }
        Kind::Resolved => {
            Source { hooks: "fentry security_path_*, where they report", blind_to: "what comes of it; what is changed by an open file" }
        }
        Kind::ThreadName => Source { hooks: "tp_btf task_rename", blind_to: "nothing known of" },
        Kind::Argv => Source { hooks: "tp_btf sys_exit", blind_to: "arguments that are overwritten where they stand" },
        Kind::UnknownSyscall => Source { hooks: "tp_btf sys_exit", blind_to: "what the call does; numbers below 0" },
        Kind::Signal => Source { hooks: "tp_btf signal_generate", blind_to: "signals that were refused" },
        Kind::Unlink | Kind::Rename | Kind::Link | Kind::Symlink | Kind::Mkdir | Kind::Mknod => BY_PATH,
        Kind::Truncate | Kind::Chmod | Kind::Chown | Kind::Xattr | Kind::FileFlags | Kind::FileTimes | Kind::Mount => BY_PATH,
        Kind::Identity | Kind::ProcessAccess | Kind::Namespace | Kind::Module | Kind::Bpf | Kind::System | Kind::ProcessSetting => BY_CALL,
    }
}

/// One probe.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name of the program in the eBPF object.
    pub program: &'static str,
    /// Where it is attached.
    pub hook: Hook,
    /// When it is attached.
    pub presence: Presence,
    /// Whether the monitor starts without it.
    pub need: Need,
    /// What cannot be seen without it.
    pub without: &'static str,
    /// Its second copy, for kernels that skip runs of it (`super::second`).
    pub second: Option<&'static str>,
}

impl Probe {
    /// Where its errors and skipped runs are counted: an index of `agentmon_common::stats::probe`.
    ///
    /// # Panics
    /// When that table has no such name; a test looks at every probe.
    #[must_use]
    pub fn counter(&self) -> usize {
        let found = probe::NAMES.iter().position(|name| match self.hook {
            Hook::Tracepoint(hooks) => hooks.contains(name),
            Hook::Iterator(kind) => name.strip_prefix("iter_") == Some(kind),
            Hook::Cgroup(Way::Out) => *name == "cgroup_skb_egress",
            Hook::Cgroup(Way::In) => *name == "cgroup_skb_ingress",
        });
        found.unwrap_or_else(|| panic!("stats::probe has no name for {}", self.program))
    }
}

/// Every probe. The order is that of attaching: membership first, so that nothing of an agent is missed.
pub const PROBES: [Probe; 18] = [
    Probe {
        program: "am_cgroup_mkdir",
        hook: Hook::Tracepoint(&["cgroup_mkdir"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "that a cgroup is made inside an agent's is missed",
        second: None,
    },
    Probe {
        program: "am_cgroup_rmdir",
        hook: Hook::Tracepoint(&["cgroup_rmdir"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "that a cgroup is removed is missed; the table of agents' cgroups keeps removed ones until their agent ends",
        second: None,
    },
    Probe {
        program: "am_cgroup_attach",
        hook: Hook::Tracepoint(&["cgroup_attach_task"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "processes that enter or leave an agent's cgroup are missed",
        second: None,
    },
    Probe {
        program: "am_fork",
        hook: Hook::Tracepoint(&["sched_process_fork"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "children of an agent's processes are missed",
        second: Some("am_fork_2"),
    },
    Probe {
        program: "am_exit",
        hook: Hook::Tracepoint(&["sched_process_exit"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "ends of processes are missed, and a reused pid is taken for the agent's",
        second: Some("am_exit_2"),
    },
    Probe {
        program: "am_exec",
        hook: Hook::Tracepoint(&["sched_process_exec"]),
        presence: Presence::Always,
        need: Need::Must,
        without: "programs that an agent executes are missed",
        second: Some("am_exec_2"),
    },
    Probe {
        program: "am_sys_exit",
        hook: Hook::Tracepoint(&["sys_exit"]),
        presence: Presence::WhileWatching,
        need: Need::Must,
        without: "open, sockets, unlink and changes of identity are missed",
        second: Some("am_sys_exit_2"),
    },
    Probe {
        program: "am_sys_enter",
        hook: Hook::Tracepoint(&["sys_enter"]),
        presence: Presence::WhileWatching,
        need: Need::Must,
        without: "a path or address changed during its system call goes unnoticed",
        second: None,
    },
    Probe {
        program: "am_signal",
        hook: Hook::Tracepoint(&["signal_generate"]),
        presence: Presence::WhileWatching,
        need: Need::May(&["kernel_siginfo.si_code"]),
        without: "signals between processes are missed",
        second: None,
    },
    Probe {
        program: "am_uring",
        // The second before Linux 6.4.
        hook: Hook::Tracepoint(&["io_uring_submit_req", "io_uring_submit_sqe"]),
        presence: Presence::WhileWatching,
        need: Need::May(&["io_kiocb.opcode", "io_kiocb.flags", "io_kiocb.cqe.fd", "filename.name"]),
        without: "what is asked of an io_uring is missed",
        second: None,
    },
    Probe {
        program: "am_cgroup_freeze",
        hook: Hook::Tracepoint(&["cgroup_freeze"]),
        presence: Presence::WhileWatching,
        need: Need::May(&[]),
        without: "that a cgroup is frozen is missed",
        second: None,
    },
    Probe {
        program: "am_cgroup_thaw",
        hook: Hook::Tracepoint(&["cgroup_unfreeze"]),
        presence: Presence::WhileWatching,
        need: Need::May(&[]),
        without: "that a cgroup is thawed is missed",
        second: None,
    },
    Probe {
        program: "am_task_rename",
        hook: Hook::Tracepoint(&["task_rename"]),
        presence: Presence::WhileWatching,
        need: Need::May(&["task_struct.flags"]),
        without: "names that threads are given are missed",
        second: None,
    },
    Probe {
        program: "am_sock_state",
        hook: Hook::Tracepoint(&["inet_sock_set_state"]),
        presence: Presence::WhileWatching,
        need: Need::May(&[
            "sock.__sk_common.skc_state",
            "sock.__sk_common.skc_flags",
            "tcp_sock.bytes_sent",
            "tcp_sock.bytes_retrans",
            "tcp_sock.bytes_received",
        ]),
        without: "how many bytes went through a connection is missed",
        second: None,
    },
    Probe {
        program: "am_capable",
        hook: Hook::Tracepoint(&["cap_capable"]),
        presence: Presence::WhileWatching,
        need: Need::May(&["task_struct.self_exec_id", "user_namespace.level"]),
        without: "uses of capabilities are missed",
        second: None,
    },
    Probe {
        program: "am_dns_egress",
        hook: Hook::Cgroup(Way::Out),
        presence: Presence::OnAgent,
        need: Need::May(&[]),
        without: "DNS messages that an agent sends are missed",
        second: None,
    },
    Probe {
        program: "am_dns_ingress",
        hook: Hook::Cgroup(Way::In),
        presence: Presence::OnAgent,
        need: Need::May(&[]),
        without: "DNS messages that an agent receives are missed, and connections have no names",
        second: None,
    },
    Probe {
        program: "am_tasks",
        hook: Hook::Iterator("task"),
        presence: Presence::OnWatch,
        need: Need::Must,
        without: "processes that were there before watching began are missed once they leave the cgroup",
        second: None,
    },
];

#[cfg(test)]
mod tests {
    use super::PROBES;
    use agentmon_common::stats::probe;

    #[test]
    fn every_probe_has_a_counter_of_its_own() {
        let mut counters: Vec<usize> = PROBES.iter().map(super::Probe::counter).collect();
        // The kernel's own path hooks share one.
        counters.push(probe::PATH);
        counters.sort_unstable();
        assert_eq!(counters, (0..probe::COUNT).collect::<Vec<_>>());
    }
}
