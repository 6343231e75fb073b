//! Filters: what they suppress, and what is said of those that would not do what they seem to.

use super::support::{create, engine, evaluate, exec, rule, titles};
use crate::rules::{Source, load};

const RULE: &str = "11111111-1111-4111-8111-111111111111";

fn base() -> String {
    rule("process_creation", "selection:\n    CommandLine|contains: secret\ncondition: selection")
}

fn filter(rules: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("---\ntitle: f\nlogsource: {{product: linux, category: process_creation}}\nfilter:\n    rules: {rules}\n{body}")
}

fn said(text: &str) -> Vec<String> {
    load(&[Source { name: "r", text }]).diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_filter_describes_is_suppressed_in_both_ways_of_writing_it() {
    let selection = "selection: {Image: /usr/bin/backup}\n";
    for condition in ["condition: selection", "condition: not selection"] {
        for rules in [format!("[{RULE}]"), "any".to_owned(), RULE.to_owned()] {
            let mut engine = engine(&(base() + &filter(&rules, &format!("{selection}{condition}"))));
            assert_eq!(evaluate(&mut engine, &exec("/usr/bin/backup", "backup secret")).len(), 0, "{condition} {rules}");
            assert_eq!(evaluate(&mut engine, &exec("/usr/bin/cat", "cat secret")).len(), 1, "{condition} {rules}");
        }
    }
    let two = "a: {Image: /a}\nb: {CommandLine|contains: b}\ncondition: ";
    for (condition, a, b, ab) in
        [("a or b", 0, 0, 0), ("not a and not b", 0, 0, 0), ("a and b", 1, 1, 0), ("not (a and b)", 1, 1, 0), ("not a or not b", 1, 1, 0)]
    {
        let mut engine = engine(&(base() + &filter("any", &format!("{two}{condition}"))));
        let mut found = |image, line| evaluate(&mut engine, &exec(image, line)).len();
        assert_eq!((found("/a", "secret"), found("/x", "secret b"), found("/a", "secret b")), (a, b, ab), "{condition}");
    }
}

#[test]
fn a_suppressed_match_is_not_counted_either_and_other_rules_are_untouched() {
    let other = base().replace("title: r", "title: other").replace("11111111", "22222222");
    let counting = format!(
        "---\ntitle: many\nid: 33333333-3333-4333-8333-333333333333\ncorrelation: {{type: event_count, rules: [{RULE}], timespan: 10s, condition: {{gte: 2}}}}\ngenerate: true\n"
    );
    let text = base() + &filter(&format!("[{RULE}]"), "s: {Image: /b}\ncondition: s") + "---\n" + &other + &counting;
    let mut engine = engine(&text);
    assert_eq!(titles(&mut engine, &exec("/b", "secret")), ["other"]);
    assert_eq!(titles(&mut engine, &exec("/a", "secret")), ["r", "other"]);
    assert_eq!(titles(&mut engine, &exec("/b", "secret")), ["other"]);
    assert_eq!(titles(&mut engine, &exec("/a", "secret")), ["r", "other", "many"]);
    assert!(titles(&mut engine, &create("/secret")).is_empty());
}

#[test]
fn filters_that_would_not_do_what_they_seem_to_are_mistakes() {
    let any = |condition: &str| base() + &filter("any", &format!("s: {{Image: /b}}\nt: {{Image: /c}}\ncondition: {condition}"));
    let mixed = "r:16:16: error: not clear what this filter suppresses: its condition says both what holds and what does not\n  hint: what is suppressed in one pair of parentheses: not (selection and not exception)";
    assert_eq!(said(&any("s and not t")), [mixed]);
    assert_eq!(said(&any("s or t")), [] as [&str; 0]);
    let of = |rules: &str, body: &str| said(&(base() + &filter(rules, body)));
    let body = "s: {Image: /b}\ncondition: s";
    assert_eq!(
        of("[11111111-1111-4111-8111-111111111112]", body)[0].lines().next().unwrap(),
        "r:13:13: error: no loaded rule has the id or name `11111111-1111-4111-8111-111111111112`"
    );
    assert_eq!(of("[]", body), ["r:13:12: error: a filter of no rule\n  hint: ids or names of rules, or `any`"]);
    assert_eq!(of("any", "s: {Imge: /b}\ncondition: s"), ["r:14:9: error: unknown field `Imge`\n  hint: did you mean `Image`?"]);
    let whole = of("any", "s: {CommandLine|contains: secret}\ncondition: s");
    assert_eq!(whole, ["r:10:1: warning: the filter suppresses all that the rule `r` finds"]);
    let elsewhere = base() + &filter(&format!("[{RULE}]"), "s: {User: root}\ncondition: s").replace("process_creation", "file_event");
    assert_eq!(said(&elsewhere), [format!("r:13:13: error: the filter is for file_event, the rule `{RULE}` for process_creation")]);
    let nothing = base() + &filter("any", "s: {User: root}\ncondition: s").replace("process_creation", "mount");
    assert_eq!(said(&nothing), ["r:10:1: warning: no loaded rule is for mount: the filter has no effect"]);
    let missing = (base() + &filter("any", body)).replace("    rules: any\n", "");
    assert_eq!(said(&missing), ["r:13:5: error: `rules` is missing in `filter`\n  hint: ids or names of rules, or `any`"]);
}
