//! What was done with a socket: connect, bind, listen, accept, a socket made, a send.
//!
//! Values only. Not for: netlink messages (`super::netlink`).

use super::serial::is_default;
use super::{Kind, Text};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What was done with a socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Which kind of operation it is.
    pub kind: Kind,
    /// Of connect and send where to, of accept who connected.
    #[serde(default, skip_serializing_if = "is_default")]
    pub peer: Address,
    /// The local address, where there is one: of bind the address it was given, of listen where it waits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub local: Address,
    /// Of a send or bind whose address changed while the call ran: what stood there at its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at_exit: Option<Address>,
    /// Whether the address the kind is about is the kernel's own copy rather than the program's memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_kernel: bool,
    /// The peer that the program's memory named, where the kernel's socket has another one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked: Option<Address>,
    /// `AF_*` of the socket.
    pub family: u16,
    /// `SOCK_*` of the socket.
    pub sock_type: u16,
    /// `IPPROTO_*` of the socket, or what its family calls a protocol.
    pub protocol: u32,
    /// The descriptor the call was given; -1 for a new socket.
    pub fd: i32,
    /// Of listen the backlog; of a send the messages with a destination, of which the first is reported; else 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub count: u32,
    /// `MSG_*` flags of a send.
    #[serde(default, skip_serializing_if = "is_default")]
    pub send_flags: u32,
}

/// `MSG_FASTOPEN` (`include/linux/socket.h`).
const MSG_FASTOPEN: u32 = 0x2000_0000;

impl Socket {
    /// Of this kind, with nothing known.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            peer: Address::Unknown,
            local: Address::Unknown,
            at_exit: None,
            from_kernel: false,
            asked: None,
            family: 0,
            sock_type: 0,
            protocol: 0,
            fd: -1,
            count: 0,
            send_flags: 0,
        }
    }

    /// The address the kind is about: the peer, or the local one of bind and listen.
    #[must_use]
    pub const fn about(&self) -> &Address {
        match self.kind {
            Kind::Bind | Kind::Listen => &self.local,
            _ => &self.peer,
        }
    }

    /// Whether the agent began it: not so of a connection that came in.
    #[must_use]
    pub const fn is_outbound(&self) -> bool {
        !matches!(self.kind, Kind::Accept | Kind::Bind | Kind::Listen)
    }

    /// Whether a connection is made: by connect, or by a send with TCP fast open.
    #[must_use]
    pub const fn connects(&self) -> bool {
        matches!(self.kind, Kind::Connect) || (matches!(self.kind, Kind::Send) && self.send_flags & MSG_FASTOPEN != 0)
    }

    /// Name of the socket's family; `None`: only a number is known.
    #[must_use]
    pub const fn family_name(&self) -> Option<&'static str> {
        Some(match self.family {
            1 => "unix",
            2 => "inet",
            10 => "inet6",
            15 => "key",
            16 => "netlink",
            17 => "packet",
            21 => "rds",
            29 => "can",
            30 => "tipc",
            31 => "bluetooth",
            38 => "alg",
            40 => "vsock",
            41 => "kcm",
            42 => "qipcrtr",
            43 => "smc",
            44 => "xdp",
            45 => "mctp",
            _ => return None,
        })
    }

    /// Name of the socket's type; `None`: only a number is known.
    #[must_use]
    pub const fn type_name(&self) -> Option<&'static str> {
        Some(match self.sock_type {
            1 => "stream",
            2 => "dgram",
            3 => "raw",
            4 => "rdm",
            5 => "seqpacket",
            6 => "dccp",
            10 => "packet",
            _ => return None,
        })
    }
}

/// One end of a connection, or where a socket waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// An IPv4 or IPv6 address and port. IPv4-mapped addresses stay IPv6 here. Raw sockets have port 0.
    Inet(SocketAddr),
    /// A socket in the file system.
    UnixPath(Text),
    /// A socket in the abstract namespace, without the leading NUL.
    UnixAbstract(Text),
    /// `AF_UNSPEC`: of connect, the socket was disconnected.
    Disconnect,
    /// Another family: the bytes after `sa_family`.
    Other(Text),
    /// There is none, or it could not be read.
    #[default]
    Unknown,
}

impl Address {
    /// An IPv4 or IPv6 address.
    #[must_use]
    pub const fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            _ => None,
        }
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}
