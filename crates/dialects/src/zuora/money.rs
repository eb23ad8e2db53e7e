//! `ConvertToCurrencies`: amounts once more, in other currencies.
//!
//! For every selected amount (a field whose catalog entry names the field with its currency) and
//! every currency asked for, one column follows the amount's own, headed like
//! `Invoice.Amount (EUR)`. The rate is that of the table in the configuration, when the export is
//! created: an export is not converted anew when the table changes. A row whose currency has no
//! rate has no value there.

use std::collections::BTreeMap;

use outhaul_exports::catalog::{Catalog, FieldType, Object};
use outhaul_exports::query::{Aggregate, Column, Expr, Path, Protection, Select};

use super::config::Rates;
use super::errors::Refusal;

/// Digits before and after the point that a rate may have.
const WHOLE_DIGITS_MAX: usize = 9;
const FRACTION_DIGITS_MAX: usize = 10;
/// Digits after the point of a rate between two currencies.
const CROSS_DIGITS: u32 = 12;

/// Checked rates: units of each currency that one unit of the base buys, times 10^10.
#[derive(Debug, Clone)]
pub struct RateTable(BTreeMap<String, i128>);

impl RateTable {
    /// Checks a table.
    ///
    /// # Errors
    /// A sentence that names the currency.
    pub fn check(rates: &Rates) -> Result<Self, String> {
        let mut table = BTreeMap::new();
        for (code, rate) in &rates.table {
            let units = units(rate).ok_or_else(|| {
                format!(
                    "the rate of {code} is {rate:?}: write a number above zero such as \"0.92\", \
                     with at most {WHOLE_DIGITS_MAX} digits before the point and \
                     {FRACTION_DIGITS_MAX} after it"
                )
            })?;
            table.insert(code.clone(), units);
        }
        table.insert(rates.base.clone(), 10_i128.pow(FRACTION_DIGITS_MAX as u32));
        if let Some(code) = table.keys().find(|code| !is_code(code)) {
            return Err(format!("{code} is no currency code: write three capital letters"));
        }
        Ok(Self(table))
    }

    /// Reads a list of codes such as `USD, EUR`; a code that is repeated counts once.
    ///
    /// # Errors
    /// `Invalid`, naming the first code that has no rate.
    pub fn codes(&self, list: &str) -> Result<Vec<String>, Refusal> {
        let mut codes: Vec<String> = Vec::new();
        for item in list.split(',') {
            let code = item.trim().to_ascii_uppercase();
            if !self.0.contains_key(&code) {
                let shown: String = item.trim().chars().take(20).collect();
                let known = self.0.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(Refusal::invalid(format!(
                    "ConvertToCurrencies: {shown:?} is not a currency with a rate; known are {known}"
                )));
            }
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        Ok(codes)
    }

    /// What one unit of each currency is worth in `to`, as exact decimals.
    fn rates_to(&self, to: &str) -> Vec<(String, String)> {
        let Some(&target) = self.0.get(to) else { return Vec::new() };
        let cross = |from: i128| (target * 10_i128.pow(CROSS_DIGITS) + from / 2) / from;
        self.0.iter().map(|(from, &units)| (from.clone(), decimal(cross(units)))).collect()
    }
}

/// Adds the converted columns to a query.
///
/// # Errors
/// `Invalid` for an amount that cannot be converted: one that is sensitive, a binary floating
/// point number, or grouped by.
pub fn convert(
    select: &mut Select,
    catalog: &Catalog,
    table: &RateTable,
    codes: &[String],
) -> Result<(), Refusal> {
    let base = catalog.require(&select.object)?;
    let grouped = select.is_aggregate() || select.having.is_some();
    let mut columns = Vec::with_capacity(select.columns.len());
    for column in std::mem::take(&mut select.columns) {
        let money = Money::of(&column, base, catalog);
        if let Some(money) = &money {
            money.check(&column, grouped)?;
        }
        let label = column.label.clone();
        columns.push(column);
        for code in money.iter().flat_map(|_| codes) {
            let Some(money) = &money else { continue };
            columns.push(Column {
                label: format!("{label} ({code})"),
                expr: money.converted(code, table),
                protection: Protection::Plain,
            });
        }
    }
    select.columns = columns;
    Ok(())
}

/// An amount in a column: where it is, where its currency is, and what is taken of it.
struct Money {
    amount: Path,
    currency: Path,
    sensitive: bool,
    exact: bool,
    aggregate: Option<(Aggregate, bool)>,
}

impl Money {
    fn of(column: &Column, base: &Object, catalog: &Catalog) -> Option<Self> {
        let (path, aggregate) = match &column.expr {
            Expr::Field(path) => (path, None),
            // A count of amounts is no amount.
            Expr::Aggregate { function: Aggregate::Count, .. } => return None,
            Expr::Aggregate { function, distinct, of: Some(of) } => match of.as_ref() {
                Expr::Field(path) => (path, Some((*function, *distinct))),
                _ => return None,
            },
            _ => return None,
        };
        let mut object = base;
        for name in &path.relations {
            object = catalog.object(&object.relation(name)?.target)?;
        }
        let field = object.field(&path.field)?;
        let currency = field.currency_field.clone()?;
        Some(Self {
            amount: path.clone(),
            currency: Path { relations: path.relations.clone(), field: currency },
            sensitive: field.sensitive,
            exact: matches!(field.field_type, FieldType::Decimal | FieldType::Integer),
            aggregate,
        })
    }

