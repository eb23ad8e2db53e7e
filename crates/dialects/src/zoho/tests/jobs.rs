//! What becomes of CONFIG: the job that is stored.

use outhaul_exports::query::{Expr, Protection, Query, Select};
use outhaul_exports::spec::Packing;

use super::*;

/// What is stored of a new job of a view.
async fn made(view: &str, config: Value) -> Export {
    made_by(&Server::new().await, view, config).await
}

async fn made_by(server: &Server, view: &str, config: Value) -> Export {
    let number = server.create_of(view, &config).await;
    server.stored("acme", &number).await
}

fn select(export: &Export) -> &Select {
    match &export.spec.queries[0].query {
        Query::Select(select) => select,
        Query::Sql { text } => panic!("it is a statement: {text}"),
    }
}

fn statement(export: &Export) -> &str {
    match &export.spec.queries[0].query {
        Query::Sql { text } => text,
        Query::Select(_) => panic!("it is no statement"),
    }
}

/// The headings of a table's columns, with a star for those that are masked.
fn headings(export: &Export) -> Vec<String> {
    let columns = select(export).columns.iter().map(|column| {
        let Expr::Field(path) = &column.expr else { panic!("it is a column of its own") };
        assert!(!path.to_string().contains('.'), "{path}");
        match column.protection {
            Protection::Plain => column.label.clone(),
            Protection::Masked => format!("*{}", column.label),
            Protection::Sealed => panic!("nothing is sealed here"),
        }
    });
    columns.collect()
}

#[tokio::test]
async fn without_config_a_job_is_all_of_a_view_as_csv() {
    let export = made("Account", json!({})).await;
    assert_eq!((export.dialect.as_str(), export.tenant.to_string().as_str()), ("zoho", "acme"));
    assert_eq!((export.spec.format.id.as_str(), export.spec.packing), ("csv", Packing::None));
    let options = json!({ "delimiter": ",", "line_end": "crlf", "quoting": "needed", "header": true, "bom": false });
    assert_eq!(Value::from(export.spec.format.options.clone()), options);
    assert_eq!(export.spec.label.as_deref(), Some("Account"));
    assert_eq!((&export.spec.password, export.spec.notices.len()), (&None, 0));
    let catalog = testing::catalog();
    let labels: Vec<_> = catalog
        .require("Account")
        .expect("it is there")
        .fields
        .iter()
        .map(|f| f.label.clone())
        .collect();
    assert_eq!(headings(&export), labels);
    assert_eq!(select(&export).where_sql, None);
}

#[tokio::test]
async fn csv_is_written_as_config_says() {
    for (config, option, value) in [
        (json!({ "delimiter": 0 }), "delimiter", json!(",")),
        (json!({ "delimiter": "1" }), "delimiter", json!("\t")),
        (json!({ "delimiter": 2 }), "delimiter", json!(";")),
        (json!({ "delimiter": 3 }), "delimiter", json!(" ")),
        (json!({ "delimiter": 4 }), "delimiter", json!("|")),
        (json!({ "recordDelimiter": 0 }), "line_end", json!("crlf")),
        (json!({ "recordDelimiter": 1 }), "line_end", json!("lf")),
        (json!({ "recordDelimiter": "2" }), "line_end", json!("cr")),
        (json!({ "quoted": 0 }), "quoting", json!("all_single")),
        (json!({ "quoted": 1 }), "quoting", json!("all")),
        (json!({ "quoted": null }), "quoting", json!("needed")),
        (json!({ "includeHeader": false }), "header", json!(false)),
        (json!({ "includeHeader": "False" }), "header", json!(false)),
        (json!({ "includeHeader": "true" }), "header", json!(true)),
    ] {
        let export = made("Account", config.clone()).await;
        assert_eq!(export.spec.format.options.get(option), Some(&value), "{config}");
    }
    let server = Server::with(json!({ "csv_bom": true })).await;
    let export = made_by(&server, "Account", json!({})).await;
    assert_eq!(export.spec.format.options.get("bom"), Some(&json!(true)));
}

#[tokio::test]
async fn formats_are_named_in_any_case() {
    for (word, id) in [
        ("CSV", "csv"),
        ("Json", "json"),
        ("XML", "xml"),
        ("xls", "xlsx"),
        ("XLS", "xlsx"),
        ("pdf", "pdf"),
        ("Html", "html"),
    ] {
        let export = made("Account", json!({ "responseFormat": word })).await;
        assert_eq!(export.spec.format.id, id, "{word}");
        let export = made("Totals", json!({ "responseFormat": word })).await;
        assert_eq!(export.spec.format.id, id, "{word} of a saved query");
    }
}

