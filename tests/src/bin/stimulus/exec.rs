//! execve and execveat: of every kind of file, with odd arguments, from a thread, and refused.

use crate::NOOP;
use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, fork, sys, wait};
use crate::truth::Truth;
use std::ffi::CString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Bytes of argv one record keeps.
const ARGV_MAX: usize = 32 * 1024;

/// Arguments as execve wants them.
struct Argv {
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Argv {
    fn new(args: &[&[u8]]) -> Self {
        let strings: Vec<CString> = args.iter().map(c).collect();
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { strings, pointers }
    }

    fn at(&self) -> u64 {
        self.pointers.as_ptr() as u64
    }

    fn bytes(&self) -> Vec<u8> {
        self.strings.iter().flat_map(|s| s.as_bytes_with_nul().to_vec()).collect()
    }

    /// The truth about these arguments.
    fn truth(&self, truth: Truth) -> Truth {
        let all = self.bytes();
        truth
            .with("argc", self.strings.len())
            .bytes("argv", &all[..all.len().min(ARGV_MAX)])
            .with("argv_bytes", all.len())
            .with("truncated", all.len() > ARGV_MAX)
    }
}

fn environment() -> Argv {
    Argv::new(&[format!("{NOOP}=1").as_bytes()])
}

/// Makes an executable copy of this program.
fn program(path: &Path) {
    std::fs::copy("/proc/self/exe", path).expect("a copy of this program");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("chmod");
}

/// In a child: prints what is about to be true of `file`, then executes.
fn run(asked: &[u8], args: &[&[u8]], describe: impl FnOnce(Truth) -> Truth, execute: impl FnOnce(u64, u64, u64) -> i64) {
    let child = fork(|| {
        let (argv, envp, path) = (Argv::new(args), environment(), c(asked));
        let cwd = bytes(std::env::current_dir().expect("a working directory"));
        let truth = argv.truth(Truth::of("exec", 0)).bytes("filename", asked).bytes("cwd", cwd).with("compat", false);
        describe(truth).print();
        let error = execute(at(&path), argv.at(), envp.at());
        eprintln!("execve {}: {error}", asked.escape_ascii());
        1
    });
    assert_eq!(wait(child), 0, "the executed program");
}

fn execve(path: u64, argv: u64, envp: u64) -> i64 {
    sys(libc::SYS_execve, &[path, argv, envp])
}

/// What is true of an executable file.
fn of_file(truth: Truth, path: &Path) -> Truth {
    let real = std::fs::canonicalize(path).expect("the file");
    let metadata = std::fs::metadata(&real).expect("the file");
    truth.bytes("exe", bytes(&real)).with("trust", "Resolved").with("fileless", false).metadata(&metadata)
}

/// Executions that succeed.
pub fn all(dir: &Path) {
    let prog = below(dir, "prog");
    program(&prog);
    std::os::unix::fs::symlink("prog", below(dir, "link")).expect("a link");
    let script = below(dir, "script");
    std::fs::write(&script, format!("#!{} an argument\n", prog.display())).expect("a script");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("chmod");
    std::env::set_current_dir(dir).expect("chdir");

    let odd: [&[u8]; 6] = [b"prog", b"two\nlines", b"\x1b[31m", b"\xff\xfe", b"", b"last\\"];
    run(&bytes(&prog), &odd, |t| of_file(t, &prog).with("script", "none"), execve);
    run(b"./prog", &[b"other name"], |t| of_file(t, &prog).with("script", "none"), execve);
    run(b"link", &[b"link"], |t| of_file(t, &prog).with("script", "none"), execve);
    let of_script = |asked: &'static [u8]| {
        let prog = prog.clone();
        move |truth: Truth| {
            // The kernel puts the interpreter, its argument and the script in front.
            let argv = Argv::new(&[&bytes(&prog), b"an argument", asked, b"1"]);
            argv.truth(of_file(truth, &prog)).bytes("script", asked)
        }
    };
    run(b"./script", &[b"replaced", b"1"], of_script(b"./script"), execve);
    let base = sys(libc::SYS_open, &[at(&c(bytes(dir))), libc::O_PATH as u64]);
    let execveat = |flags: i32, at_fd: i64| {
        move |path: u64, argv: u64, envp: u64| sys(libc::SYS_execveat, &[fd(at_fd), path, argv, envp, flags as u64])
    };
    let in_dev_fd = format!("/dev/fd/{base}/prog");
    let described = |t| of_file(t, &prog).bytes("filename", &in_dev_fd);
    run(b"prog", &[b"prog"], described, execveat(0, base));
    memfd(execveat);
    unlinked(dir, execveat);
    std::fs::create_dir(below(dir, "other")).expect("a directory");
    std::env::set_current_dir(below(dir, "other")).expect("chdir");
    run(b"../prog", &[b"prog"], |t| of_file(t, &prog), execve);
    std::env::set_current_dir("/").expect("chdir");
    run(&bytes(&prog), &[b"prog"], |t| of_file(t, &prog).bytes("cwd", "/"), execve);
}

