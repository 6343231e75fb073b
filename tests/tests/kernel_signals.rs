//! Signals against the real kernel: every way to send one is seen by its effect.

use agentmon::event::{Detail, Event, Signal};
use agentmon_tests::cgroup::Group;
use agentmon_tests::run::Running;
use agentmon_tests::watch::{AGENT, Watch};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// A process of nobody's agent that ignores SIGUSR1.
struct Target(Child);

impl Target {
    fn start(group: Option<&Group>) -> Self {
        let mut command = Command::new(STIMULUS);
        command.arg("pause").stdin(Stdio::null());
        // SAFETY: one system call.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGUSR1, libc::SIG_IGN);
                Ok(())
            });
        }
        let child = command.spawn().expect("the target");
        if let Some(group) = group {
            group.add(child.id());
        }
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn argument(&self) -> String {
        self.pid().to_string()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signals(watch: &Watch) -> Vec<(&Event, &Signal)> {
    watch
        .events()
        .iter()
        .filter_map(|event| match &event.detail {
            Detail::Signal(signal) => Some((event, signal)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_signal_is_seen_by_whatever_call_it_was_sent() {
    let target = Target::start(None);
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["signals", &target.argument()]);
    watch.check(&run, 12);
    assert_eq!(signals(&watch).len(), run.truths.len(), "nothing is told twice");
    assert!(signals(&watch).iter().all(|(_, signal)| signal.other_comm() == b"stimulus"));
}

#[test]
fn what_a_process_sends_itself_and_the_end_of_a_child_are_not_told() {
    let target = Target::start(None);
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["signals-quiet", &target.argument()]);
    watch.check(&run, 1);
    let told = signals(&watch);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn killing_by_the_file_of_a_cgroup_is_seen_as_a_signal_to_each_process() {
    let group = Group::new("victim");
    let target = Target::start(Some(&group));
    let mut watch = Watch::start(STIMULUS);
    let file = group.path().join("cgroup.kill");
    let run = watch.run(&["signals-cgroup", file.to_str().expect("a path"), &target.argument()]);
    watch.check(&run, 1);
}

#[test]
fn a_tracer_that_takes_the_traced_with_it_is_seen() {
    let target = Target::start(None);
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["signals-exitkill", &target.argument()]);
    watch.check(&run, 1);
}

#[test]
fn the_end_by_a_limit_of_processor_time_is_told_of_the_process_itself() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["signals-limit"]);
    watch.check(&run, 2);
    assert!(signals(&watch).iter().all(|(event, signal)| signal.is_to_itself(event.process) && signal.other_agent == Some(AGENT)));
}

#[test]
fn who_signals_an_agents_process_from_outside_is_told() {
    let mut watch = Watch::start(STIMULUS);
    let agent = watch.begin(&["wait"]);
    let mut agent = agent;
    agent.until("unlink");
    let sender = Running::start(STIMULUS, None, &["signals-from", &agent.pid().to_string()]).finish();
    let agent = agent.finish();
    watch.sync();
    let told = signals(&watch);
    let [(event, signal)] = told[..] else { panic!("{told:?}") };
    assert_eq!((event.process.tgid, event.operation), (agent.pid, "kill"));
    assert_eq!((signal.other.tgid, signal.received, signal.other_agent), (sender.pid, true, None));
    assert_eq!((signal.signal.to_string().as_str(), signal.to_monitor), ("SIGCONT", false));
    watch.check_clean();
}

#[test]
fn a_signal_to_the_monitor_says_so() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["signals-from", &std::process::id().to_string()]);
    let told = signals(&watch);
    let [(event, signal)] = told[..] else { panic!("{told:?}") };
    assert_eq!((event.process.tgid, signal.other.tgid), (run.pid, std::process::id()));
    assert!(signal.to_monitor && !signal.received && signal.other_agent.is_none());
    watch.check_clean();
}

#[test]
fn a_signal_to_a_child_of_the_monitor_that_is_no_agents_is_one_to_the_monitor() {
    let mut shell = Command::new("sh");
    let mut shell = shell.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut grandchild = String::new();
    BufReader::new(shell.stdout.take().expect("a pipe")).read_line(&mut grandchild).expect("a line");
    let child = Target::start(None);
    let mut watch = Watch::start(STIMULUS);
    for (target, monitors) in [(child.pid(), true), (grandchild.trim().parse().expect("a pid"), false)] {
        watch.run(&["signals-from", &target.to_string()]);
        let told = signals(&watch);
        let (_, signal) = told.last().expect("a signal");
        assert_eq!((signal.other.tgid, signal.to_monitor), (target, monitors));
    }
    // An agent's process that the monitor started is the agent's.
    let mut agent = watch.begin(&["wait"]);
    agent.until("unlink");
    watch.run(&["signals-from", &agent.pid().to_string()]);
    let _ = agent.finish();
    let told = signals(&watch);
    let (_, signal) = told.last().expect("a signal");
    assert_eq!((signal.other_agent, signal.to_monitor), (Some(AGENT), false));
    watch.check_clean();
    Command::new("kill").arg(grandchild.trim()).status().expect("kill");
    let _ = shell.wait();
}
