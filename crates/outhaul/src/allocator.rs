//! What the C library's allocator is told, so that memory that was freed does not stay ours.

/// Few arenas: with one for every thread, each keeps what its thread once needed.
const ARENAS_MAX: libc::c_int = 2;
/// Bytes from which a piece of memory comes from the system, and goes back to it at once.
const MAPPED_FROM: libc::c_int = 1 << 20;
/// Free bytes at the top of the heap from which they go back to the system.
const TRIMMED_FROM: libc::c_int = 8 << 20;

/// Bytes by which the heap of a process that ends with its work grows at once, and keeps: pages
/// that are given back and fetched again cost a fifteenth of a conversion's time.
const GROWS_BY: libc::c_int = 64 << 20;

/// For a process that ends with its work. To be called before any thread exists.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt is a function of the C library without a safe wrapper")]
pub fn run_once() {
    save_memory();
    // SAFETY: mallopt takes two numbers and may be called at any time.
    unsafe { libc::mallopt(libc::M_TOP_PAD, GROWS_BY) };
}

/// Prefers little memory to the last bit of speed. To be called before any thread exists.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt is a function of the C library without a safe wrapper")]
pub fn save_memory() {
    for (parameter, value) in [
        (libc::M_ARENA_MAX, ARENAS_MAX),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM),
        (libc::M_TRIM_THRESHOLD, TRIMMED_FROM),
    ] {
        // SAFETY: mallopt takes two numbers and may be called at any time.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Prefers little memory to the last bit of speed. To be called before any thread exists.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn save_memory() {}

/// For a process that ends with its work. To be called before any thread exists.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn run_once() {}
