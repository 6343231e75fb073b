//! The engine's end of the two queues: merges them by the time of the records, so that what a process did is taken in the
//! order in which it did it, whichever ring each record went through.
//!
//! What is guaranteed and why stands in `docs/decisions/0017-urgent-ring.md`. Not for: filling the queues (`super::ring`).

use super::ring::{BACKLOG_BYTES, BACKLOG_RECORDS, Shared};
use crate::event::decode;
use agentmon_common::rings::{self, MAIN, URGENT};
use bytes::Bytes;
use ringbuf::traits::{Consumer, Observer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of urgent records in the queue from which on they are taken before all others, whatever their time.
const PRESSED_BYTES: usize = BACKLOG_BYTES[URGENT] / 2;
/// The same for their number.
const PRESSED_RECORDS: usize = BACKLOG_RECORDS[URGENT] / 2;

/// The records of one ring that wait for the engine.
pub(super) struct Queue {
    frames: HeapCons<Bytes>,
    /// The first of them and its time, once it was looked at.
    head: Option<(u64, Bytes)>,
}

impl Queue {
    /// Time of the first; `None` when there is none.
    fn head_ns(&mut self) -> Option<u64> {
        if self.head.is_none() {
            self.head = self.frames.try_pop().map(|frame| (decode::timestamp_ns(&frame), frame));
        }
        self.head.as_ref().map(|(time, _)| *time)
    }

    fn len(&self) -> usize {
        self.frames.occupied_len() + usize::from(self.head.is_some())
    }
}

/// The engine's end of the queues.
pub struct Frames {
    /// By ring.
    queues: [Queue; rings::COUNT],
    shared: Arc<Shared>,
}

/// The records whose turn it is; `None` when there is none now.
impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        // Before the queues: all that belongs before this time is in them.
        let complete_ns = self.shared.complete_ns.each_ref().map(|time| time.load(Ordering::Acquire));
        let ring = self.turn(complete_ns)?;
        let (_, frame) = self.queues[ring].head.take()?;
        self.shared.backlog_bytes[ring].fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Frames {
    /// Both ends of empty queues.
    pub(super) fn new(shared: &Arc<Shared>) -> ([HeapProd<Bytes>; rings::COUNT], Self) {
        let [(main, main_frames), (urgent, urgent_frames)] = BACKLOG_RECORDS.map(|records| HeapRb::new(records).split());
        let queues = [main_frames, urgent_frames].map(|frames| Queue { frames, head: None });
        ([main, urgent], Self { queues, shared: Arc::clone(shared) })
    }

    /// The ring whose first record is next: the earlier of both, unless an even earlier one may still be on its way.
    fn turn(&mut self, complete_ns: [u64; rings::COUNT]) -> Option<usize> {
        let [main, urgent] = &mut self.queues;
        let (main, urgent) = (main.head_ns(), urgent.head_ns());
        if urgent.is_some() && self.is_pressed() {
            return Some(URGENT);
        }
        let (ring, time) = match (main, urgent) {
            (Some(main), Some(urgent)) if main < urgent => (MAIN, main),
            (_, Some(urgent)) => (URGENT, urgent),
            (Some(main), None) => (MAIN, main),
            (None, None) => return None,
        };
        (time <= complete_ns[ring]).then_some(ring)
    }

    /// Whether urgent records wait in such numbers that soon some would be lost.
    fn is_pressed(&self) -> bool {
        let bytes = self.shared.backlog_bytes[URGENT].load(Ordering::Relaxed);
        bytes >= PRESSED_BYTES || self.queues[URGENT].len() >= PRESSED_RECORDS
    }

    /// Records waiting now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.iter().map(Queue::len).sum()
    }

    /// Whether none is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes waiting in each of the kernel's rings at the last look, by `agentmon_common::rings`.
    #[must_use]
    pub fn ring_bytes(&self) -> [usize; rings::COUNT] {
        self.shared.ring_bytes.each_ref().map(|bytes| bytes.load(Ordering::Relaxed))
    }

    /// Size of each of the kernel's rings.
    #[must_use]
    pub fn ring_capacity_bytes(&self) -> [usize; rings::COUNT] {
        self.shared.ring_capacity_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, PRESSED_RECORDS, Shared};
    use agentmon_common::record::Header;
    use agentmon_common::rings::{MAIN, URGENT};
    use bytes::Bytes;
    use ringbuf::HeapProd;
    use ringbuf::traits::Producer;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use zerocopy::IntoBytes;

    struct Rig {
        shared: Arc<Shared>,
        queues: [HeapProd<Bytes>; 2],
        frames: Frames,
    }

    impl Rig {
        fn new() -> Self {
            let shared = Arc::new(Shared::new([0; 2]).expect("an eventfd"));
            let (queues, frames) = Frames::new(&shared);
            Self { shared, queues, frames }
        }

        fn push(&mut self, ring: usize, times: &[u64]) {
            for timestamp_ns in times {
                let header = Header { timestamp_ns: *timestamp_ns, tid: ring as u32, ..Header::default() };
                let frame = Bytes::copy_from_slice(header.as_bytes());
                self.shared.backlog_bytes[ring].fetch_add(frame.len(), Ordering::Relaxed);
                self.queues[ring].try_push(frame).expect("room");
            }
        }

        fn complete(&self, time: u64) {
            self.complete_each([time; 2]);
        }

        fn complete_each(&self, times: [u64; 2]) {
            self.shared.complete_ns.iter().zip(times).for_each(|(complete, time)| complete.store(time, Ordering::Release));
        }

        /// Times of what is taken now.
        fn taken(&mut self) -> Vec<u64> {
            self.frames.by_ref().map(|frame| crate::event::decode::timestamp_ns(&frame)).collect()
        }
    }

    #[test]
    fn two_rings_are_taken_in_the_order_of_time() {
        let mut rig = Rig::new();
        rig.push(MAIN, &[2, 3, 5, 9]);
        rig.push(URGENT, &[1, 4, 6, 7]);
        assert_eq!(rig.frames.len(), 8);
        rig.complete(10);
        assert_eq!(rig.taken(), [1, 2, 3, 4, 5, 6, 7, 9]);
        assert!(rig.frames.is_empty());
        assert!(rig.shared.backlog_bytes.iter().all(|bytes| bytes.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_record_waits_until_nothing_earlier_can_come() {
        let mut rig = Rig::new();
        rig.push(MAIN, &[3, 8]);
        rig.complete(5);
        assert_eq!(rig.taken(), [3]);
        // The look that found 8 in the main ring was too early for this one in the urgent ring.
        rig.push(URGENT, &[7]);
        assert_eq!(rig.taken(), [0_u64; 0]);
        assert_eq!(rig.frames.len(), 2);
        rig.complete(8);
        assert_eq!(rig.taken(), [7, 8]);
    }

    #[test]
    fn a_record_of_the_main_ring_waits_only_for_urgent_ones_before_it() {
        let mut rig = Rig::new();
        // One look, which began at 5: the urgent ring after the main one.
        rig.push(MAIN, &[6, 9]);
        rig.push(URGENT, &[8]);
        rig.complete_each([9, 5]);
        assert_eq!(rig.taken(), [6], "8 may follow something that came to the main ring after it was looked at");
        rig.complete_each([9, 10]);
        assert_eq!(rig.taken(), [8, 9]);
    }

    #[test]
    fn of_two_at_the_same_time_the_urgent_one_is_taken_first() {
        let mut rig = Rig::new();
        rig.push(MAIN, &[1]);
        rig.push(URGENT, &[1]);
        rig.complete(1);
        let order: Vec<u32> = rig
            .frames
            .by_ref()
            .map(|frame| zerocopy::FromBytes::read_from_prefix(&frame).map(|(h, _): (Header, _)| h.tid).unwrap_or(9))
            .collect();
        assert_eq!(order, [URGENT as u32, MAIN as u32]);
    }

    #[test]
    fn many_urgent_records_do_not_wait_for_a_main_ring_that_is_far_behind() {
        let mut rig = Rig::new();
        rig.push(MAIN, &[1, 2]);
        let times: Vec<u64> = (0..PRESSED_RECORDS as u64 + 2).map(|i| 10 + i).collect();
        rig.push(URGENT, &times);
        rig.complete(1);
        // Until no more wait than is no danger; then in order again.
        assert_eq!(rig.taken(), [10, 11, 12, 1]);
        assert_eq!(rig.frames.len(), PRESSED_RECORDS);
    }
}
