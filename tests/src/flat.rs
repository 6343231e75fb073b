//! An event as a flat map of plain values, with the keys the stimulus uses for its truth.
//!
//! Bytes are escaped as ASCII, so that nothing is lost. Not for: logs (`agentmon::log` has its own form).

use agentmon::event::{
    Address, Argv, Call, Cgroup, CgroupState, Change, Detail, Dns, Event, Exec, FileId, Flow, Fork, Identity, Kind, NetworkChange, Open,
    Path, Resolved, Signal, Socket, Target, ThreadName, Unlink, Uring, flags,
};
use serde_json::{Map, Value};

/// Nanoseconds of a clock tick (`USER_HZ` is 100), the unit of /proc.
const TICK_NS: u64 = 10_000_000;

/// Everything an event says.
#[must_use]
pub fn flatten(event: &Event) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("kind", event.kind().name().into());
    put("op", event.operation.into());
    put("ret", event.outcome.0.into());
    put("pid", event.process.tgid.into());
    put("tid", event.tid.into());
    put("ppid", event.ppid.into());
    put("start", (event.process.start_ns / TICK_NS).into());
    put("uid", event.uid.into());
    put("euid", event.euid.into());
    put("comm", escaped(event.comm()));
    put("agent", event.agent.0.into());
    put("cgroup", event.cgroup.0.into());
    for (name, flag) in [
        ("compat", flags::COMPAT),
        ("read_at_exit", flags::READ_AT_EXIT),
        ("unreadable", flags::UNREADABLE),
        ("changed", flags::CHANGED),
        ("truncated", flags::TRUNCATED),
        ("submitted", flags::SUBMITTED),
        ("resolved", flags::RESOLVED),
        ("mismatch", flags::MISMATCH),
    ] {
        put(name, event.has(flag).into());
    }
    detail(&event.detail, &mut put);
    map
}

fn detail(detail: &Detail, put: &mut impl FnMut(&str, Value)) {
    match detail {
        Detail::Exec(it) | Detail::ProcessSeen(it) => exec(it, put),
        Detail::Fork(it) => fork(it, put),
        Detail::Exit(it) => put("status", it.status.into()),
        Detail::Open(it) => open(it, put),
        Detail::Socket(it) => socket(it, put),
        Detail::Netlink(it) => netlink(it, put),
        Detail::Unlink(it) => unlink(it, put),
        Detail::Identity(it) => identity(it, put),
        Detail::CgroupLeave(it) | Detail::CgroupJoin(it) => cgroup(it, put),
        Detail::Signal(it) => signal(it, put),
        Detail::CgroupState(it) => cgroup_state(it, put),
        Detail::ThreadName(it) => thread_name(it, put),
        Detail::UnknownCall(it) => put("number", it.number.into()),
        Detail::Argv(it) => argv(it, put),
        Detail::Flow(it) => flow(it, put),
        Detail::Dns(it) => dns(it, put),
        Detail::Capability(it) => {
            put("capability", it.to_string().into());
            put("call", it.call.into());
            put("initial_namespace", it.in_initial_namespace.into());
        }
        Detail::Uring(it) => uring(it, put),
        Detail::Resolved(it) => resolved(it, put),
        Detail::Call(it) => call(it, put),
    }
}

fn escaped(bytes: &[u8]) -> Value {
    bytes.escape_ascii().to_string().into()
}

fn path(key: &str, path: &Path, put: &mut impl FnMut(&str, Value)) {
    put(key, escaped(&path.bytes));
    put("trust", format!("{:?}", path.trust).into());
}

fn file(file: &FileId, put: &mut impl FnMut(&str, Value)) {
    put("ino", file.ino.into());
    put("dev", format!("{}:{}", file.major, file.minor).into());
    put("mode", file.mode.into());
    put("nlink", file.nlink.into());
}

fn exec(exec: &Exec, put: &mut impl FnMut(&str, Value)) {
    path("exe", &exec.exe, put);
    file(&exec.file, put);
    put("filename", escaped(&exec.filename.bytes));
    put("script", exec.script.as_ref().map_or("none".into(), |script| escaped(&script.bytes)));
    put("cwd", escaped(&exec.cwd.bytes));
    put("argv", escaped(&exec.argv.bytes));
    put("argv_bytes", exec.argv.original.into());
    put("argc", exec.argc.into());
    put("fileless", exec.is_fileless().into());
}

