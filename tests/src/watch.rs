//! A loaded sensor and one watched cgroup: runs stimuli in it and collects what is seen.
//!
//! Everything is undone on drop. A test waits for its events by a marker: a failed open of a name nothing else opens.

use crate::cgroup::Group;
use crate::compare::{Fields, agrees, match_all};
use crate::flat::flatten;
use crate::kernel_has;
use crate::run::{Run, Running};
use agentmon::event::{AgentId, Detail, Event, Kind, decode};
use agentmon::sensor::frames::Frames;
use agentmon::sensor::ring::{self, Drain, RecordSource};
use agentmon::sensor::{Counted, Sensor, SensorConfig};
use agentmon_common::rings;
use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for events that must come.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// The agent of a test.
pub const AGENT: AgentId = AgentId(1);
/// Most that one event is taken for.
const REPEATED_MAX: usize = 1000;
/// Ring of tests that must lose nothing.
const RING_BYTES: u32 = 16 * 1024 * 1024;

/// The sensor at work.
pub struct Watch {
    /// The kernel side.
    pub sensor: Sensor,
    /// Path of the stimulus program.
    pub program: &'static str,
    source: Option<RecordSource>,
    drain: Option<(Drain, Frames)>,
    events: Vec<Event>,
    /// The watched cgroup. Behind the sensor, so that it is removed after it.
    pub group: Group,
}

impl Watch {
    /// Watches a fresh cgroup.
    #[must_use]
    pub fn start(program: &'static str) -> Self {
        Self::begin_watching(Self::idle(program, RING_BYTES))
    }

    /// The same, and with the kernel's own path hooks where it has them.
    #[must_use]
    pub fn start_with_path_hooks(program: &'static str) -> Self {
        Self::begin_watching(Self::loaded(program, SensorConfig { ring_bytes: RING_BYTES, messages: false, path_hooks: true }))
    }

    fn begin_watching(mut watch: Self) -> Self {
        watch.drain();
        watch.watch(AGENT);
        watch
    }

    /// Loads the sensor and makes a cgroup: nothing is watched, the drain does not run.
    ///
    /// # Panics
    /// When the probes cannot be loaded.
    #[must_use]
    pub fn idle(program: &'static str, ring_bytes: u32) -> Self {
        Self::loaded(program, SensorConfig { ring_bytes, messages: false, path_hooks: false })
    }

    fn loaded(program: &'static str, config: SensorConfig) -> Self {
        let (sensor, source) = Sensor::load(config).unwrap_or_else(|error| panic!("{error}"));
        // A kernel that lacks some is no reason to pass its tests by seeing nothing.
        let missing: Vec<&str> = sensor.missing().iter().map(|missing| missing.program).collect();
        assert_eq!(missing, kernel_has::probes_without_hook(), "refused: {:#?}", sensor.missing());
        Self { sensor, program, source: Some(source), drain: None, events: Vec::new(), group: Group::new("agent") }
    }

    /// Begins to drain the ring.
    ///
    /// # Panics
    /// When it is drained already.
    pub fn drain(&mut self) {
        let source = self.source.take().expect("a ring that is not drained yet");
        self.drain = Some(ring::start(source, std::thread::current()).expect("the drain thread"));
    }

    /// Watches the cgroup and those inside it for an agent.
    ///
    /// # Panics
    /// When a probe cannot be attached.
    pub fn watch(&mut self, agent: AgentId) {
        self.sensor.watch(agent, &[self.group.open().as_fd()]).unwrap_or_else(|error| panic!("{error}"));
    }

    /// How many of these calls have no record. Where a probe can be preempted (from Linux 7.0 on), the kernel skips one that
    /// would run in itself, and counts it: no more than that may be missing.
    ///
    /// # Panics
    /// When more are.
    #[must_use]
    pub fn missing(&self, done: usize, seen: usize) -> usize {
        let skipped: u64 = self.sensor.recursion_misses().expect("the kernel tells").iter().sum();
        let missing = done.checked_sub(seen).expect("no more records than calls");
        assert!(missing as u64 <= skipped, "{missing} calls are not reported, {skipped} runs were skipped");
        missing
    }

    /// Process ids the kernel holds as an agent's.
    ///
    /// # Panics
    /// When the map cannot be read.
    #[must_use]
    pub fn members(&self, agent: AgentId) -> Vec<u32> {
        self.sensor.members().of(agent).expect("the members")
    }

    /// Starts a stimulus in the watched cgroup.
    #[must_use]
    pub fn begin(&self, args: &[&str]) -> Running {
        Running::start(self.program, Some(&self.group), args)
    }

