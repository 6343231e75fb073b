//! OCSF class 4003, DNS Activity: questions and answers.
//!
//! Not for: the names of later connections, which stand in their own lines.

use super::format::Class;
use super::line::{Line, NAME_MAX};
use super::network_class::ends;
use super::process_class::actor;
use crate::event::Dns;
use crate::event::dns::{Answer, Message, Question, rcode_name, type_name};
use crate::process::Operation;

/// `IPPROTO_TCP`.
const TCP: u16 = 6;
/// Bytes of an answer's data that a line has; rules see all that is kept.
const DATA_MAX: usize = 4 * NAME_MAX;

pub(super) fn class(dns: &Dns) -> Class {
    let activity = match &dns.message {
        Some(message) if message.is_answer => 2,
        Some(_) => 1,
        // Something else that goes through the port.
        None => 6,
    };
    Class { uid: 4003, activity, activity_name: None, status: None, users: false }
}

pub(super) fn body<'e>(line: &mut Line<'_, 'e>, op: &Operation<'e>, dns: &'e Dns) {
    actor(line, op);
    if let Some(message) = &dns.message {
        said(line, message);
    }
    ends(line, op, dns.from, dns.to);
    line.json.object("connection_info");
    line.json.number("direction_id", if dns.outbound { 2 } else { 1 });
    line.json.number("protocol_num", dns.protocol);
    line.json.word("protocol_name", if dns.protocol == TCP { "tcp" } else { "udp" });
    line.json.close();
}

fn said<'e>(line: &mut Line<'_, 'e>, message: &'e Message) {
    if let Some(question) = &message.question {
        line.json.object("query");
        asked(line, question);
        line.json.number("opcode_id", message.opcode);
        line.json.number("packet_uid", message.id);
        line.json.close();
    }
    if !message.is_answer {
        return;
    }
    line.json.number("rcode_id", message.rcode);
    if let Some(name) = rcode_name(message.rcode) {
        line.json.word("rcode", name);
    }
    if message.answers.is_empty() {
        return;
    }
    line.json.list("answers");
    for answer in &message.answers {
        line.json.open();
        answered(line, answer);
        line.json.close();
    }
    line.json.close_list();
}

fn asked<'e>(line: &mut Line<'_, 'e>, question: &'e Question) {
    line.untrusted("hostname", "query", &question.name, question.name.len());
    kind(line, question.rtype, question.class);
}

/// The data is text in ASCII already.
fn answered(line: &mut Line<'_, '_>, answer: &Answer) {
    line.json.string("rdata", &String::from_utf8_lossy(&answer.data), DATA_MAX);
    kind(line, answer.rtype, answer.class);
    line.json.number("ttl", answer.ttl_s);
}

fn kind(line: &mut Line<'_, '_>, rtype: u16, class: u16) {
    match type_name(rtype) {
        Some(name) => line.json.word("type", name),
        None => line.json.plain("type", format_args!("TYPE{rtype}")),
    }
    match class & 0x7fff {
        1 => line.json.word("class", "IN"),
        class => line.json.plain("class", format_args!("CLASS{class}")),
    }
}

pub(super) fn unmapped(line: &mut Line<'_, '_>, dns: &Dns) {
    line.json.number("bytes", dns.bytes);
    match &dns.message {
        None => line.json.boolean("malformed", true),
        Some(message) => {
            if message.is_broken {
                line.json.boolean("broken", true);
            }
            if usize::from(message.answer_count) > message.answers.len() {
                line.json.number("answer_count", message.answer_count);
            }
        }
    }
}
