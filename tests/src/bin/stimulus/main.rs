//! The actor of the kernel tests: does one family of operations and prints, as JSON lines, what it did.
//!
//! `stimulus MODE [ARGUMENT…]`. The harness (`agentmon_tests::watch`) puts it into the watched cgroup before its first
//! instruction. It knows nothing of agentmon: the tests compare. Not for: deciding whether something was seen.

mod attributes;
mod calls;
mod capability;
mod changes;
mod compat;
mod criticals;
mod dns;
mod exec;
mod files;
mod filtered;
mod flips;
mod flows;
mod groups;
mod hostile;
mod identity;
mod ipc;
mod mounts;
mod names;
mod netlink;
mod network;
mod numbers;
mod paths;
mod places;
mod process;
mod race;
mod reach;
mod repeats;
mod requests;
mod scope;
mod sends;
mod settings;
mod signals;
mod sockets;
mod swaps;
mod sys;
mod system;
mod times;
mod truth;
mod unknown;
mod unlinks;
mod unreadable;
mod unruly;
mod uring;

use std::path::Path;
use std::process::ExitCode;

/// Set for programs that are executed only to be seen, with any arguments.
const NOOP: &str = "AGENTMON_STIMULUS_NOOP";

fn main() -> ExitCode {
    if std::env::var_os(NOOP).is_some() {
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((mode, args)) = args.split_first() else {
        eprintln!("usage: stimulus MODE [ARGUMENT…]");
        return ExitCode::from(2);
    };
    let text = |i: usize| args.get(i).map_or("", String::as_str);
    let number = |i: usize| text(i).parse::<u64>().unwrap_or_else(|_| panic!("argument {i} of {mode} is a number"));
    let dir = Path::new(text(0));
    match mode.as_str() {
        "marker" => scope::marker(text(0)),
        "opens" => files::opens(dir),
        "failed-opens" => files::failures(dir),
        "deep" => files::deep(dir),
        "places" => places::all(dir),
        "unlinks" => unlinks::all(dir),
        "unlinks-unprivileged" => unlinks::unprivileged(dir),
        "execs" => exec::all(dir),
        "failed-execs" => exec::failures(dir),
        "long-argv" => exec::long_argv(dir, number(1)),
        "thread-exec" => exec::from_thread(dir),
        "forks" => process::forks(),
        "many-forks" => process::many_forks(number(0)),
        "exits" => process::exits(),
        "connects" => network::all(dir),
        "sockets" => sockets::all(dir),
        "sockets-compat" => sockets::compat(),
        "sends" => sends::all(dir),
        "sends-compat" => sends::compat(),
        "sends-changed" => sends::changed(dir),
        "netlink" => netlink::all(),
        "identities" => identity::all(),
        "identities-compat" => identity::compat(),
        "compat" => compat::all(dir),
        "changes" => changes::all(dir),
        "changes-unreadable" => changes::unreadable(dir),
        "attributes" => attributes::all(dir),
        "mounts" => mounts::all(dir),
        "reach" => reach::all(dir),
        "reach-unwanted" => reach::unwanted(dir),
        "system" => system::all(dir),
        "settings" => settings::all(dir),
        "settings-unwanted" => settings::unwanted(),
        "requests" => requests::all(dir),
        "times" => times::all(dir),
        "ipc" => ipc::all(dir),
        "filtered" => filtered::all(dir),
        "flip-first" => flips::all(dir, number(1), false),
        "flip-opens" => flips::opens(dir, number(1)),
        "flip-second" => flips::all(dir, number(1), true),
        "unreadable" => unreadable::all(dir),
        "flip-once" => unreadable::flip_once(dir, number(1)),
        "flip-always" => unreadable::flip_always(dir, number(1)),
        "hostile" => hostile::arguments(dir),
        "storm" => hostile::storm(dir, number(1)),
        "thread-storm" => hostile::thread_storm(dir, number(1)),
        "close-race" => hostile::close_race(dir, number(1)),
        "flood-identities" => criticals::flood_identities(number(0), number(1)),
        "flood-failing-execs" => criticals::flood_failing_execs(number(0), number(1)),
        "flood-opens" => criticals::flood_opens(number(0), number(1)),
        "ignore" => criticals::ignore(),
        "criticals" => criticals::criticals(number(0), number(1)),
        "flood" => hostile::flood(number(0), number(1)),
        "repeat" => repeats::one(number(0)),
        "repeat-refused" => repeats::refused(dir, number(1)),
        "repeat-many" => repeats::many(number(0), number(1)),
        "repeat-others" => repeats::others(number(0)),
        "pause" => scope::pause(),
        "wait" => scope::wait_here(),
        "escape" => scope::escape(text(0), text(1)),
        "clone-into" => scope::clone_into(text(0), text(1)),
        "threads" => scope::threads(text(0)),
        "agent" => scope::agent(),
        "signals" => signals::senders(number(0) as i64),
        "signals-quiet" => signals::quiet(number(0) as i64),
        "signals-cgroup" => signals::cgroup_kill(text(0), number(1) as i64),
        "signals-exitkill" => signals::exit_kill(number(0) as i64),
        "signals-limit" => signals::processor_limit(),
        "signals-from" => signals::harmless(number(0) as i64),
        "uring" => uring::all(dir, false),
        "uring-sqpoll" => uring::all(dir, true),
        "paths-links" => paths::links(dir),
        "paths-others" => paths::others(dir),
        "paths-bound" => paths::bound(dir),
        "paths-compat" => paths::compat(dir),
        "paths-ring" => paths::ring(dir),
        "paths-flip" => paths::flip(dir, number(1)),
        "paths-flip-directory" => paths::flip_directory(dir, number(1)),
        "paths-flip-descriptor" => paths::flip_descriptor(dir, number(1)),
        "swap-directory" => swaps::directory(dir, false),
        "swap-directory-and-back" => swaps::directory(dir, true),
        "swap-sockets" => swaps::sockets(dir),
        "cgroups" => groups::all(text(0), text(1)),
        "thread-names" => names::threads(),
        "arguments" => names::arguments(),
        "unknown-calls" => unknown::all(),
        "unknown-flood" => unknown::flood(number(0)),
        "flows" => flows::all(),
        "flows-hold" => flows::hold(),
        "flows-many" => flows::many(number(0)),
        "capabilities" => capability::all(),
        "capabilities-once" => capability::once(),
        "dns" => dns::all(),
        "dns-lookup" => dns::lookup(),
        "zombie" => scope::zombie(),
        "chain" => unruly::chain(dir, text(1)),
        "take-foreground" => unruly::take_foreground(dir),
        "stop-group" => unruly::stop_group(dir),
        "type-into-terminal" => unruly::type_into_terminal(dir),
        "fill-output" => unruly::fill_output(dir),
        "chatter" => unruly::chatter(dir),
        "programs" => unruly::programs(dir, number(1), number(2)),
        "look" => unruly::look(dir, number(1)),
        _ => {
            eprintln!("stimulus: unknown mode {mode}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
