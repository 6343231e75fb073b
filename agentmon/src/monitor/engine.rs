//! The engine: one thread that takes each record from bytes to response, then tells of it.
//!
//! It owns every stage's state, so that nothing is locked, and never waits for the log, the screen or the network. Not
//! for: what a stage does; what follows a verdict stands in `super::verdict`.

mod agents;
mod tick;

use super::canary::CanaryEye;
use super::floods::Floods;
use super::home::Home;
use super::message::{Mailbox, Message, Orderer};
use super::outputs::{Closed, Outputs};
use super::recorder::Recorder;
use super::settings::{Settings, start_recording};
use super::tally::Tally;
use super::verdict::Verdicts;
use crate::agents::{CANARY, Register, State};
use crate::canary::Findings;
use crate::cgroup::{Cgroup, Mount};
use crate::clock::{boot_ns, wall_clock};
use crate::event::{AgentId, CgroupId, Detail, Event, Kind, decode};
use crate::log::{Counters, Host, Lifecycle, Loss};
use crate::recording::{AgentLine, Finish, Line, Recording, RulesLine};
use crate::response::{BreakerReport, Command};
use crate::rules::{Match, RuleSet};
use crate::sensor::frames::Frames;
use crate::sensor::stats::KernelStats;
use crate::sensor::{Counted, Sensor};
use crate::stages::{Judged, Stages};
use crate::view::{Losses, Summary};
use anyhow::Context;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

/// Records taken before messages are looked at again.
const BATCH: usize = 1024;
/// Time between two looks at counters and agents.
const TICK: Duration = Duration::from_secs(1);
/// Longest sleep without work.
const PARK: Duration = Duration::from_millis(100);
/// How long the end waits for orders that are still being verified.
const VERIFY_WAIT: Duration = Duration::from_secs(3);
/// How old the note of a kill by hand may be: what comes later is somebody else's doing.
const BY_HAND_NS: u64 = 10_000_000_000;

/// What is left of a monitor that has stopped.
#[derive(Default)]
pub struct Finished {
    /// What the run did, when it was asked for.
    pub summary: Option<Summary>,
    /// What was lost, by place and kind.
    pub losses: Losses,
    /// The probes' counters at the end.
    pub kernel: KernelStats,
    /// What the log did.
    pub log: Option<Arc<Counters>>,
}

/// The state of the pipeline.
pub struct Engine {
    sensor: Sensor,
    messages: Receiver<Message>,
    mount: Mount,
    register: Register,
    stages: Stages,
    /// Events on their way from there; kept for its allocation.
    complete: Vec<Event>,
    recording: Option<Recording>,
    verdicts: Verdicts,
    outputs: Outputs,
    recorder: Recorder,
    tally: Tally,
    canary: CanaryEye,
    /// Cgroups of agents that are not watched, as told.
    refused: HashSet<CgroupId>,
    floods: Floods,
    matches: Vec<Match>,
    /// Agents whose kill could not be proved, and the boot time when that was told.
    unproved: HashMap<AgentId, u64>,
    home: Home,
    /// Boot time of the last event.
    last_event_ns: u64,
    next_tick: Instant,
    finishing: Option<(String, Instant)>,
}

impl Engine {
    /// Puts the stages together.
    pub fn new(settings: Settings, sensor: Sensor, mailbox: Mailbox, messages: Receiver<Message>) -> anyhow::Result<Self> {
        let host = Host::read().context("cannot read the machine's name and boot id")?;
        let clock = wall_clock();
        let outputs = Outputs::open(settings.log, settings.screen, settings.summary, settings.mode, &host, clock)?;
        let record = |path: &PathBuf| start_recording(path, &host, clock, &settings.rules);
        let recording = settings.record.as_ref().map(record).transpose()?;
        let verdicts = Verdicts::new(settings.mode, mailbox, sensor.members())?;
        let recorder = Recorder::new(settings.metrics, settings.health, &settings.rules);
        let mount = Mount::find()?;
        let home = Home::find(&mount)?;
        Ok(Self {
            sensor,
            messages,
            mount,
            register: Register::new(),
            stages: Stages::new(settings.rules, clock),
            complete: Vec::new(),
            recording,
            verdicts,
            outputs,
            recorder,
            tally: Tally::default(),
            canary: CanaryEye::default(),
            refused: HashSet::new(),
            floods: Floods::default(),
            matches: Vec::new(),
            unproved: HashMap::new(),
            home,
            last_event_ns: 0,
            next_tick: Instant::now(),
            finishing: None,
        })
    }

