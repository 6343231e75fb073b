//! A TCP connection at its end: how much went through.
//!
//! Not for: how it began ([`super::Socket`]); both are joined by the two addresses.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A closed connection. The event's process connected or accepted it, and may have ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// The other end.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// Whether it was accepted.
    pub inbound: bool,
    /// Bytes of payload received.
    pub bytes_in: u64,
    /// Bytes of payload sent.
    pub bytes_out: u64,
}

impl Flow {
    /// Where it came from and where it led.
    #[must_use]
    pub const fn from_to(&self) -> (SocketAddr, SocketAddr) {
        if self.inbound { (self.peer, self.local) } else { (self.local, self.peer) }
    }
}
