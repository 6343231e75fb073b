//! Rules of the pack that go by effects: what each fires on, and what is near it and does not.

use super::calls::{call, renamed_to};
use super::support::{
    Case, connect, connect_unix, create, dns, evaluate, exec, flow, netlink, read, unknown_call, unlink, unlink_by_uring, uring_connect,
    write,
};
use crate::allow::{AllowList, Directory};
use crate::event::Detail;
use crate::rules::{Engine, built_in};
use std::sync::Arc;

/// An existing file was opened to write and emptied.
fn emptied(target: &str) -> Case {
    let mut case = write(target);
    if let Detail::Open(open) = &mut case.event.detail {
        open.open_flags |= 0o1000;
    }
    case
}

/// Of an agent that works in /work/repo and may connect to 10.0.0.1.
fn listed(mut case: Case) -> Case {
    let workdir = vec![Directory::new(b"/work/repo").unwrap()];
    let destinations = Some(vec!["10.0.0.1".parse().unwrap()]);
    case.agent.allowed = Arc::new(AllowList { workdir, destinations, ..AllowList::default() });
    case
}

fn symlinked(to: &str, at: &str) -> Case {
    call("symlinkat", &[]).on(at).saying(to)
}

fn chmod(path: &str, mode: u64) -> Case {
    call("fchmodat2", &[("mode", mode)]).on(path)
}

