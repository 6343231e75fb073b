//! Records that stand for several operations.

use super::{event, open_record};
use crate::event::decode::{DecodeError, decode, repetition};
use crate::event::{Detail, Event, flags};
use agentmon_common::record::Header;
use agentmon_common::repeat::{LEN_MAX, Repeated};
use bytes::Bytes;
use proptest::prelude::{any, prop, proptest};
use zerocopy::{FromBytes, IntoBytes};

/// What the kernel holds of a failed open.
fn held(record: &Bytes) -> Repeated {
    let mut held = Repeated { record: [0xaa; LEN_MAX], times: 9, untold: 5, latest_ns: 77 };
    held.record[..record.len()].copy_from_slice(record);
    held
}

fn open() -> Bytes {
    open_record(&[], b"/etc/missing", -2)
}

#[test]
fn what_was_counted_is_the_same_event_as_often_as_it_says_at_the_time_of_the_last() {
    let once = event(&open());
    let often = event(&repetition(&held(&open()), 5));
    assert_eq!((once.repeated, often.repeated), (1, 5));
    assert_eq!((often.timestamp_ns, often.seq, often.lost_before), (77, 0, 0));
    assert!(often.is_late() && often.flags & flags::REPEATED == 0);
    assert_eq!(Event { timestamp_ns: once.timestamp_ns, repeated: 1, seq: once.seq, ..often }, once);
    let Detail::Open(open) = event(&repetition(&held(&open()), u64::MAX)).detail else { panic!("an open") };
    assert_eq!(open.asked.bytes, "/etc/missing");
}

#[test]
fn a_count_of_none_and_one_that_is_not_there_are_no_records() {
    assert_eq!(decode(&repetition(&held(&open()), 0)), Err(DecodeError::Value("count")));
    let header = Header { len: 104, kind: agentmon_common::record::kind::EXIT, flags: flags::REPEATED, agent: 1, ..Header::default() };
    // Eight bytes of fixed part and no count behind them: they are taken for one, and are none.
    let bytes = [header.as_bytes(), &[0; 8]].concat().into();
    assert_eq!(decode(&bytes), Err(DecodeError::Value("count")));
}

proptest! {
    #[test]
    fn no_bytes_of_the_map_make_it_panic(record in prop::collection::vec(any::<u8>(), LEN_MAX), untold in any::<u64>(), len in any::<u32>()) {
        let mut held = Repeated { record: [0; LEN_MAX], times: 0, untold, latest_ns: 0 };
        held.record.copy_from_slice(&record);
        let _ = decode(&repetition(&held, untold));
        // And with a header that says any length.
        let (mut header, _) = Header::read_from_prefix(&open()).expect("a header");
        header.len = len;
        held.record[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        let _ = decode(&repetition(&held, untold));
    }
}
