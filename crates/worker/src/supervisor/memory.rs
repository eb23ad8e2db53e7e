//! How much memory a process holds, as the system counts it.

use std::fs;

use rustix::process::Pid;

/// Resident bytes of a process; `None` when it is gone or the system does not tell.
pub(super) fn resident_bytes(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_holds_some() {
        let own = super::resident_bytes(rustix::process::getpid());
        if !std::path::Path::new("/proc/self/status").exists() {
            println!("skipped: this system has no /proc");
            return;
        }
        assert!(own.expect("it is there") > 100_000);
    }
}