    /// Runs a stimulus in the watched cgroup to its end, and waits for its events.
    ///
    /// # Panics
    /// When the stimulus fails or the events do not come.
    pub fn run(&mut self, args: &[&str]) -> Run {
        let running = self.begin(args);
        // Events are taken while it works, so that a long run fits into the ring.
        let run = std::thread::scope(|scope| {
            let run = scope.spawn(|| running.finish());
            while !run.is_finished() {
                self.collect();
                std::thread::park_timeout(Duration::from_millis(5));
            }
            run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.sync();
        self.fetch();
        run
    }

    /// Collects everything that happened before this call.
    ///
    /// # Panics
    /// When the marker does not come.
    pub fn sync(&mut self) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("/agentmon-marker-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let pid = self.begin(&["marker", &name]).finish().pid;
        let is_marker = |event: &Event| match &event.detail {
            Detail::Open(open) => open.asked.bytes == name.as_bytes(),
            _ => false,
        };
        self.wait(&name, |event| is_marker(event));
        // To its end, so that no event of one marker falls into what comes after it.
        self.wait("the end of the marker", |event| event.kind() == Kind::Exit && event.process.tgid == pid);
    }

    /// Collects events until one is as wanted.
    ///
    /// # Panics
    /// When none comes before the deadline.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut looked = 0;
        loop {
            self.collect();
            if self.events[looked..].iter().any(&wanted) {
                return;
            }
            looked = self.events.len();
            assert!(Instant::now() < deadline, "no event for {what} within {DEADLINE:?}; {looked} others came");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Takes what is there.
    ///
    /// # Panics
    /// When a record does not decode.
    pub fn collect(&mut self) {
        let Some((_, frames)) = &mut self.drain else { return };
        for frame in frames.by_ref() {
            self.events.push(decode::decode(&frame).unwrap_or_else(|error| panic!("{error} in {frame:?}")));
        }
    }

    /// Takes what the kernel counted instead of telling it: of stimuli that have ended.
    ///
    /// # Panics
    /// When it cannot be read, or does not decode.
    pub fn fetch(&mut self) {
        for record in self.sensor.counted(Counted::All).expect("the counts") {
            self.events.push(decode::decode(&record).unwrap_or_else(|error| panic!("{error} in {record:?}")));
        }
    }

    /// Everything collected so far, in the order of the ring.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The same, flat; an event that stands for several operations as often as that.
    #[must_use]
    pub fn flat(&self) -> Vec<Fields> {
        let times = |event: &Event| usize::try_from(event.repeated).unwrap_or(usize::MAX).min(REPEATED_MAX);
        self.events.iter().flat_map(|event| std::iter::repeat_n(flatten(event), times(event))).collect()
    }

    /// Every line of truth has an event of its own that agrees in every field; there are at least `least` lines; nothing
    /// that was done once is reported twice; no probe failed and nothing was lost.
    ///
    /// # Panics
    /// When not, with the closest event field by field.
    pub fn check(&self, run: &Run, least: usize) {
        assert!(run.truths.len() >= least, "the stimulus did only {} of {least} things", run.truths.len());
        let events = self.flat();
        let found = match_all(&run.truths, &events).unwrap_or_else(|report| panic!("{report}"));
        let pids: Vec<_> = run.truths.iter().map(|truth| &truth["pid"]).collect();
        for (i, event) in events.iter().enumerate() {
            let counted = matches!(
                event["kind"].as_str(),
                Some("unlink" | "connect" | "identity" | "bind" | "listen" | "accept" | "socket" | "send" | "netlink")
            );
            let once = run.truths.iter().any(|truth| truth["op"] == event["op"]);
            let extra = counted && once && pids.contains(&&event["pid"]) && !found.contains(&i);
            assert!(!extra, "an event of something that was not done: {event:?}");
            let twice = event.contains_key("to_path") || event.contains_key("text");
            let twice = twice && !found.contains(&i) && run.truths.iter().any(|truth| agrees(truth, event));
            assert!(!twice, "an event of something that was done only once: {event:?}");
        }
        self.check_clean();
    }

    /// No probe failed, nothing was lost, and records came in order.
    ///
    /// # Panics
    /// When not.
    pub fn check_clean(&self) {
        let stats = self.sensor.stats().expect("the counters");
        let errors: Vec<_> = stats.errors().collect();
        assert!(errors.is_empty(), "probes failed (probe, cause, times): {errors:?}");
        assert_eq!(stats.dropped_total(), 0, "records were lost");
        self.check_order();
        self.check_released();
    }

    /// Every program gave its slot back: a slot that leaked stays held.
    ///
    /// # Panics
    /// When not.
    pub fn check_released(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.sensor.stats().expect("the counters").held_since_ns.is_empty() {
            assert!(Instant::now() < deadline, "a slot was never given back");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// What a process did comes after its creation and before its end, whichever rings the records went through.
    ///
    /// # Panics
    /// When not.
    pub fn check_lives(&self) {
        let (mut acted, mut ended) = (HashSet::new(), HashSet::new());
        for event in &self.events {
            if let Detail::Fork(fork) = &event.detail {
                assert!(!acted.contains(&fork.child), "a process acted before it was created: {event:?}");
            }
            // Of these the header names a process that did nothing itself: it was moved, signalled, or found; or its connection or socket
            // tells something, which outlives it.
            let passive = [Kind::CgroupJoin, Kind::CgroupLeave, Kind::Signal, Kind::ProcessSeen, Kind::Flow, Kind::Dns];
            if passive.contains(&event.kind()) || event.is_late() {
                continue;
            }
            assert!(!ended.contains(&event.process), "a process acted after its end: {event:?}");
            acted.insert(event.process);
            if event.kind() == Kind::Exit {
                ended.insert(event.process);
            }
        }
    }

    /// Numbers of each slot's records of one ring strictly increase, and each hole is announced; lives are in order.
    ///
    /// # Panics
    /// When not.
    pub fn check_order(&self) {
        self.check_lives();
        let mut last: HashMap<(u16, usize), u64> = HashMap::new();
        for event in self.events.iter().filter(|event| !event.is_late()) {
            let before = last.insert((event.slot, rings::of(event.kind() as u16)), event.seq).unwrap_or(0);
            assert!(event.seq > before, "record {} of slot {} after {before}", event.seq, event.slot);
            assert_eq!(event.seq - before - 1, u64::from(event.lost_before), "hole before record {} of slot {}", event.seq, event.slot);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((drain, _)) = self.drain.take() {
            drain.stop();
        }
    }
}
