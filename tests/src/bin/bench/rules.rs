//! What the rules cost by themselves: events made in this process go through the engine, without the kernel.
//!
//! The pack, beside it what `--rules` names (such as SigmaHQ's `rules/linux`), and rules made up in numbers. Not for: the
//! whole pipeline (`crate::throughput`).

use crate::Effort;
use crate::samples::Samples;
use crate::table::Table;
use agentmon::event::{
    Address, AgentId, CgroupId, Detail, Event, Exec, FileId, Kind, Open, Outcome, Path, PathTrust, ProcessKey, Socket, Text, Unlink,
};
use agentmon::process::{Agent, Operation, Process};
use agentmon::rules::load::gather;
use agentmon::rules::{Engine, RuleSet, Source, load};
use anyhow::{Result, ensure};
use bytes::Bytes;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of a stream before it begins anew.
const EVENTS: usize = 20_000;

/// The system's allocator, which counts for the thread that asks.
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread has and gave back; less than 0 when it frees what others made.
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is; the counter is a plain cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller promises what the system's allocator asks for.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        LIVE.with(|bytes| bytes.set(bytes.get() + layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller promises what the system's allocator asks for.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.with(|bytes| bytes.set(bytes.get() - layout.size() as i64));
        // SAFETY: the caller's promise is passed on; the block came from the same allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

pub fn measure(more: Option<&PathBuf>, effort: Effort, table: &mut Table) -> Result<()> {
    let dirs: Vec<PathBuf> = more.cloned().into_iter().collect();
    let rules = gather(true, &dirs).readable()?;
    let stream = Stream::mixed();
    let name = format!("the pack{}: {} rules", if more.is_some() { " and --rules" } else { "" }, rules.len());
    let duration = Duration::from_secs(4) / u32::try_from(effort.shorten)?;
    let cost = Cost::of(&rules, &stream, duration);
    table.at_least(&format!("rules, events through {name}"), "events/s on one core", 500_000.0, cost.rate, "mixed stream");
    table.at_most(&format!("rules, one event, p99: {name}"), "µs", 20.0, cost.p99_us, &format!("median {:.2}", cost.median_us));
    let (events, allocations) = allocations(&rules, &stream);
    let detail = format!("{events} events that no rule matches");
    table.at_most("rules, allocations for an event without a match", "each", 0.0, allocations, &detail);
    for number in [100, 400, 1600] {
        // A file has at most 50,000 values.
        let texts: Vec<String> = (0..number).step_by(400).map(|from| made_up(from..number.min(from + 400))).collect();
        let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "made up", text }).collect();
        let loaded = load(&sources);
        ensure!(!loaded.has_errors(), "the made up rules do not load: {:?}", loaded.diagnostics.first());
        let cost = Cost::of(&loaded.rules, &stream, duration / 2);
        table.say(&format!("rules, {number} made up"), format!("{:.0} ns per event, p99 {:.2} µs", 1e9 / cost.rate, cost.p99_us));
    }
    hostile(&rules, effort, table)
}

/// Operations and what they borrow.
struct Stream {
    cases: Vec<(Event, Process)>,
    agent: Agent,
    parent: Process,
}

