//! Which of a correlation's rules matched within a sliding window, and whether in their order.
//!
//! Exact, in memory that depends on the number of rules only: of each rule the newest match decides, and of each
//! beginning of the order the youngest start. Not for: which events (`super::groups`).

/// The rules that matched, by position.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Of a sequence without order: when each rule last matched. In order: when the youngest chain of rules up to this
    /// one began.
    times: Vec<Option<u64>>,
}

impl Steps {
    /// A rule matched.
    pub fn add(&mut self, step: usize, steps: usize, now_ns: u64) {
        self.times.resize(steps, None);
        if let Some(time) = self.times.get_mut(step) {
            *time = Some(now_ns);
        }
    }

    /// A rule matched, and order matters. Of one event the later steps come first: it cannot be two steps of one chain.
    pub fn add_ordered(&mut self, step: usize, steps: usize, now_ns: u64) {
        self.times.resize(steps, None);
        let began = match step.checked_sub(1) {
            None => Some(now_ns),
            Some(before) => self.times.get(before).copied().flatten(),
        };
        if let Some(time) = self.times.get_mut(step) {
            *time = (*time).max(began);
        }
    }

    /// The positions whose time is within the window, as a bit set.
    pub fn within(&self, now_ns: u64, timespan_ns: u64) -> u64 {
        let bit = |(step, time): (usize, &Option<u64>)| match time {
            Some(time) if now_ns - time < timespan_ns => 1 << step,
            _ => 0,
        };
        self.times.iter().enumerate().map(bit).sum()
    }

    /// Entries held, for bounds.
    pub fn len(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_chain_decides() {
        let mut steps = Steps::default();
        let mut ordered = |step, now| {
            steps.add_ordered(step, 3, now);
            steps.within(now, 100) & 0b100 != 0
        };
        assert!(!ordered(2, 0) && !ordered(0, 10) && !ordered(1, 20));
        assert!(!ordered(0, 50), "an earlier step again");
        assert!(ordered(2, 109), "the chain of 10 and 20");
        assert!(!ordered(2, 110), "that one began too long ago, and nothing matched the second step since");
        assert!(!ordered(1, 140));
        assert!(ordered(2, 149) && !ordered(2, 150));
    }
}
