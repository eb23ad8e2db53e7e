//! Where the demo's rows are in a test. What a client gets does not depend on it, and tests that look
//! at rows run on each: see [`on_every_source`](crate::on_every_source).

use anyhow::Context;
use outhaul_instances::{Options, Postgres};

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Parquet files.
    #[default]
    Files,
    /// A PostgreSQL server of the test's own.
    Postgres,
}

impl Source {
    /// Starts the server that it needs, if any.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(self) -> anyhow::Result<Option<Postgres>> {
        match self {
            Self::Files => Ok(None),
            Self::Postgres => {
                let started = Postgres::start(Options::default());
                started.map(Some).context("the database that the demo's rows go to")
            }
        }
    }
}

/// Makes two tests of an asynchronous function that takes a [`Source`]: `name::on_files` and
/// `name::on_postgres`.
#[macro_export]
macro_rules! on_every_source {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_files() -> anyhow::Result<()> {
                super::$name($crate::Source::Files).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() -> anyhow::Result<()> {
                super::$name($crate::Source::Postgres).await
            }
        }
    )+};
}
