//! Input made to hurt: rule files that are not rules, and agents that want the engine to grow or to fall.

use super::support::{Case, create, engine, evaluate, exec, path, read, rule, text, unlink};
use crate::event::Detail;
use crate::rules::{Engine, Source, built_in, load};
use proptest::prelude::{any, prop, proptest};

#[test]
fn paths_without_end_from_ten_thousand_processes_find_a_bound() {
    let text = "title: base
id: 11111111-1111-4111-8111-111111111111
name: base
logsource: {category: file_delete}
detection:
    s: {TargetFilename|startswith: /}
    condition: s
---
title: per process
id: 22222222-2222-4222-8222-222222222222
correlation: {type: value_count, rules: [base], group-by: [ProcessId], timespan: 7d, condition: {gte: 16000, field: TargetFilename}}
---
title: per session
id: 33333333-3333-4333-8333-333333333333
correlation: {type: value_count, rules: [base], group-by: [SessionId], timespan: 7d, condition: {gte: 16000, field: TargetFilename}}
";
    let mut engine = engine(text);
    let mut matches = Vec::new();
    let mut case = unlink("/x");
    for number in 0..100_000_u32 {
        case.event.process.tgid = number % 10_000;
        case.event.timestamp_ns += 1000;
        let Detail::Unlink(unlink) = &mut case.event.detail else { unreachable!() };
        unlink.path = path(format!("/home/u/{number}").as_bytes());
        engine.evaluate(&case.operation(), &mut matches);
    }
    let state = engine.state();
    assert!(state.entries <= 2 * 33_000 && state.groups <= 257, "{state:?}");
    assert!(state.forgotten > 0, "what was forgotten is counted");
    assert_eq!(matches.len(), 1, "the session's count is exact all the same");
    engine.forget(case.event.agent);
    assert_eq!(engine.state_len(), 0);
}

#[test]
fn agents_without_end_find_a_bound() {
    let mut engine = Engine::new(built_in().rules);
    for number in 0..2_000 {
        evaluate(&mut engine, &unlink("/home/u/x").agent(number).at_ms(u64::from(number)));
    }
    // Five correlations count such a removal.
    assert!(engine.state().groups <= 5 * 256, "{:?}", engine.state());
}

