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

/// Bytes that a record of `len` bytes takes of a ring: the kernel puts eight before each and begins each at a multiple of eight
/// (`__bpf_ringbuf_reserve`, `kernel/bpf/ringbuf.c`).
#[inline(always)]
#[must_use]
pub const fn space(len: u64) -> u64 {
    (len + 15) & !7
}

/// An agent may have so many times as much in a ring as is free there
/// (`docs/decisions/0020-shares-of-the-rings.md`).
pub const SHARE: u64 = 8;
/// The same for what failed, in the urgent ring: alone an agent has 2/3 of it with failures, three quarters of the 8/9 that it may have.
/// The rest is for what it did (`docs/decisions/0024-what-was-there-at-entry.md`).
pub const SHARE_OF_FAILURES: u64 = 2;
/// A ring's size by this is what an agent may have in it in any case.
pub const SHARE_ALWAYS: u64 = 64;

/// How many times as much an agent may have in a ring as is free there, once a record is in it that `failed`.
#[inline(always)]
#[must_use]
pub const fn share_of(ring: usize, failed: bool) -> u64 {
    if ring == URGENT && failed { SHARE_OF_FAILURES } else { SHARE }
}

/// Whether an agent that has `held` bytes in a ring may put `space` more there, of which `free` are left, by its `share` ([`share_of`]).
#[inline(always)]
#[must_use]
pub const fn is_within_share(held: u64, space: u64, free: u64, share: u64) -> bool {
    held + space <= free * share
}

#[cfg(test)]
mod tests {
    use super::{MAIN, SHARE, SHARE_OF_FAILURES, URGENT, URGENT_BYTES, URGENT_KINDS, is_within_share, of, share_of, space};
    use crate::record::kind;

    #[test]
    fn the_critical_kinds_go_through_the_urgent_ring_and_no_other_does() {
        for number in 0..kind::COUNT as u16 {
            let wanted = if URGENT_KINDS.contains(&number) { URGENT } else { MAIN };
            assert_eq!(of(number), wanted, "kind {number}");
        }
    }

    #[test]
    fn the_space_of_a_record_is_what_the_kernel_takes() {
        assert_eq!([0, 1, 8, 9, 96, 97].map(space), [8, 16, 16, 24, 104, 112]);
    }

    /// Agents that take all they may, in turn, until nobody may any more: each has the same, and something is left.
    #[test]
    fn greedy_agents_share_a_ring_and_leave_room() {
        const SIZE: u64 = 1 << 20;
        const RECORD: u64 = 256;
        for agents in 1..=8_u64 {
            let mut held = [0_u64; 8];
            let held = &mut held[..agents as usize];
            loop {
                let before = held.iter().sum::<u64>();
                for one in 0..held.len() {
                    let free = SIZE - held.iter().sum::<u64>();
                    if is_within_share(held[one], RECORD, free, SHARE) {
                        held[one] += RECORD;
                    }
                }
                if held.iter().sum::<u64>() == before {
                    break;
                }
            }
            let fair = SIZE * SHARE / (1 + agents * SHARE);
            for one in &*held {
                assert!(one.abs_diff(fair) <= 2 * SHARE * RECORD, "{agents} agents: {one} of {fair}");
            }
            let free = SIZE - held.iter().sum::<u64>();
            assert!(free >= SIZE / (1 + agents * SHARE) - 2 * SHARE * RECORD, "{agents} agents leave {free}");
            assert!(is_within_share(0, RECORD, free, SHARE), "another agent has room");
        }
    }

    #[test]
    fn failures_leave_a_quarter_of_an_agents_share_of_the_urgent_ring() {
        let size = u64::from(URGENT_BYTES);
        let most = |share| (0..size).step_by(8).take_while(|held| is_within_share(*held, 8, size - held, share)).count() as u64 * 8;
        assert_eq!([share_of(URGENT, false), share_of(MAIN, true), share_of(MAIN, false)], [SHARE; 3]);
        assert_eq!(share_of(URGENT, true), SHARE_OF_FAILURES);
        let (all, failures) = (most(SHARE), most(SHARE_OF_FAILURES));
        assert!((all * 3 / 4).abs_diff(failures) <= 16, "{failures} of {all} bytes");
    }
}
