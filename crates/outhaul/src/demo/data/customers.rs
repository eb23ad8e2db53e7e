//! Accounts, their contacts, and how they pay.

use super::calendar::{
    bill_cycle_day, changed_after, invoice_day, moment_of, month_start, opened, small,
};
use super::table::{
    Column, Table, boolean, date, decimal, id, integer, moment, money, put, text, write,
};
use super::words;
use super::world::{Kind, Row};

/// A customer of the tenant.
pub fn account() -> Table {
    let columns = vec![
        text("AccountNumber", account_number).required(),
        text("Name", account_name).required(),
        text("Status", |r, out| put(out, r.one(1, &["Active", "Active", "Active", "Canceled"])))
            .of(&["Active", "Draft", "Canceled"]),
        text("Currency", |r, out| put(out, currency(r))).required().of(&words::CURRENCY_VALUES),
        money("Balance", |r| Some(balance(r))),
        money("CreditBalance", |r| Some(if r.chance(2, 90) { 0 } else { cents(r, 3, 50_000) })),
        money("TotalInvoiceBalance", |r| Some(balance(r))),
        money("Mrr", |r| Some(cents(r, 4, 900_000))).label("MRR"),
        integer("BillCycleDay", |r| Some(i64::from(bill_cycle_day(r)))).required(),
        text("BillCycleDaySettingOption", |_, out| put(out, "ManualSet")),
        boolean("AutoPay", |r| Some(r.chance(5, 60))).required(),
        boolean("AllowInvoiceEdit", |r| Some(r.chance(6, 20))).required(),
        boolean("InvoiceDeliveryPrefsEmail", |r| (!r.chance(7, 10)).then(|| r.chance(8, 80))),
        boolean("InvoiceDeliveryPrefsPrint", |r| Some(r.chance(9, 15))),
        text("PaymentTerm", |r, out| {
            put(out, r.one(10, &["Net 30", "Net 60", "Due Upon Receipt"]))
        }),
        text("Batch", |r, out| write(out, format_args!("Batch{}", r.pick(11, 3) + 1))),
        text("CrmId", crm_id),
        text("SalesRepName", |r, out| r.chance(13, 70) && person(r, 14, out)),
        text("PurchaseOrderNumber", purchase_order),
        text("VATId", |r, out| {
            r.chance(16, 40) && write(out, format_args!("EU{:09}", r.pick(17, 1_000_000_000)))
        })
        .label("VAT ID"),
        text("Notes", account_notes).optional(),
        date("LastInvoiceDate", |r| {
            (!r.chance(18, 5)).then(|| month_start(23) + bill_cycle_day(r) - 1)
        }),
    ];
    with_dates(Kind::Account, "Account", columns)
        .to("BillToContact", "Contact", |r| Some(r.contact(0).id()))
        .to("SoldToContact", "Contact", |r| Some(r.contact(1).id()))
        .to("ParentAccount", "Account", |r| r.parent_account().map(|parent| parent.id()))
        .to("DefaultPaymentMethod", "PaymentMethod", |r| {
            (!r.chance(19, 8)).then(|| r.payment_method().id())
        })
}

