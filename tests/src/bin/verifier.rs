//! What this kernel's verifier walked of each probe: a line `verified PROGRAM INSTRUCTIONS` each, for `cargo xtask verifier`.

use agentmon::sensor::{Sensor, SensorConfig};
use agentmon_tests::kernel_has::probes_without_hook;

/// Nothing is read from it.
const RING_BYTES: u32 = 256 * 1024;

fn main() -> anyhow::Result<()> {
    let (sensor, _ring) = Sensor::load(SensorConfig { ring_bytes: RING_BYTES, messages: false, path_hooks: true })?;
    let missing = sensor.missing();
    let without_hook = probes_without_hook();
    let expected = missing.iter().all(|missing| without_hook.contains(&missing.program));
    anyhow::ensure!(expected, "this kernel lacks what some probes need: {missing:?}");
    for program in sensor.run_times()? {
        println!("verified {} {}", program.name, program.verified_instructions);
    }
    Ok(())
}