/// Executes a program that has no file.
fn memfd<E: FnOnce(u64, u64, u64) -> i64>(execveat: impl Fn(i32, i64) -> E) {
    let memfd = sys(libc::SYS_memfd_create, &[at(&c("svc")), u64::from(libc::MFD_CLOEXEC)]);
    assert!(memfd >= 0, "memfd_create: {memfd}");
    std::fs::copy("/proc/self/exe", format!("/proc/self/fd/{memfd}")).expect("a copy of this program");
    let metadata = std::fs::metadata(format!("/proc/self/fd/{memfd}")).expect("the memfd");
    let filename = format!("/dev/fd/{memfd}");
    let described = |truth: Truth| {
        let truth = truth.bytes("exe", "memfd:svc").with("trust", "Partial").with("fileless", true);
        truth.bytes("filename", filename).with("ino", std::os::unix::fs::MetadataExt::ino(&metadata)).with("nlink", 0)
    };
    run(b"", &[b"svc"], described, execveat(libc::AT_EMPTY_PATH, memfd));
}

/// Executes a file whose name is gone.
fn unlinked<E: FnOnce(u64, u64, u64) -> i64>(dir: &Path, execveat: impl Fn(i32, i64) -> E) {
    let path = below(dir, "gone");
    program(&path);
    let file = sys(libc::SYS_open, &[at(&c(bytes(&path))), libc::O_CLOEXEC as u64]);
    std::fs::remove_file(&path).expect("unlink");
    let described = |t: Truth| t.bytes("exe", bytes(&path)).with("fileless", true).bytes("filename", format!("/dev/fd/{file}"));
    run(b"", &[b"gone"], described, execveat(libc::AT_EMPTY_PATH, file));
}

/// Executions that fail: the path that was meant, joined.
pub fn failures(dir: &Path) {
    let plain = below(dir, "plain");
    std::fs::write(&plain, "not a program").expect("a file");
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o755)).expect("chmod");
    std::fs::write(below(dir, "data"), "x").expect("a file");
    std::fs::set_permissions(below(dir, "data"), PermissionsExt::from_mode(0o644)).expect("chmod");
    std::fs::create_dir(below(dir, "sub")).expect("a directory");
    std::env::set_current_dir(below(dir, "sub")).expect("chdir");
    let base = sys(libc::SYS_open, &[at(&c(bytes(dir))), libc::O_PATH as u64]);
    let path = |name: &[u8]| bytes(below(dir, name));
    let fails = |op: &str, asked: &[u8], errno: i32, meant: &[u8]| {
        let (argv, envp, asked_c) = (Argv::new(&[b"x"]), environment(), c(asked));
        let ret = match op {
            "execve" => execve(at(&asked_c), argv.at(), envp.at()),
            _ => sys(libc::SYS_execveat, &[fd(base), at(&asked_c), argv.at(), envp.at(), 0]),
        };
        assert_eq!(ret, -i64::from(errno), "{op} {}", asked.escape_ascii());
        Truth::of(op, ret).bytes("filename", asked).bytes("exe", meant).with("trust", "Joined").with("ino", 0).print();
    };
    fails("execve", &path(b"missing"), libc::ENOENT, &path(b"missing"));
    fails("execve", b"./missing", libc::ENOENT, &path(b"sub/missing"));
    fails("execve", b"../data", libc::EACCES, &path(b"data"));
    fails("execve", b"../plain", libc::ENOEXEC, &path(b"plain"));
    fails("execve", b"..", libc::EACCES, &bytes(dir));
    fails("execveat", b"missing", libc::ENOENT, &path(b"missing"));
    fails("execveat", b"data", libc::EACCES, &path(b"data"));
    let _ = AT_FDCWD;
}

/// An argument list of `len` bytes.
pub fn long_argv(dir: &Path, len: u64) {
    let prog = below(dir, "prog");
    program(&prog);
    let long = vec![b'a'; usize::try_from(len).expect("a length")];
    run(&bytes(&prog), &[b"prog", &long, b"end"], |t| of_file(t, &prog), execve);
}

/// A thread that is not the first executes: the process keeps its identity.
pub fn from_thread(dir: &Path) {
    let prog = below(dir, "prog");
    program(&prog);
    let child = fork(|| {
        let _ = std::thread::spawn(move || {
            let (argv, envp, path) = (Argv::new(&[b"prog"]), environment(), c(bytes(&prog)));
            sys(libc::SYS_unlink, &[at(&c("/agentmon-missing"))]);
            // After the exec the thread has the process's id.
            let truth = of_file(argv.truth(Truth::of("exec", 0)), &prog).with("_caller_tid", crate::sys::tid());
            truth.with("tid", crate::sys::pid()).bytes("filename", bytes(&prog)).print();
            execve(at(&path), argv.at(), envp.at())
        })
        .join();
        1
    });
    assert_eq!(wait(child), 0, "the executed program");
}
