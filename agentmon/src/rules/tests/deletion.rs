//! Deletion in forms that the rules for different paths by ordinary programs do not count.

use super::support::{Case, evaluate, unlink};
use crate::event::Detail;
use crate::rules::{Action, Engine, built_in};

const GIT: &str = "/usr/bin/git";
const TOO_MANY: &str = "Very many removals within a minute, by whatever program";
const WITHOUT_BOUND: &str = "Files are removed without bound, by whatever program";
const WITHOUT_END: &str = "Removals follow one another without end";
const REPOSITORY: &str = "A git repository is removed";

/// Titles of the rules that alert or more, with the number of the operation.
fn told(cases: impl IntoIterator<Item = Case>) -> Vec<(usize, String, Action)> {
    let mut engine = Engine::new(built_in().rules);
    let of = |(number, case): (usize, Case)| {
        evaluate(&mut engine, &case)
            .into_iter()
            .map(move |found| (number + 1, found.rule.title.clone(), found.rule.action))
            .collect::<Vec<_>>()
    };
    cases.into_iter().enumerate().flat_map(of).collect()
}

/// Removals of the files of a directory, so many milliseconds apart.
fn files(directory: &str, image: &str, number: u64, apart_ms: u64) -> Vec<Case> {
    (0..number).map(|at| unlink(&format!("{directory}/file-{at}.c")).by(image).at_ms(1000 + at * apart_ms)).collect()
}

/// Removals of one path, so many milliseconds apart.
fn again(path: &str, image: &str, number: u64, apart_ms: u64) -> Vec<Case> {
    (0..number).map(|at| unlink(path).by(image).at_ms(1000 + at * apart_ms)).collect()
}

fn directory(path: &str) -> Case {
    let mut case = unlink(path);
    let Detail::Unlink(unlink) = &mut case.event.detail else { unreachable!() };
    unlink.directory = true;
    case
}

#[test]
fn a_program_that_is_left_out_alerts_at_a_thousand_removals_and_freezes_at_five_thousand_paths() {
    let expected = [(1000, TOO_MANY.to_owned(), Action::Alert), (5000, WITHOUT_BOUND.to_owned(), Action::Freeze)];
    for image in [GIT, "/usr/bin/dpkg", "/usr/lib/git-core/git"] {
        assert_eq!(told(files("/work/repo/src", image, 6000, 1)), expected, "{image}");
    }
    assert_eq!(told(files("/work/repo/src", GIT, 999, 1)), []);
    assert_eq!(told(files("/work/repo/src", GIT, 4999, 1)), expected[..1]);
}

#[test]
fn a_program_that_is_left_out_may_remove_its_own_products_and_slowly_what_it_wants() {
    assert_eq!(told(files("/work/repo/.git/objects/aa", GIT, 8000, 1)), [], "git gc");
    assert_eq!(told(files("/work/repo/node_modules/x", GIT, 8000, 1)), [], "git clean has a rule of its own");
    assert_eq!(told(files("/work/repo/src", GIT, 8000, 61)), [], "983 a minute");
}

#[test]
fn one_path_that_is_removed_without_end_is_told() {
    let expected = [(500, WITHOUT_END.to_owned(), Action::Alert)];
    for path in ["/work/L/secret", "/proc/self/cwd/secret", "/proc/self/fd/7/build/secret"] {
        assert_eq!(told(again(path, "/usr/bin/python3.11", 800, 1)), expected, "{path}");
    }
    let links = (0..800).map(|at| unlink(&format!("/work/L{}/secret", at % 40)).at_ms(1000 + at));
    assert_eq!(told(links), expected, "forty links");
    assert_eq!(told(again("/work/L/secret", GIT, 1200, 1)), [(1000, TOO_MANY.to_owned(), Action::Alert)]);
}

#[test]
fn locks_journals_and_editors_come_and_go() {
    let python = "/usr/bin/python3.11";
    assert_eq!(told(again("/work/L/secret", python, 499, 1)), []);
    assert_eq!(told(again("/work/repo/4913", "/usr/bin/vim.basic", 2000, 250)), [], "an editor's file, four times a second");
    for path in ["/work/repo/.git/index.lock", "/work/repo/db.sqlite3-journal", "/work/repo/conftest.c", "/work/repo/.main.c.swp"] {
        assert_eq!(told(again(path, python, 6000, 1)), [], "{path}");
    }
}

#[test]
fn the_end_of_a_repository_is_told_once() {
    let parts = ["/work/repo/.git/HEAD", "/work/repo/.git/config", "/work/repo/.git/objects/pack/pack-0a.pack", "/srv/x.git/HEAD"];
    for part in parts {
        assert_eq!(told([unlink(part).by("/usr/bin/rm")]), [(1, REPOSITORY.to_owned(), Action::Alert)], "{part}");
    }
    for part in ["/work/repo/.git", "/work/repo/.git/objects", "/srv/x.git/objects/pack"] {
        assert_eq!(told([directory(part).by("/usr/bin/rm")]), [(1, REPOSITORY.to_owned(), Action::Alert)], "{part}");
    }
    let all = parts.iter().map(|part| unlink(part)).chain([directory("/work/repo/.git")]);
    assert_eq!(told(all).len(), 1);
}

#[test]
fn what_git_and_package_managers_do_with_repositories_is_a_normal_day() {
    let near = [
        unlink("/work/repo/.git/objects/pack/pack-0a.pack").by(GIT),
        directory("/work/repo/.git").by("/usr/lib/git-core/git"),
        unlink("/work/repo/.git/index").by("/usr/bin/rm"),
        unlink("/work/repo/.git/refs/heads/HEAD").by("/usr/bin/rm"),
        unlink("/work/worktree/.git").by("/usr/bin/rm"),
        unlink("/tmp/pip-req-build-x1/.git/HEAD").by("/usr/bin/python3.11"),
        unlink("/tmp/.tmpAb12Cd/.git/HEAD"),
        directory("/home/u/.npm/_cacache/tmp/x/.git"),
        unlink("/work/repo/src/config"),
    ];
    for case in near {
        assert_eq!(told([case.clone()]), [], "{:?}", case.event.detail);
    }
}

#[test]
fn both_counts_leave_out_the_same_paths() {
    let list = |name: &str| {
        let source = crate::rules::pack::FILES.iter().find(|source| source.name == name).unwrap();
        let from = source.text.find("    filter_products:\n").unwrap();
        let to = source.text.find("    filter_programs:\n").or_else(|| source.text.find("    spelled_by_descriptor:\n")).unwrap();
        &source.text[from..to]
    };
    assert_eq!(list("rules/bulk-delete.yml"), list("rules/bulk-delete-any-program.yml"));
}
