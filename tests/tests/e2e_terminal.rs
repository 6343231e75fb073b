//! `agentmon run` on a terminal: compact lines, colours, the keyboard, and nothing that an agent could say to the terminal.

use agentmon_tests::e2e::terminal::Terminal;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Sets the window title, clears the screen, overwrites the line, and is not UTF-8.
const HOSTILE: &[u8] = b"\x1b]0;owned\x07\x1b[2J\r\x9b31m\xff\xe2\x80\xaeend";

fn hostile(no_color: Option<&str>) -> Vec<u8> {
    let args = ["--name", "e2e-tty", "--", "/bin/true"].map(OsStr::new);
    let (code, screen) = Terminal::run(&[&args[..], &[OsStr::from_bytes(HOSTILE)]].concat(), no_color).end();
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&screen));
    let text = String::from_utf8_lossy(&screen);
    assert!(text.contains(r"\x1b]0;owned\x07"), "its argument is shown, escaped: {text}");
    assert!(text.contains("exec") && text.contains("e2e-tty/") && text.contains("summary"), "{text}");
    assert!(!text.contains("\"class_uid\""), "compact lines, not JSON: {text}");
    screen
}

#[test]
fn without_colours_no_escape_byte_reaches_the_terminal() {
    let screen = hostile(Some("1"));
    let steering = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\r' | b'\n') || **byte == 0x7f;
    let found: Vec<_> = screen.iter().filter(steering).collect();
    assert!(found.is_empty(), "{found:x?} in {}", screen.escape_ascii());
    assert!(!screen.windows(3).any(|window| window == "\u{202e}".as_bytes()), "text is turned around");
    // The terminal adds one before each newline; another would overwrite the line.
    assert!(screen.windows(2).all(|pair| pair[0] != b'\r' || pair[1] == b'\n' || pair[1] == b'\r'), "{}", screen.escape_ascii());
}

#[test]
fn with_colours_every_escape_sequence_is_one_of_ours() {
    // An empty NO_COLOR is none (no-color.org).
    for no_color in [None, Some("")] {
        let screen = hostile(no_color);
        let mut sequences = 0;
        for (at, _) in screen.iter().enumerate().filter(|(_, byte)| **byte == 0x1b) {
            let rest = &screen[at + 1..];
            let end = rest.iter().position(u8::is_ascii_alphabetic).unwrap_or(rest.len() - 1);
            let is_colour = rest[0] == b'[' && rest[end] == b'm' && rest[1..end].iter().all(|byte| byte.is_ascii_digit() || *byte == b';');
            assert!(is_colour, "{}", rest[..rest.len().min(20)].escape_ascii());
            sequences += 1;
        }
        assert!(sequences > 0, "no colours: {}", screen.escape_ascii());
    }
}

/// Presses a key that sends a signal which the agent ignores; gives the exit code.
fn after_key(key: u8) -> i32 {
    let place = tempfile::tempdir().expect("a directory");
    let script = "trap '' INT QUIT; echo $$ > \"$1/pid\"; while :; do sleep 0.05; done";
    let args = ["--", "/bin/sh", "-c", script, "script"].map(OsStr::new);
    let mut terminal = Terminal::run(&[&args[..], &[place.path().as_os_str()]].concat(), Some("1"));
    agentmon_tests::e2e::poll::until("the agent runs", || std::fs::read(place.path().join("pid")).is_ok_and(|pid| pid.ends_with(b"\n")));
    terminal.press(&[key]);
    let (code, screen) = terminal.end();
    assert!(String::from_utf8_lossy(&screen).contains("summary"), "{code}: {}", screen.escape_ascii());
    let pid = std::fs::read_to_string(place.path().join("pid")).expect("a file").trim().parse().expect("a pid");
    assert!(!agentmon_tests::e2e::group::runs(pid), "the agent lives");
    code
}

#[test]
fn control_c_at_the_keyboard_ends_agent_and_session() {
    assert_eq!(after_key(0x03), 130);
}

#[test]
fn control_backslash_at_the_keyboard_ends_agent_and_session() {
    assert_eq!(after_key(0x1c), 131);
}

#[test]
fn an_agent_of_another_user_cannot_type_into_the_terminal() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o777)).expect("permissions");
    // Where the tests were built, another user may have no way to.
    let program = place.path().join("stimulus");
    std::fs::copy(STIMULUS, &program).expect("a copy");
    let text = |path: &Path| path.to_str().expect("a name").to_owned();
    let (program, directory) = (text(&program), text(place.path()));
    let command = ["--name", "e2e-typist", "--user", "nobody", "--", &program, "type-into-terminal", &directory];
    let mut terminal = Terminal::job_of_a_reader(&command);
    terminal.shows("ready");
    terminal.press(b"typed by a person\n");
    let (code, screen) = terminal.end();
    let screen = String::from_utf8_lossy(&screen);
    let answers = std::fs::read_to_string(place.path().join("answers")).unwrap_or_else(|error| panic!("{error}: {screen}"));
    let switched_off = std::fs::read("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|switch| switch == b"0\n");
    // EIO for everybody without the capability; or EPERM, and no controlling terminal to open (ENXIO).
    assert_eq!(answers, if switched_off { "-5 -1 0" } else { "-1 -1 -6" }, "{screen}");
    assert_eq!(screen.contains("no job control: "), !switched_off, "{screen}");
    assert!(screen.contains("<typed by a person>") && !screen.contains("typed by the agent"), "{screen}");
    assert_eq!(code, 0, "{screen}");
}

/// A person's shell runs it as a job; the agent turns the terminal's job control against it.
fn under_attack(mode: &str) {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().to_str().expect("a name");
    let (code, screen) = Terminal::job(&["--name", "e2e-job", "--all", "--", STIMULUS, mode, directory]).end();
    let text = String::from_utf8_lossy(&screen);
    assert!(place.path().join("worked").exists(), "the agent did not come to its end: {text}");
    assert_eq!(code, 7, "128 + N: stopped by signal N: {text}");
    assert!(text.contains("look-199") && text.contains("summary") && text.contains("lost  0"), "{text}");
}

#[test]
fn an_agent_that_takes_the_foreground_of_the_terminal_does_not_stop_the_monitor() {
    under_attack("take-foreground");
}

#[test]
fn stop_signals_to_the_process_group_do_not_stop_the_monitor() {
    under_attack("stop-group");
}
