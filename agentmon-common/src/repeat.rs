//! Failed operations that repeat: what counts as the same, and what the kernel keeps of it while it counts
//! (`docs/decisions/0019-counted-failures.md`).
//!
//! The probes count in `AM_REPEATED`; the daemon turns what was counted into records. Not for: the maps themselves.

use crate::record::{CallFixed, Header, kind};
use crate::rings::{self, URGENT};
use crate::syscalls::{OPS, SHAPES};
use core::mem::offset_of;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest record whose repetitions are counted, in bytes. A longer one is sent each time.
pub const LEN_MAX: usize = 1024;
/// Words of each half of the hash's key: one for each word of the longest record.
pub const KEY_WORDS: usize = LEN_MAX / 8;
/// Bytes of the count at the end of a record with [`crate::record::flags::REPEATED`].
pub const COUNT_BYTES: usize = size_of::<u64>();
/// Entries of `AM_REPEATED`: failures that are being counted.
pub const COUNTED_MAX: u32 = 4096;
/// Entries of `AM_SEEN`: a power of two.
pub const SEEN_MAX: u32 = 16 * 1024;

/// The key of the hash: random, chosen when the probes are loaded, and known to nobody else.
pub type HashKey = [[u64; KEY_WORDS]; 2];

/// A failed operation within a generation, as the key of `AM_REPEATED`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Key {
    /// Of the whole record but time, thread, slot, and [`resolved_at`].
    pub hash: [u64; 2],
    /// Whose it is.
    pub agent: u32,
    /// [`generation`] of the time.
    pub generation: u32,
}

/// What the kernel knows of one: the value of `AM_REPEATED`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Repeated {
    /// The record of the second time; as long as its header says.
    pub record: [u8; LEN_MAX],
    /// How often it was done.
    pub times: u64,
    /// How many of these no record has told yet.
    pub untold: u64,
    /// `CLOCK_BOOTTIME` in nanoseconds of the latest.
    pub latest_ns: u64,
}

/// Where in `AM_SEEN` a hash has its mark.
///
/// Sums of records that differ in few bits differ in few bits too, though nobody knows in which: multiplications by 2^64 over the
/// golden ratio spread them (D. Knuth, The Art of Computer Programming, volume 3, 6.4). Two, because one keeps equal steps equal.
#[inline(always)]
#[must_use]
pub const fn seen_index(hash: u64) -> u32 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let spread = hash.wrapping_mul(GOLDEN);
    ((spread ^ spread >> 32).wrapping_mul(GOLDEN) >> (u64::BITS - SEEN_MAX.trailing_zeros())) as u32
}

/// The generation of a boot time in nanoseconds: 4.3 seconds each. A count begins and ends with one.
#[inline(always)]
#[must_use]
pub const fn generation(timestamp_ns: u64) -> u32 {
    (timestamp_ns >> 32) as u32
}

/// Whether all that was counted in a generation is there, as no program runs that long.
#[must_use]
pub const fn is_over(counted: u32, now: u32) -> bool {
    let age = now.wrapping_sub(counted);
    age >= 2 && age <= u32::MAX / 2
}

/// Of a connection: `EINPROGRESS`, it is under way; `EINTR` and the kernel's four private forms of it, it may be.
const UNDER_WAY: [i64; 6] = [-115, -4, -512, -513, -514, -516];

/// Whether a record of a kind is a [`CallFixed`] if it tells of a failure.
const OF_CALLS: u64 = {
    let (mut kinds, mut op) = (0, 0);
    while op < OPS {
        kinds |= 1 << SHAPES[op].kind;
        op += 1;
    }
    // 0 is the kind of shapes that have none.
    kinds & !1
};

/// Where a record of `kind` has the time of the record of the kernel's path hook, which differs each time, in bytes; `None`: it has none.
#[inline(always)]
#[must_use]
pub const fn resolved_at(kind: u16) -> Option<usize> {
    if OF_CALLS >> (kind & 63) & 1 == 0 { None } else { Some(size_of::<Header>() + offset_of!(CallFixed, resolved_ns)) }
}

