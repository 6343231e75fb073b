//! Netlink messages and socket options that change the network's own settings: which of them do.
//!
//! The probes report only those; lists and queries come by the thousand (every `getaddrinfo` asks for the addresses of
//! the host). Not for: names (`agentmon::event`).

/// `AF_NETLINK` (`include/linux/socket.h`).
pub const AF_NETLINK: u16 = 16;
/// `NETLINK_ROUTE` (`include/uapi/linux/netlink.h`): links, addresses, routes, traffic control.
pub const ROUTE: u32 = 0;
/// `NETLINK_XFRM`: IPsec.
pub const XFRM: u32 = 6;
/// `NETLINK_AUDIT`: the audit system.
pub const AUDIT: u32 = 9;
/// `NETLINK_NETFILTER`: nftables, connection tracking, ipset, packet queues.
pub const NETFILTER: u32 = 12;

/// Most messages of one send that are looked at.
pub const MESSAGES_MAX: u32 = 64;

/// `SOL_IP` and `SOL_IPV6` (`include/linux/socket.h`).
pub const SOL_IP: u32 = 0;
/// See [`SOL_IP`].
pub const SOL_IPV6: u32 = 41;

/// Whether sends on a netlink socket of this protocol are looked at.
#[must_use]
#[inline(always)]
pub const fn is_watched(protocol: u32) -> bool {
    matches!(protocol, ROUTE | XFRM | AUDIT | NETFILTER)
}

/// `NLM_F_REQUEST` (`include/uapi/linux/netlink.h`).
const REQUEST: u16 = 1;

/// Whether a message of this type, with these flags, changes something.
///
/// Told by the type, as the kernel tells it: a dump is a GET with a flag. What is no request the kernel passes over;
/// only audit does not look.
#[must_use]
#[inline(always)]
pub const fn is_change(protocol: u32, message: u16, flags: u16) -> bool {
    (flags & REQUEST != 0 || protocol == AUDIT) && changes(protocol, message)
}

#[inline(always)]
const fn changes(protocol: u32, message: u16) -> bool {
    match protocol {
        // NEW, DEL, GET, SET by turns; what is not GET asks for CAP_NET_ADMIN (`rtnetlink_rcv_msg`).
        ROUTE => message >= 16 && message & 3 != 2,
        // GETSA, GETPOLICY, GETAE, GETSADINFO, GETSPDINFO, GETDEFAULT (`include/uapi/linux/xfrm.h`).
        XFRM => message >= 16 && !matches!(message, 0x12 | 0x15 | 0x1f | 0x23 | 0x25 | 0x28),
        // GET, LIST, SIGNAL_INFO, LIST_RULES, TTY_GET, GET_FEATURE ask; above are texts for the audit log
        // (`include/uapi/linux/audit.h`).
        AUDIT => message >= 1000 && message < 1100 && !matches!(message, 1000 | 1002 | 1010 | 1013 | 1016 | 1019),
        NETFILTER => is_netfilter_change(message),
        _ => false,
    }
}

/// By subsystem (high byte), the messages (low byte) that only ask (`include/uapi/linux/netfilter/nfnetlink*.h`).
///
/// Subsystem 0 holds the marks of a batch, which change nothing themselves. A subsystem that is not here only changes.
/// One entry for each value of the byte: no bound has to be checked, which the compiler and the verifier may see on
/// different copies of it.
const ASKING: [u64; 256] = {
    let mut asking = [0; 256];
    asking[0] = u64::MAX;
    // Conntrack: GET, GET_CTRZERO, GET_STATS_CPU, GET_STATS, GET_DYING, GET_UNCONFIRMED.
    asking[1] = bits(&[1, 3, 4, 5, 6, 7]);
    // Expectations: GET, GET_STATS_CPU.
    asking[2] = bits(&[1, 3]);
    // Packet queue: PACKET, VERDICT, VERDICT_BATCH; CONFIG takes packets away.
    asking[3] = bits(&[0, 1, 3]);
    // ipset: PROTOCOL, LIST, SAVE, TEST, HEADER, TYPE, GET_BYNAME, GET_BYINDEX.
    asking[6] = bits(&[1, 7, 8, 11, 12, 13, 14, 15]);
    // Accounting: GET, GET_CTRZERO.
    asking[7] = bits(&[1, 2]);
    // Conntrack time-outs: GET, DEFAULT_GET.
    asking[8] = bits(&[1, 4]);
    // Conntrack helpers: GET.
    asking[9] = bits(&[1]);
    // nftables: the GETs, TRACE, NEWGEN (an answer).
    asking[10] = bits(&[1, 4, 7, 10, 13, 15, 16, 17, 19, 21, 23, 25, 33]);
    // Compatibility: GET. Hooks: GET.
    asking[11] = bits(&[0]);
    asking[12] = bits(&[0]);
    asking
};

