//! Calls that are told by their arguments: what the kernel does with them is what is said.

use super::{Builder, FILE, bytes, called, event, number};
use crate::event::decode::{DecodeError, decode};
use crate::event::{Call, Detail, Kind, Path, PathTrust, Target, Text, flags};
use agentmon_common::record::{CallFixed, PlaceFixed, kind};
use agentmon_common::syscalls::untold::UNTOLD;
use agentmon_common::syscalls::{ARG_NAMES, OPS, PER_ABI, SHAPES, TABLE, index, op, place};
use bytes::Bytes;
use proptest::prelude::{any, prop_assert_eq, proptest};

#[test]
fn a_call_is_told_by_its_arguments() {
    let Detail::Call(call) = event(&called(kind::RENAME, op::RENAMEAT2, b"a")).detail else { panic!("a call") };
    let target = |bytes: &'static [u8]| Target {
        path: Path { bytes: Bytes::from_static(bytes), trust: PathTrust::Joined },
        asked: Text::from("a"),
        at_enter: Some(Text::from("b")),
    };
    assert_eq!((call.kind, &call.target, call.second.as_ref()), (Kind::Rename, &target(b"/usr/bin/x/a"), Some(&target(b"/usr/bin/x/a"))));
    assert_eq!(call.text, None, "a rename has no text, whatever the record says");
    assert_eq!((call.arg("flags"), call.arg("mode")), (Some(1), None));
}

#[test]
fn a_call_whose_number_is_of_another_kind_is_an_error() {
    assert_eq!(decode(&called(kind::CHMOD, op::RENAME, b"a")), Err(DecodeError::Value("system call")));
    assert_eq!(decode(&called(kind::CHMOD, op::OPEN, b"a")), Err(DecodeError::Value("system call")));
}

/// A call on one descriptor-relative place, with the file behind the descriptor.
fn on_descriptor(op: u8, asked: &[u8], args: [u64; 4]) -> Call {
    let names = [b"usr".to_vec(), b"x".to_vec()];
    let mut record = Builder::new::<CallFixed>(SHAPES[usize::from(op)].kind, 0);
    record.header.syscall = number(op);
    let first = PlaceFixed { asked: record.push(asked), base: record.push_path(&names[..1]), ..PlaceFixed::default() };
    let fixed = CallFixed { args, first, file: FILE, path: record.push_path(&names), ..CallFixed::default() };
    let Detail::Call(call) = event(&record.finish(&fixed)).detail else { panic!("a call") };
    call
}

#[test]
fn an_empty_path_is_the_descriptor_only_where_the_call_says_so() {
    const EMPTY_PATH: u64 = 0x1000;
    let of = |call: &Call| (call.target.path.bytes.to_vec(), call.target.path.trust, call.file.ino);
    let descriptor = (b"/usr/x".to_vec(), PathTrust::Resolved, FILE.ino);
    let nothing = (Vec::new(), PathTrust::Partial, 0);
    assert_eq!(of(&on_descriptor(op::FCHOWNAT, b"", [0, 0, EMPTY_PATH, 0])), descriptor);
    assert_eq!(of(&on_descriptor(op::FCHOWNAT, b"", [0, 0, 0, EMPTY_PATH])), nothing);
    assert_eq!(of(&on_descriptor(op::FCHMODAT, b"", [EMPTY_PATH, 0, 0, 0])), nothing, "it has no flags");
    assert_eq!(of(&on_descriptor(op::MOVE_MOUNT, b"", [0x40, 0, 0, 0])), descriptor);
    assert_eq!(of(&on_descriptor(op::MOVE_MOUNT, b"", [EMPTY_PATH, 0, 0, 0])), nothing);
    let named = on_descriptor(op::FCHOWNAT, b"y", [0, 0, EMPTY_PATH, 0]);
    assert_eq!(of(&named), (b"/usr/y".to_vec(), PathTrust::Joined, 0));
}

#[test]
fn a_mounts_source_is_a_path_only_when_it_binds_or_moves() {
    let source = |flags: u64| {
        let mut record = Builder::new::<CallFixed>(kind::MOUNT, 0);
        record.header.syscall = number(op::MOUNT);
        let second = PlaceFixed { asked: record.push(b"a"), base: record.push_path(&[b"usr".to_vec()]), ..PlaceFixed::default() };
        let record = record.finish(&CallFixed { args: [flags, 0, 0, 0], second, ..CallFixed::default() });
        let Detail::Call(call) = event(&record).detail else { panic!("a call") };
        call.second.expect("a mount has two").path.bytes.to_vec()
    };
    let [bind, remount, moved, private] = [4096, 32, 8192, 1 << 18];
    for path in [bind, moved, bind | private] {
        assert_eq!(source(path), b"/usr/a", "{path:#x}");
    }
    for text in [0, remount, bind | remount, private, moved | private] {
        assert_eq!(source(text), b"a", "{text:#x}");
    }
}

