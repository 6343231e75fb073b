//! The contract between the probes (`agentmon-ebpf`) and the daemon (`agentmon`): record layout, kinds, map values,
//! the system-call tables and the kernel members the probes read.
//!
//! Not for: anything only one side needs, and never for code that allocates or does I/O. Everything on the wire is a
//! `#[repr(C)]` struct of plain integers in the machine's byte order, naturally aligned, without enums, bools or
//! `usize`; numbers are never reused. What arrives from the kernel is an allegation until `agentmon::event` has
//! decoded it.
#![no_std]

pub mod capability;
pub mod hooks;
pub mod netlink;
pub mod offsets;
pub mod record;
pub mod repeat;
pub mod rings;
pub mod stats;
pub mod syscalls;
pub mod uring;
