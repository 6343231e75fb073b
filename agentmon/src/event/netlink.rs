//! A change of the network's own settings: by a netlink message, or by a firewall's socket option.
//!
//! Which messages are changes the probes have decided (`agentmon_common::netlink`). Not for: what a message carries.

use agentmon_common::netlink::{AUDIT, NETFILTER, ROUTE, SOL_IP, XFRM};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A change of the network's own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkChange {
    /// What was asked.
    pub change: Change,
    /// The descriptor.
    pub fd: i32,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A netlink message.
    Message {
        /// `NETLINK_*`.
        protocol: u32,
        /// `nlmsg_type`.
        message: u16,
        /// `nlmsg_flags`.
        flags: u16,
    },
    /// A socket option.
    Option {
        /// `SOL_*`.
        level: u32,
        /// Number of the option.
        option: u32,
    },
}

impl Change {
    /// `route`, `xfrm`, `audit` or `netfilter`; a socket option has none.
    #[must_use]
    pub const fn protocol(self) -> Option<&'static str> {
        match self {
            Self::Message { protocol: ROUTE, .. } => Some("route"),
            Self::Message { protocol: XFRM, .. } => Some("xfrm"),
            Self::Message { protocol: AUDIT, .. } => Some("audit"),
            Self::Message { protocol: NETFILTER, .. } => Some("netfilter"),
            _ => None,
        }
    }
}

/// The kernel's name of the message or option, or its number in hexadecimal.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Message { protocol: ROUTE, message, .. } => route(f, message),
            Self::Message { protocol: NETFILTER, message, .. } if message >> 8 == NFTABLES => named(f, &NFT, message & 0xff, message),
            Self::Message { protocol: AUDIT, message, .. } if message >= 1000 => named(f, &AUDITS, message - 1000, message),
            Self::Message { message, .. } => write!(f, "{message:#x}"),
            Self::Option { level, option } => f.write_str(option_name(level, option)),
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, names: &[&str], index: u16, message: u16) -> fmt::Result {
    match names.get(usize::from(index)).filter(|name| !name.is_empty()) {
        Some(name) => f.write_str(name),
        None => write!(f, "{message:#x}"),
    }
}

/// `RTM_*`: four verbs by turns for each object (`include/uapi/linux/rtnetlink.h`).
fn route(f: &mut fmt::Formatter<'_>, message: u16) -> fmt::Result {
    let Some(number) = message.checked_sub(16) else { return write!(f, "{message:#x}") };
    let verb = ["NEW", "DEL", "GET", "SET"][usize::from(number & 3)];
    match OBJECTS.get(usize::from(number >> 2)) {
        Some(object) => write!(f, "RTM_{verb}{object}"),
        None => write!(f, "{message:#x}"),
    }
}

const OBJECTS: [&str; 27] = [
    "LINK",
    "ADDR",
    "ROUTE",
    "NEIGH",
    "RULE",
    "QDISC",
    "TCLASS",
    "TFILTER",
    "ACTION",
    "PREFIX",
    "MULTICAST",
    "ANYCAST",
    "NEIGHTBL",
    "NDUSEROPT",
    "ADDRLABEL",
    "DCB",
    "NETCONF",
    "MDB",
    "NSID",
    "STATS",
    "CACHEREPORT",
    "CHAIN",
    "NEXTHOP",
    "LINKPROP",
    "VLAN",
    "NEXTHOPBUCKET",
    "TUNNEL",
];

/// `NFNL_SUBSYS_NFTABLES` (`include/uapi/linux/netfilter/nfnetlink.h`).
const NFTABLES: u16 = 10;

