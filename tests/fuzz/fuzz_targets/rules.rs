//! The rule loader under libFuzzer: any text is rules or is refused, and what was loaded can be evaluated.
#![no_main]

use agentmon::event::{AgentId, CgroupId, Detail, Event, FileId, Open, Outcome, Path, PathTrust, ProcessKey, Text};
use agentmon::process::{Agent, Operation, Process};
use agentmon::rules::{Engine, Source, load};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let loaded = load(&[Source { name: "fuzz.yml", text }]);
    loaded.diagnostics.iter().for_each(|found| assert!(!found.to_string().is_empty()));
    let mut engine = Engine::new(loaded.rules);
    let mut matches = Vec::new();
    // What the rules are compared with is their own text.
    let process = process();
    let agent = Agent { id: AgentId(1), name: "fuzz".into(), session: "1".into(), allowed: Default::default() };
    for timestamp_ns in [1, 2, u64::MAX] {
        let event = event(&process, text, timestamp_ns);
        engine.evaluate(&Operation { event: &event, agent: &agent, process: &process, parent: Some(&process) }, &mut matches);
    }
});

fn process() -> Process {
    Process {
        key: ProcessKey { tgid: 2, start_ns: 1 },
        parent: None,
        ppid: 1,
        agent: AgentId(1),
        image: None,
        uid: 0,
        euid: 0,
        euid_before: 0,
        outside: false,
        execs: 0,
        exited_ns: None,
    }
}

fn event(process: &Process, text: &str, timestamp_ns: u64) -> Event {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let original = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let path = Path { bytes: bytes.clone(), trust: PathTrust::Resolved };
    let file = FileId { mode: 0o100_644, ..FileId::default() };
    Event {
        timestamp_ns,
        process: process.key,
        tid: 2,
        ppid: 1,
        agent: AgentId(1),
        cgroup: CgroupId(1),
        uid: 0,
        euid: 0,
        comm: [0; 16],
        outcome: Outcome(3),
        flags: 0,
        operation: "openat",
        slot: 0,
        seq: 1,
        lost_before: 0,
        detail: Detail::Open(Open { path, asked: Text { bytes, original }, file, open_flags: 0o101, create_mode: 0, created: true }),
    }
}
