//! DNS messages that go through the sockets of an agent's cgroups, in clear: to or from port 53, or 5353 (multicast DNS).
//!
//! Attached to each agent's cgroup, so that sockets of others cost nothing. Not for: what a message says, which is read in
//! user space; DNS inside TLS or HTTPS.

use crate::bound::at_most;
use crate::errors::{ProbeError, finish};
use crate::kernel::Task;
use crate::maps::AM_ASKERS;
use crate::record::Record;
use crate::scope;
use agentmon_common::record::{DNS_MAX, DnsFixed, Header, RECORD_MAX, Span, flags, kind};
use agentmon_common::stats::probe;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skb_ancestor_cgroup_id, bpf_skb_cgroup_id, bpf_skb_load_bytes};
use aya_ebpf::{EbpfContext, macros::cgroup_skb, programs::SkBuffContext};

/// What both programs answer: the packet goes on, whatever became of the record.
const PASS: i32 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Extension headers of IPv6 that are looked behind: hop-by-hop, routing, destination options.
const EXTENSIONS: [u8; 3] = [0, 43, 60];
const EXTENSIONS_MAX: usize = 4;
/// Bytes of a DNS message's header.
const DNS_HEADER: u32 = 12;
const UDP_HEADER: u32 = 8;

/// A packet leaves a socket of an agent's cgroup: runs in the sender, of TCP also in whatever the kernel was about.
///
/// `BPF_CGROUP_INET_EGRESS`: before the packet is cut into fragments, behind nothing that could still drop it but filters of
/// this kind, netfilter and the device.
#[cgroup_skb(egress)]
pub fn am_dns_egress(ctx: SkBuffContext) -> i32 {
    finish(&ctx, probe::EGRESS, look(&ctx, true));
    PASS
}

/// A packet comes to a socket of an agent's cgroup: runs in an interrupt, when its fragments were put together.
#[cgroup_skb(ingress)]
pub fn am_dns_ingress(ctx: SkBuffContext) -> i32 {
    finish(&ctx, probe::INGRESS, look(&ctx, false));
    PASS
}

/// The head of a packet.
struct Packet {
    family: u16,
    protocol: u8,
    /// Where the transport's header begins.
    transport: u32,
    from_port: u16,
    to_port: u16,
}

impl Packet {
    #[inline(always)]
    fn is_dns(&self) -> bool {
        is_dns_port(self.from_port) || is_dns_port(self.to_port)
    }
}

#[inline(always)]
fn is_dns_port(port: u16) -> bool {
    port == 53 || port == 5353
}

#[inline(always)]
fn look(ctx: &SkBuffContext, outbound: bool) -> Result<(), ProbeError> {
    let Some(packet) = head(ctx) else { return Ok(()) };
    if !packet.is_dns() {
        return Ok(());
    }
    // SAFETY: the helper takes the context of this program.
    let cgroup_id = unsafe { bpf_skb_cgroup_id(ctx.skb.skb) };
    let agent = agent_of(ctx);
    if agent == 0 || scope::is_off(agent, 1 << kind::DNS) {
        return Ok(());
    }
    let Some(message) = message(ctx, &packet) else { return Ok(()) };
    let mut record = Record::of_agent::<DnsFixed>(agent, kind::DNS)?;
    record.header().cgroup_id = cgroup_id;
    identify(&mut record, ctx, packet.protocol, outbound)?;
    describe(record.fixed(), ctx, &packet, outbound)?;
    push(&mut record, ctx, &message)?;
    record.submit()
}

/// The agent whose cgroup the packet's socket is of, or lies in; 0 when nobody's.
#[inline(always)]
fn agent_of(ctx: &SkBuffContext) -> u32 {
    let mut agent = 0;
    for level in 0..scope::LEVELS_MAX {
        // SAFETY: the helper takes the context of this program.
        let id = unsafe { bpf_skb_ancestor_cgroup_id(ctx.skb.skb, level as i32) };
        // Below the cgroup itself.
        if id == 0 {
            break;
        }
        // The lowest counts, as in `scope::agent_of_cgroup`.
        agent = scope::agent_of_topmost(id).unwrap_or(agent);
    }
    agent
}

/// One or more bytes of a packet by the helper, which also finds what lies outside its linear part.
#[inline(always)]
fn load<T>(ctx: &SkBuffContext, at: u32) -> Option<T> {
    ctx.load(at as usize).ok()
}

/// Protocol and ports. `None`: neither TCP nor UDP, or cut short. Most packets of an agent end here, so that what
/// nearly all of them have (no options, no extensions) is read without a helper.
#[inline(always)]
fn head(ctx: &SkBuffContext) -> Option<Packet> {
    // SAFETY: words of the context, which the kernel fills.
    let (data, end) = unsafe { ((*ctx.skb.skb).data as usize, (*ctx.skb.skb).data_end as usize) };
    if data + 24 <= end {
        // SAFETY: the verifier has seen the bound just above.
        let (version, protocol) = unsafe { (*(data as *const u8), *((data + 9) as *const u8)) };
        if version == 0x45 {
            // SAFETY: as above.
            return of_ports(AF_INET, protocol, 20, unsafe { *((data + 20) as *const [u8; 4]) });
        }
    }
    if data + 44 <= end {
        // SAFETY: as above.
        let (version, next) = unsafe { (*(data as *const u8), *((data + 6) as *const u8)) };
        if version >> 4 == 6 && (next == UDP || next == TCP) {
            // SAFETY: as above.
            return of_ports(AF_INET6, next, 40, unsafe { *((data + 40) as *const [u8; 4]) });
        }
    }
    unusual(ctx)
}

