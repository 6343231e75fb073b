//! DNS messages, good and hostile, as they come in records.

use super::{Builder, event};
use crate::event::decode::{DecodeError, decode};
use crate::event::dns::{ANSWERS_MAX, DATA_MAX, Dns};
use crate::event::{Detail, Event};
use agentmon_common::record::{DnsFixed, kind};
use proptest::prelude::{any, prop, proptest};

/// From 10.0.0.2:40000 to 10.0.0.53:53.
fn fixed() -> DnsFixed {
    let address = |last| std::array::from_fn(|at| [10, 0, 0, last].get(at).copied().unwrap_or(0));
    DnsFixed {
        from_addr: address(2),
        to_addr: address(53),
        from_port: 40000,
        to_port: 53,
        family: 2,
        protocol: 17,
        outbound: 1,
        ..DnsFixed::default()
    }
}

fn record(message: &[u8]) -> Event {
    let mut record = Builder::new::<DnsFixed>(kind::DNS, 0);
    let message = record.push(message);
    event(&record.finish(&DnsFixed { message, ..fixed() }))
}

fn read(message: &[u8]) -> Dns {
    let Detail::Dns(dns) = record(message).detail else { panic!("a DNS message") };
    dns
}

/// A header: identifier 0x0102, these flags, numbers of questions and answers.
fn header(flags: u16, questions: u16, answers: u16) -> Vec<u8> {
    [[1, 2], flags.to_be_bytes(), questions.to_be_bytes(), answers.to_be_bytes(), [0; 2], [0; 2]].concat()
}

const QUESTION: &[u8] = b"\x07example\x03com\x00\x00\x01\x00\x01";
/// The name of the first question.
const POINTER: [u8; 2] = [0xc0, 12];

fn answer(name: &[u8], rtype: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [name, &rtype.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

#[test]
fn a_question_says_who_asks_whom_for_what() {
    let asked = record(&[header(0x0100, 1, 0), QUESTION.to_vec()].concat());
    assert_eq!(asked.operation, "dns_egress");
    let Detail::Dns(dns) = asked.detail else { panic!("a DNS message") };
    assert_eq!((dns.from, dns.to, dns.outbound, dns.bytes), ("10.0.0.2:40000".parse().unwrap(), "10.0.0.53:53".parse().unwrap(), true, 29));
    let message = dns.message.expect("a message");
    let question = message.question.expect("a question");
    assert_eq!((&question.name[..], question.rtype, question.class), (&b"example.com"[..], 1, 1));
    assert_eq!((message.id, message.is_answer, message.is_broken), (0x0102, false, false));
}

#[test]
fn an_answer_has_its_records_as_a_zone_file_shows_them() {
    let cname = answer(&POINTER, 5, 60, b"\x03www\xc0\x0c");
    let address = answer(&POINTER, 1, 300, &[93, 184, 215, 14]);
    let v6 = answer(&POINTER, 28, 300, &[0x20, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let txt = answer(&POINTER, 16, 1, b"\x03a\"\xff");
    let odd = answer(&POINTER, 65400, 1, b"\x01\x02");
    let dns = read(&[header(0x8180, 1, 5), QUESTION.to_vec(), cname, address, v6, txt, odd].concat());
    let message = dns.message.expect("a message");
    let shown: Vec<&str> = message.answers.iter().map(|answer| std::str::from_utf8(&answer.data).unwrap()).collect();
    assert_eq!(shown, ["www.example.com", "93.184.215.14", "2001:db8::1", r#""a\"\255""#, r"\# 2 01 02"]);
    assert_eq!(message.answers[1].address, Some("93.184.215.14".parse().unwrap()));
    assert_eq!(message.answers[2].address, Some("2001:db8::1".parse().unwrap()));
    assert_eq!((message.answers[0].address, message.answers[1].ttl_s), (None, 300));
    assert!(message.is_answer && !message.is_broken && message.rcode == 0 && message.answer_count == 5);
}

#[test]
fn bytes_of_a_name_that_do_not_print_are_escaped() {
    let dns = read(&[&header(0, 1, 0)[..], b"\x06a.b\xff\n\x1b\x02io\x00\x00\x10\x00\x01"].concat());
    let question = dns.message.expect("a message").question.expect("a question");
    assert_eq!(std::str::from_utf8(&question.name).unwrap(), r"a\.b\255\010\027.io");
}

#[test]
fn what_is_cut_short_is_told_as_far_as_it_goes() {
    let whole =
        [header(0x8180, 1, 2), QUESTION.to_vec(), answer(&POINTER, 1, 1, &[1, 2, 3, 4]), answer(&POINTER, 1, 1, &[1, 2, 3, 4])].concat();
    let message = read(&whole[..whole.len() - 1]).message.expect("a message");
    assert_eq!((message.answers.len(), message.answer_count, message.is_broken), (1, 2, true));
    let refused = read(&header(0x8005, 0, 0)).message.expect("an error repeats nothing");
    assert_eq!((refused.rcode, refused.question), (5, None));
    for junk in [&b""[..], b"x", &[0xff; 11], &[0; 12], &[0xff; 300], b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(read(junk).message, None, "{junk:?}");
    }
}

#[test]
fn names_that_point_in_circles_are_refused_and_many_answers_are_counted() {
    for name in [&[0xc0, 12][..], &[0xc0, 14, 0xc0, 12], &[1, b'a', 0xc0, 12]] {
        assert_eq!(read(&[&header(0, 1, 0)[..], name, &[0, 1, 0, 1]].concat()).message, None, "{name:?}");
    }
    let many = answer(&POINTER, 1, 1, &[1, 2, 3, 4]).repeat(200);
    let message = read(&[header(0x8180, 1, 200), QUESTION.to_vec(), many].concat()).message.expect("a message");
    assert_eq!((message.answers.len(), message.answer_count, message.is_broken), (ANSWERS_MAX, 200, false));
    let long = answer(&POINTER, 65400, 1, &[7; 3000]);
    let message = read(&[header(0x8180, 1, 1), QUESTION.to_vec(), long].concat()).message.expect("a message");
    assert_eq!(message.answers[0].data.len(), DATA_MAX);
    let unix = Builder::new::<DnsFixed>(kind::DNS, 0).finish(&DnsFixed { family: 1, ..fixed() });
    assert_eq!(decode(&unix), Err(DecodeError::Value("family of a packet")));
}

proptest! {
    /// Any bytes behind a good header, and any bytes at all: no panic, and text that prints.
    #[test]
    fn no_message_makes_the_decoder_panic(flags in any::<u16>(), counts in any::<(u8, u8)>(), rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let (questions, answers) = (u16::from(counts.0 % 3), u16::from(counts.1 % 40));
        for bytes in [[header(flags, questions, answers), rest.clone()].concat(), [header(flags, 1, answers), QUESTION.to_vec(), rest.clone()].concat(), rest] {
            let Some(message) = read(&bytes).message else { continue };
            let names = message.question.iter().map(|question| &question.name);
            for text in names.chain(message.answers.iter().map(|answer| &answer.data)) {
                assert!(text.is_ascii() && text.len() <= DATA_MAX && !text.iter().any(u8::is_ascii_control), "{text:?}");
            }
        }
    }

    /// The same for records whose type the library knows, with any data.
    #[test]
    fn no_data_of_an_answer_makes_the_decoder_panic(rtype in 0..300_u16, data in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = read(&[header(0x8180, 1, 1), QUESTION.to_vec(), answer(&POINTER, rtype, 1, &data)].concat());
    }
}
