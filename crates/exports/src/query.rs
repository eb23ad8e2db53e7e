//! What a client asks for, in no vendor's language.
//!
//! A dialect turns its own query language into a [`Select`], with every name resolved against the
//! catalog; or it hands over SQL text, which the engine parses, checks and binds to the tenant.
//! Nothing in a [`Select`] is text that anybody will parse again, with one exception that is named
//! so: [`Select::where_sql`].

mod check;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use check::ExprType;

use crate::session::Mark;

/// One query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// A query over one object and what its relations lead to.
    Select(Box<Select>),
    /// SQL over the catalog's objects as tables. Only the engine reads the text.
    Sql {
        /// A single SELECT statement.
        text: String,
    },
}

/// A query over one base object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Select {
    /// API name of the base object.
    pub object: String,
    /// Columns of the result, in order.
    pub columns: Vec<Column>,
    /// Lists of related rows, which follow the columns: each is a column of the result, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<RelatedList>,
    /// Which rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Condition>,
    /// Which rows, as an SQL expression over the base object's fields; joined to `filter` by AND.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub where_sql: Option<String>,
    /// Grouping; with aggregates and without it the result is one row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<Expr>,
    /// Which groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub having: Option<Condition>,
    /// Order of the result; without it, rows come in the order of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<OrderBy>,
    /// Rows left out at the beginning.
    #[serde(default)]
    pub offset: u64,
    /// The most rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What becomes of rows that are marked as deleted.
    #[serde(default)]
    pub deleted: DeletedRows,
    /// Only rows of the base object that changed since, and some that did not: each change comes at
    /// least once. All rows when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Mark>,
    /// Only rows of the base object whose last change (the object's `updated`) is not earlier, and
    /// those without such a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_from: Option<DateTime<Utc>>,
    /// Only rows of the base object whose last change is earlier, and those without such a time.
    /// The mark that is made with it reaches back to here, so that what was left out comes later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_until: Option<DateTime<Utc>>,
}

impl Select {
    /// All rows of an object, no columns yet.
    pub fn of(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            columns: Vec::new(),
            lists: Vec::new(),
            filter: None,
            where_sql: None,
            group_by: Vec::new(),
            having: None,
            order_by: Vec::new(),
            offset: 0,
            limit: None,
            deleted: DeletedRows::Exclude,
            since: None,
            changed_from: None,
            changed_until: None,
        }
    }

    /// Whether it asks for what changed, and not for all rows.
    pub fn is_increment(&self) -> bool {
        self.since.is_some() || self.changed_from.is_some()
    }

    /// What becomes of rows that are marked as deleted, once it is known what the query asks for:
    /// never [`DeletedRows::InIncrements`].
    pub fn deleted_rows(&self) -> DeletedRows {
        match self.deleted {
            DeletedRows::InIncrements if self.is_increment() => DeletedRows::Include,
            DeletedRows::InIncrements => DeletedRows::Exclude,
            other => other,
        }
    }

    /// Whether the result is grouped or aggregated.
    pub fn is_aggregate(&self) -> bool {
        !self.group_by.is_empty() || self.columns.iter().any(|column| column.expr.has_aggregate())
    }
}

/// The rows that a relation of the base object leads to, as one value: a list of documents, in the
/// order of their positions or else of their keys. Rows that are marked as deleted are in it only
/// where the query does not leave such rows out. A query with lists is ordered by the field by which
/// their relations start, from the least, and by nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelatedList {
    /// Its heading.
    pub label: String,
    /// API name of the relation, which is of one pair of columns and of any cardinality.
    pub relation: String,
    /// What each document has; paths start at the relation's target, labels are names of members.
    pub columns: Vec<Column>,
}

/// What becomes of rows that are marked as deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedRows {
    /// They are left out.
    #[default]
    Exclude,
    /// They are treated as any other row.
    Include,
    /// Only they are wanted.
    Only,
    /// They are left out of a query for all rows, and come with what changed.
    InIncrements,
}

/// One column of the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its heading in the file. Headings may repeat.
    pub label: String,
    /// Its value.
    pub expr: Expr,
    /// What becomes of the value on its way into the file.
    #[serde(default)]
    pub protection: Protection,
}

/// What becomes of a sensitive value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// It is written as it is.
    #[default]
    Plain,
    /// Every value that is not null is written as `*****`; the value never leaves the engine.
    Masked,
    /// Every value is encrypted to the tenant's public key.
    Sealed,
}

/// The text that stands for a masked value.
pub const MASK: &str = "*****";

/// A field, reached from the base object by relations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Path {
    /// Relations to follow, in order, as API names in the catalog's case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<String>,
    /// API name of the field in the catalog's case.
    pub field: String,
}

