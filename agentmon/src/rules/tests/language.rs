//! The rarer parts of the language: keywords, encodings, references, times, placeholders.

use super::support::{Case, connect, engine, evaluate, exec, matches, rule};
use crate::event::WallClock;
use crate::rules::{Source, load};

/// Whether a detection of one entry matches an exec.
fn on(entry: &str, case: &Case) -> bool {
    matches("process_creation", &format!("selection:\n    {entry}\ncondition: selection"), case)
}

#[test]
fn keywords_are_looked_for_in_every_field() {
    let case = exec("/usr/bin/curl", "curl http://evil.example/x").child_of("/usr/bin/bash", 0);
    for (detection, expected) in [
        ("kw: evil.EXAMPLE\ncondition: kw", true),
        ("kw: [nothing, bin/bash]\ncondition: kw", true),
        ("kw: [nothing, at all]\ncondition: kw", false),
        ("kw:\n    '|all': [evil.example, bin/bash]\ncondition: kw", true),
        ("kw:\n    '|all': [evil.example, bin/zsh]\ncondition: kw", false),
        ("kw:\n    '|cased': [Evil]\ncondition: kw", false),
        ("kw:\n    '|re': 'evil\\.ex[a-z]+/x$'\ncondition: kw", true),
        ("kw:\n    '|startswith': http\ncondition: kw", false),
        ("kw:\n    '|startswith': curl\ncondition: kw", true),
        ("kw: 'http*evil?example'\ncondition: kw", true),
        ("kw:\n    - nothing\n    - Image|endswith: /curl\ncondition: kw", true),
        ("kw: curl\nnot_kw: evil\ncondition: kw and not not_kw", false),
    ] {
        assert_eq!(matches("process_creation", detection, &case), expected, "{detection}");
    }
}

#[test]
fn encoded_texts_are_found_where_they_occur() {
    // The Base64 of `x/bin/bash -i` in UTF-8, and of `/bin/bash` in UTF-16LE.
    let plain = exec("/usr/bin/sh", "sh -c echo eC9iaW4vYmFzaCAtaQ== | base64 -d");
    let wide = exec("/usr/bin/sh", "sh -c LwBiAGkAbgAvAGIAYQBzAGgA");
    assert!(on("CommandLine|base64offset|contains: /bin/bash", &plain));
    assert!(on("CommandLine|base64offset: /bin/bash", &plain), "without a place it is looked for anywhere");
    assert!(!on("CommandLine|base64offset|contains: /bin/zsh", &plain));
    assert!(on("CommandLine|base64|contains: x/bin/bash -i", &plain) && !on("CommandLine|base64|contains: /bin/bash -i", &plain));
    assert!(on("CommandLine|utf16le|base64offset|contains: /bin/bash", &wide));
    assert!(on("CommandLine|wide|base64offset|contains: in/b", &wide));
    assert!(!on("CommandLine|utf16be|base64offset|contains: /bin/bash", &wide));
    assert!(on("CommandLine|windash|contains|all: [' /c', 'L']", &wide));
}

#[test]
fn fields_are_compared_with_fields() {
    let case = exec("/usr/bin/bash", "/usr/bin/bash -c x").child_of("/usr/bin/bash", 0);
    assert!(on("Image|fieldref: ParentImage", &case) && !on("Image|fieldref|neq: ParentImage", &case));
    assert!(on("CommandLine|fieldref|startswith: ParentImage", &case) && !on("CommandLine|fieldref|endswith: ParentImage", &case));
    assert!(on("CommandLine|fieldref|contains: Image", &case) && !on("Image|fieldref: CommandLine", &case));
    assert!(!on("Image|fieldref: Script", &case), "an absent field is like no other");
    let upper = exec("/usr/bin/BASH", "x").child_of("/usr/bin/bash", 0);
    assert!(on("Image|fieldref: ParentImage", &upper) && !on("Image|fieldref|cased: ParentImage", &upper));
}

#[test]
fn times_are_the_events_own_in_utc() {
    let at = |entry: &str| {
        // Saturday, 2026-11-21 22:05:00 UTC.
        let text = rule("process_creation", &format!("s:\n    {entry}\ncondition: s"));
        let mut engine = engine(&text).with_clock(WallClock { boot_ns: 1_795_298_699_000_000_000 });
        !evaluate(&mut engine, &exec("/x", "x").at_ms(1000)).is_empty()
    };
    for (entry, expected) in [
        ("EventTime|hour: 22", true),
        ("EventTime|hour: [21, 23]", false),
        ("EventTime|hour|gte: 22", true),
        ("EventTime|hour|gt: 22", false),
        ("EventTime|minute: 5", true),
        ("EventTime|minute|lt: 5", false),
        ("EventTime|day: 21", true),
        ("EventTime|week: 47", true),
        ("EventTime|month: 11", true),
        ("EventTime|year: 2026", true),
        ("EventTime|year|neq: 2026", false),
        ("EventTime|startswith: '2026-11-21T22:05:00Z'", true),
    ] {
        assert_eq!(at(entry), expected, "{entry}");
    }
}

#[test]
fn placeholders_stand_for_what_another_document_says() {
    let text = rule("network_connection", "s:\n    DestinationIp|expand|cidr: '%inside%'\ncondition: s")
        + "---\nplaceholders:\n    inside: [10.0.0.0/8, 192.168.0.0/16]\n";
    let mut found = engine(&text);
    assert_eq!(evaluate(&mut found, &connect("10.1.1.1:1")).len(), 1);
    assert_eq!(evaluate(&mut found, &connect("192.168.1.1:1")).len(), 1);
    assert_eq!(evaluate(&mut found, &connect("11.1.1.1:1")).len(), 0);
    let said = |text: &str| load(&[Source { name: "r", text }]).diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        said(&text.replace("%inside%", "%insid%")),
        ["r:6:37: error: no placeholder is called `insid`\n  hint: did you mean `inside`?"]
    );
    assert_eq!(said("placeholders: {a: []}"), ["r:1:19: error: the values of `a` must be texts, at least one"]);
    assert_eq!(said("placeholders: {a: x}\n---\nplaceholders: {a: y}"), ["r:3:16: error: the placeholder `a` is defined twice"]);
    assert_eq!(said("placeholdrs: {a: x}")[0].lines().next().unwrap(), "r:1:1: error: `logsource` is missing or not a mapping");
}

#[test]
fn numbers_may_have_decimals_and_be_larger_than_64_bits_hold_signed() {
    let case = super::support::flow("10.0.0.1:443", u64::MAX);
    let on = |entry: &str| matches("network_flow", &format!("s:\n    {entry}\ncondition: s"), &case);
    assert!(on("traffic.bytes_out|gt: 9223372036854775807") && on("traffic.bytes_in|gt: 6.5") && !on("traffic.bytes_in|gt: 7.5"));
    assert!(on("traffic.bytes_in|lt: 7.5") && !on("traffic.bytes_in|lte: 6.5") && on("traffic.bytes_in|gte: 7.0"));
}
