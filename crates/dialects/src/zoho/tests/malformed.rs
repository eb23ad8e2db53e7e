//! Ten thousand texts that are nearly right, through the router: none is answered with a 5xx, and
//! what is accepted names nothing but what the catalog has, for the tenant that asked.
//!
//! Each is a good CONFIG, criteria, statement or form with some changes: pieces are left out, put in,
//! doubled, exchanged, and taken from another one.

use std::collections::HashSet;
use std::ops::ControlFlow;

use outhaul_exports::query::{Expr as Value_, Query};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sqlparser::ast::{Expr, ObjectName, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use super::*;

const CRITERIA: &[&str] = &[
    r#""Account Name" = 'it''s' and ("Balance" > 1.50 or "MRR" is not null)"#,
    r#""Account"."Account Name" in ('a', 'b', 'c') and not Balance between 1 and 10"#,
    r#"year("Created Date") = 2026 and "Auto Pay" = true"#,
    r#""Created Date" >= '01-Jan-2026' and upper("Currency") like 'U%'"#,
    r#"if(Balance > 5, 'x', concat(Id, 'y')) = 'x' or case when MRR is null then 1 else 0 end = 1"#,
    r#"(("Bill Cycle Day" + 1) * 2 - 3) / 4 <> -5 -- the end"#,
];

const STATEMENTS: &[&str] = &[
    r#"select * from Account"#,
    r#"select "Account Name", `Balance` * 2 as "Twice" from "Account" a where a.MRR > 1 order by 2 desc limit 10 offset 5"#,
    r#"select Status, count(*), sum(Amount) as "Total" from Invoice group by Status having "Total" > 5"#,
    r#"select c.Country, i.Id from Contact c left join Invoice i on i.Status = c.Id where c.Country in (select Name from Account)"#,
    r#"with r as (select Id, Amount from Invoice) select r.Id from r union all select Id from Account"#,
    r#"select year("Invoice Date") y, group_concat(distinct Status separator '|') from Invoice group by y"#,
    r#"select t.n, x.m from Totals t, (select max(Amount) m from Invoice) x where exists (select 1 from Account)"#,
    r#"select date_format("Created Date", '%Y-%m'), ifnull("Ach Account Number", '') from PaymentMethod, Account"#,
];

const CONFIGS: &[&str] = &[
    r#"{"responseFormat": "csv", "criteria": "\"Account Name\" = 'x'", "selectedColumns": ["Id", "Balance"], "delimiter": 1, "quoted": 0}"#,
    r#"{"responseFormat": "JSON", "keyValueFormat": "false", "password": "abcdef", "showHiddenCols": true, "callbackUrl": "https://example.com/done"}"#,
    r#"{"responseFormat": "pdf", "paperSize": 4, "leftMargin": 0.5, "rightFooter": 5, "rightFooterText": "x", "columnWidthRatio": 2}"#,
    r#"{"sqlQuery": "select Id from Invoice", "responseFormat": "html", "includeTitle": 1, "tableCriteriaList": [{"viewId": "{{Invoice}}", "criteria": "Amount > 1"}]}"#,
    r#"{"sqlQuery": "select count(*) from Account", "responseFormat": "xls", "includeHeader": false}"#,
    r#"{"viewTypes": [0, 6], "keyword": "a", "startIndex": 1, "noOfResult": 2, "sortedColumn": 0, "sortedOrder": 1, "workspaceName": "Sales", "viewName": "Account"}"#,
];

const FORMS: &[&str] = &[
    "CONFIG=%7B%22responseFormat%22%3A+%22csv%22%2C+%22criteria%22%3A+%22Balance+%3E+1%22%7D&x=y",
    "CONFIG=%7B%22sqlQuery%22%3A%22select%20Id%20from%20Account%22%7D",
    "ZOHO_ACTION=EXPORT&ZOHO_OUTPUT_FORMAT=CSV&ZOHO_CRITERIA=Balance%20%3E%201&ZOHO_DELIMITER=1",
    "ZOHO_ACTION=EXPORT&ZOHO_SQLQUERY=select+Id+from+Account&ZOHO_SHOW_HIDDENCOLS=true",
    "grant_type=refresh_token&refresh_token=1000.acme.refresh&client_id=1000.ACME&client_secret=x",
];

/// What is put in.
const PIECES: &[&str] = &[
    "",
    " ",
    "\"",
    "'",
    "`",
    "\\",
    "\\\"",
    "''",
    ",",
    ".",
    ";",
    ":",
    "(",
    ")",
    "((((((((",
    "))))",
    "[",
    "]",
    "{",
    "}",
    "[[[[[[[[",
    "*",
    "%",
    "%%",
    "&",
    "=",
    "+",
    "-",
    "--",
    "/*",
    "*/",
    "/*!",
    "#",
    "?",
    "@",
    "@@version",
    "$1",
    "||",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\0",
    "\u{7}",
    "\r\n",
    "\u{202e}",
    "\u{feff}",
    "\u{e9}",
    "\u{1f511}",
    "%00",
    "%ff",
    "%2522",
    "CONFIG=",
    " or 1=1",
    " and ",
    " not ",
    " in ",
    " is null ",
    " like ",
    " between ",
    " as ",
    " select ",
    " from ",
    " where ",
    " union select \"Ach Account Number\" from PaymentMethod ",
    " union all ",
    " group by ",
    " order by ",
    " limit 1 ",
    " join ",
    " on ",
    " with x as (",
    " over (order by Id) ",
    " into outfile '/tmp/x' ",
    " for update ",
    "Account",
    "\"Account\"",
    "Invoice",
    "Totals",
    "Broken",
    "tenant",
    "globex",
    "globex.Account",
    "information_schema.tables",
    "pg_catalog.pg_class",
    "sqlite_master",
    "read_csv('/etc/passwd')",
    "load_file('/etc/passwd')",
    "sleep(9)",
    "version()",
    "count(*)",
    "sum(",
    "cast(",
    " as signed)",
    "date_add(",
    "interval 1 day",
    "\"Ach Account Number\"",
    "AchAccountNumber",
    "criteria",
    "sqlQuery",
    "selectedColumns",
    "password",
    "viewId",
    "callbackUrl",
    "https://127.0.0.1/",
    "image",
    "xml",
    "(select max(Amount) from Invoice)",
    "exists (select 1 from Account)",
    "x'00'",
    "b'1'",
    "n'x'",
    "date '2026-01-01'",
];

/// A file: its name, its type and its bytes.
const FILE: (&str, &str, &[u8]) = ("x.csv", "text/csv", b"Id\n");

/// One change: its kind, where, how much, and what with.
type Change = (u8, usize, usize, usize, char);

/// Nearly right texts.
fn nearly(seeds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let one = (0u8..8, any::<usize>(), 0usize..12, any::<usize>(), any::<char>());
    let all = (any::<usize>(), prop::collection::vec(one, 0..6));
    all.prop_map(|(seed, changes)| changed(seeds, seed, &changes))
}

fn changed(seeds: &[&str], seed: usize, changes: &[Change]) -> String {
    let mut text: Vec<char> = seeds[seed % seeds.len()].chars().collect();
    for (kind, at, length, with, letter) in changes {
        let at = at % (text.len() + 1);
        let end = (at + length).min(text.len());
        let piece = PIECES[with % PIECES.len()].chars();
        match kind {
            0 => drop(text.drain(at..end)),
            1 | 2 => drop(text.splice(at..at, piece)),
            3 => drop(text.splice(at..end, piece)),
            4 => {
                let again: Vec<_> = text[at..end].to_vec();
                drop(text.splice(at..at, again));
            }
            5 => text.insert(at, *letter),
            6 => {
                let other: Vec<char> = seeds[with % seeds.len()].chars().collect();
                let from = with % (other.len() + 1);
                text.truncate(at);
                text.extend(&other[from..]);
            }
            _ => text.rotate_left(at),
        }
    }
    text.into_iter().collect()
}

/// A server, and what a job of acme's may name.
struct Bench {
    runtime: tokio::runtime::Runtime,
    server: Server,
    objects: HashSet<String>,
    fields: HashSet<String>,
    accepted: std::cell::Cell<usize>,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("there are threads");
        let server = runtime.block_on(Server::new());
        let catalog = testing::catalog();
        let objects = catalog.objects().map(|object| object.name.clone()).collect();
        let fields = catalog.objects().flat_map(|object| &object.fields);
        let fields = fields.map(|field| field.name.clone()).collect();
        Self { runtime, server, objects, fields, accepted: std::cell::Cell::new(0) }
    }

    /// Sends as many nearly right texts, each to one of these places.
    fn run<T: std::fmt::Debug>(
        &self,
        cases: u32,
        strategy: &impl Strategy<Value = T>,
        send: impl AsyncFn(&Server, &T),
    ) {
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            max_shrink_iters: 500,
            ..ProptestConfig::default()
        };
        let done = TestRunner::new(config).run(strategy, |case| {
            self.runtime.block_on(send(&self.server, &case));
            Ok(())
        });
        if let Err(error) = done {
            panic!("{error}");
        }
        // Whoever asked the engine for whom: it was never for another tenant.
        for (scope, _) in self.server.world.planner.asked() {
            assert_eq!(
                scope,
                outhaul_exports::principal::TenantScope::of(&testing::tenant("acme"))
            );
        }
        assert!(self.runtime.block_on(self.server.all_jobs("globex")).is_empty());
        let accepted = self.accepted.get();
        assert!(accepted * 20 > cases as usize, "only {accepted} of {cases} were accepted");
        assert!(accepted < cases as usize, "nothing was refused");
    }

    /// Checks an answer, and the job that it made, which is gone then.
    async fn check(&self, answer: &Answer) {
        assert!(answer.status < 500, "{} {}", answer.status, answer.text());
        let envelope = answer.header("content-type").starts_with("application/json");
        if answer.status != 200 {
            if answer.json()["response"]["error"]["code"].is_u64() {
                return;
            }
            answer.trouble();
            let json = answer.json();
            let message = json["data"]["errorMessage"].as_str().unwrap_or_default().to_owned();
            assert!(message.chars().count() < 2_500, "{message}");
            return;
        }
        self.accepted.set(self.accepted.get() + 1);
        if !envelope || !answer.data()["jobId"].is_string() {
            return;
        }
        let number = number_of(answer);
        let export = self.server.stored("acme", &number).await;
        self.check_job(&export);
        self.server.cancel(&number).await;
        let now = self.server.world.exports.now();
        let removed = self.server.world.store.remove(&export.tenant, export.id, now).await;
        assert!(removed.expect("memory is never away").is_some());
    }

    fn check_job(&self, export: &Export) {
        assert_eq!(
            export.scope,
            outhaul_exports::principal::TenantScope::of(&testing::tenant("acme"))
        );
        assert_eq!(export.spec.queries.len(), 1);
        assert!(export.spec.notices.len() <= 1);
        match &export.spec.queries[0].query {
            Query::Sql { text } => {
                let parsed = Parser::parse_sql(&GenericDialect {}, text).expect(text);
                assert_eq!(parsed.len(), 1, "{text}");
                assert!(matches!(parsed[0], sqlparser::ast::Statement::Query(_)), "{text}");
                self.check_names(&parsed[0], &self.fields, text);
            }
            Query::Select(select) => {
                let catalog = testing::catalog();
                let object = catalog.require(&select.object).expect("it is one of the catalog's");
                for column in &select.columns {
                    let Value_::Field(path) = &column.expr else { panic!("{column:?}") };
                    assert!(
                        object.fields.iter().any(|field| field.name == path.to_string()),
                        "{path}"
                    );
                }
                if let Some(text) = &select.where_sql {
                    let parser = Parser::new(&GenericDialect {}).try_with_sql(text);
                    let expr = parser.expect(text).parse_expr().expect(text);
                    // Of its own object, and of those only what anybody may see.
                    let seen = object.fields.iter().filter(|field| !field.sensitive);
                    let seen = seen.map(|field| field.name.clone()).collect();
                    self.check_names(&expr, &seen, text);
                }
            }
        }
    }

    fn check_names(&self, parsed: &impl Visit, fields: &HashSet<String>, text: &str) {
        let wrong = self.wrong_names(parsed, fields);
        assert!(wrong.is_empty(), "{wrong:?}: {text}");
    }

    fn wrong_names(&self, parsed: &impl Visit, fields: &HashSet<String>) -> Vec<String> {
        let mut names = Names { objects: &self.objects, fields, wrong: Vec::new() };
        let flow = parsed.visit(&mut names);
        assert!(flow.is_continue(), "it goes on to the end");
        names.wrong
    }
}

