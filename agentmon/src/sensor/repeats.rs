//! Failed operations that the kernel counted instead of telling them one by one: fetched, as records that say how many.
//!
//! What a program could still be adding to is left where it is. Not for: the counting (`agentmon-ebpf::repeat`), nor what the
//! records mean (`crate::event`).

use super::pod::{PodKey, PodRepeated};
use crate::event::{AgentId, decode};
use agentmon_common::repeat::{COUNTED_MAX, HashKey, KEY_WORDS, Key, generation, is_over};
use aya::maps::{HashMap, MapData, MapError};
use bytes::Bytes;
use std::io::Read;

/// Which counts to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Those of generations that are over at this boot time, in nanoseconds.
    Over(u64),
    /// Those of an agent that is no longer watched.
    Of(AgentId),
    /// All: the probes are detached.
    All,
}

/// The kernel's counts.
pub(super) struct Repeats {
    map: HashMap<MapData, PodKey, PodRepeated>,
    /// Of counts that stay in the map: how many were told already.
    told: std::collections::HashMap<Key, u64>,
    /// Generation of the last look.
    looked: Option<u32>,
}

impl Repeats {
    pub(super) fn new(map: HashMap<MapData, PodKey, PodRepeated>) -> Self {
        Self { map, told: std::collections::HashMap::new(), looked: None }
    }

    /// Takes counts; a record for each that was not told yet.
    pub(super) fn take(&mut self, which: Counted) -> Result<Vec<Bytes>, MapError> {
        if let Counted::Over(now_ns) = which
            && self.looked.replace(generation(now_ns)) == Some(generation(now_ns))
        {
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        // New ones may come while the keys are listed: those are for another time.
        let keys: Vec<PodKey> = self.map.keys().take(2 * COUNTED_MAX as usize).collect::<Result<_, _>>()?;
        for key in keys.into_iter().filter(|key| is_wanted(&key.0, which)) {
            // Listed twice, or it cannot be read now: then it is there the next time.
            let Ok(PodRepeated(repeated)) = self.map.get(&key, 0) else { continue };
            let told = self.told.remove(&key.0).unwrap_or(0);
            // One that cannot be removed stays, and with it what was told of it.
            if matches!(which, Counted::Of(_)) || self.map.remove(&key).is_err() {
                self.told.insert(key.0, repeated.untold);
            }
            let untold = repeated.untold.saturating_sub(told);
            if untold > 0 {
                records.push(decode::repetition(&repeated, untold));
            }
        }
        Ok(records)
    }
}

/// A program that was already running when an agent's last member was forgotten may still count: what is told of an agent stays in the
/// map until its generation is over.
const fn is_wanted(key: &Key, which: Counted) -> bool {
    match which {
        Counted::Over(now_ns) => is_over(key.generation, generation(now_ns)),
        Counted::Of(AgentId(agent)) => key.agent == agent,
        Counted::All => true,
    }
}

/// A key for the hash of records, that nobody can guess.
pub(super) fn hash_key() -> std::io::Result<HashKey> {
    let mut bytes = [0; size_of::<HashKey>()];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut words = bytes.chunks_exact(size_of::<u64>()).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    Ok([(); 2].map(|()| [(); KEY_WORDS].map(|()| words.next().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::hash_key;
    use std::collections::HashSet;

    #[test]
    fn a_key_is_another_each_time_and_in_every_word() {
        let words: HashSet<u64> = (0..2).flat_map(|_| hash_key().unwrap()).flatten().collect();
        assert_eq!(words.len(), 4 * super::KEY_WORDS);
    }
}
