//! Hostile text: no line is longer than the cap, torn, or invalid; and what was not cut can be had back in full.

use super::sample::{connect, format, open, path, program, rule, sample, text};
use crate::event::{Address, Detail, Exec, Outcome, Path, Text, Unlink, flags};
use crate::log::LINE_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use serde_json::Value;

/// The line of this detail, checked for what holds for every line.
fn line(operation: &'static str, detail: Detail) -> Result<Value, TestCaseError> {
    let mut sample = sample(operation, detail);
    sample.event.comm = [b'\x1b'; 16];
    sample.event.flags = flags::CHANGED | flags::UNREADABLE | flags::TRUNCATED | flags::COMPAT | flags::READ_AT_EXIT;
    let tags = vec!["attack.t1552.001".to_owned(); 20];
    let title = "\u{1}".repeat(5000);
    let hostile = crate::log::MatchView { id: &title, title: &title, class: Some(&title), ..rule(&tags, 4, "alert") };
    let mut out = b"before\n".to_vec();
    format().operation(&sample.operation(), &[hostile; 20], &mut out);
    let line = &out[7..];
    prop_assert!(out.starts_with(b"before\n"));
    prop_assert!(line.len() <= LINE_MAX, "{} bytes", line.len());
    let text = std::str::from_utf8(line).unwrap();
    prop_assert!(text.ends_with('\n') && text.matches('\n').count() == 1);
    prop_assert!(!text.trim_end().chars().any(crate::log::text::steers));
    Ok(serde_json::from_str(text).unwrap())
}

/// The bytes a field had, when the line says that it has them all.
fn recovered(line: &Value, field: &str, shown: &Value) -> Option<Vec<u8>> {
    let unmapped = &line["unmapped"];
    if !unmapped["truncated"][field].is_null() {
        return None;
    }
    match unmapped[format!("{field}_b64")].as_str() {
        Some(encoded) => Some(STANDARD.decode(encoded).unwrap()),
        None => shown.as_str().map(|text| text.as_bytes().to_vec()),
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let printable = proptest::collection::vec(0x20u8..0x7f, 0..4096);
    let control = proptest::collection::vec(0u8..0x20, 0..4096);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..4096), printable, control, any::<String>().prop_map(String::into_bytes)]
}

fn argv() -> impl Strategy<Value = Vec<u8>> {
    let argument = bytes().prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != 0).chain([0]).collect::<Vec<u8>>());
    proptest::collection::vec(argument, 1..10).prop_map(|arguments| arguments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_exec_of_anything_fits(argv in argv(), exe in bytes(), cwd in bytes(), script in bytes(), asked in bytes(), failed in any::<bool>()) {
        let exec = Exec {
            exe: path(&exe), cwd: path(&cwd), script: Some(text(&script)), filename: text(&asked), argv: text(&argv), ..program("/x", b"x\0")
        };
        let line = line(if failed { "execveat" } else { "execve" }, Detail::Exec(exec))?;
        let unmapped = &line["unmapped"];
        if let Some(got) = recovered(&line, "cmd_line", &line["process"]["cmd_line"]) {
            if unmapped["cmd_line_b64"].is_null() {
                let spaced: Vec<u8> = argv[..argv.len() - 1].iter().map(|b| if *b == 0 { b' ' } else { *b }).collect();
                prop_assert_eq!(got, spaced);
            } else {
                prop_assert_eq!(got, argv);
            }
        } else {
            prop_assert_eq!(unmapped["truncated"]["cmd_line"].as_u64(), Some(argv.len() as u64));
        }
        for (field, shown, want) in [
            ("path", &line["process"]["file"]["path"], &exe),
            ("cwd", &line["process"]["working_directory"], &cwd),
            ("script", &unmapped["script"], &script),
            ("asked", &unmapped["asked"], &asked),
        ] {
            match recovered(&line, field, shown) {
                Some(got) => prop_assert_eq!(&got, want, "{}", field),
                None => prop_assert!(want.is_empty() || *want == exe || !unmapped["truncated"][field].is_null(), "{} is missing", field),
            }
        }
    }

    #[test]
    fn files_and_sockets_of_any_name_fit(name in bytes(), asked in bytes(), before in bytes()) {
        let name_path = || Path { bytes: Bytes::copy_from_slice(&name), ..Path::default() };
        let unlink = Unlink { path: name_path(), asked: text(&asked), asked_at_enter: Some(text(&before)), directory: true, ..Unlink::default() };
        let removed = line("unlinkat", Detail::Unlink(unlink))?;
        if !name.is_empty() && let Some(got) = recovered(&removed, "path", &removed["file"]["path"]) {
            prop_assert_eq!(&got, &name);
        }
        if let Some(got) = recovered(&removed, "asked_at_enter", &removed["unmapped"]["asked_at_enter"]) {
            prop_assert_eq!(&got, &before);
        }
        let socket = line("connect", connect(Address::UnixAbstract(text(&name))))?;
        if let Some(got) = recovered(&socket, "peer_path", &socket["dst_endpoint"]["name"]) {
            prop_assert_eq!(&got, &name);
        }
    }
}

