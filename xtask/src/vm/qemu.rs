//! QEMU: unpacked once from Debian packages, started for one kernel at a time, without KVM, root,
//! disk or network.
//!
//! The packages bring their own C library and are started through its loader, so that it does not
//! matter which distribution this is.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::apt::{self, Apt};
use super::folders;
use super::matrix::{Kernel, Machine};
use crate::{process, terminal};

/// Exit status after vm-init's last word: no crash and no shutdown gives it.
pub const REGULAR_END: i32 = 33;

/// Where libraries are in the unpacked packages.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// How often the machine is looked after.
const TICK: Duration = Duration::from_millis(100);

/// What a boot needs.
#[derive(Debug)]
pub struct Boot<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The kernel's row.
    pub kernel: &'a Kernel,
    /// Its image.
    pub image: &'a Path,
    /// The archive it boots into.
    pub initramfs: &'a Path,
    /// What it prints.
    pub kernel_log: &'a Path,
    /// What the tests print.
    pub test_log: &'a Path,
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// vm-init came to its end.
    Regular,
    /// The kernel panicked or QEMU failed.
    Crash(ExitStatus),
    /// Its time was over.
    TimeOver,
}

/// Unpacks QEMU if need be and returns its version.
pub fn prepare(machine: &Machine) -> Result<String> {
    let stamp = folders::qemu().join("complete");
    let wanted = format!("{} of {}\n", machine.package, machine.suite);
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
        let apt = Apt::fetch_lists(&machine.suite)?;
        let _timed = terminal::timed(&format!("downloading and unpacking {}", wanted.trim()));
        let packages = apt.download_with_dependencies(&machine.package)?;
        folders::fresh(&folders::qemu())?;
        apt::unpack(&packages, &folders::qemu())?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    let version = process::output(command().arg("--version"))?;
    Ok(version.lines().next().unwrap_or_default().to_owned())
}

/// Boots and waits for the end; what the tests print goes to `heard` as it comes.
pub fn boot(boot: &Boot<'_>, mut heard: impl FnMut(&[u8])) -> Result<End> {
    let mut command = command_of(boot);
    terminal::command(&process::command_line(&command));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // Its messages would stand between the progress lines; they are few, and part of the story.
    let messages = fs::File::create(boot.kernel_log.with_file_name("qemu.log")).context("cannot write qemu.log")?;
    command.stderr(messages);
    // It exists before the machine does, so that it can be read from the beginning.
    fs::File::create(boot.test_log).with_context(|| format!("cannot write {}", boot.test_log.display()))?;
    let mut log = fs::File::open(boot.test_log).with_context(|| format!("cannot read {}", boot.test_log.display()))?;
    let mut machine = Running(command.spawn().context("cannot start QEMU")?);
    let deadline = Instant::now() + Duration::from_secs(boot.machine.time_limit_s);
    loop {
        let ended = machine.0.try_wait().context("cannot wait for QEMU")?;
        let mut new = Vec::new();
        log.read_to_end(&mut new).with_context(|| format!("cannot read {}", boot.test_log.display()))?;
        heard(&new);
        match ended {
            Some(status) if status.code() == Some(REGULAR_END) => return Ok(End::Regular),
            Some(status) => return Ok(End::Crash(status)),
            None if Instant::now() > deadline => return Ok(End::TimeOver),
            // Nothing tells when a file has grown or a child has ended, both at once.
            None => std::thread::park_timeout(TICK),
        }
    }
}

/// A started QEMU; dropped, it is killed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// QEMU through the loader of its own packages.
fn command() -> Command {
    let root = folders::qemu();
    let libraries = root.join(LIBRARIES);
    let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
    command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
    command.arg("--library-path").arg(&libraries).arg(root.join("usr/bin/qemu-system-x86_64"));
    command
}

fn command_of(boot: &Boot<'_>) -> Command {
    let Boot { machine, kernel, .. } = boot;
    let mut command = command();
    for data in ["qemu", "seabios"] {
        command.arg("-L").arg(folders::qemu().join("usr/share").join(data));
    }
    command.args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]);
    command.args(["-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max"]);
    command.args(["-smp", &machine.cpus.to_string(), "-m", &machine.memory_mib.to_string()]);
    command.arg("-kernel").arg(boot.image).arg("-initrd").arg(boot.initramfs);
    let cmdline = format!("console=ttyS0 {} {}", machine.cmdline, kernel.cmdline);
    command.args(["-append", cmdline.trim_end()]);
    for log in [boot.kernel_log, boot.test_log] {
        command.args(["-serial", &file(log)]);
    }
    // The port is the one in tests/src/bin/vm-init/power.rs.
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    command
}

/// A file as QEMU's options take it: a comma would end the name.
fn file(path: &Path) -> String {
    format!("file:{}", path.display().to_string().replace(',', ",,"))
}

/// The tail of a log, made safe for a terminal.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| format!("    {}\n", printable(line))).collect()
}

/// A line from a machine without what a terminal would obey.
pub fn printable(line: &str) -> String {
    line.trim_end_matches('\r').chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Where the logs of a run are.
pub fn logs(kernel: &Kernel) -> (PathBuf, PathBuf) {
    let folder = folders::run(&kernel.name);
    (folder.join("kernel.log"), folder.join("tests.log"))
}

#[cfg(test)]
mod tests {
    use super::{file, printable, tail};
    use std::path::Path;

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        assert_eq!(file(Path::new("/a,b")), "file:/a,,b");
    }

    #[test]
    fn a_machine_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r"), "a\u{fffd}[31mb");
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, b"1\n2\n\xff3\n").unwrap();
        assert_eq!(tail(&path, 2), "    2\n    \u{fffd}3\n");
        assert_eq!(tail(Path::new("/nonexistent"), 2), "");
    }
}
