//! What this kernel offers, by looking; the names are those of `supports` in tests/vm/matrix.toml.

use std::path::Path;

/// The features that are there.
pub fn found() -> Vec<&'static str> {
    let checks: [(&str, bool); 7] = [
        ("bpf-lsm", lists("/sys/kernel/security/lsm", "bpf")),
        ("btf", Path::new("/sys/kernel/btf/vmlinux").exists()),
        ("cgroup-kill", cgroup_kill()),
        ("cgroup-v1", Path::new("/cgroup-v1/cgroup.procs").exists()),
        ("io-uring", io_uring()),
        ("ipv6", !std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().is_empty()),
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

fn io_uring() -> bool {
    // SAFETY: no parameters are given: a kernel that has the call refuses the null pointer.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null_mut::<libc::c_void>()) };
    result < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}
