//! Colours by severity and by verb, or none. Whether a terminal wants them is the caller's decision (`NO_COLOR`).
//!
//! Not for: layout.

use anstyle::{AnsiColor, Style};

/// Which kind of text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Time and other things that matter little.
    Faint,
    /// A verb.
    Verb,
    /// A failure.
    Failure,
    /// A match or a heading of low or medium severity.
    Notice,
    /// A match of high or critical severity, a breaker action, a loss.
    Alarm,
}

/// Writes text in a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    colour: bool,
}

impl Paint {
    /// With colours, or plain.
    #[must_use]
    pub const fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// Begins a tone; nothing when plain.
    #[must_use]
    pub fn on(self, tone: Tone) -> String {
        if self.colour { style(tone).render().to_string() } else { String::new() }
    }

    /// Ends a tone; nothing when plain.
    #[must_use]
    pub fn off(self, tone: Tone) -> String {
        if self.colour { style(tone).render_reset().to_string() } else { String::new() }
    }

    /// Appends `text`, which must be safe already, in a tone.
    pub fn put(self, out: &mut String, tone: Tone, text: &str) {
        out.push_str(&self.on(tone));
        out.push_str(text);
        out.push_str(&self.off(tone));
    }
}

const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Faint => Style::new().dimmed(),
        Tone::Verb => AnsiColor::Cyan.on_default(),
        Tone::Failure | Tone::Notice => AnsiColor::Yellow.on_default(),
        Tone::Alarm => AnsiColor::Red.on_default().bold(),
    }
}

/// The tone of a match of this `severity_id`.
#[must_use]
pub const fn of_level(level: u8) -> Tone {
    if level >= 4 { Tone::Alarm } else { Tone::Notice }
}

/// Name of a `severity_id`.
#[must_use]
pub const fn level_name(level: u8) -> &'static str {
    match level {
        0 | 1 => "info",
        2 => "low",
        3 => "medium",
        4 => "high",
        _ => "critical",
    }
}