impl Stream {
    /// 70 opens to read, 14 to write, 8 removals, 2 connections, 6 programs of a hundred.
    fn mixed() -> Self {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |end: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % end
        };
        let programs = ["/usr/bin/git", "/usr/bin/python3.12", "/usr/bin/cargo", "/usr/bin/node", "/usr/bin/rustc", "/usr/bin/make"];
        let mut cases = Vec::new();
        for number in 0..EVENTS as u64 {
            let file = format!("/home/u/work/repo/src/module{}/file_{}.rs", below(40), below(4000));
            let program = programs[below(6) as usize];
            let (operation, detail) = match below(100) {
                0..70 => ("openat", open(&file, 0)),
                70..84 => ("openat", open(&file, 1)),
                84..92 => ("unlinkat", Detail::Unlink(Unlink { path: path(&file), asked: text(&file), ..Unlink::default() })),
                92..94 => {
                    let peer = Address::Inet(([140, 82, 121, below(250) as u8], 443).into());
                    ("connect", Detail::Socket(Socket { peer, family: 2, sock_type: 1, protocol: 6, ..Socket::new(Kind::Connect) }))
                }
                _ => ("execve", Detail::Exec(exec(program, &format!("{program} build --release --package crate{number} --jobs 4 -v")))),
            };
            let process = process(1000 + below(50) as u32, program);
            cases.push((event(&process, operation, detail, number * 10_000), process));
        }
        let agent = Agent { id: AgentId(1), name: "bench".into(), session: "7f3a9c1e".into(), allowed: Default::default() };
        Self { cases, agent, parent: process(999, "/usr/bin/bash") }
    }

    fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.cases.iter().map(|(event, process)| Operation {
            event,
            agent: &self.agent,
            process,
            parent: Some(&self.parent),
            hostname: None,
            history: None,
            processes: None,
        })
    }
}

fn path(path: &str) -> Path {
    Path { bytes: Bytes::copy_from_slice(path.as_bytes()), trust: PathTrust::Resolved }
}

fn text(text: &str) -> Text {
    Text { bytes: Bytes::copy_from_slice(text.as_bytes()), original: u32::try_from(text.len()).unwrap_or(u32::MAX) }
}

fn open(file: &str, open_flags: u64) -> Detail {
    let id = FileId { ino: 9, nlink: 1, mode: 0o100_644, ..FileId::default() };
    Detail::Open(Open { path: path(file), asked: text(file), file: id, open_flags, create_mode: 0, created: false })
}

fn exec(program: &str, line: &str) -> Exec {
    let argv: String = line.split(' ').flat_map(|argument| [argument, "\0"]).collect();
    let file = FileId { ino: 7, nlink: 1, mode: 0o100_755, ..FileId::default() };
    let argc = u32::try_from(line.split(' ').count()).unwrap_or(u32::MAX);
    Exec { exe: path(program), file, filename: text(program), cwd: path("/home/u/work/repo"), argv: text(&argv), argc, script: None }
}

fn process(tgid: u32, program: &str) -> Process {
    Process {
        key: ProcessKey { tgid, start_ns: u64::from(tgid) },
        parent: None,
        ppid: 999,
        agent: AgentId(1),
        image: Some(Arc::new(exec(program, program))),
        uid: 1000,
        euid: 1000,
        euid_before: 1000,
        outside: false,
        execs: 1,
        exited_ns: None,
    }
}

fn event(process: &Process, operation: &'static str, detail: Detail, timestamp_ns: u64) -> Event {
    Event {
        timestamp_ns,
        process: process.key,
        tid: process.key.tgid,
        ppid: 999,
        agent: AgentId(1),
        cgroup: CgroupId(99),
        uid: 1000,
        euid: 1000,
        comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
        outcome: Outcome(0),
        flags: 0,
        operation,
        slot: 0,
        repeated: 1,
        seq: 1,
        lost_before: 0,
        resolved_ns: 0,
        detail,
    }
}

struct Cost {
    /// Events a second.
    rate: f64,
    median_us: f64,
    p99_us: f64,
}

