//! Correlations of every type, one worked case each, and what happens at the edges of their windows.

use super::support::{Case, connect, create, engine, evaluate, exec, flow, read, rule, unlink};
use crate::rules::{Engine, Source, load};

/// A rule for a category that any event of it matches, with a name.
fn any(name: &str, number: u8, category: &str) -> String {
    let text = rule(category, "s: {Image|contains: /}\ncondition: s");
    text.replace("title: r", &format!("title: {name}\nname: {name}")).replace("11111111-1111", &format!("1111111{number}-1111"))
}

fn correlation(number: u8, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("---\ntitle: c{number}\nname: c{number}\nid: 2222222{number}-2222-4222-8222-222222222222\ncorrelation:\n{body}")
}

/// Titles of what an event makes known, with counts.
fn told(engine: &mut Engine, case: &Case) -> Vec<(String, Option<u64>)> {
    evaluate(engine, case).iter().map(|found| (found.rule.title.clone(), found.count)).collect()
}

fn one(engine: &mut Engine, case: &Case) -> Option<u64> {
    let told = told(engine, case);
    assert!(told.len() <= 1, "{told:?}");
    told.first().and_then(|(_, count)| *count)
}

fn three() -> String {
    [any("read", 1, "file_access"), any("remove", 2, "file_delete"), any("send", 3, "network_connection")].join("---\n")
}

#[test]
fn all_rules_within_the_timespan_in_any_order() {
    let mut e = engine(&(three() + &correlation(1, "type: temporal\nrules: [read, remove, send]\ntimespan: 500ms")));
    assert_eq!(one(&mut e, &unlink("/x").at_ms(1000)), None);
    assert_eq!(one(&mut e, &connect("1.1.1.1:1").at_ms(1100)), None);
    assert_eq!(one(&mut e, &read("/x").at_ms(1499)), Some(3));
    assert_eq!(one(&mut e, &read("/x").at_ms(1500)), None, "the removal is over, and it would be silent anyway");
    let mut e = engine(&(three() + &correlation(1, "type: temporal\nrules: [read, remove, send]\ntimespan: 500ms")));
    assert_eq!(one(&mut e, &unlink("/x").at_ms(1000)), None);
    assert_eq!(one(&mut e, &connect("1.1.1.1:1").at_ms(1100)), None);
    assert_eq!(one(&mut e, &read("/x").at_ms(1500)), None, "a timespan after the first");
    assert_eq!(one(&mut e, &unlink("/y").at_ms(1599)), Some(3), "slides: 1100, 1500, 1599");
}

#[test]
fn some_rules_or_an_expression_over_them() {
    let two_of = correlation(1, "type: temporal\nrules: [read, remove, send]\ntimespan: 1s\ncondition: {gte: 2}");
    let mut e = engine(&(three() + &two_of));
    assert_eq!(one(&mut e, &unlink("/x").at_ms(1000)), None);
    assert_eq!(one(&mut e, &unlink("/x").at_ms(1001)), None);
    assert_eq!(one(&mut e, &read("/x").at_ms(1002)), Some(2));
    let without = correlation(1, "type: temporal\nrules: [read, remove, send]\ntimespan: 1s\ncondition: read and send and not remove");
    let mut e = engine(&(three() + &without));
    for (case, expected) in [(unlink("/x"), None), (read("/x"), None), (connect("1.1.1.1:1"), None)] {
        assert_eq!(one(&mut e, &case.at_ms(1000)), expected);
    }
    assert_eq!(one(&mut e, &read("/x").at_ms(2500)), None);
    assert_eq!(one(&mut e, &connect("1.1.1.1:1").at_ms(2600)), Some(2));
}

#[test]
fn rules_in_their_order() {
    let text = three() + &correlation(1, "type: temporal_ordered\nrules: [read, send, remove]\ntimespan: 1s");
    let run = |cases: &[(&str, u64)]| {
        let mut e = engine(&text);
        let case = |name: &str| match name {
            "read" => read("/x"),
            "send" => connect("1.1.1.1:1"),
            _ => unlink("/x"),
        };
        cases.iter().map(|(name, at)| usize::from(one(&mut e, &case(name).at_ms(*at)).is_some())).collect::<Vec<_>>()
    };
    assert_eq!(run(&[("read", 10), ("send", 20), ("remove", 30)]), [0, 0, 1]);
    assert_eq!(run(&[("send", 10), ("read", 20), ("remove", 30)]), [0, 0, 0]);
    assert_eq!(run(&[("read", 10), ("read", 500), ("send", 600), ("remove", 1499)]), [0, 0, 0, 1], "by the younger start");
    assert_eq!(run(&[("read", 10), ("send", 600), ("read", 700), ("remove", 1010)]), [0, 0, 0, 0], "the start is over");
    assert_eq!(run(&[("read", 10), ("send", 10), ("remove", 10)]), [0, 0, 1], "equal times, in the order of events");
}

