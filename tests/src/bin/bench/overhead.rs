//! Time added to system calls: of a watched process, and of one that is not.
//!
//! Every round measures the same two processes on the bare host, with agentmon running but no agent, and with the
//! first of them an agent's. Not for: what takes longer than it varies (`programs`).

use crate::engine::Engines;
use crate::samples::Samples;
use crate::table::Table;
use crate::worker::{Worker, pin};
use crate::workload::Kind;
use crate::{Effort, WORKLOAD_CPU};
use agentmon_tests::cgroup::Group;
use anyhow::Result;
use std::collections::BTreeMap;

/// What runs on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Bare,
    Idle,
    Watching,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Agent,
    Outsider,
}

const AGENT: [Kind; 6] = [Kind::Open, Kind::OpenMissing, Kind::OpenSame, Kind::ConnectAlone, Kind::Connect, Kind::Setuid];
const OUTSIDER: [Kind; 2] = [Kind::Open, Kind::Getppid];

type Results = BTreeMap<(Who, Kind, State), Samples>;

pub fn measure(engines: &Engines, effort: Effort, table: &mut Table) -> Result<()> {
    pin(|cpu| cpu != WORKLOAD_CPU)?;
    let cgroup = Group::new("overhead");
    let mut agent = Worker::start("agent", Some(&cgroup))?;
    let mut outsider = Worker::start("outsider", None)?;
    let mut results = Results::new();
    for round in 0..=effort.rounds {
        // The first round warms up. Every other one goes backwards, so that a drift of the machine cancels out.
        let mut order = [State::Bare, State::Idle, State::Watching];
        if round % 2 == 1 {
            order.reverse();
        }
        for state in order {
            let engine = match state {
                State::Bare => None,
                State::Idle => Some(engines.start(None)?),
                State::Watching => Some(engines.start(Some(&cgroup))?),
            };
            let mut take = |who, kind: Kind, worker: &mut Worker| -> Result<()> {
                let ns = worker.run(kind, kind.batch() / effort.shorten)?;
                if round > 0 {
                    results.entry((who, kind, state)).or_default().push(ns);
                }
                Ok(())
            };
            if state != State::Idle {
                AGENT.into_iter().try_for_each(|kind| take(Who::Agent, kind, &mut agent))?;
            }
            OUTSIDER.into_iter().try_for_each(|kind| take(Who::Outsider, kind, &mut outsider))?;
            drop(engine);
        }
    }
    drop(agent);
    report(&results, table);
    Ok(())
}

fn report(results: &Results, table: &mut Table) {
    let rows = [
        ("added to a watched open+close", Who::Agent, Kind::Open, State::Watching, Some(1.0)),
        ("added to a watched open of a missing file", Who::Agent, Kind::OpenMissing, State::Watching, None),
        ("added to a watched open of one missing file again and again", Who::Agent, Kind::OpenSame, State::Watching, None),
        ("added to a watched connect (TCP, loopback)", Who::Agent, Kind::ConnectAlone, State::Watching, Some(1.5)),
        ("the same with socket, accept, setsockopt and two closes", Who::Agent, Kind::Connect, State::Watching, None),
        ("added to a watched setuid", Who::Agent, Kind::Setuid, State::Watching, Some(0.5)),
        ("added to open+close of an unwatched process", Who::Outsider, Kind::Open, State::Watching, Some(0.25)),
        ("added to any other system call (getppid) of an unwatched process", Who::Outsider, Kind::Getppid, State::Watching, Some(0.13)),
        ("added to open+close while no agent is watched", Who::Outsider, Kind::Open, State::Idle, Some(0.02)),
        ("added to getppid while no agent is watched", Who::Outsider, Kind::Getppid, State::Idle, Some(0.01)),
    ];
    for (what, who, kind, state, bar) in rows {
        let empty = Samples::default();
        let of = |state| results.get(&(who, kind, state)).unwrap_or(&empty);
        let (bare, with) = (of(State::Bare), of(state));
        let added = (with.median() - bare.median()) / 1000.0;
        let ratio = with.median() / bare.median();
        let spread = with.minus(bare).spread() / 1000.0;
        let detail = format!("bare {:.2}, ratio {ratio:.2}, spread ±{spread:.2}", bare.median() / 1000.0);
        match bar {
            Some(bar) => table.at_most(what, "µs", bar, added, &detail),
            None => table.say(what, format!("{added:.2} µs ({detail})")),
        }
    }
    for ((who, kind, state), samples) in results {
        table.keep(format!("{who:?} {} {state:?} ns", kind.name()), samples);
    }
}
