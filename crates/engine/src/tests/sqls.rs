//! SQL text: what it may say, what it answers, and what it is refused.

use outhaul_exports::ErrorKind;

use super::kit::{World, refused, select};

#[tokio::test]
async fn names_mean_the_same_in_any_case_and_headings_are_kept() {
    let world = World::new();
    for (text, answer) in [
        (
            "SELECT id, INVOICENUMBER FROM invoice LIMIT 1",
            "Id|InvoiceNumber\nInvoice-ta-0|INV-ta-0",
        ),
        (
            "select i.\"iD\" as \"The Id\", 1 + 1 from Invoices I order by 1 limit 1",
            "The Id|1 + 1\nInvoice-ta-0|2",
        ),
        ("SELECT Invoices.Id FROM Invoices LIMIT 1", "Id\nInvoice-ta-0"),
        (
            "WITH A AS (SELECT Id AS N FROM Account) SELECT a.n AS Total FROM a LIMIT 1",
            "Total\nAccount-ta-0",
        ),
        (
            "SELECT i.Id, a.Name FROM Invoice i JOIN Account a ON a.AccountNumber = 'A-ta-1' \
             WHERE i.InvoiceNumber = 'INV-ta-2'",
            "Id|Name\nInvoice-ta-2|name, \"quoted\" é-ta-1",
        ),
    ] {
        assert_eq!(world.sql("ta", text).await.expect(text).text(), answer, "{text}");
    }
}

#[tokio::test]
async fn a_star_is_the_fields_without_the_optional_ones() {
    let world = World::new();
    let answer = world.sql("ta", "SELECT * FROM Invoice LIMIT 1").await.expect("rows");
    assert_eq!(
        answer.labels.join(","),
        "Id,InvoiceNumber,Amount,Balance,Currency,Status,InvoiceDate,DueDate,CreatedDate,UpdatedDate"
    );
    let answer = world
        .sql("ta", "SELECT c.*, Comments FROM Invoice i CROSS JOIN Contacts c LIMIT 1")
        .await
        .expect("rows");
    assert_eq!(answer.labels.len(), 8);
    assert_eq!(answer.labels[7], "Comments");
}

#[tokio::test]
async fn deleted_rows_and_sensitive_values_are_not_there() {
    let world = World::new();
    let answer = world.sql("ta", "SELECT count(*) AS n FROM Invoice").await.expect("rows");
    assert_eq!(answer.text(), "n\n18");
    let answer = world
        .sql("ta", "SELECT DISTINCT AchAccountNumber FROM PaymentMethod ORDER BY 1")
        .await
        .expect("rows");
    assert_eq!(answer.text(), "AchAccountNumber\n*****\nNULL");
}

#[tokio::test]
async fn the_present_is_the_moment_of_the_snapshot() {
    let world = World::new();
    for (condition, rows) in [
        ("CreatedDate < now()", 20),
        ("CreatedDate > now() - interval '7 days'", 0),
        ("CAST(CreatedDate AS DATE) < current_date", 20),
        ("now() - now() = interval '0 seconds'", 20),
    ] {
        let text = format!("SELECT count(*) AS n FROM Contact WHERE {condition}");
        let answer = world.sql("ta", &text).await.expect(condition);
        assert_eq!(answer.text(), format!("n\n{rows}"), "{condition}");
        let mut query = select("Contact", &["Id"]);
        query.where_sql = Some(condition.to_owned());
        let answer = world.select("ta", &query).await.expect(condition);
        assert_eq!(answer.rows.len(), rows, "{condition}");
    }
}

#[tokio::test]
async fn arithmetic_is_exact_or_an_error() {
    let world = World::new();
    for (text, answer) in [
        ("SELECT 0.1 + 0.2 AS x", "x\n0.3"),
        ("SELECT sum(Amount) AS x FROM Invoice", "x\n722.24"),
        ("SELECT avg(BillCycleDay) AS x FROM Account", "x\n29.357143"),
        ("SELECT sum(DISTINCT BillCycleDay % 10) AS x FROM Account", "x\n45"),
        (
            "SELECT sum(BillCycleDay) OVER (ORDER BY CreatedDate ROWS 1 PRECEDING) AS x
             FROM Account ORDER BY CreatedDate LIMIT 4",
            "x\n0\n0\n6\n15",
        ),
        (
            "SELECT avg(CAST(0.11111111111111111111111111111111111111 AS DECIMAL(38, 38))) AS x
             FROM Account WHERE Id = 'Account-ta-0'",
            "x\n0.11111111111111111111111111111111111111",
        ),
        ("SELECT -BillCycleDay AS x FROM Account WHERE Id = 'Account-ta-2'", "x\n-6"),
    ] {
        assert_eq!(world.sql("ta", text).await.expect(text).text(), answer, "{text}");
    }
    for text in [
        "SELECT 9223372036854775807 + 1 AS x",
        "SELECT BillCycleDay + 9223372036854775807 AS x FROM Account",
        "SELECT BillCycleDay * 4611686018427387904 AS x FROM Account",
        "SELECT 0 - 9223372036854775807 - 2 - BillCycleDay AS x FROM Account",
        "SELECT sum(BillCycleDay * 0 + 9223372036854775807) AS x FROM Account",
    ] {
        let error = refused(world.sql("ta", text).await);
        assert!(error.to_string().contains("overflow"), "{text}: {error}");
    }
    let error =
        refused(world.sql("ta", "SELECT 1 / (BillCycleDay - BillCycleDay) FROM Account").await);
    assert_eq!(error.to_string(), "division by zero");
}

