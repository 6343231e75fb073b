//! Netlink messages and socket options that change the network's settings, and those that ask; in a network namespace of
//! their own, so that nothing of the host changes.

use crate::network::socket;
use crate::sys::{fd, int80, low_page, sys};
use crate::truth::Truth;

/// `NLM_F_REQUEST`, and with `NLM_F_ACK`, and `NLM_F_DUMP`.
const REQUEST: u16 = 1;
const REQUEST_ACK: u16 = 5;
const DUMP: u16 = 0x301;
const RTM_GETLINK: u16 = 18;
const RTM_DELADDR: u16 = 21;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const NFT_MSG_DELTABLE: u16 = 0x0a02;
const XFRM_MSG_FLUSHPOLICY: u16 = 0x1d;

/// A message with 16 bytes of zeros behind its header.
fn message(code: u16, flags: u16) -> Vec<u8> {
    [&32_u32.to_ne_bytes()[..], &code.to_ne_bytes(), &flags.to_ne_bytes(), &1_u32.to_ne_bytes(), &[0; 20]].concat()
}

fn netlink(protocol: i32) -> Option<i64> {
    let ret = sys(libc::SYS_socket, &[libc::AF_NETLINK as u64, (libc::SOCK_RAW | libc::SOCK_NONBLOCK) as u64, protocol as u64]);
    (ret >= 0).then_some(ret)
}

fn send(socket: i64, bytes: &[u8]) -> i64 {
    let ret = sys(libc::SYS_sendto, &[fd(socket), bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0]);
    assert_eq!(ret, bytes.len() as i64, "send on a netlink socket");
    ret
}

fn print(op: &str, ret: i64, socket: i64, protocol: i32, name: &str, code: u16, flags: u16) -> Truth {
    let truth = Truth::of(op, ret).with("kind", "netlink").with("fd", socket).with("protocol", protocol).with("change", name);
    truth.with("message", code).with("message_flags", flags).with("changed", false).with("unreadable", false)
}

fn sendmsg(socket: i64, pieces: &[&[u8]]) -> i64 {
    let pieces: Vec<[u64; 2]> = pieces.iter().map(|piece| [piece.as_ptr() as u64, piece.len() as u64]).collect();
    let header = [0, 0, pieces.as_ptr() as u64, pieces.len() as u64, 0, 0, 0];
    sys(libc::SYS_sendmsg, &[fd(socket), header.as_ptr() as u64, 0])
}

/// All of them.
pub fn all() {
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNET as u64]), 0, "a network namespace");
    route();
    filters();
    options();
}

fn route() {
    let socket = netlink(libc::NETLINK_ROUTE).expect("a netlink socket");
    // Those that ask, and what is no request.
    send(socket, &message(RTM_GETLINK, DUMP));
    send(socket, &message(RTM_GETROUTE, REQUEST));
    send(socket, &message(RTM_DELROUTE, 0));
    let ret = send(socket, &message(RTM_DELROUTE, REQUEST_ACK));
    let told = |op: &str, ret: i64, name: &str, code: u16, flags: u16| print(op, ret, socket, libc::NETLINK_ROUTE, name, code, flags);
    told("sendto", ret, "RTM_DELROUTE", RTM_DELROUTE, REQUEST_ACK).with("truncated", false).with("compat", false).print();

    // The change hides behind a question.
    let both = [message(RTM_GETLINK, DUMP), message(RTM_DELADDR, REQUEST)].concat();
    let ret = sendmsg(socket, &[&both]);
    assert_eq!(ret, both.len() as i64, "sendmsg");
    told("sendmsg", ret, "RTM_DELADDR", RTM_DELADDR, REQUEST).with("truncated", false).print();
    // And in a piece that is not looked at: that there is more is said.
    let (first, second) = (message(RTM_GETLINK, DUMP), message(RTM_DELADDR, REQUEST));
    let ret = sendmsg(socket, &[&first, &second]);
    assert_eq!(ret, 64, "sendmsg in pieces");
    told("sendmsg", ret, "RTM_GETLINK", RTM_GETLINK, DUMP).with("truncated", true).print();
    // Behind more questions than are looked at.
    let many = [message(RTM_GETROUTE, REQUEST).repeat(64), message(RTM_DELADDR, REQUEST)].concat();
    let ret = send(socket, &many);
    told("sendto", ret, "RTM_GETROUTE", RTM_GETROUTE, REQUEST).with("truncated", true).print();

    let bytes = message(RTM_DELROUTE, REQUEST);
    let words = |words: &[u32]| low_page(&words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>());
    let piece = words(&[low_page(&bytes), bytes.len() as u32]);
    let ret = int80(370, [socket as u32, words(&[0, 0, piece, 1, 0, 0, 0]), 0, 0]);
    assert_eq!(ret, 32, "sendmsg as i386");
    told("sendmsg", ret, "RTM_DELROUTE", RTM_DELROUTE, REQUEST).with("compat", true).print();
    let ret = int80(102, [9, words(&[socket as u32, low_page(&bytes), 32, 0]), 0, 0]);
    assert_eq!(ret, 32, "send through socketcall");
    told("socketcall", ret, "RTM_DELROUTE", RTM_DELROUTE, REQUEST).with("compat", true).print();
}

