//! Properties of the decoder: what was put into a record comes out, and no bytes make it panic.

use super::{decode, kind_number};
use crate::event::{Address, Delivery, Detail, Event, Kind, PathTrust, flags, path_flags};
use agentmon_common::record::{
    ArgvFixed, CallFixed, CapabilityFixed, CgroupFixed, CgroupStateFixed, DnsFixed, ExecFixed, ExitFixed, FileId, FlowFixed, ForkFixed,
    Header, IdentityFixed, NO_SYSCALL, OpenFixed, PlaceFixed, ResolvedFixed, SignalFixed, SocketFixed, Span, ThreadNameFixed,
    UnknownCallFixed, UringFixed, kind, signal_bits,
};
use agentmon_common::syscalls::{NAMES, PER_ABI, SHAPES, TABLE, index, op};
use bytes::Bytes;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::net::SocketAddr;
use zerocopy::{Immutable, IntoBytes};

/// A record under construction, as the probes build it.
struct Builder {
    header: Header,
    tail: Vec<u8>,
    tail_at: u32,
}

impl Builder {
    fn new<F>(kind: u16, ret: i64) -> Self {
        let header = Header { kind, ret, agent: 1, syscall: NO_SYSCALL, tgid: 10, tid: 11, start_ns: 12, ..Header::default() };
        let tail_at = u32::try_from(size_of::<Header>() + size_of::<F>()).expect("small");
        Self { header, tail: Vec::new(), tail_at }
    }

    fn push(&mut self, bytes: &[u8]) -> Span {
        let offset = self.tail_at + u32::try_from(self.tail.len()).expect("small");
        self.tail.extend_from_slice(bytes);
        let len = u32::try_from(bytes.len()).expect("small");
        Span { offset, len, original: len }
    }

    /// A path as the probes write it: leaf first, each name with its NUL.
    fn push_path(&mut self, names: &[Vec<u8>]) -> Span {
        let components: Vec<u8> = names.iter().rev().flat_map(|name| [&name[..], b"\0"].concat()).collect();
        self.push(&components)
    }

    fn finish<F: IntoBytes + Immutable>(mut self, fixed: &F) -> Bytes {
        self.header.len = self.tail_at + u32::try_from(self.tail.len()).expect("small");
        [self.header.as_bytes(), fixed.as_bytes(), &self.tail].concat().into()
    }
}

fn absolute(names: &[Vec<u8>]) -> Vec<u8> {
    if names.is_empty() { b"/".to_vec() } else { names.iter().flat_map(|name| [b"/", &name[..]].concat()).collect() }
}

fn event(record: &Bytes) -> Event {
    decode(record).expect("a good record")
}

/// Any name the kernel allows.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![1..=46_u8, 48..=255_u8], 1..20).prop_filter("dots fold", |name| !matches!(&name[..], b"." | b".."))
}

fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(name(), 0..6)
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..max)
}

const FILE: FileId = FileId { ino: 77, dev: 8 << 20 | 3, mode: 0o100_644, nlink: 1, path_flags: 0 };

fn open_record(path: &[Vec<u8>], asked: &[u8], ret: i64) -> Bytes {
    let mut record = Builder::new::<OpenFixed>(kind::OPEN, ret);
    let asked = record.push(asked);
    let span = record.push_path(path);
    let (path, base) = if ret < 0 { (Span::default(), span) } else { (span, Span::default()) };
    record.finish(&OpenFixed {
        file: FILE,
        open_flags: 0o101,
        create_mode: 0o640,
        f_mode: 1 << 20,
        path,
        asked,
        base,
        ..OpenFixed::default()
    })
}

