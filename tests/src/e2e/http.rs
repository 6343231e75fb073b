//! One GET over a socket, by hand, and the numbers in Prometheus' text.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

/// A port that was free a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Status and body of `GET path`.
///
/// # Errors
/// When nobody answers.
pub fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

/// Samples by name and labels as they stand: `agentmon_events_total{kind="open"}`.
#[derive(Clone, Debug)]
pub struct Samples(pub BTreeMap<String, f64>);

impl Samples {
    /// Reads Prometheus' text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
        });
        Self(samples.collect())
    }

    /// A counter or gauge that holds a whole number.
    ///
    /// # Panics
    /// When it is not there or no whole number.
    #[track_caller]
    #[must_use]
    pub fn whole(&self, name: &str) -> u64 {
        let value = *self.0.get(name).unwrap_or_else(|| panic!("no sample {name}"));
        assert!(value >= 0.0 && value.fract() == 0.0, "{name} {value}");
        value as u64
    }

    /// The sum of all samples whose name begins so.
    #[must_use]
    pub fn sum(&self, begin: &str) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with(begin)).map(|(_, value)| value).sum()
    }

    /// Names and values of labels.
    #[must_use]
    pub fn labels(&self) -> Vec<(&str, &str)> {
        let sets = self.0.keys().filter_map(|name| name.split_once('{')?.1.strip_suffix('}'));
        sets.flat_map(|set| set.split("\","))
            .filter_map(|label| label.split_once("=\""))
            .map(|(name, value)| (name, value.trim_end_matches('"')))
            .collect()
    }
}
