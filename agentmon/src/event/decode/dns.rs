//! Records of DNS messages, and the messages in them.
//!
//! The message is whatever its sender put into the packet: what cannot be read is said to be so, and is no error of the record.

use super::socket::internet;
use super::{DecodeError, Record};
use crate::event::dns::{ANSWERS_MAX, Answer, DATA_MAX, Dns, Message, Question};
use agentmon_common::record::DnsFixed;
use bytes::Bytes;
use domain::base::{Message as Wire, ParsedName, ParsedRecord, Rtype};
use domain::rdata::{A, Aaaa, AllRecordData};
use std::fmt::Write;
use std::net::IpAddr;

impl Record<'_> {
    pub(super) fn dns(&self) -> Result<Dns, DecodeError> {
        let fixed: DnsFixed = self.fixed()?;
        let end = |addr, port| internet(fixed.family, addr, port).ok_or(DecodeError::Value("family of a packet"));
        let message = self.text(fixed.message)?;
        Ok(Dns {
            from: end(fixed.from_addr, fixed.from_port)?,
            to: end(fixed.to_addr, fixed.to_port)?,
            outbound: fixed.outbound != 0,
            protocol: fixed.protocol,
            bytes: message.original,
            message: read(&message.bytes),
        })
    }
}

/// `None` when it is not even a header with a question or an answer that can be read.
fn read(bytes: &[u8]) -> Option<Message> {
    let wire = Wire::from_slice(bytes).ok()?;
    let (header, counts) = (wire.header(), wire.header_counts());
    let mut message = Message {
        id: header.id(),
        is_answer: header.qr(),
        opcode: header.opcode().to_int(),
        rcode: header.rcode().to_int(),
        question: None,
        answers: Vec::new(),
        answer_count: counts.ancount(),
        is_broken: false,
    };
    if fill(wire, &mut message).is_none() {
        message.is_broken = true;
    }
    // A header alone is any twelve bytes; an error may repeat nothing.
    let says_something = message.question.is_some() || !message.answers.is_empty();
    (says_something || (message.is_answer && counts.qdcount() == 0 && !message.is_broken)).then_some(message)
}

/// `None` as soon as something cannot be read.
fn fill(wire: &Wire<[u8]>, message: &mut Message) -> Option<()> {
    if let Some(question) = wire.question().next() {
        let question = question.ok()?;
        let name = name(question.qname());
        message.question = Some(Question { name, rtype: question.qtype().to_int(), class: question.qclass().to_int() });
    }
    for record in wire.answer().ok()?.take(ANSWERS_MAX) {
        message.answers.push(answer(&record.ok()?)?);
    }
    Some(())
}

fn answer(record: &ParsedRecord<'_, [u8]>) -> Option<Answer> {
    let address = match record.rtype() {
        Rtype::A => Some(IpAddr::V4(record.to_record::<A>().ok()??.data().addr())),
        Rtype::AAAA => Some(IpAddr::V6(record.to_record::<Aaaa>().ok()??.data().addr())),
        _ => None,
    };
    let is_name = matches!(record.rtype(), Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::DNAME);
    let parsed = record.to_any_record::<AllRecordData<&[u8], ParsedName<&[u8]>>>().ok()?;
    let data = text(parsed.data());
    Some(Answer {
        rtype: record.rtype().to_int(),
        class: record.class().to_int(),
        ttl_s: record.ttl().as_secs(),
        data: if is_name { data.strip_suffix(b".").map_or_else(|| data.clone(), |name| data.slice_ref(name)) } else { data },
        address,
    })
}

/// A name in zone-file form.
fn name(name: &ParsedName<&[u8]>) -> Bytes {
    text(name)
}

/// What a value shows of itself, no more than [`DATA_MAX`] bytes: the longest name has less.
fn text(value: &impl std::fmt::Display) -> Bytes {
    let mut bounded = Bounded(String::new());
    // Fails when it is full, which is all that can fail.
    let _ = write!(bounded, "{value}");
    Bytes::from(bounded.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = DATA_MAX - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.extend(text.chars().take_while(char::is_ascii).take(room));
        Err(std::fmt::Error)
    }
}