/// Gathers names that are neither the catalog's nor made by the dialect.
struct Names<'a> {
    objects: &'a HashSet<String>,
    fields: &'a HashSet<String>,
    wrong: Vec<String>,
}

/// Whether a name is one that the dialect makes: `t1`, `c2`, `w 3`.
fn is_ours(name: &str) -> bool {
    name == "t" || name.trim_start_matches(['t', 'c', 'w', ' ']).bytes().all(|b| b.is_ascii_digit())
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<_> = relation.0.iter().filter_map(|part| part.as_ident()).collect();
        let known = |name: &str| self.objects.contains(name) || is_ours(name);
        if parts.len() != 1 || relation.0.len() != 1 || !known(&parts[0].value) {
            self.wrong.push(relation.to_string());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let parts = match expr {
            Expr::Identifier(name) => std::slice::from_ref(name),
            Expr::CompoundIdentifier(names) => &names[..],
            _ => return ControlFlow::Continue(()),
        };
        let known = |name: &str| self.fields.contains(name) || is_ours(name);
        if parts.len() > 2
            || !parts.iter().all(|part| known(&part.value) && part.quote_style == Some('"'))
        {
            self.wrong.push(expr.to_string());
        }
        ControlFlow::Continue(())
    }
}

/// The answer, while somebody runs whatever job it waits for; the job is gone then.
async fn served(server: &Server, path: &str, body: &str) -> Answer {
    let work = async {
        loop {
            match server.world.start_next().await {
                Some(export) => drop(server.world.complete(&export, &[FILE]).await),
                None => tokio::task::yield_now().await,
            }
        }
    };
    let answer = tokio::select! {
        answer = server.ask("POST", path, body) => answer,
        () = work => unreachable!("it never ends"),
    };
    // On a clock that stands still, the numbers of many jobs would be the same at some time.
    let now = server.world.exports.now();
    for export in server.all_jobs("acme").await {
        let removed = server.world.store.remove(&export.tenant, export.id, now).await;
        assert!(removed.expect("memory is never away").is_some());
    }
    answer
}