#[tokio::test]
async fn json_and_xml_have_two_shapes_each() {
    let path = server_path();
    let criteria = "\"Account Name\" = 'a\"b\\c' or Id = '$rows'";
    for (config, option, value) in [
        (json!({ "responseFormat": "json" }), "document", json!("{\"data\":$rows}")),
        (json!({ "responseFormat": "json" }), "row", json!("object")),
        (json!({ "responseFormat": "json", "keyValueFormat": true }), "strings", json!(true)),
        (
            json!({ "responseFormat": "json", "keyValueFormat": false }),
            "document",
            json!(format!(
                "{{\"response\":{{\"uri\":\"{path}\",\"action\":\"EXPORT\",\"result\":{{\"column_order\":$columns,\"rows\":$rows}}}}}}"
            )),
        ),
        (json!({ "responseFormat": "json", "keyValueFormat": "false" }), "row", json!("array")),
        (
            json!({ "responseFormat": "json", "keyValueFormat": false, "criteria": criteria }),
            "document",
            json!(format!(
                "{{\"response\":{{\"uri\":\"{path}\",\"action\":\"EXPORT\",\"criteria\":{},\"result\":{{\"column_order\":$columns,\"rows\":$rows}}}}}}",
                json!(criteria)
            )),
        ),
        (
            json!({ "responseFormat": "xml" }),
            "around",
            json!([{ "name": "response", "attributes": [["uri", path], ["action", "EXPORT"]] }, { "name": "result" }, { "name": "rows" }]),
        ),
        (json!({ "responseFormat": "xml" }), "columns", json!("named")),
        (
            json!({ "responseFormat": "xml", "keyValueFormat": true }),
            "around",
            json!([{ "name": "result" }, { "name": "rows" }]),
        ),
        (json!({ "responseFormat": "xml", "keyValueFormat": true }), "declaration", json!(false)),
    ] {
        let export = made("Account", config.clone()).await;
        assert_eq!(export.spec.format.options.get(option), Some(&value), "{config}");
    }
}

/// The path of a job of the view Account.
fn server_path() -> String {
    view_path("Account").replace("{{Account}}", &view_id(WORKSPACE, "Account"))
}

#[tokio::test]
async fn columns_come_in_their_order_and_without_what_nobody_asked_for() {
    let hidden = "Comments";
    let all = made("Invoice", json!({})).await;
    assert!(headings(&all).iter().any(|name| name == hidden));
    for (view, config, expected) in [
        ("Invoice", json!({ "selectedColumns": ["Status", "Id"] }), vec!["Status", "Id"]),
        ("Invoice", json!({ "selectedColumns": ["Id", "Id"] }), vec!["Id", "Id"]),
        // By the name that people read, and by that of the API.
        (
            "Account",
            json!({ "selectedColumns": ["Account Name", "MRR"] }),
            vec!["Account Name", "MRR"],
        ),
        ("Account", json!({ "selectedColumns": ["Name", "Mrr"] }), vec!["Account Name", "MRR"]),
        // A column that is named comes, hidden or not.
        (
            "Invoice",
            json!({ "selectedColumns": ["Comments"], "showHiddenCols": false }),
            vec!["Comments"],
        ),
        ("PaymentMethod", json!({}), vec!["Id", "Type", "Updated Date"]),
        (
            "PaymentMethod",
            json!({ "showPersonalCols": true }),
            vec!["Id", "Type", "*Ach Account Number", "Updated Date"],
        ),
        (
            "PaymentMethod",
            json!({ "selectedColumns": ["Ach Account Number"] }),
            vec!["*Ach Account Number"],
        ),
    ] {
        let export = made(view, config.clone()).await;
        assert_eq!(headings(&export), expected, "{config}");
    }
    for (settings, config, comes) in [
        (json!({}), json!({ "showHiddenCols": true }), true),
        (json!({}), json!({ "showHiddenCols": "false" }), false),
        (json!({}), json!({ "responseFormat": "html" }), false),
        (json!({}), json!({ "responseFormat": "html", "showHiddenCols": true }), true),
        (json!({ "show_hidden_columns": false }), json!({}), false),
        (json!({ "show_hidden_columns": false }), json!({ "showHiddenCols": true }), true),
    ] {
        let server = Server::with(settings.clone()).await;
        let export = made_by(&server, "Invoice", config.clone()).await;
        let found = headings(&export).iter().any(|name| name == hidden);
        assert_eq!(found, comes, "{settings} {config}");
    }
}

