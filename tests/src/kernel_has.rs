//! What this kernel has, by its own description of its types: for tests of what not every kernel can.

/// Whether it tells when it asks for a capability (since Linux 6.14).
///
/// # Panics
/// When it describes nothing.
#[must_use]
pub fn cap_capable() -> bool {
    const TYPE: &[u8] = b"\0btf_trace_cap_capable\0";
    let types = std::fs::read("/sys/kernel/btf/vmlinux").expect("BTF");
    types.windows(TYPE.len()).any(|window| window == TYPE)
}

/// Probes that this kernel has no hook for.
#[must_use]
pub fn probes_without_hook() -> Vec<&'static str> {
    if cap_capable() { Vec::new() } else { vec!["am_capable"] }
}
