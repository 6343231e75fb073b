//! Waiting for facts that nobody announces, with a deadline and the last thing that was seen.
//!
//! Not for: pauses. A test that waits for time to pass tests the machine's mood.

use std::time::{Duration, Instant};

/// How long a fact may take. Generous: the machine may be busy, and a test that passes does not wait.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Looks until there is something, and gives it. What is there instead goes into the failure.
///
/// # Panics
/// When it does not come before the deadline.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}; instead: {instead}"),
        }
        pause();
    }
}

/// Looks until something is so.
///
/// # Panics
/// When it is not before the deadline.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, || if is_so() { Ok(()) } else { Err("it is not so".to_owned()) });
}

/// Looks again and again for a while, for what must not happen meanwhile.
///
/// # Panics
/// When it is once not so.
#[track_caller]
pub fn stays(what: &str, how_long: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + how_long;
    while Instant::now() < end {
        assert!(is_so(), "it did not stay so: {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a fact outside of this process, which nobody announces")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
