//! A look into maps of the probes that the daemon has no reader for.
//!
//! Finds them by this process's own descriptors, so that other monitors on the host do not matter. Not for: what
//! `agentmon::sensor` shows already.

use agentmon_common::stats::SlotStats;
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapInfo};

/// Bytes of `Entered`, the value of `AM_ENTERED` (`agentmon-ebpf::maps`): a number, two strings, padding, two directories, a socket, a file, a time.
const ENTERED_BYTES: usize = 4 + 2 * (4 + 256) + 4 + 2 * 24 + 40 + 48 + 8;

/// Entries of one value of `AM_MEMBERS` (`agentmon-ebpf::maps`).
const MEMBERS_PER_PAGE: usize = 2048;

/// Threads whose arguments from system-call entry are remembered.
///
/// # Panics
/// When the map is not there.
#[must_use]
pub fn remembered_threads() -> Vec<u32> {
    let data = data("AM_ENTERED");
    let map: HashMap<_, u32, [u8; ENTERED_BYTES]> = HashMap::try_from(Map::HashMap(data)).expect("a hash map of that layout");
    map.keys().map(|key| key.expect("a key")).collect()
}

/// Entries that a map has room for.
///
/// # Panics
/// When the map is not there.
#[must_use]
pub fn room(name: &str) -> u32 {
    data(name).info().expect("what the kernel says of it").max_entries()
}

/// Takes a process's membership away, as if its birth had passed by the probes. No other process of the same page of the
/// table may be born or end meanwhile.
///
/// # Panics
/// When the map is not there or cannot be written.
pub fn forget_member(tgid: u32) {
    let mut members: Array<_, [u16; MEMBERS_PER_PAGE]> = Array::try_from(Map::Array(data("AM_MEMBERS"))).expect("an array of that layout");
    let page = tgid / MEMBERS_PER_PAGE as u32;
    let mut value = members.get(&page, 0).expect("a page");
    value[tgid as usize % MEMBERS_PER_PAGE] = 0;
    members.set(page, value, 0).expect("a page");
}

/// The slots in which the probes build records, to be held and freed in place of a program.
pub struct Slots(Array<MapData, PodSlot>);

/// Lets aya copy a slot. `#[repr(transparent)]`: the layout is `SlotStats`'.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodSlot(SlotStats);

// SAFETY: SlotStats is #[repr(C)] and made of u64 alone, so any bytes are a value and none is padding.
unsafe impl Pod for PodSlot {}

impl Slots {
    /// Those of the sensor of this process.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(Array::try_from(Map::Array(data("AM_SLOTS"))).expect("an array of that layout"))
    }

    /// How many there are, on all CPUs.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that are held now.
    ///
    /// # Panics
    /// When the map cannot be read.
    #[must_use]
    pub fn held(&self) -> Vec<u32> {
        (0..self.len()).filter(|slot| self.0.get(slot, 0).expect("a slot").0.claimed_ns != 0).collect()
    }

    /// Writes the claim of a slot; 0 frees it. Its counters are written back as they are: nothing may be counting there.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn write_claim(&mut self, slot: u32, claimed_ns: u64) {
        let mut value = self.0.get(&slot, 0).expect("a slot");
        value.0.claimed_ns = claimed_ns;
        self.0.set(slot, value, 0).expect("a slot");
    }
}

/// Fills the table of agents' cgroups of a process, a daemon, until it takes no more, with what is no cgroup; gives it back when
/// dropped.
pub struct Full(HashMap<MapData, u64, u32>);

impl Full {
    /// Fills it.
    ///
    /// # Panics
    /// When the map is not there.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let mut map = HashMap::try_from(Map::HashMap(data_of(pid, "AM_CGROUPS"))).expect("a hash map of that layout");
        let _ = (u64::from(u32::MAX) << 32..).try_for_each(|key| map.insert(key, 0, 0));
        Self(map)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let keys: Vec<u64> = self.0.keys().flatten().filter(|key| key >> 32 == u64::from(u32::MAX)).collect();
        keys.iter().for_each(|key| self.0.remove(key).expect("an entry"));
    }
}

/// A map that this process holds.
fn data(name: &str) -> MapData {
    data_of(std::process::id(), name)
}

/// A map that a process holds.
fn data_of(pid: u32, name: &str) -> MapData {
    let id = ids(pid).find(|id| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some(name)));
    MapData::from_id(id.unwrap_or_else(|| panic!("no map {name}"))).expect("the map")
}

/// Identifiers of the maps a process holds.
fn ids(pid: u32) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("/proc").flatten();
    entries.filter_map(|entry| {
        let info = std::fs::read_to_string(entry.path()).ok()?;
        info.lines().find_map(|line| line.strip_prefix("map_id:")).and_then(|id| id.trim().parse().ok())
    })
}
