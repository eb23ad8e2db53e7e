//! Requests on the wire, and what they mean.
//!
//! The types here are what the OpenAPI document shows; each is read member by member, so that an
//! error can name the member and the nearest known one. [`CreateExport::into_spec`] is where names
//! are resolved; nothing behind it parses anything.

use chrono_tz::Tz;
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::export::State;
use outhaul_exports::notice::check_address;
use outhaul_exports::password::Password;
use outhaul_exports::principal::Principal;
use outhaul_exports::query::{Column, DeletedRows, Expr, OrderBy, Protection, Query, Select};
use outhaul_exports::service::SessionAsk;
use outhaul_exports::spec::{
    CallbackBody, CallbackMethod, DecimalStyle, ExportSpec, FormatChoice, FractionStyle, Notice,
    OffsetStyle, Packing, QuerySpec, Split, StateWords, ValueOptions,
};
use outhaul_exports::{Error, ExportId, limits};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::Problem;
use super::fields::resolve;
use super::words::{
    DECIMALS, DELETED, DeletedWord, FILE_ENCRYPTIONS, FRACTIONS, FileEncryption, OFFSETS, PACKINGS,
    PackingWord,
};
use super::{App, PREFIX};
use crate::kit::json::{kind_of, shown};
use crate::kit::members::{MemberError, Members};

/// What to export, and how.
#[derive(Debug, ToSchema)]
pub struct CreateExport {
    /// A name for it; lists can be searched for it. At most 255 characters.
    pub label: Option<String>,
    /// A longer text about it. At most 4,000 characters.
    pub description: Option<String>,
    /// One or more queries. Each makes a file; all see the data of one moment.
    #[schema(min_items = 1, max_items = 50)]
    pub queries: Vec<QueryRequest>,
    /// The format's id; see `GET /api/v1/formats`.
    #[schema(example = "csv")]
    pub format: String,
    /// The format's own options.
    #[schema(value_type = Option<Object>)]
    pub options: Option<Map<String, Value>>,
    /// How values are written, in every format that writes text.
    pub values: Option<ValuesRequest>,
    /// How each file is packed (default: `none`).
    #[schema(value_type = Option<PackingWord>)]
    pub packing: Option<Packing>,
    /// Encrypt the values of sensitive fields to the tenant's public key instead of masking them.
    pub encrypted: Option<bool>,
    /// Whether each file is encrypted whole, after packing, to the tenant's OpenPGP key (default:
    /// `none`).
    pub file_encryption: Option<FileEncryption>,
    /// What opens the files: 1 to 256 characters. Files of `xlsx` and `pdf` are encrypted
    /// themselves, those of other formats inside of the archive, so that `packing` is `zip`. It is
    /// never shown, and forgotten when the export ends.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    pub password: Option<Password>,
    /// Cut each query's rows into several files, after so many rows; at least 100, and at most
    /// 5,000 files come of an export.
    #[schema(minimum = 100)]
    pub split_rows: Option<u64>,
    /// Who is told when it has completed or failed.
    pub notify: Option<NotifyRequest>,
    /// The session that it is in: it has what changed since the session's last acknowledged export.
    /// A text is the session's name.
    pub session: Option<SessionRequest>,
}

/// The session that an export is in.
#[derive(Debug, ToSchema)]
pub struct SessionRequest {
    /// Its name; it is made when there is none: letters, digits, `.`, `_` and `-`, at most 100.
    #[schema(example = "nightly")]
    pub name: String,
    /// An earlier export of the session that is repeated from where it began.
    #[schema(value_type = Option<String>)]
    pub replay: Option<ExportId>,
}

/// Whose rows have arrived.
#[derive(Debug, ToSchema)]
pub struct AcknowledgeRequest {
    /// The export's id.
    #[expect(dead_code, reason = "names the member for the OpenAPI document only")]
    pub export: String,
}

