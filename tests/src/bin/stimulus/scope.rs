//! Belonging to an agent: moves between cgroups, children and threads born in other places.

use crate::sys::{at, c, fd, fork, pid, start_ticks, sys, tid, wait};
use crate::truth::Truth;
use std::io::{BufRead, Write};

/// A failed open that nothing else makes: where the harness knows how far the events have come.
pub fn marker(name: &str) {
    let ret = sys(libc::SYS_open, &[at(&c(name)), 0]);
    assert_eq!(ret, -i64::from(libc::ENOENT), "open of the marker");
}

/// A failed unlink, as a sign of life that is easy to find.
fn sign(name: &str) {
    let ret = sys(libc::SYS_unlink, &[at(&c(name))]);
    Truth::of("unlink", ret).bytes("asked", name).print();
}

/// Says that it is there, and does nothing until its standard input is closed.
pub fn wait_for_input() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("standard input");
}

/// Does nothing until a signal ends it.
pub fn pause() {
    loop {
        sys(libc::SYS_pause, &[]);
    }
}

/// Waits for the word, then gives one sign of life.
pub fn wait_here() {
    sign("/agentmon-before");
    std::io::stdout().flush().expect("standard output");
    wait_for_input();
    sign("/agentmon-after");
}

fn move_to(group: &str) {
    std::fs::write(format!("{group}/cgroup.procs"), "0").unwrap_or_else(|error| panic!("move to {group}: {error}"));
}

/// Makes as many cgroups in one as it is told: `GROUP NUMBER`, with the numbers as names.
fn fill(argument: &str) {
    let (group, number) = argument.rsplit_once(' ').expect("a number");
    for name in 0..number.parse::<u32>().expect("a number") {
        std::fs::create_dir(format!("{group}/{name}")).unwrap_or_else(|error| panic!("cgroup {name} of {group}: {error}"));
    }
}

/// Leaves for `group`, then acts itself, through a thread and through a child and its thread.
pub fn escape(group: &str, name: &str) {
    sign(&format!("{name}-inside"));
    move_to(group);
    Truth::of_process("cgroup_leave", pid()).with("start", start_ticks(pid())).with("mover_pid", pid()).with("born", false).print();
    sign(&format!("{name}-outside"));
    let thread_name = format!("{name}-thread");
    std::thread::scope(|scope| scope.spawn(|| sign(&thread_name)).join()).expect("a thread");
    let child = fork(|| {
        sign(&format!("{name}-child"));
        let thread_name = format!("{name}-child-thread");
        std::thread::scope(|scope| scope.spawn(|| sign(&thread_name)).join()).expect("a thread");
        0
    });
    assert_eq!(wait(child), 0);
    // What the test looks at while this process lives.
    Truth::of_process("ready", pid()).print();
    std::io::stdout().flush().expect("standard output");
    wait_for_input();
}

/// clone3 with CLONE_INTO_CGROUP: a child born in `group`.
pub fn clone_into(group: &str, name: &str) {
    let directory = sys(libc::SYS_open, &[at(&c(group)), (libc::O_RDONLY | libc::O_DIRECTORY) as u64]);
    assert!(directory >= 0, "open {group}: {directory}");
    // struct clone_args, up to `cgroup` (version 2).
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let args: [u64; 11] = [CLONE_INTO_CGROUP, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, fd(directory)];
    let child = sys(libc::SYS_clone3, &[args.as_ptr() as u64, 88]);
    assert!(child >= 0, "clone3: {child}");
    if child == 0 {
        sign(name);
        sys(libc::SYS_exit_group, &[0]);
    }
    Truth::of_process("born", child).with("_creator", pid()).with("_start", start_ticks(child)).print();
    assert_eq!(wait(child), 0);
}

/// Threads made before and after the process came under watch; the test says when.
pub fn threads(name: &str) {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let early_name = format!("{name}-early");
    let early = std::thread::spawn(move || {
        receiver.recv().expect("the word");
        sign(&early_name);
    });
    Truth::of_process("ready", pid()).with("_tid", tid()).print();
    wait_for_input();
    sender.send(()).expect("a waiting thread");
    early.join().expect("a thread");
    let late_name = format!("{name}-late");
    std::thread::spawn(move || sign(&late_name)).join().expect("a thread");
    sign(&format!("{name}-leader"));
}

/// Does what it is told, line by line: `sign NAME`, `move GROUP`, `fill GROUP NUMBER`.
pub fn agent() {
    Truth::of_process("ready", pid()).with("_start", start_ticks(pid())).print();
    for line in std::io::stdin().lines() {
        let line = line.expect("standard input");
        let (word, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "sign" => sign(argument),
            "move" => move_to(argument),
            "fill" => fill(argument),
            _ => panic!("unknown order {line}"),
        }
        Truth::of_process("ready", pid()).print();
    }
}

/// Leaves a dead child unreaped until told to end.
pub fn zombie() {
    let child = fork(|| 0);
    while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
    Truth::of_process("zombie", child).print();
    wait_for_input();
    wait(child);
}
