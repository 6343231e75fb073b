//! Tests of recordings: nothing is lost, nothing in a file can hurt, a replay is what live was.

mod damage;
mod generate;
mod lossless;
mod pack;
mod stages;

use super::{FORMAT, Header, Line, ReadError, Reader};

/// A header as a live run writes it.
fn header() -> Header {
    Header {
        format: FORMAT,
        agentmon: "0.1.0".to_owned(),
        boot_ns: 1_795_166_000_000_000_000,
        kernel: "6.12.0".to_owned(),
        host: "node-17".to_owned(),
        rules_digest: "00".to_owned(),
        about: Vec::new(),
    }
}

/// Lines as they stand in a file.
fn file<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<u8> {
    let mut all = serde_json::to_vec(&Line::Recording(header())).unwrap();
    all.push(b'\n');
    for line in lines {
        serde_json::to_writer(&mut all, line).unwrap();
        all.push(b'\n');
    }
    all
}

/// Every line of a file, and what ended it before its time.
fn read(file: &[u8]) -> (Vec<(u64, Line)>, Option<ReadError>) {
    let mut lines = Vec::new();
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (lines, Some(error)),
    };
    loop {
        match reader.line() {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => return (lines, None),
            Err(error) => return (lines, Some(error)),
        }
    }
}