/// Who is told of an export's end.
#[derive(Debug, ToSchema)]
pub struct NotifyRequest {
    /// Addresses for mail, such as `name@example.com`; each gets a mail of its own, with links to the
    /// files that need no credential.
    #[schema(max_items = 100)]
    pub emails: Option<Vec<String>>,
    /// A URL to which the end is told with `POST` and a JSON body. `{export}` in its path or query
    /// stands for the export's id, `{state}` for its state.
    #[schema(example = "https://example.com/exports/done")]
    pub callback_url: Option<String>,
}

/// One query: over an object, or in SQL. Give `object` or `sql`, not both.
#[derive(Debug, ToSchema)]
pub struct QueryRequest {
    /// A name for it; the file is named after it.
    pub name: Option<String>,
    /// The object whose rows are exported.
    #[schema(example = "Invoice")]
    pub object: Option<String>,
    /// Fields, in order; `Account.Name` follows a relation. Default: all that are not optional.
    #[schema(example = json!(["Id", "Amount", "Account.Name"]))]
    pub fields: Option<Vec<String>>,
    /// Which rows, as an SQL expression over the object's own fields.
    #[schema(example = "Balance > 0 AND Status = 'Posted'")]
    #[schema(rename = "where")]
    pub filter: Option<String>,
    /// In which order; without it rows come in the order of the source.
    pub order_by: Option<Vec<OrderRequest>>,
    /// The most rows.
    pub limit: Option<u64>,
    /// What becomes of rows that are marked as deleted (default: `exclude`).
    pub deleted: Option<DeletedWord>,
    /// One SELECT statement over the catalog's objects as tables.
    #[schema(example = "SELECT Status, count(*) AS n FROM Invoice GROUP BY Status")]
    pub sql: Option<String>,
}

/// One key of the order; a plain text is the field, ascending.
#[derive(Debug, ToSchema)]
pub struct OrderRequest {
    /// By which field.
    pub field: String,
    /// From the greatest to the least. Nulls count as the greatest.
    pub descending: Option<bool>,
}

/// How values are written.
#[derive(Debug, ToSchema)]
pub struct ValuesRequest {
    /// What stands for a missing value (default: nothing).
    pub null: Option<String>,
    /// The IANA zone in which moments are written (default: `UTC`).
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    pub zone: Option<Tz>,
    /// How a moment's offset is written: `colon` (`Z`, `+02:00`; the default), `colon_always`,
    /// `plain` (`+0200`).
    #[schema(value_type = Option<String>)]
    pub offset: Option<OffsetStyle>,
    /// Digits behind the second: `as_needed` (the default), `seconds`, `millis`, `micros`.
    #[schema(value_type = Option<String>)]
    pub fraction: Option<FractionStyle>,
    /// `scaled` (`10.50`, the default) or `trimmed` (`10.5`).
    #[schema(value_type = Option<String>)]
    pub decimals: Option<DecimalStyle>,
}

/// A preview of one query.
#[derive(Debug, ToSchema)]
pub struct PreviewRequest {
    /// The query.
    pub query: QueryRequest,
    /// How many rows (1 to 100; default 20).
    pub rows: Option<u64>,
}

/// How long a link lives.
#[derive(Debug, Default, ToSchema)]
pub struct LinkRequest {
    /// Seconds from now (default 900, at most 604,800). A link never outlives its file.
    pub ttl_secs: Option<u64>,
}

type Result<T, E = MemberError> = std::result::Result<T, E>;

impl CreateExport {
    /// The members it knows.
    pub const KNOWN: &[&str] = &[
        "label",
        "description",
        "queries",
        "format",
        "options",
        "values",
        "packing",
        "encrypted",
        "file_encryption",
        "password",
        "split_rows",
        "notify",
        "session",
    ];