/// Whether repetitions of a record are counted: of what failed and is no critical kind.
#[inline(always)]
#[must_use]
pub const fn is_counted(header: &Header) -> bool {
    let mut failed = header.ret < 0;
    let mut i = 0;
    while i < UNDER_WAY.len() {
        failed &= header.ret != UNDER_WAY[i] || !matches!(header.kind, kind::CONNECT | kind::SEND);
        i += 1;
    }
    failed && (header.kind as usize) < kind::COUNT && rings::of(header.kind) != URGENT
}

/// One word's part of one half of the hash: to be added up.
///
/// NH of UMAC (J. Black, S. Halevi, H. Krawczyk, T. Krovetz, P. Rogaway: UMAC: Fast and Secure Message Authentication, CRYPTO
/// 1999): two different records of one length have the same sum for one key in 2^32, whoever chose them, as long as nobody has seen a
/// sum or the key. Two halves with keys of their own: one in 2^64.
#[inline(always)]
#[must_use]
pub const fn product(word: u64, key: u64) -> u64 {
    let low = (word as u32).wrapping_add(key as u32);
    let high = ((word >> 32) as u32).wrapping_add((key >> 32) as u32);
    (low as u64) * (high as u64)
}

const _: () = {
    assert!(size_of::<Key>() == 24);
    assert!(size_of::<Repeated>() == LEN_MAX + 24);
    assert!(SEEN_MAX.is_power_of_two());
};

#[cfg(test)]
mod tests {
    use super::{KEY_WORDS, SEEN_MAX, generation, is_counted, is_over, product, resolved_at, seen_index};
    use crate::record::{Header, kind};

    fn header(kind: u16, ret: i64) -> Header {
        Header { kind, ret, ..Header::default() }
    }

    #[test]
    fn what_failed_is_counted_and_nothing_else() {
        assert!(is_counted(&header(kind::UNLINK, -2)));
        assert!(is_counted(&header(kind::OPEN, -13)));
        assert!(is_counted(&header(kind::CONNECT, -111)));
        for ret in [0, 3, -4, -115, -512, -513, -514, -516] {
            assert!(!is_counted(&header(kind::CONNECT, ret)), "{ret}");
        }
    }

    #[test]
    fn every_kind_of_call_that_a_path_hook_tells_of_has_its_time() {
        assert!(crate::hooks::HOOKS.iter().all(|hook| resolved_at(hook.kind) == Some(264)));
        assert_eq!([kind::OPEN, kind::CONNECT, kind::SEND, kind::RESOLVED, 0].map(resolved_at), [None; 5]);
    }

    #[test]
    fn of_critical_kinds_and_unknown_ones_nothing_is_counted() {
        assert!(is_counted(&header(kind::UNLINK, -115)), "an error that a seccomp filter chose");
        for kind in crate::rings::URGENT_KINDS.into_iter().chain([kind::COUNT as u16, u16::MAX]) {
            assert!(!is_counted(&header(kind, -1)), "{kind}");
        }
    }

    #[test]
    fn a_generation_is_over_when_the_one_after_it_has_ended() {
        let now = generation(10 << 32);
        assert!(is_over(8, now) && is_over(0, now));
        assert!(!is_over(9, now) && !is_over(10, now));
        assert!(!is_over(11, now), "a program may look at its clock after the daemon did");
    }

    /// Numbered names, as floods have them: about as many places as chance would give.
    #[test]
    fn records_that_differ_little_have_other_places() {
        for key in [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210, 0x1111_1111_2222_2223] {
            let mut taken = [false; SEEN_MAX as usize];
            let names = SEEN_MAX / 4;
            for name in 0..names {
                taken[seen_index(product(u64::from(name), key)) as usize] = true;
                assert!(seen_index(u64::from(name) << 50) < SEEN_MAX);
            }
            let places = taken.iter().filter(|taken| **taken).count();
            assert!(places as u32 > names * 4 / 5, "{places} places for {names} names");
        }
    }

    /// Changes of a word that an agent could make, against one key: none goes unseen in both halves.
    #[test]
    fn words_that_differ_have_other_sums() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let keys: [(u64, u64); KEY_WORDS] = core::array::from_fn(|_| (random(), random()));
        for (first, second) in keys {
            let word = random();
            for bit in 0..64 {
                let other = word ^ (1 << bit);
                assert_ne!((product(word, first), product(word, second)), (product(other, first), product(other, second)));
            }
        }
    }
}
