//! Fields of the auditd view: the names that auditd gives them, and in which types of records they are.
//!
//! Not for: where their values come from (`super::value`).

use super::records::RecordType;

/// Arguments of a program that have a name: `a0` to `a31`.
const ARGUMENTS: usize = 32;
/// Arguments of a system call that have a name: `a0` to `a3`.
const CALL_ARGUMENTS: u8 = 4;

#[rustfmt::skip]
const ARGUMENT_NAMES: [&str; ARGUMENTS] = [
    "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12", "a13", "a14", "a15",
    "a16", "a17", "a18", "a19", "a20", "a21", "a22", "a23", "a24", "a25", "a26", "a27", "a28", "a29", "a30", "a31",
];

/// Declares [`AuditField`], its names and its records in one place.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal in $records:expr;)*) => {
        /// A field of an audit record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AuditField {
            $($(#[$doc])* $field,)*
            /// An argument: of a program as it is, of a system call in hexadecimal.
            Argument(u8),
        }

        impl AuditField {
            const NAMED: &[Self] = &[$(Self::$field,)*];

            /// Its name in a rule.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                    Self::Argument(number) => ARGUMENT_NAMES[number as usize % ARGUMENTS],
                }
            }

            const fn records(self) -> &'static [RecordType] {
                match self {
                    $(Self::$field => $records,)*
                    Self::Argument(..CALL_ARGUMENTS) => &[RecordType::Execve, RecordType::Syscall],
                    Self::Argument(_) => &[RecordType::Execve],
                }
            }
        }
    };
}

const EVERY: &[RecordType] = &RecordType::ALL;
const PATH: &[RecordType] = &[RecordType::Path];
const SOCKADDR: &[RecordType] = &[RecordType::Sockaddr];

fields! {
    /// The type of the record: `EXECVE`.
    Type = "type" in EVERY;
    /// What keywords are looked for in: the values of the record, joined by one space.
    Line = "line" in EVERY;
    /// The system call, by name.
    Syscall = "SYSCALL" in EVERY;
    /// `c000003e`, of a 32-bit call `40000003`.
    Arch = "arch" in EVERY;
    /// `yes` or `no`.
    Success = "success" in EVERY;
    /// What the call returned, decimal.
    Exit = "exit" in EVERY;
    /// Process id.
    Pid = "pid" in EVERY;
    /// The parent's process id.
    Ppid = "ppid" in EVERY;
    /// Real user id.
    Uid = "uid" in EVERY;
    /// Effective user id.
    Euid = "euid" in EVERY;
    /// The thread's name.
    Comm = "comm" in EVERY;
    /// The program.
    Exe = "exe" in EVERY;
    /// Number of arguments.
    Argc = "argc" in &[RecordType::Execve];
    /// The file.
    Name = "name" in PATH;
    /// `NORMAL`, `CREATE` or `DELETE`.
    Nametype = "nametype" in PATH;
    /// Working directory.
    Cwd = "cwd" in &[RecordType::Cwd];
    /// The arguments of the process, joined by one space.
    Proctitle = "proctitle" in &[RecordType::Proctitle];
    /// `inet`, `inet6` or `local`.
    SaddrFam = "saddr_fam" in SOCKADDR;
    /// The address.
    Laddr = "laddr" in SOCKADDR;
    /// The port.
    Lport = "lport" in SOCKADDR;
    /// Path of a UNIX socket.
    SocketPath = "path" in SOCKADDR;
    /// Any that auditd has and this view has not: absent in every record.
    Unknowable = "key" in &[];
}

impl AuditField {
    /// Number of fields.
    pub(in crate::rules) const COUNT: usize = Self::NAMED.len() + ARGUMENTS;

    /// The field at this place, below [`Self::COUNT`].
    pub(in crate::rules) const fn at(place: usize) -> Self {
        if place < Self::NAMED.len() { Self::NAMED[place] } else { Self::Argument((place - Self::NAMED.len()) as u8) }
    }

    /// Whether records of this type have it.
    pub(super) fn is_in(self, record: RecordType) -> bool {
        self.records().contains(&record)
    }

    /// Whether its values are whole numbers, written with decimal digits.
    pub(in crate::rules) const fn is_number(self) -> bool {
        matches!(self, Self::Exit | Self::Pid | Self::Ppid | Self::Uid | Self::Euid | Self::Argc | Self::Lport)
    }
}