/// One record of every kind.
fn samples() -> Vec<Bytes> {
    let names = [b"usr".to_vec(), b"bin".to_vec(), b"x".to_vec()];
    let mut exec = Builder::new::<ExecFixed>(kind::EXEC, 0);
    let fixed = ExecFixed {
        file: FILE,
        argc: 2,
        exe: exec.push_path(&names),
        filename: exec.push(b"./x"),
        interp: exec.push(b"/bin/sh"),
        cwd: exec.push_path(&names[..2]),
        argv: exec.push(b"x\0y\0"),
        ..ExecFixed::default()
    };
    let mut connect = Builder::new::<SocketFixed>(kind::CONNECT, 0);
    let connected = SocketFixed { family: 2, peer_port: 1, asked: connect.push(&[2, 0, 0, 80, 127, 0, 0, 1]), ..SocketFixed::default() };
    let mut leave = Builder::new::<CgroupFixed>(kind::CGROUP_LEAVE, 0);
    let left = CgroupFixed { path: leave.push(b"/other"), to_cgroup_id: 5, ..CgroupFixed::default() };
    let mut seen = Builder::new::<ExecFixed>(kind::PROCESS_SEEN, 0);
    let was_there = ExecFixed { file: FILE, exe: seen.push_path(&names), ..ExecFixed::default() };
    let mut all = vec![
        exec.finish(&fixed),
        Builder::new::<ForkFixed>(kind::FORK, 0).finish(&ForkFixed::default()),
        Builder::new::<ExitFixed>(kind::EXIT, 0).finish(&ExitFixed { status: 9, reserved: 0 }),
        open_record(&names, b"x", 3),
        connect.finish(&connected),
        called(kind::UNLINK, op::UNLINK, b"a"),
        Builder::new::<IdentityFixed>(kind::IDENTITY, 0).finish(&IdentityFixed::default()),
        leave.finish(&left),
        Builder::new::<CgroupFixed>(kind::CGROUP_JOIN, 0).finish(&CgroupFixed { born: 1, ..CgroupFixed::default() }),
        seen.finish(&was_there),
    ];
    let rest = Kind::ALL.into_iter().skip(all.len());
    all.extend(rest.map(|kind| {
        if kind == Kind::Signal {
            return signal_record(0, 0);
        }
        if let Some(record) = named_record(kind) {
            return record;
        }
        if (Kind::Bind..=Kind::Netlink).contains(&kind) {
            let fixed = SocketFixed { family: 2, sock_type: 1, protocol: 6, peer_port: 1, code: 24, ..SocketFixed::default() };
            return Builder::new::<SocketFixed>(kind as u16, 0).finish(&fixed);
        }
        let op = SHAPES.iter().position(|shape| shape.kind == kind as u16).unwrap_or_else(|| panic!("no call of {kind:?}"));
        called(kind as u16, op as u8, b"a")
    }));
    all
}

/// A record of a kind that tells what a process or cgroup is called, or a mere number.
fn named_record(kind: Kind) -> Option<Bytes> {
    let mut record = Builder::new::<CgroupStateFixed>(kind as u16, 0);
    Some(match kind {
        Kind::CgroupState => {
            let path = record.push(b"/agent/sub");
            record.finish(&CgroupStateFixed { cgroup_id: 7, action: 3, by_member: 1, path, reserved: 0 })
        }
        Kind::ThreadName => {
            let fixed = ThreadNameFixed { target_tid: 22, before: *b"python3\0\0\0\0\0\0\0\0\0", after: *b"sixteen bytes ok", reserved: 0 };
            Builder::new::<ThreadNameFixed>(kind as u16, 0).finish(&fixed)
        }
        Kind::UnknownSyscall => {
            Builder::new::<UnknownCallFixed>(kind as u16, -38).finish(&UnknownCallFixed { number: 0x4000_01d6, reserved: 0 })
        }
        Kind::Argv => {
            let argv = record.push(b"sshd\0");
            record.header.syscall = 157;
            record.finish(&ArgvFixed { option: 9, argv, ..ArgvFixed::default() })
        }
        Kind::Resolved => {
            let mut record = Builder::new::<ResolvedFixed>(kind as u16, 0);
            let path = record.push_path(&[b"work".to_vec(), b"x".to_vec()]);
            let second = record.push_path(&[b"work".to_vec(), b"y".to_vec()]);
            record.finish(&ResolvedFixed { file: FILE, path, second, hook: 2, ..ResolvedFixed::default() })
        }
        Kind::Flow => {
            let address = |last| std::array::from_fn(|at| [10, 0, 0, last].get(at).copied().unwrap_or(0));
            let (peer_addr, local_addr) = (address(1), address(2));
            let fixed =
                FlowFixed { bytes_in: 5, bytes_out: 6, peer_addr, local_addr, peer_port: 443, local_port: 50000, family: 2, inbound: 0 };
            Builder::new::<FlowFixed>(kind as u16, 0).finish(&fixed)
        }
        Kind::Capability => {
            let fixed = CapabilityFixed { capability: 12, initial_namespace: 1 };
            Builder::new::<CapabilityFixed>(kind as u16, -1).finish(&fixed)
        }
        Kind::Dns => {
            let mut record = Builder::new::<DnsFixed>(kind as u16, 0);
            let message = record.push(b"\x01\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01");
            record.finish(&DnsFixed { family: 2, from_port: 4, to_port: 53, protocol: 17, outbound: 1, message, ..DnsFixed::default() })
        }
        _ => return None,
    })
}

