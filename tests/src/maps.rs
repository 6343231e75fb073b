//! A look into maps of the probes that the daemon has no reader for.
//!
//! Finds them by this process's own descriptors, so that other monitors on the host do not matter. Not for: what
//! `agentmon::sensor` shows already.

use aya::maps::{HashMap, Map, MapData, MapInfo};

/// Bytes of `Entered`, the value of `AM_ENTERED` (`agentmon-ebpf::maps`).
const ENTERED_BYTES: usize = 4 + 2 * (4 + 256);

/// Threads whose arguments from system-call entry are remembered.
///
/// # Panics
/// When the map is not there.
#[must_use]
pub fn remembered_threads() -> Vec<u32> {
    let id = ids().find(|id| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some("AM_ENTERED"))).expect("AM_ENTERED");
    let data = MapData::from_id(id).expect("the map");
    let map: HashMap<_, u32, [u8; ENTERED_BYTES]> = HashMap::try_from(Map::HashMap(data)).expect("a hash map of that layout");
    map.keys().map(|key| key.expect("a key")).collect()
}

/// Identifiers of the maps this process holds.
fn ids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc/self/fdinfo").expect("/proc").flatten();
    entries.filter_map(|entry| {
        let info = std::fs::read_to_string(entry.path()).ok()?;
        info.lines().find_map(|line| line.strip_prefix("map_id:")).and_then(|id| id.trim().parse().ok())
    })
}