    /// Runs until told to finish.
    pub fn run(mut self, mut frames: Frames) -> Finished {
        crate::priority::raise();
        let digest = self.stages.rules().rules().digest();
        let rules = self.stages.rules().rules().len() as u64;
        self.outputs.lifecycle(boot_ns(), &Lifecycle::Start { rules_digest: &digest, rules });
        loop {
            let taken = self.take_frames(&mut frames);
            self.take_messages();
            if Instant::now() >= self.next_tick {
                self.tick(&frames);
            }
            if taken == BATCH {
                continue;
            }
            self.outputs.flush();
            if self.may_end(&frames) {
                return self.finish();
            }
            std::thread::park_timeout(PARK);
        }
    }

    /// Ends without having run.
    pub fn abandon(self) -> Finished {
        Finished::default()
    }

    fn may_end(&self, frames: &Frames) -> bool {
        let Some((_, since)) = &self.finishing else { return false };
        frames.is_empty() && (self.verdicts.all_reported() || since.elapsed() > VERIFY_WAIT)
    }

    fn take_frames(&mut self, frames: &mut Frames) -> usize {
        let mut taken = 0;
        while taken < BATCH
            && let Some(frame) = frames.next()
        {
            self.record(&frame);
            taken += 1;
        }
        if taken > 0 {
            self.recorder.latency(Duration::from_nanos(boot_ns().saturating_sub(self.last_event_ns)));
        }
        taken
    }

    /// Failures that the kernel has counted. They come late, so that the order of what a process did is not theirs.
    fn take_counted(&mut self, which: Counted) {
        match self.sensor.counted(which) {
            Ok(records) => records.iter().for_each(|record| self.record(record)),
            Err(error) => tracing::error!("cannot read what the probes have counted: {error}"),
        }
    }

    fn record(&mut self, frame: &Bytes) {
        match decode::decode(frame) {
            Ok(event) => self.received(event, frame.len()),
            Err(error) => {
                self.tally.undecodable(decode::kind_number(frame));
                tracing::error!("a record of the probes cannot be decoded: {error}");
            }
        }
    }

    /// Counts an event, and lets those go on that it completes. It is recorded after what follows from it was done.
    fn received(&mut self, event: Event, record_bytes: usize) {
        if event.agent == CANARY {
            self.tally.canary(event.repeated);
            self.canary.saw(&event);
            return;
        }
        self.tally.received(event.kind(), event.repeated);
        if !event.is_late() {
            self.last_event_ns = event.timestamp_ns;
        }
        let recorded = self.recording.is_some().then(|| event.clone());
        let mut complete = std::mem::take(&mut self.complete);
        self.stages.take(event, &mut complete);
        complete.drain(..).for_each(|event| self.event(&event));
        self.complete = complete;
        if let (Some(recording), Some(event)) = (&mut self.recording, recorded) {
            recording.event(event, record_bytes);
        }
    }