impl Path {
    /// A field of the base object.
    pub fn own(field: impl Into<String>) -> Self {
        Self { relations: Vec::new(), field: field.into() }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for relation in &self.relations {
            write!(f, "{relation}.")?;
        }
        f.write_str(&self.field)
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// The value of a field.
    Field(Path),
    /// A fixed value.
    Literal(Literal),
    /// Over a group of rows.
    Aggregate {
        /// Which function.
        function: Aggregate,
        /// Whether equal values count once.
        #[serde(default)]
        distinct: bool,
        /// What it is taken of; `None` counts rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<Box<Expr>>,
    },
    /// A part of a date or time, in the zone (an IANA name or an offset such as `+02:00`).
    DatePart {
        /// Which part.
        part: DatePart,
        /// Of what.
        of: Box<Expr>,
        /// Where the calendar is read.
        zone: String,
    },
    /// An amount in another currency: amount x rate(currency -> `to`), null without a rate.
    Convert {
        /// The amount.
        amount: Box<Expr>,
        /// The currency it is in.
        currency: Box<Expr>,
        /// The currency wanted.
        to: String,
        /// Rates to `to` by currency, as exact decimals in text.
        rates: Vec<(String, String)>,
    },
    /// The first value that is not null.
    Coalesce(Vec<Expr>),
    /// A JSON field in text without some of its members; the other members keep their values, and
    /// stand in the order of their names.
    JsonWithout {
        /// The field.
        of: Path,
        /// The members that are left out.
        keys: Vec<KeyPattern>,
    },
    /// Whether the row is marked as deleted (null never).
    IsDeleted,
    /// A boolean as 1 or 0.
    AsNumber(Box<Expr>),
}

/// Names of members of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPattern {
    /// This name.
    Exact(String),
    /// Every name that begins so.
    Prefix(String),
}

impl KeyPattern {
    /// Whether a name is one of them.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

impl Expr {
    /// A field of the base object.
    pub fn own(field: impl Into<String>) -> Self {
        Self::Field(Path::own(field))
    }

    /// Whether an aggregate stands anywhere in it.
    pub fn has_aggregate(&self) -> bool {
        match self {
            Self::Aggregate { .. } => true,
            Self::Field(_) | Self::Literal(_) | Self::JsonWithout { .. } | Self::IsDeleted => false,
            Self::DatePart { of, .. } | Self::AsNumber(of) => of.has_aggregate(),
            Self::Convert { amount, currency, .. } => {
                amount.has_aggregate() || currency.has_aggregate()
            }
            Self::Coalesce(list) => list.iter().any(Self::has_aggregate),
        }
    }
}

/// A fixed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact number as written, such as `-10.50`; at most 38 digits.
    Decimal(String),
    /// Text.
    Text(String),
    /// A calendar date.
    Date(NaiveDate),
    /// A moment.
    Timestamp(DateTime<Utc>),
}

/// A function over a group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// How many.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// A part of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// The calendar date, as a date.
    Date,
    /// The year, as an integer; so are those below.
    Year,
    /// The quarter, 1 to 4.
    Quarter,
    /// The month, 1 to 12.
    Month,
    /// The week of the year by ISO 8601, 1 to 53.
    Week,
}

/// One key of the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderBy {
    /// By what.
    pub expr: Expr,
    /// From the greatest to the least. Nulls are the greatest either way round.
    #[serde(default)]
    pub descending: bool,
}

/// What a row must satisfy. SQL's three-valued logic: a comparison with null does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A comparison.
    Compare {
        /// Left side.
        left: Expr,
        /// How they are compared.
        op: Compare,
        /// Right side.
        right: Expr,
    },
    /// One of a list.
    In {
        /// The value.
        expr: Expr,
        /// The list.
        list: Vec<Literal>,
        /// Not one of them.
        #[serde(default)]
        negated: bool,
    },
    /// Null, or not.
    IsNull {
        /// The value.
        expr: Expr,
        /// Not null.
        #[serde(default)]
        negated: bool,
    },
    /// Matches a pattern in which `%` is any text and `_` any character; `\` escapes.
    Like {
        /// The value.
        expr: Expr,
        /// The pattern.
        pattern: String,
        /// Does not match.
        #[serde(default)]
        negated: bool,
        /// Upper and lower case are the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// The base object's row has related rows. It is true or false, never unknown: a row whose
    /// key is null has none.
    Exists {
        /// API name of the base object's relation that leads to them, of any cardinality.
        relation: String,
        /// Which of them count. Its paths start at the relation's target. Rows that are marked as
        /// deleted count only where the query does not leave such rows out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<Box<Condition>>,
        /// It has none of them.
        #[serde(default)]
        negated: bool,
    },
    /// All of them hold.
    And(Vec<Condition>),
    /// One of them holds.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

impl Condition {
    /// Both hold; flat, so that long chains stay shallow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut terms) => {
                terms.push(other);
                Self::And(terms)
            }
            first => Self::And(vec![first, other]),
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal (and neither is null).
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}
