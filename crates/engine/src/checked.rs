//! Whole-number arithmetic that does not wrap around.
//!
//! DataFusion adds, subtracts, multiplies and negates whole numbers modulo 2^64. This rule puts
//! functions in their place that fail instead, after types are known and before constants are
//! folded.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use crate::error::Fault;

/// See the module.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(check_node).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }
}

fn check_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&scan.projected_schema);
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        // From the top down: the types below are then those of plain operators, which are
        // cheaper to find than those of calls.
        let expr = expr.transform_down(|expr| Ok(check_expr(expr, &schema)))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

fn check_expr(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let function = match op {
                Operator::Plus => &*ADD,
                Operator::Minus => &*SUBTRACT,
                Operator::Multiply => &*MULTIPLY,
                _ => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            };
            if whole(&left, schema).is_some() && whole(&left, schema) == whole(&right, schema) {
                return Transformed::yes(function.call(vec![*left, *right]));
            }
            Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::Negative(inner) if !matches!(*inner, Expr::Literal(_, _)) => {
            match whole(&inner, schema).and_then(|t| ScalarValue::new_zero(&t).ok()) {
                Some(zero) => {
                    Transformed::yes(SUBTRACT.call(vec![Expr::Literal(zero, None), *inner]))
                }
                None => Transformed::no(Expr::Negative(inner)),
            }
        }
        other => Transformed::no(other),
    }
}

fn whole(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok().filter(DataType::is_integer)
}

static ADD: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function("checked_add", Operation::Add));
static SUBTRACT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| function("checked_subtract", Operation::Subtract));
static MULTIPLY: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| function("checked_multiply", Operation::Multiply));

fn function(name: &'static str, operation: Operation) -> Arc<ScalarUDF> {
    let signature = Signature::any(2, Volatility::Immutable);
    Arc::new(ScalarUDF::from(Checked { name, operation, signature }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    operation: Operation,
    signature: Signature,
}

impl Checked {
    fn apply(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.operation {
            Operation::Add => numeric::add(left, right),
            Operation::Subtract => numeric::sub(left, right),
            Operation::Multiply => numeric::mul(left, right),
        }
    }

    fn operation(&self) -> &'static str {
        match self.operation {
            Operation::Add => "an addition",
            Operation::Subtract => "a subtraction",
            Operation::Multiply => "a multiplication",
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = match (&args.args[0], &args.args[1]) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => self.apply(left, right),
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
                self.apply(left, &right.to_scalar()?)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
                self.apply(&left.to_scalar()?, right)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                let result = self.apply(&left.to_scalar()?, &right.to_scalar()?);
                let result = result.map_err(|cause| self.fault(cause))?;
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
            }
        };
        Ok(ColumnarValue::Array(result.map_err(|cause| self.fault(cause))?))
    }
}

impl Checked {
    fn fault(&self, cause: ArrowError) -> datafusion::error::DataFusionError {
        match cause {
            ArrowError::ArithmeticOverflow(_) => {
                Fault::Overflow { operation: self.operation() }.carried()
            }
            other => other.into(),
        }
    }
}
