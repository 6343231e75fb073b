//! The probes: eBPF programs that turn what an agent's processes do into records in one ring buffer.
//!
//! One file per family of operations; every map in `maps`, every kernel read in `kernel` and `walk`, every write of a
//! record in `record`. Not for: deciding anything about an operation. A probe only asks whether its task belongs to
//! an agent (`scope`), and then says what happened.
#![no_std]
#![no_main]
// For `atomic`, `bound` and `word`: rustc splits a load or store it cannot prove aligned into bytes, and the machine does not ask for alignment.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod atomic;
mod bound;
mod call;
mod calls;
mod capability;
mod cgroup;
mod directory;
mod dns;
mod errors;
mod file;
mod flow;
mod identity;
mod installed;
mod kernel;
mod maps;
mod names;
mod netlink;
mod network;
mod place;
mod pointed;
mod process;
mod record;
mod repeat;
mod resolved;
mod scope;
mod second;
mod send;
mod share;
mod signal;
mod slot;
mod socket;
mod syscall;
mod unknown;
mod uring;
mod walk;
mod wanted;
mod word;

/// The verifier refuses a program that can reach this endless loop, and so any program that can panic.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// Helpers marked `gpl_only` (`bpf_probe_read_*`) ask for a licence compatible with the kernel's.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