    /// Reads the body of a request.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn read(body: Map<String, Value>) -> Result<Self> {
        let mut members = Members::of_body(body);
        members.refuse_unknown(Self::KNOWN)?;
        let Some(queries) = members.list("queries")? else {
            return Err(members.wrong("queries", "queries is required: a list of queries"));
        };
        let queries = queries
            .into_iter()
            .enumerate()
            .map(|(at, query)| QueryRequest::read(query, &format!("/queries/{at}")))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            label: members.text("label")?,
            description: members.text("description")?,
            queries,
            format: members.required_text("format")?,
            options: members.object("options")?.map(Members::rest),
            values: members.object("values")?.map(ValuesRequest::read).transpose()?,
            packing: members.choice("packing", PACKINGS)?,
            encrypted: members.flag("encrypted")?,
            file_encryption: members.choice("file_encryption", FILE_ENCRYPTIONS)?,
            password: password(&mut members)?,
            split_rows: members.count("split_rows")?,
            notify: members.object("notify")?.map(NotifyRequest::read).transpose()?,
            session: SessionRequest::take(&mut members)?,
        })
    }

    /// What it means for this client.
    ///
    /// # Errors
    /// `unknown_object`, `unknown_field` or `invalid_request`, each with the member's pointer.
    pub fn into_spec(self, app: &App, who: &Principal) -> Result<ExportSpec, Problem> {
        let exports = &app.exports;
        let encrypted = self.encrypted.unwrap_or(false);
        let key = exports.tenant(who)?.public_key.clone().filter(|_| encrypted);
        if encrypted && key.is_none() {
            let detail = "encryption was asked for, but this tenant has no public key registered";
            return Err(Problem::invalid("/encrypted", detail));
        }
        if encrypted && let Some(at) = self.queries.iter().position(|query| query.sql.is_some()) {
            let detail = "sensitive fields can be encrypted in queries over an object only: in \
                          SQL they are always masked";
            return Err(Problem::invalid(format!("/queries/{at}/sql"), detail));
        }
        let encryption_key = match self.file_encryption {
            Some(FileEncryption::OpenPgp) => {
                let key = exports.encryption_key(who);
                Some(key.map_err(|error| Problem::from(error).at("/file_encryption"))?)
            }
            Some(FileEncryption::None) | None => None,
        };
        let catalog = exports.catalog(who)?;
        let secret = if encrypted { Protection::Sealed } else { Protection::Masked };
        let mut queries = Vec::new();
        for (at, query) in self.queries.into_iter().enumerate() {
            let name = query.name.clone();
            let query = query
                .into_query(catalog, secret)
                .map_err(|problem| problem.under(&format!("/queries/{at}")))?;
            queries.push(QuerySpec { name, query });
        }
        let format = FormatChoice {
            id: self.format.to_ascii_lowercase(),
            values: self.values.map(ValuesRequest::into_options).unwrap_or_default(),
            options: self.options.unwrap_or_default(),
        };
        Ok(ExportSpec {
            label: self.label,
            description: self.description,
            queries,
            format,
            packing: self.packing.unwrap_or_default(),
            row_numbers: None,
            documents: None,
            archive: None,
            split: self.split_rows.map(Split::Rows),
            sealing_key: key,
            encryption_key,
            password: self.password,
            notices: self.notify.map_or(Ok(Vec::new()), |notify| notify.into_notices(app))?,
            session: None,
        })
    }
}

/// The password of the files.
fn password(members: &mut Members) -> Result<Option<Password>> {
    let Some(text) = members.text("password")? else { return Ok(None) };
    let checked = Password::new(text);
    checked.map(Some).map_err(|error| members.wrong("password", error.public().to_owned()))
}

impl SessionRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["name", "replay"];

    fn take(members: &mut Members) -> Result<Option<Self>> {
        match members.value("session") {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(Self { name, replay: None })),
            Some(Value::Object(map)) => {
                let mut members = Members::of(Value::Object(map), members.at("session"))?;
                members.refuse_unknown(Self::KNOWN)?;
                let replay = export_id(&mut members, "replay")?;
                Ok(Some(Self { name: members.required_text("name")?, replay }))
            }
            Some(other) => {
                let text = format!(
                    "a session's name, or an object with name and replay, is expected, not {}",
                    kind_of(&other)
                );
                Err(members.wrong("session", text))
            }
        }
    }

    /// What it means: the client itself says when the rows have arrived.
    pub fn into_ask(self) -> SessionAsk {
        let Self { name, replay } = self;
        SessionAsk { replay, ..SessionAsk::named(name) }
    }
}