#[test]
fn ids_of_the_16_bit_calls_are_those_the_kernel_takes() {
    let ids = |syscall: u16, flags: u16| {
        let mut record = Builder::new::<CallFixed>(kind::CHOWN, 0);
        record.header.syscall = syscall;
        record.header.flags = flags;
        let fixed = CallFixed { args: [0x1_0000, 0xffff, 7, 8], ..CallFixed::default() };
        let Detail::Call(call) = event(&record.finish(&fixed)).detail else { panic!("a call") };
        call.args
    };
    for narrow in [16, 95, 182] {
        assert_eq!(ids(narrow, flags::COMPAT), [0, u64::from(u32::MAX), 7, 8], "{narrow}");
    }
    assert_eq!(ids(212, flags::COMPAT), [0x1_0000, 0xffff, 7, 8]);
    assert_eq!(ids(92, 0), [0x1_0000, 0xffff, 7, 8]);
}

#[test]
fn the_page_of_calls_that_are_not_told_names_each_with_its_reason() {
    let page = include_str!("../../../../../docs/reference/syscalls.md");
    for untold in UNTOLD {
        let names: Vec<_> = untold.calls.iter().map(|(_, name)| format!("`{name}`")).collect();
        let row = format!("| {} | {} |\n", untold.why, names.join(", "));
        assert!(page.contains(&row), "docs/reference/syscalls.md lacks: {row}");
    }
}

/// A call that is something else by its arguments, with those.
fn varied(syscall: u16, flags: u16, kind: u16, args: [u64; 4]) -> Result<Call, DecodeError> {
    let mut record = Builder::new::<CallFixed>(kind, 0);
    (record.header.syscall, record.header.flags) = (syscall, flags);
    let fixed = CallFixed { args, text: record.push(b"lo\0\0junk"), ..CallFixed::default() };
    let Detail::Call(call) = decode(&record.finish(&fixed))?.detail else { panic!("a call") };
    Ok(call)
}

#[test]
fn a_call_is_what_its_arguments_make_it() {
    let typed = varied(16, 0, kind::PROCESS_ACCESS, [0x5412, 108, 0, 0]).unwrap();
    assert_eq!((typed.op, typed.arg("byte")), (op::IOCTL_TYPES, Some(108)));
    let raised = varied(16, 0, kind::NETLINK, [0x8914, 3, 0, 0]).unwrap();
    assert_eq!((raised.kind, raised.arg("fd"), &raised.text.unwrap().bytes[..]), (Kind::Netlink, Some(3), &b"lo"[..]));
    assert_eq!(varied(157, 0, kind::PROCESS_SETTING, [4, 1, 0, 0]).unwrap().op, op::PRCTL_SETTING);
    assert_eq!(varied(157, 0, kind::PROCESS_SETTING, [35, 13, 0, 0]).unwrap().op, op::PRCTL_EXE_FILE);
    assert_eq!(varied(117, flags::COMPAT, kind::SYSTEM, [3, 7, 0, 0]).unwrap().op, op::IPC_SEMCTL);
    assert_eq!(varied(16, 0, kind::NETLINK, [0x5412, 0, 0, 0]), Err(DecodeError::Value("system call")), "of another kind");
    assert_eq!(varied(16, 0, kind::FILE_FLAGS, [0x5401, 0, 0, 0]), Err(DecodeError::Value("system call")), "not told");
}

proptest! {
    #[test]
    fn every_call_decodes_with_any_arguments(
        op in 0..OPS, compat in any::<bool>(), ret in any::<i64>(), args in any::<[u64; 4]>(), asked in bytes(40), to in bytes(40),
    ) {
        let shape = SHAPES[op];
        let at = (0..PER_ABI).find(|number| usize::from(TABLE[index(compat, *number as u16)]) == op);
        let Some(at) = at.filter(|_| shape.kind != 0 && shape.kind != kind::UNLINK && op != usize::from(op::IOCTL)) else { return Ok(()) };
        let mut record = Builder::new::<CallFixed>(shape.kind, ret);
        record.header.syscall = at as u16;
        record.header.flags = if compat { flags::COMPAT } else { 0 };
        let first = PlaceFixed { asked: record.push(&asked), ..PlaceFixed::default() };
        let second = PlaceFixed { asked: record.push(&to), ..PlaceFixed::default() };
        let fixed = CallFixed { args, first, second, text: record.push(&to), ..CallFixed::default() };
        let Detail::Call(call) = event(&record.finish(&fixed)).detail else { panic!("a call") };
        prop_assert_eq!(usize::from(call.op), op);
        prop_assert_eq!(call.shown_args().map(|(name, value)| format!("{name}={value}")).count(), ARG_NAMES[op].len());
        prop_assert_eq!(call.second.is_some(), shape.second.what != place::NONE);
    }
}
