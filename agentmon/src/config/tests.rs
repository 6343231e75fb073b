//! The example file, and every kind of mistake with the exact words about it.

use super::*;
use crate::rules::{Action, Profile};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("a.toml"), text)
}

/// Each mistake as `FILE:LINE:COLUMN: MESSAGE | HINT`.
fn mistakes(text: &str) -> Vec<String> {
    match parse(text).unwrap_err() {
        ConfigError::Invalid { diagnostics } => {
            diagnostics.into_iter().map(|found| format!("{found} | {}", found.hint.as_deref().unwrap_or_default())).collect()
        }
        ConfigError::Read { .. } => unreachable!("no file is read"),
    }
}

#[test]
fn the_example_file_says_the_defaults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agentmon.toml");
    let example = Config::load(&file).unwrap();
    assert_eq!(example, Config::default());
    assert_eq!(parse("").unwrap(), Config::default());
    // What it shows commented out must be right as well.
    let text = std::fs::read_to_string(&file).unwrap().replace("#[[", "[[").replace("#name", "name").replace("#cgroup", "cgroup");
    assert_eq!(parse(&text.replace("#unit", "unit")).unwrap().agents.len(), 2);
}

#[test]
fn every_key_has_its_effect() {
    let config = parse(
        r#"
        [log]
        dir = "/l"
        max_bytes = "1MiB"
        max_total_bytes = 4194304
        [metrics]
        enabled = false
        listen = "[::1]:0"
        [rules]
        dirs = ["/r", "/s"]
        built_in = false
        on_error = "skip"
        profile = "strict"
        actions = { payment = "kill" }
        [kernel]
        ring_bytes = "1 MiB"
        canary_seconds = 0
        [response]
        mode = "observe"
        [[agent]]
        name = "a"
        cgroup = "/x/*"
        without = ["open", "unlink"]
        [[agent]]
        name = "a"
        unit = "b.service"
        "#,
    );
    let mut without = Kinds::default();
    ["unlink", "open"].into_iter().for_each(|kind| without.insert(kind).unwrap());
    let agent = |pattern, without| AgentPattern { name: "a".into(), pattern, terms: Terms { without, ..Terms::default() } };
    let expected = Config {
        log: Log { dir: "/l".into(), max_bytes: 1 << 20, max_total_bytes: 4 << 20 },
        metrics: Metrics { enabled: false, listen: "[::1]:0".parse().unwrap() },
        rules: Rules {
            dirs: vec!["/r".into(), "/s".into()],
            built_in: false,
            on_error: OnRuleError::Skip,
            policy: Policy { profile: Profile::Strict, classes: [("payment".to_owned(), Action::Kill)].into() },
        },
        kernel: Kernel { ring_bytes: 1 << 20, canary_seconds: 0 },
        response: Response { mode: Mode::Observe },
        agents: vec![agent(Pattern::Path("/x/*".into()), without), agent(Pattern::Unit("b.service".into()), Kinds::default())],
    };
    assert_eq!(config.unwrap(), expected);
}

#[test]
fn unknown_keys_and_values_get_a_suggestion() {
    for (text, mistake) in [
        ("[log]\nmax_byte = 1\n", "a.toml:2:1: unknown key `max_byte` in [log] | did you mean `max_bytes`?"),
        ("[metric]\n", "a.toml:1:2: unknown section `metric` | did you mean `metrics`?"),
        ("dir = '/x'\n", "a.toml:1:1: unknown key `dir` at the top | known keys: log, metrics, rules, kernel, response, agent"),
        ("[log] # c\nzzz = 1\n", "a.toml:2:1: unknown key `zzz` in [log] | known keys: dir, max_bytes, max_total_bytes"),
        ("[[agent]]\nname = 'a'\nunits = 'x'\n[log]\n", "a.toml:3:1: unknown key `units` in [[agent]] | did you mean `unit`?"),
        ("[response]\nmode = \"enforced\"\n", "a.toml:2:8: `response.mode`: unknown value `enforced` | did you mean `enforce`?"),
        ("[rules]\non_error = 'x'\n", "a.toml:2:12: `rules.on_error`: unknown value `x` | known values: refuse, skip"),
    ] {
        assert_eq!(mistakes(text), [mistake], "{text}");
    }
}

#[test]
fn a_kind_that_cannot_be_switched_off_is_refused_where_it_stands() {
    let text = "[[agent]]\nname = 'a'\nunit = 'x.service'\nwithout = ['opne', 'open',\n  'exec']\n";
    assert_eq!(
        mistakes(text),
        [
            "a.toml:4:12: `agent.without`: unknown kind `opne` | did you mean `open`?",
            "a.toml:5:3: `agent.without`: `exec` cannot be switched off | it says which processes there are and whose: without it every other \
             event would be told of the wrong one",
        ]
    );
}

