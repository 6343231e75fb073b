//! `cargo xtask run`: build, then become `agentmon run`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::cli::RunArguments;
use crate::failure::Failure;
use crate::{build, process, root, terminal, workspace};

/// `cargo xtask run`. Returns only when agentmon cannot be started.
pub fn verb(_typed: &RunArguments) -> Result<ExitCode> {
    // clap drops the `--` that separates our caller's options from the command.
    let arguments = agentmon_arguments(std::env::args_os().skip(2).collect())?;
    if !root::is_root() && process::find_in_path("sudo").is_none() {
        return Err(Failure::new("cannot watch an agent: loading eBPF programs needs root")
            .hint("there is no sudo here: become root and run the same command")
            .into());
    }
    build::all()?;
    Err(become_agentmon(&arguments))
}

/// Replaces this process, so that signals, terminal and exit status are agentmon's own.
fn become_agentmon(arguments: &[OsString]) -> anyhow::Error {
    let agentmon = workspace::agentmon(false);
    let mut command = if root::is_root() {
        Command::new(&agentmon)
    } else {
        terminal::step("loading eBPF programs needs root: starting agentmon through sudo");
        let mut sudo = Command::new("sudo");
        sudo.arg("-E").arg(&agentmon);
        sudo
    };
    command.args(arguments);
    terminal::command(&process::command_line(&command));
    let error = command.exec();
    anyhow::Error::new(error).context(format!("cannot start {}", agentmon.display()))
}

/// The arguments of agentmon for what was typed after `cargo xtask run`.
fn agentmon_arguments(typed: Vec<OsString>) -> Result<Vec<OsString>> {
    let separated = typed.iter().any(|word| word == "--");
    let starts_with_option = typed.first().is_none_or(|word| word.as_encoded_bytes().starts_with(b"-"));
    if !separated && !starts_with_option {
        let word = typed[0].display();
        return Err(Failure::new(format!("cannot run {word:?}: it stands before `--`"))
            .hint("write the command after `--`: cargo xtask run -- COMMAND")
            .into());
    }
    let has_command = typed.iter().skip_while(|word| *word != "--").count() > 1;
    let mut arguments = vec![OsString::from("run")];
    if !has_command && !typed.iter().any(|word| word == "--demo") {
        arguments.push(OsString::from("--demo"));
    }
    // An empty command after `--` is no command.
    let last = if has_command || !separated { typed.len() } else { typed.len() - 1 };
    arguments.extend_from_slice(&typed[..last]);
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::agentmon_arguments;

    fn arguments(typed: &[&str]) -> Result<Vec<String>, String> {
        agentmon_arguments(typed.iter().map(Into::into).collect())
            .map(|words| words.iter().map(|word| word.to_str().unwrap().to_owned()).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn options_and_command_stay_apart() {
        let typed = ["--name", "x", "-o", "json", "--", "ls", "--", "-l"];
        let expected = ["run", "--name", "x", "-o", "json", "--", "ls", "--", "-l"];
        assert_eq!(arguments(&typed).unwrap(), expected);
    }

    #[test]
    fn without_a_command_the_demonstration_runs() {
        assert_eq!(arguments(&[]).unwrap(), ["run", "--demo"]);
        assert_eq!(arguments(&["--"]).unwrap(), ["run", "--demo"]);
        assert_eq!(arguments(&["-o", "json"]).unwrap(), ["run", "--demo", "-o", "json"]);
        assert_eq!(arguments(&["--demo"]).unwrap(), ["run", "--demo"]);
    }

    #[test]
    fn a_command_without_the_separator_is_refused() {
        assert!(arguments(&["ls"]).unwrap_err().contains("before `--`"));
    }
}