#[test]
fn the_same_operations_give_the_same_matches() {
    let run = || {
        let mut engine = Engine::new(built_in().rules);
        let cases = (0..2_000).map(|n| unlink(&format!("/data/{}", n % 300)).agent(n % 3).at_ms(u64::from(n)));
        cases.flat_map(|case| evaluate(&mut engine, &case)).map(|found| (found.rule.id.clone(), found.count)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
    assert!(!run().is_empty());
}

#[test]
fn wildcards_against_a_value_made_for_them_end() {
    let stars = "a*".repeat(200);
    let mut engine = engine(&rule("process_creation", &format!("s:\n    CommandLine|contains: '{stars}b'\ncondition: s")));
    let case = exec("/bin/x", &"a".repeat(32 * 1024));
    assert!(evaluate(&mut engine, &case).is_empty());
}

#[test]
fn a_condition_cannot_multiply_its_detections_without_bound() {
    let values: String = (0..2_000).map(|n| format!("            - /{n}\n")).collect();
    let condition = vec!["s"; 200].join(" or ");
    let text = rule("process_creation", &format!("s:\n    Image|endswith:\n{values}condition: {condition}"));
    let loaded = load(&[Source { name: "r", text: &text }]);
    assert_eq!(loaded.diagnostics[0].message, "the condition expands to more than 10000 tests");
}

#[test]
fn files_made_to_hurt_are_refused_in_no_time() {
    let start = std::time::Instant::now();
    let aliases = (0..9).map(|n| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(", "))).collect::<String>();
    let keywords = (0..400).map(|n| format!("        - word{n}\n")).collect::<String>();
    let circle = |n: usize| {
        format!(
            "title: c{n}\nname: c{n}\nid: {n:08x}-1111-4111-8111-111111111111\ncorrelation: {{type: event_count, rules: [c{}], timespan: 1s, condition: {{gte: 1}}}}\n---\n",
            n + 1
        )
    };
    let placeholders = format!("placeholders: {{p: [{}]}}\n---\n", vec!["x"; 100].join(", "));
    let files = [
        ("a YAML bomb", format!("a0: &a0 [x]\n{aliases}"), "anchors"),
        ("ten megabytes", "x".repeat(10 << 20), "larger than"),
        ("deep", "[".repeat(1 << 20), "recursion limit"),
        ("a duplicate key", "title: a\ntitle: b\n".to_owned(), "stands twice"),
        (
            "an expression that explodes",
            rule("process_creation", "s: {Image|re: '((a{100}){100}){100}'}\ncondition: s"),
            "compiles to more than",
        ),
        ("one that would backtrack", rule("process_creation", "s: {Image|re: '^(a+)+$'}\ncondition: s"), ""),
        ("keywords in every field", rule("io_uring", &format!("s:\n{keywords}condition: s or s or s")), "expands to more than"),
        ("dashes", rule("process_creation", "s: {CommandLine|windash: '-a -b -c -d -e -f'}\ncondition: s"), "at most 4 dashes"),
        (
            "placeholders",
            placeholders + &rule("process_creation", "s: {Image|expand: '%p%%p%%p%%p%'}\ncondition: s"),
            "expands to more than",
        ),
        ("a long chain", (0..2_000).map(circle).collect(), "mistakes of its own"),
        (
            "alternatives within alternatives",
            rule(
                "process_creation",
                &format!(
                    "{}condition: all of them",
                    (0..300).map(|n| format!("s{n}:\n    - Image: /a{n}\n    - Image|contains: b{n}\n")).collect::<String>()
                ),
            ),
            "",
        ),
    ];
    for (what, text, message) in &files {
        let loaded = load(&[Source { name: "r", text }]);
        let said = loaded.diagnostics.iter().any(|found| found.message.contains(message));
        assert!(said != message.is_empty(), "{what}: {:?}", loaded.diagnostics.first());
    }
    // One second in a release build; here a bound that only an explosion passes.
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn loading_never_panics(text in "[ -~\n\t]{0,400}") {
        let _ = load(&[Source { name: "r", text: &text }]);
    }

    #[test]
    fn loading_a_rule_with_a_hole_never_panics(at in 0_usize..2_000, with in "[-\\[\\]{}:|*&!'\"\n a-z0-9]{0,8}") {
        let good = built_in_text();
        let cut: String = good.chars().take(at).chain(with.chars()).chain(good.chars().skip(at + with.len())).collect();
        let _ = load(&[Source { name: "r", text: &cut }]);
    }

    /// Lines of good rules of every form, shuffled, cut and doubled: what a fuzzer finds, in every run of the suite.
    #[test]
    fn loading_pieces_of_good_rules_never_panics_and_says_what_is_wrong(picks in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..80), 1..60)) {
        let good = concat!(include_str!("../../../../tests/fixtures/sigma/language.yml"), "---\n", include_str!("../../../../rules/bulk-delete.yml"));
        let lines: Vec<&str> = good.lines().collect();
        let piece = |(pick, length): &(prop::sample::Index, usize)| {
            let line = lines[pick.index(lines.len())];
            // Most lines whole.
            if *length > 40 { line.to_owned() } else { line.chars().take(*length).collect() }
        };
        let text = picks.iter().map(piece).collect::<Vec<_>>().join("\n");
        let loaded = load(&[Source { name: "r", text: &text }]);
        assert!(loaded.diagnostics.iter().all(|found| !found.message.is_empty() && found.line > 0 && found.column > 0));
    }

    #[test]
    fn evaluating_any_bytes_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        argv in prop::collection::vec(any::<u8>(), 0..300),
        outcome in any::<i64>(),
        timestamp in any::<u64>(),
    ) {
        let mut engine = Engine::new(PACK.with(Clone::clone));
        for mut case in cases(&bytes, &argv) {
            case.event.outcome.0 = outcome;
            case.event.timestamp_ns = timestamp;
            evaluate(&mut engine, &case);
            evaluate(&mut engine, &case.outcome(0));
        }
    }
}

thread_local! {
    static PACK: crate::rules::RuleSet = built_in().rules;
}

fn built_in_text() -> &'static str {
    crate::rules::pack::FILES.iter().find(|source| source.name.contains("bulk-delete")).map_or("", |source| source.text)
}

/// One operation of each kind that carries bytes, with these.
fn cases(bytes: &[u8], argv: &[u8]) -> Vec<Case> {
    let mut cases =
        vec![exec("/x", "x"), read("/x"), create("/x"), unlink("/x"), super::support::connect_unix("/x"), super::support::leave()];
    for case in &mut cases {
        match &mut case.event.detail {
            Detail::Exec(exec) => {
                exec.exe = path(bytes);
                exec.filename = text(argv);
                exec.argv = text(argv);
                exec.script = Some(text(bytes));
            }
            Detail::Open(open) => open.path = path(bytes),
            Detail::Unlink(unlink) => unlink.path = path(bytes),
            Detail::Socket(socket) => socket.peer = crate::event::Address::UnixAbstract(text(bytes)),
            Detail::CgroupLeave(cgroup) => cgroup.path = text(bytes),
            _ => {}
        }
    }
    cases
}
