//! What CONFIG wants a file to be, in the neutral words for formats, packing and passwords.

use chrono::{DateTime, Utc};
use outhaul_exports::password::Password;
use outhaul_exports::ports::Formats;
use outhaul_exports::spec::{FormatChoice, Packing};
use serde_json::{Map, Value, json};

use super::config::Settings;
use super::error::Trouble;
use super::wanted::{Format, Wanted};

/// A file as it is made.
pub struct File {
    /// How rows become bytes.
    pub format: FormatChoice,
    /// How the bytes are packed.
    pub packing: Packing,
    /// What opens it.
    pub password: Option<Password>,
}

/// What stands in a file beside its rows.
pub struct About<'a> {
    /// The name of the view.
    pub title: &'a str,
    /// What it is.
    pub description: &'a str,
    /// The path of the request, which json and xml repeat.
    pub path: &'a str,
    /// The day.
    pub now: DateTime<Utc>,
}

impl File {
    /// The file that is wanted.
    ///
    /// # Errors
    /// 8188 for a password that is none.
    pub fn of(
        wanted: &Wanted,
        about: &About<'_>,
        settings: &Settings,
        formats: &dyn Formats,
    ) -> Result<Self, Trouble> {
        let (id, options) = match wanted.format {
            Format::Csv => ("csv", csv(wanted, settings)),
            Format::Json => ("json", json_options(wanted, about)),
            Format::Xml => ("xml", xml(wanted, about)),
            // A workbook of today's kind, which opens wherever one of the old kind does.
            Format::Xls => {
                ("xlsx", json!({ "header": wanted.header, "sheet": sheet(about.title) }))
            }
            Format::Pdf => ("pdf", pdf(wanted, about)),
            Format::Html => ("html", html(wanted, about)),
        };
        let Value::Object(options) = options else { return Err(Trouble::internal("no options")) };
        let password = wanted.password.as_deref().map(Password::new).transpose();
        let password = password.map_err(|error| Trouble::bad_password(error.public()))?;
        let encrypts_itself = formats.sheet(id).is_some_and(|sheet| sheet.takes_password);
        let packing = match password.is_some() && !encrypts_itself {
            true => Packing::Zip,
            false => Packing::None,
        };
        Ok(Self { format: FormatChoice { options, ..FormatChoice::plain(id) }, packing, password })
    }
}

fn csv(wanted: &Wanted, settings: &Settings) -> Value {
    let quoting = match wanted.quote {
        None => "needed",
        Some('\'') => "all_single",
        Some(_) => "all",
    };
    json!({
        "delimiter": wanted.delimiter,
        "line_end": wanted.line_end,
        "quoting": quoting,
        "header": wanted.header,
        "bom": settings.csv_bom,
    })
}

/// Both shapes are the vendor's own (Zoho Analytics API v2, "Download exported data"): every value
/// is a text.
fn json_options(wanted: &Wanted, about: &About<'_>) -> Value {
    let shape = |document: String, row: &str| {
        json!({
            "document": document, "row": row, "lines": false, "strings": true, "nulls": "text",
        })
    };
    if wanted.key_values.unwrap_or(true) {
        return shape(r#"{"data":$rows}"#.to_owned(), "object");
    }
    let criteria = wanted.criteria.as_ref();
    let criteria = criteria.map(|text| format!(r#""criteria":{},"#, Value::from(text.as_str())));
    let uri = Value::from(about.path);
    let document = format!(
        r#"{{"response":{{"uri":{uri},"action":"EXPORT",{}"result":{{"column_order":$columns,"rows":$rows}}}}}}"#,
        criteria.unwrap_or_default()
    );
    shape(document, "array")
}

fn xml(wanted: &Wanted, about: &About<'_>) -> Value {
    if wanted.key_values.unwrap_or(false) {
        return json!({
            "around": [{ "name": "result" }, { "name": "rows" }],
            "declaration": false, "lines": false, "nulls": "text",
        });
    }
    json!({
        "columns": "named",
        "around": [
            { "name": "response", "attributes": [["uri", about.path], ["action", "EXPORT"]] },
            { "name": "result" },
            { "name": "rows" },
        ],
        "lines": false, "nulls": "text",
    })
}

fn pdf(wanted: &Wanted, about: &About<'_>) -> Value {
    let mut options = wanted.pages.clone();
    let texts: Map<String, Value> = [
        ("title".to_owned(), about.title.into()),
        ("description".to_owned(), about.description.into()),
        ("date".to_owned(), about.now.format("%d %b %Y").to_string().into()),
        ("header".to_owned(), wanted.header.into()),
    ]
    .into_iter()
    .collect();
    options.extend(texts);
    options.into()
}

fn html(wanted: &Wanted, about: &About<'_>) -> Value {
    json!({
        "title": about.title,
        "caption": wanted.caption,
        "header": wanted.header,
        "page": false,
    })
}

/// A title as a workbook takes it for the name of a sheet: without the characters that it keeps for
/// itself, and not longer than 31 (Office Open XML, "sheet names").
fn sheet(title: &str) -> String {
    let plain = |c: char| if c.is_control() || r"[]:*?/\'".contains(c) { ' ' } else { c };
    let name: String = title.chars().map(plain).take(25).collect();
    match name.trim() {
        "" => "Export".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;

    use super::*;
    use crate::zoho::request::Config;

    fn made(keys: &[(&'static str, Value)]) -> File {
        let wanted = Wanted::read(&Config::of_keys(keys.to_vec()), true).expect("it is right");
        let about =
            About { title: "A/B [1]", description: "", path: "/x\"y", now: testing::noon() };
        let formats = testing::FakeFormats;
        File::of(&wanted, &about, &Settings::default(), &formats).expect("it can be made")
    }

    #[test]
    fn a_password_makes_an_archive_unless_the_format_encrypts_itself() {
        let password = || ("password", json!("secret-1"));
        for (format, packing) in
            [("CSV", Packing::Zip), ("json", Packing::Zip), ("html", Packing::Zip)]
        {
            let file = made(&[("responseFormat", json!(format)), password()]);
            assert_eq!(file.packing, packing, "{format}");
            assert!(file.password.is_some());
        }
        assert_eq!(made(&[]).packing, Packing::None);
    }

    #[test]
    fn the_document_of_json_repeats_the_request() {
        let keys = [
            ("responseFormat", json!("json")),
            ("keyValueFormat", json!("false")),
            ("criteria", json!("\"A\"='$rows'")),
        ];
        let document = made(&keys).format.options["document"].clone();
        let text = document.as_str().expect("a text");
        let expected = r#"{"response":{"uri":"/x\"y","action":"EXPORT","criteria":"\"A\"='$rows'","result":{"column_order":$columns,"rows":$rows}}}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn sheets_have_names_that_workbooks_take() {
        for (title, name) in
            [("A/B [1]", "A B  1"), ("''", "Export"), (&"x".repeat(40), &*"x".repeat(25))]
        {
            assert_eq!(sheet(title), name);
        }
    }
}
