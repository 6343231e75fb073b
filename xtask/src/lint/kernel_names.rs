//! Checks on the names that the eBPF crate gives to programs and maps.
//!
//! The source text is checked here; uniqueness is checked on the built object.

use super::Finding;
use super::source::{Source, identifiers};
use super::tree::Tree;

/// aya-ebpf's attributes that make a function a program.
const PROGRAM_ATTRIBUTES: &[&str] = &[
    "btf_tracepoint",
    "cgroup_device",
    "cgroup_skb",
    "cgroup_sock",
    "cgroup_sock_addr",
    "cgroup_sockopt",
    "cgroup_sysctl",
    "fentry",
    "fexit",
    "kprobe",
    "kretprobe",
    "lsm",
    "lsm_cgroup",
    "perf_event",
    "raw_tracepoint",
    "tracepoint",
    "uprobe",
    "uretprobe",
];

/// Sections whose statics are maps, also without aya-ebpf's `#[map]`.
const MAP_SECTIONS: &[&str] = &["link_section = \"maps\"", "link_section = \".maps\""];

/// Programs begin with `am_`, maps with `AM_`.
pub fn prefixes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("agentmon-ebpf/src/") {
        for index in 0..source.code.len() {
            let (kind, keyword, prefix) = match attribute(source, index) {
                Some(Attribute::Program) => ("program", "fn", "am_"),
                Some(Attribute::Map) => ("map", "static", "AM_"),
                None => continue,
            };
            if let Some((line, name)) = name_after(source, index, keyword)
                && !name.starts_with(prefix)
            {
                let message = format!("{kind} {name}: its name must begin with {prefix}");
                findings.push(Finding::new(path, line, message));
            }
        }
    }
    findings
}

enum Attribute {
    Program,
    Map,
}

fn attribute(source: &Source, index: usize) -> Option<Attribute> {
    let attribute = source.code[index].trim().strip_prefix("#[")?;
    let (_, name) = identifiers(attribute).next()?;
    let section = &source.uncommented[index];
    if name == "map" || MAP_SECTIONS.iter().any(|text| section.contains(text)) {
        return Some(Attribute::Map);
    }
    PROGRAM_ATTRIBUTES.contains(&name).then_some(Attribute::Program)
}

/// The name that follows a keyword, from a line on, and its line counted from 1.
fn name_after<'a>(source: &'a Source, index: usize, keyword: &str) -> Option<(usize, &'a str)> {
    source.code[index..].iter().zip(index + 1..).find_map(|(code, line)| {
        let mut words = identifiers(code).map(|(_, word)| word);
        words.find(|word| *word == keyword)?;
        // `static mut` is refused elsewhere.
        words.find(|word| *word != "mut").map(|name| (line, name))
    })
}

#[cfg(test)]
mod tests {
    use super::{Tree, prefixes};

    fn findings(text: &str) -> Vec<usize> {
        let tree = Tree::with("agentmon-ebpf/src/main.rs", text);
        prefixes(&tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn good_names_pass() {
        let text = "#[map]\nstatic AM_RING: RingBuf = x;\n\
            #[btf_tracepoint(function = \"f\")]\npub fn am_exec() {}\nfn walk() {}\n\
            static O_TASK: Global<u64> = x;\n";
        assert_eq!(findings(text), [0_usize; 0]);
    }

    #[test]
    fn bad_names_are_found() {
        assert_eq!(findings("#[map]\nstatic RING: RingBuf = x;\n"), [2]);
        assert_eq!(findings("#[unsafe(link_section = \".maps\")]\nstatic TASKS: X = x;\n"), [2]);
        assert_eq!(findings("#[tracepoint]\n#[inline]\npub fn exec() {}\n"), [3]);
    }
}
