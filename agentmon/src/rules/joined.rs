//! Texts that exist in one piece only when a rule asks: command lines, ancestors, the data of a DNS answer.
//!
//! Not for: values that stand in the event as they are (`super::value`).

use super::audit::{self, AuditField, Record};
use super::field::Field;
use super::value::image;
use crate::event::{Detail, Dns, WallClock};
use crate::process::Operation;

/// Which texts are to be joined, as rules ask for them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Joins {
    own: bool,
    parent: bool,
    ancestors: bool,
    line: bool,
}

impl Joins {
    /// Those that are asked for.
    pub fn asked(asks: impl Fn(Field) -> bool) -> Self {
        Self {
            own: asks(Field::CommandLine) || asks(Field::Audit(AuditField::Proctitle)),
            parent: asks(Field::ParentCommandLine),
            ancestors: asks(Field::AncestorImages),
            line: asks(Field::Audit(AuditField::Line)),
        }
    }

    /// Whether anything is.
    pub const fn any(self) -> bool {
        self.own || self.parent || self.ancestors || self.line
    }
}

/// Buffers for command lines, which exist as one text only when a rule asks.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) own: Vec<u8>,
    pub(super) parent: Vec<u8>,
    /// Programs of the creator, its creator, and so on.
    pub(super) ancestors: Vec<u8>,
    /// Arguments that a process moved.
    pub(super) moved: Vec<u8>,
    /// The time of day at boot.
    pub(super) clock: WallClock,
    /// What a DNS answer says.
    pub(super) results: Vec<u8>,
    /// What keywords are looked for in, in an audit record.
    pub(super) line: Vec<u8>,
    /// The audit record that is looked at; `None` where no single one is.
    pub(super) record: Option<Record>,
}

impl Joined {
    /// Empty buffers, for events whose stamps begin at this time of day.
    pub fn new(clock: WallClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Joins what these fields ask for.
    pub fn fill_for<'f>(&mut self, operation: &Operation<'_>, fields: impl Iterator<Item = &'f Field> + Clone) {
        self.fill(operation, Joins::asked(|wanted| fields.clone().any(|field| *field == wanted)));
    }

    /// Joins what this category's rules ask for.
    pub fn fill(&mut self, operation: &Operation<'_>, joins: Joins) {
        self.own.clear();
        self.parent.clear();
        self.ancestors.clear();
        self.moved.clear();
        self.results.clear();
        self.line.clear();
        if joins.own
            && let Some(exec) = image(operation)
        {
            join(&mut self.own, &exec.argv.bytes);
        }
        if joins.parent
            && let Some(exec) = operation.parent_image()
        {
            join(&mut self.parent, &exec.argv.bytes);
        }
        if joins.ancestors {
            for exec in operation.ancestors().filter_map(|process| process.image.as_deref()) {
                self.ancestors.extend_from_slice(&exec.exe.bytes);
                self.ancestors.push(b';');
            }
        }
        if joins.line {
            audit::line(&mut self.line, operation, self.record);
        }
        if let Detail::Argv(moved) = &operation.event.detail {
            join(&mut self.moved, &moved.argv.bytes);
        }
        if let Detail::Dns(Dns { message: Some(message), .. }) = &operation.event.detail {
            for answer in &message.answers {
                self.results.extend_from_slice(&answer.data);
                self.results.push(b';');
            }
        }
    }
}

/// Adds arguments to a line, joined by one space.
pub(super) fn join(line: &mut Vec<u8>, argv: &[u8]) {
    line.extend(argv.strip_suffix(b"\0").unwrap_or(argv).iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
}
