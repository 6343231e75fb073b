//! Correlations against a slow and obvious reference: the list of all events, looked through anew at each event.

use super::support::{Case, create, engine, evaluate};
use crate::rules::Match;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use std::collections::{BTreeSet, HashMap};

const KINDS: &[&str] =
    &["event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median", "temporal", "temporal_ordered"];
const COMPARES: &[&str] = &["gt", "gte", "lt", "lte", "eq", "neq"];

/// One event: when, whose, in which group, which of the three rules match it, with which number.
#[derive(Clone, Debug)]
struct Step {
    after_ms: u64,
    agent: u32,
    group: u8,
    rules: u8,
    number: u32,
}

#[derive(Clone, Debug)]
struct Spec {
    kind: &'static str,
    ordered: [usize; 2],
    timespan_ms: u64,
    suppress_ms: Option<u64>,
    compare: &'static str,
    number: u64,
    percentile: u8,
    grouped: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![Just(0), Just(1), Just(4), Just(5), Just(6), Just(9), Just(10), Just(11), Just(30)];
    (after, 0..2_u32, 0..2_u8, 0..8_u8, 1..6_u32).prop_map(|(after_ms, agent, group, rules, number)| Step {
        after_ms,
        agent,
        group,
        rules,
        number,
    })
}

fn spec() -> impl Strategy<Value = Spec> {
    let suppress = prop_oneof![Just(None), Just(Some(0)), Just(Some(7))];
    let orders = prop_oneof![Just([0, 1]), Just([1, 0]), Just([2, 0])];
    let timespan = prop_oneof![Just(5_u64), Just(10), Just(20)];
    (prop::sample::select(KINDS), orders, timespan, suppress, prop::sample::select(COMPARES), 1..6_u64, 0..=100_u8, any::<bool>()).prop_map(
        |(kind, ordered, timespan_ms, suppress_ms, compare, number, percentile, grouped)| Spec {
            kind,
            ordered,
            timespan_ms,
            suppress_ms,
            compare,
            number,
            percentile,
            grouped,
        },
    )
}

impl Spec {
    fn is_temporal(&self) -> bool {
        self.kind.starts_with("temporal")
    }

    /// The positions in the list of rules, by rule.
    fn rules(&self) -> Vec<usize> {
        if self.is_temporal() { self.ordered.to_vec() } else { vec![0, 1, 2] }
    }

    fn yaml(&self) -> String {
        let mut text = String::new();
        for rule in 0..3 {
            text += &format!(
                "title: r{rule}\nname: r{rule}\nid: 1111111{rule}-1111-4111-8111-111111111111\nlogsource: {{category: file_event}}\ndetection:\n    s: {{TargetFilename|contains: k{rule}}}\n    condition: s\n---\n"
            );
        }
        let rules: Vec<String> = self.rules().iter().map(|rule| format!("r{rule}")).collect();
        text += "title: c\nname: c\nid: 22222222-2222-4222-8222-222222222222\n";
        if let Some(suppress) = self.suppress_ms {
            text += &format!("agentmon: {{suppress: {suppress}ms}}\n");
        }
        text +=
            &format!("correlation:\n    type: {}\n    rules: [{}]\n    timespan: {}ms\n", self.kind, rules.join(", "), self.timespan_ms);
        if self.grouped {
            text += "    group-by: [Image]\n";
        }
        if !self.is_temporal() {
            text += &format!("    condition: {{{}: {}", self.compare, self.number);
            if self.kind == "value_percentile" {
                text += &format!(", percentile: {}", self.percentile);
            }
            text += if self.kind == "event_count" { "}\n" } else { ", field: ProcessId}\n" };
        }
        // A correlation of it: it and the first rule, within a longer time.
        text + "---\ntitle: outer\nid: 33333333-3333-4333-8333-333333333333\nagentmon: {suppress: 0s}\ncorrelation: {type: temporal, rules: [c, r0], timespan: 15ms}\ngenerate: true\n"
    }

