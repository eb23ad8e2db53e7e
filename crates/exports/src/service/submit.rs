//! Create an export: check it, then accept it in one transaction.

use sha2::{Digest, Sha256};

use super::sessions::SessionAsk;
use super::{Exports, require};
use crate::clock::after;
use crate::export::{Export, Progress, State, Tally};
use crate::format::FormatSheet;
use crate::policy::Policy;
use crate::ports::{Idempotency, Inserted, NewExport};
use crate::principal::{Principal, Role};
use crate::query::{Protection, Query};
use crate::spec::{ExportSpec, Notice, Packing, QuerySpec, Split};
use crate::{Error, ErrorKind, ExportId, Result, document, limits, notice, session};

/// A request to create an export, as a dialect hands it over.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The dialect's id.
    pub dialect: String,
    /// The export's id, where its dialect makes it; a new one when absent.
    pub id: Option<ExportId>,
    /// What is asked for.
    pub spec: ExportSpec,
    /// What the dialect wants to find again on the export.
    pub echo: serde_json::Value,
    /// The session that it is to be in.
    pub session: Option<SessionAsk>,
    /// The client's idempotency key, with method and path and the bytes of the request.
    pub idempotency: Option<RequestKey>,
}

impl Submission {
    /// Of a dialect, with nothing besides what is asked for.
    pub fn of(dialect: &str, spec: ExportSpec, echo: serde_json::Value) -> Self {
        let dialect = dialect.to_owned();
        Self { dialect, id: None, spec, echo, session: None, idempotency: None }
    }
}

/// An idempotency key as the client sent it.
#[derive(Debug, Clone)]
pub struct RequestKey {
    key: String,
    place: String,
    fingerprint: String,
}

impl RequestKey {
    /// The key of a request to `place` (method and path) with that body (decompressed).
    ///
    /// # Errors
    /// `Invalid` unless the key has 1 to 255 printable ASCII characters, without a blank at either
    /// end.
    pub fn new(key: &str, place: &str, body: &[u8]) -> Result<Self> {
        let good = (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
            // HTTP may strip what is at the ends on the way.
            && key.trim_ascii() == key;
        if !good {
            let text = "an idempotency key has 1 to 255 printable ASCII characters, and no blank \
                        at its ends";
            return Err(Error::invalid("Idempotency-Key", text));
        }
        let fingerprint = hex::encode(Sha256::digest(body));
        Ok(Self { key: key.to_owned(), place: place.to_owned(), fingerprint })
    }
}

impl Exports {
    /// Accepts an export. When this answers with success, the export is on disk and will end in a
    /// final state; the answer to a repeated request with the same key is the same.
    ///
    /// # Errors
    /// `Invalid`, `UnknownObject`, `UnknownField`, `Unsupported` for a wrong spec; `LimitExceeded`
    /// when the policy's place is full; `KeyReused`, `Conflict` for an idempotency key that came
    /// with another request or whose first request is still being answered; `Unavailable`.
    pub async fn submit(&self, who: &Principal, request: Submission) -> Result<Export> {
        require(who, Role::Exporter)?;
        let Some(key) = &request.idempotency else {
            return self.accept(who, request, None).await;
        };
        let scope = format!("{}\n{}\n{}", who.tenant, request.dialect, key.place);
        let idempotency = Idempotency {
            scope: scope.clone(),
            key: key.key.clone(),
            fingerprint: key.fingerprint.clone(),
            expires_at: after(self.now(), limits::IDEMPOTENCY_KEY_KEPT),
        };
        let _flight = InFlight::begin(self, (scope, key.key.clone()))?;
        // Before anything is checked: what was accepted once may be refused by now, or its check
        // may fail, and the answer to a repeated request is that of the first.
        if let Some(first) = self.parts.jobs.replay(&who.tenant, &idempotency, self.now()).await? {
            return Ok(first.as_created());
        }
        self.accept(who, request, Some(idempotency)).await
    }

    async fn accept(
        &self,
        who: &Principal,
        request: Submission,
        idempotency: Option<Idempotency>,
    ) -> Result<Export> {
        let policy = self.parts.policies.of(&who.tenant, &request.dialect)?;
        let most = usize::try_from(policy.queries_max).unwrap_or(usize::MAX);
        self.check_spec(who, &request.spec, most.min(limits::QUERIES_MAX)).await?;
        if let Some(ask) = &request.session {
            session::check_name(&ask.name)?;
        }
        for _ in 0..SESSION_TRIES {
            match self.insert(who, &request, &policy, idempotency.clone()).await {
                // The session moved between the look at it and the insertion.
                Err(error) if *error.kind() == ErrorKind::Conflict => {}
                done => return done,
            }
        }
        Err(Error::unavailable("the session moves too fast for a new export; try again"))
    }

    async fn insert(
        &self,
        who: &Principal,
        request: &Submission,
        policy: &Policy,
        idempotency: Option<Idempotency>,
    ) -> Result<Export> {
        let mut spec = request.spec.clone();
        if let Some(ask) = &request.session {
            self.enter_session(who, &request.dialect, ask, &mut spec).await?;
        }
        let now = self.now();
        let record_expires_at = policy.record_end(now);
        let export = Export {
            id: request.id.unwrap_or_else(|| ExportId::new(now)),
            dialect: request.dialect.clone(),
            tenant: who.tenant.clone(),
            created_by: who.credential.clone(),
            scope: who.scope.clone(),
            spec,
            policy: policy.clone(),
            echo: request.echo.clone(),
            state: State::Queued,
            cancel_requested: false,
            lease: None,
            tally: Tally::default(),
            not_before: None,
            progress: Progress::default(),
            failure: None,
            warnings: Vec::new(),
            manifest: None,
            sent: Vec::new(),
            acknowledged_at: None,
            created_at: now,
            updated_at: now,
            started_at: None,
            finished_at: None,
            files_expire_at: None,
            record_expires_at,
        };
        match self.parts.jobs.insert(NewExport { export, idempotency }).await? {
            Inserted::New(export) => Ok(export),
            Inserted::Replayed(export) => Ok(export.as_created()),
        }
    }