/// A person at an account.
pub fn contact() -> Table {
    let columns = vec![
        text("FirstName", |r, out| put(out, r.one(1, &words::FIRST_NAMES))).required(),
        text("LastName", |r, out| {
            write(out, format_args!("{} ({})", r.one(2, &words::LAST_NAMES), r.owner.name()))
        })
        .required(),
        text("NickName", |r, out| r.chance(3, 10) && put(out, r.one(4, &["Jo", "Max", "Kit"]))),
        text("WorkEmail", |r, out| {
            write(out, format_args!("contact{}@{}.example", r.at, r.owner.id()))
        }),
        text("PersonalEmail", |r, out| {
            r.chance(5, 25) && write(out, format_args!("p{}@{}.example", r.at, r.owner.id()))
        }),
        text("WorkPhone", |r, out| {
            r.chance(6, 80) && write(out, format_args!("+1 555 {:07}", r.pick(7, 10_000_000)))
        }),
        text("Address1", |r, out| {
            write(
                out,
                format_args!("{} {} Street", r.pick(8, 400) + 1, r.one(9, &words::LAST_NAMES)),
            )
        }),
        // Half of the second lines are empty texts, the others are missing.
        text("Address2", |r, out| match r.pick(10, 4) {
            0 => write(out, format_args!("Floor {}", r.pick(11, 30))),
            1 => true,
            _ => false,
        }),
        text("City", |r, out| put(out, place(r).0)),
        text("State", |r, out| place(r).1.is_some_and(|state| put(out, state))),
        text("Country", |r, out| put(out, place(r).2)),
        text("PostalCode", |r, out| put(out, place(r).3)),
        text("TaxRegion", |r, out| r.chance(12, 30) && put(out, "Region A")),
        text("Description", |r, out| {
            r.chance(13, 20)
                && write(out, format_args!("Prefers \"e-mail\", not phone ({})", r.owner.name()))
        })
        .optional(),
    ];
    with_dates(Kind::Contact, "Contact", columns)
        .to("Account", "Account", |r| Some(r.account().id()))
}

/// How an account pays.
pub fn payment_method() -> Table {
    let columns = vec![
        text("Type", |r, out| put(out, method(r))).required().of(&METHODS),
        text("Name", |r, out| write(out, format_args!("{} {}", r.owner.name(), method(r)))),
        boolean("Active", |r| Some(r.chance(1, 95))).required(),
        text("PaymentMethodStatus", |r, out| put(out, r.one(2, &["Active", "Active", "Closed"])))
            .of(&["Active", "Closed", "Scrubbed"]),
        text("AchAccountNumber", |r, out| {
            is(r, "ACH") && write(out, format_args!("{}{:09}", code(r), ach_digits(r)))
        })
        .sensitive()
        .label("ACH Account Number"),
        text("AchAccountNumberMask", |r, out| {
            is(r, "ACH") && write(out, format_args!("*****{:04}", ach_digits(r) % 10_000))
        })
        .label("ACH Account Number Mask"),
        text("AchAccountName", |r, out| is(r, "ACH") && account_name(&r.account(), out)),
        text("AchBankName", |r, out| is(r, "ACH") && put(out, "First & Last Bank, N.A.")),
        text("CreditCardType", |r, out| {
            is(r, "CreditCard") && put(out, r.one(4, &["Visa", "MasterCard", "AmericanExpress"]))
        }),
        text("CreditCardMaskNumber", |r, out| {
            is(r, "CreditCard") && write(out, format_args!("************{:04}", r.pick(5, 10_000)))
        }),
        text("CreditCardHolderName", |r, out| is(r, "CreditCard") && person(r, 6, out)),
        integer("CreditCardExpirationMonth", |r| {
            is(r, "CreditCard").then(|| 1 + r.pick(7, 12).cast_signed())
        }),
        integer("CreditCardExpirationYear", |r| {
            is(r, "CreditCard").then(|| 2026 + r.pick(8, 6).cast_signed())
        }),
        integer("NumConsecutiveFailures", |r| Some(r.pick(9, 3).cast_signed())),
        decimal("MaximumPayment", 2, |r| r.chance(10, 5).then(|| cents(r, 11, 10_000_000))),
        moment("LastTransactionDateTime", |r| {
            r.chance(12, 80).then(|| moment_of(r, month_start(22) + small(r.pick(13, 28))))
        }),
    ];
    with_dates(Kind::PaymentMethod, "PaymentMethod", columns)
        .to("Account", "Account", |r| Some(r.account().id()))
}

/// Kinds of payment methods.
const METHODS: [&str; 3] = ["CreditCard", "ACH", "BankTransfer"];

