//! Joining what the kernel resolved to the call that asked for it: what is told, in which order, and that nothing is dropped.

use super::{event, exit, key};
use crate::event::{Call, Detail, Event, FileId, Kind, Path, PathTrust, ProcessKey, Resolved, Target, Unlink, flags};
use crate::process::Resolutions;
use agentmon_common::hooks::hook;
use agentmon_common::syscalls::op;
use bytes::Bytes;

const FILE: FileId = FileId { major: 8, minor: 1, ino: 77, mode: 0o100_644, nlink: 2 };

fn path(bytes: &'static str, trust: PathTrust) -> Path {
    Path { bytes: Bytes::from_static(bytes.as_bytes()), trust }
}

fn at(mut event: Event, timestamp_ns: u64) -> Event {
    event.timestamp_ns = timestamp_ns;
    event
}

/// What the kernel resolved inside a call.
fn resolved(process: ProcessKey, of: Kind, real: &'static str, timestamp_ns: u64) -> Event {
    let detail = Resolved {
        kind: of,
        hook: if of == Kind::Rename { hook::RENAME } else { hook::UNLINK },
        args: [0; 2],
        file: FILE,
        path: path(real, PathTrust::Resolved),
        second: (of == Kind::Rename).then(|| path("/real/to", PathTrust::Resolved)),
        replaced: FileId::default(),
        text: None,
        by_worker: false,
    };
    let mut event = at(event(process, Detail::Resolved(detail)), timestamp_ns);
    event.flags = flags::SUBMITTED | flags::OF_CALL;
    event
}

fn unlink(process: ProcessKey, asked: Path, resolved_ns: u64) -> Event {
    let mut event = at(event(process, Detail::Unlink(Unlink { path: asked, ..Unlink::default() })), 20);
    event.resolved_ns = resolved_ns;
    event
}

fn take(resolutions: &mut Resolutions, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut told = Vec::new();
    events.into_iter().for_each(|event| resolutions.take(event, &mut told));
    told
}

fn joined(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    take(&mut Resolutions::default(), events)
}

/// Path, trust and inode of a removal.
fn removed(event: &Event) -> (&[u8], PathTrust, u64) {
    let Detail::Unlink(unlink) = &event.detail else { panic!("{event:?}") };
    (&unlink.path.bytes, unlink.path.trust, unlink.file.ino)
}

#[test]
fn a_removal_is_told_once_with_both_names() {
    for (asked, mismatch) in [("/soft/a", true), ("/real/a", false)] {
        let told = joined([resolved(key(10), Kind::Unlink, "/real/a", 10), unlink(key(10), path(asked, PathTrust::Joined), 10)]);
        assert_eq!(told.len(), 1);
        assert_eq!(removed(&told[0]), (&b"/real/a"[..], PathTrust::Resolved, 77));
        assert_eq!((told[0].has(flags::RESOLVED), told[0].has(flags::MISMATCH)), (true, mismatch), "{asked}");
    }
}

#[test]
fn a_name_whose_front_is_not_known_is_no_other_name() {
    let told = joined([resolved(key(10), Kind::Unlink, "/real/a", 10), unlink(key(10), path("a", PathTrust::Partial), 10)]);
    assert_eq!((told.len(), told[0].has(flags::RESOLVED), told[0].has(flags::MISMATCH)), (1, true, false));
    assert_eq!(removed(&told[0]).0, b"/real/a");
}

/// Changes the first path that the kernel resolved into one of which the front is missing.
fn deep(mut event: Event) -> Event {
    if let Detail::Resolved(resolved) = &mut event.detail {
        resolved.path = path("deep/a", PathTrust::Partial);
    }
    event
}

#[test]
fn a_path_that_was_too_deep_for_the_walk_leaves_the_programs_own_and_is_not_called_the_kernels() {
    let told = joined([deep(resolved(key(10), Kind::Unlink, "", 10)), unlink(key(10), path("/soft/a", PathTrust::Joined), 10)]);
    assert_eq!(told.len(), 1);
    assert_eq!(removed(&told[0]), (&b"/soft/a"[..], PathTrust::Joined, 77));
    assert_eq!((told[0].has(flags::RESOLVED), told[0].has(flags::MISMATCH)), (false, false));
}

#[test]
fn what_waits_too_long_goes_on_when_no_event_comes() {
    let mut resolutions = Resolutions::default();
    let mut told = take(&mut resolutions, [resolved(key(10), Kind::Unlink, "/real/a", 10)]);
    resolutions.let_go_old(2_000_000_010, &mut told);
    assert_eq!(told, [], "not yet");
    resolutions.let_go_old(2_000_000_011, &mut told);
    assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Resolved]);
}