/// `NFT_MSG_*` (`include/uapi/linux/netfilter/nf_tables.h`).
const NFT: [&str; 34] = [
    "NFT_MSG_NEWTABLE",
    "NFT_MSG_GETTABLE",
    "NFT_MSG_DELTABLE",
    "NFT_MSG_NEWCHAIN",
    "NFT_MSG_GETCHAIN",
    "NFT_MSG_DELCHAIN",
    "NFT_MSG_NEWRULE",
    "NFT_MSG_GETRULE",
    "NFT_MSG_DELRULE",
    "NFT_MSG_NEWSET",
    "NFT_MSG_GETSET",
    "NFT_MSG_DELSET",
    "NFT_MSG_NEWSETELEM",
    "NFT_MSG_GETSETELEM",
    "NFT_MSG_DELSETELEM",
    "NFT_MSG_NEWGEN",
    "NFT_MSG_GETGEN",
    "NFT_MSG_TRACE",
    "NFT_MSG_NEWOBJ",
    "NFT_MSG_GETOBJ",
    "NFT_MSG_DELOBJ",
    "NFT_MSG_GETOBJ_RESET",
    "NFT_MSG_NEWFLOWTABLE",
    "NFT_MSG_GETFLOWTABLE",
    "NFT_MSG_DELFLOWTABLE",
    "NFT_MSG_GETRULE_RESET",
    "NFT_MSG_DESTROYTABLE",
    "NFT_MSG_DESTROYCHAIN",
    "NFT_MSG_DESTROYRULE",
    "NFT_MSG_DESTROYSET",
    "NFT_MSG_DESTROYSETELEM",
    "NFT_MSG_DESTROYOBJ",
    "NFT_MSG_DESTROYFLOWTABLE",
    "NFT_MSG_GETSETELEM_RESET",
];

/// `AUDIT_*` from 1000 (`include/uapi/linux/audit.h`).
const AUDITS: [&str; 20] = [
    "AUDIT_GET",
    "AUDIT_SET",
    "AUDIT_LIST",
    "AUDIT_ADD",
    "AUDIT_DEL",
    "AUDIT_USER",
    "AUDIT_LOGIN",
    "AUDIT_WATCH_INS",
    "AUDIT_WATCH_REM",
    "AUDIT_WATCH_LIST",
    "AUDIT_SIGNAL_INFO",
    "AUDIT_ADD_RULE",
    "AUDIT_DEL_RULE",
    "AUDIT_LIST_RULES",
    "AUDIT_TRIM",
    "AUDIT_MAKE_EQUIV",
    "AUDIT_TTY_GET",
    "AUDIT_TTY_SET",
    "AUDIT_SET_FEATURE",
    "AUDIT_GET_FEATURE",
];

/// Names of the options that `agentmon_common::netlink::is_firewall_option` knows.
const fn option_name(level: u32, option: u32) -> &'static str {
    match (level, option) {
        (SOL_IP, 64) => "IPT_SO_SET_REPLACE",
        (SOL_IP, 65) => "IPT_SO_SET_ADD_COUNTERS",
        (SOL_IP, 96) => "ARPT_SO_SET_REPLACE",
        (SOL_IP, 97) => "ARPT_SO_SET_ADD_COUNTERS",
        (SOL_IP, 128) => "EBT_SO_SET_ENTRIES",
        (SOL_IP, 129) => "EBT_SO_SET_COUNTERS",
        (_, 64) => "IP6T_SO_SET_REPLACE",
        (_, 65) => "IP6T_SO_SET_ADD_COUNTERS",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::Change;
    use agentmon_common::netlink::{AUDIT, NETFILTER, ROUTE, XFRM};

    #[test]
    fn changes_have_the_kernels_names() {
        let name = |protocol, message| Change::Message { protocol, message, flags: 1 }.to_string();
        for (protocol, message, want) in [
            (ROUTE, 24, "RTM_NEWROUTE"),
            (ROUTE, 19, "RTM_SETLINK"),
            (ROUTE, 117, "RTM_DELNEXTHOPBUCKET"),
            (ROUTE, 3, "0x3"),
            (ROUTE, u16::MAX, "0xffff"),
            (NETFILTER, 0x0a02, "NFT_MSG_DELTABLE"),
            (NETFILTER, 0x0a1a, "NFT_MSG_DESTROYTABLE"),
            (NETFILTER, 0x0aff, "0xaff"),
            (NETFILTER, 0x0604, "0x604"),
            (XFRM, 0x1d, "0x1d"),
            (AUDIT, 1011, "AUDIT_ADD_RULE"),
            (AUDIT, 999, "0x3e7"),
        ] {
            assert_eq!(name(protocol, message), want);
        }
        assert_eq!(Change::Option { level: 41, option: 64 }.to_string(), "IP6T_SO_SET_REPLACE");
    }
}
