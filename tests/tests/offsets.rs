//! Member offsets against stored excerpts of kernels that are not running, and against BTF that is not what it should
//! be. Needs no root.
//!
//! `tests/fixtures/btf` is made by `btf-excerpt`; the kernel is in each file's name.

use agentmon::sensor::btf::{Btf, BtfError};
use agentmon::sensor::offsets::{OffsetsError, first_absent, resolve};
use agentmon_common::offsets::Offsets;
use agentmon_tests::btf_excerpt::excerpt;
use proptest::prelude::{ProptestConfig, any, prop, proptest};

const DEBIAN_6_1: &[u8] = include_bytes!("../fixtures/btf/debian-6.1.0-56-cloud-amd64.btf");
const DEBIAN_6_12: &[u8] = include_bytes!("../fixtures/btf/debian-6.12.117-cloud-amd64.btf");
const LINUX_6_18: &[u8] = include_bytes!("../fixtures/btf/linux-6.18.44.btf");
const KERNELS: [(&str, &[u8]); 3] = [("6.1", DEBIAN_6_1), ("6.12", DEBIAN_6_12), ("6.18", LINUX_6_18)];

fn offsets(blob: &[u8]) -> Offsets {
    resolve(&Btf::parse(blob).expect("BTF")).expect("every member")
}

#[test]
fn every_member_is_found_in_every_stored_kernel() {
    for (kernel, blob) in KERNELS {
        assert!(blob.len() < 64 * 1024, "the excerpt of {kernel} is small");
        let btf = Btf::parse(blob).unwrap_or_else(|error| panic!("{kernel}: {error}"));
        if let Err(error) = resolve(&btf) {
            panic!("{kernel}: {error}");
        }
    }
}

/// A misspelt optional member would cost its kind of events everywhere, and nothing else would say so.
#[test]
fn optional_members_are_absent_only_where_the_kernel_lacks_them() {
    // Operations that came later.
    let lacking: [&[&str]; 3] = [&["io_ftrunc.len", "io_listen.backlog"], &[], &[]];
    for ((kernel, blob), lacking) in KERNELS.into_iter().zip(lacking) {
        let o = offsets(blob);
        let all: Vec<String> = Offsets::MEMBERS.iter().map(|member| format!("{}.{}", member.of, member.path)).collect();
        let absent: Vec<&str> = all.iter().filter(|name| first_absent(&o, &[name]).is_some()).map(String::as_str).collect();
        assert_eq!(absent, lacking, "{kernel}");
    }
    assert_eq!(first_absent(&offsets(LINUX_6_18), &["task_struct.pid", "task_struct.no_such"]), Some("task_struct.no_such"));
}

/// Numbers by another reader: `bpftool btf dump file … ` of the whole BTF, members added up by hand.
#[test]
fn offsets_are_those_that_bpftool_shows() {
    let mut pairs = 0;
    for (blob, numbers) in [
        (DEBIAN_6_1, [2420, 2960, 3040, 24, 16, 32, 68, 248, 192, 104, 312, 128]),
        (DEBIAN_6_12, [2436, 2960, 3040, 72, 64, 40, 12, 256, 192, 96, 376, 128]),
        (LINUX_6_18, [1268, 1736, 1816, 72, 64, 32, 4, 256, 184, 96, 480, 112]),
    ] {
        let o = offsets(blob);
        let found = [
            o.task_tgid,
            o.task_cred,
            o.task_fs,
            o.file_path_dentry,
            o.file_path_mnt,
            o.file_inode,
            o.file_mode,
            o.cgroup_kn,
            o.cgroup_self_parent,
            o.kernfs_node_id,
            o.mm_arg_start,
            o.css_set_dfl_cgrp,
        ];
        assert_eq!(found, numbers);
        let same = [o.dentry_name, o.inode_ino, o.mount_mnt, o.bprm_file, o.bprm_filename, o.regs_nr, o.sock_peer_port, o.task_status];
        assert_eq!(same, [40, 64, 32, 64, 96, 120, 12, 16]);
        pairs += found.len() + same.len();
    }
    assert_eq!(pairs, 60);
}

