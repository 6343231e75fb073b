//! Which file an event is about, whatever its kind.
//!
//! Not for: how far a path can be believed; it says so itself.

use super::{Detail, Event, Kind, Path};

impl Event {
    /// The file it acts on: of a rename, link or mount the new name.
    #[must_use]
    pub fn target(&self) -> Option<&Path> {
        self.paths().1
    }

    /// Of a rename or link the old name, of a mount its source. What a symbolic link points to is no name but a text.
    #[must_use]
    pub fn source(&self) -> Option<&Path> {
        self.paths().0
    }

    fn paths(&self) -> (Option<&Path>, Option<&Path>) {
        let (from, to) = match &self.detail {
            Detail::Open(open) => (None, Some(&open.path)),
            Detail::Unlink(unlink) => (None, Some(&unlink.path)),
            Detail::Resolved(resolved) => match &resolved.second {
                Some(second) => (Some(&resolved.path), Some(second)),
                None => (None, Some(&resolved.path)),
            },
            Detail::Uring(uring) => match &uring.second {
                Some(second) => (Some(&uring.target.path), Some(&second.path)),
                None => (None, Some(&uring.target.path)),
            },
            Detail::Call(call) => match (call.kind, &call.second) {
                (Kind::Rename | Kind::Link, Some(second)) => (Some(&call.target.path), Some(&second.path)),
                (_, second) => (second.as_ref().map(|second| &second.path), Some(&call.target.path)),
            },
            _ => (None, None),
        };
        let known = |path: &&Path| !path.bytes.is_empty();
        (from.filter(known), to.filter(known))
    }
}
