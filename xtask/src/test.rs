//! `cargo xtask test`: every test there is.

use std::env;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;

use crate::{node, programs, python, run, tidy};

/// Which tests.
#[derive(ClapArgs)]
pub struct Args {
    /// Leave out the whole-server tests (kill loops, real clients).
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Runs them; the first failure ends it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.filter.is_none() {
        run::step("formatting", run::cargo().args(["fmt", "--all", "--check"]))?;
        println!("==> house rules");
        tidy::run()?;
        println!("<== house rules\n");
    }
    programs::ensure()?;
    let python = python::environment("tests/requirements.txt")
        .context("the third-party readers cannot be installed")?;
    let zacc = python::environment("tests/zacc-requirements.txt")
        .context("zacc cannot be installed")?
        .with_file_name("zacc");
    let packages = node::packages("tests/node").context("clients cannot be installed")?;
    build_binary()?;
    let mut tests = run::cargo();
    let nextest = run::has("cargo", &["nextest", "--version"]);
    if nextest {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        tests.args(["test", "--workspace", "--no-fail-fast"]);
    }
    if args.quick {
        tests.args(["--exclude", "outhaul-e2e"]);
    }
    if let Some(filter) = &args.filter {
        tests.arg(filter);
    }
    tests.env("OUTHAUL_TEST_PYTHON", python).env("OUTHAUL_TEST_BIN", binary());
    tests.env("OUTHAUL_TEST_ZACC", zacc).env("OUTHAUL_TEST_NODE_PACKAGES", packages);
    // The backtrace of an error that a test returns hides its sentence.
    tests.env("RUST_LIB_BACKTRACE", "0");
    run::step("tests of every room", &mut tests)?;
    if args.filter.is_none() {
        let mut lints = run::cargo();
        lints.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
        run::step("lints", &mut lints)?;
        licences()?;
    }
    Ok(())
}

fn build_binary() -> anyhow::Result<()> {
    run::step("the program", run::cargo().args(["build", "--package", "outhaul"]))
}

fn binary() -> PathBuf {
    run::target().join("debug").join(format!("outhaul{}", env::consts::EXE_SUFFIX))
}

/// The house rules check licences and versions by themselves; `cargo deny` is the second opinion.
fn licences() -> anyhow::Result<()> {
    if !run::has("cargo", &["deny", "--version"]) {
        println!("skipped: cargo deny, which is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    run::step(
        "licences and bans",
        run::cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]),
    )
}
