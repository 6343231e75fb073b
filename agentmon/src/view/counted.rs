//! A number and its noun: `1 task`, `2 tasks`. Not for: other languages.

/// The number, and the noun in the form that fits it.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
