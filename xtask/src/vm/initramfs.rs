//! The file system a kernel boots into: the static programs at the paths they were built with, a
//! few files of a machine, and the plan of `vm-init` (tests/src/bin/vm-init/plan.rs).

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cpio::Archive;
use super::programs::Programs;
use crate::workspace;

/// Names of programs that are run once; the plan's test programs have their own.
pub const REFUSAL: &str = "refusal";
pub const VERIFIER: &str = "verifier";

/// Files that programs expect, and their text.
const FILES: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hostname", "vm\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Folders that are there, most of them to mount on.
const FOLDERS: &[&str] = &["/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/var/tmp", "/mnt"];

/// What a machine shall do.
#[derive(Clone, Debug)]
pub enum Task<'a> {
    /// Run the tests whose names contain this.
    Tests(&'a str),
    /// Start agentmon, which shall say why it cannot run.
    Refusal,
    /// Say what the verifier walked of each probe.
    Verifier,
}

/// Writes the archive.
pub fn write(path: &Path, programs: &Programs, task: &Task<'_>) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    let mut archive = Archive::new(BufWriter::new(File::create(path).with_context(what)?));
    for folder in FOLDERS {
        archive.directory(folder).with_context(what)?;
    }
    archive.directory(&text(&workspace::root().join("tests"))?).with_context(what)?;
    // The kernel opens it before anything is mounted.
    archive.device("/dev/console", (5, 1)).with_context(what)?;
    for (name, content) in FILES {
        archive.file(name, 0o644, content.as_bytes()).with_context(what)?;
    }
    archive.file("/vm-plan", 0o644, plan(programs, task)?.as_bytes()).with_context(what)?;
    archive.file("/init", 0o755, &read(&programs.init)?).with_context(what)?;
    let tests = programs.tests.iter().map(|(_, path)| path).filter(|_| matches!(task, Task::Tests(_)));
    for program in tests.chain([&programs.agentmon, &programs.stimulus, &programs.verifier]) {
        archive.file(&text(program)?, 0o755, &read(program)?).with_context(what)?;
    }
    archive.end().with_context(what)
}

/// The plan's text.
fn plan(programs: &Programs, task: &Task<'_>) -> Result<String> {
    let agentmon = text(&programs.agentmon)?;
    let mut lines = vec![
        format!("cd\t{}", text(&workspace::root().join("tests"))?),
        "env\tPATH\t/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "env\tHOME\t/root".to_owned(),
        "env\tTMPDIR\t/scratch".to_owned(),
        "env\tRUST_BACKTRACE\t1".to_owned(),
        "env\tNO_COLOR\t1".to_owned(),
        format!("env\tAGENTMON_BIN\t{agentmon}"),
    ];
    match task {
        Task::Tests(filter) => {
            lines.push(format!("filter\t{filter}"));
            for (name, program) in &programs.tests {
                lines.push(format!("tests\t{name}\t{}", text(program)?));
            }
        }
        Task::Refusal => {
            let stimulus = text(&programs.stimulus)?;
            lines.push(format!("once\t{REFUSAL}\t{agentmon}\trun\t--name\trefused\t--\t{stimulus}\tmarker\t/refused"));
        }
        Task::Verifier => lines.push(format!("once\t{VERIFIER}\t{}", text(&programs.verifier)?)),
    }
    Ok(lines.join("\n") + "\n")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A path as the plan can hold it.
fn text(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\t', '\n']));
    text.map(str::to_owned).with_context(|| format!("the path {} is not plain text", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Task, plan};
    use crate::vm::programs::Programs;

    #[test]
    fn the_plan_has_what_the_task_needs() {
        let programs = Programs { tests: vec![("kernel_x".to_owned(), "/b/kernel_x-1".into())], ..Programs::default() };
        let tests = plan(&programs, &Task::Tests("some")).unwrap();
        assert!(tests.contains("\nfilter\tsome\ntests\tkernel_x\t/b/kernel_x-1\n"), "{tests}");
        let refusal = plan(&programs, &Task::Refusal).unwrap();
        assert!(refusal.contains("\nonce\trefusal\t") && !refusal.contains("kernel_x"), "{refusal}");
    }

    #[test]
    fn a_path_that_would_break_the_plan_is_refused() {
        let programs = Programs { agentmon: "/a\tb".into(), ..Programs::default() };
        assert!(plan(&programs, &Task::Refusal).is_err());
    }
}