const fn bits(numbers: &[u32]) -> u64 {
    let mut bits = 0;
    let mut i = 0;
    while i < numbers.len() {
        bits |= 1 << numbers[i];
        i += 1;
    }
    bits
}

#[inline(always)]
const fn is_netfilter_change(message: u16) -> bool {
    let [number, subsystem] = message.to_le_bytes();
    number >= 64 || ASKING[subsystem as usize] >> number & 1 == 0
}

/// Whether a socket option changes a firewall: `IPT_SO_SET_REPLACE` and `IPT_SO_SET_ADD_COUNTERS` (64, 65; the same for
/// IPv6), `ARPT_SO_SET_*` (96, 97), `EBT_SO_SET_*` (128, 129) (`include/uapi/linux/netfilter_*/`).
#[must_use]
#[inline(always)]
pub const fn is_firewall_option(level: u32, option: u32) -> bool {
    match level {
        SOL_IP => matches!(option, 64 | 65 | 96 | 97 | 128 | 129),
        SOL_IPV6 => matches!(option, 64 | 65),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{AUDIT, NETFILTER, REQUEST, ROUTE, XFRM, is_firewall_option};

    fn is_change(protocol: u32, message: u16) -> bool {
        super::is_change(protocol, message, REQUEST | 0x300)
    }

    #[test]
    fn what_changes_is_told_from_what_asks() {
        // RTM_NEWROUTE, RTM_DELADDR, RTM_SETLINK, RTM_NEWTFILTER.
        for message in [24, 21, 19, 44] {
            assert!(is_change(ROUTE, message), "{message}");
        }
        // NLMSG_NOOP, RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE.
        for message in [1, 18, 22, 26] {
            assert!(!is_change(ROUTE, message), "{message}");
        }
        // NFT_MSG_NEWTABLE, DELTABLE, DELRULE, DESTROYTABLE; IPSET_CMD_FLUSH; an unknown subsystem and message.
        for message in [0x0a00, 0x0a02, 0x0a08, 0x0a1a, 0x0604, 0x0f00, 0x0aff] {
            assert!(is_change(NETFILTER, message), "{message:#x}");
        }
        // NFNL_MSG_BATCH_BEGIN, NFT_MSG_GETTABLE, GETRULE_RESET, GETGEN, IPCTNL_MSG_CT_GET, IPSET_CMD_LIST.
        for message in [0x10, 0x0a01, 0x0a19, 0x0a10, 0x0101, 0x0607] {
            assert!(!is_change(NETFILTER, message), "{message:#x}");
        }
        assert!(is_change(XFRM, 0x10) && is_change(XFRM, 0x1d) && !is_change(XFRM, 0x12));
        // AUDIT_ADD_RULE, AUDIT_SET; AUDIT_GET, AUDIT_LIST_RULES, AUDIT_USER_LOGIN.
        assert!(is_change(AUDIT, 1011) && is_change(AUDIT, 1001));
        assert!(!is_change(AUDIT, 1000) && !is_change(AUDIT, 1013) && !is_change(AUDIT, 1112));
        assert!(!is_change(16, 0x10), "generic netlink is not looked at");
    }

    #[test]
    fn only_audit_takes_what_is_no_request() {
        assert!(!super::is_change(ROUTE, 24, 0) && !super::is_change(NETFILTER, 0x0a02, 4));
        assert!(super::is_change(AUDIT, 1011, 0));
    }

    #[test]
    fn firewall_options_are_told_by_level_and_number() {
        assert!(is_firewall_option(0, 64) && is_firewall_option(41, 65) && is_firewall_option(0, 129));
        assert!(!is_firewall_option(1, 64) && !is_firewall_option(0, 63) && !is_firewall_option(41, 96));
    }
}
