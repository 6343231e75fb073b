//! A call made through either entry into the kernel, and everything that is true of it.
//!
//! The arguments say what they are, so that one list makes the call and its line. Not for: which calls are made
//! (`changes`, `attributes`, `mounts`, `reach`, `system`).

use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, at, bytes, c, fd, int80, low_page, read_link, sys};
use crate::truth::Truth;

/// An argument.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    /// A number no event names.
    Raw(u64),
    /// A number, by its name in the event.
    Is(&'static str, u64),
    /// A number of 64 bits, which i386 passes in two halves.
    Pair(&'static str, u64),
    /// The directory of the path that follows.
    Dir(i64),
    /// What the call acts on.
    Path(&'a [u8]),
    /// The second path.
    To(&'a [u8]),
    /// A second string that is no path, though one could stand there.
    Source(&'a [u8]),
    /// A string that is no path.
    Text(&'a [u8]),
    /// The open file the call acts on.
    File(i64),
    /// Memory the kernel reads or writes.
    Memory(&'a [u8]),
    /// An address where no string can be read, in the place of any of them.
    Bad(u64),
    /// A path at an address that is not in memory when the call begins.
    Untouched(u64, &'a [u8]),
    /// A second path at such an address.
    UntouchedTo(u64, &'a [u8]),
}

/// Calls that some kernels do not have: they then return `ENOSYS`, and the line says so.
const MAY_BE_MISSING: &[&str] = &[
    "fchmodat2",
    "setxattrat",
    "removexattrat",
    "file_setattr",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsmount",
    "mount_setattr",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "perf_event_open",
    "add_key",
    "keyctl",
    "swapon",
    "swapoff",
    "quotactl",
    "acct",
    "iopl",
    "ioperm",
    "fanotify_init",
    "io_uring_setup",
    "process_vm_readv",
    "process_vm_writev",
    "open_by_handle_at",
    "memfd_secret",
    "userfaultfd",
    "seccomp",
    "landlock_restrict_self",
    "lsm_set_self_attr",
    "open_tree_attr",
    "quotactl_fd",
    "request_key",
    "mq_unlink",
    "process_madvise",
    "move_pages",
    "migrate_pages",
    "kcmp",
];

/// What a call must come to.
#[derive(Clone, Copy)]
pub enum Want {
    /// Zero or more.
    Done,
    /// This error.
    Fails(i32),
    /// Some error.
    Refused,
}

/// Makes calls of one ABI.
#[derive(Clone, Copy)]
pub struct Calls(pub Abi);

impl Calls {
    /// Makes a call that succeeds; its result, or `None` where there is no such call.
    pub fn does(self, op: &str, args: &[Arg<'_>]) -> Option<i64> {
        self.tell(op, args, Want::Done, |truth| truth).filter(|ret| *ret >= 0)
    }

    /// Makes a call that fails with this error.
    pub fn fails(self, op: &str, errno: i32, args: &[Arg<'_>]) {
        self.tell(op, args, Want::Fails(errno), |truth| truth);
    }

    /// Makes a call that fails, whatever the kernel says first.
    pub fn refused(self, op: &str, args: &[Arg<'_>]) {
        self.tell(op, args, Want::Refused, |truth| truth);
    }

    /// Makes a call and prints what is true of it; `more` changes what the arguments say. `None` where this ABI has no
    /// such call.
    pub fn tell(self, op: &str, args: &[Arg<'_>], want: Want, more: impl FnOnce(Truth) -> Truth) -> Option<i64> {
        let number = self.0.number(op)?;
        let cwd = read_link("/proc/self/cwd").map(bytes);
        let ret = self.make(op, number, args);
        let missing = ret == -i64::from(libc::ENOSYS) && MAY_BE_MISSING.contains(&op);
        let as_wanted = match want {
            Want::Done => ret >= 0,
            Want::Fails(errno) => ret == -i64::from(errno),
            Want::Refused => ret < 0,
        };
        assert!(as_wanted || missing, "{op} as {number}, i386: {}: {ret}", self.0.is_compat());
        let truth = Truth::of(op, ret).with("compat", self.0.is_compat()).with("changed", false).with("_number", number);
        more(self.describe(truth, args, cwd)).print();
        Some(ret)
    }

    /// Makes a call that is not told.
    pub fn quietly(self, op: &str, args: &[Arg<'_>]) -> i64 {
        let number = self.0.number(op).unwrap_or_else(|| panic!("no {op} here"));
        self.make(op, number, args)
    }

    fn make(self, op: &str, number: u32, args: &[Arg<'_>]) -> i64 {
        if !self.0.is_compat() {
            let strings: Vec<_> = args.iter().map(string).collect();
            let values: Vec<u64> = args.iter().zip(&strings).map(|(arg, string)| value(*arg, string.as_ref().map_or(0, at))).collect();
            return sys(i64::from(number), &values);
        }
        let mut words: Vec<u32> = Vec::new();
        for arg in args {
            let low = match (string(arg), arg) {
                (Some(string), _) => low_page(string.as_bytes_with_nul()),
                (None, Arg::Memory(memory)) => low_page(memory),
                _ => 0,
            };
            let value = value(*arg, u64::from(low));
            words.push(if low == 0 { value as u32 } else { low });
            if matches!(arg, Arg::Pair(..)) {
                words.push((value >> 32) as u32);
            }
        }
        let mut all = [0; 6];
        all[..words.len()].copy_from_slice(&words);
        // The first mmap of i386 takes its arguments in memory.
        if op == "mmap" && number == 90 {
            return int80(number, [low_page(&all.map(u32::to_ne_bytes).concat())]);
        }
        int80(number, all)
    }

    fn describe(self, truth: Truth, args: &[Arg<'_>], cwd: Option<Vec<u8>>) -> Truth {
        let unreadable = args.iter().any(|arg| matches!(arg, Arg::Bad(_)));
        let untouched = args.iter().any(|arg| matches!(arg, Arg::Untouched(..) | Arg::UntouchedTo(..)));
        let mut truth = truth.with("unreadable", unreadable).with("read_at_exit", untouched);
        let mut base = cwd.clone();
        for arg in args {
            truth = match *arg {
                Arg::Dir(dir) => {
                    base = if dir == AT_FDCWD { cwd.clone() } else { read_link(format!("/proc/self/fd/{dir}")).map(bytes) };
                    truth
                }
                Arg::Path(asked) | Arg::Untouched(_, asked) => path(truth, "", asked, base.as_deref()),
                Arg::To(asked) | Arg::UntouchedTo(_, asked) => path(truth, "to_", asked, base.as_deref()),
                Arg::Source(asked) => truth.bytes("to_asked", asked).bytes("to_path", asked).with("to_trust", "Partial"),
                Arg::Text(text) => truth.bytes("text", text),
                Arg::File(file) if std::fs::metadata(format!("/proc/self/fd/{file}")).is_ok() => {
                    truth.file(file).path_of(file).bytes("asked", "")
                }
                Arg::File(_) => truth.bytes("path", "").bytes("asked", ""),
                Arg::Is(name, value) if self.0.is_compat() => truth.with(&format!("arg_{name}"), value as u32),
                Arg::Is(name, value) | Arg::Pair(name, value) => truth.with(&format!("arg_{name}"), value),
                Arg::Raw(_) | Arg::Memory(_) | Arg::Bad(_) => truth,
            };
        }
        truth
    }
}

fn path(truth: Truth, prefix: &str, asked: &[u8], base: Option<&[u8]>) -> Truth {
    let truth = truth.bytes(&format!("{prefix}asked"), asked);
    let meant = match (asked, base) {
        ([], _) => None,
        ([b'/', ..], _) => Some(fold(asked)),
        (_, Some(base @ [b'/', ..])) => Some(fold(&[base, b"/", asked].concat())),
        _ => None,
    };
    match meant {
        Some(meant) => truth.bytes(&format!("{prefix}path"), meant).with(&format!("{prefix}trust"), "Joined"),
        None => truth.with(&format!("{prefix}trust"), "Partial"),
    }
}

/// What a path means as text.
pub fn fold(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".") {
        if name == b".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    [&b"/"[..], &names.join(&b'/')].concat()
}

fn string(arg: &Arg<'_>) -> Option<std::ffi::CString> {
    match arg {
        Arg::Path(string) | Arg::To(string) | Arg::Source(string) | Arg::Text(string) => Some(c(string)),
        _ => None,
    }
}

/// An argument as the kernel gets it; strings stand at `string`.
fn value(arg: Arg<'_>, string: u64) -> u64 {
    match arg {
        Arg::Raw(value) | Arg::Is(_, value) | Arg::Pair(_, value) | Arg::Bad(value) => value,
        Arg::Untouched(address, _) | Arg::UntouchedTo(address, _) => address,
        Arg::Dir(file) | Arg::File(file) => fd(file),
        Arg::Path(_) | Arg::To(_) | Arg::Source(_) | Arg::Text(_) => string,
        Arg::Memory(memory) => memory.as_ptr() as u64,
    }
}
