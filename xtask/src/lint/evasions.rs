//! The bypass catalogue, docs/evasions.md: a way around that is called closed or detected names a test that exists.
//!
//! Not for: whether the test shows what the row says.

use super::Finding;
use super::tree::Tree;
use std::collections::BTreeSet;

const CATALOGUE: &str = "docs/evasions.md";
/// What a row may say.
const STATES: [&str; 4] = ["closed", "detected", "partly", "not visible"];

/// Every row has a known state; unless it is not visible, a test, and one that exists.
pub fn tests_exist(tree: &Tree) -> Vec<Finding> {
    let Some(catalogue) = tree.files.iter().find_map(|file| file.page.as_ref().filter(|_| file.path == CATALOGUE)) else {
        let missing = Finding::new(CATALOGUE, 1, "the bypass catalogue is missing");
        return if tree.files.is_empty() { Vec::new() } else { vec![missing] };
    };
    let tests = tests(tree);
    let rows = catalogue.lines().enumerate().filter(|(_, line)| line.starts_with("| E"));
    rows.filter_map(|(at, row)| Some(Finding::new(CATALOGUE, at + 1, wrong(row, &tests)?))).collect()
}

fn wrong(row: &str, tests: &BTreeSet<&str>) -> Option<String> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [_, _, state, shown_by, _] = cells[..] else {
        return Some("a row has five cells: number, way, state, shown by, what is left".to_owned());
    };
    if !STATES.contains(&state) {
        return Some(format!("`{state}` is none of {}", STATES.join(", ")));
    }
    let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
    if named.is_empty() && state != "not visible" {
        return Some(format!("{state}, and no test is named that shows it"));
    }
    named.into_iter().find(|name| !tests.contains(name)).map(|name| format!("there is no test `{name}`"))
}

/// Names of the functions under `#[test]`.
fn tests(tree: &Tree) -> BTreeSet<&str> {
    let pairs = tree.rust("").flat_map(|(_, source)| source.code.iter().zip(source.code.iter().skip(1)));
    let named = pairs.filter(|(attribute, _)| attribute.trim() == "#[test]").filter_map(|(_, function)| function.split_once("fn "));
    named.filter_map(|(_, name)| name.split('(').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::wrong;
    use std::collections::BTreeSet;

    #[test]
    fn a_row_names_a_test_that_exists_unless_nothing_can_be_seen() {
        let tests = BTreeSet::from(["it_is_seen"]);
        let say = |row: &str| wrong(row, &tests);
        assert_eq!(say("| E01 | by x | closed | `it_is_seen` | |"), None);
        assert_eq!(say("| E01 | by x | not visible | nothing | why |"), None);
        assert_eq!(say("| E01 | by x | closed | trust me | |").as_deref(), Some("closed, and no test is named that shows it"));
        assert_eq!(say("| E01 | by x | detected | `it_was_seen` | |").as_deref(), Some("there is no test `it_was_seen`"));
        assert!(say("| E01 | by x | fixed | `it_is_seen` | |").is_some_and(|said| said.starts_with("`fixed` is none of")));
        assert!(say("| E01 | by x |").is_some());
    }
}
