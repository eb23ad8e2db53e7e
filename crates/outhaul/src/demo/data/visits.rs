//! Visits to accounts, as an API of documents knows them: measurements as a nested document, what was
//! left there as a list of documents, who asked for the visit, and a scanned sheet as a file.

use std::fs;
use std::path::Path;

use anyhow::Context;
use outhaul_exports::catalog::raw::{RawField, RawObject};
use outhaul_exports::catalog::{Cardinality, FieldType, POSITION};

use super::customers::with_dates;
use super::table::{Column, Table, date, json, put, text, write};
use super::words;
use super::world::{Kind, Owner, Row};

/// Scanned sheets of each tenant.
const SCANS: u64 = 25;
/// What is left at an account.
const ITEMS: [&str; 6] =
    ["Thermometer", "Bandage, 5 m", "\"Quick\" test", "Réactif A", "Manual", "Spare battery"];
/// Why somebody comes.
const REASONS: [&str; 4] = ["Installation", "Yearly check", "Repair", "Training"];

/// A visit.
pub fn visit() -> Table {
    let columns: Vec<Column> = vec![
        text("Reason", |r, out| put(out, r.one(1, &REASONS))).required().of(&REASONS),
        date("VisitedOn", |r| Some(r.made_on() + day(r))).required(),
        json("Vitals", vitals).hidden(),
        json("Items", items).hidden(),
        text("Scan", |r, out| {
            !r.chance(2, 8) && write(out, format_args!("{}", scan_path(r.pick(3, SCANS))))
        })
        .file(),
        text("Remarks", |r, out| {
            r.chance(4, 30)
                && write(out, format_args!("Ring twice; ask for \"{}\"", r.owner.name()))
        })
        .optional(),
    ];
    let vitals = Some("Vitals");
    with_dates(Kind::Visit, "Visit", columns)
        .to("Creator", "Account", |r| (!r.chance(5, 5)).then(|| r.account().id()))
        .over("Id", "Items", "VisitItem", Cardinality::ToMany)
        .member("VitalsPulse", ("Vitals", &["pulse"]), FieldType::Integer, vitals)
        .member("VitalsTemperature", ("Vitals", &["temperature"]), FieldType::Decimal, vitals)
        .member("VitalsSystolic", ("Vitals", &["pressure", "systolic"]), FieldType::Integer, vitals)
        .member(
            "VitalsDiastolic",
            ("Vitals", &["pressure", "diastolic"]),
            FieldType::Integer,
            vitals,
        )
}

/// The elements of a visit's items.
pub fn visit_item(visit: RawObject) -> RawObject {
    let field = |name: &str, column: &str, member: Option<&str>, field_type| RawField {
        name: name.to_owned(),
        column: Some(column.to_owned()),
        label: None,
        member: member.map(str::to_owned).into_iter().collect(),
        document: None,
        field_type,
        nullable: true,
        optional: false,
        sensitive: false,
        file: None,
        currency_field: None,
        values: Vec::new(),
    };
    RawObject {
        name: "VisitItem".to_owned(),
        elements: Some("Items".to_owned()),
        key: vec!["VisitId".to_owned(), "Position".to_owned()],
        created: None,
        updated: None,
        fields: vec![
            field("Id", "Items", Some("_id"), FieldType::Text),
            field("VisitId", "Id", None, FieldType::Text),
            field("Position", POSITION, None, FieldType::Integer),
            field("Name", "Items", Some("name"), FieldType::Text),
            field("Amount", "Items", Some("amount"), FieldType::Integer),
            field("Price", "Items", Some("price"), FieldType::Decimal),
        ],
        relations: Vec::new(),
        ..visit
    }
}

/// Writes each tenant's scanned sheets, as small drawings.
///
/// # Errors
/// When they cannot be written.
pub fn write_scans(folder: &Path) -> anyhow::Result<()> {
    for owner in Owner::ALL {
        for number in 0..SCANS {
            let path = folder.join(owner.id()).join(scan_path(number));
            if path.exists() {
                continue;
            }
            let context = || format!("cannot write {}", path.display());
            if let Some(below) = path.parent() {
                fs::create_dir_all(below).with_context(context)?;
            }
            fs::write(&path, drawing(owner, number)).with_context(context)?;
        }
    }
    Ok(())
}

fn drawing(owner: Owner, number: u64) -> String {
    let name = owner.name();
    let lines = (0..=number % 7).map(|line| {
        let y = 40 + line * 14;
        let at = (number + line) % words::LAST_NAMES.len() as u64;
        let word = words::LAST_NAMES[usize::try_from(at).unwrap_or(0)];
        format!("  <text x=\"10\" y=\"{y}\">{name}: {word}, sheet {number}, line {line}</text>\n")
    });
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\" height=\"180\">\n{}</svg>\n",
        lines.collect::<String>()
    )
}

fn scan_path(number: u64) -> String {
    format!("scans/sheet-{number:02}.svg")
}

fn day(row: &Row) -> i32 {
    super::calendar::small(row.pick(6, 300))
}

fn vitals(row: &Row, out: &mut String) -> bool {
    if row.chance(7, 10) {
        return false;
    }
    let tenths = 355 + row.pick(8, 40);
    let (systolic, diastolic) = (95 + row.pick(9, 60), 60 + row.pick(10, 35));
    let pulse = 50 + row.pick(11, 70);
    write(
        out,
        format_args!(
            "{{\"pulse\":{pulse},\"temperature\":{}.{},\"pressure\":{{\"systolic\":{systolic},\"diastolic\":{diastolic}}}}}",
            tenths / 10,
            tenths % 10
        ),
    )
}

fn items(row: &Row, out: &mut String) -> bool {
    if row.chance(12, 5) {
        return false;
    }
    out.push('[');
    for at in 0..row.pick(13, 4) {
        if at > 0 {
            out.push(',');
        }
        let id = row.id();
        // Cannot fail because ids are hexadecimal digits.
        let id = std::str::from_utf8(&id).unwrap_or_default();
        let name = row.one(14 + at, &ITEMS).replace('"', "\\\"");
        let (amount, cents) = (1 + row.pick(20 + at, 9), row.pick(30 + at, 100));
        let price = row.pick(40 + at, 90);
        let owner = row.owner.name();
        write(
            out,
            format_args!(
                "{{\"_id\":\"{}{at}\",\"name\":\"{owner}: {name}\",\"amount\":{amount},\"price\":{price}.{cents:02}}}",
                &id[..31]
            ),
        );
    }
    out.push(']');
    true
}
