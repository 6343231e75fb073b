//! Records about sockets: which of the program's and the kernel's addresses to believe.
//!
//! Not for: other kinds (`super`).

use super::{DecodeError, Record};
use crate::event::{Address, Change, Flow, Kind, NetworkChange, Socket, Text};
use agentmon_common::record::{FlowFixed, SocketFixed, Span};
use agentmon_common::syscalls::op;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `SOCK_STREAM` and `SOCK_RAW` (`include/linux/net.h`).
const SOCK_STREAM: u16 = 1;
const SOCK_RAW: u16 = 3;

impl Record<'_> {
    pub(super) fn socket(&self, kind: Kind) -> Result<Socket, DecodeError> {
        let fixed: SocketFixed = self.fixed()?;
        let asked = address(self.text(fixed.asked)?);
        let local = inet(&fixed, fixed.local_addr, fixed.local_port);
        let local = local.filter(|address| address.port() != 0 || !address.ip().is_unspecified());
        let kernel = inet(&fixed, fixed.peer_addr, fixed.peer_port);
        let known = kernel.filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        let kernels = || local.map_or(Address::Unknown, Address::Inet);
        let ends = match kind {
            Kind::Bind if !self.failed() && local.is_some() => Ends { local: kernels(), from_kernel: true, ..Ends::default() },
            // Refused, or of a family whose address the kernel's socket does not show.
            Kind::Bind => Ends { local: asked, ..Ends::default() },
            Kind::Listen => Ends { local: kernels(), from_kernel: local.is_some(), ..Ends::default() },
            // The peer of a datagram socket is not where this one went.
            Kind::Send if fixed.sock_type != SOCK_STREAM => Ends { peer: asked, local: kernels(), ..Ends::default() },
            Kind::Connect | Kind::Send => Ends { local: kernels(), ..contacted(asked, known) },
            Kind::Accept if !self.failed() => Ends { local: kernels(), ..contacted(Address::Unknown, known) },
            _ => Ends { local: kernels(), ..Ends::default() },
        };
        Ok(Socket {
            kind,
            peer: ends.peer,
            local: ends.local,
            at_exit: if fixed.at_exit == Span::default() { None } else { Some(address(self.text(fixed.at_exit)?)) },
            from_kernel: ends.from_kernel,
            asked: ends.asked,
            family: fixed.family,
            sock_type: fixed.sock_type,
            protocol: fixed.protocol,
            fd: fixed.fd,
            count: fixed.count,
            send_flags: if kind == Kind::Send { fixed.flags } else { 0 },
        })
    }

    pub(super) fn flow(&self) -> Result<Flow, DecodeError> {
        let fixed: FlowFixed = self.fixed()?;
        let end = |addr, port| internet(fixed.family, addr, port).ok_or(DecodeError::Value("family of a connection"));
        Ok(Flow {
            peer: end(fixed.peer_addr, fixed.peer_port)?,
            local: end(fixed.local_addr, fixed.local_port)?,
            inbound: fixed.inbound != 0,
            bytes_in: fixed.bytes_in,
            bytes_out: fixed.bytes_out,
        })
    }

    pub(super) fn netlink(&self) -> Result<NetworkChange, DecodeError> {
        let fixed: SocketFixed = self.fixed()?;
        let change = if fixed.op == u32::from(op::SETSOCKOPT) {
            Change::Option { level: fixed.flags, option: fixed.code }
        } else {
            let narrow = |value: u32, what| u16::try_from(value).map_err(|_| DecodeError::Value(what));
            Change::Message {
                protocol: fixed.protocol,
                message: narrow(fixed.code, "netlink message")?,
                flags: narrow(fixed.flags, "netlink flags")?,
            }
        };
        Ok(NetworkChange { change, fd: fixed.fd })
    }
}

/// Both ends, and whose word the one is that the kind is about.
#[derive(Default)]
struct Ends {
    peer: Address,
    local: Address,
    from_kernel: bool,
    asked: Option<Address>,
}

/// The peer: the kernel's where it has one, else what was asked.
fn contacted(asked: Address, known: Option<SocketAddr>) -> Ends {
    let differs = matches!((&asked, known), (Address::Inet(asked), Some(known)) if !is_same_peer(*asked, known));
    // A datagram socket that was disconnected keeps no peer, a refused one may keep none either.
    let (peer, asked) = match (asked, known) {
        (asked @ (Address::Inet(_) | Address::Unknown), Some(known)) => (Address::Inet(known), differs.then_some(asked)),
        (asked, _) => (asked, None),
    };
    Ends { peer, from_kernel: known.is_some(), asked, ..Ends::default() }
}

/// An address of the kernel's socket; `None` for other families. A raw socket has its protocol where others have a port.
fn inet(fixed: &SocketFixed, addr: [u8; 16], port: u16) -> Option<SocketAddr> {
    internet(fixed.family, addr, if fixed.sock_type == SOCK_RAW { 0 } else { port })
}

pub(super) fn internet(family: u16, addr: [u8; 16], port: u16) -> Option<SocketAddr> {
    match family {
        AF_INET => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(addr[0], addr[1], addr[2], addr[3])), port)),
        AF_INET6 => Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(addr)), port)),
        _ => None,
    }
}

/// Whether an asked-for address means the peer the kernel has: it connects 0.0.0.0 and :: to the loopback address, and
/// an IPv6 socket holds an IPv4 peer in mapped form.
fn is_same_peer(asked: SocketAddr, known: SocketAddr) -> bool {
    asked.port() == known.port()
        && (asked.ip().to_canonical() == known.ip().to_canonical()
            || (asked.ip().is_unspecified() && known.ip().to_canonical().is_loopback()))
}

/// A `struct sockaddr` as a program gave it.
pub(super) fn address(address: Text) -> Address {
    let Some((family, rest)) = address.bytes.split_first_chunk::<2>() else { return Address::Unknown };
    let rest_from = |n: usize| Text { bytes: address.bytes.slice(n..), original: address.original.saturating_sub(n as u32) };
    match (u16::from_ne_bytes(*family), rest) {
        (AF_UNSPEC, _) => Address::Disconnect,
        (AF_UNIX, [0, ..]) => Address::UnixAbstract(rest_from(3)),
        (AF_UNIX, path) => {
            let len = path.iter().position(|b| *b == 0).unwrap_or(path.len());
            Address::UnixPath(Text { bytes: address.bytes.slice(2..2 + len), original: len as u32 })
        }
        (AF_INET, [p0, p1, a, b, c, d, ..]) => {
            Address::Inet(SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*p0, *p1])))
        }
        (AF_INET6, [p0, p1, _, _, _, _, rest @ ..]) if rest.len() >= 16 => {
            let octets: [u8; 16] = std::array::from_fn(|i| rest[i]);
            Address::Inet(SocketAddr::new(Ipv6Addr::from(octets).into(), u16::from_be_bytes([*p0, *p1])))
        }
        _ => Address::Other(rest_from(2)),
    }
}