    /// The way of an event: who did it, what the rules say, what follows, and only then who is told.
    fn event(&mut self, event: &Event) {
        self.home.guard(event);
        self.revive(event);
        self.matches.clear();
        let entry = self.register.get(event.agent);
        let judged = self.stages.judge(event, entry.map(|entry| &entry.agent), &mut self.matches);
        let (Some(entry), Some(Judged { op, table, .. })) = (entry, judged) else {
            // An agent that is no longer watched, whose processes still ran: its records were on their way.
            self.tally.unclaimed(event.repeated);
            return;
        };
        if !self.matches.is_empty() {
            let outside = || table.living().filter(|p| p.agent == event.agent && p.outside).map(|p| p.key).collect();
            let state = self.verdicts.respond(&op, entry, &self.matches, &self.mount, outside, &self.recorder);
            self.outputs.operation(&op, &self.matches);
            if let Some(state) = state {
                self.register.set_state(event.agent, state, SystemTime::now());
            }
        } else {
            self.outputs.operation(&op, &[]);
        }
        self.stages.remember(event);
        if event.kind() != Kind::Exit && self.unproved.get(&event.agent).is_some_and(|told_ns| event.timestamp_ns > *told_ns) {
            self.unproved.remove(&event.agent);
            self.order(event.agent, Command::Kill, &Orderer::Unproved);
        }
        if let Detail::Signal(signal) = &event.detail
            && signal.is_kill_from_outside()
        {
            self.killed_by_hand(event, signal.other.tgid);
        }
    }

    /// A kill that may be one by hand (`agentmon kill`): the same is ordered here, so that what is outside the cgroups is
    /// killed too, and that it is verified and told like any other.
    fn killed_by_hand(&mut self, event: &Event, sender: u32) {
        let Some(entry) = self.register.get(event.agent).filter(|entry| entry.state != State::Killed) else { return };
        let Some(mark) = entry.cgroups.roots().iter().find_map(Cgroup::take_kill_mark) else { return };
        let is_recent = event.timestamp_ns.checked_sub(mark.boot_ns).is_some_and(|age_ns| age_ns < BY_HAND_NS);
        if mark.pid != sender || !is_recent {
            return;
        }
        let by = Orderer::Operator { uid: mark.uid, reason: "by hand".to_owned() };
        self.order(event.agent, Command::Kill, &by);
    }

    fn order(&mut self, agent: AgentId, command: Command, by: &Orderer) {
        let Some(entry) = self.register.get(agent) else { return };
        let outside = self.stages.table().living().filter(|p| p.agent == agent && p.outside).map(|p| p.key).collect();
        let state = self.verdicts.order(entry, command, by, &self.mount, outside);
        self.register.set_state(agent, state, SystemTime::now());
    }

    /// A killed agent that has a process which is younger than its kill runs again: its unit was restarted.
    fn revive(&mut self, event: &Event) {
        // None of these is a sign of life: a stranger may thaw the cgroup, and a connection and what comes to a socket outlive
        // their process.
        if matches!(event.detail, Detail::Exit(_) | Detail::CgroupState(_) | Detail::Flow(_) | Detail::Dns(_))
            || !self.verdicts.is_after_kill(event)
        {
            return;
        }
        if self.register.set_state(event.agent, State::Running, SystemTime::now()) {
            self.verdicts.forget(event.agent);
        }
    }

