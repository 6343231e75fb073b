//! Runs of the stimulus: started inside or outside a cgroup, their truth read line by line.

use crate::cgroup::Group;
use crate::compare::Fields;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A stimulus that ended.
#[derive(Debug)]
pub struct Run {
    /// Its process id.
    pub pid: u32,
    /// What it did.
    pub truths: Vec<Fields>,
}

impl Run {
    /// The lines of one operation.
    pub fn of<'a>(&'a self, op: &'a str) -> impl Iterator<Item = &'a Fields> {
        self.truths.iter().filter(move |truth| truth["op"] == op)
    }
}

/// A stimulus that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    truths: Vec<Fields>,
}

impl Running {
    /// Starts `program MODE ARGUMENTS`, in `group` from before its first instruction.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(program: &str, group: Option<&Group>, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(group) = group {
            let procs = group.procs();
            // SAFETY: only system calls that are safe between fork and exec.
            unsafe {
                command.pre_exec(move || {
                    let file = libc::open(procs.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                    if file < 0 || libc::write(file, c"0".as_ptr().cast(), 1) != 1 {
                        return Err(std::io::Error::last_os_error());
                    }
                    libc::close(file);
                    Ok(())
                });
            }
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, truths: Vec::new() }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads what it did until a line of this operation, and returns that line.
    ///
    /// # Panics
    /// When it ends before.
    pub fn until(&mut self, op: &str) -> Fields {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("the stimulus ended before it said {op}"));
            if line["op"] == op {
                return line;
            }
        }
    }

    fn next(&mut self) -> Option<Fields> {
        let mut line = String::new();
        if self.output.read_line(&mut line).expect("a pipe") == 0 {
            return None;
        }
        let truth: Fields = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.truths.push(truth.clone());
        Some(truth)
    }

    /// Gives it an order and waits until it is carried out.
    ///
    /// # Panics
    /// When it has ended.
    pub fn order(&mut self, order: &str) {
        writeln!(self.input.as_ref().expect("its standard input"), "{order}").expect("a pipe");
        self.until("ready");
    }

    /// Lets it go on to its end, and returns what it did.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn finish(mut self) -> Run {
        self.input = None;
        while self.next().is_some() {}
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "the stimulus failed: {status}");
        Run { pid: self.child.id(), truths: self.truths }
    }
}
