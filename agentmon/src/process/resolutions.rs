//! What the kernel resolved, joined to the call that asked for it, so that one event has both names.
//!
//! The record of a path hook comes before that of the call it happens in, and the call's names it by its time. A pure function
//! of the events: what no call claims is told as an event of its own, but for what was resolved of a failure that the kernel counted
//! instead of telling it (`docs/decisions/0019-counted-failures.md`): that is told with the first of those. Not for: reading either
//! record.

use crate::event::{Corrected, Detail, Event, Kind, flags};
use std::collections::VecDeque;

/// Most that wait for their call; more make the oldest go on alone. Each thread has one call at a time.
const WAITING_MAX: usize = 1024;
/// How long one waits: so long no call takes between its hook and its end, but on a file system that hangs. Measured by the
/// events' own time.
const WAITS_NS: u64 = 2_000_000_000;

/// Most failures of which is remembered what was resolved; of what is forgotten each is told alone.
const FAILURES_MAX: usize = 256;
/// How long after a failure others are counted with it: two generations (`agentmon_common::repeat::generation`).
const COUNTED_NS: u64 = 2 << 32;

/// What waits for its call.
#[derive(Debug, Default)]
pub struct Resolutions {
    /// In the order they came.
    waiting: VecDeque<Event>,
    /// What was resolved of calls that failed, in the order they were told.
    failures: VecDeque<Event>,
}

impl Resolutions {
    /// Takes an event; hands on what is to be told now, in order.
    pub fn take(&mut self, mut event: Event, told: &mut Vec<Event>) {
        self.let_go_old(event.timestamp_ns, told);
        match &event.detail {
            Detail::Resolved(_) if event.has(flags::OF_CALL) => {
                if self.waiting.len() == WAITING_MAX {
                    let oldest = self.waiting.pop_front().filter(|resolved| !self.is_counted(resolved));
                    told.extend(oldest);
                }
                self.waiting.push_back(event);
                return;
            }
            Detail::Unlink(_) | Detail::Call(_) => self.join(&mut event, told),
            // Whoever has ended makes no call any more.
            Detail::Exit(_) => self.let_go(|waiting| waiting.process == event.process, told),
            _ => {}
        }
        told.push(event);
    }

    /// No event will come any more.
    pub fn finish(&mut self, told: &mut Vec<Event>) {
        while let Some(resolved) = self.waiting.pop_front() {
            told.extend((!self.is_counted(&resolved)).then_some(resolved));
        }
    }

    fn join(&mut self, call: &mut Event, told: &mut Vec<Event>) {
        let (tid, process) = (call.tid, call.process);
        let of_thread = |waiting: &Event| waiting.tid == tid && waiting.process == process;
        if call.resolved_ns != 0 {
            let at = self.waiting.iter().position(|waiting| of_thread(waiting) && waiting.timestamp_ns == call.resolved_ns);
            match at.and_then(|at| self.waiting.remove(at)) {
                Some(resolved) if !correct(call, &resolved) => told.push(resolved),
                Some(resolved) if !call.outcome.succeeded() => self.remember(resolved),
                Some(_) => {}
                None => self.join_counted(call),
            }
        }
        // An earlier one of this thread: its call's record was lost, or the kernel began anew.
        self.let_go(of_thread, told);
    }

    fn remember(&mut self, resolved: Event) {
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(resolved);
    }

    /// The event that stands for what was counted is like the second failure, which was told.
    fn join_counted(&self, call: &mut Event) {
        let is_its = |failure: &&Event| failure.process == call.process && failure.timestamp_ns == call.resolved_ns;
        if let Some(resolved) = self.failures.iter().rev().find(is_its) {
            correct(call, resolved);
        }
    }

    /// Whether the same was resolved of a failure of the same process that was told lately: then its call was counted with that.
    /// Of one whose record was lost the loss is told.
    fn is_counted(&self, resolved: &Event) -> bool {
        self.failures.iter().rev().any(|failure| {
            failure.process == resolved.process
                && resolved.timestamp_ns.saturating_sub(failure.timestamp_ns) < COUNTED_NS
                && failure.detail == resolved.detail
        })
    }

    fn let_go(&mut self, is_over: impl Fn(&Event) -> bool, told: &mut Vec<Event>) {
        let mut at = 0;
        while at < self.waiting.len() {
            if is_over(&self.waiting[at]) {
                let gone = self.waiting.remove(at).filter(|resolved| !self.is_counted(resolved));
                told.extend(gone);
            } else {
                at += 1;
            }
        }
    }

    /// Hands on what has waited too long. `now_ns`: the events' own time, of a clock or of an event that came.
    pub fn let_go_old(&mut self, now_ns: u64, told: &mut Vec<Event>) {
        while self.waiting.front().is_some_and(|oldest| now_ns.saturating_sub(oldest.timestamp_ns) > WAITS_NS) {
            let gone = self.waiting.pop_front().filter(|resolved| !self.is_counted(resolved));
            told.extend(gone);
        }
    }
}

/// Gives a call what the kernel resolved of it. `false` when the two are not of one operation.
fn correct(call: &mut Event, resolved: &Event) -> bool {
    let Detail::Resolved(resolved) = &resolved.detail else { return false };
    let Corrected { shown, differs } = match &mut call.detail {
        Detail::Unlink(unlink) if resolved.kind == Kind::Unlink => resolved.correct_unlink(unlink),
        Detail::Call(of) if resolved.kind == of.kind => resolved.correct_call(of),
        _ => return false,
    };
    call.flags |= if shown { flags::RESOLVED } else { 0 } | if differs { flags::MISMATCH } else { 0 };
    true
}