#[test]
fn the_longest_and_worst_strings_the_kernel_can_hand_over_fit() {
    for byte in [b'\x01', b'\xff', b'a', b'"', b'\x7f'] {
        let long = |len: usize| vec![byte; len];
        let exec = Exec {
            exe: path(&long(60_000)),
            cwd: path(&long(60_000)),
            script: Some(text(&long(4096))),
            filename: text(&long(4096)),
            argv: Text { original: 100_000, ..text(&long(32 * 1024)) },
            ..program("/x", b"x\0")
        };
        let value = line("execve", Detail::Exec(exec)).unwrap();
        assert_eq!(value["unmapped"]["truncated"]["cmd_line"], 100_000, "the kernel's count of what there was");
        assert_eq!(value["unmapped"]["truncated"]["path"], 60_000);
        let shown = value["process"]["cmd_line"].as_str().unwrap();
        assert!(shown.len() > 30, "something of the command is left: {}", shown.len());
    }
}

#[test]
fn a_long_command_gives_way_before_paths_do_and_uses_the_room_there_is() {
    let long_path = format!("/{}", "p".repeat(4000));
    let exec = Exec { exe: path(long_path.as_bytes()), ..program("/x", "é\u{1}".repeat(6000).as_bytes()) };
    let sample = sample("execve", Detail::Exec(exec));
    let (mut format, mut out) = (format(), Vec::new());
    format.operation(&sample.operation(), &[], &mut out);
    assert!(out.len() <= LINE_MAX && out.len() > LINE_MAX - 2048, "{}", out.len());
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["process"]["file"]["path"], long_path);
    assert_eq!(value["unmapped"]["truncated"]["cmd_line"], 18_000);
    assert!(value["unmapped"]["truncated"]["path"].is_null());
    assert_eq!(format.shortened(), 1);
}

#[test]
fn bytes_that_are_not_utf8_survive_beside_their_text() {
    let mut sample = sample("openat", open(b"/tmp/\xff\xfe", 0));
    sample.event.comm = *b"\xc3(\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    sample.event.outcome = Outcome(-2);
    let mut out = Vec::new();
    format().operation(&sample.operation(), &[], &mut out);
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["file"]["path"], "/tmp/\u{fffd}\u{fffd}");
    assert_eq!(STANDARD.decode(value["unmapped"]["path_b64"].as_str().unwrap()).unwrap(), b"/tmp/\xff\xfe");
    assert_eq!(STANDARD.decode(value["unmapped"]["comm_b64"].as_str().unwrap()).unwrap(), b"\xc3(");
    assert!(value["unmapped"]["truncated"].is_null());
}
