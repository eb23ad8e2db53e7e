//! What a row becomes.

use outhaul_exports::catalog::Catalog;
use outhaul_exports::document::{Member, Node};
use outhaul_exports::query::{Column, Query};

use super::*;
use crate::cortex::documents::{Subject, layout};
use crate::cortex::query::Base;
use crate::cortex::query::error::QueryError;
use crate::cortex::query::filter::filter;
use crate::cortex::query::selection::{Asked, selection};

/// The documents of an export, as text: members with what they hold, columns by their paths.
async fn laid_out(body: Value) -> String {
    let server = Server::new().await;
    server.try_create(&body).await.ok();
    let export = server.world.start_next().await.expect("it is due");
    let Query::Select(select) = &export.spec.queries[0].query else { panic!("no SQL") };
    let documents = export.spec.documents.expect("it has some");
    text(&documents.members, &paths(&select.columns))
}

fn paths(columns: &[Column]) -> Vec<String> {
    columns
        .iter()
        .map(|column| serde_json::to_value(&column.expr).expect("it is JSON"))
        .map(|expr| {
            let relations = expr["field"]["relations"].as_array().cloned().unwrap_or_default();
            let steps = relations.iter().chain([&expr["field"]["field"]]);
            steps.map(|step| step.as_str().unwrap_or("?")).collect::<Vec<_>>().join(".")
        })
        .collect()
}

/// Visits, with a nested document, a list of documents, a reference and a file.
const VISITS: &str = r##"
[[objects]]
name = "Account"
source = "main"
key = ["Id"]
tenant_column = "tenant"
fields = [{ name = "Id", type = "text", nullable = false }, { name = "Name", type = "text" }]

[[objects]]
name = "Visit"
source = "main"
key = ["Id"]
tenant_column = "tenant"
fields = [
  { name = "Id", type = "text", nullable = false },
  { name = "CreatorId", type = "text", column = "creator_id" },
  { name = "VitalsPulse", type = "integer", column = "vitals", member = ["pulse"], document = "Vitals" },
  { name = "Scan", type = "text", file = { source = "scans", folder = "{tenant}" } },
  { name = "VitalsTemperature", type = "decimal", column = "vitals", member = ["t"], document = "Vitals" },
  { name = "Remarks", type = "text", optional = true },
]
relations = [
  { name = "Creator", target = "Account", columns = { creator_id = "Id" } },
  { name = "Items", target = "VisitItem", columns = { Id = "Id" }, cardinality = "to_many" },
]

[[objects]]
name = "VisitItem"
source = "main"
table = "Visit"
elements = "items"
key = ["VisitId", "Position"]
tenant_column = "tenant"
fields = [
  { name = "Id", type = "text", column = "items", member = ["_id"] },
  { name = "VisitId", type = "text", column = "Id" },
  { name = "Position", type = "integer", column = "#position" },
  { name = "Name", type = "text", column = "items", member = ["name"] },
]
"##;

struct Visits {
    catalog: Catalog,
    names: WireNames,
}

impl Visits {
    fn new() -> Self {
        #[derive(serde::Deserialize)]
        struct Objects {
            objects: Vec<outhaul_exports::catalog::raw::RawObject>,
        }
        let objects: Objects = toml::from_str(VISITS).expect("it is sound");
        let catalog = Catalog::check(objects.objects).expect("it is sound");
        let names = WireNames::of(&catalog);
        Self { catalog, names }
    }

    fn base(&self) -> Base<'_> {
        let object = self.catalog.require("Visit").expect("it is there");
        Base { object, catalog: &self.catalog, names: &self.names }
    }

    fn laid_out(&self, wanted: &Value, files: bool) -> Result<String, QueryError> {
        let asked =
            Asked { paths: wanted.get("paths"), expand: wanted.get("expand"), include: None };
        let subject = Subject { singular: "c_visit", plural: "c_visits", files };
        let layout = layout(&subject, &selection(self.base(), asked)?);
        let mut paths = paths(&layout.columns);
        for list in &layout.lists {
            let labels: Vec<_> = list.columns.iter().map(|column| column.label.clone()).collect();
            paths.push(format!("{}({})", list.relation, labels.join(",")));
        }
        let mut shown = text(&layout.documents.members, &paths);
        for file in &layout.files {
            let (reference, owner) = (&paths[file.reference], &paths[file.owner]);
            shown += &format!(" + {} {reference} of {owner}", file.name);
        }
        Ok(shown)
    }
}

