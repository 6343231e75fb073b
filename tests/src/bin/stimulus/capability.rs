//! Capabilities: used, refused, used again, by another program, and in another user namespace.
//!
//! Not for: what a process holds (`identity`).

use crate::sys::{fork, sys, wait};
use crate::truth::Truth;

/// Asks for `CAP_SYS_ADMIN` and changes nothing: the length is none.
fn ask() -> i64 {
    sys(libc::SYS_sethostname, &[0, u64::MAX])
}

fn told(call: &str, ret: i64, capability: &str) -> Truth {
    Truth::of("capability_use", ret)
        .with("call", call)
        .with("kind", "capability")
        .with("capability", capability)
        .with("initial_namespace", true)
        .with("compat", false)
}

/// What every program of this test does.
pub fn once() {
    assert_eq!(ask(), -i64::from(libc::EINVAL), "root");
    told("sethostname", 0, "CAP_SYS_ADMIN").print();
    // Once is enough.
    assert_eq!(ask(), -i64::from(libc::EINVAL));
}

/// All of them.
pub fn all() {
    // Takes memory, for which the kernel asks too.
    let pages = vec![1_u8; 8 * 1024 * 1024];
    std::hint::black_box(&pages);
    once();
    assert_eq!(sys(libc::SYS_chroot, &[c"/".as_ptr() as u64]), 0);
    told("chroot", 0, "CAP_SYS_CHROOT").print();
    refused();
    elsewhere();
    let again = std::process::Command::new("/proc/self/exe").arg("capabilities-once").status().expect("itself");
    assert!(again.success());
}

/// By nobody, first with a capability and then without.
fn refused() {
    let child = fork(|| {
        assert_eq!(ask(), -i64::from(libc::EINVAL));
        told("sethostname", 0, "CAP_SYS_ADMIN").print();
        assert_eq!(sys(libc::SYS_setresuid, &[65534, 65534, 65534]), 0);
        assert_eq!(ask(), -i64::from(libc::EPERM));
        told("sethostname", -i64::from(libc::EPERM), "CAP_SYS_ADMIN").print();
        0
    });
    assert_eq!(wait(child), 0);
}

/// In a user namespace of its own, where it means nothing to the host.
fn elsewhere() {
    let child = fork(|| {
        if sys(libc::SYS_unshare, &[(libc::CLONE_NEWUSER | libc::CLONE_NEWUTS) as u64]) != 0 {
            Truth::of("skip", 0).with("_reason", "no user namespaces").print();
            return 0;
        }
        assert_eq!(ask(), -i64::from(libc::EINVAL));
        // unshare asked for it already, there.
        let truth = told("unshare", 0, "CAP_SYS_ADMIN").with("initial_namespace", false);
        // Its ids have no meaning there.
        truth.with("uid", serde_json::Value::Null).with("euid", serde_json::Value::Null).print();
        0
    });
    assert_eq!(wait(child), 0);
}
