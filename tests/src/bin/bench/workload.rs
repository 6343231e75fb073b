//! The operations that are measured, as tight loops of system calls.
//!
//! Time is the thread's CPU time, so that a neighbour who takes the CPU away does not count; on an idle machine it is
//! the time that passes. Not for: when and in which state of the host they run (`overhead`, `programs`).

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, open, unlink};
use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, listen, socket, sockopt::set_socket_linger};
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Open and close of a file that exists, four components deep.
    Open,
    /// Open of a file that does not exist, another one each time.
    OpenMissing,
    /// Open of a file that does not exist, the same one each time.
    OpenSame,
    /// Connect to a listening TCP socket on the loopback, its acceptance, and the close of both ends.
    Connect,
    /// The same, of which only the connect is timed.
    ConnectAlone,
    /// setuid to the user id it has.
    Setuid,
    /// A system call that nobody watches.
    Getppid,
    /// Create, close and unlink of a file.
    CreateUnlink,
    /// A new process that executes a static program which ends at once, and waiting for it.
    Exec,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::OpenMissing,
        Self::OpenSame,
        Self::Connect,
        Self::ConnectAlone,
        Self::Setuid,
        Self::Getppid,
        Self::CreateUnlink,
        Self::Exec,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open+close",
            Self::OpenMissing => "open-missing",
            Self::OpenSame => "open-same-missing",
            Self::Connect => "connect",
            Self::ConnectAlone => "connect-alone",
            Self::Setuid => "setuid",
            Self::Getppid => "getppid",
            Self::CreateUnlink => "create+unlink",
            Self::Exec => "fork+exec+exit",
        }
    }

    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).with_context(|| format!("no operation is called {name}"))
    }

    /// Operations in a batch of about 100 ms.
    pub const fn batch(self) -> u64 {
        match self {
            Self::Open => 40_000,
            Self::OpenMissing | Self::OpenSame => 100_000,
            Self::Connect | Self::ConnectAlone => 3_000,
            Self::Setuid => 100_000,
            Self::Getppid => 800_000,
            Self::CreateUnlink => 6_000,
            Self::Exec => 200,
        }
    }

    /// System calls of one operation, as strace counts them.
    pub const fn syscalls(self) -> u64 {
        match self {
            Self::OpenMissing | Self::OpenSame | Self::Setuid | Self::Getppid => 1,
            Self::Open => 2,
            Self::CreateUnlink => 3,
            Self::Connect | Self::ConnectAlone => 6,
            // With glibc: socketpair, clone, close, recvfrom, close, wait4; in the child set_robust_list, close,
            // rt_sigaction, execve, exit.
            Self::Exec => 11,
        }
    }
}

/// What the loops need.
pub struct Bench {
    existing: CString,
    missing: CString,
    /// Becomes another one with each use.
    missing_ones: RefCell<Vec<u8>>,
    fresh: CString,
    program: PathBuf,
    listener: OwnedFd,
    address: SocketAddr,
}

impl Bench {
    /// `dir` has three components, and room for a file.
    pub fn new(dir: &Path) -> Result<Self> {
        let path = |name: &str| CString::new(dir.join(name).as_os_str().as_bytes());
        std::fs::write(dir.join("existing"), "x")?;
        let program = dir.join("program");
        std::fs::write(&program, exiting_program())?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        listen(&listener, 16)?;
        let address = SocketAddr::try_from(getsockname(&listener)?)?;
        let missing_ones = RefCell::new(path("missing-00000000")?.into_bytes_with_nul());
        Ok(Self { existing: path("existing")?, missing: path("missing")?, missing_ones, fresh: path("fresh")?, program, listener, address })
    }

    /// Nanoseconds of CPU time for `count` operations.
    pub fn run(&self, kind: Kind, count: u64) -> Result<u64> {
        if kind == Kind::ConnectAlone {
            return self.connects(count);
        }
        let start = cpu_time();
        for _ in 0..count {
            self.once(kind)?;
        }
        Ok(u64::try_from((cpu_time() - start).as_nanos())?)
    }

