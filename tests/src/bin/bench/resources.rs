//! What the daemon needs to be there: memory beside the ring, and time until it watches.

use crate::Effort;
use crate::daemon::{Daemon, Setup};
use crate::engine::Engines;
use crate::samples::Samples;
use crate::table::Table;
use crate::worker::{Worker, pin};
use agentmon_tests::cgroup::Group;
use anyhow::Result;
use std::time::Duration;

const MEMORY: &str = "daemon: steady memory beside the ring";
const START: &str = "daemon: start to watching";

pub fn measure(engines: &Engines, effort: Effort, table: &mut Table) -> Result<()> {
    let Some(binary) = engines.daemon() else {
        table.say(MEMORY, "not measured: it needs `agentmon daemon`".to_owned());
        table.say(START, "not measured: it needs `agentmon daemon`".to_owned());
        return Ok(());
    };
    pin(|_| true)?;
    let cgroup = Group::new("resources");
    let mut worker = Worker::start("resources", Some(&cgroup))?;
    let (mut start, mut memory) = (Samples::default(), Samples::default());
    for _ in 0..effort.rounds.min(5) {
        let daemon = Daemon::start(binary, &Setup { agent: Some(&cgroup.name()), rule: None })?;
        start.push(daemon.ready_after.as_secs_f64());
        worker.paced(Some(100_000), Duration::from_secs(5) / u32::try_from(effort.shorten)?)?;
        std::thread::sleep(Duration::from_secs(1));
        memory.push(daemon.memory_kib()? as f64 / 1024.0);
    }
    table.at_most(MEMORY, "MiB", 40.0, memory.median(), "resident, after 5 s of 100,000 events a second");
    table.at_most(START, "s", 1.0, start.median(), "process started to /readyz");
    table.keep(format!("{MEMORY} MiB"), &memory);
    table.keep(format!("{START} s"), &start);
    drop(worker);
    Ok(())
}
