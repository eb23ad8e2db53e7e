//! `cargo xtask bench`: Outhaul and its peers on the same data, side by side in one run.
//!
//! Every case runs each program once a round, in turn, so that a noisy machine is noisy for all.
//! Medians, peak memory and the size of the file are printed as a table and written to `docs/benchmarks.md`. A peer's
//! time is what it measures itself without its imports; ours is the whole process.

mod jobs;
mod measure;
mod postgres;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::Args as ClapArgs;

use crate::{programs, python, run};
use measure::{Measurement, measure};

/// What to compare.
#[derive(ClapArgs)]
pub struct Args {
    /// TPC-H scale factor.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only cases whose name contains this.
    case: Option<String>,
    /// Measure this program instead of a new release build.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Print only; leave docs/benchmarks.md as it is.
    #[arg(long)]
    dry: bool,
}

/// One thing to compare, and how much of the best peer's time we allow ourselves.
pub struct Case {
    /// Its name, also on the peers' side.
    pub name: &'static str,
    /// What it does, for people.
    pub title: &'static str,
    /// Where the rows are.
    from: From,
    /// Arguments of `outhaul run` besides source and output.
    arguments: &'static [&'static str],
    /// Who else does it.
    peers: &'static [&'static str],
    /// The goal: at most this part of the fastest peer's time. Without one the case is only told.
    pub goal: Option<f64>,
}

/// Where the rows of a case are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// In a Parquet file.
    Parquet,
    /// In a PostgreSQL server on this machine.
    Postgres,
}

const CASES: &[Case] = &[
    Case {
        name: "csv",
        title: "Parquet to CSV",
        from: From::Parquet,
        arguments: &["--object", "lineitem", "--format", "csv"],
        peers: &["duckdb", "polars"],
        goal: Some(0.75),
    },
    Case {
        name: "csv_gzip",
        title: "Parquet to CSV, gzip",
        from: From::Parquet,
        arguments: &["--object", "lineitem", "--format", "csv", "--pack", "gzip"],
        peers: &["duckdb"],
        goal: Some(0.15),
    },
    Case {
        name: "parquet",
        title: "Parquet to Parquet, zstd",
        from: From::Parquet,
        arguments: &["--object", "lineitem", "--format", "parquet"],
        peers: &["duckdb", "polars"],
        goal: Some(0.95),
    },
    Case {
        name: "xlsx",
        title: "Parquet to Excel, 1,000,000 rows",
        from: From::Parquet,
        arguments: &["--sql", "select * from lineitem limit 1000000", "--format", "xlsx"],
        peers: &["polars"],
        goal: Some(0.1),
    },
    Case {
        name: "ndjson",
        title: "Parquet to NDJSON",
        from: From::Parquet,
        arguments: &["--object", "lineitem", "--format", "ndjson"],
        peers: &["polars"],
        goal: Some(0.9),
    },
    Case {
        name: "avro",
        title: "Parquet to Avro, deflate",
        from: From::Parquet,
        arguments: &["--object", "lineitem", "--format", "avro"],
        peers: &["polars", "fastavro"],
        goal: None,
    },
    Case {
        name: "postgres_csv",
        title: "PostgreSQL to CSV",
        from: From::Postgres,
        arguments: &["--object", "lineitem", "--format", "csv"],
        peers: &["psql"],
        goal: Some(0.85),
    },
    Case {
        name: "postgres_gzip",
        title: "PostgreSQL to CSV, gzip (psql: plain)",
        from: From::Postgres,
        arguments: &["--object", "lineitem", "--format", "csv", "--pack", "gzip"],
        peers: &["psql"],
        goal: Some(1.0),
    },
    Case {
        name: "postgres_parquet",
        title: "PostgreSQL to Parquet, zstd",
        from: From::Postgres,
        arguments: &["--object", "lineitem", "--format", "parquet"],
        peers: &["connectorx", "adbc"],
        goal: Some(0.55),
    },
];