    #[inline(always)]
    fn once(&self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Open => drop(open(&self.existing, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?),
            Kind::OpenMissing => {
                let mut name = self.missing_ones.borrow_mut();
                next(&mut name);
                open_missing(CStr::from_bytes_with_nul(&name)?)?;
            }
            Kind::OpenSame => open_missing(&self.missing)?,
            Kind::Connect | Kind::ConnectAlone => {
                self.connect()?;
            }
            Kind::Setuid => rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?,
            Kind::Getppid => {
                std::hint::black_box(rustix::process::getppid());
            }
            Kind::CreateUnlink => {
                drop(open(&self.fresh, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::from(0o600))?);
                unlink(&self.fresh)?;
            }
            Kind::Exec => {
                let mut command = std::process::Command::new(&self.program);
                // SAFETY: the closure does nothing. It makes std use fork and exec: posix_spawn asks for 130 more system
                // calls to reset signals.
                unsafe { command.pre_exec(|| Ok(())) };
                let status = command.status()?;
                if !status.success() {
                    bail!("{}: {status}", self.program.display());
                }
            }
        }
        Ok(())
    }

    /// `count` times the median of the time in connect: too short for the CPU clock, and a median forgets those in
    /// which another process had the CPU.
    fn connects(&self, count: u64) -> Result<u64> {
        let mut times = (0..count).map(|_| self.connect()).collect::<Result<Vec<_>>>()?;
        times.sort_unstable();
        let median = times.get(times.len() / 2).context("no connects were asked for")?;
        Ok(u64::try_from(median.as_nanos())? * count)
    }

    /// Time in connect. Closing with a reset keeps the ports from running out.
    fn connect(&self) -> Result<Duration> {
        let client = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        let start = Instant::now();
        connect(&client, &self.address)?;
        let took = start.elapsed();
        let served = rustix::net::accept(&self.listener)?;
        set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(client);
        drop(served);
        Ok(took)
    }

    /// Opens, by turns of a missing and an existing file, `per_second` of them for `duration`, in bursts of a
    /// millisecond; without a rate as fast as it goes. Returns how many, and the nanoseconds that passed.
    pub fn paced(&self, per_second: Option<u64>, duration: Duration) -> Result<(u64, u64)> {
        let start = Instant::now();
        let mut done = 0_u64;
        loop {
            let elapsed = start.elapsed();
            if elapsed >= duration {
                return Ok((done, u64::try_from(elapsed.as_nanos())?));
            }
            let due = per_second.map_or(done + 1_000, |rate| (elapsed.as_secs_f64() * rate as f64) as u64);
            while done < due {
                self.once(if done.is_multiple_of(2) { Kind::OpenMissing } else { Kind::Open })?;
                done += 1;
            }
            if per_second.is_some() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
}

fn open_missing(name: &CStr) -> Result<()> {
    if open(name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).is_ok() {
        bail!("a file that should be missing is there");
    }
    Ok(())
}

/// Counts the number on at the end of a name, before its NUL.
fn next(name: &mut [u8]) {
    for digit in name.iter_mut().rev().skip(1) {
        match digit {
            b'9' => *digit = b'0',
            b'0'..=b'8' => {
                *digit += 1;
                return;
            }
            _ => return,
        }
    }
}

/// A static x86-64 program whose only system call is exit(0): what a dynamic one opens is not the cost of executing.
fn exiting_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // xor edi, edi; mov eax, 60; syscall
    const CODE: [u8; 9] = [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let size = HEADERS + CODE.len() as u64;
    // Elf64_Ehdr: 64-bit, little-endian, version 1; ET_EXEC, EM_X86_64.
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2_u16, 62].into_iter().flat_map(u16::to_le_bytes));
    elf.extend(1_u32.to_le_bytes());
    elf.extend([BASE + HEADERS, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    elf.extend(0_u32.to_le_bytes());
    elf.extend([64_u16, 56, 1, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    // Elf64_Phdr: PT_LOAD, readable and executable.
    elf.extend([1_u32, 5].into_iter().flat_map(u32::to_le_bytes));
    elf.extend([0, BASE, BASE, size, size, 0x1000].into_iter().flat_map(u64::to_le_bytes));
    elf.extend(CODE);
    elf
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