    /// Whether the condition holds for these events, which are all of one group and within the window, oldest first.
    fn holds(&self, window: &[&Step]) -> bool {
        let numbers: Vec<u64> = window.iter().map(|step| u64::from(step.number)).collect();
        let compare = |left: u64, right: u64| match self.compare {
            "gt" => left > right,
            "gte" => left >= right,
            "lt" => left < right,
            "lte" => left <= right,
            "eq" => left == right,
            _ => left != right,
        };
        let count = numbers.len() as u64;
        match self.kind {
            "event_count" => compare(count, self.number),
            "value_count" => compare(numbers.iter().collect::<BTreeSet<_>>().len() as u64, self.number),
            "value_sum" => compare(numbers.iter().sum(), self.number),
            "value_avg" => compare(numbers.iter().sum(), self.number * count),
            "value_percentile" | "value_median" => {
                let percentile = if self.kind == "value_median" { 50 } else { usize::from(self.percentile) };
                let mut sorted = numbers;
                sorted.sort_unstable();
                let position = (sorted.len() - 1) * percentile;
                let (lower, part) = (sorted[position / 100], (position % 100) as u64);
                let upper = sorted[(position / 100 + 1).min(sorted.len() - 1)];
                compare(lower * (100 - part) + upper * part, self.number * 100)
            }
            "temporal" => self.ordered.iter().all(|rule| window.iter().any(|step| step.rules & (1 << rule) != 0)),
            _ => {
                let matches = |rule: usize, step: &Step| step.rules & (1 << rule) != 0;
                (0..window.len()).any(|first| {
                    matches(self.ordered[0], window[first]) && window[first + 1..].iter().any(|step| matches(self.ordered[1], step))
                })
            }
        }
    }
}

type Key = (u32, u8);

/// What the reference says: for each event whether `c` is told, and whether the correlation of it is.
fn reference(spec: &Spec, steps: &[Step]) -> Vec<(bool, bool)> {
    let counted: u8 = spec.rules().iter().map(|rule| 1 << rule).sum();
    let mut now = 1000;
    let mut told_at: HashMap<Key, u64> = HashMap::new();
    let mut past: Vec<(u64, Key, Step)> = Vec::new();
    // Of the outer one: when `c` held, and when the first rule matched; by agent.
    let mut outer: Vec<(u64, u32, bool, bool)> = Vec::new();
    let mut said = Vec::new();
    for step in steps {
        now += step.after_ms;
        let key = (step.agent, if spec.grouped { step.group } else { 0 });
        let mut held = false;
        let mut told = false;
        if step.rules & counted != 0 {
            past.push((now, key, step.clone()));
            let window: Vec<&Step> =
                past.iter().filter(|(at, of, _)| *of == key && now - at < spec.timespan_ms).map(|(_, _, step)| step).collect();
            held = spec.holds(&window);
            let silent = spec.suppress_ms.unwrap_or(spec.timespan_ms);
            told = held && told_at.get(&key).is_none_or(|last| now - last >= silent);
            if told {
                told_at.insert(key, now);
            }
        }
        outer.push((now, step.agent, held, step.rules & 1 != 0));
        let within = || outer.iter().filter(|(at, agent, ..)| *agent == step.agent && now - at < 15);
        let concerned = held || step.rules & 1 != 0;
        said.push((told, concerned && within().any(|(_, _, held, _)| *held) && within().any(|(_, _, _, first)| *first)));
    }
    said
}

fn case(step: &Step, now: u64) -> Case {
    let names: String = (0..3).filter(|rule| step.rules & (1 << rule) != 0).map(|rule| format!("k{rule}")).collect();
    create(&format!("/{names}")).by(&format!("/g{}", step.group)).agent(step.agent + 1).process(step.number).at_ms(now)
}

proptest! {
    #[test]
    fn every_correlation_says_what_a_list_of_all_events_says(spec in spec(), steps in prop::collection::vec(step(), 1..60)) {
        let text = spec.yaml();
        let loaded = crate::rules::load(&[crate::rules::Source { name: "r", text: &text }]);
        // Such as fewer than one event.
        if loaded.has_errors() {
            prop_assert_eq!(&loaded.diagnostics[0].message, "the condition can never hold");
            return Ok(());
        }
        let mut engine = engine(&text);
        let mut now = 1000;
        let mut said = Vec::new();
        for step in &steps {
            now += step.after_ms;
            let matches = evaluate(&mut engine, &case(step, now));
            let is = |title: &str| matches.iter().any(|found: &Match| found.rule.title == title);
            said.push((is("c"), is("outer")));
        }
        prop_assert_eq!(said, reference(&spec, &steps));
    }
}
