//! Names of agents and of their sessions, and the cgroup name made of both.
//!
//! Not for: marks (`crate::cgroup::Mark`), which carry the same two values.

use rustix::rand::{GetRandomFlags, getrandom};

/// Longest name of an agent.
pub const NAME_MAX: usize = 64;

/// Why a text is no name for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or more than [`NAME_MAX`] bytes.
    #[error("an agent's name has 1 to {NAME_MAX} characters")]
    Length,
    /// A character outside the allowed set, or `-` or `.` at the beginning.
    #[error("an agent's name consists of letters, digits, `.`, `_` and `-`, and begins with a letter, digit or `_`")]
    Characters,
}

/// Checks the name of an agent: it becomes part of a path, a metric label and a log line.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(NameError::Length);
    }
    let allowed = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if allowed && !name.starts_with(['.', '-']) { Ok(()) } else { Err(NameError::Characters) }
}

/// A new session: eight hexadecimal digits, random.
#[must_use]
pub fn new_session() -> String {
    let mut bytes = [0; 4];
    if getrandom(&mut bytes, GetRandomFlags::empty()).is_err() {
        // Uniqueness is all that matters: mkdir refuses a name that exists.
        bytes = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos().to_ne_bytes();
    }
    format!("{:08x}", u32::from_ne_bytes(bytes))
}

/// The name of the cgroup of a session.
#[must_use]
pub fn cgroup_name(name: &str, session: &str) -> String {
    format!("{name}-{session}")
}

/// The name and session that a cgroup name was made of.
#[must_use]
pub fn parse_cgroup_name(cgroup: &str) -> Option<(&str, &str)> {
    let (name, session) = cgroup.rsplit_once('-')?;
    let hex = session.len() == 8 && session.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    (hex && check_name(name).is_ok()).then_some((name, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_slice_or_look_like_options_are_refused() {
        for good in ["claude-code", "a", "_x.1", "Agent_2"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["..", "-rf", ".x", "a/b", "a b", "ä", "a\n", "a\0"] {
            assert_eq!(check_name(bad), Err(NameError::Characters), "{bad:?}");
        }
        assert_eq!(check_name(""), Err(NameError::Length));
        assert_eq!(check_name(&"a".repeat(65)), Err(NameError::Length));
    }

    #[test]
    fn a_cgroup_name_gives_its_parts_back() {
        let session = new_session();
        assert_ne!(session, new_session());
        assert_eq!(parse_cgroup_name(&cgroup_name("claude-code", &session)), Some(("claude-code", session.as_str())));
        assert_eq!(parse_cgroup_name("claude-code"), None);
        assert_eq!(parse_cgroup_name("x-7F3A9C1E"), None);
        assert_eq!(parse_cgroup_name("-7f3a9c1e"), None);
    }
}
