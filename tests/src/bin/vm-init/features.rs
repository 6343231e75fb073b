//! What this kernel offers, by looking; the names are those of `supports` in tests/vm/matrix.toml.

use agentmon::sensor::{PathHook, Sensor, SensorConfig};
use std::path::Path;

/// The features that are there.
pub fn found() -> Vec<&'static str> {
    let checks: [(&str, bool); 8] = [
        ("bpf-lsm", lists("/sys/kernel/security/lsm", "bpf")),
        ("btf", Path::new("/sys/kernel/btf/vmlinux").exists()),
        ("cgroup-kill", cgroup_kill()),
        ("cgroup-v1", Path::new("/cgroup-v1/cgroup.procs").exists()),
        ("io-uring", io_uring()),
        ("ipv6", !std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().is_empty()),
        ("path-hooks", path_hooks()),
        ("smp", std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1)),
    ];
    checks.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

fn lists(file: &str, word: &str) -> bool {
    std::fs::read_to_string(file).unwrap_or_default().trim().split(',').any(|listed| listed == word)
}

fn cgroup_kill() -> bool {
    let group = Path::new("/sys/fs/cgroup/vm-init");
    let made = std::fs::create_dir(group).is_ok();
    let there = group.join("cgroup.kill").exists();
    made && std::fs::remove_dir(group).is_ok() && there
}

/// As agentmon finds them: each attached, and reported what was done.
fn path_hooks() -> bool {
    let loaded = Sensor::load(SensorConfig { ring_bytes: 256 * 1024, messages: false, path_hooks: true });
    let Ok((sensor, _ring)) = loaded else { return false };
    for hook in sensor.path_hooks().iter().filter(|hook| !hook.is_in_use()) {
        println!("{hook:?}");
    }
    !sensor.path_hooks().is_empty() && sensor.path_hooks().iter().all(PathHook::is_in_use)
}

fn io_uring() -> bool {
    // SAFETY: no parameters are given: a kernel that has the call refuses the null pointer.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null_mut::<libc::c_void>()) };
    result < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}
