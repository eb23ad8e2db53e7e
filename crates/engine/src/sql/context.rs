//! All that the SQL planner can look up: the objects that the statement named and the functions of
//! the list. There are no schemas, no variables, no table functions and no files to be found.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use outhaul_exports::{Error, ErrorKind};

use crate::error::said;
use crate::guard::Guard;

pub(super) struct Offered<'a> {
    session: &'a SessionState,
    tables: HashMap<String, Arc<dyn TableSource>>,
}

impl<'a> Offered<'a> {
    pub(super) fn new(session: &'a SessionState, guards: &[Arc<Guard>]) -> Self {
        let tables = guards.iter().flat_map(|guard| {
            let source = DefaultTableSource::new(Arc::clone(guard) as _);
            let source: Arc<dyn TableSource> = Arc::new(source);
            let object = guard.object();
            let names = [&object.plural, &object.name].map(|name| name.to_ascii_lowercase());
            names.map(|name| (name, Arc::clone(&source)))
        });
        Self { session, tables: tables.collect() }
    }
}

impl ContextProvider for Offered<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = match &name {
            TableReference::Bare { table } => self.tables.get(table.as_ref()),
            _ => None,
        };
        found.cloned().ok_or_else(|| {
            let name = name.to_string();
            let text = format!("there is no object named {name}");
            said(Error::new(ErrorKind::UnknownObject { name }, text))
        })
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.session.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.session.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.session.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.session.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.session.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.session.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.session.window_functions().keys().cloned().collect()
    }
}