    /// Checks everything that can be known before rows are read.
    async fn check_spec(
        &self,
        who: &Principal,
        spec: &ExportSpec,
        queries_max: usize,
    ) -> Result<()> {
        check_text("label", spec.label.as_deref(), limits::LABEL_CHARS_MAX)?;
        check_text("description", spec.description.as_deref(), limits::DESCRIPTION_CHARS_MAX)?;
        if spec.queries.is_empty() || spec.queries.len() > queries_max {
            let text =
                format!("an export has 1 to {queries_max} queries, not {}", spec.queries.len());
            return Err(Error::invalid("queries", text));
        }
        check_text("values.null", Some(&spec.format.values.null), limits::NULL_TEXT_CHARS_MAX)?;
        self.parts.formats.check(&spec.format)?;
        self.check_password(spec)?;
        check_split(spec)?;
        document::check(spec)?;
        let scripts = self.parts.scripts.as_deref();
        let callbacks = self.parts.callbacks.as_deref();
        notice::check(spec, self.parts.can_mail, callbacks, scripts.is_some())?;
        for query in &spec.queries {
            self.check_query(who, query, spec.sealing_key.is_some()).await?;
        }
        for notice in &spec.notices {
            if let Notice::Script { source } = notice {
                self.check_script(source).await?;
            }
        }
        Ok(())
    }

    /// Whether there is something that takes the password.
    fn check_password(&self, spec: &ExportSpec) -> Result<()> {
        if spec.password.is_none() || spec.packing == Packing::Zip {
            return Ok(());
        }
        let by_itself = |sheet: FormatSheet| sheet.takes_password;
        if self.parts.formats.sheet(&spec.format.id).is_some_and(by_itself) {
            return Ok(());
        }
        let id = &spec.format.id;
        let text = format!("{id} files take a password inside a zip archive: set packing to zip");
        Err(Error::invalid("password", text))
    }

    async fn check_query(&self, who: &Principal, query: &QuerySpec, can_seal: bool) -> Result<()> {
        check_text("queries.name", query.name.as_deref(), limits::LABEL_CHARS_MAX)?;
        let select = match &query.query {
            Query::Sql { text } => {
                check_length("query", text, limits::QUERY_CHARS_MAX)?;
                return self.parts.planner.check(&who.scope, &query.query).await.map(|_| ());
            }
            Query::Select(select) => select,
        };
        select.check(&self.parts.catalog)?;
        let sealed = select.columns.iter().any(|c| c.protection == Protection::Sealed);
        if sealed && !can_seal {
            let text = "encryption was asked for, but this tenant has no public key registered";
            return Err(Error::invalid("encrypted", text));
        }
        if let Some(text) = &select.where_sql {
            check_length("where", text, limits::QUERY_CHARS_MAX)?;
            self.parts.planner.check(&who.scope, &query.query).await?;
        }
        Ok(())
    }
}

/// How often an export is put into a session that moves meanwhile.
const SESSION_TRIES: usize = 3;

/// Whether the rows come as they are to be cut.
fn check_split(spec: &ExportSpec) -> Result<()> {
    match spec.split {
        Some(Split::Rows(rows) | Split::FullRows(rows)) if rows < limits::SPLIT_ROWS_MIN => {
            let least = limits::SPLIT_ROWS_MIN;
            Err(Error::invalid("split_rows", format!("a file has at least {least} rows")))
        }
        Some(Split::Day(place)) => {
            for query in &spec.queries {
                let Query::Select(select) = &query.query else {
                    return Err(Error::invalid("split", "SQL is not split by day"));
                };
                let column = select.columns.get(place).map(|column| &column.expr);
                let first = select.order_by.first().filter(|key| !key.descending);
                if column.is_none() || first.map(|key| &key.expr) != column {
                    let text = "what is split by day is ordered by that column, ascending";
                    return Err(Error::invalid("split", text));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn check_text(field: &str, text: Option<&str>, most: usize) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    if text.contains('\0') {
        return Err(Error::invalid(field, format!("{field} holds a NUL character")));
    }
    check_length(field, text, most)
}

fn check_length(field: &str, text: &str, most: usize) -> Result<()> {
    let count = text.chars().count();
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!("{field} has {count} characters, at most {most} are allowed"),
    ))
}

/// A key whose first request is being answered; ends with the request.
struct InFlight<'a> {
    exports: &'a Exports,
    key: (String, String),
}

impl<'a> InFlight<'a> {
    fn begin(exports: &'a Exports, key: (String, String)) -> Result<Self> {
        let mut keys = exports.in_flight.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !keys.insert(key.clone()) {
            let text = "the first request with this idempotency key is still being answered";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        drop(keys);
        Ok(Self { exports, key })
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut keys =
            self.exports.in_flight.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.remove(&self.key);
    }
}