#[test]
fn names_that_are_not_the_catalog_s_are_found() {
    let bench = Bench::new();
    for (text, wrong) in [
        ("SELECT \"t1\".\"Id\" AS \"x\" FROM \"Account\" AS \"t1\" ORDER BY 1", vec![]),
        (
            "WITH \"w 2\" AS (SELECT 1 AS \"c1\") SELECT \"t3\".\"c1\" AS \"n\" FROM \"w 2\" AS \"t3\"",
            vec![],
        ),
        ("SELECT \"t1\".\"Id\" AS \"x\" FROM \"Other\" AS \"t1\"", vec!["\"Other\""]),
        ("SELECT 1 AS \"x\" FROM \"globex\".\"Account\"", vec!["\"globex\".\"Account\""]),
        ("SELECT \"t1\".\"tenant\" AS \"x\" FROM \"Account\" AS \"t1\"", vec!["\"t1\".\"tenant\""]),
        ("SELECT Id FROM \"Account\"", vec!["Id"]),
        (
            "SELECT 1 AS \"x\" FROM \"Account\" WHERE \"Id\" IN (SELECT \"secret\" FROM \"Vault\")",
            vec!["\"Vault\"", "\"secret\""],
        ),
    ] {
        let parsed = Parser::parse_sql(&GenericDialect {}, text).expect(text);
        let mut found = bench.wrong_names(&parsed[0], &bench.fields);
        found.sort();
        assert_eq!(found, wrong, "{text}");
    }
}

