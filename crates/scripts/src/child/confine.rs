//! What the process denies itself, before it knows the script.
//!
//! Three rings: limits of the system for what is counted (memory, time of the processor, files,
//! processes), no new rights, and a filter of system calls that leaves nothing but memory, the clock
//! and the two pipes. A call outside the filter ends the process.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, Signal};

use crate::limits::{Limits, OVERHEAD_BYTES};

/// Ends the process with the thread that started it, and lets it leave no core file, which would
/// hold a customer's data.
pub(super) fn bind_to_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::Core, 0, 0)
}

/// Applies the limits of the system.
pub(super) fn apply(limits: &Limits) -> io::Result<()> {
    let memory = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX);
    let memory = memory.saturating_add(OVERHEAD_BYTES);
    limit(Resource::Data, memory, memory)?;
    if let Some(mapped) = mapped_bytes() {
        // The program itself is mapped, and it is large.
        let most = mapped.saturating_add(memory);
        limit(Resource::As, most, most)?;
    }
    // The clock on the wall ends a script; this ends one that outlived everybody who looks at it.
    let seconds = limits.time.as_secs().saturating_add(2);
    limit(Resource::Cpu, seconds, seconds + 1)?;
    limit(Resource::Fsize, 0, 0)?;
    limit(Resource::Nproc, 0, 0)?;
    // Input, output and errors are open; no further number is below this one.
    limit(Resource::Nofile, 3, 3)
}

/// Bytes of addresses in use.
fn mapped_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Lowers a limit, never raises it.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let hard = now.maximum.map_or(hard, |most| most.min(hard));
    let soft = soft.min(hard);
    rustix::process::setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    Ok(())
}

/// Leaves the process nothing but memory, the clock and its pipes, for good. What the engine reads
/// from files (the time zone) must have been read before.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn seal() -> io::Result<()> {
    let program = filter().map_err(io::Error::other)?;
    // It also sets "no new privileges", without which the filter is refused.
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

/// There is no filter for this system: the limits hold alone.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn seal() -> io::Result<()> {
    Ok(())
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn filter() -> Result<seccompiler::BpfProgram, seccompiler::BackendError> {
    use std::collections::BTreeMap;

    use seccompiler::SeccompCmpArgLen::Dword;
    use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
    use seccompiler::{
        SeccompAction, SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule,
    };

    /// Calls that reach nothing outside the process, whatever their arguments.
    const FREE: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_gettimeofday,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
    ];
    let flag = |bits: i32| u64::from(bits.unsigned_abs());
    let no_code = |argument| Condition::new(argument, Dword, MaskedEq(flag(libc::PROT_EXEC)), 0);
    let pipe = |number| Rule::new(vec![Condition::new(0, Dword, Eq, number)?]);
    let anonymous = flag(libc::MAP_ANONYMOUS);
    let anonymous = Condition::new(3, Dword, MaskedEq(anonymous), anonymous)?;

    let mut rules: BTreeMap<i64, Vec<Rule>> = FREE.iter().map(|call| (*call, vec![])).collect();
    rules.insert(libc::SYS_mmap, vec![Rule::new(vec![no_code(2)?, anonymous])?]);
    rules.insert(libc::SYS_mprotect, vec![Rule::new(vec![no_code(2)?])?]);
    rules.insert(libc::SYS_read, vec![pipe(0)?]);
    rules.insert(libc::SYS_write, vec![pipe(1)?, pipe(2)?]);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

#[cfg(all(test, target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    //! The test starts itself again, sealed, and tries each forbidden thing.

    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const ATTEMPT: &str = "OUTHAUL_SCRIPTS_TEST_ATTEMPT";

    fn attempt(what: &str) {
        match what {
            "nothing" => {}
            "memory" => drop(std::hint::black_box(vec![1_u8; 8 << 20])),
            "clock" => drop(std::hint::black_box(std::time::Instant::now())),
            "file" => drop(fs::File::open("/etc/hostname")),
            "folder" => drop(fs::read_dir("/")),
            "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
            "connection" => drop(std::net::TcpStream::connect("127.0.0.1:9")),
            "process" => drop(Command::new("/bin/true").spawn()),
            "thread" => drop(std::thread::Builder::new().spawn(|| {})),
            "signal" => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::CONT);
            }
            "limit" => {
                let _ = limit(Resource::Core, 0, 0);
            }
            "remove" => drop(fs::remove_file("/tmp/there-is-no-such-file")),
            other => panic!("there is no attempt {other}"),
        }
    }

    /// What a process that starts this test again under a name is to do; the test otherwise.
    fn again(test: &str, what: &str) -> std::process::ExitStatus {
        let own = std::env::current_exe().expect("the test has a file");
        let mut command = Command::new(own);
        command.args(["--exact", &format!("child::confine::tests::{test}")]).env(ATTEMPT, what);
        command.output().expect("the test starts again").status
    }

    #[test]
    fn the_seal_leaves_memory_and_the_clock() {
        if let Ok(what) = std::env::var(ATTEMPT) {
            seal().expect("the filter is taken");
            attempt(&what);
            // The end of the test's thread would need calls of its own.
            std::process::exit(7);
        }
        let tries = |what| again("the_seal_leaves_memory_and_the_clock", what);
        for what in ["nothing", "memory", "clock"] {
            assert_eq!(tries(what).code(), Some(7), "{what} is allowed");
        }
        for what in [
            "file",
            "folder",
            "socket",
            "connection",
            "process",
            "thread",
            "signal",
            "limit",
            "remove",
        ] {
            assert_eq!(tries(what).signal(), Some(libc::SIGSYS), "{what} ends the process");
        }
    }

    #[test]
    fn the_limits_hold_without_the_seal() {
        if let Ok(what) = std::env::var(ATTEMPT) {
            let time = std::time::Duration::ZERO;
            let limits = Limits { memory_bytes: 1 << 20, time, ..Limits::default() };
            apply(&limits).expect("the limits are taken");
            let refused = match what.as_str() {
                "memory" => Vec::<u8>::new().try_reserve_exact(64 << 20).is_err(),
                "file" => fs::File::open("/etc/passwd").is_err(),
                "socket" => std::net::UdpSocket::bind("127.0.0.1:0").is_err(),
                "less memory" => Vec::<u8>::new().try_reserve_exact(8 << 20).is_err(),
                "time" => loop {
                    std::hint::black_box(());
                },
                other => panic!("there is no attempt {other}"),
            };
            std::process::exit(if refused { 7 } else { 8 });
        }
        let tries = |what| again("the_limits_hold_without_the_seal", what);
        for what in ["memory", "file", "socket"] {
            assert_eq!(tries(what).code(), Some(7), "{what} is refused");
        }
        assert_eq!(tries("less memory").code(), Some(8));
        assert_eq!(tries("time").signal(), Some(libc::SIGXCPU));
    }
}
