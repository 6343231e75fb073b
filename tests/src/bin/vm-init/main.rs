//! The first and only process of a kernel that `cargo xtask vm` boots: mounts what a machine has, says what the kernel
//! can do, runs the programs of its plan one test at a time, and switches the machine off.
//!
//! It judges nothing: it prints lines that begin with `vm: ` on the second serial port, and xtask compares them with
//! tests/vm/matrix.toml. A panic here is a panic of the kernel, which xtask sees by the missing last line.

mod features;
mod mounts;
mod plan;
mod power;
mod programs;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::AsFd as _;

/// Where the tests speak; the first serial port is the kernel's.
const OUTPUT: &str = "/dev/ttyS1";

/// One line for xtask, on a line of its own whatever was printed before.
fn say(text: &str) {
    print!("\nvm: {text}\n");
    std::io::stdout().flush().expect("the serial port");
}

/// Makes the serial port this process's, and so its children's, three standard descriptors.
fn speak_on_the_serial_port() -> rustix::io::Result<()> {
    let port = OpenOptions::new().read(true).write(true).open(OUTPUT).expect("the second serial port");
    let mut settings = rustix::termios::tcgetattr(&port)?;
    settings.make_raw();
    rustix::termios::tcsetattr(&port, rustix::termios::OptionalActions::Now, &settings)?;
    rustix::stdio::dup2_stdin(port.as_fd())?;
    rustix::stdio::dup2_stdout(port.as_fd())?;
    rustix::stdio::dup2_stderr(port.as_fd())
}

fn main() {
    mounts::all();
    speak_on_the_serial_port().expect("the second serial port");
    let plan = plan::read();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    say(&format!("kernel {}", release.trim()));
    for feature in features::found() {
        say(&format!("feature {feature}"));
    }
    for task in &plan.tasks {
        programs::run(&plan, task);
    }
    say("end of plan");
    power::off();
}
