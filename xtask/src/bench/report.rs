//! The table of a benchmark, for the terminal and for `docs/benchmarks.md`.

use std::fmt::Write;

use super::Outcome;
use super::measure::Measurement;
use crate::run;

/// The table in Markdown.
pub fn table(scale: u32, rounds: usize, outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "### TPC-H lineitem, scale factor {scale}, medians of {rounds} rounds\n\n\
         | case | program | seconds | against the fastest peer | peak memory, MiB | file, MiB |\n\
         |---|---|---:|---:|---:|---:|\n"
    );
    for outcome in outcomes {
        let medians = outcome.peers.iter().map(|(_, all)| median(all, |m| m.seconds));
        let best = medians.fold(f64::INFINITY, f64::min);
        let mut row = |program: &str, all: &[Measurement], goal: &str| {
            let seconds = median(all, |m| m.seconds);
            let file = median(all, |m| m.file_mib);
            let peak = all.iter().map(|m| m.peak_mib).fold(0.0, f64::max);
            writeln!(
                text,
                "| {} | {program} | {seconds:.2} | {:.3}{goal} | {peak:.0} | {file:.1} |",
                outcome.case.title,
                seconds / best
            )
            .unwrap_or_default();
        };
        let goal = outcome.case.goal.map(|goal| format!(" (goal {goal})")).unwrap_or_default();
        row("outhaul", &outcome.ours, &goal);
        for (peer, all) in &outcome.peers {
            row(peer, all, "");
        }
    }
    text
}

/// Puts the table in place of the one of the same cases, or after the others.
pub fn write(table: &str) -> anyhow::Result<()> {
    let path = run::root().join("docs/benchmarks.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let heading = table.split(", medians").next().unwrap_or(table).to_owned() + ",";
    let new = match old.find(&heading) {
        Some(start) => {
            let end = old[start + 3..].find("\n#").map_or(old.len(), |at| start + 3 + at + 1);
            format!("{}{}\n{}", &old[..start], table, old[end..].trim_start())
        }
        None => format!("{}\n\n{table}", old.trim_end()),
    };
    std::fs::write(path, new.trim_end().to_owned() + "\n")?;
    Ok(())
}

fn median(all: &[Measurement], of: impl Fn(&Measurement) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