#[test]
fn both_names_of_a_rename_are_the_kernels() {
    let target = |asked| Target { path: path(asked, PathTrust::Joined), ..Target::default() };
    let call = Call {
        kind: Kind::Rename,
        op: op::RENAME,
        args: [0; 4],
        file: FileId::default(),
        target: target("/real/from"),
        second: Some(target("/soft/to")),
        text: None,
    };
    let mut call = at(event(key(10), Detail::Call(call)), 20);
    call.resolved_ns = 10;
    let again = call.clone();
    let told = joined([resolved(key(10), Kind::Rename, "/real/from", 10), call]);
    let [Event { detail: Detail::Call(call), .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(&call.second.as_ref().unwrap().path.bytes[..], b"/real/to");
    assert_eq!(call.file, FILE);
    assert!(told[0].has(flags::MISMATCH), "the second name alone differs");
    assert!(told[0].has(flags::RESOLVED));
    let told = joined([deep(resolved(key(10), Kind::Rename, "", 10)), again]);
    let [Event { detail: Detail::Call(call), .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&call.target.path.bytes[..], &call.second.as_ref().unwrap().path.bytes[..]), (&b"/real/from"[..], &b"/real/to"[..]));
    assert!(!told[0].has(flags::RESOLVED) && told[0].has(flags::MISMATCH), "one of its two names is the program's");
}

#[test]
fn a_call_that_got_nowhere_takes_nothing_from_the_one_before() {
    let asked = || path("/soft/a", PathTrust::Joined);
    // The record of the call that this belongs to was lost; the next one of the thread names none, or another.
    for names in [0, 11] {
        let told = joined([resolved(key(10), Kind::Unlink, "/real/a", 10), unlink(key(10), asked(), names)]);
        assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Resolved, Kind::Unlink]);
        assert_eq!(removed(&told[1]).0, b"/soft/a");
    }
    // Nor does a call of another thread, or of another kind.
    let mut resolutions = Resolutions::default();
    let told = take(&mut resolutions, [resolved(key(10), Kind::Unlink, "/real/a", 10), unlink(key(11), asked(), 10)]);
    assert_eq!(removed(&told[0]).0, b"/soft/a");
    let told = joined([resolved(key(10), Kind::Rename, "/real/a", 10), unlink(key(10), asked(), 10)]);
    assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Resolved, Kind::Unlink]);
}

#[test]
fn what_no_call_claims_is_told_alone() {
    let mut alone = resolved(key(10), Kind::Unlink, "/real/a", 10);
    alone.flags &= !flags::OF_CALL;
    assert_eq!(joined([alone]).len(), 1, "in no call: at once");
    let inside = |at| resolved(key(10), Kind::Unlink, "/real/a", at);
    assert_eq!(joined([inside(10)]), [], "it waits");
    let told = joined([inside(10), exit(key(10))]);
    assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Resolved, Kind::Exit], "killed inside the call");
    let told = joined([inside(10), at(exit(key(11)), 3_000_000_000)]);
    assert_eq!(told.len(), 2, "long ago");
    let mut resolutions = Resolutions::default();
    let mut told = take(&mut resolutions, [inside(10)]);
    resolutions.finish(&mut told);
    assert_eq!(told.len(), 1, "the end");
}

#[test]
fn more_than_can_wait_go_on_alone() {
    let mut resolutions = Resolutions::default();
    let told = take(&mut resolutions, (0..5000).map(|at| resolved(key(10 + at), Kind::Unlink, "/real/a", 10)));
    let mut all = told.clone();
    resolutions.finish(&mut all);
    assert!(told.len() > 3000 && all.len() == 5000, "{} {}", told.len(), all.len());
}

/// A removal that was refused when the kernel had resolved it.
fn refused(process: ProcessKey, resolved_ns: u64) -> Event {
    let mut event = at(unlink(process, path("/soft/a", PathTrust::Joined), resolved_ns), resolved_ns + 1);
    event.outcome = crate::event::Outcome(-39);
    event
}

#[test]
fn what_was_resolved_of_a_failure_that_is_counted_is_not_told_alone() {
    let inside = |at| resolved(key(10), Kind::Unlink, "/real/a", at);
    let mut resolutions = Resolutions::default();
    let told = take(&mut resolutions, [inside(10), refused(key(10), 10), inside(20), refused(key(10), 20)]);
    assert!(told.len() == 2 && told.iter().all(|event| event.has(flags::RESOLVED)));
    // Counted, each of them; then one that is told, and what is left in the end, which is like the second.
    let told = take(&mut resolutions, [inside(30), inside(40), inside(50), refused(key(10), 50), inside(60), refused(key(10), 20)]);
    assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Unlink; 2]);
    assert!(told.iter().all(|event| removed(event).0 == b"/real/a"));
    // More of them than can wait.
    assert_eq!(take(&mut resolutions, (61..5000).map(inside)), []);
    // Of another process, of another file, much later: nobody knows what came of it.
    let others = [
        resolved(key(11), Kind::Unlink, "/real/a", 70),
        resolved(key(10), Kind::Unlink, "/real/b", 70),
        resolved(key(10), Kind::Unlink, "/real/a", 3 << 32),
    ];
    for (other, process) in others.into_iter().zip([11, 10, 10]) {
        let told = take(&mut resolutions, [other, exit(key(process))]);
        assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Resolved, Kind::Exit]);
    }
    // What succeeded is never counted: its like is told.
    let told = joined([inside(10), unlink(key(10), path("/soft/a", PathTrust::Joined), 10), inside(20), exit(key(10))]);
    assert_eq!(told.iter().map(Event::kind).collect::<Vec<_>>(), [Kind::Unlink, Kind::Resolved, Kind::Exit]);
}