#[tokio::test]
async fn errors_use_the_customers_own_words() {
    let world = World::new();
    for (text, kind, says) in [
        (
            "SELECT Amonut FROM Invoice",
            ErrorKind::UnknownField { name: "Amonut".into() },
            "there is no field named Amonut (did you mean Amount?)",
        ),
        (
            "SELECT x.Nothing FROM Invoice X",
            ErrorKind::UnknownField { name: "x.Nothing".into() },
            "there is no field named x.Nothing",
        ),
        (
            "SELECT 1 FROM Invioce",
            ErrorKind::UnknownObject { name: "Invioce".into() },
            "there is no object named Invioce (did you mean Invoice?)",
        ),
        (
            "SELECT Id FROM Invoice, Account",
            ErrorKind::Invalid { field: "query".into() },
            "more than one table",
        ),
    ] {
        let error = refused(world.sql("ta", text).await);
        assert!(
            error.to_string().starts_with(says) || error.to_string().contains(says),
            "{text}: {error}"
        );
        assert_eq!(error.kind(), &kind, "{text}");
    }
}

/// Statements that must be refused: one a line in a file, with a word of the answer.
#[tokio::test]
async fn the_corpus_is_refused() {
    let world = World::new();
    let corpus = include_str!("refused.sql");
    let mut cases = 0;
    for line in corpus.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let (text, says) = line.split_once(" --> ").unwrap_or((line, ""));
        let error = refused(world.sql("ta", text).await);
        assert!(!matches!(error.kind(), ErrorKind::Internal), "{text}: {}", error.chain());
        assert!(error.to_string().contains(says), "{text}: {error}");
        for secret in ["-tb-", "-tc-", "/tmp", "Exec", "source://"] {
            assert!(!error.to_string().contains(secret), "{text}: {error}");
        }
        cases += 1;
    }
    assert!(cases >= 80, "only {cases} statements");
}

#[tokio::test]
async fn long_chains_and_deep_nesting_are_refused_and_do_not_crash() {
    let world = World::new();
    let chain = |term: &str, by: &str, n: usize| vec![term; n].join(by);
    let cases = [
        (format!("SELECT {} AS x", chain("1", "+", 400)), None),
        (format!("SELECT {} AS x", chain("1", "+", 501)), Some("chain")),
        (format!("SELECT {} AS x", chain("1", "+", 9_000)), Some("chain")),
        (format!("SELECT {} AS x", chain("'a'", "||", 3_000)), Some("chain")),
        (format!("SELECT 1 AS x FROM Invoice WHERE {}", chain("Id = 'a'", " OR ", 450)), None),
        (
            format!("SELECT 1 AS x FROM Invoice WHERE {}", chain("Id='a'", " AND ", 1_500)),
            Some("chain"),
        ),
        (format!("SELECT {}1{} AS x", "(".repeat(200), ")".repeat(200)), Some("nests")),
        (format!("SELECT {}1 AS x", "- ".repeat(5_000)), Some("")),
        (format!("SELECT {} true AS x", "NOT ".repeat(4_000)), Some("")),
        (chain("SELECT 1", " UNION ALL ", 101), Some("SELECTs")),
        (format!("SELECT 1 FROM {}", chain("Contact", ",", 32)), Some("joins")),
        (format!("SELECT 1 FROM Contact WHERE Id IN ({})", chain("'a'", ",", 4_000)), None),
        (format!("SELECT '{}' AS x", "a".repeat(20_001)), Some("longer than 20000")),
        (format!("SELECT {}", chain("1", ",", 2_001)), Some("columns")),
    ];
    for (text, says) in cases {
        let short: String = text.chars().take(60).collect();
        let result = world.sql("ta", &text).await;
        match says {
            Some(says) => {
                let error = refused(result);
                assert!(error.to_string().contains(says), "{short}: {error}");
            }
            None => assert!(result.is_ok(), "{short}: {:?}", result.err()),
        }
    }
}