/// What the programs did in one case.
pub struct Outcome {
    /// The case.
    pub case: &'static Case,
    /// Ours.
    pub ours: Vec<Measurement>,
    /// Each peer's.
    pub peers: Vec<(&'static str, Vec<Measurement>)>,
}

/// Runs the comparison.
pub fn run(args: &Args) -> anyhow::Result<()> {
    programs::ensure()?;
    let python = python::environment("xtask/src/bench/bench-requirements.txt")?;
    let source = data(&python, args.scale)?;
    let program = match &args.program {
        Some(program) => program.clone(),
        None => release()?,
    };
    let wanted = |case: &&Case| args.case.as_ref().is_none_or(|part| case.name.contains(part));
    let mut outcomes = Vec::new();
    let cases: Vec<_> = CASES.iter().filter(wanted).collect();
    let server = match cases.iter().any(|case| case.from == From::Postgres) {
        true => Some(postgres::serve(&program, &source, args.scale)?),
        false => None,
    };
    for case in cases {
        let from = match (case.from, &server) {
            (From::Postgres, Some(server)) => PathBuf::from(server.url()),
            _ => source.clone(),
        };
        outcomes.push(compare(case, args.rounds, &program, &python, &from)?);
    }
    let mut tables = Vec::new();
    if !outcomes.is_empty() {
        tables.push(report::table(args.scale, args.rounds, &outcomes));
    }
    if args.case.as_ref().is_none_or(|part| "jobs".contains(part.as_str())) {
        tables.push(jobs::run(&program, &python, args.rounds)?);
    }
    for table in tables {
        println!("{table}");
        if !args.dry {
            report::write(&table)?;
        }
    }
    Ok(())
}

fn compare(
    case: &'static Case,
    rounds: usize,
    program: &Path,
    python: &Path,
    source: &Path,
) -> anyhow::Result<Outcome> {
    let folder = run::target().join("bench/out");
    std::fs::create_dir_all(&folder)?;
    let mut ours = Vec::new();
    let mut peers: Vec<_> = case.peers.iter().map(|peer| (*peer, Vec::new())).collect();
    for round in 1..=rounds {
        let output = folder.join(format!("outhaul.{}", case.name));
        let mut command = Command::new(program);
        command.arg("run").arg("--source").arg(source).args(case.arguments);
        command.arg("--output").arg(&output);
        let measured = measure(&mut command, false, &output)?;
        println!("{} round {round}: outhaul {:.2} s", case.name, measured.seconds);
        ours.push(measured);
        std::fs::remove_file(&output).ok();
        for (peer, measurements) in &mut peers {
            let output = folder.join(format!("{peer}.{}", case.name));
            let mut command = Command::new(python);
            command.arg(run::root().join("xtask/src/bench/peers.py"));
            command.args([*peer, case.name]).arg(source).arg(&output);
            let measured = measure(&mut command, true, &output)?;
            println!("{} round {round}: {peer} {:.2} s", case.name, measured.seconds);
            measurements.push(measured);
            std::fs::remove_file(&output).ok();
        }
    }
    Ok(Outcome { case, ours, peers })
}

fn release() -> anyhow::Result<PathBuf> {
    let mut build = run::cargo();
    build.args(["build", "--release", "--package", "outhaul"]);
    run::step("release build", &mut build)?;
    Ok(run::target().join("release/outhaul"))
}

/// TPC-H lineitem as one Parquet file, made once.
fn data(python: &Path, scale: u32) -> anyhow::Result<PathBuf> {
    let folder = run::target().join(format!("bench/sf{scale}"));
    let file = folder.join("lineitem.parquet");
    if !file.is_file() {
        std::fs::create_dir_all(&folder)?;
        let generator = python.with_file_name("tpchgen-cli");
        let mut command = Command::new(generator);
        command.args(["parquet", "--tables", "lineitem", "--scale-factor", &scale.to_string()]);
        command.arg("--output-dir").arg(&folder);
        run::step("TPC-H lineitem", &mut command)?;
    }
    file.is_file().then_some(file).context("the generator left no lineitem.parquet")
}
