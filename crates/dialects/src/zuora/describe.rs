//! `GET /v1/describe` and `GET /v1/describe/{Object}`: the catalog, in Zuora's XML.
//!
//! Clients read this by position and by literal text (tap-zuora, zacc, Estuary's connector), so
//! the order of elements is fixed: name, label, fields, related-objects. Related objects are
//! always there, though the documentation wants a parameter for them: clients fail without the
//! element. What is described can be exported: fields carry the context `export`, and only
//! relations to one row are listed, since Export ZOQL joins no others, and of those only the ones to
//! objects with an `Id`, since clients ask for it.
//! (Zuora documentation, "Describe an object".)

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::catalog::{Cardinality, Catalog, Field, FieldType, Object, Relation};
use outhaul_exports::principal::Principal;

use super::Zuora;
use super::errors::{NOSNIFF, Refusal};

const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The handler of the list.
pub async fn all(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
) -> Result<Response, Refusal> {
    let catalog = zuora.exports.catalog(&who)?;
    Ok(xml(StatusCode::OK, objects_xml(catalog, &zuora.base_url)))
}

/// The handler of one object.
pub async fn one(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let catalog = zuora.exports.catalog(&who)?;
    // A name that is not UTF-8 names nothing.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    Ok(match catalog.object(&name) {
        Some(object) => xml(StatusCode::OK, object_xml(catalog, object, &zuora.base_url)),
        None => xml(StatusCode::NOT_FOUND, unknown_xml(&name)),
    })
}

fn xml(status: StatusCode, body: String) -> Response {
    let media = HeaderValue::from_static("text/xml;charset=UTF-8");
    let nosniff = (NOSNIFF.0, HeaderValue::from_static(NOSNIFF.1));
    (status, [(header::CONTENT_TYPE, media), nosniff], body).into_response()
}

fn objects_xml(catalog: &Catalog, base_url: &str) -> String {
    let mut out = format!("{PROLOG}\n<objects>\n");
    for object in catalog.objects() {
        line(
            &mut out,
            2,
            &format!(
                "<object href=\"{}\">{}{}</object>",
                href(base_url, &object.name),
                element("name", &object.name),
                element("label", &object.label)
            ),
        );
    }
    out + "</objects>\n"
}

fn object_xml(catalog: &Catalog, object: &Object, base_url: &str) -> String {
    let mut out = format!("{PROLOG}\n<object href=\"{}\">\n", href(base_url, &object.name));
    line(&mut out, 2, &element("name", &object.name));
    line(&mut out, 2, &element("label", &object.label));
    line(&mut out, 2, "<fields>");
    for field in &object.fields {
        field_xml(&mut out, field);
    }
    line(&mut out, 2, "</fields>");
    line(&mut out, 2, "<related-objects>");
    // Clients ask for the `Id` of every related object that is listed.
    let has_id = |r: &&Relation| catalog.object(&r.target).is_some_and(|o| o.field("Id").is_some());
    let joined = object.relations.iter().filter(|r| r.cardinality == Cardinality::ToOne);
    for relation in joined.filter(has_id) {
        relation_xml(&mut out, object, relation, base_url);
    }
    line(&mut out, 2, "</related-objects>");
    out + "</object>\n"
}

fn field_xml(out: &mut String, field: &Field) {
    let flag = |name: &str, value: bool| element(name, if value { "true" } else { "false" });
    line(out, 4, "<field>");
    for part in [
        element("name", &field.name),
        element("label", &field.label),
        flag("selectable", true),
        // This server only reads.
        flag("createable", false),
        flag("updateable", false),
        // Sensitive fields are not searched: their values would show through.
        flag("filterable", !field.sensitive),
        flag("custom", field.name.ends_with("__c")),
        "<maxlength/>".to_owned(),
        flag("required", !field.nullable),
        element("type", type_word(field)),
    ] {
        line(out, 6, &part);
    }
    if !field.values.is_empty() {
        let options: String = field.values.iter().map(|value| element("option", value)).collect();
        line(out, 6, &format!("<options>{options}</options>"));
    }
    line(out, 6, "<contexts><context>export</context></contexts>");
    line(out, 4, "</field>");
}

fn relation_xml(out: &mut String, object: &Object, relation: &Relation, base_url: &str) {
    line(out, 4, &format!("<object href=\"{}\">", href(base_url, &relation.target)));
    for part in [
        element("name", &relation.name),
        element("label", &relation.label),
        element("cardinality", "TO_ONE"),
        element("direct-relationship", "true"),
        element("path", &format!("{}.{}", object.name, relation.name)),
    ] {
        line(out, 6, &part);
    }
    line(out, 4, "</object>");
}

/// Zuora's word for a field's type. Only words that every known client understands: one of them
/// gives up at a word it does not know, another leaves fields of some known types out.
fn type_word(field: &Field) -> &'static str {
    match field.field_type {
        FieldType::Text if !field.values.is_empty() => "picklist",
        FieldType::Text | FieldType::Time | FieldType::Binary | FieldType::Json => "text",
        FieldType::Integer => "integer",
        FieldType::Decimal | FieldType::Float => "decimal",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Timestamp => "datetime",
    }
}

fn unknown_xml(name: &str) -> String {
    let shown: String = name.chars().take(128).collect();
    let message = format!("noSuchDataSource: there is no object named {shown}");
    format!(
        "{PROLOG}\n<error>\n  {}\n  {}\n</error>\n",
        element("code", "50000040"),
        element("message", &message)
    )
}

fn href(base_url: &str, name: &str) -> String {
    escape(&format!("{base_url}/v1/describe/{name}"))
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

fn line(out: &mut String, indent: usize, text: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(out, "{:indent$}{text}", "");
}

/// The text with what XML gives a meaning escaped, and without what XML 1.0 cannot hold.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_that_means_something_gets_through() {
        assert_eq!(escape("a<b>&\"c'\u{0}\u{b}é\n"), "a&lt;b&gt;&amp;&quot;c&#39;é\n");
    }
}
