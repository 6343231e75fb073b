//! Which of the two rings a record goes through: the critical kinds have one of their own, so that a flood of the others
//! cannot push them out (`docs/decisions/0017-urgent-ring.md`).
//!
//! Read by the probes, which write the rings, and by those who check that nothing is missing. Not for: reading the rings.

use crate::record::kind;

/// Records of every other kind.
pub const MAIN: usize = 0;
/// Records of the critical kinds.
pub const URGENT: usize = 1;
/// One more than the largest.
pub const COUNT: usize = 2;
/// Names for metrics, by index.
pub const NAMES: [&str; COUNT] = ["main", "urgent"];

/// Size of the urgent ring in bytes: a power of two and a multiple of the page size.
pub const URGENT_BYTES: u32 = 2 * 1024 * 1024;

/// The critical kinds: who a process is and whose (without these every other record is told of the wrong process), and
/// the ways out of an agent's reach or into somebody else's. None of them comes in masses from ordinary work, as files
/// and sockets do.
pub const URGENT_KINDS: [u16; 12] = [
    kind::EXEC,
    kind::FORK,
    kind::EXIT,
    kind::IDENTITY,
    kind::CGROUP_LEAVE,
    kind::CGROUP_JOIN,
    kind::PROCESS_SEEN,
    kind::PROCESS_ACCESS,
    kind::NAMESPACE,
    kind::MODULE,
    kind::BPF,
    kind::SIGNAL,
];

/// The same as bits by kind.
const URGENT_MASK: u64 = {
    assert!(kind::COUNT <= 64);
    let (mut mask, mut i) = (0, 0);
    while i < URGENT_KINDS.len() {
        mask |= 1 << URGENT_KINDS[i];
        i += 1;
    }
    mask
};

/// The ring of a kind: [`MAIN`] or [`URGENT`].
#[inline(always)]
#[must_use]
pub const fn of(kind: u16) -> usize {
    (URGENT_MASK >> (kind & 63)) as usize & 1
}

#[cfg(test)]
mod tests {
    use super::{MAIN, URGENT, URGENT_KINDS, of};
    use crate::record::kind;

    #[test]
    fn the_critical_kinds_go_through_the_urgent_ring_and_no_other_does() {
        for number in 0..kind::COUNT as u16 {
            let wanted = if URGENT_KINDS.contains(&number) { URGENT } else { MAIN };
            assert_eq!(of(number), wanted, "kind {number}");
        }
    }
}
