//! Starting programs: echo the command line, run it, and turn its failure into an error that
//! names it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::terminal;

/// Runs a command that the reader should see. Its standard output goes to standard error.
pub fn run(command: &mut Command) -> Result<()> {
    command.stdout(Stdio::from(io::stderr()));
    run_with_stdout(command)
}

/// Runs a command that the reader should see and whose standard output is the result.
pub fn run_with_stdout(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    terminal::command(&line);
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` failed: {status}", program(command))).into())
}

/// Runs a command that the reader should see and returns its standard output.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    terminal::command(&command_line(command));
    command.stderr(Stdio::inherit());
    output(command)
}

/// Runs a command silently and returns its standard output; an error holds its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = raw_output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    let line = command_line(command);
    Err(Failure::new(match last {
        Some(last) => format!("`{line}` failed: {}: {last}", output.status),
        None => format!("`{line}` failed: {}", output.status),
    })
    .into())
}

/// Whether a command runs and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    raw_output(command).is_ok_and(|output| output.status.success())
}

fn raw_output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).output().with_context(|| format!("cannot start `{}`", program(command)))
}

/// The first executable of this name in PATH.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| is_executable(candidate))
}

/// Whether this is a file that somebody may execute.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    let name = program(command);
    let failure = Failure::new(format!("cannot start `{name}`: {error}"));
    if error.kind() == ErrorKind::NotFound {
        return failure.hint(format!("install `{name}` or put it into PATH"));
    }
    failure
}

fn program(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let is_word = |argument: &&OsStr| !argument.to_string_lossy().contains(['-', '=']);
    let verb = command.get_args().find(is_word).unwrap_or_default();
    format!("{} {}", name.display(), verb.display()).trim().to_owned()
}

/// The command as one could type it, with the variables that xtask sets.
pub fn command_line(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        // The search path is long, and is not what makes a command work.
        if let Some(value) = value
            && name != "PATH"
        {
            let _ = write!(line, "{}={} ", name.display(), quote(&value.to_string_lossy()));
        }
    }
    line.push_str(&quote(&command.get_program().to_string_lossy()));
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quote(&argument.to_string_lossy()));
    }
    line
}

fn quote(word: &str) -> String {
    // CARGO_ENCODED_RUSTFLAGS is separated by this control character.
    if word.contains('\u{1f}') {
        return format!("$'{}'", word.replace('\u{1f}', "\\x1f"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{command_line, output, program, quote, succeeds};
    use std::process::Command;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let mut command = Command::new("cargo");
        command.env("A", "x y").args(["build", "it's", "--release"]);
        assert_eq!(command_line(&command), r"A='x y' cargo build 'it'\''s' --release");
    }

    #[test]
    fn a_failed_program_is_named_with_its_verb() {
        let mut command = Command::new("/usr/bin/apt-get");
        command.args(["-o", "A=b", "install", "-y", "x"]);
        assert_eq!(program(&command), "apt-get install");
        assert_eq!(program(&Command::new("true")), "true");
    }

    #[test]
    fn an_empty_word_is_still_a_word() {
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_failure_carries_the_last_line_of_standard_error() {
        let error = output(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("exit status: 3: no such thing"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_does_not_succeed() {
        assert!(!succeeds(&mut Command::new("/nonexistent/program")));
    }
}