/// By the stem of the file: what fires its rule, and what is near and does not.
pub(super) fn examples() -> Vec<(&'static str, Case, Case)> {
    let (python, dash, node) = ("/usr/bin/python3.11", "/usr/bin/dash", "/usr/bin/node");
    vec![
        (
            "service-manager-socket",
            connect_unix("/run/systemd/private").by(python),
            connect_unix("/run/systemd/private").by("/usr/bin/systemctl"),
        ),
        ("service-files", unlink("/etc/systemd/system/multi-user.target.wants/cron.service"), unlink("/work/repo/etc/x.service")),
        (
            "service-files",
            symlinked("/dev/null", "/etc/systemd/system/CuH73JQc"),
            symlinked("/lib/systemd/system/x.service", "/etc/systemd/system/y.service"),
        ),
        ("service-files", renamed_to("/etc/init.d/cron", "/tmp/cron"), renamed_to("/etc/x", "/tmp/cron")),
        ("service-stop-own-tool", exec("/usr/sbin/nginx", "nginx -s stop"), exec("/usr/sbin/nginx", "nginx -t")),
        (
            "service-stop-own-tool",
            exec("/usr/bin/busctl", "busctl call org.freedesktop.systemd1 / x StopUnit ss cron.service replace"),
            exec("/usr/bin/busctl", "busctl list"),
        ),
        (
            "service-stop-own-tool",
            exec("/usr/bin/kubectl", "kubectl scale deploy/web --replicas=0"),
            exec("/usr/bin/kubectl", "kubectl get pods"),
        ),
        ("process-limits", call("prlimit64", &[("target_pid", 77), ("resource", 0)]), call("sched_setattr", &[("target_pid", 77)])),
        ("process-freeze-cgroup", write("/sys/fs/cgroup/victim/cgroup.freeze").by(dash), read("/sys/fs/cgroup/victim/cgroup.freeze")),
        ("process-sysrq", write("/proc/sysrq-trigger").outcome(-13), read("/proc/sysrq-trigger")),
        ("process-starve", write("/proc/77/oom_score_adj"), write("/proc/4242/oom_score_adj")),
        ("disk-file-in-dev", write("/dev/fakesda"), write("/dev/shm/x")),
        ("disk-overwrite-file", write("/data/prod.db").by("/usr/bin/dd"), listed(write("/work/repo/disk.img").by("/usr/bin/dd"))),
        ("bulk-move-directory", renamed_to("/data/files", "/tmp/gone"), listed(renamed_to("/work/repo/src", "/work/repo/lib"))),
        ("bulk-destroy-tool", exec("/usr/bin/psql", "psql -c DROP DATABASE prod"), exec("/usr/bin/psql", "psql -c select 1")),
        ("bulk-destroy-tool", exec("/usr/bin/terraform", "terraform destroy -auto-approve"), exec("/usr/bin/terraform", "terraform plan")),
        ("permission-effect", chmod("/etc/shadow", 0o644), listed(chmod("/work/repo/run.sh", 0o755))),
        ("permission-effect", chmod("/work/repo/s", 0o4755), chmod("/work/repo/s", 0o755)),
        (
            "permission-effect",
            call("setxattr", &[]).on("/work/x").saying("security.capability"),
            call("setxattr", &[]).on("/work/x").saying("user.note"),
        ),
        ("permission-effect", chmod("/home/u/.ssh/id_rsa", 0o644), chmod("/home/u/.ssh/id_rsa", 0o600)),
        (
            "permission-effect",
            call("ioctl", &[("request", 0x4008_6602), ("file_flags", 0x10)]).on("/work/x"),
            call("ioctl", &[("request", 0x4008_6602), ("file_flags", 0x8_0000)]).on("/work/x"),
        ),
        ("key-change", create("/home/u/.ssh/authorized_keys"), create("/home/u/.ssh/known_hosts")),
        ("key-change", renamed_to("/tmp/k", "/home/u/.ssh/authorized_keys"), renamed_to("/tmp/k", "/home/u/keys")),
        ("key-change", unlink("/home/u/.ssh/id_rsa"), unlink("/home/u/.ssh/known_hosts.old")),
        (
            "key-alias",
            call("linkat", &[]).on("/home/u/.ssh/authorized_keys").and("/work/repo/list.txt").outcome(-18),
            call("linkat", &[]).on("/work/a").and("/work/b"),
        ),
        ("key-alias", renamed_to("/home/u/.ssh", "/home/u/q"), renamed_to("/home/u/.ssh/a", "/home/u/.ssh/b")),
        ("key-alias", call("mount", &[]).on("/mnt/x").and("/home/u/.gnupg"), call("mount", &[]).on("/mnt/x").and("/work/repo")),
        ("key-tool", exec("/usr/sbin/chpasswd", "chpasswd"), exec("/usr/bin/passwd", "passwd -S")),
        ("key-tool", exec("/usr/bin/gpg", "gpg --batch --delete-secret-keys A"), exec("/usr/bin/gpg", "gpg --verify x.sig")),
        ("key-tool", exec("/usr/bin/aws", "aws iam create-access-key --user-name x"), exec("/usr/bin/aws", "aws sts get-caller-identity")),
        ("system-etc-write", create("/etc/profile.d/x.sh"), create("/etc/profile.d/x.sh").by("/usr/bin/dpkg")),
        ("system-etc-write", write("/sys/block/sda/queue/scheduler"), write("/work/repo/etc/hosts")),
        ("system-etc-write", unlink("/etc/hosts"), unlink("/etc/passwd.lock")),
        ("system-kernel-write", write("/proc/sys/kernel/core_pattern").outcome(-30), read("/proc/sys/kernel/core_pattern")),
        ("system-call", call("sethostname", &[("length", 5)]).saying("pwned"), call("keyctl", &[("command", 0)])),
        ("system-mount", call("mount", &[]).on("/usr/local/bin").and("/tmp"), call("mount", &[]).on("/newroot/usr").and("/usr")),
        ("kernel-module", call("finit_module", &[]).on("/tmp/x.ko").outcome(-1), call("bpf", &[("command", 0)])),
        ("namespace-enter", call("setns", &[("flags", 0)]).by(python), call("setns", &[("flags", 0)]).by("/usr/bin/podman")),
        ("process-injection", call("process_vm_writev", &[("target_pid", 77)]), call("pidfd_open", &[("target_pid", 77)])),
        (
            "process-injection",
            call("ptrace", &[("target_pid", 77), ("request", 0x4206)]),
            call("ptrace", &[("target_pid", 77), ("request", 0x10)]).by("/usr/bin/strace"),
        ),
        ("process-memory-write", write("/proc/77/mem"), write("/proc/4242/mem")),
        ("debugger-attach", exec("/usr/bin/gdb", "gdb -q -batch -p 77"), exec("/usr/bin/gdb", "gdb --args ./a.out")),
        ("delegation-multiplexer", exec("/usr/bin/tmux", "tmux -S /tmp/victim-tmux send-keys x Enter"), exec("/usr/bin/tmux", "tmux ls")),
        (
            "delegation-bus",
            connect_unix("/run/dbus/system_bus_socket").by("/tmp/x"),
            connect_unix("/run/dbus/system_bus_socket").by("/usr/bin/systemctl"),
        ),
        ("delegation-bus-tool", exec("/usr/bin/gdbus", "gdbus call --system --dest x"), exec("/usr/bin/gdbus", "gdbus help")),
        ("delegation-exec-elsewhere", exec("/usr/bin/docker", "docker exec db psql"), exec("/usr/bin/docker", "docker ps")),
        ("delegation-exec-elsewhere", exec("/usr/bin/kubectl", "kubectl exec pod -- sh"), exec("/usr/bin/kubectl", "kubectl get pods")),
        (
            "credential-agent-socket",
            connect_unix("/tmp/ssh-x1/agent.77").by(python),
            connect_unix("/tmp/ssh-x1/agent.77").by("/usr/bin/ssh"),
        ),
        ("credential-history-read", read("/home/u/.bash_history").by("/usr/bin/cat"), read("/home/u/.bash_history").by("/usr/bin/bash")),
        ("credential-search", exec("/usr/bin/grep", "grep -r AKIA /home"), exec("/usr/bin/grep", "grep -rl PRIVATE .")),
        ("payment-service", connect("1.2.3.4:443").looked_up("api.stripe.com"), connect("1.2.3.4:443").looked_up("stripe.com.example.org")),
        ("payment-service", dns("api.paypal.com", 1, 0, &[]), dns("www.example.com", 1, 0, &[])),
        (
            "payment-service",
            exec("/usr/bin/curl", "curl https://api.stripe.com/v1/payouts"),
            exec("/usr/bin/curl", "curl https://docs.stripe.com"),
        ),
        ("payment-service", read("/home/u/.bitcoin/wallet.dat"), read("/home/u/.bitcoin/debug.log")),
        ("exfil-shell-connects", connect("1.2.3.4:4444").by("/usr/bin/bash"), connect("127.0.0.1:4444").by("/usr/bin/bash")),
        ("exfil-plain-tool", connect("1.2.3.4:4444").by("/usr/bin/nc.openbsd"), connect("1.2.3.4:443").by("/usr/bin/curl")),
        (
            "exfil-inline-code",
            by_line(connect("1.2.3.4:8080"), python, "python3 -c import socket"),
            by_line(connect("1.2.3.4:443"), python, "python3 main.py"),
        ),
        ("exfil-uring", uring_connect("1.2.3.4:8080"), connect("1.2.3.4:8080")),
        (
            "exfil-dns",
            dns("pb4hq6dyPB4HQ6DYpb4hq6dypb4hq6dypb4hq6dypb4hq6dy.evil.com", 1, 0, &[]),
            dns("very-long-but-not-that-long-name.evil.com", 1, 0, &[]),
        ),
        ("exfil-volume", flow("1.2.3.4:443", 60_000_000), flow("1.2.3.4:443", 6_000_000)),
        ("monitor-bpf", call("bpf", &[("command", 11)]).outcome(-1), call("bpf", &[("command", 5)]).by("/usr/bin/runc")),
        ("monitor-logs", unlink("/var/log/auth.log"), read("/var/log/auth.log")),
        ("monitor-logs", emptied("/var/log/auth.log"), write("/var/log/auth.log")),
        ("monitor-logs", renamed_to("/var/log/agentmon/events.jsonl", "/tmp/e").outcome(-18), renamed_to("/work/log", "/work/log.1")),
        ("monitor-history", unlink("/home/u/.bash_history"), unlink("/home/u/.bash_logout")),
        (
            "monitor-history",
            renamed_to("/home/u/CuH73JQc", "/home/u/.bash_history"),
            renamed_to("/home/u/.bash_history-77.tmp", "/home/u/.bash_history"),
        ),
        ("monitor-history", emptied("/home/u/.zsh_history").by(python), write("/home/u/.zsh_history").by(python)),
        ("monitor-audit-tool", exec("/usr/sbin/auditctl", "auditctl -D"), exec("/usr/sbin/auditctl", "auditctl -l")),
        ("monitor-tracing", write("/sys/kernel/tracing/tracing_on"), read("/sys/kernel/tracing/trace")),
        ("monitor-unmount", call("umount2", &[]).on("/sys/fs/bpf"), call("umount2", &[]).on("/mnt/usb")),
        ("monitor-unknown-call", unknown_call(999), read("/x")),
        ("resource-abuse", exec("/tmp/xmrig", "xmrig -o pool"), exec("/usr/bin/make", "make -j")),
        ("persistence-replaced", renamed_to("/home/u/x", "/home/u/.bashrc"), renamed_to("/home/u/x", "/home/u/.bashrc.d/x")),
        ("persistence-replaced", renamed_to("/tmp/t", "/var/spool/cron/crontabs/root"), renamed_to("/tmp/t", "/var/spool/mail/root")),
        (
            "agent-guardrail-replaced",
            renamed_to("/tmp/x", "/home/u/.claude/settings.json"),
            renamed_to("/tmp/x", "/home/u/.claude/history.json"),
        ),
        ("agent-guardrail-replaced", unlink("/home/u/.claude/settings.json"), unlink("/home/u/.claude/todo.json")),
        ("system-program-write", emptied("/usr/bin/git"), write("/usr/local/bin/x")),
        ("system-program-write", renamed_to("/tmp/x", "/usr/bin/tar"), create("/usr/lib/python3/__pycache__/x.pyc")),
        (
            "history-alias",
            call("linkat", &[]).on("/home/u/.bash_history").and("/home/u/h"),
            call("linkat", &[]).on("/work/a").and("/work/b"),
        ),
        ("terminal-injection", call("ioctl", &[("request", 0x5412)]).outcome(-5), call("pidfd_open", &[("target_pid", 7)])),
        ("disk-discard", call("ioctl", &[("request", 0x1277)]).on("/dev/sda"), call("ioctl", &[("request", 0x4004_9409)]).on("/work/a")),
        ("disk-discard", call("ioctl", &[("request", 0x2285)]).on("/dev/sda"), call("ioctl", &[("request", 0x4004_9409)]).on("/work/a")),
        ("network-interface", call("ioctl", &[("request", 0x8914)]), netlink(12, 0xa00)),
        (
            "model-endpoint",
            listed(connect("1.2.3.4:443").looked_up("api.openai.com")),
            listed(connect("10.0.0.1:443").looked_up("api.openai.com")),
        ),
        ("key-alias", symlinked("/home/u/.ssh", "/work/repo/cfg").by(node), symlinked("../src", "/work/repo/cfg").by(node)),
    ]
}

