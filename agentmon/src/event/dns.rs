//! A DNS message that an agent sent or received.
//!
//! Values only: who asked whom for what, and what was answered. Not for: which name a later connection has
//! (`crate::process::Hosts`).

use super::serial::{bytes_field, is_default};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A packet to or from a port of DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Where it came from.
    pub from: SocketAddr,
    /// Where it was sent to.
    pub to: SocketAddr,
    /// Whether it left the agent's socket; else it came to it.
    pub outbound: bool,
    /// `IPPROTO_UDP` or `IPPROTO_TCP`.
    pub protocol: u16,
    /// Bytes of the message.
    pub bytes: u32,
    /// What it says; `None`: it is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub message: Option<Message>,
}

/// What a message says, as far as it can be read. Names and data are the sender's to choose; they are text as in zone files (RFC
/// 1035, 5.1), ASCII, bytes that do not print as `\DDD`, without the last dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Identifier, by which an answer belongs to its question.
    pub id: u16,
    /// Whether it answers.
    pub is_answer: bool,
    /// Kind of query: 0 is an ordinary one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub opcode: u8,
    /// Response code: 0 means no error, 3 that there is no such name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rcode: u8,
    /// The first question; none in some errors, and in answers of multicast DNS.
    #[serde(default, skip_serializing_if = "is_default")]
    pub question: Option<Question>,
    /// The first records of the answer section, [`ANSWERS_MAX`] at most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answers: Vec<Answer>,
    /// How many there are, as the message says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answer_count: u16,
    /// Whether something in the question or the answers could not be read: cut short, or not as it should be.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_broken: bool,
}

/// Most records of an answer that are kept.
pub const ANSWERS_MAX: usize = 16;
/// Most bytes of a name, which is never longer, or of one record's data that are kept.
pub const DATA_MAX: usize = 1024;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The name.
    #[serde(with = "bytes_field")]
    pub name: Bytes,
    /// Type of record; see [`type_name`].
    pub rtype: u16,
    /// Class: 1 is the Internet's.
    pub class: u16,
}

/// One record of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Type of record; see [`type_name`].
    pub rtype: u16,
    /// Class: 1 is the Internet's.
    pub class: u16,
    /// How long it may be kept, seconds.
    pub ttl_s: u32,
    /// Its data as in a zone file, [`DATA_MAX`] bytes at most.
    #[serde(with = "bytes_field")]
    pub data: Bytes,
    /// Of A and AAAA the address.
    #[serde(default, skip_serializing_if = "is_default")]
    pub address: Option<IpAddr>,
}

/// Name of a type of record (IANA's DNS parameters); `None`: only a number is known.
#[must_use]
pub const fn type_name(rtype: u16) -> Option<&'static str> {
    Some(match rtype {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return None,
    })
}

/// Name of a response code (RFC 6895); `None`: only a number is known.
#[must_use]
pub const fn rcode_name(rcode: u8) -> Option<&'static str> {
    Some(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        _ => return None,
    })
}
