//! What one run may use: memory, spill files, threads, and the stores of its own sources.
//!
//! A session is made for one run of one tenant and is forgotten with it. It registers no tables,
//! no catalogs, no file formats, no table functions and no file system of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use outhaul_exports::ports::RunLimits;
use outhaul_exports::{Error, Result as OurResult};
use url::Url;

use crate::checked::CheckedArithmetic;
use crate::functions;
use crate::memory::SharedMemory;

/// Rows of a batch, where there is memory for operators to hold several of them.
const BATCH_ROWS: usize = 8192;

/// How a plan may use the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One partition: rows keep the order of the source, and the other threads are left to those
    /// who encode.
    One,
    /// As many partitions as there are threads.
    Threads,
}

/// What the queries of one run share.
pub(crate) struct Run {
    runtime: Arc<RuntimeEnv>,
    /// Bytes.
    memory: usize,
    threads: usize,
    /// What `now()` answers, in every query of the run.
    taken_at: DateTime<Utc>,
}

impl Run {
    pub(crate) fn new(
        limits: &RunLimits,
        stores: Vec<(ObjectStoreUrl, Arc<dyn ObjectStore>)>,
        taken_at: DateTime<Utc>,
    ) -> OurResult<Self> {
        std::fs::create_dir_all(&limits.spill_dir).map_err(|cause| {
            Error::unavailable("storage_full: the folder for spill files cannot be made")
                .with_source(cause)
        })?;
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![limits.spill_dir.clone()]))
            .with_max_temp_directory_size(limits.spill_bytes);
        let stores = stores.into_iter().map(|(url, store)| (url.as_str().to_owned(), store));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(SharedMemory::new(memory)))
            .with_disk_manager_builder(spill)
            .with_object_store_registry(Arc::new(Stores { stores: stores.collect() }))
            .build_arc()
            .map_err(|cause| {
                Error::unavailable("storage_full: the folder for spill files cannot be used")
                    .with_source(cause)
            })?;
        Ok(Self { runtime, memory, threads: limits.threads.max(1), taken_at })
    }

    /// A session for one query.
    pub(crate) fn session(&self, width: Width) -> SessionState {
        let partitions = match width {
            Width::One => 1,
            Width::Threads => self.threads,
        };
        let mut config = SessionConfig::new()
            .with_batch_size(self.batch_rows())
            .with_target_partitions(partitions)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let options = config.options_mut();
        options.optimizer.prefer_hash_join = true;
        // Nothing can be pushed through a barrier; the attempt would only cost.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.execution.collect_statistics = false;
        // A merge needs memory beside what it merges; without a reserve it cannot spill.
        let reserve = self.memory_reserve();
        options.execution.sort_spill_reservation_bytes = reserve;
        options.execution.time_zone = Some("UTC".to_owned());
        let mut session = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(functions::scalar())
            .with_aggregate_functions(functions::aggregate())
            .with_window_functions(functions::window())
            .with_analyzer_rule(Arc::new(CheckedArithmetic))
            .with_physical_optimizer_rules(physical_rules())
            .build();
        session.mark_start_execution();
        session.execution_props_mut().query_execution_start_time = Some(self.taken_at);
        session
    }

    /// Fewer rows where memory is short: a merge holds a batch of each of its inputs.
    fn batch_rows(&self) -> usize {
        (self.memory / BATCH_ROWS).clamp(256, BATCH_ROWS)
    }

    fn memory_reserve(&self) -> usize {
        (self.memory / (8 * self.threads)).clamp(64 * 1024, 10 * 1024 * 1024)
    }
}

/// `DataFusion`'s rules without those that move filters within a physical plan: below a join they
/// find columns by their names alone, and a condition on a joined field then tests the base
/// object's field of that name. Nothing is lost by it: logical plans had their filters moved
/// before, and nothing passes a barrier.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::default().rules;
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    rules
}

/// The stores of the run's sources, and no others: not even the local disk.
struct Stores {
    stores: HashMap<String, Arc<dyn ObjectStore>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stores.keys()).finish()
    }
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let name = format!("{}://{}/", url.scheme(), url.host_str().unwrap_or_default());
        self.stores.get(&name).cloned().ok_or_else(|| {
            DataFusionError::Internal("a plan asks for a store that is not of its sources".into())
        })
    }
}
