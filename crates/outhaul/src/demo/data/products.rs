//! What the tenants sell.

use super::calendar::small;
use super::customers::{cents, with_dates};
use super::table::{Table, boolean, date, decimal, integer, put, text, write};
use super::words;
use super::world::{Kind, Row};

/// A product.
pub fn product() -> Table {
    let columns = vec![
        text("Name", product_name).required(),
        text("SKU", sku).required(),
        text("Category", |r, out| put(out, r.one(1, &["Base Products", "Add On Services"]))),
        text("Description", |r, out| {
            r.chance(2, 60) && write(out, format_args!("Sold by {}, world-wide", r.owner.name()))
        }),
        boolean("AllowFeatureChanges", |r| Some(r.chance(3, 30))),
        date("EffectiveStartDate", |r| Some(r.made_on())).required(),
        date("EffectiveEndDate", |r| Some(r.made_on() + 3_650)).required(),
    ];
    with_dates(Kind::Product, "Product", columns)
}

/// How a product is sold.
pub fn product_rate_plan() -> Table {
    let columns = vec![
        text("Name", plan_name).required(),
        text("Description", |r, out| {
            r.chance(1, 40) && write(out, format_args!("Plan of {}", r.owner.name()))
        }),
        text("ActiveCurrencies", |_, out| put(out, "USD,EUR,GBP")),
        date("EffectiveStartDate", |r| Some(r.made_on())).required(),
        date("EffectiveEndDate", |r| Some(r.made_on() + 3_650)).required(),
    ];
    with_dates(Kind::ProductRatePlan, "ProductRatePlan", columns)
        .to("Product", "Product", |r| Some(r.product().id()))
}

/// What a plan costs.
pub fn product_rate_plan_charge() -> Table {
    let columns = vec![
        text("Name", charge_name).required(),
        text("ChargeModel", |r, out| put(out, r.one(1, &CHARGE_MODELS))).of(&CHARGE_MODELS),
        text("ChargeType", |r, out| put(out, charge_type(r))).of(&CHARGE_TYPES),
        text("BillingPeriod", |r, out| put(out, r.one(2, &["Month", "Quarter", "Annual"]))),
        text("TriggerEvent", |_, out| put(out, "ContractEffective")),
        text("AccountingCode", |r, out| r.chance(3, 80) && put(out, "Subscription Revenue")),
        text("UOM", |r, out| put(out, unit(r))),
        decimal("DefaultQuantity", 4, |r| (r.at % 2 == 1).then(|| quantity(r, 4))),
        decimal("Price", 4, |r| Some(price(r))),
        boolean("Taxable", |r| Some(r.chance(5, 70))),
        integer("NumberOfPeriod", |r| r.chance(6, 15).then(|| 1 + r.pick(7, 12).cast_signed())),
    ];
    with_dates(Kind::ProductRatePlanCharge, "ProductRatePlanCharge", columns)
        .to("Product", "Product", |r| Some(r.product().id()))
        .to("ProductRatePlan", "ProductRatePlan", |r| Some(r.product_rate_plan().id()))
}

/// Charge models.
pub const CHARGE_MODELS: [&str; 3] = ["Flat Fee Pricing", "Per Unit Pricing", "Tiered Pricing"];
/// Charge types.
pub const CHARGE_TYPES: [&str; 2] = ["Recurring", "Usage"];

fn template(row: &Row) -> (&'static str, &'static str, &'static str) {
    row.product().one(20, &words::PRODUCTS)
}

/// The product's name, for any row that has a product.
pub fn product_name(row: &Row, out: &mut String) -> bool {
    let product = row.product();
    write(out, format_args!("{} {} {}", row.owner.name(), template(row).0, product.at + 1))
}

/// The product's stock keeping unit.
pub fn sku(row: &Row, out: &mut String) -> bool {
    let number = row.product().at + 1;
    write(out, format_args!("{}-{}-{number:05}", row.owner.name().to_uppercase(), template(row).1))
}

/// The product rate plan's name.
pub fn plan_name(row: &Row, out: &mut String) -> bool {
    let plan = if row.product_rate_plan().at.is_multiple_of(2) {
        words::PLANS[0]
    } else {
        words::PLANS[1]
    };
    write(out, format_args!("{} {}: {plan}", row.owner.name(), template(row).0))
}

/// The product charge's name.
pub fn charge_name(row: &Row, out: &mut String) -> bool {
    let charge = if row.product_charge().at.is_multiple_of(2) {
        words::CHARGES[0]
    } else {
        words::CHARGES[1]
    };
    write(out, format_args!("{} {}, {charge}", row.owner.name(), template(row).0))
}

/// Every other charge is for usage.
pub fn charge_type(row: &Row) -> &'static str {
    if row.product_charge().at.is_multiple_of(2) { CHARGE_TYPES[0] } else { CHARGE_TYPES[1] }
}

/// The unit of measure.
pub fn unit(row: &Row) -> &'static str {
    template(row).2
}

/// The price of a unit, in ten-thousandths.
pub fn price(row: &Row) -> i64 {
    let charge = row.product_charge();
    if charge.at.is_multiple_of(2) {
        (cents(&charge, 21, 90_000) + 1_000) * 100
    } else {
        cents(&charge, 22, 49_900) + 100
    }
}

/// A quantity, in ten-thousandths: for half of the rows a whole number.
pub fn quantity(row: &Row, salt: u64) -> i64 {
    let whole = i64::from(small(row.pick(salt, 250))) + 1;
    let part =
        if row.chance(salt + 40, 50) { 0 } else { row.pick(salt + 41, 10_000).cast_signed() };
    whole * 10_000 + part
}