#[test]
fn one_event_is_one_step_of_a_sequence() {
    let text = any("first", 1, "file_access") + "---\n" + &any("second", 2, "file_access");
    let mut e = engine(&(text.clone() + &correlation(1, "type: temporal_ordered\nrules: [first, second]\ntimespan: 1s")));
    assert_eq!(one(&mut e, &read("/x").at_ms(1)), None);
    assert_eq!(one(&mut e, &read("/x").at_ms(2)), Some(2));
    let mut e = engine(&(text.clone() + &correlation(1, "type: event_count\nrules: [first, second]\ntimespan: 1s\ncondition: {gte: 2}")));
    assert_eq!(one(&mut e, &read("/x").at_ms(1)), None, "one event counts once");
    assert_eq!(one(&mut e, &read("/x").at_ms(2)), Some(2));
    let same_twice = any("first", 1, "file_access") + &correlation(1, "type: temporal_ordered\nrules: [first, first]\ntimespan: 1s");
    let mut e = engine(&same_twice);
    assert_eq!(one(&mut e, &read("/x").at_ms(1)), None);
    assert_eq!(one(&mut e, &read("/x").at_ms(2)), Some(2));
}

#[test]
fn sums_means_percentiles_and_medians() {
    let base = any("flow", 1, "network_flow");
    let with =
        |body: &str| engine(&(base.clone() + &correlation(1, &format!("{body}\nrules: [flow]\ngroup-by: [DestinationIp]\ntimespan: 10s"))));
    let run = |body: &str, flows: &[(&str, u64, u64)]| {
        let mut e = with(body);
        flows.iter().map(|(peer, bytes, at)| one(&mut e, &flow(peer, *bytes).at_ms(*at))).collect::<Vec<_>>()
    };
    let (a, b) = ("10.0.0.1:1", "10.0.0.2:1");
    assert_eq!(
        run("type: value_sum\ncondition: {gt: 100, field: traffic.bytes_out}", &[(a, 60, 0), (b, 60, 1), (a, 40, 2), (a, 1, 3)]),
        [None, None, None, Some(101)]
    );
    assert_eq!(
        run("type: value_sum\ncondition: {gt: 100, field: traffic.bytes_out}", &[(a, 60, 0), (a, 50, 10_000), (a, 51, 19_999)]),
        [None, None, Some(101)],
        "the first is over"
    );
    assert_eq!(
        run("type: value_avg\ncondition: {gte: 50.5, field: traffic.bytes_out}", &[(a, 50, 0), (a, 51, 1)]),
        [None, Some(50)],
        "50.5"
    );
    let percentile = "type: value_percentile\ncondition: {gte: 90, percentile: 90, field: traffic.bytes_out}";
    assert_eq!(run(percentile, &[(a, 10, 0), (a, 99, 1), (a, 100, 2)]), [None, Some(90), None]);
    let median = "type: value_median\ncondition: {gt: 10, lt: 30, field: traffic.bytes_out}";
    assert_eq!(run(median, &[(a, 10, 0), (a, 30, 1)]), [None, Some(20)]);
    let mut e = with("type: value_sum\ncondition: {gte: 9223372036854, field: traffic.bytes_out}");
    assert_eq!(one(&mut e, &flow(a, u64::MAX).at_ms(0)), Some(i64::MAX as u64), "a number beyond its type is the largest");
}

#[test]
fn an_alias_joins_fields_of_different_names() {
    let text = three()
        + &correlation(
            1,
            "type: temporal\nrules: [read, remove]\ngroup-by: [who]\ntimespan: 1s\naliases:\n    who:\n        read: ParentImage\n        remove: Image",
        );
    let mut e = engine(&text);
    assert_eq!(one(&mut e, &unlink("/x").by("/bin/a").at_ms(1)), None);
    assert_eq!(one(&mut e, &read("/x").by("/bin/a").child_of("/bin/b", 0).at_ms(2)), None);
    assert_eq!(one(&mut e, &read("/x").by("/bin/b").child_of("/bin/a", 0).at_ms(3)), Some(2));
}

