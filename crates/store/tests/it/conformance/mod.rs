//! What every store must do. A fault found in one of them becomes a case for all.

/// Makes a test of each case for each store.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() -> anyhow::Result<()> {
                super::$case(crate::samples::Stores::memory()).await
            })*
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() -> anyhow::Result<()> {
                super::$case(crate::samples::Stores::sqlite().await).await
            })*
        }
    };
}

mod access;
mod change;
mod housekeeping;
mod lease;
mod list;
mod outbox;
mod sessions;
mod submit;