    fn check(&self, column: &Column, grouped: bool) -> Result<(), Refusal> {
        if self.sensitive {
            let text =
                format!("ConvertToCurrencies: {} is sensitive and not converted", self.amount);
            return Err(Refusal::invalid(text));
        }
        if !self.exact {
            let text = format!("ConvertToCurrencies: {} is not an exact number", self.amount);
            return Err(Refusal::invalid(text));
        }
        if grouped && self.aggregate.is_none() {
            return Err(Refusal::invalid(format!(
                "ConvertToCurrencies: {} is grouped by and cannot be converted; select an \
                 aggregate of it, such as sum({})",
                column.label, column.label
            )));
        }
        Ok(())
    }

    fn converted(&self, to: &str, table: &RateTable) -> Expr {
        let converted = Expr::Convert {
            amount: Box::new(Expr::Field(self.amount.clone())),
            currency: Box::new(Expr::Field(self.currency.clone())),
            to: to.to_owned(),
            rates: table.rates_to(to),
        };
        match self.aggregate {
            None => converted,
            Some((function, distinct)) => {
                Expr::Aggregate { function, distinct, of: Some(Box::new(converted)) }
            }
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// A decimal in a text, times 10^10.
fn units(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = (1..=WHOLE_DIGITS_MAX).contains(&whole.len())
        && fraction.len() <= FRACTION_DIGITS_MAX
        && text.ends_with(|c: char| c.is_ascii_digit());
    if !fits || !plain(whole) || !plain(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction:0<FRACTION_DIGITS_MAX$}");
    digits.parse().ok().filter(|units| *units > 0)
}

/// A number times 10^12 as a decimal without zeros at its end.
fn decimal(scaled: i128) -> String {
    let one = 10_i128.pow(CROSS_DIGITS);
    let text = format!("{}.{:012}", scaled / one, scaled % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;

    use super::*;

    fn table() -> RateTable {
        let table = [("EUR", "0.92"), ("JPY", "151.5"), ("KWD", "0.3")];
        RateTable::check(&Rates {
            base: "USD".into(),
            table: table.map(|(code, rate)| (code.into(), rate.into())).into(),
        })
        .expect("good rates")
    }

    #[test]
    fn rates_cross_exactly() {
        let rate = |from: &str, to: &str| {
            let rates = table().rates_to(to);
            rates.into_iter().find(|(code, _)| code == from).map(|(_, rate)| rate)
        };
        let cases = [
            ("USD", "EUR", "0.92"),
            ("EUR", "EUR", "1"),
            ("EUR", "USD", "1.086956521739"),
            ("USD", "JPY", "151.5"),
            ("KWD", "USD", "3.333333333333"),
            ("JPY", "KWD", "0.001980198020"),
        ];
        for (from, to, expected) in cases {
            let expected = expected.trim_end_matches('0');
            assert_eq!(rate(from, to).as_deref(), Some(expected), "{from} to {to}");
        }
        assert_eq!(rate("GBP", "USD"), None);
    }

    #[test]
    fn rates_are_plain_decimals() {
        for good in ["1", "0.92", "151.5", "999999999.9999999999"] {
            assert!(units(good).is_some(), "{good}");
        }
        for bad in ["", "0", "0.0", "-1", "+1", "1.", ".5", "1e3", "1,5", "1234567890", " 1", "½"]
        {
            assert_eq!(units(bad), None, "{bad}");
        }
    }

    #[test]
    fn codes_are_named_when_unknown() {
        let read = |list: &str| table().codes(list).map_err(|refusal| refusal.message);
        assert_eq!(read("USD, eur,USD"), Ok(vec!["USD".to_owned(), "EUR".to_owned()]));
        for (list, named) in
            [("XXX", "XXX"), ("USD;--", "USD;--"), ("USD,,EUR", "\"\""), ("", "\"\"")]
        {
            assert!(read(list).is_err_and(|text| text.contains(named)), "{list}");
        }
    }

    #[test]
    fn a_column_follows_each_amount_and_currency() {
        let catalog = testing::catalog();
        let mut select = Select::of("Invoice");
        let column =
            |label: &str, expr| Column { label: label.into(), expr, protection: Protection::Plain };
        select.columns = vec![
            column("Invoice.Id", Expr::own("Id")),
            column("Invoice.Amount", Expr::own("Amount")),
            column(
                "Account.Balance",
                Expr::Field(Path { relations: vec!["Account".into()], field: "Balance".into() }),
            ),
        ];
        let codes = ["EUR".to_owned(), "USD".to_owned()];
        convert(&mut select, &catalog, &table(), &codes)
            .map_err(|r| r.message)
            .expect("it is right");
        let labels: Vec<&str> = select.columns.iter().map(|c| c.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "Invoice.Id",
                "Invoice.Amount",
                "Invoice.Amount (EUR)",
                "Invoice.Amount (USD)",
                "Account.Balance",
                "Account.Balance (EUR)",
                "Account.Balance (USD)",
            ]
        );
        select.check(&catalog).expect("the converted query is sound");
        let Expr::Convert { currency, .. } = &select.columns[5].expr else {
            panic!("a conversion")
        };
        let path = Path { relations: vec!["Account".into()], field: "Currency".into() };
        assert_eq!(currency.as_ref(), &Expr::Field(path));
    }

    #[test]
    fn sums_are_converted_and_groups_are_not() {
        let catalog = testing::catalog();
        let mut select = Select::of("Invoice");
        let sum = Expr::Aggregate {
            function: Aggregate::Sum,
            distinct: false,
            of: Some(Box::new(Expr::own("Amount"))),
        };
        let column =
            Column { label: "sum(Amount)".into(), expr: sum, protection: Protection::Plain };
        select.columns = vec![column];
        let codes = ["EUR".to_owned()];
        convert(&mut select, &catalog, &table(), &codes)
            .map_err(|r| r.message)
            .expect("it is right");
        assert_eq!(select.columns[1].label, "sum(Amount) (EUR)");
        assert!(matches!(&select.columns[1].expr, Expr::Aggregate { of: Some(of), .. }
            if matches!(of.as_ref(), Expr::Convert { .. })));
        select.check(&catalog).expect("the converted query is sound");

        let mut select = Select::of("Invoice");
        select.columns = vec![Column {
            label: "Invoice.Amount".into(),
            expr: Expr::own("Amount"),
            protection: Protection::Plain,
        }];
        select.group_by = vec![Expr::own("Amount")];
        let refusal = convert(&mut select, &catalog, &table(), &codes).expect_err("it is grouped");
        assert!(refusal.message.contains("sum(Invoice.Amount)"), "{}", refusal.message);
    }
}