    fn take_messages(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.message(message);
        }
    }

    fn message(&mut self, message: Message) {
        // Who asked may have gone away: then nobody wants the answer.
        match message {
            Message::Watch { name, session, cgroups, terms, reply } => {
                let _ = reply.send(self.watch(&name, &session, cgroups, terms));
            }
            Message::Change { agent, terms, reply } => drop(reply.send(self.change(agent, terms))),
            Message::Unwatch { agent, reply } => {
                self.unwatch(agent);
                let _ = reply.send(());
            }
            Message::Reload { rules, reply } => {
                self.reload(*rules);
                let _ = reply.send(());
            }
            Message::Order { agent, command, by, reply } => {
                self.order(agent, command, &by);
                let _ = reply.send(());
            }
            Message::EndOutside { agent, reply } => drop(reply.send(self.end_outside(agent))),
            Message::IsSettled(reply) => drop(reply.send(self.verdicts.all_reported())),
            Message::Report(report) => self.report(&report),
            Message::BeginCanary { cgroups, reply } => drop(reply.send(self.begin_canary(&cgroups))),
            Message::Sightings(reply) => drop(reply.send(self.canary.sightings())),
            Message::EndCanary(reply) => {
                self.stop_watching(CANARY);
                let _ = reply.send(self.canary.sightings());
            }
            Message::CanaryFindings(findings) => self.canary_landed(&findings),
            Message::CanaryGrounded(error) => self.canary.grounded(&error, &mut self.outputs, &self.recorder),
            Message::ReopenLog(reply) => {
                self.outputs.reopen();
                let _ = reply.send(());
            }
            Message::Detach { reply } => {
                let agents: Vec<AgentId> = self.register.iter().map(|entry| entry.agent.id).collect();
                for agent in agents {
                    self.stop_watching(agent);
                }
                let _ = reply.send(());
            }
            Message::Finish { reason } => self.finishing = Some((reason, Instant::now())),
        }
    }

    /// Tells what the canary found. A path hook that reports nothing is done without: what it leaves out the calls and
    /// requests are asked for again.
    fn canary_landed(&mut self, findings: &Findings) {
        self.canary.tell(findings, &mut self.outputs, &self.recorder);
        for act in findings.blind().filter(|act| act.is_path_hook()) {
            self.sensor.drop_path_hook(act.operation, "it reported nothing of the canary");
        }
    }

    /// Tells what became of an order. A kill that is not proved is not done: the agent's next event strikes again.
    fn report(&mut self, report: &BreakerReport) {
        self.verdicts.report(report, &self.register, &mut self.outputs, &self.recorder);
        if report.command == Command::Kill && !report.is_verified() {
            self.verdicts.forget(report.agent);
            self.register.set_state(report.agent, State::Running, SystemTime::now());
            self.unproved.insert(report.agent, boot_ns());
        }
    }

    fn reload(&mut self, rules: Result<RuleSet, String>) {
        let error = match rules {
            Ok(rules) => {
                self.recorder.rules(&rules);
                self.record_line(Line::Rules(RulesLine { digest: rules.digest() }));
                self.stages.reload(rules);
                None
            }
            Err(error) => {
                self.recorder.reloaded(false);
                Some(error)
            }
        };
        let (digest, rules) = (self.stages.rules().rules().digest(), self.stages.rules().rules().len() as u64);
        self.outputs.rules_changed(&digest);
        self.outputs.lifecycle(boot_ns(), &Lifecycle::Reload { rules_digest: &digest, rules, error: error.as_deref() });
    }

    /// Records what is no event, but changes what the stages give.
    fn record_line(&mut self, line: Line) {
        if let Some(recording) = &mut self.recording {
            recording.line(line);
        }
    }

    /// Records an agent as it is known now.
    fn record_agent(&mut self, agent: AgentId) {
        let Some(entry) = self.register.get(agent).filter(|_| self.recording.is_some()) else { return };
        let line = AgentLine::from(&entry.agent);
        self.record_line(Line::Agent(line));
    }

    fn update_probes(&self) {
        self.recorder.probes(self.sensor.attached());
    }

    fn finish(mut self) -> Finished {
        self.take_counted(Counted::All);
        let mut complete = Vec::new();
        self.stages.finish(&mut complete);
        complete.iter().for_each(|event| self.event(event));
        self.record_line(Line::Finish(Finish {}));
        self.account();
        let reason = self.finishing.take().map(|(reason, _)| reason).unwrap_or_default();
        self.outputs.lifecycle(boot_ns(), &Lifecycle::Stop { reason: &reason });
        let agents: Vec<AgentId> = self.register.iter().map(|entry| entry.agent.id).collect();
        for agent in agents {
            self.unwatch(agent);
        }
        let unrecorded = self.recording.take().map_or(0, |recording| recording.stop(&reason));
        let Closed { summary, log, screen_dropped } = self.outputs.close();
        if let Some(log) = &log {
            self.recorder.log(log);
        }
        let mut losses = self.tally.losses();
        let dropped = log.as_ref().map_or(0, |log| log.dropped_lines.load(Ordering::Relaxed));
        // Those that were left out are told by kind.
        let unwritten = dropped.saturating_sub(self.tally.left_out.0.iter().sum());
        losses.counts.push(Loss { stage: "log_write", kind: None, count: unwritten });
        losses.counts.push(Loss { stage: "recording", kind: None, count: unrecorded });
        losses.counts.push(Loss { stage: "screen", kind: None, count: screen_dropped });
        Finished { summary, losses, kernel: self.tally.into_kernel(), log }
    }
}