#[test]
fn documents_lists_and_files_nest() {
    let visits = Visits::new();
    let scan =
        "c_scan[Scan]{name='content' filename=name of Scan path=/c_visits/<Id>/c_scan/content}";
    for (wanted, expected) in [
        (
            json!({}),
            format!(
                "_id=Id object='c_visit' c_creator_id=CreatorId c_vitals[]{{c_pulse=VitalsPulse \
                 c_temperature=VitalsTemperature}} {scan} c_creator[CreatorId]{{_id=CreatorId \
                 object='c_account' path=/c_accounts/<CreatorId>}} c_items=Items(_id,c_name)"
            ),
        ),
        (
            json!({ "paths": ["c_items.c_name", "c_vitals.c_temperature", "VitalsPulse"] }),
            "_id=Id object='c_visit' c_items=Items(_id,c_name) \
             c_vitals[]{c_temperature=VitalsTemperature c_pulse=VitalsPulse}"
                .to_owned(),
        ),
        (
            json!({ "paths": ["Vitals", "c_items", "c_items.c_position"] }),
            "_id=Id object='c_visit' c_vitals[]{c_pulse=VitalsPulse \
             c_temperature=VitalsTemperature} c_items=Items(_id,c_name,c_position)"
                .to_owned(),
        ),
        (
            json!({ "paths": ["c_remarks"], "expand": ["c_creator"] }),
            "_id=Id object='c_visit' c_remarks=Remarks c_creator[CreatorId]{_id=CreatorId \
             object='c_account' c_name=Creator.Name fault=CreatorId without Creator.Id}"
                .to_owned(),
        ),
    ] {
        assert_eq!(visits.laid_out(&wanted, false).expect("it is right"), expected, "{wanted}");
    }
    let with_files = visits.laid_out(&json!({ "paths": ["c_scan"] }), true).expect("it is right");
    let expected = "_id=Id object='c_visit' c_scan[Scan]{name='content' filename=name of Scan \
                    path=entry 0} + c_scan Scan of Id";
    assert_eq!(with_files, expected);
    for (path, says) in [
        ("c_vitals.c_pulses", "did you mean c_pulse?"),
        ("c_vitals.c_pulse.x", "nothing stands below it"),
        ("c_items.c_nmae", "did you mean c_name?"),
        ("c_items.c_name.x", "nothing is offered below it"),
    ] {
        let error = visits.laid_out(&json!({ "paths": [path] }), false).expect_err(path);
        assert!(error.reason.contains(says), "{path}: {}", error.reason);
    }
    for expand in ["c_vitals", "c_items"] {
        assert!(visits.laid_out(&json!({ "expand": [expand] }), false).is_err(), "{expand}");
    }
}

#[test]
fn documents_and_lists_are_searched() {
    let visits = Visits::new();
    for (text, found) in [
        (r#"{"c_vitals.c_pulse":{"$gt":100}}"#, true),
        (r#"{"c_items.c_name":"Manual"}"#, true),
        (r#"{"c_items":{"$elemMatch":{"c_name":"Manual","_id":"x"}}}"#, true),
        (r#"{"c_items":{"$size":0}}"#, true),
        (r#"{"c_vitals":{"$exists":true}}"#, false),
        (r#"{"c_vitals.c_nope":1}"#, false),
    ] {
        let read = filter(visits.base(), Some(&Value::from(text)));
        assert_eq!(read.is_ok(), found, "{text}: {read:?}");
    }
}

fn text(members: &[Member], paths: &[String]) -> String {
    let one = |member: &Member| match &member.node {
        Node::Column(at) => format!("{}={}", member.name, paths[*at]),
        Node::Text(text) => format!("{}='{text}'", member.name),
        Node::Around { before, column, after } => {
            format!("{}={before}<{}>{after}", member.name, paths[*column])
        }
        Node::Lost { named, found, json } => {
            let fault: Value = serde_json::from_str(json).expect("it is JSON");
            check_fault(&fault);
            format!("{}={} without {}", member.name, paths[*named], paths[*found])
        }
        Node::Document { present, members } => {
            let present = present.map_or("", |at| paths[at].as_str());
            format!("{}[{present}]{{{}}}", member.name, text(members, paths))
        }
        Node::FileName(at) => format!("{}=name of {}", member.name, paths[*at]),
        Node::Entry(at) => format!("{}=entry {at}", member.name),
    };
    members.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn references_are_short_long_or_lost() {
    for (body, expected) in [
        (
            json!({ "paths": ["c_status", "c_account"] }),
            "_id=Id object='c_invoice' c_status=Status \
             c_account[Account.Id]{_id=Account.Id object='c_account' path=/c_accounts/<Account.Id>}",
        ),
        (
            json!({ "paths": ["c_account.c_name"] }),
            "_id=Id object='c_invoice' \
             c_account[Account.Id]{_id=Account.Id object='c_account' c_name=Account.Name}",
        ),
        (
            json!({ "paths": ["c_account.c_bill_to_contact.c_country"] }),
            "_id=Id object='c_invoice' c_account[Account.Id]{_id=Account.Id object='c_account' \
             c_bill_to_contact[Account.BillToContact.Id]{_id=Account.BillToContact.Id \
             object='c_contact' c_country=Account.BillToContact.Country}}",
        ),
    ] {
        let mut whole = json!({ "label": "x", "objects": "c_invoices" });
        for (key, value) in body.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        assert_eq!(laid_out(whole).await, expected, "{body}");
    }
}

#[tokio::test]
async fn everything_that_is_not_optional_comes_by_default() {
    let whole = laid_out(json!({ "label": "x", "objects": "c_invoices" })).await;
    assert!(whole.starts_with("_id=Id object='c_invoice' c_invoice_number="), "{whole}");
    assert!(!whole.contains("c_comments"), "{whole}");
    assert!(whole.contains("c_bill_to_contact[BillToContact.Id]{_id="), "{whole}");
    let body = json!({ "label": "x", "objects": "c_invoices", "include": ["c_comments"] });
    assert!(laid_out(body).await.ends_with("c_comments=Comments"));
}
