//! An Export ZOQL query as it was written, before any name is looked up.
//!
//! The parser bounds the depth of every tree, so nothing here needs care when it is dropped.

pub use crate::zuora::zoql::ast::{Comparison, Literal, Located, Name};

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What is selected, at least one item.
    pub items: Vec<Item>,
    /// The object after FROM.
    pub source: Name,
    /// The tree after WHERE.
    pub filter: Option<Condition>,
    /// What the rows are grouped by, at most five.
    pub group_by: Vec<Expr>,
    /// The tree after HAVING.
    pub having: Option<Condition>,
    /// What the rows are sorted by, most significant first.
    pub order_by: Vec<Order>,
    /// How many rows are wanted.
    pub limit: Option<Limit>,
}

/// One item of the select list.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `*`
    All(Located<()>),
    /// `Object.*`
    AllOf(Name),
    /// An expression, with the name of its column if one was given.
    Column {
        /// What is selected.
        expr: Expr,
        /// The text after AS.
        alias: Option<Name>,
    },
}

/// Something that has a value in each row or group.
pub type Expr = Located<ExprKind>;

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A field, with the names before it: `Name`, `BillToContact.City`.
    Field(Path),
    /// `COUNT('*')`
    CountAll,
    /// An aggregate of a field.
    Aggregate {
        /// Which one.
        function: Aggregate,
        /// Whether each value counts once; only for COUNT.
        distinct: bool,
        /// Of which field.
        field: Path,
    },
    /// A part of a date.
    DatePart {
        /// Which one.
        function: DateFunction,
        /// Of which field.
        field: Path,
    },
}

/// Names with dots between them; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Path(pub Vec<Name>);

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// How many values there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
}

impl Aggregate {
    pub(crate) const ALL: [Self; 5] = [Self::Count, Self::Sum, Self::Avg, Self::Min, Self::Max];

    /// Its name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// A function of a date or datetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFunction {
    /// The calendar day.
    Date,
    /// The year.
    Year,
    /// The month, 1 to 12.
    Month,
    /// The week of the year.
    Week,
    /// The week of the year.
    WeekOfYear,
    /// The quarter, 1 to 4.
    Quarter,
}

impl DateFunction {
    pub(crate) const ALL: [Self; 6] =
        [Self::Date, Self::Year, Self::Month, Self::Week, Self::WeekOfYear, Self::Quarter];

    /// Its name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Year => "year",
            Self::Month => "month",
            Self::Week => "week",
            Self::WeekOfYear => "weekofyear",
            Self::Quarter => "quarter",
        }
    }
}

/// A tree of conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them; at least two.
    And(Vec<Condition>),
    /// Any of them; at least two.
    Or(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// `expr op operand`
    Compare {
        /// The left side.
        left: Expr,
        /// How they are compared.
        op: Comparison,
        /// The right side.
        right: Operand,
    },
    /// `expr [NOT] LIKE 'pattern'`
    Like {
        /// What is matched.
        expr: Expr,
        /// Whether a match is unwanted.
        negated: bool,
        /// The pattern, with `%` for any text and `_` for one character.
        pattern: Name,
    },
    /// `expr IS [NOT] NULL`, `expr = null`, `expr != null`
    IsNull {
        /// What is looked at.
        expr: Expr,
        /// Whether a value is wanted.
        negated: bool,
    },
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A value.
    Literal(Located<Literal>),
    /// Another expression.
    Expr(Expr),
}

/// One item of ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What the rows are sorted by.
    pub expr: Expr,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// LIMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Rows left out at the beginning.
    pub skip: u64,
    /// Most rows after that.
    pub rows: u64,
}