#[tokio::test]
async fn criteria_become_a_condition_in_the_catalog_s_names() {
    for (config, condition) in [
        (r#""Account Name" = 'it''s'"#, r#""Name" = 'it''s'"#),
        (r#"Balance > 5 and "MRR" is not null"#, r#""Balance" > 5 AND "Mrr" IS NOT NULL"#),
        (r#""Account"."Account Name" in ('a', 'b')"#, r#""Name" IN ('a', 'b')"#),
    ] {
        let export = made("Account", json!({ "criteria": config })).await;
        assert_eq!(select(&export).where_sql.as_deref(), Some(condition), "{config}");
    }
    let config = json!({ "criteria": "n > 5", "selectedColumns": ["n", "Total Amount"] });
    let export = made("Totals", config).await;
    let text = statement(&export);
    assert!(text.ends_with(r#"WHERE "t"."c2" > 5"#), "{text}");
    assert!(text.contains(r#"SELECT "t"."c2" AS "n", "t"."c3" AS "Total Amount""#), "{text}");
    assert_eq!(export.spec.label.as_deref(), Some("Totals"));
}

#[tokio::test]
async fn statements_are_written_anew_and_narrowed() {
    let server = Server::new().await;
    let config = json!({
        "sqlQuery": "select a.\"Account Name\", count(*) from Account a join Invoice i on i.Status = a.Id group by 1",
        "tableCriteriaList": [
            { "viewId": server.word("Account"), "criteria": "Balance > 5" },
            { "viewId": server.word("Invoice").parse::<u64>().ok(), "criteria": "Status = 'Posted'" },
        ],
    });
    let number = number_of(&server.try_statement(&config).await);
    let export = server.stored("acme", &number).await;
    let text = statement(&export);
    for part in
        [r#"FROM "Account" WHERE ("Balance" > 5)"#, r#"FROM "Invoice" WHERE ("Status" = 'Posted')"#]
    {
        assert!(text.contains(part), "{text}");
    }
    let asked = server.world.planner.asked();
    let (scope, query) = asked.last().expect("the engine was asked");
    assert_eq!(
        (scope.tenant().to_string().as_str(), query),
        ("acme", &export.spec.queries[0].query)
    );
}

#[tokio::test]
async fn what_the_engine_refuses_has_the_code_of_its_text() {
    let server = Server::new().await;
    // It says it of a condition in its own words, and of a statement.
    let answer = server.try_create(&json!({ "criteria": "\"Account Name\" = 'BROKEN'" })).await;
    assert_eq!(answer.trouble(), (400, 7327));
    let answer =
        server.try_statement(&json!({ "sqlQuery": "select Id as \"BROKEN\" from Account" })).await;
    assert_eq!(answer.trouble(), (400, 7403));
    let path = format!(
        "{}?{}",
        view_path("Totals"),
        parameter(&json!({ "criteria": "Status = 'BROKEN'" }))
    );
    assert_eq!(server.get(&path).await.trouble(), (400, 7327));
    server.world.planner.set_away(true);
    let away = server.try_statement(&json!({ "sqlQuery": "select Id from Account" })).await;
    assert_eq!((away.trouble(), away.header("retry-after")), ((503, 7005), "5"));
    assert!(server.all_jobs("acme").await.is_empty());
}

#[tokio::test]
async fn keys_that_are_not_known_are_passed_over_or_refused() {
    let stray = json!({ "responseFormat": "csv", "Stray": { "a": [1, null] }, "width": "x" });
    made("Account", stray.clone()).await;
    let server = Server::with(json!({ "strict_config": true })).await;
    let refused = server.try_create(&stray).await;
    assert_eq!(refused.trouble(), (400, 8080));
    assert!(refused.text().contains("Stray"));
    let statement = json!({ "sqlQuery": "select Id from Account", "Stray": 1 });
    assert_eq!(server.try_statement(&statement).await.trouble(), (400, 8080));
    made_by(&server, "Account", json!({ "responseFormat": "csv", "width": 500 })).await;
}

#[tokio::test]
async fn config_is_decoded_once() {
    let server = Server::new().await;
    let name = r#"{"criteria":"\"Account Name\" = 'a+b %41&=é'"}"#;
    let path = format!("{}?CONFIG=", view_path("Account"));
    let condition = async |answer: Answer| {
        let number = number_of(&answer);
        let export = server.stored("acme", &number).await;
        server.cancel(&number).await;
        select(&export).where_sql.clone().expect("it has one")
    };
    let whole = r#""Name" = 'a+b %41&=é'"#;
    assert_eq!(condition(server.get(&format!("{path}{}", encoded(name))).await).await, whole);
    // Blanks as plus signs, the rest as it must be.
    let plus = encoded(name).replace("%20", "+");
    assert_eq!(condition(server.get(&format!("{path}{plus}")).await).await, whole);
    assert_eq!(
        condition(server.ask("POST", &view_form("Account"), &format!("CONFIG={plus}")).await).await,
        whole
    );
    // A plus sign that is not encoded is a blank.
    let raw = plus.replace("%2B", "+");
    let blank = r#""Name" = 'a b %41&=é'"#;
    assert_eq!(condition(server.get(&format!("{path}{raw}")).await).await, blank);
    // Twice is an error, in the address and in a form.
    let twice = encoded(&encoded(name));
    assert_eq!(server.get(&format!("{path}{twice}")).await.trouble(), (400, 8080));
    let form = server.ask("POST", &view_form("Account"), &format!("CONFIG={twice}")).await;
    assert_eq!(form.trouble(), (400, 8080));
}

#[tokio::test]
async fn what_is_too_long_for_an_address_goes_into_a_form() {
    let server = Server::new().await;
    // A letter of two bytes needs six characters of an address.
    let text =
        |count: usize| json!({ "criteria": format!("\"Account Name\" = '{}'", "é".repeat(count)) });
    let fits = server.try_create(&text(10_000)).await;
    number_of(&fits);
    let long = server.try_create(&text(10_850)).await;
    assert_eq!(long.trouble(), (414, 8507));
    assert!(long.text().contains("as a form"), "{}", long.text());
    let long = server
        .try_statement(
            &json!({ "sqlQuery": format!("select Id from Account{}", " ".repeat(21_700)) }),
        )
        .await;
    assert_eq!(long.trouble(), (414, 8507));
    assert_eq!(server.all_jobs("acme").await.len(), 1);
    let form =
        async |path: &str, config: &Value| server.ask("POST", path, &parameter(config)).await;
    number_of(&form(&view_form("Account"), &text(10_850)).await);
    number_of(&form(&view_form("Account"), &text(19_000)).await);
    let statement = json!({ "sqlQuery": format!("select Id from Account{}", " ".repeat(90_000)) });
    number_of(&form(SQL_FORM, &statement).await);
    // One SDK has CONFIG in the address whatever the method.
    let beside =
        format!("{SQL_FORM}?{}", parameter(&json!({ "sqlQuery": "select Id from Account" })));
    number_of(&server.ask("POST", &beside, "").await);
}

#[tokio::test]
async fn a_form_that_cannot_be_read_makes_no_job() {
    let server = Server::new().await;
    let path = server.filled(&view_form("Account"));
    let send = async |coding: &str, body: Vec<u8>| {
        let mut request = server.request_of("acme", "POST", &path);
        if !coding.is_empty() {
            request = request.header("Content-Encoding", coding);
        }
        server.send(request.body(Body::from(body)).expect("a request")).await.trouble()
    };
    assert_eq!(send("", b"CONFIG=\xff\xfe".to_vec()).await, (400, 8080));
    assert_eq!(send("", b"CONFIG=%ff".to_vec()).await, (400, 8080));
    assert_eq!(send("br", b"CONFIG={}".to_vec()).await, (415, 8080));
    assert_eq!(send("gzip", b"CONFIG={}".to_vec()).await, (400, 8080));
    assert_eq!(send("gzip, gzip", b"CONFIG={}".to_vec()).await, (415, 8080));
    let most = outhaul_exports::limits::BODY_BYTES_MAX;
    assert_eq!(send("", vec![b'a'; most + 1]).await, (413, 8507));
    assert!(server.all_jobs("acme").await.is_empty());
}

#[tokio::test]
async fn a_creation_may_wait_for_the_end_of_its_job() {
    let server = Server::with(json!({ "hold_millis": 60_000 })).await;
    let config = json!({});
    let (created, done) = tokio::join!(server.create(&config), async {
        loop {
            match server.world.start_next().await {
                Some(export) => {
                    break server.world.complete(&export, &[("x.csv", "text/csv", b"Id\n")]).await;
                }
                None => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(server.stored("acme", &created).await.id, done.id);
    assert_eq!(server.job(&created).await["jobCode"], "1004", "the first look finds it completed");
}

#[tokio::test]
async fn ids_are_the_same_after_a_restart() {
    let (one, other) = (Server::new().await, Server::new().await);
    assert_eq!(one.word("Account"), other.word("Account"));
    let views = one.get("/restapi/v2/workspaces/5001/views").await.data();
    assert_eq!(views, other.get("/restapi/v2/workspaces/5001/views").await.data());
    let directory =
        directory(section(), &testing::tenant("acme"), &testing::catalog()).expect("it is right");
    assert_eq!((directory.org_id.as_str(), directory.workspace_id.as_str()), (ORG, WORKSPACE));
    assert_eq!(directory.views["Invoice"], one.word("Invoice"));
    for view in views["views"].as_array().expect("a list") {
        let id = view["viewId"].as_str().expect("a text");
        assert!(id.parse::<i64>().is_ok_and(|id| id > 0), "{view}");
    }
}
