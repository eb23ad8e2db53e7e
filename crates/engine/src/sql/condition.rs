//! A condition as SQL text over the fields of one object.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr as Tree, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::Token;
use outhaul_exports::{Error, Result};

use super::context::Offered;
use super::{allow, check, in_their_words, options, parser, unreadable};
use crate::error::planning;
use crate::guard::Guard;

/// Reads a condition over an object's fields, which stand in the plan under `alias`. Sensitive
/// fields are no fields here, and neither are columns that only the plan knows.
pub(crate) fn condition(
    text: &str,
    guard: &Arc<Guard>,
    alias: &str,
    session: &SessionState,
) -> Result<Expr> {
    check::length(text)?;
    let mut parser = parser(text)?;
    let mut tree = parser.parse_expr().map_err(unreadable)?;
    if parser.peek_token().token != Token::EOF {
        return Err(Error::invalid("where", "the condition goes on after its end"));
    }
    check::condition(&tree)?;
    let folded = tree.visit(&mut Fold);
    debug_assert!(folded.is_continue(), "folding names cannot fail");
    let object = guard.object();
    let types = guard.schema();
    let mut fields = Vec::new();
    let mut names = HashMap::new();
    for field in object.fields.iter().filter(|field| !field.sensitive) {
        let known = types.field_with_name(&field.name).map_err(|cause| {
            Error::internal("a field is missing in its own table").with_source(cause)
        })?;
        let folded = field.name.to_ascii_lowercase();
        fields.push(Field::new(&folded, known.data_type().clone(), true));
        names.insert(folded, field.name.clone());
    }
    let here = TableReference::bare(object.name.to_ascii_lowercase());
    let schema =
        DFSchema::try_from_qualified_schema(here, &Schema::new(fields)).map_err(planning)?;
    let offered = Offered::new(session, &[]);
    let planner = SqlToRel::new_with_options(&offered, options());
    let objects = [Arc::clone(object)];
    let words = |cause: DataFusionError| in_their_words(cause, &objects, text);
    let expr = planner.sql_to_expr(tree, &schema, &mut PlannerContext::new()).map_err(words)?;
    allow::by_row(&expr).map_err(planning)?;
    let expr = expr.transform_up(|inside| {
        allow::expr(&inside).map_err(crate::error::said)?;
        Ok(match inside {
            Expr::Column(column) => {
                let name = names.get(&column.name).cloned().unwrap_or(column.name);
                Transformed::yes(Expr::Column(Column::new(Some(alias), name)))
            }
            other => Transformed::no(other),
        })
    });
    Ok(expr.map_err(planning)?.data)
}

struct Fold;

impl VisitorMut for Fold {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Tree) -> std::ops::ControlFlow<()> {
        match expr {
            Tree::Identifier(name) => name.value.make_ascii_lowercase(),
            Tree::CompoundIdentifier(names) => {
                names.iter_mut().for_each(|name| name.value.make_ascii_lowercase());
            }
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    }
}
