//! `GET /exports`: a page of the org's exports, searched, sorted and cut down as the client asks
//! (Medable documentation, "Querying").
//!
//! The store is read page by page, the newest first; in that order, which is the usual one, no further
//! than the client's page. In another order the exports that fit are known by what they are sorted by
//! alone, and only those of the page are read again.

use std::cmp::Ordering;
use std::fmt::Write as _;

use http::{HeaderMap, StatusCode, header};
use outhaul_exports::export::Export;
use outhaul_exports::ports::ListFilter;
use outhaul_exports::query::{Condition, Expr, OrderBy};
use outhaul_exports::{ErrorKind, ExportId, limits};
use serde_json::Value;

use super::auth::{Asked, Caller};
use super::error::{Fault, Kind};
use super::query::filter::filter;
use super::query::order::order;
use super::query::selection::{Asked as Wanted, Property, selection};
use super::response::{creator, document, echo, is_there, text_answer};
use super::{App, ID, own};

/// Exports on a page when the client does not say, and the most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Exports that are looked at for one page.
const SCANNED_MAX: usize = 100_000;
/// Bytes of a page.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Arguments of the vendor's lists that are not offered: passing over one would answer something else.
const NOT_OFFERED: [&str; 4] = ["group", "map", "pipeline", "distinct"];

/// Which properties are wanted.
pub struct View {
    properties: Vec<Property>,
    /// Whether `paths` were given, and nothing else comes.
    only: bool,
}

impl View {
    /// Reads `paths`, `include` and `expand`.
    ///
    /// # Errors
    /// For a property that is not known.
    pub fn read(app: &App, asked: &Asked<'_>) -> Result<Self, Fault> {
        let (paths, include, expand) =
            (several(asked, "paths"), several(asked, "include"), several(asked, "expand"));
        let wanted =
            Wanted { paths: paths.as_ref(), include: include.as_ref(), expand: expand.as_ref() };
        let properties = selection(app.own.base()?, wanted)?;
        Ok(Self { properties, only: paths.is_some() })
    }

    /// Whether all of an export comes.
    pub fn is_whole(&self) -> bool {
        !self.only
    }

    /// An export as it is wanted.
    pub fn of(&self, export: &Export) -> Option<Value> {
        let echo = echo(export)?;
        let mut whole = document(export, &echo);
        let target = |name: &str| {
            ["creator", "owner"].contains(&name).then(|| creator(&export.tenant, &echo))
        };
        let cut = own::project(&whole, &self.properties, &target);
        if self.only {
            return Some(cut);
        }
        for (key, value) in cut.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        Some(whole)
    }
}

/// The values of a list's argument, in any of the spellings that clients use: `name[]=a&name[]=b`,
/// `name=a`, or JSON of a list.
fn several(asked: &Asked<'_>, name: &str) -> Option<Value> {
    let listed = format!("{name}[]");
    let values: Vec<Value> = asked
        .query
        .iter()
        .filter(|(key, value)| (*key == name || *key == listed) && !value.is_empty())
        .map(|(_, value)| Value::from(value.as_str()))
        .collect();
    match values.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        _ => Some(values.into()),
    }
}

/// What a page is to be.
struct Ask {
    filter: Option<Condition>,
    /// In another order than the newest first.
    order: Option<Vec<OrderBy>>,
    skip: usize,
    limit: usize,
    view: View,
}

impl Ask {
    fn read(app: &App, asked: &Asked<'_>) -> Result<Self, Fault> {
        for (key, _) in &asked.query {
            let name = key.split(['[', '.']).next().unwrap_or_default();
            let nested = ["where", "sort"].contains(&name) && name.len() < key.len();
            if NOT_OFFERED.contains(&name) || nested {
                let reason = match nested {
                    true => "It is JSON in one argument here",
                    false => "Lists of exports are searched by where, sort, skip and limit",
                };
                return Err(Fault::new(Kind::Query, reason).at(name));
            }
        }
        let base = app.own.base()?;
        let (wanted, sort) = (single(asked, "where")?, single(asked, "sort")?);
        let filter = filter(base, wanted.map(Value::from).as_ref())?;
        let order = match sort {
            None => None,
            Some(sort) => Some(order(base, Some(&Value::from(sort)))?),
        };
        Ok(Self {
            filter,
            order: order.filter(|order| !is_newest_first(order)),
            skip: number(asked, "skip", 0..=usize::MAX)?.unwrap_or(0),
            limit: number(asked, "limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT),
            view: View::read(app, asked)?,
        })
    }

    fn fits(&self, export: &Export) -> bool {
        let Some(filter) = &self.filter else { return true };
        echo(export).is_some_and(|echo| own::holds(filter, &document(export, &echo)))
    }
}

fn is_newest_first(order: &[OrderBy]) -> bool {
    order.first().is_some_and(|first| first.expr == Expr::own("_id") && first.descending)
}

fn single<'a>(asked: &'a Asked<'_>, name: &str) -> Result<Option<&'a str>, Fault> {
    let mut values = asked.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (found, None) => Ok(found.map(String::as_str)),
        (_, Some(_)) => Err(Fault::new(Kind::Query, "It stands more than once").at(name)),
    }
}

