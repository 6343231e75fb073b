//! The result: a table in Markdown for people, the samples as JSON for whoever compares two runs.

use crate::samples::Samples;
use serde_json::{Value, json};
use std::fmt;

/// One row.
#[derive(Debug)]
struct Row {
    what: String,
    bar: String,
    measured: String,
    met: Option<bool>,
}

/// What was measured.
#[derive(Debug)]
pub struct Table {
    machine: Vec<(&'static str, String)>,
    engine: &'static str,
    rows: Vec<Row>,
    notes: Vec<String>,
    failed: bool,
    samples: serde_json::Map<String, Value>,
}

impl Table {
    pub fn new(machine: Vec<(&'static str, String)>, engine: &'static str) -> Self {
        Self { machine, engine, rows: Vec::new(), notes: Vec::new(), failed: false, samples: serde_json::Map::new() }
    }

    /// A quantity that must not be above its bar. `decimals` are those of the text.
    pub fn at_most(&mut self, what: &str, unit: &str, bar: f64, value: f64, detail: &str) {
        let measured = if detail.is_empty() { format!("{value:.2} {unit}") } else { format!("{value:.2} {unit} ({detail})") };
        self.rows.push(Row { what: what.to_owned(), bar: format!("≤ {bar} {unit}"), measured, met: Some(value <= bar) });
    }

    /// A quantity that must not be below its bar.
    pub fn at_least(&mut self, what: &str, unit: &str, bar: f64, value: f64, detail: &str) {
        self.rows.push(Row {
            what: what.to_owned(),
            bar: format!("≥ {bar:.0} {unit}"),
            measured: format!("{value:.0} {unit} ({detail})"),
            met: Some(value >= bar),
        });
    }

    /// A quantity without a bar, or one that could not be measured.
    pub fn say(&mut self, what: &str, measured: String) {
        self.rows.push(Row { what: what.to_owned(), bar: String::new(), measured, met: None });
    }

    /// A block that could not be measured.
    pub fn fail(&mut self, what: &str, error: &anyhow::Error) {
        self.failed = true;
        self.say(what, format!("failed: {}", format!("{error:#}").replace('\n', " ").replace('|', "/")));
    }

    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// A sentence below the table.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Keeps samples for the JSON file.
    pub fn keep(&mut self, name: String, samples: &Samples) {
        self.samples.insert(name, json!(samples.0));
    }

    pub fn to_json(&self) -> String {
        let rows: Vec<Value> =
            self.rows.iter().map(|row| json!({"what": row.what, "bar": row.bar, "measured": row.measured, "met": row.met})).collect();
        let machine: serde_json::Map<_, _> = self.machine.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({"machine": machine, "engine": self.engine, "rows": rows, "notes": self.notes, "samples": self.samples}).to_string()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.machine {
            writeln!(f, "- {key}: {value}")?;
        }
        writeln!(f, "- consumer of the records: {}\n", self.engine)?;
        writeln!(f, "| what | bar | measured | met |\n|---|---|---|---|")?;
        for row in &self.rows {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            writeln!(f, "| {} | {} | {} | {met} |", row.what, row.bar, row.measured)?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