#[test]
fn a_closed_connection_says_how_much_went_through() {
    let Detail::Flow(flow) = event(&named_record(Kind::Flow).expect("a record")).detail else { panic!("a flow") };
    assert_eq!((flow.bytes_in, flow.bytes_out, flow.inbound), (5, 6, false));
    assert_eq!(flow.from_to(), ("10.0.0.2:50000".parse().unwrap(), "10.0.0.1:443".parse().unwrap()));
    let unix = FlowFixed { family: 1, ..FlowFixed::default() };
    assert!(decode(&Builder::new::<FlowFixed>(kind::FLOW, 0).finish(&unix)).is_err(), "a family that has no such end");
}

#[test]
fn a_capability_has_its_name_and_its_number_where_there_is_none() {
    let event = event(&named_record(Kind::Capability).expect("a record"));
    let Detail::Capability(asked) = event.detail else { panic!("a capability") };
    assert_eq!(
        (asked.to_string().as_str(), asked.in_initial_namespace, event.outcome.error_name()),
        ("CAP_NET_ADMIN", true, Some("EPERM"))
    );
    let unknown = crate::event::Capability { number: 63, call: None, in_initial_namespace: false };
    assert_eq!((unknown.name(), unknown.to_string().as_str()), (None, "CAP_63"));
}

#[test]
fn what_a_process_calls_itself_comes_out_without_its_padding() {
    let named = event(&named_record(Kind::ThreadName).expect("a record"));
    let Detail::ThreadName(name) = &named.detail else { panic!("a name") };
    assert_eq!((name.thread, name.before(), name.after()), (22, &b"python3"[..], &b"sixteen bytes ok"[..]));
    let argv = event(&named_record(Kind::Argv).expect("a record"));
    let Detail::Argv(moved) = &argv.detail else { panic!("arguments") };
    assert_eq!((moved.option_name(), &moved.argv.bytes[..], argv.operation), (Some("PR_SET_MM_ARG_END"), &b"sshd\0"[..], "prctl"));
}

#[test]
fn the_call_by_which_a_thread_was_named_is_told_where_it_has_a_name() {
    for (syscall, compat, want) in [(157, 0, "prctl"), (172, flags::COMPAT, "prctl"), (1, 0, "write"), (20, 0, "thread_name")] {
        let mut record = Builder::new::<ThreadNameFixed>(kind::THREAD_NAME, 0);
        (record.header.syscall, record.header.flags) = (syscall, compat);
        assert_eq!(event(&record.finish(&ThreadNameFixed::default())).operation, want);
    }
}

