//! A progress bar for people; nothing at all where no terminal shows it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of rows, with rate and the time that is left when the total is known.
pub fn rows(total: Option<u64>) -> ProgressBar {
    bar(
        total,
        "{spinner} {human_pos} of about {human_len} rows  {wide_bar}  {per_sec}  {msg}  {eta} left",
        "{spinner} {human_pos} rows  {per_sec}  {msg}  {elapsed}",
    )
}

/// A bar of bytes.
pub fn bytes(total: u64) -> ProgressBar {
    bar(
        Some(total),
        "{spinner} {msg}  {binary_bytes} of {binary_total_bytes}  {wide_bar}  {binary_bytes_per_sec}  {eta} left",
        "",
    )
}

fn bar(total: Option<u64>, known: &str, unknown: &str) -> ProgressBar {
    // On standard error, and hidden when that is not a terminal.
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let (bar, template) = match total {
        Some(total) => (ProgressBar::with_draw_target(Some(total), target), known),
        None => (ProgressBar::with_draw_target(None, target), unknown),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
