//! The decoder under libFuzzer: any bytes are decoded or refused, and what was decoded can be looked at.
#![no_main]

use agentmon::event::{Detail, decode};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    let mut record = record.to_vec();
    // The length in the header is made to fit, or hardly an input would get past it.
    if let Ok(len) = u32::try_from(record.len())
        && let Some(field) = record.get_mut(..4)
    {
        field.copy_from_slice(&len.to_ne_bytes());
    }
    let Ok(event) = decode::decode(&Bytes::from(record)) else { return };
    let _ = (event.comm(), event.outcome.error_name(), format!("{event:?}"));
    if let Detail::Exec(exec) | Detail::ProcessSeen(exec) = &event.detail {
        let _ = exec.args().count();
    }
    if let Detail::Call(call) = &event.detail {
        let _ = call.shown_args().map(|(_, argument)| argument.to_string()).count();
    }
});
