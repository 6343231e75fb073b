//! A pseudo-terminal: what a person would see, byte by byte, and a keyboard.

use super::binary::agentmon;
use super::poll::eventually;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// agentmon on a terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts `agentmon run --no-metrics ARGS` as the foreground process group of a new terminal.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[must_use]
    pub fn run(args: &[&OsStr], no_color: Option<&str>) -> Self {
        let mut command = vec![agentmon().get_program().to_owned()];
        command.extend(["run", "--no-metrics"].map(OsString::from));
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        Self::start(&command, no_color)
    }

    /// Starts it as a job of a shell, as a person does: a process group of its own, which job control can stop. The exit
    /// code is that of the job; 128 + N when signal N stopped it.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[must_use]
    pub fn job(args: &[&str]) -> Self {
        Self::shell("\"$@\"; code=$?; exit $code", args)
    }

    /// The same of a shell that afterwards shows, in `<>`, the next line of its terminal.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[must_use]
    pub fn job_of_a_reader(args: &[&str]) -> Self {
        Self::shell("\"$@\"; code=$?; echo ready; read -r line; echo \"<$line>\"; exit $code", args)
    }

    fn shell(script: &str, args: &[&str]) -> Self {
        let mut command: Vec<OsString> = ["/bin/sh", "-mc", script, "shell"].map(OsString::from).into();
        command.push(agentmon().get_program().to_owned());
        command.extend(["run", "--no-metrics"].iter().chain(args).map(OsString::from));
        Self::start(&command, Some("1"))
    }

    fn start(program: &[OsString], no_color: Option<&str>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a pseudo-terminal");
        let name = PathBuf::from(OsString::from_vec(ptsname(&master, Vec::new()).expect("its name").into_bytes()));
        let side = || File::options().read(true).write(true).open(&name).map(Stdio::from).expect("its other side");
        // setsid makes the terminal the controlling one and then becomes the program: same process id.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(program);
        command.env_remove("NO_COLOR").env_remove("AGENTMON_LOG").envs(no_color.map(|value| ("NO_COLOR", value)));
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid");
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (keyboard.try_clone().expect("a descriptor"), Arc::clone(&screen));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // EIO: the last one on the other side is gone.
            while let Ok(len @ 1..) = from.read(&mut bytes) {
                to.lock().expect("the screen").extend_from_slice(&bytes[..len]);
            }
        });
        Self { child, keyboard, screen, reader: Some(reader) }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("the terminal");
    }

    /// Waits until a text is on the screen.
    ///
    /// # Panics
    /// When it does not come.
    pub fn shows(&self, text: &str) {
        eventually("the screen shows it", || {
            let screen = self.screen.lock().expect("the screen");
            let seen = String::from_utf8_lossy(&screen);
            if seen.contains(text) { Ok(()) } else { Err(format!("{text:?} is not in {seen:?}")) }
        });
    }

    /// Waits for the end; gives the exit code and everything that was on the screen.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn end(mut self) -> (i32, Vec<u8>) {
        let status = eventually("agentmon ends", || match self.child.try_wait().expect("a child") {
            Some(status) => Ok(status),
            None => Err(format!("it runs; on the screen: {:?}", String::from_utf8_lossy(&self.screen.lock().expect("the screen")))),
        });
        self.reader.take().map(JoinHandle::join).transpose().expect("the reader");
        let screen = self.screen.lock().expect("the screen").clone();
        (status.code().unwrap_or(-1), screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
