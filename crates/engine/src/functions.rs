//! The functions that a query may use, by name. Whatever is not here does not exist.
//!
//! Left out are functions whose result can be far larger than their arguments (`repeat`, `lpad`,
//! `rpad`), whose time grows with the square of their arguments (`levenshtein`), that tell of the
//! machine (`version`, `input_file_name`), that give another answer each time (`random`, `uuid`),
//! and that make nested values no file format has a column for.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::exact;

const SCALAR: &[&str] = &[
    "nullif",
    "nvl",
    "nvl2",
    "coalesce",
    "greatest",
    "least",
    "overlay",
    "ascii",
    "bit_length",
    "btrim",
    "chr",
    "concat",
    "concat_ws",
    "ends_with",
    "ltrim",
    "lower",
    "octet_length",
    "replace",
    "rtrim",
    "starts_with",
    "split_part",
    "to_hex",
    "upper",
    "contains",
    "character_length",
    "find_in_set",
    "initcap",
    "left",
    "reverse",
    "right",
    "strpos",
    "substr",
    "substring",
    "substr_index",
    "translate",
    "current_date",
    "now",
    "date_bin",
    "date_part",
    "date_trunc",
    "make_date",
    "from_unixtime",
    "to_char",
    "to_date",
    "to_local_time",
    "to_time",
    "to_unixtime",
    "to_timestamp",
    "to_timestamp_seconds",
    "to_timestamp_millis",
    "to_timestamp_micros",
    "to_timestamp_nanos",
    "abs",
    "ceil",
    "floor",
    "round",
    "trunc",
    "signum",
    "power",
    "sqrt",
    "cbrt",
    "exp",
    "ln",
    "log",
    "log2",
    "log10",
    "gcd",
    "lcm",
    "isnan",
    "iszero",
    "nanvl",
    "pi",
    "degrees",
    "radians",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "regexp_like",
    "regexp_replace",
    "regexp_count",
    "regexp_instr",
];

const AGGREGATE: &[&str] = &[
    "count",
    "min",
    "max",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "corr",
    "covar_samp",
    "covar_pop",
    "first_value",
    "last_value",
    "string_agg",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "approx_distinct",
];

pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut functions = SessionStateDefaults::default_scalar_functions();
    functions.retain(|function| is_offered(function));
    functions
}

/// Whether a query may use it.
pub(crate) fn is_offered(function: &ScalarUDF) -> bool {
    SCALAR.contains(&function.name())
}

pub(crate) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    let mut functions = SessionStateDefaults::default_aggregate_functions();
    functions.retain(|function| AGGREGATE.contains(&function.name()));
    functions.extend([exact::sum(), exact::avg()]);
    functions
}

pub(crate) fn window() -> Vec<Arc<WindowUDF>> {
    SessionStateDefaults::default_window_functions()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_list_exists() {
        let scalar = scalar();
        for name in SCALAR {
            let found = scalar.iter().any(|function| function.name() == *name);
            let alias = scalar.iter().any(|function| function.aliases().iter().any(|a| a == name));
            assert!(found || alias, "no function {name}");
        }
        let aggregate = aggregate();
        for name in AGGREGATE {
            assert!(aggregate.iter().any(|function| function.name() == *name), "no {name}");
        }
    }
}