/// The blob with one string of it replaced by another of the same length.
fn renamed(blob: &[u8], from: &str, to: &str) -> Vec<u8> {
    let needle = format!("\0{from}\0");
    let at = blob.windows(needle.len()).position(|window| window == needle.as_bytes()).expect("the string");
    let mut blob = blob.to_vec();
    blob[at + 1..at + 1 + from.len()].copy_from_slice(to.as_bytes());
    blob
}

#[test]
fn a_renamed_member_is_named_in_the_error() {
    for (_, blob) in KERNELS {
        let blob = renamed(blob, "start_boottime", "start_whenever");
        let error = resolve(&Btf::parse(&blob).expect("BTF")).expect_err("a member is missing");
        let member = BtfError::NoMember { of: "task_struct".to_owned(), member: "start_boottime".to_owned() };
        assert_eq!(error, OffsetsError::Missing(vec![member]));
        assert!(error.to_string().contains("struct task_struct has no member start_boottime"), "{error}");
    }
}

#[test]
fn every_missing_member_is_named_not_only_the_first() {
    let blob = renamed(LINUX_6_18, "f_path", "g_path");
    let OffsetsError::Missing(missing) = resolve(&Btf::parse(&blob).expect("BTF")).expect_err("members are missing") else {
        panic!("the wrong error")
    };
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn a_missing_structure_is_named_in_the_error() {
    let blob = renamed(LINUX_6_18, "kernfs_node", "kernfs_bode");
    let error = resolve(&Btf::parse(&blob).expect("BTF")).expect_err("a structure is missing");
    assert!(error.to_string().contains("no struct kernfs_node"), "{error}");
}

#[test]
fn truncated_btf_is_an_error() {
    for len in [0, 1, 23, 24, 25, 100, LINUX_6_18.len() / 2, LINUX_6_18.len() - 1] {
        assert!(Btf::parse(&LINUX_6_18[..len]).is_err(), "BTF cut to {len} bytes");
    }
}

/// A nested member at the end of all numbers: its offset and that of its structure cannot be added.
#[test]
fn offsets_that_overflow_are_an_error() {
    let mut blob = LINUX_6_18.to_vec();
    let types_end = 24 + u32::from_le_bytes([blob[12], blob[13], blob[14], blob[15]]) as usize;
    let mut damaged = 0;
    // Every word that could be the bit offset of a member.
    for at in (24..types_end).step_by(4) {
        let kept: [u8; 4] = blob[at..at + 4].try_into().expect("four bytes");
        if u32::from_le_bytes(kept).is_multiple_of(8) {
            blob[at..at + 4].copy_from_slice(&0xffff_fff8_u32.to_le_bytes());
            survives(&blob);
            blob[at..at + 4].copy_from_slice(&kept);
            damaged += 1;
        }
    }
    assert!(damaged > 500, "{damaged} words");
}

#[test]
fn an_excerpt_of_an_excerpt_is_the_same() {
    for (kernel, blob) in KERNELS {
        let again = excerpt(blob, Offsets::MEMBERS).unwrap_or_else(|error| panic!("{kernel}: {error}"));
        assert_eq!(offsets(&again), offsets(blob));
        assert_eq!(again.len(), blob.len());
    }
}

/// Whatever it comes to, it comes to an end.
fn survives(blob: &[u8]) {
    if let Ok(btf) = Btf::parse(blob) {
        let _ = resolve(&btf);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_never_panics(blob in prop::collection::vec(any::<u8>(), 0..2048)) {
        survives(&blob);
    }

    #[test]
    fn garbage_behind_a_good_header_never_panics(rest in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut blob = LINUX_6_18[..24].to_vec();
        let half = u32::try_from(rest.len() / 2).unwrap_or(0).to_le_bytes();
        blob[12..16].copy_from_slice(&half);
        blob[16..20].copy_from_slice(&half);
        blob[20..24].copy_from_slice(&half);
        blob.extend_from_slice(&rest);
        survives(&blob);
    }

    #[test]
    fn damaged_btf_never_panics(kernel in 0..3_usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut blob = KERNELS[kernel].1.to_vec();
        for (index, byte) in damage {
            let at = index.index(blob.len());
            blob[at] = byte;
        }
        survives(&blob);
    }

    #[test]
    fn truncated_btf_never_panics(kernel in 0..3_usize, at in any::<prop::sample::Index>()) {
        let blob = KERNELS[kernel].1;
        survives(&blob[..at.index(blob.len())]);
    }
}