impl AcknowledgeRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["export"];

    /// Reads the body of a request.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn read(body: Map<String, Value>) -> Result<ExportId> {
        let mut members = Members::of_body(body);
        members.refuse_unknown(Self::KNOWN)?;
        let export = export_id(&mut members, "export")?;
        export.ok_or_else(|| members.wrong("export", "export is required: the id of an export"))
    }
}

fn export_id(members: &mut Members, key: &str) -> Result<Option<ExportId>> {
    let Some(text) = members.text(key)? else { return Ok(None) };
    let id = text.parse().map_err(|_| {
        members.wrong(key, format!("{} is not an export's id: 32 hexadecimal digits", shown(&text)))
    });
    id.map(Some)
}

impl NotifyRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["emails", "callback_url"];

    fn read(mut members: Members) -> Result<Self> {
        members.refuse_unknown(Self::KNOWN)?;
        let emails = texts(&mut members, "emails")?;
        Ok(Self { emails, callback_url: members.text("callback_url")? })
    }

    fn into_notices(self, app: &App) -> Result<Vec<Notice>, Problem> {
        let mut notices = mails(app, self.emails.unwrap_or_default())?;
        if let Some(url) = self.callback_url {
            notices.push(callback(app, url)?);
        }
        Ok(notices)
    }
}

fn mails(app: &App, emails: Vec<String>) -> Result<Vec<Notice>, Problem> {
    const EMAILS: &str = "/notify/emails";
    let mut to: Vec<String> = Vec::new();
    for (at, address) in emails.into_iter().enumerate() {
        check_address(&format!("{EMAILS}/{at}"), &address)?;
        // Who stands there twice is told once.
        if !to.contains(&address) {
            to.push(address);
        }
    }
    if to.is_empty() {
        return Ok(Vec::new());
    }
    if !app.exports.can_mail() {
        let detail = "this server sends no mail: leave emails out, and ask for the state";
        return Err(Problem::from(Error::unsupported(detail)).at(EMAILS));
    }
    let most = limits::NOTICE_ADDRESSES_MAX;
    if to.len() > most {
        let detail = format!("at most {most} addresses are told, not {}", to.len());
        return Err(Problem::invalid(EMAILS, detail));
    }
    let file_url = format!("{}{PREFIX}/links/{{link}}", app.base_url);
    Ok(vec![Notice::Mail { to, file_url }])
}

fn callback(app: &App, url: String) -> Result<Notice, Problem> {
    const URL: &str = "/notify/callback_url";
    app.exports.check_callback_url(URL, &url).map_err(|error| Problem::from(error).at(URL))?;
    let words = StateWords::new(State::Completed.name(), State::Failed.name());
    Ok(Notice::Callback { method: CallbackMethod::Post, url, words, body: CallbackBody::Json })
}