#[test]
fn what_was_done_to_a_cgroup_is_one_of_four() {
    let record = |action| {
        let fixed = CgroupStateFixed { action, ..CgroupStateFixed::default() };
        decode(&Builder::new::<CgroupStateFixed>(kind::CGROUP_STATE, 0).finish(&fixed)).map(|event| event.operation)
    };
    assert_eq!([1, 2, 3, 4].map(|action| record(action).unwrap()), ["cgroup_mkdir", "cgroup_rmdir", "cgroup_freeze", "cgroup_unfreeze"]);
    assert!(record(0).is_err() && record(5).is_err());
}

#[test]
fn an_unknown_call_is_told_by_its_number() {
    let call = event(&named_record(Kind::UnknownSyscall).expect("a record"));
    assert_eq!((call.operation, call.outcome.error_name()), ("unknown_syscall", Some("ENOSYS")));
    assert_eq!(call.detail, Detail::UnknownCall(crate::event::UnknownCall { number: 0x4000_01d6 }));
}

fn signal_record(bits: u32, result: u32) -> Bytes {
    let mut record = Builder::new::<SignalFixed>(kind::SIGNAL, 0);
    record.header.syscall = 62;
    let fixed = SignalFixed {
        other_tgid: 20,
        other_start_ns: 21,
        target_tid: 22,
        signal: 15,
        code: -6,
        bits,
        result,
        other_comm: *b"other\0\0\0\0\0\0\0\0\0\0\0",
        ..SignalFixed::default()
    };
    record.finish(&fixed)
}

#[test]
fn a_signal_names_the_other_process_and_the_call_that_sent_it() {
    let sent = event(&signal_record(signal_bits::TO_MONITOR, 1));
    assert_eq!(sent.operation, "kill");
    let Detail::Signal(signal) = sent.detail else { panic!("a signal") };
    assert_eq!((signal.other.tgid, signal.other.start_ns, signal.other_agent, signal.thread), (20, 21, None, Some(22)));
    assert_eq!((signal.signal.to_string().as_str(), signal.code_name()), ("SIGTERM", Some("SI_TKILL")));
    assert_eq!((signal.other_comm(), signal.delivery), (&b"other"[..], Delivery::Ignored));
    assert!(signal.to_monitor && !signal.received);
    let Detail::Signal(got) = event(&signal_record(signal_bits::GROUP | signal_bits::RECEIVED, 0)).detail else { panic!("a signal") };
    assert!(got.received && got.thread.is_none() && !got.to_monitor && !got.from_monitor);
    let own = signal_bits::RECEIVED | signal_bits::FROM_MONITOR;
    let Detail::Signal(own) = event(&signal_record(own, 0)).detail else { panic!("a signal") };
    assert!(own.received && own.from_monitor);
    assert!(decode(&signal_record(0, 5)).is_err(), "a result that the kernel does not know");
}

fn uring_record(opcode: u32, asked: &[u8]) -> Bytes {
    let mut record = Builder::new::<UringFixed>(kind::IO_URING, 0);
    record.header.flags = flags::SUBMITTED;
    let names = [b"usr".to_vec(), b"bin".to_vec()];
    let first = PlaceFixed { asked: record.push(asked), base: record.push_path(&names), fd: 7, ..PlaceFixed::default() };
    let address = record.push(&[2, 0, 0, 80, 127, 0, 0, 1]);
    record.finish(&UringFixed { args: [0x200, 2, 3], first, opcode, address, ..UringFixed::default() })
}

#[test]
fn a_request_to_a_ring_is_told_by_its_operation_and_as_handed_over() {
    let unlink = event(&uring_record(36, b"../x"));
    assert_eq!((unlink.kind(), unlink.operation, unlink.has(flags::SUBMITTED)), (Kind::IoUring, "io_uring_unlinkat", true));
    let Detail::Uring(uring) = unlink.detail else { panic!("a request") };
    assert_eq!((&uring.target.path.bytes[..], uring.arg("flags"), uring.second), (&b"/usr/x"[..], Some(0x200), None));
    let Detail::Uring(connect) = event(&uring_record(16, b"")).detail else { panic!("a request") };
    assert_eq!((connect.peer, connect.from_kernel), (Some(Address::Inet("127.0.0.1:80".parse().unwrap())), true));
    for unknown in [0, 22, 63, 64, 256 + 36, u32::MAX] {
        assert!(decode(&uring_record(unknown, b"x")).is_err(), "{unknown}");
    }
}