fn fork(fork: &Fork, put: &mut impl FnMut(&str, Value)) {
    put("child_pid", fork.child.tgid.into());
    put("child_start", (fork.child.start_ns / TICK_NS).into());
    put("child_ppid", fork.child_ppid.into());
    put("child_cgroup", fork.child_cgroup.0.into());
}

fn open(open: &Open, put: &mut impl FnMut(&str, Value)) {
    path("path", &open.path, put);
    put("asked", escaped(&open.asked.bytes));
    file(&open.file, put);
    put("open_flags", open.open_flags.into());
    put("create_mode", open.create_mode.into());
    put("created", open.created.into());
}

fn uring(uring: &Uring, put: &mut impl FnMut(&str, Value)) {
    put("opcode", uring.opcode.into());
    put("fd", uring.fd.into());
    target("", &uring.target, put);
    if let Some(second) = &uring.second {
        target("to_", second, put);
    }
    put("ino", uring.file.ino.into());
    put("text", uring.text.as_ref().map_or(Value::Null, |text| escaped(&text.bytes)));
    put("peer", uring.peer.as_ref().map_or(Value::Null, address));
    put("from_kernel", uring.from_kernel.into());
    for (name, value) in uring.args() {
        put(&format!("arg_{name}"), value.into());
    }
}

fn resolved(it: &Resolved, put: &mut impl FnMut(&str, Value)) {
    put("of", it.kind.name().into());
    path("path", &it.path, put);
    file(&it.file, put);
    if let Some(second) = &it.second {
        put("to_path", escaped(&second.bytes));
    }
    put("replaced_ino", it.replaced.ino.into());
    put("by_worker", it.by_worker.into());
}

fn signal(signal: &Signal, put: &mut impl FnMut(&str, Value)) {
    put("signal", signal.signal.0.into());
    put("code", signal.code.into());
    put("other_pid", signal.other.tgid.into());
    put("other_start", (signal.other.start_ns / TICK_NS).into());
    put("other_comm", escaped(signal.other_comm()));
    put("other_agent", signal.other_agent.map_or(0, |agent| agent.0).into());
    put("received", signal.received.into());
    put("thread", signal.thread.into());
    put("delivery", signal.delivery.name().into());
    put("to_monitor", signal.to_monitor.into());
}

fn call(call: &Call, put: &mut impl FnMut(&str, Value)) {
    target("", &call.target, put);
    if let Some(second) = &call.second {
        target("to_", second, put);
    }
    if call.file.ino != 0 {
        file(&call.file, put);
    }
    put("text", call.text.as_ref().map_or(Value::Null, |text| escaped(&text.bytes)));
    for (name, value) in call.args() {
        put(&format!("arg_{name}"), value.into());
    }
}

fn target(prefix: &str, target: &Target, put: &mut impl FnMut(&str, Value)) {
    put(&format!("{prefix}path"), escaped(&target.path.bytes));
    put(&format!("{prefix}trust"), format!("{:?}", target.path.trust).into());
    put(&format!("{prefix}asked"), escaped(&target.asked.bytes));
    put(&format!("{prefix}at_enter"), target.at_enter.as_ref().map_or(Value::Null, |asked| escaped(&asked.bytes)));
}

fn unlink(unlink: &Unlink, put: &mut impl FnMut(&str, Value)) {
    path("path", &unlink.path, put);
    put("asked", escaped(&unlink.asked.bytes));
    put("at_enter", unlink.asked_at_enter.as_ref().map_or(Value::Null, |asked| escaped(&asked.bytes)));
    put("directory", unlink.directory.into());
    if unlink.file.ino != 0 {
        file(&unlink.file, put);
    }
}

