//! Becoming root, for the few things that need it: packages, and programs that load eBPF.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process;

/// Whether this process is root.
pub fn is_root() -> bool {
    // Fields: real, effective, saved and filesystem uid.
    fs::read_to_string("/proc/self/status").ok().and_then(|status| effective_uid(&status)) == Some(0)
}

/// The effective uid in the text of /proc/PID/status.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Whether sudo works without asking anybody.
pub fn has_passwordless_sudo() -> bool {
    process::succeeds(Command::new("sudo").args(["-n", "true"]))
}

/// How a command can be run as root without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// This process is root.
    Already,
    /// `sudo -n` works.
    Sudo,
}

/// The means available here, if any.
pub fn means() -> Option<Means> {
    if is_root() {
        return Some(Means::Already);
    }
    has_passwordless_sudo().then_some(Means::Sudo)
}

/// A command that will run as root, with these variables.
pub fn command(means: Means, program: &Path, variables: &[(&str, &str)]) -> Command {
    match means {
        Means::Already => {
            let mut command = Command::new(program);
            command.envs(variables.iter().copied());
            command
        }
        Means::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", "env"]);
            command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
            command.arg(program);
            command
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Means, command, effective_uid};
    use crate::process::command_line;
    use std::path::Path;

    #[test]
    fn the_effective_uid_is_the_second_field() {
        assert_eq!(effective_uid("Name:\tx\nUid:\t1000\t0\t1000\t1000\n"), Some(0));
        assert_eq!(effective_uid("Name:\tx\n"), None);
    }

    #[test]
    fn variables_pass_through_sudo() {
        let line = command_line(&command(Means::Sudo, Path::new("apt-get"), &[("A", "b")]));
        assert_eq!(line, "sudo -n env A=b apt-get");
    }
}