fn method(row: &Row) -> &'static str {
    row.one(20, &METHODS)
}

fn is(row: &Row, wanted: &str) -> bool {
    method(row) == wanted
}

fn ach_digits(row: &Row) -> u64 {
    row.pick(21, 1_000_000_000)
}

/// A digit that tells whose a number is.
fn code(row: &Row) -> u8 {
    if row.owner.id() == "acme" { 1 } else { 9 }
}

/// A table whose rows have a time of creation and of the last change, and their makers.
pub fn with_dates(kind: Kind, name: &'static str, mut columns: Vec<Column>) -> Table {
    columns.extend([
        id("CreatedById", |r| Some(user(r, 80))).required(),
        moment("CreatedDate", |r| Some(created(r))).required(),
        id("UpdatedById", |r| Some(user(r, 81))).required(),
        moment("UpdatedDate", |r| Some(changed_after(r, created(r)))).required(),
    ]);
    Table::new(kind, name, columns)
}

/// When a row was made.
pub fn created(row: &Row) -> i64 {
    moment_of(row, row.made_on())
}

impl Row<'_> {
    /// The day on which a row was made.
    pub fn made_on(&self) -> i32 {
        match self.kind() {
            Kind::Invoice | Kind::InvoiceItem => invoice_day(self),
            Kind::Payment => invoice_day(self) + 1 + small(self.pick(82, 20)),
            Kind::Product | Kind::ProductRatePlan | Kind::ProductRatePlanCharge => {
                month_start(0) - 800 + small(self.product().at % 50)
            }
            _ => opened(&self.account()),
        }
    }
}

/// One of the tenant's three users.
fn user(row: &Row, salt: u64) -> [u8; 32] {
    super::chance::id(row.owner.prefix(), 90, row.pick(salt, 3))
}

/// The currency of a row: that of its account.
pub fn currency(row: &Row) -> &'static str {
    row.account().one(22, &words::CURRENCIES)
}

/// An amount below `most` cents.
pub fn cents(row: &Row, salt: u64, most: u64) -> i64 {
    row.pick(salt, most).cast_signed()
}

fn balance(row: &Row) -> i64 {
    if row.chance(23, 40) { 0 } else { cents(row, 24, 5_000_000) - 1_109_500 }
}

fn account_number(row: &Row, out: &mut String) -> bool {
    write(out, format_args!("{}-A{:08}", row.owner.name().to_uppercase(), row.at + 1))
}

fn account_name(row: &Row, out: &mut String) -> bool {
    let company = row.one(25, &words::COMPANIES);
    write(out, format_args!("{company} {} ({})", row.at + 1, row.owner.name()))
}

fn person(row: &Row, salt: u64, out: &mut String) -> bool {
    let first = row.one(salt, &words::FIRST_NAMES);
    write(out, format_args!("{first} {}", row.one(salt + 40, &words::LAST_NAMES)))
}

fn place(row: &Row) -> (&'static str, Option<&'static str>, &'static str, &'static str) {
    row.one(26, &words::PLACES)
}

/// Missing, empty, or there: a reader that cannot tell the first two apart shows it here.
fn crm_id(row: &Row, out: &mut String) -> bool {
    match row.pick(12, 10) {
        0..=2 => false,
        3 => true,
        _ => write(out, format_args!("crm-{}-{:06}", row.owner.id(), row.pick(27, 1_000_000))),
    }
}

fn purchase_order(row: &Row, out: &mut String) -> bool {
    row.chance(15, 30)
        && write(out, format_args!("PO {}, line \"{}\"", row.pick(28, 9_999), row.pick(29, 9)))
}

fn account_notes(row: &Row, out: &mut String) -> bool {
    row.chance(30, 25)
        && write(
            out,
            format_args!(
                "Key account of {}; said \"yes, please\" – call on Monday",
                row.owner.name()
            ),
        )
}
