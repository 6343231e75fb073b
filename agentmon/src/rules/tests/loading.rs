//! What the loader says about broken rules, to the column, and that good ones load beside them.

use super::support::rule;
use crate::rules::load::{gather, read_dir};
use crate::rules::{Action, Level, Severity, Source, load};

/// What is said about one file, as the user sees it.
fn said(text: &str) -> Vec<String> {
    load(&[Source { name: "r.yml", text }]).diagnostics.iter().map(ToString::to_string).collect()
}

fn good() -> String {
    rule("process_creation", "selection:\n    Image|endswith: /x\ncondition: selection")
}

#[test]
fn mistakes_are_found_where_they_are() {
    let cases = [
        ("Image|endswith", "Imge|endswith", "r.yml:6:9: error: unknown field `Imge`\n  hint: did you mean `Image`?"),
        ("Image|endswith", "Image|endwith", "r.yml:6:15: error: unknown modifier `endwith`\n  hint: did you mean `endswith`?"),
        ("Image|endswith", "Image|contains|base64", "r.yml:6:24: error: `base64` must stand before `contains`"),
        ("Image|endswith", "Image|endswith|endswith", "r.yml:6:24: error: `endswith` stands twice"),
        ("Image|endswith", "Image|base64|re", "r.yml:6:9: error: `base64` changes texts: it has no meaning with `re`"),
        (
            "Image|endswith: /x",
            "Image|base64: 'a*'",
            "r.yml:6:24: error: a text with wildcards has no `base64`: escape `*` and `?` with a backslash",
        ),
        (
            "Image|endswith: /x",
            "CommandLine|wide: a",
            "r.yml:6:27: warning: never matches: the text has zero bytes, which no path or argument can hold\n  hint: UTF-16 occurs within Base64: `utf16le|base64offset|contains`",
        ),
        (
            "Image|endswith: /x",
            "Image|fieldref: ParentImag",
            "r.yml:6:25: error: unknown field `ParentImag`\n  hint: did you mean `ParentImage`?",
        ),
        ("Image|endswith: /x", "Image|fieldref: Image", "r.yml:6:25: error: `Image` refers to itself"),
        ("Image|endswith: /x", "Image|hour: 3", "r.yml:6:9: error: `Image` is no time: the time of an event is `EventTime`"),
        ("Image|endswith: /x", "EventTime|hour: 25", "r.yml:6:25: error: `25` is not from 0 to 23"),
        ("Image|endswith: /x", "Image|gt: 3", "r.yml:6:9: error: `gt` compares numbers, which `Image` is not"),
        (
            "Image|endswith: /x",
            "Image|expand: '%x%'",
            "r.yml:6:24: error: no placeholder is called `x`\n  hint: define it in a document of its own: placeholders: {x: [a, b]}",
        ),
        (
            "condition: selection",
            "condition: selection and not selection",
            "r.yml:7:16: error: the condition can never hold: what it asks for excludes itself",
        ),
        ("Image|endswith", "Image|endswith|contains", "r.yml:6:24: error: `contains` cannot follow another comparison"),
        (
            "Image|endswith",
            "TargetFilename",
            "r.yml:6:9: error: process_creation events have no field `TargetFilename`\n  hint: it is a field of file_event, file_access, file_change, file_delete, file_rename, file_link, permission_change, mount, driver_load, system_setting, io_uring, process_tampering, process_access",
        ),
        (
            "condition: selection",
            "condition: selection and fliter",
            "r.yml:7:30: error: no detection is called `fliter`\n  hint: known: selection",
        ),
        (
            "condition: selection",
            "condition: selecton",
            "r.yml:7:16: error: no detection is called `selecton`\n  hint: did you mean `selection`?",
        ),
        (
            "condition: selection",
            "condition: selection and (",
            "r.yml:7:31: error: the condition does not parse here\n  hint: for example: selection and not 1 of filter_*",
        ),
        ("condition: selection", "condition: 1 of sel*", ""),
        ("condition: selection", "condition: 1 of foo*", "r.yml:7:18: error: no detection has such a name"),
        (
            "condition: selection",
            "condition: selection | count() > 5",
            "r.yml:7:26: error: `|` belongs to the aggregations of old Sigma versions; write a `correlation:` document\n  hint: for example: selection and not 1 of filter_*",
        ),
        (
            "process_creation",
            "process_creaton",
            "r.yml:3:39: error: unknown category `process_creaton`\n  hint: did you mean `process_creation`?",
        ),
        ("process_creation", "sysctl_write", "r.yml:3:39: error: no event of this build has the category `sysctl_write`"),
        (
            "product: linux",
            "product: windows",
            "r.yml:3:22: warning: skipped: the rule is for product `windows`, this monitor watches linux",
        ),
        (
            "category: process_creation",
            "service: sshd",
            "r.yml:3:38: warning: skipped: the rule reads the log of service `sshd`, this monitor reads none",
        ),
        (
            "id: 11111111-1111-4111-8111-111111111111\n",
            "",
            "r.yml:1:1: error: the rule has no `id`\n  hint: a UUID, for example from `uuidgen`; it names the rule in logs and must never change",
        ),
        (
            "id: 11111111",
            "id: 1111111",
            "r.yml:2:5: error: `id` is not a UUID\n  hint: a UUID, for example from `uuidgen`; it names the rule in logs and must never change",
        ),
        ("level: high", "level: hihg", "r.yml:8:8: error: unknown level `hihg`\n  hint: did you mean `high`?"),
        ("level: high", "agentmon: {acton: kill}", "r.yml:8:12: error: unknown key `acton` in `agentmon`\n  hint: did you mean `action`?"),
        ("level: high", "agentmon: {action: kil}", "r.yml:8:20: error: unknown action `kil`\n  hint: did you mean `kill`?"),
        (
            "level: high",
            "agentmon: {outcome: submitted}",
            "r.yml:8:21: error: `outcome: submitted` is for correlations\n  hint: in a detection: `Outcome: submitted`",
        ),
        ("level: high", "agentmn: {action: kill}", "r.yml:8:1: error: unknown key `agentmn`\n  hint: did you mean `agentmon`?"),
        (
            "level: high",
            "agentmon: {action: deny}",
            "r.yml:8:20: warning: this build cannot `deny` yet: the action becomes `freeze`\n  hint: a frozen agent waits for `agentmon thaw` or `agentmon kill`",
        ),
        ("level: high", "title: again", "r.yml:8:1: error: the key `title` stands twice in this mapping; first on line 1"),
        ("endswith: /x", "endswith: [/x, {a: b}]", "r.yml:6:30: error: a value must be a single value, not a mapping"),
        ("Image|endswith: /x", "Argc|gt: many", "r.yml:6:18: error: `many` is not a number"),
        ("Image|endswith: /x", "Image|re: '(x'", "r.yml:6:20: error: unclosed group"),
        ("Image|endswith: /x", "Image|cidr: 10.0.0.0/8", "r.yml:6:9: error: `cidr` compares addresses, which `Image` is not"),
        ("        Image|endswith: /x", "        - '*'", "r.yml:6:12: error: an empty keyword is in every event"),
        ("Image|endswith: /x", "Image|endswith: []", "r.yml:6:25: error: an empty list matches nothing"),
        ("    condition", "    other:\n        Image: y\n    condition", "r.yml:7:5: warning: the condition does not use `other`"),
        ("title: r\n", "title: [r]\n", "r.yml:1:8: error: `title` must be a text, not a list"),
    ];
    let mut wrong = Vec::new();
    for (from, to, expected) in cases {
        let text = good().replacen(from, to, 1);
        assert_ne!(text, good(), "{from}");
        let said = said(&text).join("\n");
        if said != expected {
            wrong.push(format!("expected {expected:?}\n    said {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_rules_load_beside_broken_ones() {
    let broken = good().replace("Image", "Imge").replace("1111-1111", "2222-2222");
    let other = good().replace("1111-1111", "3333-3333");
    let text = format!("{}---\n{broken}---\n{other}---\nx: [\n", good());
    let loaded = load(&[Source { name: "r.yml", text: &text }]);
    assert_eq!(loaded.rules.len(), 2);
    assert!(loaded.has_errors());
    let lines: Vec<u32> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!((lines.len(), lines[0]), (2, 15));
}

/// One file with a mistake of nearly every kind.
const MANY: &str = "title: [m]
id: 33333333-3333-4333-8333-333333333333
logsource: {product: linux, category: process_creaton}
detection:
    one:
        Imge|endwith|foo: /x
        Argc|gt: many
    two: '*'
    condition: one and tow or thre
level: hihg
level: high
---
title: second
id: 11111111-1111-4111-8111-111111111111
logsource: {product: linux, category: process_creation}
---
title: third
id: 55555555-5555-4555-8555-555555555555
correlation:
    type: event_cont
    rules: [nobody]
    timespan: 10x
    condition: {gte: 3}
---
x: [
---
title: fifth
logsource: {product: linux, category: process_creation}
detection: {selection: {Image: &a /x}, condition: selection}
";

#[test]
fn a_mistake_hides_no_other_in_its_document_its_file_or_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yml"), good()).unwrap();
    std::fs::write(dir.path().join("b.yml"), MANY).unwrap();
    std::fs::write(dir.path().join("c.yml"), "title: \"c\n").unwrap();
    std::fs::write(dir.path().join("d.yml"), b"\xff").unwrap();
    let missing = dir.path().join("missing");
    let gathered = gather(false, &[missing.clone(), dir.path().to_owned()]);
    let short = |found: &crate::rules::Diagnostic| {
        let file = found.file.rsplit('/').next().unwrap_or_default();
        format!("{file}:{}:{}: {}", found.line, found.column, found.message.split(':').next().unwrap_or_default())
    };
    let said: Vec<String> = gathered.diagnostics.iter().map(short).collect();
    let expected = [
        "b.yml:1:8: `title` must be a text, not a list",
        "b.yml:3:39: unknown category `process_creaton`",
        "b.yml:6:9: unknown field `Imge`",
        "b.yml:6:14: unknown modifier `endwith`",
        "b.yml:6:22: unknown modifier `foo`",
        "b.yml:7:18: `many` is not a number",
        "b.yml:8:11: an empty keyword is in every event",
        "b.yml:9:24: no detection is called `tow`",
        "b.yml:9:31: no detection is called `thre`",
        "b.yml:10:8: unknown level `hihg`",
        "b.yml:11:1: the key `level` stands twice in this mapping; first on line 10",
        "b.yml:13:1: `detection` is missing",
        "b.yml:14:5: this `id` is taken by the rule `r`",
        "b.yml:20:11: unknown type `event_cont`",
        "b.yml:21:13: no loaded rule has the id or name `nobody`",
        "b.yml:22:15: `10x` is not a timespan",
        "b.yml:25:4: not valid YAML",
        "b.yml:27:1: the rule has no `id`",
        "b.yml:29:35: YAML anchors are not supported in rules",
        "c.yml:2:1: not valid YAML",
        "d.yml:1:1: not UTF-8 at byte 0",
    ];
    assert_eq!(said, expected);
    assert_eq!((gathered.mistakes(), gathered.rules.len(), gathered.rules.skipped()), (expected.len(), 1, 3));
    let error = gathered.readable().unwrap_err();
    assert_eq!((error.0.len(), &error.0[0].0), (1, &missing));
}

#[test]
fn rules_for_something_else_are_skipped_aloud() {
    let of = |logsource: &str| {
        let text = good().replace("{product: linux, category: process_creation}", logsource);
        let loaded = load(&[Source { name: "r", text: &text }]);
        assert_eq!((loaded.rules.len(), loaded.diagnostics.len()), (0, 1), "{logsource}");
        (loaded.diagnostics[0].severity, loaded.diagnostics[0].is_skipped())
    };
    for logsource in ["{product: windows, category: process_creation}", "{product: linux, service: sshd}", "{product: linux}"] {
        assert_eq!(of(logsource), (Severity::Warning, true), "{logsource}");
    }
    for logsource in ["{category: process_creatin}", "{product: linux, categry: file_event}", "{definition: x}"] {
        assert_eq!(of(logsource), (Severity::Error, false), "{logsource}");
    }
}

#[test]
fn an_id_is_taken_once() {
    let text = good().replace("title: r", "title: second");
    let sources = [Source { name: "a.yml", text: &good() }, Source { name: "b.yml", text: &text }];
    let loaded = load(&sources);
    assert_eq!(loaded.rules.len(), 1);
    assert_eq!(
        loaded.diagnostics[0].to_string(),
        "b.yml:2:5: error: this `id` is taken by the rule `r`\n  hint: the other one is in a.yml, line 1"
    );
}

#[test]
fn what_is_not_said_has_a_default() {
    let action = |from: &str, to: &str| {
        let text = good().replace(from, to);
        load(&[Source { name: "r", text: &text }]).rules.rules()[0].action
    };
    assert_eq!(action("", ""), Action::Alert);
    assert_eq!(action("level: high", "level: medium"), Action::Log);
    assert_eq!(action("level: high", "level: low\nagentmon: {action: freeze}"), Action::Freeze);
    assert_eq!(action("level: high", "agentmon: {action: confirm}"), Action::Freeze);
    assert!(Action::Log < Action::Alert && Action::Deny < Action::Freeze && Action::Freeze < Action::Kill);
    let text = good();
    let loaded = load(&[Source { name: "r", text: &text }]);
    let rule = &loaded.rules.rules()[0];
    assert_eq!((rule.level, rule.line, rule.file.as_str(), rule.class.as_deref()), (Level::High, 1, "r", None));
}

#[test]
fn the_digest_is_of_names_and_texts() {
    let digest = |name, text| load(&[Source { name, text }]).rules.digest();
    assert_eq!(digest("a", "x: 1").len(), 64);
    assert_eq!(digest("a", "x: 1"), digest("a", "x: 1"));
    assert_ne!(digest("a", "x: 1"), digest("b", "x: 1"));
    assert_ne!(digest("a", "x: 1"), digest("a", "x: 2"));
}

#[test]
fn correlations_are_checked_like_rules() {
    let correlation = "---\ntitle: c\nid: 22222222-2222-4222-8222-222222222222\ncorrelation:\n    type: value_count\n    rules:\n        - 11111111-1111-4111-8111-111111111111\n    group-by: [SessionId]\n    timespan: 10s\n    condition: {gte: 3, field: CommandLine}\n";
    let lines = u32::try_from(good().lines().count()).unwrap();
    let cases = [
        ("", "", 0, ""),
        ("value_count", "value_cont", 5, "unknown type `value_cont`"),
        ("value_count", "temporal", 5, "a sequence in time needs at least two rules"),
        ("value_count", "event_count", 10, "this type counts events or rules, not a `field`"),
        ("value_count", "value_sum", 10, "the values of `CommandLine` are no numbers to compute with"),
        ("value_count", "value_percentile", 10, "which percentile? The condition of a `value_percentile` must say `percentile`"),
        ("gte: 3, field", "gte: 3, percentile: 95, field", 10, "`percentile` belongs to the type `value_percentile`"),
        ("gte: 3", "gte: 3, lt: 3", 10, "the condition can never hold"),
        (
            "    group-by",
            "    aliases: {a: {11111111-1111-4111-8111-111111111111: Image}}\n    group-by",
            8,
            "neither `group-by` nor `field` asks for the alias `a`",
        ),
        ("group-by: [SessionId]", "group-by: [a]\n    aliases: {a: {r: Image}}", 9, "the alias `a` names no field for one of the rules"),
        ("group-by: [SessionId]", "group-by: [a]\n    aliases: {a: {x: Image}}", 9, "`x` is not among the correlation's `rules`"),
        (
            "group-by: [SessionId]",
            "group-by: [User]\n    aliases: {User: {x: Image}}",
            9,
            "`User` is the name of a field: an alias needs another",
        ),
        (
            "        - 11111111-1111-4111-8111-111111111111\n",
            "        - 11111111-1111-4111-8111-111111111111\n        - 11111111-1111-4111-8111-111111111111\n",
            8,
            "`11111111-1111-4111-8111-111111111111` stands here twice",
        ),
        ("correlation:", "agentmon: {suppress: 3x}\ncorrelation:", 4, "not a timespan"),
        ("- 1111", "- 4111", 7, "no loaded rule has the id or name `41111111-1111-4111-8111-111111111111`"),
        (
            "- 11111111-1111-4111-8111-111111111111",
            "- 22222222-2222-4222-8222-222222222222",
            7,
            "correlations count each other in a circle: none of them can be first",
        ),
        ("SessionId", "SesionId", 8, "unknown field `SesionId`"),
        ("SessionId", "TargetFilename", 8, "process_creation events have no field `TargetFilename`"),
        ("10s", "10x", 9, "`10x` is not a timespan"),
        ("10s", "99999999999999999999d", 9, "`99999999999999999999d` is not a timespan"),
        (", field: CommandLine", "", 10, "this type needs a `field` in its condition"),
        ("gte: 3", "gte: 20000", 10, "not a whole number from 0 to 16000"),
        ("gte: 3, ", "", 10, "the condition compares with nothing"),
        ("gte: 3", "qte: 3", 10, "unknown comparison `qte`"),
        ("correlation:", "agentmon: {outcome: submitted}\ncorrelation:", 0, ""),
        (
            "correlation:",
            "agentmon: {outcome: failure}\ncorrelation:",
            4,
            "a correlation counts what its rules match: say `outcome: failure` there",
        ),
        ("timespan", "timespam", 9, "unknown key `timespam` in `correlation`"),
        ("condition: {gte: 3, field: CommandLine}", "condition: a and b", 10, "a correlation needs a `condition` that is a mapping"),
    ];
    for (from, to, line, message) in cases {
        let text = good() + &correlation.replacen(from, to, 1);
        let loaded = load(&[Source { name: "r.yml", text: &text }]);
        match loaded.diagnostics.iter().find(|diagnostic| diagnostic.message == message) {
            Some(found) => assert_eq!((found.line, found.severity), (lines + line, Severity::Error), "{found}"),
            None => assert_eq!((message, &loaded.diagnostics[..]), ("", &[][..])),
        }
        assert_eq!(loaded.rules.len(), if message.is_empty() { 2 } else { 1 }, "{message}");
    }
}

#[test]
fn a_directory_is_read_in_order_and_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("b.yml", good().as_bytes());
    write("a.yaml", b"x: 1");
    write("notes.txt", b"no");
    write(".hidden.yml", b"no");
    write("big.yml", &vec![b'#'; crate::rules::FILE_BYTES_MAX + 1]);
    write("latin.yml", b"title: \xff");
    // Below it too, but not through a link, nor where a dot begins the name.
    for below in ["c.yml", ".git"] {
        std::fs::create_dir(dir.path().join(below)).unwrap();
        write(&format!("{below}/inner.yml"), b"y: 1");
    }
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop.yml")).unwrap();
    let files = read_dir(dir.path()).unwrap();
    let names: Vec<&str> = files.files.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a.yaml", "b.yml", "inner.yml"]);
    let messages: Vec<&str> = files.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(messages, ["the file is larger than 1048576 bytes", "not UTF-8 at byte 7", "not a regular file"]);
    assert_eq!(load(&files.sources()).rules.len(), 1);
    assert!(read_dir(&dir.path().join("missing")).is_err());
}
