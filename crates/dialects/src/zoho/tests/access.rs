//! Who may do what: tokens, the org's header, and what belongs to somebody else.

use http::HeaderValue;

use super::*;

/// Every call but those of tokens and of the older API; `{job}` is a job of acme's.
const CALLS: &[(&str, &str)] = &[
    ("GET", "/restapi/v2/orgs"),
    ("GET", "/restapi/v2/workspaces"),
    ("GET", "/restapi/v2/workspaces/owned"),
    ("GET", "/restapi/v2/workspaces/shared"),
    ("GET", "/restapi/v2/workspaces/{ws}"),
    ("GET", "/restapi/v2/workspaces/{ws}/views"),
    ("GET", "/restapi/v2/workspaces/{ws}/views/{view}/metadata"),
    ("GET", "/restapi/v2/workspaces/{ws}/views/{view}/data"),
    ("GET", "/restapi/v2/workspaces/{ws}/data?CONFIG={sql}"),
    ("GET", "/restapi/v2/workspaces/{ws}/querytables"),
    ("GET", "/restapi/v2/workspaces/{ws}/querytables/{view}"),
    ("GET", "/restapi/v2/workspaces/{ws}/folders"),
    ("GET", "/restapi/v2/views/{view}"),
    ("GET", "/restapi/v2/metadetails?CONFIG={names}"),
    ("GET", "/restapi/v2/recentviews"),
    ("GET", "/restapi/v2/dashboards"),
    ("GET", "/restapi/v2/dashboards/owned"),
    ("GET", "/restapi/v2/dashboards/shared"),
    ("GET", "/restapi/v2/bulk/workspaces/{ws}/views/{view}/data"),
    ("GET", "/restapi/v2/bulk/workspaces/{ws}/data?CONFIG={sql}"),
    ("POST", "/restapi/v2/bulk/workspaces/{ws}/views/{view}/exportjobs"),
    ("POST", "/restapi/v2/bulk/workspaces/{ws}/exportjobs?CONFIG={sql}"),
    ("GET", "/restapi/v2/bulk/workspaces/{ws}/exportjobs/{job}"),
    ("DELETE", "/restapi/v2/bulk/workspaces/{ws}/exportjobs/{job}"),
    ("GET", "/restapi/v2/bulk/workspaces/{ws}/exportjobs/{job}/data"),
];
/// Those that the vendor's SDKs call without the org.
const WITHOUT_ORG: &[&str] = &[
    "/restapi/v2/orgs",
    "/restapi/v2/workspaces",
    "/restapi/v2/workspaces/owned",
    "/restapi/v2/workspaces/shared",
    "/restapi/v2/workspaces/{ws}",
    "/restapi/v2/views/{view}",
    "/restapi/v2/recentviews",
    "/restapi/v2/dashboards",
    "/restapi/v2/dashboards/owned",
    "/restapi/v2/dashboards/shared",
    "/restapi/v2/bulk/workspaces/{ws}/exportjobs/{job}/data",
];
const OLDER: &str = "/api/owner/Sales/Account?ZOHO_ACTION=EXPORT";

