//! Which name an address was looked up by: a pure fold over DNS messages, so that a replay names connections as the live run
//! did.
//!
//! A name is the resolver's word, and an agent that runs a resolver of its own can give itself any answer. What came unasked, or
//! from elsewhere than where it was asked, is not believed. Not for: names that programs know by other ways (files, caches,
//! resolvers behind a UNIX socket, DNS inside TLS).

use crate::event::dns::Message;
use crate::event::{Address, AgentId, Detail, Event, Kind};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a name is kept at least: programs connect again by what they have looked up, whatever its time to live was.
pub const KEPT_MIN: Duration = Duration::from_secs(10 * 60);
/// And at most.
pub const KEPT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most addresses of an agent that have a name; the oldest go first.
pub const ADDRESSES_MAX: usize = 1024;
/// Questions of an agent that wait for an answer; the oldest go first.
pub const QUESTIONS_MAX: usize = 256;
/// Most bytes of names that are kept for all agents together; the agent with the most gives up its oldest.
pub const NAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The Internet's class of records.
const INTERNET: u16 = 1;
/// The bit of a class that multicast DNS uses for itself.
const FLUSH: u16 = 0x8000;

/// The names of the addresses that agents have looked up.
#[derive(Debug, Default)]
pub struct Hosts {
    agents: HashMap<AgentId, Known>,
    name_bytes: usize,
    evicted: u64,
}

/// What one agent has looked up.
#[derive(Debug, Default)]
struct Known {
    names: HashMap<IpAddr, Entry>,
    /// In the order in which they were answered. Entries that were answered anew since have another time.
    order: VecDeque<(IpAddr, u64)>,
    asked: VecDeque<Asked>,
    name_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    name: Bytes,
    answered_ns: u64,
    until_ns: u64,
}

/// A question: from where to where, and which.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    from: SocketAddr,
    to: SocketAddr,
    id: u16,
    name: Bytes,
}

impl Hosts {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds one event in. All but DNS messages say nothing.
    pub fn apply(&mut self, event: &Event) {
        let Detail::Dns(dns) = &event.detail else { return };
        let Some(message) = &dns.message else { return };
        let Some(question) = &message.question else { return };
        let asked = |from, to| Asked { from, to, id: message.id, name: Bytes::from(question.name.to_ascii_lowercase()) };
        let known = self.agents.entry(event.agent).or_default();
        if dns.outbound && !message.is_answer {
            if known.asked.len() >= QUESTIONS_MAX {
                known.asked.pop_front();
            }
            return known.asked.push_back(asked(dns.from, dns.to));
        }
        if dns.outbound || !message.is_answer {
            return;
        }
        let asked = asked(dns.to, dns.from);
        let Some(at) = known.asked.iter().position(|waiting| *waiting == asked) else { return };
        known.asked.remove(at);
        self.answered(event, message, &asked.name);
    }

    /// The name by which this event's peer was looked up last, when the agent began the connection or sent to it.
    #[must_use]
    pub fn peer_name(&self, event: &Event) -> Option<&[u8]> {
        let entry = self.agents.get(&event.agent)?.names.get(&peer(event)?.to_canonical())?;
        (event.timestamp_ns <= entry.until_ns).then_some(&entry.name[..])
    }

    /// Forgets an agent.
    pub fn forget(&mut self, agent: AgentId) {
        if let Some(known) = self.agents.remove(&agent) {
            self.name_bytes -= known.name_bytes;
        }
    }

    /// Addresses that have a name, of all agents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.values().map(|known| known.names.len()).sum()
    }

    /// Whether no address has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names that had to be forgotten for want of room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn answered(&mut self, event: &Event, message: &Message, name: &Bytes) {
        for answer in message.answers.iter().filter(|answer| answer.class & !FLUSH == INTERNET) {
            let Some(address) = answer.address else { continue };
            let kept = Duration::from_secs(u64::from(answer.ttl_s)).clamp(KEPT_MIN, KEPT_MAX);
            let until_ns = event.timestamp_ns.saturating_add(u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX));
            self.insert(event.agent, address.to_canonical(), Entry { name: name.clone(), answered_ns: event.timestamp_ns, until_ns });
        }
    }

    fn insert(&mut self, agent: AgentId, address: IpAddr, entry: Entry) {
        let known = self.agents.entry(agent).or_default();
        self.name_bytes += entry.name.len();
        known.name_bytes += entry.name.len();
        known.order.push_back((address, entry.answered_ns));
        if let Some(before) = known.names.insert(address, entry) {
            self.name_bytes -= before.name.len();
            known.name_bytes -= before.name.len();
        }
        if known.order.len() > 2 * ADDRESSES_MAX {
            let names = &known.names;
            known.order.retain(|(address, answered_ns)| names.get(address).is_some_and(|entry| entry.answered_ns == *answered_ns));
        }
        while known.names.len() > ADDRESSES_MAX {
            self.name_bytes -= known.forget_oldest();
            self.evicted += 1;
        }
        while self.name_bytes > NAME_BYTES_MAX {
            // The number decides between equals, so that a replay forgets the same one.
            let heaviest = self.agents.iter_mut().max_by_key(|(agent, known)| (known.name_bytes, **agent));
            let Some((_, known)) = heaviest else { return };
            self.name_bytes -= known.forget_oldest();
            self.evicted += 1;
        }
    }
}

