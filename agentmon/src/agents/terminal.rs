//! The controlling terminal, and whether the kernel lets those who have it type into it.
//!
//! `ioctl(TIOCSTI)` puts bytes into the input of a terminal as if a person had typed them, for everybody whose controlling
//! terminal it is (`tiocsti` in drivers/tty/tty_io.c): a command that shares it with a shell types into that shell. Since
//! Linux 6.2 `dev.tty.legacy_tiocsti` can refuse that; a virtual console has `TIOCLINUX` besides (drivers/tty/vt). Not for:
//! leaving the terminal (`launch`, in the child).

/// Who may type: a file of `0` or `1`, absent before Linux 6.2.
const SWITCH: &str = "/proc/sys/dev/tty/legacy_tiocsti";

/// Major number of virtual consoles and serial lines; the consoles come first.
const TTY_MAJOR: u32 = 4;
const CONSOLES: u32 = 64;

/// Whether a process that has this process's controlling terminal could type into it without any privilege. What cannot
/// be read counts as yes.
#[must_use]
pub fn can_be_typed_into() -> bool {
    let stat = std::fs::read("/proc/self/stat").unwrap_or_default();
    let switch = std::fs::read(SWITCH).unwrap_or_default();
    match controlling(&stat) {
        Some(0) => false,
        Some(device) => is_console(device) || switch.trim_ascii() != b"0",
        None => true,
    }
}

/// Device number of the controlling terminal, 0 for none: the seventh field of `/proc/PID/stat`, whose second is a name
/// in brackets that may hold anything.
fn controlling(stat: &[u8]) -> Option<u32> {
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let field = stat[behind..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(4)?;
    // Printed as a signed number.
    std::str::from_utf8(field).ok()?.parse::<i32>().ok().map(i32::cast_unsigned)
}

/// Whether it is one of `/dev/tty0` to `/dev/tty63`; the number as the kernel writes it out (`new_encode_dev`).
const fn is_console(device: u32) -> bool {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    major == TTY_MAJOR && minor < CONSOLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_found_behind_any_name() {
        assert_eq!(controlling(b"7 (sh) S 1 7 7 34816 7 4194304 0"), Some(34816));
        assert_eq!(controlling(b"7 (a) S 1 7 7 5 (\xff b) S 1 7 7 0 -1 4194304"), Some(0));
        assert_eq!(controlling(b"7 (sh) S 1 7 7 -2147448832 7"), Some(0x8000_8800));
        for cut in [&b""[..], b"7 (sh", b"7 (sh) S 1 7 7", b"7 (sh) S 1 7 7 x 7"] {
            assert_eq!(controlling(cut), None, "{}", cut.escape_ascii());
        }
        let own = std::fs::read("/proc/self/stat").unwrap();
        assert!(controlling(&own).is_some(), "{}", own.escape_ascii());
    }

    #[test]
    fn consoles_are_told_from_serial_lines_and_pseudo_terminals() {
        assert!(is_console(0x401) && is_console(0x43f));
        for other in [0x440, 0x8800, 0x501, 0x10_0401] {
            assert!(!is_console(other), "{other:x}");
        }
    }
}