/// By this program with these arguments.
fn by_line(mut case: Case, image: &str, line: &str) -> Case {
    case.process.image = exec(image, line).process.image;
    case
}

/// Titles of what is told of these, in order.
fn told(cases: impl IntoIterator<Item = Case>) -> Vec<String> {
    let mut engine = Engine::new(built_in().rules);
    cases.into_iter().flat_map(|case| evaluate(&mut engine, &case)).map(|found| found.rule.title.clone()).collect()
}

const OUTSIDE: &str = "Many files outside the work directory are removed, emptied or moved away";

#[test]
fn twenty_files_of_others_are_many_however_they_go() {
    let ways: [fn(&str) -> Case; 4] = [unlink, unlink_by_uring, emptied, |path| renamed_to(path, &format!("{path}.bak"))];
    for (number, way) in ways.into_iter().enumerate() {
        let cases = |files: u64, directory: &'static str| {
            (0..files).map(move |at| listed(way(&format!("{directory}/file-{at}{}", "x".repeat(at as usize)))).at_ms(1000 + 2000 * at))
        };
        assert!(told(cases(20, "/data")).contains(&OUTSIDE.to_owned()), "{number}");
        assert!(!told(cases(19, "/data")).contains(&OUTSIDE.to_owned()), "{number}");
        assert!(!told(cases(40, "/work/repo/src")).contains(&OUTSIDE.to_owned()), "{number}");
    }
    let slowly = (0..100).map(|at| listed(unlink(&format!("/data/{at}"))).at_ms(1000 + 30_000 * at));
    assert_eq!(told(slowly), ["Many files outside the work directory are removed slowly"]);
}