#[test]
fn correlations_of_correlations_see_every_event_at_which_the_inner_one_holds() {
    let many = correlation(1, "type: event_count\nrules: [remove]\ntimespan: 10s\ncondition: {gte: 3}");
    let then = correlation(2, "type: temporal_ordered\nrules: [c1, send]\ntimespan: 1s");
    // The outer one stands before the one it counts.
    let outer_first = format!("{}{}", then.trim_start_matches("---\n"), many);
    for text in [three() + &many + &then, outer_first + "---\n" + &three()] {
        let mut e = engine(&text);
        for at in [1000, 1100, 1200, 1300, 1400, 9_500] {
            assert_eq!(told(&mut e, &unlink("/x").at_ms(at)), [], "the inner one is not told, but by `generate`");
        }
        // The inner one would have been silent since 1200; it held at 9500.
        assert_eq!(told(&mut e, &connect("1.1.1.1:1").at_ms(10_400)), [("c2".to_owned(), Some(2))]);
    }
    let mut e = engine(&(three() + &many + &then + "generate: true\n"));
    let inner: Vec<_> = [1000, 1100, 1200, 1300].iter().flat_map(|at| told(&mut e, &unlink("/x").at_ms(*at))).collect();
    assert!(inner.contains(&("c1".to_owned(), Some(3))), "{inner:?}");
}

#[test]
fn circles_and_chains_of_broken_ones_are_mistakes() {
    let chain =
        |number: u8, of: &str| correlation(number, &format!("type: event_count\nrules: [{of}]\ntimespan: 1s\ncondition: {{gte: 2}}"));
    let said = |text: String| {
        let loaded = load(&[Source { name: "r", text: &text }]);
        assert_eq!(loaded.rules.len(), 3, "{:?}", loaded.diagnostics);
        loaded.diagnostics.iter().map(|found| found.message.clone()).collect::<Vec<_>>()
    };
    let circle = "correlations count each other in a circle: none of them can be first";
    assert_eq!(said(three() + &chain(1, "c2") + &chain(2, "c3") + &chain(3, "c1")), [circle; 3]);
    assert_eq!(
        said(three() + &chain(1, "nobody") + &chain(2, "c1")),
        ["no loaded rule has the id or name `nobody`", "the correlation `c1` is not loaded: it has mistakes of its own"]
    );
}

#[test]
fn suppression_is_a_timespan_unless_said_and_never_hides_another_group() {
    let body = "type: event_count\nrules: [exec]\ngroup-by: [Image]\ntimespan: 1s\ncondition: {gte: 1}";
    let told_at = |suppress: &str| {
        let mut e = engine(&(any("exec", 1, "process_creation") + &correlation(1, body) + suppress));
        let mut at = |image: &str, ms| one(&mut e, &exec(image, "x").at_ms(ms)).is_some();
        [at("/a", 0), at("/b", 1), at("/a", 999), at("/a", 1000), at("/a", 1400), at("/a", 2500)]
    };
    assert_eq!(told_at(""), [true, true, false, true, false, true]);
    assert_eq!(told_at("agentmon: {suppress: 0s}\n"), [true; 6]);
    assert_eq!(told_at("agentmon: {suppress: 1m}\n"), [true, true, false, false, false, false]);
    assert_eq!(told_at("agentmon: {suppress: 400ms}\n"), [true, true, true, false, true, true]);
}

#[test]
fn what_an_agent_hostile_to_every_window_makes_it_hold_is_bounded() {
    let base = any("f", 1, "file_event") + "---\n" + &any("d", 2, "file_delete");
    let mut text = base;
    for number in 0..9 {
        let (kind, condition) = match number % 4 {
            0 => ("value_count", "{gte: 16000, field: TargetFilename}"),
            1 => ("value_sum", "{gt: 1000000000000, field: ProcessId}"),
            2 => ("value_percentile", "{gt: 1000000000, percentile: 99, field: ProcessId}"),
            _ => ("event_count", "{gte: 16000}"),
        };
        text += &correlation(number, &format!("type: {kind}\nrules: [f, d]\ngroup-by: [ProcessId]\ntimespan: 7d\ncondition: {condition}"));
    }
    let mut e = engine(&text);
    let mut case = create("/x");
    let mut matches = Vec::new();
    // Sixteen agents, none of which alone holds too much of anything.
    for number in 0..60_000_u32 {
        let number = number.wrapping_mul(2_654_435_761);
        case = case.agent(number % 16).process(number % 200);
        case.event.timestamp_ns += 1000;
        if let crate::event::Detail::Open(open) = &mut case.event.detail {
            open.path = super::support::path(format!("/{number}").as_bytes());
        }
        e.evaluate(&case.operation(), &mut matches);
    }
    let state = e.state();
    assert!(state.bytes <= 42 * 1024 * 1024 && state.forgotten > 0, "{state:?}");
}