#[inline(always)]
fn of_ports(family: u16, protocol: u8, transport: u32, ports: [u8; 4]) -> Option<Packet> {
    if protocol != TCP && protocol != UDP {
        return None;
    }
    let [a, b, c, d] = ports;
    Some(Packet { family, protocol, transport, from_port: u16::from_be_bytes([a, b]), to_port: u16::from_be_bytes([c, d]) })
}

/// With options or extensions, or not in one piece.
#[inline(always)]
fn unusual(ctx: &SkBuffContext) -> Option<Packet> {
    let version: u8 = load(ctx, 0)?;
    if version >> 4 == 4 {
        let transport = u32::from(version & 0xf) * 4;
        return of_ports(AF_INET, load(ctx, 9)?, transport, load(ctx, transport)?);
    }
    let (mut next, mut at): (u8, u32) = (load(ctx, 6)?, 40);
    let mut i = 0;
    while i < EXTENSIONS_MAX {
        if next == EXTENSIONS[0] || next == EXTENSIONS[1] || next == EXTENSIONS[2] {
            let [behind, length]: [u8; 2] = load(ctx, at)?;
            (next, at) = (behind, at + (u32::from(length) + 1) * 8);
        }
        i += 1;
    }
    of_ports(AF_INET6, next, at, load(ctx, at)?)
}

/// Where a message stands in its packet.
struct Message {
    at: u32,
    /// Bytes of it in the packet.
    here: u32,
    /// Bytes of it in all: of TCP more may follow.
    whole: u32,
}

/// `None`: the packet carries none.
#[inline(always)]
fn message(ctx: &SkBuffContext, packet: &Packet) -> Option<Message> {
    let length = ctx.len();
    if packet.protocol == UDP {
        let at = packet.transport + UDP_HEADER;
        let here = length.saturating_sub(at);
        return (here != 0).then_some(Message { at, here, whole: here });
    }
    let offset: u8 = load(ctx, packet.transport + 12)?;
    let at = packet.transport + u32::from(offset >> 4) * 4 + 2;
    let here = length.saturating_sub(at);
    if here < DNS_HEADER {
        return None;
    }
    let [a, b, _, _, bits, _, c, d]: [u8; 8] = load(ctx, at - 2)?;
    let whole = u32::from(u16::from_be_bytes([a, b]));
    // Only what begins a message: one question, and a question to the port, an answer from it.
    let is_answer = bits >> 7 == 1;
    if whole < DNS_HEADER || u16::from_be_bytes([c, d]) != 1 || is_answer != is_dns_port(packet.from_port) {
        return None;
    }
    Some(Message { at, here: if here > whole { whole } else { here }, whole })
}

/// Whose the message is. A sender of UDP runs here. Of TCP the kernel may send later, in whatever runs then: there it is who
/// sent first.
#[inline(always)]
fn identify(record: &mut Record, ctx: &SkBuffContext, protocol: u8, outbound: bool) -> Result<(), ProbeError> {
    // SAFETY: the helper takes the context of this program.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let asker = AM_ASKERS.get_ptr(cookie);
    if outbound && (protocol == UDP || asker.is_none()) && scope::agent_of(Task::current().tgid()?) == record.header().agent {
        record.identify()?;
        // By reference, because a copy would stand on the stack. An LRU map always has room.
        let header: &Header = record.header();
        let _ = AM_ASKERS.insert(cookie, header, 0);
        return Ok(());
    }
    if let Some(asker) = asker {
        // SAFETY: a map value; it is replaced whole.
        let asker = unsafe { &*asker };
        // Of another agent: the socket's cgroup was given to this one since.
        if asker.agent == record.header().agent {
            record.adopt(asker);
        }
    }
    Ok(())
}

#[inline(always)]
fn describe(fixed: &mut DnsFixed, ctx: &SkBuffContext, packet: &Packet, outbound: bool) -> Result<(), ProbeError> {
    if packet.family == AF_INET {
        fixed.from_addr[..4].copy_from_slice(&load::<[u8; 4]>(ctx, 12).ok_or(ProbeError::KernelRead)?);
        fixed.to_addr[..4].copy_from_slice(&load::<[u8; 4]>(ctx, 16).ok_or(ProbeError::KernelRead)?);
    } else {
        fixed.from_addr = load(ctx, 8).ok_or(ProbeError::KernelRead)?;
        fixed.to_addr = load(ctx, 24).ok_or(ProbeError::KernelRead)?;
    }
    fixed.from_port = packet.from_port;
    fixed.to_port = packet.to_port;
    fixed.family = packet.family;
    fixed.protocol = u16::from(packet.protocol);
    fixed.outbound = u32::from(outbound);
    Ok(())
}

/// Appends as much of the message as there is room for.
#[inline(always)]
fn push(record: &mut Record, ctx: &SkBuffContext, message: &Message) -> Result<(), ProbeError> {
    let want = if message.here > DNS_MAX as u32 { DNS_MAX } else { message.here as usize };
    let at = at_most(record.len(), RECORD_MAX - DNS_MAX)?;
    // Between 1 and DNS_MAX, in the form that every verifier follows.
    let take = (at_most(want - 1, DNS_MAX - 1)? & (DNS_MAX - 1)) + 1;
    // SAFETY: `at` and `take` were just bounded, so that `take` bytes fit; the helper checks the packet.
    let rc = unsafe { bpf_skb_load_bytes(ctx.as_ptr(), message.at, record.base().wrapping_add(at).cast(), take as u32) };
    if rc != 0 {
        return Err(ProbeError::KernelRead);
    }
    record.set_len(at + take);
    if take < message.whole as usize {
        record.flag(flags::TRUNCATED);
    }
    record.fixed::<DnsFixed>().message = Span { offset: at as u32, len: take as u32, original: message.whole };
    Ok(())
}
