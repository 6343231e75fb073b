//! Whom a command runs as: `USER[:GROUP]`, looked up in the user database as login does.
//!
//! A name comes first, a number second: a user named `1000` is that user. Not for: taking the identity on (`launch`, in
//! the child).

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Why a text names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// Neither a name in the user database nor a number.
    #[error("no user `{0}`")]
    NoUser(String),
    /// Neither a name in the group database nor a number.
    #[error("no group `{0}`")]
    NoGroup(String),
    /// A number without an entry, and no group named.
    #[error("user {0} has no entry in the user database, so its group is not known")]
    NoEntry(u32),
    /// The database could not be asked.
    #[error("cannot look up `{name}`: {reason}")]
    Lookup {
        /// What was looked up, escaped.
        name: String,
        /// What the C library said.
        reason: String,
    },
}

impl UserError {
    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoUser(_) | Self::NoGroup(_) => Some("give a name that `getent` knows, or a number"),
            Self::NoEntry(_) => Some("name a group as well: --user USER:GROUP"),
            Self::Lookup { .. } => None,
        }
    }
}

/// An identity, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Real, effective and saved user id.
    pub uid: u32,
    /// Real, effective and saved group id.
    pub gid: u32,
    /// Supplementary groups, the primary one among them.
    pub groups: Vec<u32>,
    /// For `USER` and `LOGNAME`: the name, or the number of a user without an entry.
    pub name: OsString,
    /// For `HOME`: `/` for a user without an entry.
    pub home: PathBuf,
}

impl Identity {
    /// Looks `USER` or `USER:GROUP` up.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find(wanted: &str) -> Result<Self, UserError> {
        let (user, group) = wanted.split_once(':').map_or((wanted, None), |(user, group)| (user, Some(group)));
        let gid = group.map(find_group).transpose()?;
        match find_user(user)? {
            Ok(entry) => {
                let gid = gid.unwrap_or(entry.gid);
                let groups = groups_of(&entry.name, gid)?;
                Ok(Self { uid: entry.uid.as_raw(), gid: gid.as_raw(), groups, name: entry.name.into(), home: entry.dir })
            }
            Err(uid) => {
                let gid = gid.ok_or(UserError::NoEntry(uid))?.as_raw();
                Ok(Self { uid, gid, groups: vec![gid], name: OsString::from_vec(uid.to_string().into()), home: "/".into() })
            }
        }
    }
}

/// The entry, or the number of a user who has none.
fn find_user(user: &str) -> Result<Result<User, u32>, UserError> {
    if let Some(entry) = User::from_name(user).map_err(|errno| lookup(user, errno))? {
        return Ok(Ok(entry));
    }
    let uid = number(user).ok_or_else(|| UserError::NoUser(shown(user)))?;
    let entry = User::from_uid(Uid::from_raw(uid)).map_err(|errno| lookup(user, errno))?;
    Ok(entry.ok_or(uid))
}

fn find_group(group: &str) -> Result<Gid, UserError> {
    match Group::from_name(group).map_err(|errno| lookup(group, errno))? {
        Some(entry) => Ok(entry.gid),
        None => number(group).map(Gid::from_raw).ok_or_else(|| UserError::NoGroup(shown(group))),
    }
}

fn groups_of(name: &str, gid: Gid) -> Result<Vec<u32>, UserError> {
    let c_name = CString::new(name).map_err(|_| UserError::NoUser(shown(name)))?;
    let groups = getgrouplist(&c_name, gid).map_err(|errno| lookup(name, errno))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// A number that can be an id: the last one, -1 in C, means "leave it as it is".
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn lookup(name: &str, errno: nix::errno::Errno) -> UserError {
    UserError::Lookup { name: shown(name), reason: errno.desc().to_owned() }
}

fn shown(name: &str) -> String {
    name.escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn every_user_of_this_host_has_the_groups_that_id_says() {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let names: Vec<&str> = passwd.lines().filter_map(|line| line.split(':').next()).take(40).collect();
        assert!(names.contains(&"root"));
        for name in names {
            let identity = Identity::find(name).unwrap();
            let said = Command::new("id").args(["-G", name]).output().unwrap();
            let mut said: Vec<u32> = String::from_utf8(said.stdout).unwrap().split_whitespace().map(|gid| gid.parse().unwrap()).collect();
            let mut groups = identity.groups.clone();
            said.sort_unstable();
            groups.sort_unstable();
            assert_eq!(groups, said, "{name}");
            assert_eq!(identity.name, name);
            // The first name of that number may be another one.
            assert_eq!(Identity::find(&identity.uid.to_string()).unwrap().uid, identity.uid);
        }
    }

    #[test]
    fn names_and_numbers_make_an_identity() {
        let root = Identity::find("root").unwrap();
        assert_eq!((root.uid, root.gid, root.home.to_str()), (0, 0, Some("/root")));
        let other = Identity::find("root:54321").unwrap();
        assert!(other.gid == 54321 && other.groups.contains(&54321), "{other:?}");
        let nobody = Identity::find("3999999999:54321").unwrap();
        assert_eq!((nobody.uid, nobody.gid, nobody.groups), (3_999_999_999, 54321, vec![54321]));
        assert_eq!((nobody.name.to_str(), nobody.home.to_str()), (Some("3999999999"), Some("/")));
    }

    #[test]
    fn what_names_nobody_is_said() {
        for (wanted, error) in [
            ("no-such-user", "no user `no-such-user`"),
            ("", "no user ``"),
            (":0", "no user ``"),
            ("+1:0", "no user `+1`"),
            ("-1:0", "no user `-1`"),
            ("4294967295:0", "no user `4294967295`"),
            ("4294967296:0", "no user `4294967296`"),
            ("a\x1b[2J", r"no user `a\u{1b}[2J`"),
            ("root:", "no group ``"),
            ("root:no-such-group", "no group `no-such-group`"),
            ("root:0:0", "no group `0:0`"),
            ("3999999999", "user 3999999999 has no entry in the user database, so its group is not known"),
        ] {
            assert_eq!(Identity::find(wanted).unwrap_err().to_string(), error, "{wanted}");
        }
    }
}
