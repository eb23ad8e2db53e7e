//! What accounts bought, what they were billed, and what they paid.

use super::calendar::{invoice_day, moment_of, month_start, opened, small};
use super::customers::{cents, created, currency, with_dates};
use super::products::{
    CHARGE_MODELS, CHARGE_TYPES, charge_name, charge_type, plan_name, price, quantity, sku, unit,
};
use super::table::{
    Column, Table, boolean, date, decimal, integer, moment, money, put, text, write,
};
use super::words;
use super::world::{Kind, Row};

/// What an account bought.
pub fn subscription() -> Table {
    let columns = vec![
        text("Name", |r, out| {
            write(out, format_args!("{}-S{:08}", r.owner.name().to_uppercase(), r.at + 1))
        })
        .required(),
        text("Status", |r, out| put(out, if is_cancelled(r) { "Cancelled" } else { "Active" }))
            .required()
            .of(&["Draft", "Active", "Cancelled", "Expired"]),
        text("TermType", |r, out| put(out, r.one(2, &["TERMED", "EVERGREEN"]))),
        date("TermStartDate", |r| Some(opened(&r.account()))),
        date("TermEndDate", |r| r.chance(3, 60).then(|| month_start(24) + small(r.pick(4, 365)))),
        date("ContractEffectiveDate", |r| Some(opened(&r.account()))).required(),
        date("ServiceActivationDate", |r| (!r.chance(5, 5)).then(|| opened(&r.account()))),
        date("SubscriptionStartDate", |r| Some(opened(&r.account()))).required(),
        date("CancelledDate", |r| is_cancelled(r).then(|| month_start(20) + small(r.pick(6, 60)))),
        boolean("AutoRenew", |r| Some(r.chance(7, 75))).required(),
        boolean("IsInvoiceSeparate", |r| Some(r.chance(8, 10))),
        integer("InitialTerm", |r| Some(i64::from(r.one(9, &[1, 12, 24, 36])))),
        integer("RenewalTerm", |r| r.chance(10, 80).then_some(12)),
        integer("Version", |r| Some(1 + r.pick(11, 4).cast_signed())).required(),
        text("Notes", |r, out| {
            r.chance(12, 10)
                && write(out, format_args!("Renewed by {}, \"as usual\"", r.owner.name()))
        })
        .optional(),
    ];
    with_dates(Kind::Subscription, "Subscription", columns)
        .to("Account", "Account", |r| Some(r.account().id()))
}

/// What a subscription consists of.
pub fn rate_plan() -> Table {
    let columns = vec![
        text("Name", plan_name).required(),
        text("AmendmentType", |r, out| r.chance(1, 10) && put(out, r.one(2, &AMENDMENTS)))
            .of(&AMENDMENTS),
    ];
    of_account(with_dates(Kind::RatePlan, "RatePlan", columns)).to(
        "Subscription",
        "Subscription",
        |r| Some(r.subscription().id()),
    )
}

/// Changes of a subscription.
const AMENDMENTS: [&str; 3] = ["NewProduct", "UpdateProduct", "RemoveProduct"];

/// What a rate plan is charged for.
pub fn rate_plan_charge() -> Table {
    let columns = vec![
        text("ChargeNumber", |r, out| {
            write(out, format_args!("{}-C-{:08}", r.owner.name().to_uppercase(), r.at + 1))
        })
        .required(),
        text("Name", charge_name).required(),
        text("ChargeModel", |r, out| put(out, r.one(1, &CHARGE_MODELS))).of(&CHARGE_MODELS),
        text("ChargeType", |r, out| put(out, charge_type(r))).of(&CHARGE_TYPES),
        text("BillingPeriod", |r, out| put(out, r.one(2, &["Month", "Quarter", "Annual"]))),
        text("Currency", |r, out| put(out, currency(r))).required().of(&words::CURRENCY_VALUES),
        money("MRR", |r| Some(cents(r, 3, 250_000))),
        money("TCV", |r| Some(cents(r, 4, 9_000_000))),
        decimal("Quantity", 4, |r| Some(quantity(r, 5))),
        text("UOM", |r, out| put(out, unit(r))),
        date("EffectiveStartDate", |r| Some(opened(&r.account()))).required(),
        date("EffectiveEndDate", |r| r.chance(6, 50).then(|| month_start(24))),
        date("ChargedThroughDate", |r| (!r.chance(7, 10)).then(|| month_start(24))),
        boolean("IsLastSegment", |r| Some(r.chance(8, 85))),
        integer("Segment", |r| Some(1 + r.pick(9, 3).cast_signed())),
        integer("Version", |r| Some(1 + r.pick(10, 4).cast_signed())),
    ];
    of_account(with_dates(Kind::RatePlanCharge, "RatePlanCharge", columns))
        .to("Subscription", "Subscription", |r| Some(r.subscription().id()))
        .to("RatePlan", "RatePlan", |r| Some(r.rate_plan().id()))
        .to("ProductRatePlanCharge", "ProductRatePlanCharge", |r| Some(r.product_charge().id()))
}

