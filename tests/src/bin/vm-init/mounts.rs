//! The file systems of a machine, a loopback interface, and the few files that programs look for.

use rustix::fs::CWD;
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SocketType};
use std::os::fd::AsRawFd as _;

/// Where the v1 hierarchy is, on kernels that have one.
const CGROUP_V1: &str = "/cgroup-v1";

/// Type and place. Without the first row nothing works; what is missing of the others a test misses.
const MOUNTS: &[(&str, &str)] = &[
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
    ("securityfs", "/sys/kernel/security"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    // Not on /tmp: the repository may stand there, and its programs are at the paths they were compiled with.
    ("tmpfs", "/scratch"),
    ("tmpfs", "/run"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
];

/// Mounts everything, and says on the kernel's console what could not be.
pub fn all() {
    for (kind, place) in MOUNTS {
        // A directory that is there, or that another mount brings, is no error.
        let _ = std::fs::create_dir_all(place);
        if let Err(error) = mount(*kind, *place, *kind, MountFlags::empty(), None) {
            eprintln!("vm-init: cannot mount {kind} on {place}: {error}");
        }
    }
    let _ = std::fs::create_dir_all(CGROUP_V1);
    if let Err(error) = mount("cgroup", CGROUP_V1, "cgroup", MountFlags::empty(), Some(c"freezer")) {
        eprintln!("vm-init: cannot mount a v1 hierarchy: {error}");
    }
    for place in ["/tmp", "/scratch", "/dev/shm"] {
        rustix::fs::chmodat(CWD, place, rustix::fs::Mode::from_raw_mode(0o1777), rustix::fs::AtFlags::empty()).expect("a mount");
    }
    if let Err(error) = loopback() {
        eprintln!("vm-init: cannot bring the loopback interface up: {error}");
    }
}

/// `ip link set lo up`.
fn loopback() -> std::io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: the structure is plain data, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