impl QueryRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] =
        &["name", "object", "fields", "where", "order_by", "limit", "deleted", "sql"];

    /// Reads one query.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn read(value: Value, path: &str) -> Result<Self> {
        let mut members = Members::of(value, path)?;
        members.refuse_unknown(Self::KNOWN)?;
        let query = Self {
            name: members.text("name")?,
            object: members.text("object")?,
            fields: texts(&mut members, "fields")?,
            filter: members.text("where")?,
            order_by: order(&mut members)?,
            limit: members.count("limit")?,
            deleted: members.choice("deleted", DELETED)?,
            sql: members.text("sql")?,
        };
        match (&query.object, &query.sql) {
            (None, None) => Err(MemberError::new(path, "a query needs object or sql")),
            (Some(_), Some(_)) => Err(members.wrong("sql", "a query has object or sql, not both")),
            (None, Some(_)) => match query.beside_sql() {
                Some(key) => {
                    let text = format!("{key} goes with object; write it into the SQL instead");
                    Err(members.wrong(key, text))
                }
                None => Ok(query),
            },
            (Some(_), None) => Ok(query),
        }
    }

    fn beside_sql(&self) -> Option<&'static str> {
        let given = [
            ("fields", self.fields.is_some()),
            ("where", self.filter.is_some()),
            ("order_by", self.order_by.is_some()),
            ("limit", self.limit.is_some()),
            ("deleted", self.deleted.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// What it means, with `secret` for sensitive fields.
    ///
    /// # Errors
    /// As [`CreateExport::into_spec`], with pointers from the query.
    pub fn into_query(self, catalog: &Catalog, secret: Protection) -> Result<Query, Problem> {
        let Some(name) = self.object else {
            return Ok(Query::Sql { text: self.sql.unwrap_or_default() });
        };
        let object = catalog.require(&name).map_err(|error| Problem::from(error).at("/object"))?;
        let mut select = Select::of(&object.name);
        select.columns = columns(catalog, object, self.fields, secret)?;
        select.where_sql = self.filter;
        for (at, key) in self.order_by.unwrap_or_default().into_iter().enumerate() {
            let (path, _) = resolve(catalog, object, &key.field)
                .map_err(|problem| problem.at(format!("/order_by/{at}")))?;
            let descending = key.descending.unwrap_or(false);
            select.order_by.push(OrderBy { expr: Expr::Field(path), descending });
        }
        select.limit = self.limit;
        select.deleted = match self.deleted {
            None | Some(DeletedWord::Exclude) => DeletedRows::Exclude,
            Some(DeletedWord::Include | DeletedWord::Mark) => DeletedRows::Include,
            Some(DeletedWord::Only) => DeletedRows::Only,
        };
        let tells_deleted = object.deleted_column.is_some() || object.tombstones.is_some();
        if select.deleted != DeletedRows::Exclude && !tells_deleted {
            let detail = format!("rows of {} are not marked as deleted", object.name);
            return Err(Problem::invalid("/deleted", detail));
        }
        if self.deleted == Some(DeletedWord::Mark) {
            mark_deleted(&mut select.columns)?;
        }
        select.check(catalog).map_err(|error| Problem::from(error).rename(member))?;
        Ok(Query::Select(Box::new(select)))
    }
}

/// The member of a query that the rules of the core mean by a part of it.
fn member(part: &str) -> Option<String> {
    match part {
        "columns" => Some("/fields".to_owned()),
        "order by" => Some("/order_by".to_owned()),
        "where" => Some("/where".to_owned()),
        // A field's name: the sentence says where it stands.
        _ => None,
    }
}

/// Adds the column that says which rows are deleted.
fn mark_deleted(columns: &mut Vec<Column>) -> Result<(), Problem> {
    const LABEL: &str = "deleted";
    if columns.iter().any(|column| column.label.eq_ignore_ascii_case(LABEL)) {
        let detail = "there is a field of that name already, so no column can say which rows are \
                      deleted: use include, or leave the field out";
        return Err(Problem::invalid("/deleted", detail));
    }
    let (label, expr) = (LABEL.to_owned(), Expr::IsDeleted);
    columns.push(Column { label, expr, protection: Protection::Plain });
    Ok(())
}

fn columns(
    catalog: &Catalog,
    object: &Object,
    fields: Option<Vec<String>>,
    secret: Protection,
) -> Result<Vec<Column>, Problem> {
    let named = match fields {
        Some(fields) => fields,
        None => object.default_fields().map(|field| field.name.clone()).collect(),
    };
    let mut columns: Vec<Column> = Vec::new();
    for (at, name) in named.iter().enumerate() {
        let pointer = format!("/fields/{at}");
        let (path, field) =
            resolve(catalog, object, name).map_err(|problem| problem.at(&*pointer))?;
        let label = path.to_string();
        if columns.iter().any(|column| column.label == label) {
            return Err(Problem::invalid(pointer, format!("{label} stands twice")));
        }
        let protection = if field.sensitive { secret } else { Protection::Plain };
        columns.push(Column { label, expr: Expr::Field(path), protection });
    }
    Ok(columns)
}

impl ValuesRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["null", "zone", "offset", "fraction", "decimals"];

    fn read(mut members: Members) -> Result<Self> {
        members.refuse_unknown(Self::KNOWN)?;
        let zone = match members.text("zone")? {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| {
                let text = format!("{} is no IANA zone such as Europe/Berlin", shown(&name));
                members.wrong("zone", text)
            })?),
        };
        Ok(Self {
            null: members.text("null")?,
            zone,
            offset: members.choice("offset", OFFSETS)?,
            fraction: members.choice("fraction", FRACTIONS)?,
            decimals: members.choice("decimals", DECIMALS)?,
        })
    }

    fn into_options(self) -> ValueOptions {
        let plain = ValueOptions::default();
        ValueOptions {
            null: self.null.unwrap_or(plain.null),
            zone: self.zone.unwrap_or(plain.zone),
            offset: self.offset.unwrap_or(plain.offset),
            fraction: self.fraction.unwrap_or(plain.fraction),
            decimals: self.decimals.unwrap_or(plain.decimals),
        }
    }
}