/// A bill.
pub fn invoice() -> Table {
    let columns = vec![
        text("InvoiceNumber", invoice_number).required(),
        money("Amount", |r| Some(invoice_amount(r))).required(),
        money("AmountWithoutTax", |r| Some(r.items().map(|item| charge_amount(&item)).sum())),
        money("TaxAmount", |r| Some(r.items().map(|item| tax_amount(&item)).sum())),
        money("Balance", |r| Some(if r.is_paid() { 0 } else { invoice_amount(r) })).required(),
        money("PaymentAmount", |r| Some(if r.is_paid() { invoice_amount(r) } else { 0 })),
        money("AdjustmentAmount", |_| Some(0)),
        money("RefundAmount", |r| r.chance(1, 90).then_some(0)),
        text("Currency", |r, out| put(out, currency(r))).required().of(&words::CURRENCY_VALUES),
        text("Status", |r, out| put(out, status(r)))
            .required()
            .of(&["Draft", "Posted", "Canceled"]),
        date("InvoiceDate", |r| Some(invoice_day(r))).required(),
        date("DueDate", |r| Some(invoice_day(r) + 30)).required(),
        date("TargetDate", |r| Some(invoice_day(r))),
        moment("PostedDate", |r| (status(r) == "Posted").then(|| created(r) + 3_600)),
        moment("LastEmailSentDate", |r| r.chance(2, 60).then(|| created(r) + 7_200)),
        boolean("IncludesOneTime", |r| Some(r.chance(3, 10))),
        boolean("IncludesRecurring", |_| Some(true)),
        boolean("IncludesUsage", |r| Some(r.chance(4, 90))),
        text("Comments", |r, out| {
            r.chance(5, 15)
                && write(out, format_args!("{} says: \"thank you, merci, děkuji\"", r.owner.name()))
        })
        .optional(),
    ];
    with_dates(Kind::Invoice, "Invoice", columns)
        .to("Account", "Account", |r| Some(r.account().id()))
        .to("BillToContact", "Contact", |r| Some(r.contact(0).id()))
        .to("SoldToContact", "Contact", |r| Some(r.contact(1).id()))
        .to("DefaultPaymentMethod", "PaymentMethod", |r| {
            (!r.account().chance(19, 8)).then(|| r.payment_method().id())
        })
}

/// A line of a bill.
pub fn invoice_item() -> Table {
    let columns: Vec<Column> = vec![
        money("ChargeAmount", |r| Some(charge_amount(r))).required(),
        text("ChargeName", charge_name).required(),
        moment("ChargeDate", |r| Some(created(r))).required(),
        text("Currency", |r, out| put(out, currency(r))).required().of(&words::CURRENCY_VALUES),
        decimal("Quantity", 4, |r| Some(quantity(r, 1))).required(),
        decimal("UnitPrice", 4, |r| Some(price(r))),
        text("UOM", |r, out| !r.chance(2, 10) && put(out, unit(r))),
        money("TaxAmount", |r| Some(tax_amount(r))).required(),
        money("TaxExemptAmount", |r| r.chance(3, 80).then_some(0)),
        text("TaxCode", |r, out| match r.pick(4, 4) {
            0 => false,
            1 => true,
            _ => put(out, r.one(5, &["VAT", "Sales Tax, CA"])),
        }),
        text("TaxMode", |r, out| r.chance(6, 70) && put(out, "TaxExclusive")),
        date("ServiceStartDate", |r| Some(invoice_day(r))).required(),
        date("ServiceEndDate", |r| Some(invoice_day(r) + 29)),
        text("AccountingCode", |r, out| r.chance(7, 80) && put(out, "Subscription Revenue")),
        text("SKU", sku),
        date("RevRecStartDate", |r| r.chance(8, 40).then(|| invoice_day(r))),
        integer("ProcessingType", |r| Some(i64::from(r.chance(9, 5)))),
    ];
    of_account(with_dates(Kind::InvoiceItem, "InvoiceItem", columns))
        .to("Invoice", "Invoice", |r| Some(r.invoice().id()))
        .to("ProductRatePlanCharge", "ProductRatePlanCharge", |r| Some(r.product_charge().id()))
        .to("RatePlan", "RatePlan", |r| Some(r.rate_plan().id()))
        .to("RatePlanCharge", "RatePlanCharge", |r| Some(r.charge().id()))
        .to("Subscription", "Subscription", |r| Some(r.subscription().id()))
}

