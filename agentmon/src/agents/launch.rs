//! Starting a command as an agent: in a fresh cgroup, from its first instruction on.
//!
//! The child moves itself into the cgroup between fork and exec, so the very first instruction of COMMAND already runs
//! inside; before that only this file's code ran. It keeps the terminal and the foreground process group, since agents
//! are interactive programs: Ctrl-C therefore reaches agentmon as well, which has to handle it. Only a command of another
//! user, which could type into the terminal (`terminal`), gets a session without one. Not for: watching the cgroup (tell
//! the sensor before [`Prepared::start`]) and not for judging.

use super::command::{self, CommandError};
use super::lifeline::Lifeline;
use super::session::{NameError, cgroup_name, check_name, new_session};
use super::user::{Identity, UserError};
use super::{AgentCgroups, SLICE, terminal};
use crate::cgroup::{Cgroup, CgroupError, Mount};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Most cgroups that the command can have inside its own.
const DESCENDANTS_MAX: &str = "1024";
/// Most levels of them: half of those that the probes look up (`agentmon-ebpf::scope::LEVELS_MAX`).
const DEPTH_MAX: &str = "32";

/// Why an agent could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nobody to run it as.
    #[error(transparent)]
    User(#[from] UserError),
    /// The command is not there or cannot run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The cgroup could not be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The child could not enter the cgroup or set itself up.
    #[error("cannot {step} for {command}: {source}")]
    Child {
        /// What it was about.
        step: &'static str,
        /// The command, escaped.
        command: crate::cgroup::Shown,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

impl LaunchError {
    /// Exit code: 127 COMMAND not found, 126 not executable, 1 when agentmon itself failed, 2 for a bad name or user.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Name(_) | Self::User(_) => 2,
            Self::Command(error) => error.exit_code(),
            Self::Cgroup(_) | Self::Child { .. } => 1,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Command(error) => error.hint(),
            Self::Cgroup(error) => error.hint(),
            Self::User(error) => error.hint(),
            Self::Child { source: Errno::AGAIN | Errno::NOMEM, .. } => Some("the host is out of processes or memory"),
            Self::Child { step, source: Errno::PERM, .. } if STEPS[3..].contains(step) => Some("--user needs CAP_SETGID and CAP_SETUID"),
            Self::Name(_) | Self::Child { .. } => None,
        }
    }
}

/// A cgroup that waits for its command.
#[derive(Debug)]
pub struct Prepared {
    cgroups: AgentCgroups,
    name: String,
    session: String,
    program: PathBuf,
    command: OsString,
    args: Vec<OsString>,
    identity: Option<Identity>,
    own_session: bool,
    started: bool,
}

/// A running agent that agentmon started.
#[derive(Debug)]
pub struct Launched {
    /// The command's process: wait for it to learn its exit status.
    pub child: Child,
    /// Kills the agent when agentmon dies, or when this value is dropped before [`Launched::finish`].
    pub lifeline: Lifeline,
    prepared: Prepared,
}

/// Finds the command and makes its cgroup, `<mount>/agentmon.slice/<name>-<session>`. The cgroup is removed again when
/// the result is dropped unstarted. Without an identity the command runs with the caller's.
///
/// # Errors
/// [`LaunchError`]; nothing is left behind.
pub fn prepare(mount: &Mount, name: &str, command: &OsStr, args: &[OsString], identity: Option<Identity>) -> Result<Prepared, LaunchError> {
    check_name(name)?;
    let program = command::find(command, &std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))?;
    let slice = mount.root().ensure_child(OsStr::new(SLICE))?;
    let session = new_session();
    let cgroup = slice.create_child(OsStr::new(&cgroup_name(name, &session)))?;
    if !cgroup.hold() {
        tracing::warn!("{}: somebody keeps it locked", cgroup.shown());
    }
    bound(&cgroup);
    let (name, command, args) = (name.to_owned(), command.to_owned(), args.to_vec());
    // Root needs no controlling terminal to type into it.
    let own_session = identity.as_ref().is_some_and(|identity| identity.uid != 0) && terminal::can_be_typed_into();
    Ok(Prepared { cgroups: cgroup.into(), name, session, program, command, args, identity, own_session, started: false })
}

/// Bounds what the command can nest in its cgroup: room for a container engine, and far less than the probes and the walks here
/// can bear. Without, the command is started all the same.
fn bound(cgroup: &Cgroup) {
    for (file, most) in [("cgroup.max.descendants", DESCENDANTS_MAX), ("cgroup.max.depth", DEPTH_MAX)] {
        if let Err(error) = cgroup.write(file, most.as_bytes()) {
            tracing::warn!("the agent can nest cgroups without bound: {error}");
        }
    }
}

impl Prepared {
    /// The agent's cgroup.
    #[must_use]
    pub const fn cgroups(&self) -> &AgentCgroups {
        &self.cgroups
    }

    /// The agent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The agent's session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Whether the command begins a session of its own, without a controlling terminal, and so without job control: it
    /// runs as another user and could type into this one's terminal.
    #[must_use]
    pub const fn has_own_session(&self) -> bool {
        self.own_session
    }

