//! The demo's data: the billing system of two invented companies, acme and globex, and what the
//! users of their products do. Both share every table through a tenant column. The same number of rows always makes the same bytes.
//!
//! Texts and ids tell whose they are, so that a row that crossed over could be seen. There are
//! empty texts beside missing ones, quotes, commas, letters beyond ASCII and rows that are marked
//! as deleted; there are no line breaks in texts, which some clients of CSV cannot read.

mod analytics;
mod billing;
mod calendar;
mod chance;
mod contents;
mod customers;
mod events;
mod metadata;
mod products;
mod properties;
mod table;
mod visits;
mod words;
mod world;
mod write;

pub use table::{ATTACHMENTS, SOURCE, Table, quoted, quoted_text};
pub use visits::write_scans;
pub use world::{Kind, Owner, World};
pub use write::write_all;

use outhaul_exports::catalog::raw::RawObject;

/// Every table, in the order in which the catalog lists them.
pub fn tables() -> Vec<Table> {
    vec![
        customers::account(),
        customers::contact(),
        customers::payment_method(),
        products::product(),
        products::product_rate_plan(),
        products::product_rate_plan_charge(),
        billing::subscription(),
        billing::rate_plan(),
        billing::rate_plan_charge(),
        billing::invoice(),
        billing::invoice_item(),
        billing::payment(),
        analytics::company(),
        analytics::user(),
        analytics::segment(),
        analytics::segment_member(),
        events::event(),
        contents::content(),
        properties::event_property(),
        visits::visit(),
    ]
}

/// The catalog over them, where the rows are in files or else in a database.
pub fn objects(in_files: bool) -> Vec<RawObject> {
    let visit_items = visits::visit_item(visits::visit().object(in_files));
    tables().iter().map(|table| table.object(in_files)).chain([visit_items]).collect()
}
