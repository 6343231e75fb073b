//! A destination as people write it: a name, an address or a network, and perhaps a port.
//!
//! Not for: looking names up. A name stands for the addresses that the agent was given for it.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Where an agent may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    host: Host,
    /// Any, when there is none.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Net(IpNet),
    /// Lower case, without a last dot.
    Name(String),
    /// Every name that ends so: `.example.com`.
    Below(String),
}

impl Destination {
    /// Whether this address and port, looked up by this name, are meant. The address is canonical.
    #[must_use]
    pub fn contains(&self, ip: IpAddr, port: u16, name: Option<&[u8]>) -> bool {
        let at_host = match &self.host {
            Host::Net(net) => net.contains(&ip),
            Host::Name(host) => name == Some(host.as_bytes()),
            Host::Below(suffix) => name.is_some_and(|name| name.len() > suffix.len() && name.ends_with(suffix.as_bytes())),
        };
        at_host && self.port.is_none_or(|wanted| wanted == port)
    }
}

/// As it can be written.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (Host::Net(IpNet::V6(net)), Some(_)) => write!(f, "[{}]/{}", net.addr(), net.prefix_len())?,
            (Host::Net(net), _) => write!(f, "{net}")?,
            (Host::Name(name), _) => f.write_str(name)?,
            (Host::Below(suffix), _) => write!(f, "*{suffix}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Why a text is no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no destination: {reason}")]
pub struct NoDestination {
    text: String,
    reason: &'static str,
}

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let no = |reason| NoDestination { text: text.escape_debug().to_string(), reason };
        let (host, port) = split(text).ok_or_else(|| no("a port is a number up to 65535"))?;
        let host =
            host_of(host).ok_or_else(|| no("write api.example.com, *.example.com, 10.0.0.0/8 or [2001:db8::]/32, perhaps with :443"))?;
        Ok(Self { host, port })
    }
}

/// Host and port. A colon in brackets, or one of several, belongs to an address.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || (host.starts_with('[') && host.contains(']')) => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => Some((text, None)),
    }
}

fn host_of(host: &str) -> Option<Host> {
    // In brackets stands the address, not the length of its network.
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, length)) if length.is_empty() || length.starts_with('/') => format!("{address}{length}"),
        Some(_) => return None,
        None => host.to_owned(),
    };
    if let Ok(net) = bare.parse::<IpNet>() {
        // `10.0.0.1/8`: one address or the whole network may be meant.
        return (net.trunc() == net).then_some(Host::Net(net));
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(Host::Net(ip.to_canonical().into()));
    }
    let name = host.to_ascii_lowercase();
    let (name, below) = name.strip_prefix('*').map_or((name.as_str(), false), |rest| (rest, true));
    let labels = name.trim_end_matches('.');
    let labels = if below { labels.strip_prefix('.')? } else { labels };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !labels.split('.').all(is_label) || labels.split('.').next_back().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return None;
    }
    Some(if below { Host::Below(format!(".{labels}")) } else { Host::Name(labels.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::Destination;

    fn contains(destination: &str, ip: &str, port: u16, name: Option<&str>) -> bool {
        destination.parse::<Destination>().unwrap().contains(ip.parse().unwrap(), port, name.map(str::as_bytes))
    }

    #[test]
    fn names_networks_and_ports_are_told_apart() {
        assert!(contains("API.example.com.", "1.2.3.4", 443, Some("api.example.com")));
        assert!(!contains("api.example.com", "1.2.3.4", 443, None), "an address that was not looked up has no name");
        assert!(contains("*.example.com:443", "1.2.3.4", 443, Some("a.b.example.com")));
        assert!(!contains("*.example.com:443", "1.2.3.4", 80, Some("a.example.com")));
        assert!(!contains("*.example.com", "1.2.3.4", 80, Some("example.com")), "itself is another entry");
        assert!(!contains("*.example.com", "1.2.3.4", 80, Some("badexample.com")));
        assert!(contains("10.1.0.0/16:22", "10.1.2.3", 22, None) && !contains("10.1.0.0/16", "10.2.0.1", 22, None));
        assert!(contains("[2001:db8::]/32:443", "2001:db8::7", 443, None) && contains("2001:db8::7", "2001:db8::7", 1, None));
        assert!(contains("[2001:db8::7]:443", "2001:db8::7", 443, None) && contains("localhost:80", "::1", 80, Some("localhost")));
    }

    #[test]
    fn what_is_no_destination_says_how_one_is_written() {
        for text in
            ["", "a:b", "a:99999", "*", "*example.com", "10.0.0.0/33", "http://a", "a b", "1.2.3", "a..b", "10.0.0.1/8", "1]0.0.0[.0/8"]
        {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains("is no destination: "), "{text}: {error}");
        }
    }
}