/// A call's path, for a workspace, a view and a job.
fn path(call: &str, workspace: &str, view: &str, job: &str) -> String {
    let sql = encoded(r#"{"sqlQuery":"select Id from Account"}"#);
    let names = encoded(r#"{"workspaceName":"Sales"}"#);
    let filled = call.replace("{ws}", workspace).replace("{view}", view).replace("{job}", job);
    filled.replace("{sql}", &sql).replace("{names}", &names)
}

/// The values of `Authorization` that open nothing.
async fn no_tokens(server: &Server) -> Vec<Vec<HeaderValue>> {
    let good = format!("Zoho-oauthtoken {}", server.word("acme"));
    let bearer = |token: &str| format!("Zoho-oauthtoken {token}");
    // Of another API, with the same public half.
    let kind = CredentialKind::ClientSecret;
    server.world.add_credential("native", "acme", Role::Admin, kind, "1000.ACME", SECRET).await;
    let ttl = std::time::Duration::from_secs(3_600);
    let foreign = server.world.exports.grant_token("native", "1000.ACME", SECRET, ttl).await;
    let foreign = foreign.expect("the pair is right").token;
    // Of a credential that is not there any more.
    server.world.add_credential(AUDIENCE, "acme", Role::Admin, kind, "1000.GONE", SECRET).await;
    let revoked = token(&server.world, "1000.GONE").await;
    let revoke = outhaul_exports::ports::AccessStore::revoke_credential(
        &*server.world.store,
        "1000.GONE",
        server.world.exports.now(),
    );
    assert_eq!(revoke.await.expect("memory is never away"), 1);
    let one = [
        String::new(),
        " ".to_owned(),
        "Zoho-oauthtoken".to_owned(),
        "Zoho-oauthtoken ".to_owned(),
        server.word("acme").to_owned(),
        good.replacen(' ', "", 1),
        good.replacen(' ', "=", 1),
        good.replacen("Zoho-oauthtoken", "Zoho-authtoken", 1),
        good.replacen("Zoho-oauthtoken", "Basic", 1),
        format!("{good} {good}"),
        format!("{good},"),
        format!("{good}, {good}"),
        bearer("no-such-token"),
        bearer(&server.word("acme").to_uppercase()),
        bearer(&server.word("acme")[1..]),
        bearer("1000.acme.refresh"),
        bearer("1000.ACME"),
        bearer(SECRET),
        bearer(&foreign),
        bearer(&revoked),
        bearer(&"a".repeat(5_000)),
        bearer("' or 1=1 --"),
    ];
    let mut all: Vec<Vec<HeaderValue>> = vec![vec![]];
    all.extend(one.iter().map(|text| vec![HeaderValue::from_str(text).expect("a header")]));
    all.push(vec![HeaderValue::from_bytes(b"Zoho-oauthtoken \xc3\xa9").expect("a header")]);
    let good = HeaderValue::from_str(&good).expect("a header");
    all.push(vec![good.clone(), good.clone()]);
    all.push(vec![HeaderValue::from_static("Zoho-oauthtoken x"), good]);
    all
}

async fn ask_with(server: &Server, method: &str, path: &str, shown: &[HeaderValue]) -> Answer {
    let mut request = Request::builder().method(method).uri(server.filled(path));
    request = request.header("ZANALYTICS-ORGID", ORG);
    for value in shown {
        request = request.header("Authorization", value);
    }
    server.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_token_that_is_not_live_is_401_and_8535_whatever_is_wrong_with_it() {
    let server = Server::new().await;
    let job = server.create(&json!({})).await;
    let mut bodies = std::collections::BTreeSet::new();
    let shown = no_tokens(&server).await;
    for values in &shown {
        for (method, call) in CALLS {
            let path = path(call, WORKSPACE, "{{Account}}", &job);
            let answer = ask_with(&server, method, &path, values).await;
            assert_eq!(answer.trouble(), (401, 8535), "{method} {call} {values:?}");
            bodies.insert(answer.text());
        }
        let answer = ask_with(&server, "POST", OLDER, values).await;
        assert_eq!(answer.status, 401, "{values:?}");
        assert_eq!(answer.json()["response"]["error"]["code"], 8535, "{values:?}");
    }
    let only = r#"{"data":{"errorCode":8535,"errorMessage":"Invalid Oauthtoken"},"status":"failure","summary":"INVALID_OAUTHTOKEN"}"#;
    let only: Value = serde_json::from_str(only).expect("it is JSON");
    assert_eq!(bodies.len(), 1, "the answer says nothing of the reason: {bodies:?}");
    let body: Value = serde_json::from_str(bodies.first().expect("one")).expect("it is JSON");
    assert_eq!(body, only);
    // Neither is a token taken from elsewhere.
    for place in ["authtoken", "access_token", "Authorization"] {
        let path = format!("/restapi/v2/orgs?{place}={}", server.word("acme"));
        assert_eq!(ask_with(&server, "GET", &path, &[]).await.trouble(), (401, 8535), "{place}");
    }
    assert_eq!(server.all_jobs("acme").await.len(), 1, "nobody made another job");
    assert_eq!(server.job(&job).await["jobCode"], "1001");
}

#[tokio::test]
async fn a_token_is_good_for_its_time_and_in_both_schemes() {
    let server = Server::with(json!({ "token_secs": 60 })).await;
    let query = "grant_type=refresh_token&refresh_token=1000.acme.refresh&client_id=1000.ACME";
    let path = format!("/oauth/v2/token?{query}&client_secret={}", encoded(SECRET));
    let granted = server.ask("POST", &path, "").await.json();
    assert_eq!(granted["expires_in"], 60);
    let token = granted["access_token"].as_str().expect("a text");
    for scheme in ["Zoho-oauthtoken", "zoho-oauthtoken", "ZOHO-OAUTHTOKEN", "Bearer"] {
        let value = HeaderValue::from_str(&format!("{scheme} {token}")).expect("a header");
        let values = std::slice::from_ref(&value);
        assert_eq!(ask_with(&server, "GET", "/restapi/v2/orgs", values).await.status, 200);
    }
    let value = [HeaderValue::from_str(&format!("Zoho-oauthtoken {token}")).expect("a header")];
    server.advance(59);
    assert_eq!(ask_with(&server, "GET", "/restapi/v2/orgs", &value).await.status, 200);
    server.advance(1);
    assert_eq!(ask_with(&server, "GET", "/restapi/v2/orgs", &value).await.trouble(), (401, 8535));
}

#[tokio::test]
async fn the_org_is_named_where_it_must_be_and_is_the_token_s() {
    let server = Server::new().await;
    let job = server.create(&json!({})).await;
    server.complete("Id\r\na1\r\n").await;
    let theirs = server.word("globex_org").to_owned();
    // The calls that wait for a file are left out where they would be let through.
    for (method, call) in CALLS {
        let path = server.filled(&path(call, WORKSPACE, "{{Account}}", &job));
        let free = WITHOUT_ORG.contains(call);
        let ask = async |orgs: &[&str]| {
            let mut request = Request::builder().method(*method).uri(&path);
            let token = format!("Zoho-oauthtoken {}", server.word("acme"));
            request = request.header("Authorization", token);
            for org in orgs {
                request = request.header("ZANALYTICS-ORGID", *org);
            }
            server.send(request.body(Body::empty()).expect("a request")).await
        };
        for absent in [&[][..], &[""], &["  "]] {
            let answer = ask(absent).await;
            match free {
                true => assert_eq!(answer.status, 200, "{method} {call} {}", answer.text()),
                false => assert_eq!(answer.trouble(), (400, 8083), "{method} {call} {absent:?}"),
            }
        }
        assert_eq!(ask(&["77", "77"]).await.trouble(), (400, 8083), "{method} {call}");
        for other in [&theirs[..], "78", "077", "77.0", "x", "-77", "77,77", "99999999999999999999"]
        {
            assert_eq!(ask(&[other]).await.trouble(), (400, 7387), "{method} {call} {other}");
        }
    }
    assert_eq!(server.all_jobs("acme").await.len(), 1);
    let answer = ask_with(&server, "POST", OLDER, &[]).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn another_tenant_s_workspace_views_and_jobs_are_not_there() {
    let server = Server::new().await;
    let path_of = |call: &str, job: &str| {
        path(call, server.word("globex_workspace"), server.word("globex_Account"), job)
    };
    let made = server.ask_as("globex", "POST", &path_of(CALLS[20].1, ""), "").await;
    let theirs = number_of(&made);
    server.complete("Id\r\nsecret of globex\r\n").await;
    let stored = server.stored("globex", &theirs).await;
    for (method, call) in CALLS.iter().filter(|(_, call)| call.contains("{ws}")) {
        let answer = server.ask(method, &path_of(call, &theirs), "").await;
        assert_eq!(answer.trouble(), (404, 7103), "{method} {call}");
    }
    for (method, call) in CALLS.iter().filter(|(_, call)| call.contains("{view}")) {
        let path = path(call, WORKSPACE, server.word("globex_Account"), &theirs);
        assert_eq!(server.ask(method, &path, "").await.trouble(), (404, 7104), "{method} {call}");
    }
    // What is said of a job of theirs is what is said of a number that nobody has.
    let nobodys = JobNumber::draw(server.world.exports.now()).to_string();
    let mut said = Vec::new();
    for number in [&theirs, &nobodys] {
        let job = job_path(number);
        let shown = server.get(&job).await;
        assert_eq!(
            shown.data(),
            json!({ "jobId": number, "jobCode": "1005", "jobStatus": "JOB NOT FOUND" })
        );
        let file = server.get(&format!("{job}/data")).await;
        assert_eq!(file.trouble(), (404, 8120));
        let cancelled = server.ask("DELETE", &job, "").await;
        assert_eq!(cancelled.trouble(), (404, 8120));
        let texts = [shown, file, cancelled].map(|answer| answer.text().replace(number, "N"));
        said.push(texts);
    }
    assert_eq!(said[0], said[1]);
    // A filter of a statement names no view of theirs, in either type.
    for id in [
        json!(server.word("globex_Account")),
        json!(server.word("globex_Account").parse::<u64>().ok()),
    ] {
        let filters = json!([{ "viewId": id, "criteria": "Id = 'x'" }]);
        let config = json!({ "sqlQuery": "select Id from Account", "tableCriteriaList": filters });
        assert_eq!(server.try_statement(&config).await.trouble(), (400, 7571));
    }
    assert_eq!(server.stored("globex", &theirs).await, stored, "nothing happened to it");
    assert!(server.all_jobs("acme").await.is_empty());
    let file =
        format!("{}/data", path_of("/restapi/v2/bulk/workspaces/{ws}/exportjobs/{job}", &theirs));
    let file = server.ask_as("globex", "GET", &file, "").await;
    assert_eq!(file.text(), "Id\r\nsecret of globex\r\n");
}

#[tokio::test]
async fn another_credential_s_job_is_8124() {
    let server = Server::new().await;
    let job = server.create(&json!({})).await;
    let ask = async |who, method, path: &str| server.ask_as(who, method, path, "").await.trouble();
    for state in ["queued", "running", "completed"] {
        let before = server.stored("acme", &job).await;
        for who in ["acme_admin", "acme_reader"] {
            for (method, path) in [
                ("GET", job_path(&job)),
                ("GET", format!("{}/data", job_path(&job))),
                ("DELETE", job_path(&job)),
            ] {
                assert_eq!(ask(who, method, &path).await, (403, 8124), "{state} {who} {method}");
            }
        }
        assert_eq!(server.stored("acme", &job).await, before, "nothing happened to it");
        match state {
            "queued" => drop(server.world.start_next().await),
            "running" => {
                let export = server.stored("acme", &job).await;
                server.world.complete(&export, &[("x.csv", "text/csv", b"Id\n")]).await;
            }
            _ => {}
        }
    }
    // Another token of the same credential is the same user.
    let token = token(&server.world, "1000.ACME").await;
    let value = [HeaderValue::from_str(&format!("Zoho-oauthtoken {token}")).expect("a header")];
    let file = format!("{}/data", job_path(&job));
    assert_eq!(ask_with(&server, "GET", &file, &value).await.text(), "Id\n");
}

#[tokio::test]
async fn who_may_only_look_makes_no_job() {
    let server = Server::new().await;
    for (method, call) in CALLS.iter().filter(|(_, call)| !call.contains("{job}")) {
        let path = path(call, WORKSPACE, "{{Account}}", "");
        let answer = server.ask_as("acme_reader", method, &path, "").await;
        match call.contains("/data") || call.contains("exportjobs") {
            true => assert_eq!(answer.trouble(), (403, 7301), "{method} {call}"),
            false if call.contains("querytables/") => assert_eq!(answer.trouble(), (404, 7104)),
            false => assert_eq!(answer.status, 200, "{method} {call} {}", answer.text()),
        }
    }
    let older = server.ask_as("acme_reader", "POST", OLDER, "").await;
    assert_eq!((older.status, &older.json()["response"]["error"]["code"]), (403, &json!(7301)));
    assert!(server.all_jobs("acme").await.is_empty());
}

#[tokio::test]
async fn what_does_not_ask_for_a_job_makes_none() {
    let server = Server::new().await;
    let sql = parameter(&json!({ "sqlQuery": "select Id from Account" }));
    let creating = [
        view_path("Account"),
        format!("{SQL_PATH}?{sql}"),
        "/restapi/v2/workspaces/5001/views/{{Account}}/data".to_owned(),
        format!("/restapi/v2/workspaces/5001/data?{sql}"),
        OLDER.to_owned(),
    ];
    for path in &creating {
        for (name, value) in [
            ("Sec-Purpose", "prefetch"),
            ("Sec-Purpose", "prefetch;prerender"),
            ("Purpose", "Prefetch"),
            ("X-Moz", "prefetch"),
        ] {
            let request = server.request_of("acme", "GET", path).header(name, value);
            let answer = server.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.trouble(), (403, 7301), "{path} {name}: {value}");
        }
        for method in ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = server.ask(method, path, "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.header("allow").contains("GET"), "{method} {path}");
        }
        // What creates a job may not be kept and sent again by anybody on the way.
        if path.contains("/bulk/") {
            assert_eq!(server.ask("POST", path, "").await.trouble(), (405, 8525), "{path}");
            let created = server.get(path).await;
            assert_eq!(created.header("cache-control"), "no-store");
            server.cancel(&number_of(&created)).await;
        }
    }
    for path in ["/restapi/v2/%ff", "/api/%ff/Sales/Account", "/restapi/v2/views/%c0%af"] {
        assert_eq!(server.get(path).await.trouble(), (404, 8525), "{path}");
    }
    let path = job_path("%ff");
    assert_eq!(server.ask("DELETE", &path, "").await.trouble(), (404, 8525));
    assert_eq!(server.all_jobs("acme").await.len(), 2, "the two that were asked for");
}

#[tokio::test]
async fn numbers_that_are_none_are_not_looked_for() {
    let server = Server::new().await;
    server.create(&json!({})).await;
    for (number, is_one) in [
        ("0", true),
        ("42", true),
        ("9223372036854775807", true),
        ("9223372036854775808", false),
        ("1000000000000000000000000000000", false),
        ("-1", false),
        ("+1", false),
        ("1e3", false),
        ("1.0", false),
        ("0x10", false),
        ("abc", false),
        ("%00", false),
        ("%20", false),
        ("1%20", false),
        ("%D9%A1", false),
        ("..%2F..%2Forgs", false),
        ("'%20or%20'1'='1", false),
    ] {
        let answer = server.get(&job_path(number)).await;
        match is_one {
            true => assert_eq!(answer.data()["jobCode"], "1005", "{number}"),
            false => assert_eq!(answer.trouble(), (404, 8120), "{number}"),
        }
        let file = server.get(&format!("{}/data", job_path(number))).await;
        assert_eq!(file.trouble(), (404, 8120), "{number}");
        let gone = server.ask("DELETE", &job_path(number), "").await;
        assert_eq!(gone.trouble(), (404, 8120), "{number}");
    }
}
