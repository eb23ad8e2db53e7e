//! What a row becomes.

use outhaul_exports::document::{Member, Node};
use outhaul_exports::query::Query;

use super::*;

/// The documents of an export, as text: members with what they hold, columns by their paths.
async fn laid_out(body: Value) -> String {
    let server = Server::new().await;
    server.try_create(&body).await.ok();
    let export = server.world.start_next().await.expect("it is due");
    let Query::Select(select) = &export.spec.queries[0].query else { panic!("no SQL") };
    let paths: Vec<String> = select
        .columns
        .iter()
        .map(|column| serde_json::to_value(&column.expr).expect("it is JSON"))
        .map(|expr| {
            let relations = expr["field"]["relations"].as_array().cloned().unwrap_or_default();
            let steps = relations.iter().chain([&expr["field"]["field"]]);
            steps.map(|step| step.as_str().unwrap_or("?")).collect::<Vec<_>>().join(".")
        })
        .collect();
    let documents = export.spec.documents.expect("it has some");
    text(&documents.members, &paths)
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
        other => format!("{}={other:?}", member.name),
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
