//! What random queries of both languages are made of, and words of them in any order.

use proptest::prelude::*;

use crate::zuora::zoql::Position;
use crate::zuora::zoql::ast::{Located, Name};

pub fn located<T>(value: T) -> Located<T> {
    Located { value, at: Position::START }
}

pub fn name() -> impl Strategy<Value = Name> {
    // A letter z first keeps clear of keywords.
    "[zZ_][A-Za-z0-9_]{0,8}".prop_map(located)
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "['\"\\\\%_é\u{1F600}\n]{0,6}"]
}

/// Words of the language in any order, with and without sense.
pub fn near_query() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "select",
        "from",
        "where",
        "and",
        "or",
        "not",
        "like",
        "is",
        "null",
        "group",
        "by",
        "having",
        "order",
        "limit",
        "as",
        "asc",
        "desc",
        "distinct",
        "count",
        "sum",
        "year",
        "(",
        ")",
        ",",
        ".",
        "*",
        ";",
        "=",
        "!=",
        "<",
        ">=",
        "-",
        "'",
        "\"",
        "'x'",
        "\"y\"",
        "'2024-01-01'",
        "'now - 1 day'",
        "'today'",
        "1",
        "5.5",
        "true",
        "Account",
        "Invoice",
        "Id",
        "Name",
        "Balance",
        "UpdatedDate",
        "TaxId",
        "BillToContact",
        "\n",
        "é",
        "in",
        "between",
        "join",
        "\\",
        "\\'",
        "'a\\n'",
        "'2024-01-01T00:00:00'",
        "2024-01-01T00:00:00",
        "RatePlan",
        "InvoiceDate",
    ]);
    let loose = prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "));
    let headed = loose.clone().prop_map(|rest| format!("select Id from Account where {rest}"));
    prop_oneof![loose, headed]
}

/// Texts that are almost dates, datetimes or relative literals.
pub fn near_literal() -> impl Strategy<Value = String> {
    let head = "(now|today|2024-0[0-9]-[0-3][0-9])?";
    let amount = "[-+ ]{0,3}[0-9]{0,8} ?";
    let unit = "(days|months|years|T[0-2][0-9]:[0-6][0-9])?";
    let zone = "(Z| ?\\([-+A-Za-z/_ 0-9:]{0,12}\\))?";
    (head, amount, unit, zone)
        .prop_map(|(head, amount, unit, zone)| format!("{head}{amount}{unit}{zone}"))
}