impl Cost {
    fn of(rules: &RuleSet, stream: &Stream, duration: Duration) -> Self {
        let mut engine = Engine::new(rules.clone());
        let mut matches = Vec::new();
        let mut single = Samples::default();
        // The first round warms up; each event is then timed by itself, clock and all.
        for round in 0..4 {
            for operation in stream.operations() {
                let start = Instant::now();
                engine.evaluate(&operation, &mut matches);
                if round > 0 {
                    single.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            matches.clear();
        }
        let start = Instant::now();
        let mut events = 0_u32;
        while start.elapsed() < duration {
            for operation in stream.operations() {
                engine.evaluate(&operation, &mut matches);
                events += 1;
            }
            matches.clear();
        }
        let rate = f64::from(events) / start.elapsed().as_secs_f64();
        Self { rate, median_us: single.median(), p99_us: single.quantile(0.99) }
    }
}

/// Events that nothing matches, and the mean of their allocations. Removals are counted by the pack, so they match.
fn allocations(rules: &RuleSet, stream: &Stream) -> (u64, f64) {
    let mut engine = Engine::new(rules.clone());
    let mut matches = Vec::new();
    let (mut events, mut allocations) = (0, 0);
    for round in 0..2 {
        for operation in stream.operations().filter(|operation| !matches!(operation.event.detail, Detail::Unlink(_))) {
            let (remembered, before) = (engine.state_len(), ALLOCATIONS.get());
            engine.evaluate(&operation, &mut matches);
            let after = ALLOCATIONS.get();
            if matches.is_empty() && engine.state_len() == remembered && round > 0 {
                events += 1;
                allocations += after - before;
            }
            matches.clear();
        }
    }
    (events, allocations as f64 / events.max(1) as f64)
}

/// Rules in SigmaHQ's style, of made up words.
fn made_up(numbers: Range<usize>) -> String {
    let mut all = String::new();
    for rule in numbers {
        let word = |n: usize| {
            let hash = (rule * 31 + n * 7 + 1).wrapping_mul(2_654_435_761) & 0xffff_ffff;
            format!("{hash:x}")
        };
        let (category, first, second) = match rule % 5 {
            0..3 => ("process_creation", "Image|endswith", "CommandLine|contains"),
            3 => ("file_event", "TargetFilename|startswith", "TargetFilename|endswith"),
            _ => ("file_access", "TargetFilename|contains", "TargetFilename|endswith"),
        };
        let slash = if first.contains("contains") { "" } else { "/" };
        // Writing to a String cannot fail.
        let _ = write!(
            all,
            "title: rule {rule}\nid: {rule:08x}-1111-4111-8111-111111111111\nlogsource: {{product: linux, category: {category}}}\ndetection:\n    selection:\n        {first}: [{slash}x{}, {slash}y{}, {slash}z{}]\n    other:\n        {second}: [a{}, b{}]\n    filter:\n        ParentImage|endswith: /p{}\n    condition: selection and other and not filter\n---\n",
            word(1),
            word(2),
            word(3),
            word(4),
            word(5),
            word(6)
        );
    }
    all
}

/// A million distinct paths removed by ten thousand processes of four agents.
fn hostile(rules: &RuleSet, effort: Effort, table: &mut Table) -> Result<()> {
    let mut engine = Engine::new(rules.clone());
    let mut matches = Vec::new();
    let before = LIVE.get();
    let mut most = 0;
    let events = 1_000_000 / effort.shorten;
    let mut agent = Agent { id: AgentId(1), name: "hostile".into(), session: "0".into(), allowed: Default::default() };
    for number in 0..events {
        agent.id = AgentId(u32::try_from(number % 4)?);
        let mut process = process(u32::try_from(number % 10_000)?, "/usr/bin/rm");
        process.agent = agent.id;
        let file = format!("/home/u/{number}");
        let detail = Detail::Unlink(Unlink { path: path(&file), asked: text(&file), ..Unlink::default() });
        let mut event = event(&process, "unlinkat", detail, number * 1000);
        event.agent = agent.id;
        engine.evaluate(
            &Operation { event: &event, agent: &agent, process: &process, parent: None, hostname: None, history: None, processes: None },
            &mut matches,
        );
        matches.clear();
        most = most.max(LIVE.get() - before);
    }
    let state = engine.state();
    let detail =
        format!("{events} paths, 10000 processes; {} entries in {} groups, {} forgotten", state.entries, state.groups, state.forgotten);
    table.at_most("rules, memory under a hostile stream", "MiB", 64.0, most as f64 / 1_048_576.0, &detail);
    Ok(())
}
