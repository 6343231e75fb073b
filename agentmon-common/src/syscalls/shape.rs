//! How the record of a call is made of its arguments, and the words that the table of calls is written in.
//!
//! Not for: which calls there are (`super::rows`).

/// No argument.
pub const NO: u8 = 0xff;
/// On an argument index: i386 passes the 64-bit value in two arguments, the low half first.
pub const PAIR: u8 = 0x10;
/// Most plain arguments that a record carries.
pub const ARGS_MAX: usize = 4;

/// What a call acts on, and which arguments say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Place {
    /// One of [`place`].
    pub what: u8,
    /// Index of the (first) argument.
    pub at: u8,
}

/// Values of [`Place::what`].
pub mod place {
    /// Nothing.
    pub const NONE: u8 = 0;
    /// A path, relative to the working directory.
    pub const PATH: u8 = 1;
    /// A directory descriptor, and in the next argument a path that is relative to it.
    pub const AT: u8 = 2;
    /// An open file.
    pub const FD: u8 = 3;
    /// The open file that the call returned.
    pub const RESULT: u8 = 4;
}

/// Values of [`Shape::only`]: which calls of an operation are recorded. In the table and not in the probe's code, because
/// the verifier goes through all of the code behind a comparison of the operation once more for each operation.
pub mod only {
    /// All of them.
    pub const ALL: u8 = 0;
    /// mmap: shared mappings of files that are writable or can become so.
    pub const WRITABLE_MAP: u8 = 2;
    /// The same of i386's first mmap, whose arguments stand in memory.
    pub const WRITABLE_MAP_OLD: u8 = 3;
    /// open_tree: those that clone.
    pub const CLONES: u8 = 4;
    /// ptrace: the requests that begin to trace, or change the traced.
    pub const TELLING: u8 = 5;
    /// prlimit64: those that set a limit of a process named by its id.
    pub const SETS_LIMIT: u8 = 6;
    /// Those whose first argument is the id of another process.
    pub const OF_OTHER: u8 = 7;
    /// setpriority: of another process, of a group or a user.
    pub const PRIORITY_OF_OTHER: u8 = 8;
    /// ioprio_set: likewise.
    pub const IOPRIO_OF_OTHER: u8 = 9;
    /// kcmp: when one of the two is the id of another process.
    pub const OF_OTHERS: u8 = 10;
    /// process_madvise: when the pidfd is not that of the process itself.
    pub const PIDFD_OF_OTHER: u8 = 11;
    /// personality: all but the question.
    pub const SETS_PERSONA: u8 = 12;
    /// syslog: what clears, or turns the console.
    pub const CLEARS_LOG: u8 = 13;
    /// clone: with namespaces of its own, told of the creator.
    pub const MAKES_NAMESPACES: u8 = 14;
    /// clone3: likewise.
    pub const MAKES_NAMESPACES_BEHIND: u8 = 15;
    /// This and the next, by argument: it points to a number that is not 0, or that cannot be read.
    pub const NOT_ZERO_BEHIND: u8 = 16;
    /// This and the next three, by argument: it is one of the first two commands (`IPC_RMID` and `IPC_SET`, with `IPC_64` or without;
    /// `SECCOMP_SET_MODE_STRICT` and `_FILTER`).
    pub const FIRST_TWO: u8 = 20;
}

/// Values of [`Shape::besides`]: what a record has that no argument says, or says otherwise. In the table as [`only`] is.
pub mod besides {
    /// Nothing.
    pub const NOTHING: u8 = 0;
    /// Instead of the first plain argument the number it points to.
    pub const BEHIND_FIRST: u8 = 1;
    /// Likewise of the second.
    pub const BEHIND_SECOND: u8 = 2;
    /// As the third plain argument the process behind the pidfd that is the first argument.
    pub const PIDFD: u8 = 3;
    /// The arguments stand in memory, whose address is the first; flags say how far it could be read.
    pub const IN_MEMORY: u8 = 4;
    /// The text has a length, which is the second argument, and needs no NUL.
    pub const COUNTED_TEXT: u8 = 5;
    /// Instead of the second plain argument the byte it points to.
    pub const BYTE_BEHIND_SECOND: u8 = 6;
    /// Instead of the second plain argument the two numbers of 64 bits that it points to, as the second and the third.
    pub const RANGE_BEHIND_SECOND: u8 = 7;
    /// The text is the name of a network interface: 16 bytes at most, and more may follow.
    pub const INTERFACE_TEXT: u8 = 8;
    /// Instead of the first plain argument the time of modification that it points to, or one of [`super::times`].
    pub const MODIFIED: u8 = 9;
    /// The call changes the root directory, and perhaps the working directory with it.
    pub const NEW_ROOT: u8 = 10;
}

