//! System calls by which a process sends signals.
//!
//! Numbers as in `super::rows`. They make no record of their own: what was sent is seen by its effect.

/// One call: its name, its numbers on x86-64 (512 and up are x32's own) and on i386, and whether sending is what it is for.
struct Sender {
    name: &'static str,
    native: &'static [u16],
    compat: &'static [u16],
    sends: bool,
}

const SENDERS: [Sender; 7] = [
    Sender { name: "kill", native: &[62], compat: &[37], sends: true },
    Sender { name: "tkill", native: &[200], compat: &[238], sends: true },
    Sender { name: "tgkill", native: &[234], compat: &[270], sends: true },
    Sender { name: "rt_sigqueueinfo", native: &[129, 524], compat: &[178], sends: true },
    Sender { name: "rt_tgsigqueueinfo", native: &[297, 536], compat: &[335], sends: true },
    Sender { name: "pidfd_send_signal", native: &[424], compat: &[424], sends: true },
    // cgroup.kill.
    Sender { name: "write", native: &[1], compat: &[4], sends: false },
];

/// Name of the call of this number, when it is one by which processes are signalled.
#[must_use]
pub fn sender_name(compat: bool, number: u16) -> Option<&'static str> {
    let numbers = |sender: &Sender| if compat { sender.compat } else { sender.native };
    SENDERS.iter().find(|sender| numbers(sender).contains(&number)).map(|sender| sender.name)
}

/// Whether sending signals is what the call of this number is for. Not by the table: the probes cannot follow its pointers.
#[must_use]
#[inline(always)]
pub const fn is_sender(compat: bool, number: u64) -> bool {
    if compat { matches!(number, 37 | 178 | 238 | 270 | 335 | 424) } else { matches!(number, 62 | 129 | 200 | 234 | 297 | 424 | 524 | 536) }
}

// Both say the same.
const _: () = {
    let mut number = 0;
    while number < super::PER_ABI as u64 {
        assert!(is_sender(false, number) == in_table(false, number) && is_sender(true, number) == in_table(true, number));
        number += 1;
    }
};

const fn in_table(compat: bool, number: u64) -> bool {
    let mut i = 0;
    let mut found = false;
    while i < SENDERS.len() {
        let numbers = if compat { SENDERS[i].compat } else { SENDERS[i].native };
        let mut n = 0;
        while n < numbers.len() {
            found |= SENDERS[i].sends && numbers[n] as u64 == number;
            n += 1;
        }
        i += 1;
    }
    found
}