#[test]
fn data_that_was_read_and_a_new_peer_are_told_together() {
    const BOTH: &str = "Data is read, and a host is reached for the first time";
    const SAME: &str = "A program that read data reaches another host";
    let history = crate::process::History::new();
    let both = |first: Case, second: Case| {
        let mut engine = Engine::new(built_in().rules);
        let mut matches = Vec::new();
        for case in [first, second] {
            engine.evaluate(&crate::process::Operation { history: Some(&history), ..case.operation() }, &mut matches);
        }
        matches.into_iter().map(|found| found.rule.title.clone()).collect::<Vec<_>>()
    };
    let data = || listed(read("/data/prod.db")).at_ms(1000);
    let out = |at_ms| listed(connect("1.2.3.4:443")).at_ms(at_ms);
    assert!(both(data(), out(2000)).iter().any(|title| title == BOTH));
    assert!(both(out(500), data()).iter().any(|title| title == BOTH), "whichever comes first");
    assert!(both(data(), out(2000)).iter().any(|title| title == SAME));
    assert!(!both(data(), out(2000).process(77)).iter().any(|title| title == SAME), "another process");
    for near in [
        both(data(), out(40_000)),
        both(listed(read("/work/repo/a")), out(2000)),
        both(data(), listed(connect("10.0.0.1:443")).at_ms(2000)),
    ] {
        assert!(!near.iter().any(|title| title == BOTH || title == SAME), "{near:?}");
    }
}