/// Times of modification that are none, as two's complement.
pub mod times {
    /// The present.
    pub const NOW: i64 = i64::MIN;
    /// As it is (`UTIME_OMIT`).
    pub const AS_IT_IS: i64 = i64::MIN + 1;
    /// What was given could not be read.
    pub const UNREADABLE: i64 = i64::MIN + 2;
}

/// How the record of a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Shape {
    /// Kind of the record; 0 when the operation has a handler of its own.
    pub kind: u16,
    /// What it acts on.
    pub first: Place,
    /// Where to, or what else.
    pub second: Place,
    /// Index of an argument that is a string and no path, or [`NO`].
    pub text: u8,
    /// Indices of the plain arguments, [`NO`] where there are fewer; see [`PAIR`].
    pub args: [u8; ARGS_MAX],
    /// One of [`only`].
    pub only: u8,
    /// One of [`besides`].
    pub besides: u8,
}

impl Shape {
    /// Of an operation with a handler of its own.
    pub const OWN: Self =
        Self { kind: 0, first: NOTHING, second: NOTHING, text: NO, args: [NO; ARGS_MAX], only: only::ALL, besides: besides::NOTHING };

    /// Whether user memory must be read at entry, before another thread can change it.
    #[must_use]
    pub const fn has_path(&self) -> bool {
        matches!(self.first.what, place::PATH | place::AT) || matches!(self.second.what, place::PATH | place::AT)
    }
}

pub(super) const NOTHING: Place = Place { what: place::NONE, at: NO };

/// The file that the call returned.
pub(super) const RESULT: Place = Place { what: place::RESULT, at: NO };

pub(super) const fn path(at: u8) -> Place {
    Place { what: place::PATH, at }
}

pub(super) const fn at(at: u8) -> Place {
    Place { what: place::AT, at }
}

pub(super) const fn fd(at: u8) -> Place {
    Place { what: place::FD, at }
}

/// A call that acts on one place.
pub(super) const fn on(kind: u16, first: Place, args: [u8; ARGS_MAX]) -> Shape {
    Shape { kind, first, second: NOTHING, text: NO, args, only: only::ALL, besides: besides::NOTHING }
}

/// A call that acts on two places.
pub(super) const fn two(kind: u16, first: Place, second: Place, args: [u8; ARGS_MAX]) -> Shape {
    Shape { kind, first, second, text: NO, args, only: only::ALL, besides: besides::NOTHING }
}

/// A call with plain arguments only.
pub(super) const fn plain(kind: u16, args: [u8; ARGS_MAX]) -> Shape {
    on(kind, NOTHING, args)
}

impl Shape {
    pub(super) const fn and_text(self, text: u8) -> Self {
        Self { text, ..self }
    }

    pub(super) const fn if_it(self, only: u8) -> Self {
        Self { only, ..self }
    }

    pub(super) const fn and(self, besides: u8) -> Self {
        Self { besides, ..self }
    }
}

pub(super) const fn args0() -> [u8; ARGS_MAX] {
    [NO; ARGS_MAX]
}

pub(super) const fn args1(a: u8) -> [u8; ARGS_MAX] {
    [a, NO, NO, NO]
}

pub(super) const fn args2(a: u8, b: u8) -> [u8; ARGS_MAX] {
    [a, b, NO, NO]
}

pub(super) const fn args3(a: u8, b: u8, c: u8) -> [u8; ARGS_MAX] {
    [a, b, c, NO]
}
