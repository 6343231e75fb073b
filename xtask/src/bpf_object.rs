//! What must be true of the built eBPF object before agentmon embeds it.
//!
//! Checks names and sections only. Whether the programs pass the verifier, the kernel tests say.

use std::collections::BTreeMap;
use std::fmt;

use object::elf::SHF_EXECINSTR;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags};

/// The map of aya-log's messages, which names it.
const AYA_LOG_MAP: &str = "AYA_LOGS";

/// The kernel keeps this many bytes of a program's or a map's name.
const KERNEL_NAME_BYTES: usize = 15;

/// Names from the object that matter to the kernel.
#[derive(Debug, Default)]
struct Names {
    programs: Vec<String>,
    maps: Vec<String>,
}

/// A usable object in one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    programs: usize,
    maps: usize,
    bytes: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, maps, bytes } = self;
        let kilobytes = bytes.div_ceil(1024);
        write!(formatter, "programs: {programs}, maps: {maps}, {kilobytes} KiB")
    }
}

/// Checks an object file; the error lists everything that is wrong with it.
pub fn check(data: &[u8]) -> Result<Summary, Vec<String>> {
    let file = object::File::parse(data).map_err(|error| vec![format!("not an object: {error}")])?;
    let mut problems = Vec::new();
    for (section, reason) in [
        (".BTF", "the kernel would refuse BTF tracepoints; is `--btf` passed to the linker?"),
        ("license", "the kernel would refuse helpers that are GPL only"),
    ] {
        let empty = |section: object::Section<'_, '_>| section.size() == 0;
        if file.section_by_name(section).is_none_or(empty) {
            problems.push(format!("no section {section}: {reason}"));
        }
    }
    let names = names(&file);
    problems.extend(naming_problems(&names));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Summary { programs: names.programs.len(), maps: names.maps.len(), bytes: data.len() })
}

fn names(file: &object::File<'_>) -> Names {
    let mut names = Names::default();
    for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
        let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
        let (Some(section), Ok(name)) = (section, symbol.name()) else {
            continue;
        };
        match section.name() {
            Ok("maps" | ".maps") => names.maps.push(name.to_owned()),
            // .text holds functions that programs call; a program has a section that says
            // where it attaches.
            Ok(".text") => {}
            Ok(_) if is_code(&section) && symbol.is_global() => names.programs.push(name.to_owned()),
            _ => {}
        }
    }
    names
}

fn is_code(section: &object::Section<'_, '_>) -> bool {
    match section.flags() {
        SectionFlags::Elf { sh_flags } => sh_flags & u64::from(SHF_EXECINSTR) != 0,
        _ => false,
    }
}

fn naming_problems(names: &Names) -> Vec<String> {
    let mut problems = Vec::new();
    if names.programs.is_empty() {
        problems.push("no program in it".to_owned());
    }
    for (kind, prefix, names) in [("program", "am_", &names.programs), ("map", "AM_", &names.maps)] {
        let wrong = names.iter().filter(|name| !name.starts_with(prefix) && name.as_str() != AYA_LOG_MAP);
        problems.extend(wrong.map(|name| format!("{kind} {name}: its name must begin with {prefix}")));
        problems.extend(
            same_to_the_kernel(names)
                .into_iter()
                .map(|(short, long)| format!("{kind}s {}: the kernel shows all of them as {short}", long.join(", "))),
        );
    }
    problems
}

/// Names that agree in what the kernel keeps of them.
fn same_to_the_kernel(names: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        let end = name.floor_char_boundary(KERNEL_NAME_BYTES);
        groups.entry(&name[..end]).or_default().push(name);
    }
    groups.retain(|_, names| names.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::{Names, check, naming_problems};

    fn problems(programs: &[&str], maps: &[&str]) -> String {
        naming_problems(&Names {
            programs: programs.iter().map(ToString::to_string).collect(),
            maps: maps.iter().map(ToString::to_string).collect(),
        })
        .join("\n")
    }

    #[test]
    fn good_names_pass() {
        assert_eq!(problems(&["am_exec", "am_exit"], &["AM_RING"]), "");
    }

    #[test]
    fn names_that_the_kernel_cannot_tell_apart_are_found() {
        let text = problems(&["am_sys_enter_open", "am_sys_enter_openat"], &[]);
        assert!(text.contains("am_sys_enter_open, am_sys_enter_openat"), "{text}");
        assert_eq!(problems(&["am_sys_enter_op1", "am_sys_enter_o2"], &[]), "");
    }

    #[test]
    fn foreign_prefixes_and_an_empty_object_are_found() {
        assert!(problems(&["exec"], &[]).contains("begin with am_"));
        assert!(problems(&["am_x"], &["RING"]).contains("begin with AM_"));
        assert!(problems(&[], &[]).contains("no program"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(check(b"text").unwrap_err()[0].starts_with("not an object"));
    }

    #[test]
    fn an_object_of_another_kind_has_no_btf_and_no_license() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let problems = check(&own).unwrap_err().join("\n");
        assert!(problems.contains("no section .BTF"), "{problems}");
        assert!(problems.contains("no section license"), "{problems}");
    }
}
