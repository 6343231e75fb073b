//! A run of `agentmon daemon` with a configuration, a log directory and a metrics port of its own.

use super::binary::agentmon;
use super::events::{Events, Wanted};
use super::group::Group;
use super::http::{Samples, free_port, get};
use super::poll::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use tempfile::TempDir;

/// What a test configures; the rest is fixed.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Agents: name, and glob over cgroup paths.
    pub agents: Vec<(String, String)>,
    /// Further lines of each `[[agent]]`.
    pub agent: String,
    /// Lines of `[log]` beside `dir`.
    pub log: String,
    /// Where the log goes, when not to a directory of its own.
    pub log_dir: Option<PathBuf>,
    /// Lines of `[rules]`.
    pub rules: String,
    /// Lines of `[kernel]`; the canary, whose records take part in what the ring loses, does not fly unless they say so.
    pub kernel: Option<String>,
    /// Where every event is recorded.
    pub record: Option<PathBuf>,
}

impl Setup {
    /// Watches one cgroup under this name, with no rule.
    #[must_use]
    pub fn of(name: &str, group: &Group) -> Self {
        Self { agents: vec![(name.to_owned(), group.name())], rules: "built_in = false".to_owned(), ..Self::default() }
    }
}

/// A daemon. Dropped, it is killed.
#[derive(Debug)]
pub struct Node {
    child: Child,
    directory: TempDir,
    log_dir: PathBuf,
    port: u16,
}

/// A daemon that has ended.
#[derive(Debug)]
pub struct Stopped {
    /// Exit code; 1000 + N when signal N ended it.
    pub code: i32,
    /// Its standard error.
    pub stderr: String,
    /// Its whole log.
    pub log: Events,
}

impl Node {
    /// Writes the configuration and starts; does not wait for anything.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(setup: &Setup) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let own = directory.path().join("log");
        std::fs::create_dir(&own).expect("a directory");
        let log_dir = setup.log_dir.clone().unwrap_or(own);
        let port = free_port();
        let config = directory.path().join("agentmon.toml");
        std::fs::write(&config, text(setup, &log_dir, port)).expect("a file");
        let stderr = File::create(directory.path().join("stderr")).expect("a file");
        let mut command = agentmon();
        command.env("AGENTMON_LOG", "info").args(["daemon", "--config"]).arg(&config);
        if let Some(file) = &setup.record {
            command.arg("--record").arg(file);
        }
        let child = command.stdout(std::process::Stdio::null()).stderr(stderr).spawn().expect("agentmon starts");
        Self { child, directory, log_dir, port }
    }

    /// Starts and waits until it is ready.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        let node = Self::spawn(setup);
        eventually("the daemon is ready", || match get(node.port, "/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}; it says: {}", node.stderr())),
        });
        node
    }

    /// Starts with this setup and waits until it watches the cgroup.
    #[must_use]
    pub fn watching(setup: &Setup, group: &Group) -> Self {
        let node = Self::start(setup);
        node.watches(group);
        node
    }

    /// Waits until it says that it watches a cgroup.
    pub fn watches(&self, group: &Group) {
        let wanted = format!("watching {} as ", group.path().display());
        eventually("the cgroup is watched", || if self.stderr().contains(&wanted) { Ok(()) } else { Err(self.stderr()) });
    }

    /// Waits until it has said something.
    pub fn says(&self, what: &str) {
        eventually(what, || if self.stderr().contains(what) { Ok(()) } else { Err(self.stderr()) });
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its metrics are.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its configuration is, and whatever else belongs to it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes another configuration in the place of the first.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn reconfigure(&self, setup: &Setup) {
        std::fs::write(self.directory.path().join("agentmon.toml"), text(setup, &self.log_dir, self.port)).expect("a file");
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the daemon runs");
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// Its files in the order of their numbers, the live one last.
    ///
    /// # Panics
    /// When the directory cannot be read.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let names = std::fs::read_dir(&self.log_dir).expect("the log directory").filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
        files.sort_by_key(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            stem.rsplit_once('-').and_then(|(_, first)| first.parse::<u64>().ok()).unwrap_or(u64::MAX)
        });
        files
    }

    /// Its log so far: complete lines of all files.
    ///
    /// # Panics
    /// When a line is not what a line must be.
    #[must_use]
    pub fn log(&self) -> Events {
        let mut files = self.files();
        loop {
            let contents: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect();
            // A rotation meanwhile: a line may be in none of them, or in two.
            let now = self.files();
            if now != files {
                files = now;
                continue;
            }
            let mut events = Events::default();
            for bytes in contents {
                let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                events.append(Events::parse(&bytes[..complete]));
            }
            return events;
        }
    }

    /// Waits for a record; gives the log up to now.
    #[track_caller]
    #[must_use]
    pub fn log_with(&self, wanted: Wanted<'_>) -> Events {
        eventually("a record is in the log", || {
            let log = self.log();
            log.find(wanted).map(|_| ()).map(|()| log.clone())
        })
    }

    /// Marks in the cgroup and waits for the mark: everything before it is in the log that is given.
    #[track_caller]
    #[must_use]
    pub fn log_until_now(&self, group: &Group) -> Events {
        let mark = group.mark();
        self.log_with(&[("/file/path", json!(mark))])
    }

    /// Its metrics now.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn metrics(&self) -> Samples {
        let (status, body) = get(self.port, "/metrics").expect("an answer");
        assert_eq!(status, 200, "{body}");
        Samples::parse(&body)
    }

    /// Waits until its metrics are as wanted; they follow within a second.
    #[track_caller]
    #[must_use]
    pub fn metrics_when(&self, what: &str, wanted: impl Fn(&Samples) -> bool) -> Samples {
        eventually(what, || {
            let samples = self.metrics();
            if wanted(&samples) {
                Ok(samples)
            } else {
                Err(format!("{:#?}", samples.0.iter().filter(|(_, value)| **value != 0.0).collect::<Vec<_>>()))
            }
        })
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    #[must_use]
    pub fn ended(mut self) -> Stopped {
        let status = eventually("the daemon ends", || match self.child.try_wait().expect("a child") {
            Some(status) => Ok(status),
            None => Err(format!("it runs; it says: {}", self.stderr())),
        });
        let code = status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or_default());
        let log = if self.log_dir.is_dir() { self.log() } else { Events::default() };
        Stopped { code, stderr: self.stderr(), log }
    }

    /// Tells it to stop, and waits for its end.
    #[track_caller]
    #[must_use]
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        self.ended()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(setup: &Setup, log_dir: &Path, port: u16) -> String {
    let mut text = format!(
        "[log]\ndir = \"{}\"\n{}\n[metrics]\nlisten = \"127.0.0.1:{port}\"\n[rules]\n{}\n[kernel]\n{}\n",
        log_dir.display(),
        setup.log,
        setup.rules,
        setup.kernel.as_deref().unwrap_or("canary_seconds = 0")
    );
    for (name, cgroup) in &setup.agents {
        text.push_str(&format!("[[agent]]\nname = \"{name}\"\ncgroup = \"{cgroup}\"\n{}\n", setup.agent));
    }
    text
}
