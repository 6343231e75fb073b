//! Records that stand for several operations: how many, and a record made of what the kernel counted.
//!
//! Not for: fetching the counts (`crate::sensor`).

use super::{DecodeError, Record};
use agentmon_common::record::{Header, flags};
use agentmon_common::repeat::{COUNT_BYTES, LEN_MAX, Repeated};
use bytes::Bytes;
use zerocopy::{FromBytes, IntoBytes};

impl Record<'_> {
    /// Operations the record stands for.
    pub(super) fn repeated(&self) -> Result<u64, DecodeError> {
        if self.header.flags & flags::REPEATED == 0 {
            return Ok(1);
        }
        let count = self.bytes.len().checked_sub(COUNT_BYTES).filter(|at| *at >= size_of::<Header>());
        let count = count.and_then(|at| u64::read_from_bytes(&self.bytes[at..]).ok());
        count.filter(|count| *count > 0).ok_or(DecodeError::Value("count"))
    }
}

/// The record that tells of `untold` operations which the kernel has counted: like the first of them, at the time of the last.
/// One that no ring has numbered.
#[must_use]
pub fn repetition(repeated: &Repeated, untold: u64) -> Bytes {
    let (mut header, _) = Header::read_from_prefix(&repeated.record).unwrap_or_default();
    // What says a wrong length does not decode, and is counted.
    let len = (header.len as usize).clamp(size_of::<Header>(), LEN_MAX);
    header.len = header.len.saturating_add(COUNT_BYTES as u32);
    header.flags |= flags::REPEATED;
    header.timestamp_ns = repeated.latest_ns;
    (header.seq, header.lost_before) = (0, 0);
    let mut bytes = Vec::with_capacity(len + COUNT_BYTES);
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&repeated.record[size_of::<Header>()..len]);
    bytes.extend_from_slice(&untold.to_ne_bytes());
    bytes.into()
}
