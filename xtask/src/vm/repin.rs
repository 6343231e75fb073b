//! `cargo xtask vm --repin NAME`: writes package, version and hash of the newest kernel of a series
//! into tests/vm/matrix.toml, and nothing else: comments and order stay.

use anyhow::{Context as _, Result};

use super::apt::Apt;
use super::matrix::{Kernel, Matrix};
use crate::failure::Failure;
use crate::terminal;

/// Re-pins one kernel.
pub fn kernel(kernel: &Kernel) -> Result<()> {
    let apt = Apt::fetch_lists(&kernel.suite)?;
    let offers = apt.offers(&kernel.series)?;
    let newest = offers.last().ok_or_else(|| {
        Failure::new(format!("kernel {}: {} offers nothing that matches {:?}", kernel.name, kernel.suite, kernel.series))
            .hint("correct suite or series in tests/vm/matrix.toml")
    })?;
    let hash = apt.hash_of(newest)?;
    let path = Matrix::path();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let pins = [("package", newest.package.as_str()), ("version", newest.version.as_str()), ("sha256", hash.as_str())];
    let new = replaced(&text, &kernel.name, &pins)?;
    Matrix::parse(&new).context("the result would be wrong, and was not written")?;
    if new == text {
        terminal::step(&format!("{}: {} {} is the newest already", kernel.name, newest.package, newest.version));
        return Ok(());
    }
    std::fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))?;
    terminal::step(&format!("{}: {} {} -> {} {}", kernel.name, kernel.package, kernel.version, newest.package, newest.version));
    terminal::step(&format!("now run `cargo xtask vm {}`, and update docs/kernel-support.md", kernel.name));
    Ok(())
}

/// The text with these values of a kernel's table replaced.
fn replaced(text: &str, kernel: &str, pins: &[(&str, &str)]) -> Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let table = table_of(&lines, kernel)?;
    for (key, value) in pins {
        let line = lines[table.clone()].iter_mut().find(|line| key_of(line) == Some(key));
        *line.with_context(|| format!("kernel {kernel:?} has no line {key:?}"))? = format!("{key} = \"{value}\"");
    }
    Ok(lines.join("\n") + "\n")
}

/// The lines of the table `[[kernel]]` with this name.
fn table_of(lines: &[String], kernel: &str) -> Result<std::ops::Range<usize>> {
    let name = format!("name = \"{kernel}\"");
    let at = lines.iter().position(|line| line.trim() == name).with_context(|| format!("there is no line `{name}`"))?;
    let is_header = |line: &String| line.starts_with('[');
    let start = lines[..at].iter().rposition(is_header).unwrap_or(0);
    let end = lines[at..].iter().position(is_header).map_or(lines.len(), |length| at + length);
    Ok(start..end)
}

fn key_of(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}

#[cfg(test)]
mod tests {
    use super::replaced;

    const TEXT: &str =
        "# top\n[[kernel]]\nname = \"a\"\nversion = \"1\"\n[[kernel]]\n# mine\nversion = \"1\"\nname = \"b\"\n\n[x]\nversion = \"1\"\n";

    #[test]
    fn only_the_lines_of_one_kernel_change() {
        let new = replaced(TEXT, "b", &[("version", "2")]).unwrap();
        assert_eq!(new, TEXT.replace("# mine\nversion = \"1\"", "# mine\nversion = \"2\""));
    }

    #[test]
    fn a_kernel_or_a_line_that_is_not_there_is_an_error() {
        assert!(replaced(TEXT, "c", &[]).is_err());
        assert!(replaced(TEXT, "b", &[("sha256", "")]).is_err());
    }
}