impl Known {
    /// Forgets the name that was answered first; returns its length.
    fn forget_oldest(&mut self) -> usize {
        while let Some((address, answered_ns)) = self.order.pop_front() {
            if self.names.get(&address).is_some_and(|entry| entry.answered_ns == answered_ns)
                && let Some(entry) = self.names.remove(&address)
            {
                self.name_bytes -= entry.name.len();
                return entry.name.len();
            }
        }
        0
    }
}

/// Where the agent connected or sent to.
fn peer(event: &Event) -> Option<IpAddr> {
    match &event.detail {
        Detail::Socket(socket) if matches!(socket.kind, Kind::Connect | Kind::Send) => Some(socket.peer.inet()?.ip()),
        Detail::Uring(uring) => uring.peer.as_ref().and_then(Address::inet).map(|peer| peer.ip()),
        Detail::Flow(flow) if !flow.inbound => Some(flow.peer.ip()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDRESSES_MAX, Hosts, KEPT_MAX, KEPT_MIN, NAME_BYTES_MAX, QUESTIONS_MAX};
    use crate::event::dns::{Answer, Dns, Message, Question};
    use crate::event::{Address, AgentId, CgroupId, Detail, Event, Kind, Outcome, ProcessKey, Socket};
    use bytes::Bytes;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    const OWN: &str = "10.0.0.9:50000";
    const RESOLVER: &str = "10.0.0.53:53";

    fn event(agent: u32, timestamp_ns: u64, detail: Detail) -> Event {
        Event {
            timestamp_ns,
            process: ProcessKey { tgid: 4, start_ns: 5 },
            tid: 4,
            ppid: 1,
            agent: AgentId(agent),
            cgroup: CgroupId(7),
            uid: 0,
            euid: 0,
            comm: [0; 16],
            outcome: Outcome(0),
            flags: 0,
            operation: "test",
            slot: 0,
            repeated: 1,
            resolved_ns: 0,
            seq: 1,
            lost_before: 0,
            detail,
        }
    }

    fn message(from: &str, to: &str, outbound: bool, id: u16, name: &str, answers: Option<Vec<(IpAddr, u32)>>) -> Detail {
        let is_answer = answers.is_some();
        let answer = |(address, ttl_s)| Answer { rtype: 1, class: 1, ttl_s, data: Bytes::new(), address: Some(address) };
        let question = Some(Question { name: Bytes::copy_from_slice(name.as_bytes()), rtype: 1, class: 1 });
        let answers = answers.unwrap_or_default().into_iter().map(answer).collect();
        let message = Message { id, is_answer, opcode: 0, rcode: 0, question, answers, answer_count: 0, is_broken: false };
        let end = |text: &str| text.parse::<SocketAddr>().unwrap();
        Detail::Dns(Dns { from: end(from), to: end(to), outbound, protocol: 17, bytes: 40, message: Some(message) })
    }

    fn ask(hosts: &mut Hosts, agent: u32, id: u16, name: &str) {
        hosts.apply(&event(agent, 1, message(OWN, RESOLVER, true, id, name, None)));
    }

    fn answer(hosts: &mut Hosts, agent: u32, id: u16, name: &str, address: [u8; 4], ttl_s: u32) {
        let answers = Some(vec![(IpAddr::from(address), ttl_s)]);
        hosts.apply(&event(agent, 1, message(RESOLVER, OWN, false, id, name, answers)));
    }

    fn name_at(hosts: &Hosts, agent: u32, address: [u8; 4], timestamp_ns: u64) -> Option<String> {
        let peer = Address::Inet(SocketAddr::new(IpAddr::from(address), 443));
        let connect = event(agent, timestamp_ns, Detail::Socket(Socket { peer, ..Socket::new(Kind::Connect) }));
        hosts.peer_name(&connect).map(|name| String::from_utf8_lossy(name).into_owned())
    }

    fn name(hosts: &Hosts, agent: u32, address: [u8; 4]) -> Option<String> {
        name_at(hosts, agent, address, 2)
    }

    #[test]
    fn a_connection_has_the_name_by_which_its_peer_was_looked_up_last() {
        let mut hosts = Hosts::new();
        ask(&mut hosts, 1, 7, "WWW.example.com");
        answer(&mut hosts, 1, 7, "www.EXAMPLE.com", [1, 2, 3, 4], 5);
        assert_eq!(name(&hosts, 1, [1, 2, 3, 4]).as_deref(), Some("www.example.com"));
        assert_eq!((name(&hosts, 1, [1, 2, 3, 5]), name(&hosts, 2, [1, 2, 3, 4])), (None, None), "other addresses, other agents");
        ask(&mut hosts, 1, 8, "cdn.example.net");
        answer(&mut hosts, 1, 8, "cdn.example.net", [1, 2, 3, 4], 5);
        assert_eq!(name(&hosts, 1, [1, 2, 3, 4]).as_deref(), Some("cdn.example.net"));
        let accepted =
            event(1, 2, Detail::Socket(Socket { peer: Address::Inet("1.2.3.4:9".parse().unwrap()), ..Socket::new(Kind::Accept) }));
        assert_eq!(hosts.peer_name(&accepted), None, "who connected was not looked up");
        let mapped = Address::Inet("[::ffff:1.2.3.4]:443".parse().unwrap());
        assert!(hosts.peer_name(&event(1, 2, Detail::Socket(Socket { peer: mapped, ..Socket::new(Kind::Connect) }))).is_some());
        hosts.forget(AgentId(1));
        assert!(name(&hosts, 1, [1, 2, 3, 4]).is_none() && hosts.is_empty() && hosts.name_bytes == 0);
    }

    #[test]
    fn an_answer_that_was_not_asked_for_is_not_believed() {
        let mut hosts = Hosts::new();
        answer(&mut hosts, 1, 7, "example.com", [1, 2, 3, 4], 60);
        ask(&mut hosts, 1, 7, "example.com");
        answer(&mut hosts, 2, 7, "example.com", [1, 2, 3, 4], 60);
        answer(&mut hosts, 1, 8, "example.com", [1, 2, 3, 4], 60);
        answer(&mut hosts, 1, 7, "example.org", [1, 2, 3, 4], 60);
        let answers = || Some(vec![(IpAddr::from([1, 2, 3, 4]), 60)]);
        hosts.apply(&event(1, 1, message("10.0.0.66:53", OWN, false, 7, "example.com", answers())));
        hosts.apply(&event(1, 1, message(RESOLVER, OWN, true, 7, "example.com", answers())));
        assert!(hosts.is_empty());
        answer(&mut hosts, 1, 7, "example.com", [1, 2, 3, 4], 60);
        assert_eq!(hosts.len(), 1);
        answer(&mut hosts, 1, 7, "example.com", [1, 2, 3, 5], 60);
        assert_eq!(hosts.len(), 1, "an answer is given once");
    }

    #[test]
    fn a_name_is_kept_for_its_time_within_bounds() {
        for (ttl_s, kept_s) in [(0, KEPT_MIN.as_secs()), (3600, 3600), (u32::MAX, KEPT_MAX.as_secs())] {
            let mut hosts = Hosts::new();
            ask(&mut hosts, 1, 7, "example.com");
            answer(&mut hosts, 1, 7, "example.com", [1, 2, 3, 4], ttl_s);
            let until_ns = 1 + kept_s * 1_000_000_000;
            assert!(name_at(&hosts, 1, [1, 2, 3, 4], until_ns).is_some() && name_at(&hosts, 1, [1, 2, 3, 4], until_ns + 1).is_none());
        }
    }

    #[test]
    fn questions_addresses_and_names_are_bounded_and_the_greedy_loses_its_own() {
        let mut hosts = Hosts::new();
        for id in 0..=u16::try_from(QUESTIONS_MAX).unwrap() {
            ask(&mut hosts, 1, id, "example.com");
        }
        answer(&mut hosts, 1, 0, "example.com", [1, 2, 3, 4], 60);
        assert!(hosts.is_empty(), "the oldest question went");
        ask(&mut hosts, 2, 1, "modest.example");
        answer(&mut hosts, 2, 1, "modest.example", [9, 9, 9, 9], 60);
        let long = "x".repeat(1000);
        for agent in 10..20 {
            for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 10 {
                ask(&mut hosts, agent, 1, &long);
                answer(&mut hosts, agent, 1, &long, Ipv4Addr::from(number).octets(), 60);
            }
        }
        assert!(hosts.name_bytes <= NAME_BYTES_MAX && hosts.len() > 8_000, "{} bytes of {}", hosts.name_bytes, hosts.len());
        let bytes: usize = hosts.agents.values().flat_map(|known| known.names.values()).map(|entry| entry.name.len()).sum();
        assert_eq!(bytes, hosts.name_bytes);
        assert_eq!(hosts.len() as u64 + hosts.evicted(), 1 + 10 * (ADDRESSES_MAX as u64 + 10));
        assert!(hosts.agents.values().all(|known| known.names.len() <= ADDRESSES_MAX && known.order.len() <= 2 * ADDRESSES_MAX));
        assert_eq!(name(&hosts, 2, [9, 9, 9, 9]).as_deref(), Some("modest.example"));
    }
}