#[test]
fn criteria_that_are_nearly_right() {
    let bench = Bench::new();
    let case = (nearly(CRITERIA), 0..4usize);
    bench.run(3_000, &case, async |server, (text, of)| {
        let view = ["Account", "Account", "PaymentMethod", "Totals"][*of];
        let config = json!({ "criteria": text, "responseFormat": "json", "keyValueFormat": false });
        let form = parameter(&config);
        bench.check(&server.ask("POST", &view_form(view), &form).await).await;
    });
}

#[test]
fn statements_that_are_nearly_right() {
    let bench = Bench::new();
    let case = (nearly(STATEMENTS), any::<bool>());
    bench.run(3_000, &case, async |server, (text, narrowed)| {
        let mut config = json!({ "sqlQuery": text });
        if *narrowed {
            let filter = json!([{ "viewId": server.word("Account"), "criteria": "Balance > 1" }]);
            config["tableCriteriaList"] = filter;
        }
        bench.check(&server.ask("POST", SQL_FORM, &parameter(&config)).await).await;
    });
}

#[test]
fn configs_that_are_nearly_right() {
    let bench = Bench::new();
    let case = (nearly(CONFIGS), 0..6u8);
    bench.run(3_000, &case, async |server, (text, place)| {
        let text = server.filled(text);
        let form = format!("CONFIG={}", encoded(&text));
        let answer = match place {
            0 => server.get(&format!("{}?{form}", view_path("Account"))).await,
            1 => server.get(&format!("{SQL_PATH}?{form}")).await,
            2 => server.ask("POST", SQL_FORM, &form).await,
            3 => server.get(&format!("/restapi/v2/workspaces/5001/views?{form}")).await,
            4 => server.get(&format!("/restapi/v2/metadetails?{form}")).await,
            _ => server.ask("POST", &view_form("Invoice"), &form).await,
        };
        bench.check(&answer).await;
    });
}

#[test]
fn forms_that_are_nearly_right() {
    let bench = Bench::new();
    let case = (nearly(FORMS), 0..4u8);
    bench.run(1_500, &case, async |server, (form, place)| {
        let answer = match place {
            0 => server.ask("POST", &view_form("Account"), form).await,
            1 => server.ask("POST", SQL_FORM, form).await,
            2 => server.ask("POST", "/oauth/v2/token", form).await,
            _ => served(server, "/api/owner/Sales/Account", form).await,
        };
        if *place == 2 {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let json = answer.json();
            assert!(json["error"].is_string() && json.get("access_token").is_none(), "{json}");
            return;
        }
        bench.check(&answer).await;
    });
}