/// Money received.
pub fn payment() -> Table {
    let columns = vec![
        text("PaymentNumber", |r, out| {
            write(out, format_args!("{}-P-{:08}", r.owner.name().to_uppercase(), r.at + 1))
        })
        .required(),
        money("Amount", |r| Some(invoice_amount(&r.invoice()))).required(),
        text("Currency", |r, out| put(out, currency(r))).required().of(&words::CURRENCY_VALUES),
        money("RefundAmount", |r| Some(if r.chance(1, 3) { 100 } else { 0 })),
        date("EffectiveDate", |r| Some(r.made_on())).required(),
        text("Type", |r, out| put(out, r.one(2, &["Electronic", "External"])))
            .required()
            .of(&["Electronic", "External"]),
        text("Status", |r, out| put(out, if r.chance(3, 3) { "Error" } else { "Processed" }))
            .required()
            .of(&["Draft", "Processing", "Processed", "Error", "Canceled"]),
        text("GatewayState", |r, out| r.chance(4, 60) && put(out, "Settled")),
        text("GatewayResponse", |r, out| {
            r.chance(5, 50) && put(out, r.one(6, &["Approved", "Declined, \"insufficient funds\""]))
        }),
        text("ReferenceId", |r, out| {
            r.chance(7, 40) && write(out, format_args!("{}-ref-{:07}", r.owner.id(), r.at))
        }),
        moment("SubmittedOn", |r| r.chance(8, 90).then(|| created(r) + 60)),
        moment("SettledOn", |r| r.chance(9, 70).then(|| moment_of(r, r.made_on() + 2))),
        text("Comment", |r, out| {
            r.chance(10, 5) && write(out, format_args!("Paid to {}", r.owner.name()))
        })
        .optional(),
    ];
    with_dates(Kind::Payment, "Payment", columns)
        .to("Account", "Account", |r| Some(r.account().id()))
        .to("Invoice", "Invoice", |r| Some(r.invoice().id()))
        .to("PaymentMethod", "PaymentMethod", |r| Some(r.payment_method().id()))
}

/// The relations that rate plans, charges and invoice items share.
fn of_account(table: Table) -> Table {
    table
        .to("Account", "Account", |r| Some(r.account().id()))
        .to("Product", "Product", |r| Some(r.product().id()))
        .to("ProductRatePlan", "ProductRatePlan", |r| Some(r.product_rate_plan().id()))
}

fn is_cancelled(row: &Row) -> bool {
    row.chance(1, 12)
}

fn invoice_number(row: &Row, out: &mut String) -> bool {
    write(out, format_args!("{}-INV{:08}", row.owner.name().to_uppercase(), row.at + 1))
}

fn status(row: &Row) -> &'static str {
    match row.pick(20, 50) {
        0 => "Draft",
        1 => "Canceled",
        _ => "Posted",
    }
}

/// Quantity times price, in cents, rounded half up; one in forty is a credit.
fn charge_amount(item: &Row) -> i64 {
    let exact = i128::from(quantity(item, 1)) * i128::from(price(item));
    let cents = i64::try_from((exact + 500_000) / 1_000_000).unwrap_or(i64::MAX);
    if item.chance(21, 2) { -cents } else { cents }
}

fn tax_amount(item: &Row) -> i64 {
    if item.chance(22, 30) { 0 } else { charge_amount(item) * 19 / 100 }
}

fn invoice_amount(invoice: &Row) -> i64 {
    invoice.items().map(|item| charge_amount(&item) + tax_amount(&item)).sum()
}
