//! Rules of tests: written to a file, as a user writes them.

use std::path::{Path, PathBuf};

/// Id of the rule that kills.
pub const CANARY: &str = "11111111-1111-4111-8111-111111111111";

/// Writes a rule that acts when a file of this name is opened; gives its path.
///
/// # Panics
/// When the file cannot be written.
pub fn on_open(directory: &Path, file_name: &str, action: &str) -> PathBuf {
    let path = directory.join(format!("{action}-{file_name}.yml"));
    let text = format!(
        "title: The canary {file_name} is opened\nid: {CANARY}\nstatus: test\nlogsource:\n    product: linux\n    category: file_access\n\
         detection:\n    selection:\n        TargetFilename|endswith: /{file_name}\n    condition: selection\nlevel: critical\n\
         agentmon:\n    action: {action}\n"
    );
    std::fs::write(&path, text).expect("a rule file");
    path
}

/// Writes a rule with a mistake at line 8, column 24; gives its path.
///
/// # Panics
/// When the file cannot be written.
pub fn broken(directory: &Path) -> PathBuf {
    let path = directory.join("broken.yml");
    let text = "title: A rule with a mistake\nid: 22222222-2222-4222-8222-222222222222\nlogsource:\n    product: linux\n    category: file_access\n\
                detection:\n    selection:\n        TargetFilename|endwith: /x\n    condition: selection\nlevel: low\n";
    std::fs::write(&path, text).expect("a rule file");
    path
}
