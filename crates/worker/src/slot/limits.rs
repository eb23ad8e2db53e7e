//! What a slot denies itself, before it knows of any query.
//!
//! The only file of this room with `unsafe` code: calls of the C library that have no safe wrapper
//! among the features of `rustix` that the workspace builds.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;

use rustix::process::{Resource, Rlimit, Signal};

use super::protocol::Setup;

/// Files a slot may have open: source files, spill files, the artifact, and some.
const OPEN_FILES_MAX: u64 = 4_096;

/// Writable memory that is mapped and not touched (stacks, arenas), beyond the hard limit. What is
/// touched is what the supervisor watches; this limit only stops a leap past it between two looks.
const UNTOUCHED_BYTES: u64 = 1 << 30;

/// Ends the slot with the thread that started it, and lets it gain no rights and leave no core
/// file, which would hold customers' rows. Call it in the first thread, before any other starts.
/// When the server died before this call, the end of the standard input says so.
///
/// # Errors
/// When the system refuses.
pub(super) fn confine() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::Core, 0)?;
    no_new_privileges()
}

/// Applies the limits that the supervisor named.
///
/// # Errors
/// When the system refuses, or the spill folder cannot be made.
pub(super) fn apply(setup: &Setup) -> io::Result<()> {
    // Not the address space: threads' arenas and stacks reserve far more of it than they use.
    limit(Resource::Data, setup.hard_memory_bytes.saturating_add(UNTOUCHED_BYTES))?;
    limit(Resource::Nofile, OPEN_FILES_MAX)?;
    empty_spill(setup)
}

/// Empties the spill folder; makes it, for the slot's user alone, when it is missing.
pub(super) fn empty_spill(setup: &Setup) -> io::Result<()> {
    match fs::remove_dir_all(&setup.spill_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&setup.spill_dir)
}

/// Lowers a limit, never raises it.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let most = [now.current, now.maximum].into_iter().flatten().fold(most, u64::min);
    rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "prctl has no safe wrapper among the enabled features of rustix")]
fn no_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only and touches no memory of ours.
    let refused = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn no_new_privileges() -> io::Result<()> {
    Ok(())
}

/// Gives memory that is free inside the process back to the system, between two exports.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim is a function of the C library")]
pub(super) fn give_back_memory() {
    // SAFETY: malloc_trim may be called at any time from any thread; it takes a number.
    unsafe { libc::malloc_trim(0) };
}

/// Gives memory that is free inside the process back to the system, between two exports.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back_memory() {}

/// Takes the standard output for the protocol alone: whatever else is printed to it from now on
/// goes to the standard error.
#[expect(unsafe_code, reason = "dup2 onto standard output has no safe wrapper that is enabled")]
pub(super) fn take_stdout() -> io::Result<fs::File> {
    use std::os::fd::AsFd;
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    // SAFETY: both numbers are open descriptors of this process; the standard library keeps no
    // state about them besides a line buffer that is empty here.
    let moved = unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) };
    if moved < 0 { Err(io::Error::last_os_error()) } else { Ok(own.into()) }
}
