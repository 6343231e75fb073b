//! What is known of a number without a look at the table: whether it is one at all, and whether it is an exec.
//!
//! By comparisons alone, because the probes ask too. Not for: what a call does (`super::rows`).

use super::{PER_ABI, TABLE, index, op};

/// Whether no call has this number in Linux 6.18 (without [`super::X32_BIT`]): one of a later kernel, or of none. Numbers that
/// lost their call count as known.
///
/// `arch/x86/entry/syscalls/syscall_64.tbl` (335 is uretprobe, 336 uprobe; 512 to 547 are x32's own) and `syscall_32.tbl`.
#[must_use]
#[inline(always)]
pub const fn is_unknown(compat: bool, number: u64) -> bool {
    if compat { !matches!(number, 0..=386 | 393..=414 | 416..=469) } else { !matches!(number, 0..=336 | 424..=469 | 512..=547) }
}

/// Whether a call of this number executes a program.
#[must_use]
#[inline(always)]
pub const fn is_exec(compat: bool, number: u64) -> bool {
    if compat { matches!(number, 11 | 358) } else { matches!(number, 59 | 322 | 520 | 545) }
}

// The table says the same.
const _: () = {
    let mut number = 0;
    while number < PER_ABI as u64 {
        let (native, compat) = (TABLE[index(false, number as u16)], TABLE[index(true, number as u16)]);
        assert!(is_exec(false, number) == matches!(native, op::EXECVE | op::EXECVEAT));
        assert!(is_exec(true, number) == matches!(compat, op::EXECVE | op::EXECVEAT));
        assert!(native == op::NONE || !is_unknown(false, number));
        assert!(compat == op::NONE || !is_unknown(true, number));
        number += 1;
    }
};
