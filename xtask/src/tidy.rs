//! House rules as tests: what rooms may import, what a plug-in folder holds, how a file begins.
//!
//! Every rule answers with the places that break it, and all are shown before the task fails.

mod dependencies;
mod files;

/// A place that breaks a rule, and what to do about it.
pub type Breach = String;

/// Checks all rules.
pub fn run() -> anyhow::Result<()> {
    let mut breaches = dependencies::check()?;
    breaches.extend(files::check()?);
    for breach in &breaches {
        println!("{breach}");
    }
    anyhow::ensure!(breaches.is_empty(), "{} house rules are broken", breaches.len());
    Ok(())
}