#[test]
fn the_lists_of_an_agent_say_what_is_expected_of_it() {
    let text = "[[agent]]\nname = 'a'\nunit = 'x.service'\nworkdir = ['/w/']\nexecutables = ['/usr/bin/*']\nread = []\nwrite = ['/tmp/**']\n\
        destinations = ['*.example.com:443']\nports = ['80', '3000-3009']\n";
    let config = parse(text).unwrap();
    let allowed = &config.agents[0].terms.allowed;
    assert!(
        allowed.workdir[0].contains(b"/w/x") && allowed.runs(b"/usr/bin/ls") == Some(true) && allowed.writes(b"/tmp/a/b") == Some(true)
    );
    assert_eq!((allowed.reads(b"/etc/hosts"), allowed.reads(b"/tmp/x"), allowed.binds(3005)), (Some(false), Some(true), Some(true)));
    let wrong =
        "[[agent]]\nname = 'a'\nunit = 'x.service'\nworkdir = ['w']\nread = ['/a', 'b']\ndestinations = ['http://x']\nports = ['9-8']\n";
    let found = mistakes(wrong);
    for (line, words) in
        [(4, "`agent.workdir`: `w` is not"), (5, "`agent.read`: `b` is no pattern"), (6, "is no destination"), (7, "`9-8` is no port")]
    {
        assert!(found.iter().any(|found| found.starts_with(&format!("a.toml:{line}:")) && found.contains(words)), "{words}: {found:?}");
    }
    assert_eq!(found.len(), 4);
}

#[test]
fn an_action_that_is_none_or_cannot_be_done_yet_is_refused_where_it_stands() {
    let found = mistakes("[rules.actions]\nbulk_delete = 'freze'\npayment = 'deny'\n[rules]\nprofile = 'strict'\n");
    assert_eq!(
        found,
        [
            "a.toml:2:15: `rules.actions`: unknown action `freze` | log, alert, freeze or kill",
            "a.toml:3:11: `rules.actions`: this build cannot `deny` yet | log, alert, freeze or kill",
        ]
    );
}

#[test]
fn wrong_kinds_of_values_name_the_key_and_the_place() {
    for (text, mistake) in [
        ("[metrics]\nenabled = 'yes'\n", "a.toml:2:11: `metrics.enabled`: invalid type: string \"yes\", expected a boolean | "),
        (
            "[kernel]\nring_bytes = '16 megs'\n",
            "a.toml:2:14: `kernel.ring_bytes`: invalid value: string \"16 megs\", expected a size such as 16777216 or \"16MiB\" \
             (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB) | ",
        ),
        ("[[agent]]\nunit = 'x.service'\n", "a.toml:1:1: missing field `name` | "),
    ] {
        assert_eq!(mistakes(text), [mistake], "{text}");
    }
    assert!(mistakes("[log\n")[0].starts_with("a.toml:1:5: "), "{:?}", mistakes("[log\n"));
}

#[test]
fn values_out_of_their_limits_are_all_reported() {
    let text = "[log]\ndir = 'x'\nmax_bytes = '8MiB'\nmax_total_bytes = '9MiB'\n[metrics]\nlisten = 'localhost:9188'\n[rules]\ndirs = ['/a', 'b']\n\
        [kernel]\nring_bytes = 16000000\n[[agent]]\nname = 'a/b'\ncgroup = 'x'\n[[agent]]\nname = 'c'\n";
    assert_eq!(
        mistakes(text),
        [
            "a.toml:2:7: `log.dir`: `x` is not an absolute path | a daemon's working directory is not yours: begin with /",
            "a.toml:4:19: `log.max_total_bytes`: 9 MiB is less than two files of 8 MiB | the file being written is never removed: leave room for another",
            "a.toml:6:10: `metrics.listen`: `localhost:9188` is not an address and port | give an IP address: 127.0.0.1:9188, [::1]:9188 or 0.0.0.0:9188",
            "a.toml:8:15: `rules.dirs`: `b` is not an absolute path | a daemon's working directory is not yours: begin with /",
            "a.toml:10:14: `kernel.ring_bytes`: 15625 KiB is not a power of two | take 8 MiB or 16 MiB",
            "a.toml:12:8: `agent.name`: an agent's name consists of letters, digits, `.`, `_` and `-`, and begins with a letter, digit or `_` | ",
            "a.toml:13:10: `agent.cgroup`: `x` is not a path pattern: it must begin with / and name something below the mount | \
             paths begin below the cgroup2 mount, as in /proc/PID/cgroup; * stays within a level, ** does not",
            "a.toml:15:8: `agent.name`: an agent needs one of `cgroup` and `unit`, and not both | \
             cgroup = \"/user.slice/**/claude*.scope\" or unit = \"claude.service\"",
        ]
    );
    assert_eq!(
        mistakes("[kernel]\nring_bytes = '4KiB'\n"),
        ["a.toml:2:14: `kernel.ring_bytes`: 4 KiB is out of range | from 256 KiB to 1 GiB"]
    );
    assert_eq!(
        mistakes("[kernel]\ncanary_seconds = 5\n"),
        ["a.toml:2:18: `kernel.canary_seconds`: 5 is not between 10 and 86400 | 0 keeps the canary from flying"]
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/no/such/agent\x1bmon.toml")).unwrap_err();
    assert_eq!(error.to_string(), r"cannot read /no/such/agent\x1bmon.toml: No such file or directory (os error 2)");
}