/// A call told by its arguments, with both places and a text, asked for in a directory `/usr/bin/x`.
fn called(kind: u16, op: u8, asked: &[u8]) -> Bytes {
    let names = [b"usr".to_vec(), b"bin".to_vec(), b"x".to_vec()];
    let mut record = Builder::new::<CallFixed>(kind, 0);
    let mut place =
        || PlaceFixed { asked: record.push(asked), at_enter: record.push(b"b"), base: record.push_path(&names), ..PlaceFixed::default() };
    let (first, second) = (place(), place());
    // A request that is told of an ioctl.
    let said = if op == op::IOCTL { 0x4008_6602 } else { 1 };
    let fixed = CallFixed { args: [said, 2, 3, 4], first, second, text: record.push(b"text"), ..CallFixed::default() };
    record.header.syscall = number(op);
    record.finish(&fixed)
}

/// A number of this operation on x86-64.
fn number(op: u8) -> u16 {
    (0..PER_ABI as u16)
        .find(|number| TABLE[index(false, *number)] == op)
        .unwrap_or_else(|| panic!("{} has no native number", NAMES[usize::from(op)]))
}

#[test]
fn every_kind_has_a_sample_and_each_decodes_to_its_kind() {
    let kinds: Vec<Kind> = samples().iter().map(|record| event(record).kind()).collect();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn the_header_comes_out_as_it_went_in() {
    let mut record = Builder::new::<ExitFixed>(kind::EXIT, 0);
    record.header = Header {
        timestamp_ns: 1,
        cgroup_id: 2,
        seq: 3,
        ppid: 4,
        uid: 5,
        euid: 6,
        lost_before: 7,
        slot: 8,
        comm: *b"name\0\0\0\0\0\0\0\0\0\0\0\0",
        ..record.header
    };
    let event = event(&record.finish(&ExitFixed { status: 11, reserved: 0 }));
    assert_eq!((event.timestamp_ns, event.cgroup.0, event.seq, event.ppid), (1, 2, 3, 4));
    assert_eq!((event.uid, event.euid, event.lost_before, event.slot), (5, 6, 7, 8));
    assert_eq!((event.process.tgid, event.tid, event.process.start_ns), (10, 11, 12));
    assert_eq!((event.comm(), event.operation), (&b"name"[..], "exit"));
    let Detail::Exit(exit) = event.detail else { panic!("an exit") };
    assert_eq!((exit.signal(), exit.code()), (Some(11), None));
}

#[test]
fn a_call_that_a_signal_interrupted_failed_with_eintr() {
    for (ret, want) in [(-512, -4), (-513, -4), (-514, -4), (-516, -4), (-515, -515), (512, 512), (-4, -4)] {
        assert_eq!(event(&open_record(&[], b"x", ret)).outcome.0, want);
    }
    assert_eq!(event(&open_record(&[], b"x", i64::MIN)).outcome.errno(), None);
}

#[test]
fn an_open_that_was_closed_before_it_could_be_looked_at_has_the_path_that_was_asked() {
    let mut record = Builder::new::<OpenFixed>(kind::OPEN, 3);
    let (asked, base) = (record.push(b"../x"), record.push_path(&[b"a".to_vec(), b"b".to_vec()]));
    let Detail::Open(open) = event(&record.finish(&OpenFixed { asked, base, ..OpenFixed::default() })).detail else { panic!("an open") };
    assert_eq!((&open.path.bytes[..], open.path.trust), (&b"/a/x"[..], PathTrust::Joined));
}

#[test]
fn records_that_lie_about_themselves_are_refused() {
    let good = open_record(&[b"x".to_vec()], b"x", 3);
    assert!(decode(&good.slice(..good.len() - 1)).is_err(), "shorter than it says");
    assert!(decode(&[&good[..], b"x"].concat().into()).is_err(), "longer than it says");
    assert!(decode(&Bytes::new()).is_err());
    let with = |change: &dyn Fn(&mut Header)| {
        let mut record = Builder::new::<ExitFixed>(kind::EXIT, 0);
        change(&mut record.header);
        decode(&record.finish(&ExitFixed::default()))
    };
    assert!(with(&|header| header.agent = 0).is_err(), "agent 0 is nobody");
    assert!(with(&|header| header.kind = 0).is_err());
    assert!(with(&|header| header.kind = kind::COUNT as u16).is_err());
    assert!(with(&|header| header.syscall = 5000).is_ok());
    for span in [
        Span { offset: 0, len: 4, original: 4 },
        Span { offset: u32::MAX, len: 4, original: 4 },
        Span { offset: 100, len: u32::MAX, original: u32::MAX },
        Span { offset: 184, len: 1, original: 0 },
    ] {
        let record = Builder::new::<OpenFixed>(kind::OPEN, 3).finish(&OpenFixed { asked: span, ..OpenFixed::default() });
        assert!(decode(&record).is_err(), "{span:?}");
    }
}

#[test]
fn what_is_decoded_can_be_recorded_and_read_again() {
    for record in samples() {
        let event = event(&record);
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap_or_else(|error| panic!("{error}: {text}")), event);
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(record in bytes(600)) {
        let record = Bytes::from(record);
        let _ = decode(&record);
        let _ = kind_number(&record);
    }

    #[test]
    fn any_bytes_behind_a_good_header_decode_or_are_refused(kind in 0..=kind::COUNT as u16, ret in any::<i64>(), rest in bytes(600)) {
        let mut record = Builder::new::<[u8; 0]>(kind, ret);
        record.push(&rest);
        let _ = decode(&record.finish::<[u8; 0]>(&[])).map(|event| (event.outcome.error_name(), format!("{event:?}")));
    }

    #[test]
    fn a_damaged_record_decodes_or_is_refused(
        kind in 0..Kind::ALL.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut record = samples()[kind].to_vec();
        for (index, byte) in damage {
            // Not the length, so that the damage gets as far as the spans.
            let at = 4 + index.index(record.len() - 4);
            record[at] = byte;
        }
        let record = Bytes::from(record);
        if let Ok(event) = decode(&record) {
            prop_assert_eq!(Some(event.kind() as u16), kind_number(&record));
        }
    }

    #[test]
    fn an_open_comes_out_as_it_went_in(path in names(), asked in bytes(300), ret in 0..1_000_000_i64) {
        let Detail::Open(open) = event(&open_record(&path, &asked, ret)).detail else { panic!("an open") };
        prop_assert_eq!(&open.asked.bytes, &asked);
        prop_assert_eq!(&open.path.bytes, &absolute(&path));
        prop_assert_eq!(open.path.trust, PathTrust::Resolved);
        prop_assert_eq!((open.open_flags, open.create_mode, open.created, open.for_writing()), (0o101, 0o640, true, true));
        prop_assert_eq!((open.file.major, open.file.minor, open.file.ino), (8, 3, 77));
    }

    #[test]
    fn a_failed_open_is_joined_to_its_directory(base in names(), asked in name(), errno in 1..134_i64) {
        let event = event(&open_record(&base, &asked, -errno));
        prop_assert_eq!(event.outcome.errno().map(i64::from), Some(errno));
        let Detail::Open(open) = event.detail else { panic!("an open") };
        let mut whole = base.clone();
        whole.push(asked.clone());
        prop_assert_eq!(&open.path.bytes, &absolute(&whole));
        prop_assert_eq!(open.path.trust, PathTrust::Joined);
    }

    #[test]
    fn arguments_come_out_one_by_one(args in prop::collection::vec(prop::collection::vec(1..=255_u8, 0..20), 1..20), cut in 0..1000_u32) {
        let mut record = Builder::new::<ExecFixed>(kind::EXEC, 0);
        let all: Vec<u8> = args.iter().flat_map(|arg| [&arg[..], b"\0"].concat()).collect();
        let mut argv = record.push(&all);
        argv.original += cut;
        let exe = record.push_path(&[b"memfd:x".to_vec()]);
        let file = FileId { nlink: 0, path_flags: path_flags::UNREACHABLE, ..FILE };
        let fixed = ExecFixed { file, argc: args.len() as u32, exe, argv, ..ExecFixed::default() };
        let Detail::Exec(exec) = event(&record.finish(&fixed)).detail else { panic!("an exec") };
        prop_assert!(exec.args().eq(args.iter().map(Vec::as_slice)));
        prop_assert_eq!(exec.argv.is_truncated(), cut > 0);
        prop_assert!(exec.is_fileless() && exec.script.is_none());
        prop_assert_eq!((&exec.exe.bytes[..], exec.exe.trust), (&b"memfd:x"[..], PathTrust::Partial));
    }

    #[test]
    fn a_peer_comes_out_and_another_in_the_socket_is_told(
        asked in any::<SocketAddr>(), other in any::<bool>(), port in 1..u16::MAX,
    ) {
        let mut asked = asked;
        asked.set_port(port);
        let mut record = Builder::new::<SocketFixed>(kind::CONNECT, 0);
        let (family, octets): (u16, Vec<u8>) = match asked {
            SocketAddr::V4(v4) => (2, v4.ip().octets().to_vec()),
            SocketAddr::V6(v6) => (10, v6.ip().octets().to_vec()),
        };
        let mut sockaddr = family.to_ne_bytes().to_vec();
        sockaddr.extend_from_slice(&port.to_be_bytes());
        if family == 10 {
            sockaddr.extend_from_slice(&[0; 4]);
        }
        sockaddr.extend_from_slice(&octets);
        sockaddr.extend_from_slice(&[0; 8]);
        let mut peer_addr = [0; 16];
        peer_addr[..octets.len()].copy_from_slice(&octets);
        let peer_port = if other { port - 1 } else { port };
        let fixed = SocketFixed { family, peer_addr, peer_port, asked: record.push(&sockaddr), ..SocketFixed::default() };
        let event = event(&record.finish(&fixed));
        let Detail::Socket(connect) = &event.detail else { panic!("a connect") };
        let known = !asked.ip().is_unspecified() && peer_port != 0;
        prop_assert_eq!(connect.from_kernel, known);
        prop_assert_eq!(event.has(flags::CHANGED), known && other);
        let want = SocketAddr::new(asked.ip(), if known { peer_port } else { port });
        prop_assert_eq!(&connect.peer, &Address::Inet(want));
    }

    #[test]
    fn any_address_is_some_peer(
        address in bytes(129), kind in prop_oneof![Just(kind::CONNECT), kind::BIND..=kind::SEND], family in prop_oneof![Just(0_u16), Just(1), Just(2), Just(10), any::<u16>()],
    ) {
        let mut record = Builder::new::<SocketFixed>(kind, -22);
        let asked = record.push(&[&family.to_ne_bytes()[..], &address].concat());
        let decoded = decode(&record.finish(&SocketFixed { asked, ..SocketFixed::default() }));
        prop_assert!(decoded.is_ok());
    }
}

#[test]
fn a_file_without_a_name_was_created_by_its_open() {
    let created = |ret, open_flags| {
        let record = Builder::new::<OpenFixed>(kind::OPEN, ret);
        let Detail::Open(open) = event(&record.finish(&OpenFixed { open_flags, ..OpenFixed::default() })).detail else { panic!("an open") };
        open.created
    };
    const TMPFILE: u64 = 0o20_200_002;
    assert!(created(3, TMPFILE));
    assert!(!created(-2, TMPFILE) && !created(3, 0o200_000));
}

mod call;
mod dns;
mod repeated;
mod socket;