fn number(
    asked: &Asked<'_>,
    name: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>, Fault> {
    let Some(text) = single(asked, name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let digits = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.map(Some).ok_or_else(|| {
        let reason = match *range.end() {
            usize::MAX => "A whole number is expected".to_owned(),
            most => format!("A whole number of {} to {most} is expected", range.start()),
        };
        Fault::new(Kind::Query, reason).at(name)
    })
}

/// The answer to `GET /exports`.
pub async fn page(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
) -> Result<axum::response::Response, Fault> {
    let ask = Ask::read(app, asked)?;
    let mut page = Page { ask: &ask, skipped: 0, lines: Vec::new(), bytes: 0, more: false };
    match &ask.order {
        None => scan(app, caller, |export| page.take(&export)).await?,
        Some(order) => sorted(app, caller, order, &mut page).await?,
    }
    Ok(page.answer(asked.headers))
}

/// Shows the org's exports, the newest first, until `see` has enough.
async fn scan(
    app: &App,
    caller: &Caller,
    mut see: impl FnMut(Export) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut before = None;
    let mut seen = 0;
    loop {
        let filter = ListFilter {
            tenant: caller.who.tenant.clone(),
            dialect: Some(ID.to_owned()),
            states: Vec::new(),
            session: None,
            label: None,
            before,
            kept_at: None,
            most: limits::PAGE_MAX,
        };
        let exports = app.exports.list(&caller.who, filter).await?;
        let count = exports.len();
        for export in exports {
            before = Some(export.id);
            if is_there(&export, app.exports.now()) && !see(export)? {
                return Ok(());
            }
        }
        seen += count;
        if count < limits::PAGE_MAX as usize {
            return Ok(());
        }
        if seen >= SCANNED_MAX {
            let reason = format!(
                "More than {SCANNED_MAX} exports would be looked at: page by \
                 where={{\"_id\":{{\"$lt\":...}}}} and the usual order"
            );
            return Err(Fault::new(Kind::TooLarge, reason));
        }
    }
}

/// Fills a page in another order.
async fn sorted(
    app: &App,
    caller: &Caller,
    order: &[OrderBy],
    page: &mut Page<'_>,
) -> Result<(), Fault> {
    let mut all: Vec<(Vec<Option<Value>>, ExportId)> = Vec::new();
    let ask = page.ask;
    scan(app, caller, |export| {
        if let Some(echo) = echo(&export).filter(|_| ask.fits(&export)) {
            let document = document(&export, &echo);
            let key = |key: &OrderBy| match &key.expr {
                Expr::Field(path) => own::at(path, &document).cloned(),
                _ => None,
            };
            all.push((order.iter().map(key).collect(), export.id));
        }
        Ok(true)
    })
    .await?;
    all.sort_by(|(left, _), (right, _)| {
        let pairs = order.iter().zip(left.iter().zip(right));
        let mut orders = pairs.map(|(key, (left, right))| {
            let order = own::order(left.as_ref(), right.as_ref());
            if key.descending { order.reverse() } else { order }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    for (_, id) in all.into_iter().skip(ask.skip) {
        page.skipped = ask.skip;
        let export = match app.exports.get(&caller.who, Some(ID), id).await {
            Ok(export) => export,
            // It went while the others were looked at.
            Err(error) if *error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if is_there(&export, app.exports.now()) && !page.take(&export)? {
            break;
        }
    }
    Ok(())
}

struct Page<'a> {
    ask: &'a Ask,
    skipped: usize,
    lines: Vec<String>,
    bytes: usize,
    more: bool,
}

impl Page<'_> {
    /// Takes an export in; answers whether there is room for more.
    fn take(&mut self, export: &Export) -> Result<bool, Fault> {
        if !self.ask.fits(export) {
            return Ok(true);
        }
        if self.skipped < self.ask.skip {
            self.skipped += 1;
            return Ok(true);
        }
        if self.lines.len() == self.ask.limit {
            self.more = true;
            return Ok(false);
        }
        let Some(document) = self.ask.view.of(export) else { return Ok(true) };
        let line = document.to_string();
        self.bytes += line.len() + 1;
        if self.bytes > PAGE_BYTES_MAX {
            let reason = "The page would be too large: ask for fewer by limit, or for some paths";
            return Err(Fault::new(Kind::TooLarge, reason));
        }
        self.lines.push(line);
        Ok(true)
    }

    fn answer(self, headers: &HeaderMap) -> axum::response::Response {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let accept = accept.unwrap_or_default().trim_start().to_ascii_lowercase();
        if accept.starts_with("application/x-ndjson") {
            let mut body = String::with_capacity(self.bytes);
            for line in &self.lines {
                // Writing to a text cannot fail.
                let _ = writeln!(body, "{line}");
            }
            return text_answer(StatusCode::OK, "application/x-ndjson; charset=utf-8", body);
        }
        let body = format!(
            "{{\"object\":\"list\",\"data\":[{}],\"hasMore\":{}}}",
            self.lines.join(","),
            self.more
        );
        text_answer(StatusCode::OK, "application/json; charset=utf-8", body)
    }
}