    /// Starts the command with this standard output. It gets descriptors 0, 1 and 2 and nothing else that agentmon holds, an empty signal mask
    /// and default dispositions (an ignored SIGHUP stays ignored: that is what `nohup` is for). With an identity, `HOME`,
    /// `USER` and `LOGNAME` are that user's.
    ///
    /// # Errors
    /// [`LaunchError::Command`], [`LaunchError::Child`], [`LaunchError::Cgroup`].
    pub fn start(mut self, stdout: Stdio) -> Result<Launched, LaunchError> {
        let cgroup = self.cgroup();
        let procs = cgroup.open_file("cgroup.procs", OFlags::WRONLY)?;
        let lifeline = Lifeline::tie(cgroup)?;
        let (failed_step, report) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|source| self.failed(0, source))?;
        let mut command = Command::new(&self.program);
        command.arg0(&self.command).args(&self.args).stdout(stdout);
        if let Some(identity) = &self.identity {
            command.env("HOME", &identity.home).env("USER", &identity.name).env("LOGNAME", &identity.name);
        }
        let identity = self.identity.clone();
        let (numbers, own_session) = ((procs.as_raw_fd(), report.as_raw_fd()), self.own_session);
        // SAFETY: the closure runs between fork and exec and only makes system calls on numbers that stay open in this
        // process until spawn has returned; it allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || enter(numbers.0, numbers.1, own_session, identity.as_ref()));
        }
        let spawned = command.spawn();
        drop((procs, report));
        match spawned {
            Ok(child) => {
                self.started = true;
                Ok(Launched { child, lifeline, prepared: self })
            }
            Err(error) => Err(self.explain(&error, failed_step)),
        }
    }

    fn cgroup(&self) -> &Cgroup {
        &self.cgroups.roots()[0]
    }

    fn failed(&self, step: usize, source: Errno) -> LaunchError {
        LaunchError::Child { step: STEPS[step.min(STEPS.len() - 1)], command: crate::cgroup::Shown::new(self.command.as_ref()), source }
    }

    /// std reports errors of the closure, of fork and of execve alike; the pipe says which it was.
    fn explain(&self, error: &io::Error, failed_step: OwnedFd) -> LaunchError {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::INVAL);
        let mut step = [0];
        match rustix::io::read(&failed_step, &mut step) {
            Ok(1) => self.failed(usize::from(step[0]), errno),
            _ if matches!(errno, Errno::AGAIN | Errno::NOMEM) => self.failed(0, errno),
            _ => command::explain(&self.program, errno).into(),
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Unstarted, it is empty. Started, it was removed by `finish`, or the lifeline, dropped before, has just killed
        // what was in it. If it cannot be removed even so, an empty directory stays.
        let _ = self.cgroup().remove(Duration::from_secs(u64::from(self.started)));
    }
}

impl Launched {
    /// What was prepared: name, session, cgroup.
    #[must_use]
    pub const fn agent(&self) -> &Prepared {
        &self.prepared
    }

    /// Ends the session: kills whatever the command left in the cgroup, removes the cgroup, lets the guard go.
    /// Returns how many processes were left.
    ///
    /// # Errors
    /// [`CgroupError`] when something could not be killed or the cgroup not removed within the time.
    pub fn finish(self, within: Duration) -> Result<usize, CgroupError> {
        let cgroup = self.prepared.cgroup();
        let left = cgroup.all_procs().len();
        cgroup.kill(within)?;
        cgroup.remove(within)?;
        self.lifeline.release();
        Ok(left)
    }
}

const STEPS: [&str; 6] = [
    "start a process",
    "begin a session",
    "enter the agent's cgroup",
    "set the supplementary groups",
    "set the group id",
    "set the user id",
];

/// What the child does before it becomes COMMAND.
fn enter(procs: i32, report: i32, own_session: bool, identity: Option<&Identity>) -> io::Result<()> {
    let step = |number: u8, result: libc::c_long| {
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // SAFETY: writes one byte of this frame to a descriptor that is open.
        unsafe { libc::write(report, (&raw const number).cast(), 1) };
        Err(error)
    };
    if own_session {
        // SAFETY: a system call without arguments. It leaves the controlling terminal behind, and the kernel lets nobody
        // else type into one; as long as that is some session's, a process without CAP_SYS_ADMIN cannot take it again.
        step(1, unsafe { libc::setsid() }.into())?;
    }
    // SAFETY: a write of a constant to a descriptor that is open. "0" stands for the writing process.
    step(2, unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } as libc::c_long)?;
    reset_signals();
    if let Some(Identity { uid, gid, groups, .. }) = identity {
        // The system calls themselves: the C library's functions of these names also signal threads, with locks. The user
        // id comes last, since it takes the right to set the others away, and with it every capability.
        // SAFETY: reads as many numbers as there are, from memory of the parent's copy.
        step(3, unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
        // SAFETY: numbers only.
        step(4, unsafe { libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) })?;
        // SAFETY: numbers only.
        step(5, unsafe { libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) })?;
    }
    // SAFETY: close_range only marks descriptors of this process.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked < 0 {
        // Before Linux 5.11. Errors mean that a number is not open.
        for number in 3..4096 {
            // SAFETY: sets a flag on a descriptor of this process.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Lets nothing that the agent or the terminal does stop this process: an agent may share its terminal, and could take the
/// foreground from it, or have it stopped together with itself. What [`Prepared::start`] starts has the default again.
pub fn ignore_job_control() {
    for signal in [libc::SIGTTOU, libc::SIGTTIN, libc::SIGTSTP] {
        // SAFETY: ignoring a signal needs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn reset_signals() {
    // SAFETY: sigaction, sigemptyset and sigprocmask are async-signal-safe and get memory of this frame; signal numbers
    // that cannot be set (SIGKILL, SIGSTOP, those of the C library) are refused without effect.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        for signal in 1..=64 {
            let ignored = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN;
            if signal == libc::SIGHUP && ignored {
                continue;
            }
            action = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
