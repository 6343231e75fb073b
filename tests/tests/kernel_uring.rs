//! io_uring against the real kernel: what is asked of a ring is seen, though it makes no system call.

use agentmon::event::{Detail, Uring};
use agentmon_tests::skip::skip;
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

fn seen_as_done(test: &str, mode: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8")]);
    if run.of("skip").next().is_some() {
        return skip(test, "io_uring is disabled on this host");
    }
    // 6.1 cannot be asked for ftruncate.
    watch.check(&run, 15);
    let requests = |event: &&agentmon::event::Event| matches!(event.detail, Detail::Uring(Uring { .. }));
    assert_eq!(watch.events().iter().filter(requests).count(), run.truths.len(), "nothing is told twice");
    if mode == "uring-sqpoll" {
        let by_ring =
            watch.events().iter().filter(requests).filter(|event| event.tid != event.process.tgid && event.comm().starts_with(b"iou-sqp-"));
        assert_eq!(by_ring.count(), run.truths.len(), "the ring's own thread submits");
    }
}

#[test]
fn what_is_asked_of_a_ring_is_seen_with_the_names_the_kernel_copied() {
    seen_as_done("what_is_asked_of_a_ring_is_seen_with_the_names_the_kernel_copied", "uring");
}

#[test]
fn a_ring_that_is_polled_by_the_kernel_hides_nothing() {
    seen_as_done("a_ring_that_is_polled_by_the_kernel_hides_nothing", "uring-sqpoll");
}
