//! Records of the kernel's path hooks, and which of them a call's record names.
//!
//! Not for: joining the two (`crate::process::Resolutions`).

use super::{DecodeError, Record, file};
use crate::event::{Detail, Kind, Resolved};
use agentmon_common::hooks::HOOKS;
use agentmon_common::record::{CallFixed, ResolvedFixed, Span};

impl Record<'_> {
    pub(super) fn resolved(&self) -> Result<Resolved, DecodeError> {
        let fixed: ResolvedFixed = self.fixed()?;
        let hook = HOOKS.get(fixed.hook as usize).ok_or(DecodeError::Value("path hook"))?;
        let second = self.path(fixed.second, fixed.second_flags)?;
        let text = self.text(fixed.text)?;
        Ok(Resolved {
            kind: Kind::from_number(hook.kind).ok_or(DecodeError::Kind(hook.kind))?,
            hook: fixed.hook,
            args: fixed.args,
            file: file(fixed.file),
            path: self.path(fixed.path, fixed.file.path_flags)?,
            second: (fixed.second != Span::default()).then_some(second),
            replaced: file(fixed.second_file),
            text: (!text.is_empty()).then_some(text),
            by_worker: fixed.by_worker != 0,
        })
    }

    /// Of a call that is told by its arguments: the time of the record that says what the kernel resolved of it.
    pub(super) fn resolved_ns(&self, detail: &Detail) -> u64 {
        match detail {
            Detail::Unlink(_) | Detail::Call(_) => self.fixed::<CallFixed>().map_or(0, |fixed| fixed.resolved_ns),
            _ => 0,
        }
    }
}