fn filters() {
    match netlink(libc::NETLINK_NETFILTER) {
        // struct nfgenmsg { family, version, resource id }; 10 is the subsystem.
        Some(socket) => {
            let mut batch = message(0x10, REQUEST);
            batch[18] = 0;
            batch[19] = 10;
            batch.extend(message(NFT_MSG_DELTABLE, REQUEST_ACK));
            batch.extend(message(0x11, REQUEST));
            let ret = send(socket, &batch);
            print("sendto", ret, socket, libc::NETLINK_NETFILTER, "NFT_MSG_DELTABLE", NFT_MSG_DELTABLE, REQUEST_ACK).print();
        }
        None => Truth::of_process("skip", 0).with("_reason", "no NETLINK_NETFILTER").print(),
    }
    match netlink(libc::NETLINK_XFRM) {
        Some(socket) => {
            let ret = send(socket, &message(XFRM_MSG_FLUSHPOLICY, REQUEST));
            print("sendto", ret, socket, libc::NETLINK_XFRM, "0x1d", XFRM_MSG_FLUSHPOLICY, REQUEST).print();
        }
        None => Truth::of_process("skip", 0).with("_reason", "no NETLINK_XFRM").print(),
    }
}

/// Options that replace a firewall's tables; the value is too short for all of them.
fn options() {
    let raw = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_RAW as u64, libc::IPPROTO_RAW as u64]);
    assert!(raw >= 0, "a raw socket: {raw}");
    let one = 1_u32;
    let set =
        |socket: i64, level: i32, option: u64| sys(libc::SYS_setsockopt, &[fd(socket), level as u64, option, (&raw const one) as u64, 4]);
    for (level, option, name) in [
        (libc::SOL_IP, 64, "IPT_SO_SET_REPLACE"),
        (libc::SOL_IP, 65, "IPT_SO_SET_ADD_COUNTERS"),
        (libc::SOL_IP, 96, "ARPT_SO_SET_REPLACE"),
        (libc::SOL_IP, 128, "EBT_SO_SET_ENTRIES"),
        (libc::SOL_IPV6, 64, "IP6T_SO_SET_REPLACE"),
    ] {
        let ret = set(raw, level, option);
        assert!(ret < 0, "{name}: {ret}");
        let done = Truth::of("setsockopt", ret).with("kind", "netlink").with("fd", raw).with("change", name);
        done.with("level", level).with("option", option).with("compat", false).print();
    }
    // Others are not reported.
    let tcp = socket(libc::AF_INET, libc::SOCK_STREAM);
    assert_eq!(set(tcp, libc::SOL_SOCKET, libc::SO_REUSEADDR as u64), 0, "setsockopt");
    let words: Vec<u8> = [raw as u32, 0, 64, low_page(&[0; 4]), 4].into_iter().flat_map(u32::to_ne_bytes).collect();
    let ret = int80(102, [14, low_page(&words), 0, 0]);
    assert!(ret < 0, "setsockopt through socketcall: {ret}");
    let done = Truth::of("socketcall", ret).with("kind", "netlink").with("fd", raw).with("change", "IPT_SO_SET_REPLACE");
    done.with("compat", true).print();
}
