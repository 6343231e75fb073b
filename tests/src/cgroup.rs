//! cgroups of a test: made fresh below the v2 mount, emptied and removed at the end.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agentmon::event::CgroupId;

/// Where cgroup v2 is mounted; not at `/sys/fs/cgroup` on hosts that have v1 hierarchies too.
///
/// # Panics
/// When it is mounted nowhere.
#[must_use]
pub fn v2_mount() -> PathBuf {
    mount(|kind, _| kind == "cgroup2").expect("cgroup v2 is mounted nowhere")
}

/// Where a v1 hierarchy is mounted that processes can be moved in without further set-up.
#[must_use]
pub fn v1_mount() -> Option<PathBuf> {
    mount(|kind, options| kind == "cgroup" && options.split(',').any(|option| matches!(option, "freezer" | "pids" | "devices")))
}

fn mount(wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    table.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut back = back.split(' ');
        wanted(back.next()?, back.nth(1)?).then(|| front.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// A name that no other test has.
#[must_use]
pub fn fresh(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("agentmon-test-{}-{}-{name}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A cgroup that is removed with all inside it, its processes killed, when dropped.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// A new cgroup directly below the v2 mount.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::at(v2_mount().join(fresh(name)))
    }

    /// A new cgroup inside this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::at(self.path.join(name))
    }

    /// A new cgroup at a path of any hierarchy.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot make cgroup {}: {error}", path.display()));
        Self { path }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its identifier.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn id(&self) -> CgroupId {
        CgroupId(std::fs::metadata(&self.path).expect("the cgroup").ino())
    }

    /// Its directory, held open.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn open(&self) -> File {
        File::open(&self.path).expect("the cgroup")
    }

    /// Its path below the v2 mount, as configurations name it.
    ///
    /// # Panics
    /// When it is of another hierarchy.
    #[must_use]
    pub fn name(&self) -> String {
        format!("/{}", self.path.strip_prefix(v2_mount()).expect("below the mount").display())
    }

    /// Processes in it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let procs = std::fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        procs.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Path of the file by which processes are moved in.
    ///
    /// # Panics
    /// Never: paths have no NUL.
    #[must_use]
    pub fn procs(&self) -> CString {
        CString::new(self.path.join("cgroup.procs").as_os_str().as_bytes()).expect("no NUL inside")
    }

    /// Moves a process in.
    ///
    /// # Panics
    /// When it cannot be moved.
    pub fn add(&self, pid: u32) {
        let procs = self.procs();
        std::fs::write(OsStr::from_bytes(procs.as_bytes()), pid.to_string()).expect("moving a process");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A v1 group or a kernel before 5.14 has no such file; then the test ended its processes itself.
        let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
        remove_below(&self.path);
        let deadline = Instant::now() + Duration::from_secs(5);
        while let Err(error) = std::fs::remove_dir(&self.path) {
            if error.kind() == std::io::ErrorKind::NotFound || Instant::now() > deadline {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// What cannot be removed keeps the one above it, which is tried until the deadline.
fn remove_below(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}
