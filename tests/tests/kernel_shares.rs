//! An agent that floods a ring leaves room there for another one, whatever the reader does.

use agentmon::event::{AgentId, Detail, Event, Kind};
use agentmon_common::record::kind;
use agentmon_common::rings::{SHARE, URGENT_BYTES};
use agentmon_tests::cgroup::Group;
use agentmon_tests::run::{Run, Running};
use agentmon_tests::watch::{AGENT, DEADLINE, Watch};
use std::os::fd::AsFd;
use std::time::Instant;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const SMALL_RING: u32 = 256 * 1024;
/// The agent that does not flood.
const QUIET: AgentId = AgentId(2);
/// What it opens, beside what every program does: less than one agent leaves of the small ring.
const OPENS: u64 = 20;

/// Two agents, each with a cgroup.
struct Pair {
    watch: Watch,
    quiet: Group,
}

impl Pair {
    fn idle() -> Self {
        let mut watch = Watch::idle(STIMULUS, SMALL_RING);
        watch.watch(AGENT);
        let quiet = Group::new("quiet");
        watch.sensor.watch(QUIET, &[quiet.open().as_fd()]).unwrap_or_else(|error| panic!("{error}"));
        Self { watch, quiet }
    }

    fn flood(&self, mode: &str, calls: u64) {
        let flood = self.watch.begin(&[mode, "4", &calls.to_string()]).finish();
        assert_eq!(flood.of("done").count(), 1);
    }

    fn act(&self, opens: u64) -> Run {
        Running::start(STIMULUS, Some(&self.quiet), &["flood-opens", "1", &opens.to_string()]).finish()
    }

    /// Takes all that was not dropped; then each operation must be accounted for.
    fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.watch.collect();
            let stats = self.watch.sensor.stats().expect("the counters");
            let received: u64 = self.watch.events().iter().map(|event| event.repeated).sum();
            if received + stats.dropped_total() >= stats.produced_total() {
                break;
            }
            assert!(Instant::now() < deadline, "records that were not dropped did not come");
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        let stats = self.watch.sensor.stats().expect("the counters");
        for number in 0..kind::COUNT {
            let received: u64 =
                self.watch.events().iter().filter(|event| event.kind() as usize == number).map(|event| event.repeated).sum();
            assert_eq!(received + stats.dropped[number], stats.produced[number], "operations of kind {number}");
        }
        self.watch.check_order();
        self.watch.check_released();
        let errors: Vec<_> = stats.errors().collect();
        assert!(errors.is_empty(), "{errors:?}");
    }

    fn of_quiet(&self) -> impl Iterator<Item = &Event> {
        self.watch.events().iter().filter(|event| event.agent == QUIET)
    }

    /// Of what the quiet agent opened nothing is missing.
    fn check_opens(&self, run: &Run, opens: u64) {
        for number in 0..opens {
            let name = format!("/agentmon-flood-{number}");
            let is_it = |event: &&Event| matches!(&event.detail, Detail::Open(open) if open.asked.bytes == name.as_bytes());
            assert_eq!(self.of_quiet().filter(is_it).count(), 1, "{name} of the agent that did not flood");
        }
        assert!(self.of_quiet().any(|event| event.kind() == Kind::Exit && event.process.tgid == run.pid));
    }
}

#[test]
fn another_agents_opens_are_reported_while_one_floods_and_nobody_drains() {
    let mut pair = Pair::idle();
    pair.flood("flood-opens", 2_000);
    let lost = pair.watch.sensor.stats().expect("the counters").dropped[kind::OPEN as usize];
    assert!(lost > 0, "the flood was too small for this test");
    let run = pair.act(OPENS);
    assert_eq!(pair.watch.sensor.stats().expect("the counters").dropped[kind::OPEN as usize], lost, "more was lost");
    pair.watch.drain();
    pair.settle();
    pair.check_opens(&run, OPENS);
    let refused = |agent| pair.watch.sensor.refused(agent).expect("the shares");
    assert_eq!((refused(AGENT), refused(QUIET)), (pair.watch.sensor.stats().expect("the counters").dropped_total(), 0));
    let opens = pair.of_quiet().filter(|event| event.kind() == Kind::Open).count();
    println!("of the flood {lost} opens were lost, of the other agent none of {opens}");
}

#[test]
fn another_agents_opens_are_reported_while_one_floods_and_the_engine_is_behind() {
    let mut pair = Pair::idle();
    pair.watch.drain();
    // Nobody takes from the queues: they fill, then the ring.
    pair.flood("flood-opens", 15_000);
    let lost = pair.watch.sensor.stats().expect("the counters").dropped[kind::OPEN as usize];
    assert!(lost > 0, "the flood was too small for this test");
    let run = pair.act(OPENS);
    pair.settle();
    pair.check_opens(&run, OPENS);
}

#[test]
fn a_flood_of_critical_records_leaves_room_for_another_agents() {
    let mut pair = Pair::idle();
    pair.flood("flood-identities", u64::from(URGENT_BYTES) / 184 / 2);
    let lost = pair.watch.sensor.stats().expect("the counters").dropped[kind::IDENTITY as usize];
    assert!(lost > 0, "the flood was too small for this test");
    let run = pair.act(1);
    pair.watch.drain();
    pair.settle();
    for kind in [Kind::Exec, Kind::Fork, Kind::Exit] {
        assert!(pair.of_quiet().any(|event| event.kind() == kind), "{kind:?} of the agent that did not flood");
    }
    pair.check_opens(&run, 1);
}

/// What one agent may have when it is alone, and that it gets all of it again once it was taken.
#[test]
fn an_agent_alone_has_its_share_and_has_it_again() {
    let mut pair = Pair::idle();
    pair.flood("flood-opens", 2_000);
    pair.watch.drain();
    pair.settle();
    let held = |pair: &Pair| pair.watch.events().iter().filter(|event| event.kind() == Kind::Open).count();
    let first = held(&pair);
    // A failed open of such a name takes 240 to 280 bytes.
    let fair = u64::from(SMALL_RING) * SHARE / (SHARE + 1);
    assert!((fair / 300..fair / 200).contains(&(first as u64)), "{first} records of {fair} bytes");
    let before = pair.watch.sensor.stats().expect("the counters").dropped_total();
    for _ in 0..20 {
        // Less than its share each time: nothing is lost.
        let run = pair.watch.begin(&["flood-opens", "1", "500"]).finish();
        assert_eq!(run.of("done").count(), 1);
        pair.settle();
    }
    assert_eq!(pair.watch.sensor.stats().expect("the counters").dropped_total(), before);
}