impl PreviewRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["query", "rows"];

    /// Reads the body of a request.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn read(body: Map<String, Value>) -> Result<Self> {
        let mut members = Members::of_body(body);
        members.refuse_unknown(Self::KNOWN)?;
        let Some(query) = members.value("query") else {
            return Err(members.wrong("query", "query is required"));
        };
        let query = QueryRequest::read(query, "/query")?;
        Ok(Self { query, rows: members.count("rows")? })
    }
}

impl LinkRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["ttl_secs"];

    /// Reads the body of a request.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn read(body: Map<String, Value>) -> Result<Self> {
        let mut members = Members::of_body(body);
        members.refuse_unknown(Self::KNOWN)?;
        Ok(Self { ttl_secs: members.count("ttl_secs")? })
    }
}

impl OrderRequest {
    /// The members it knows.
    pub const KNOWN: &[&str] = &["field", "descending"];
}

fn order(members: &mut Members) -> Result<Option<Vec<OrderRequest>>> {
    let Some(list) = members.list("order_by")? else { return Ok(None) };
    let path = members.at("order_by");
    let key = |(at, value): (usize, Value)| match value {
        Value::String(field) => Ok(OrderRequest { field, descending: None }),
        value => {
            let mut key = Members::of(value, format!("{path}/{at}"))?;
            key.refuse_unknown(OrderRequest::KNOWN)?;
            let descending = key.flag("descending")?;
            Ok(OrderRequest { field: key.required_text("field")?, descending })
        }
    };
    list.into_iter().enumerate().map(key).collect::<Result<_>>().map(Some)
}

fn texts(members: &mut Members, key: &str) -> Result<Option<Vec<String>>> {
    let Some(list) = members.list(key)? else { return Ok(None) };
    let path = members.at(key);
    let text = |(at, value): (usize, Value)| match value {
        Value::String(text) => Ok(text),
        other => {
            let text = format!("a text is expected, not {}", kind_of(&other));
            Err(MemberError::new(format!("{path}/{at}"), text))
        }
    };
    list.into_iter().enumerate().map(text).collect::<Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a schema's properties, as the OpenAPI document shows them.
    fn properties<T: utoipa::PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).expect("a schema is JSON");
        let mut names: Vec<_> = schema["properties"]
            .as_object()
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    #[test]
    fn the_document_shows_what_is_read() {
        let cases = [
            (CreateExport::KNOWN, properties::<CreateExport>()),
            (QueryRequest::KNOWN, properties::<QueryRequest>()),
            (OrderRequest::KNOWN, properties::<OrderRequest>()),
            (ValuesRequest::KNOWN, properties::<ValuesRequest>()),
            (PreviewRequest::KNOWN, properties::<PreviewRequest>()),
            (LinkRequest::KNOWN, properties::<LinkRequest>()),
            (NotifyRequest::KNOWN, properties::<NotifyRequest>()),
        ];
        for (known, shown) in cases {
            let mut known = known.to_vec();
            known.sort_unstable();
            assert_eq!(known, shown);
        }
    }
}