fn address(address: &Address) -> Value {
    match address {
        Address::Inet(address) => format!("inet {address}"),
        Address::UnixPath(path) => format!("unix {}", path.bytes.escape_ascii()),
        Address::UnixAbstract(name) => format!("abstract {}", name.bytes.escape_ascii()),
        Address::Disconnect => "disconnect".to_owned(),
        Address::Other(bytes) => format!("other {}", bytes.bytes.escape_ascii()),
        Address::Unknown => "unknown".to_owned(),
    }
    .into()
}

fn socket(socket: &Socket, put: &mut impl FnMut(&str, Value)) {
    put("peer", address(&socket.peer));
    put("local", address(&socket.local));
    put("at_exit", socket.at_exit.as_ref().map_or("none".into(), address));
    put("from_kernel", socket.from_kernel.into());
    put("asked_peer", socket.asked.as_ref().map_or("none".into(), address));
    put("family", socket.family.into());
    put("sock_type", socket.sock_type.into());
    put("protocol", socket.protocol.into());
    put("fd", socket.fd.into());
    put("send_flags", socket.send_flags.into());
    put(if socket.kind == Kind::Listen { "backlog" } else { "messages" }, socket.count.into());
}

fn netlink(netlink: &NetworkChange, put: &mut impl FnMut(&str, Value)) {
    put("fd", netlink.fd.into());
    put("change", netlink.change.to_string().into());
    match netlink.change {
        Change::Message { protocol, message, flags } => {
            put("protocol", protocol.into());
            put("message", message.into());
            put("message_flags", flags.into());
        }
        Change::Option { level, option } => {
            put("level", level.into());
            put("option", option.into());
        }
    }
}

fn identity(identity: &Identity, put: &mut impl FnMut(&str, Value)) {
    put("args", identity.args.to_vec().into());
    put("uids", identity.uids.to_vec().into());
    put("gids", identity.gids.to_vec().into());
    put("cap_effective", identity.cap_effective.into());
    put("cap_permitted", identity.cap_permitted.into());
}

fn cgroup(cgroup: &Cgroup, put: &mut impl FnMut(&str, Value)) {
    put("to_cgroup", cgroup.to.0.into());
    put("to_path", escaped(&cgroup.path.bytes));
    put("mover_pid", cgroup.mover_tgid.into());
    put("born", cgroup.born.into());
}

fn cgroup_state(state: &CgroupState, put: &mut impl FnMut(&str, Value)) {
    put("of_cgroup", state.cgroup.0.into());
    put("of_path", escaped(&state.path.bytes));
    put("action", state.action.name().into());
    put("by_member", state.by_member.into());
}

fn thread_name(name: &ThreadName, put: &mut impl FnMut(&str, Value)) {
    put("target_tid", name.thread.into());
    put("before", escaped(name.before()));
    put("after", escaped(name.after()));
}

fn argv(moved: &Argv, put: &mut impl FnMut(&str, Value)) {
    put("option", moved.option.into());
    put("argv", escaped(&moved.argv.bytes));
    put("argv_bytes", moved.argv.original.into());
}

fn flow(flow: &Flow, put: &mut impl FnMut(&str, Value)) {
    put("peer", address(&Address::Inet(flow.peer)));
    put("local", address(&Address::Inet(flow.local)));
    put("inbound", flow.inbound.into());
    put("bytes_in", flow.bytes_in.into());
    put("bytes_out", flow.bytes_out.into());
}

fn dns(dns: &Dns, put: &mut impl FnMut(&str, Value)) {
    put("from", format!("inet {}", dns.from).into());
    put("to", format!("inet {}", dns.to).into());
    put("outbound", dns.outbound.into());
    put("protocol", dns.protocol.into());
    put("bytes", dns.bytes.into());
    put("is_dns", dns.message.is_some().into());
    let Some(message) = &dns.message else { return };
    put("id", message.id.into());
    put("answer", message.is_answer.into());
    put("rcode", message.rcode.into());
    put("broken", message.is_broken.into());
    put("answer_count", message.answer_count.into());
    put("answers", message.answers.iter().map(|answer| answer.data.escape_ascii().to_string()).collect::<Vec<_>>().into());
    if let Some(question) = &message.question {
        put("name", escaped(&question.name));
        put("qtype", question.rtype.into());
    }
}
