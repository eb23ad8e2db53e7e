//! Login, cookies, CSRF tokens, logout, and passwords with every request.

use base64::Engine as _;

use super::*;

async fn login_with(server: &Server, app: &str, media: &str, body: String) -> Answer {
    let request = Request::post("/acme/v2/accounts/login")
        .header("Medable-Client-Key", app)
        .header("Content-Type", media)
        .body(Body::from(body));
    server.send(request.expect("a request")).await
}

async fn login(server: &Server, app: &str) -> (String, Answer) {
    let body = json!({ "email": "admin@acme.example", "password": PASSWORD, "location": {} });
    let answer = login_with(server, app, "application/json", body.to_string()).await;
    (cookies(&answer), answer)
}

/// The cookies of an answer, as a client sends them back.
fn cookies(answer: &Answer) -> String {
    let lines = answer.headers.get_all("set-cookie").iter();
    let texts = lines.map(|line| line.to_str().expect("it is text"));
    texts.map(|line| line.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("; ")
}

fn with(app: &str, cookies: &str, method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(format!("/acme/v2{path}"))
        .header("Medable-Client-Key", app)
        .header("Cookie", cookies)
}

async fn get(server: &Server, app: &str, cookies: &str, path: &str) -> Answer {
    server.send(with(app, cookies, "GET", path).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_session_lives_from_login_to_logout() {
    let server = Server::new().await;
    let (session, answer) = login(&server, APP).await;
    let account = answer.ok();
    assert_eq!(
        (&account["object"], &account["email"]),
        (&json!("account"), &json!("admin@acme.example"))
    );
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let text = |at: usize| lines[at].to_str().expect("it is text");
    assert!(text(0).starts_with("md.sid=") && text(0).contains("; Path=/acme;"), "{}", text(0));
    assert!(text(1).starts_with("md.fingerprint=") && text(1).contains("; Path=/;"), "{}", text(1));
    assert!(
        lines.iter().all(|line| line.to_str().is_ok_and(|line| line.ends_with("HttpOnly; Secure")))
    );
    assert_eq!(get(&server, APP, &session, "/accounts/me").await.ok(), account);
    assert_eq!(get(&server, ANY_APP, &session, "/exports").await.ok()["object"], "list");
    let status = get(&server, APP, &session, "/accounts/status").await.ok();
    assert_eq!(status, json!({ "loggedin": true, "account": account["_id"] }));
    let status = get(&server, APP, &session, "/accounts/status?expand=true").await.ok();
    assert_eq!(status["account"], account);
    let out = with(APP, &session, "POST", "/accounts/me/logout").body(Body::empty());
    let out = server.send(out.expect("a request")).await;
    assert_eq!(out.ok(), json!({ "object": "result", "data": true }));
    assert!(cookies(&out).contains("md.sid="), "the cookies are taken back");
    let over = get(&server, APP, &session, "/accounts/me").await;
    assert_eq!(over.fault(), ("kSessionExpired".to_owned(), 403));
    let status = get(&server, APP, &session, "/accounts/status").await.ok();
    assert_eq!(
        (&status["loggedin"], &status["fault"]["code"]),
        (&json!(false), &json!("kSessionExpired"))
    );
}

#[tokio::test]
async fn both_cookies_and_the_app_are_needed() {
    let server = Server::new().await;
    let (session, _) = login(&server, APP).await;
    let (sid, fingerprint) = session.split_once("; ").expect("there are two");
    let (other, _) = login(&server, APP).await;
    let (_, foreign) = other.split_once("; ").expect("there are two");
    let zeros = format!("{sid}; md.fingerprint={}", "0".repeat(64));
    let junk = format!("{sid}; Path=/acme; HttpOnly; {fingerprint}; Path=/");
    for (cookies, expected) in [
        (session.as_str(), "200"),
        (junk.as_str(), "200"),
        (sid, "kLoggedInElsewhere"),
        (&format!("{sid}; {foreign}"), "kLoggedInElsewhere"),
        (&zeros, "kLoggedInElsewhere"),
        (fingerprint, "kNotLoggedIn"),
        ("md.sid=; md.fingerprint=", "kNotLoggedIn"),
        (&format!("md.sid={}; {fingerprint}", "0".repeat(32)), "kSessionExpired"),
    ] {
        let answer = get(&server, APP, cookies, "/accounts/me").await;
        let found = if answer.status == 200 { "200".to_owned() } else { answer.fault().0 };
        assert_eq!(found, expected, "{cookies}");
    }
    for app in [THEIR_APP, "", "x"] {
        let answer = get(&server, app, &session, "/accounts/me").await;
        assert_eq!(answer.fault(), ("kAccessDenied".to_owned(), 403), "{app}");
    }
    let as_argument = Request::get(format!("/acme/v2/accounts/me?medable-CLIENT-key={APP}"));
    let as_argument = as_argument.header("Cookie", &session).body(Body::empty());
    assert_eq!(server.send(as_argument.expect("a request")).await.status, 200);
    server.advance(8 * 3_600);
    let over = get(&server, APP, &session, "/accounts/me").await;
    assert_eq!(over.fault(), ("kSessionExpired".to_owned(), 403));
}

#[tokio::test]
async fn changes_of_a_session_need_the_csrf_token_where_the_app_wants_it() {
    let server = Server::new().await;
    let (session, answer) = login(&server, CSRF_APP).await;
    let token = answer.header("medable-csrf-token").to_owned();
    assert_eq!(token.len(), 64);
    let listed = get(&server, CSRF_APP, &session, "/exports").await;
    assert_eq!((listed.status, listed.header("medable-csrf-token")), (200, token.as_str()));
    let body = json!({ "label": "x", "objects": "c_accounts" }).to_string();
    let create = async |app: &str, token: Option<&str>| {
        let mut request = with(app, &session, "POST", "/exports");
        if let Some(token) = token {
            request = request.header("Medable-Csrf-Token", token);
        }
        server.send(request.body(Body::from(body.clone())).expect("a request")).await
    };
    for wrong in [None, Some(""), Some("0"), Some(&token[1..])] {
        let answer = create(CSRF_APP, wrong).await;
        assert_eq!(answer.fault(), ("kCSRFTokenMismatch".to_owned(), 403), "{wrong:?}");
    }
    let id = id_of(&create(CSRF_APP, Some(&token)).await.ok());
    assert_eq!(create(APP, None).await.status, 200, "this app wants none");
    for method in ["PUT", "PATCH", "DELETE"] {
        let request = with(CSRF_APP, &session, method, &format!("/exports/{id}"));
        let answer = server.send(request.body(Body::from("{}")).expect("a request")).await;
        assert_eq!(answer.fault().0, "kCSRFTokenMismatch", "{method}");
    }
}

#[tokio::test]
async fn logins_are_read_from_json_and_forms_and_refused_alike() {
    let server = Server::new().await;
    let form = |email: &str, password: &str| {
        format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"))
    };
    let media = "application/x-www-form-urlencoded";
    let answer = login_with(&server, APP, media, form("admin@acme.example", PASSWORD)).await;
    assert_eq!(answer.ok()["email"], "admin@acme.example");
    for (email, password) in [
        ("admin@acme.example", "wrong"),
        ("nobody@acme.example", PASSWORD),
        ("admin@globex.example", PASSWORD),
        (&"x".repeat(2_000), PASSWORD),
        (" ", PASSWORD),
    ] {
        let answer = login_with(&server, APP, media, form(email, password)).await;
        assert_eq!(answer.fault(), ("kInvalidCredentials".to_owned(), 403), "{email}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    for (media, body, code, status) in [
        ("application/json", "{}", "kValidationError", 400),
        ("application/json", r#"{"email":"a","password":null}"#, "kValidationError", 400),
        ("application/json", r#"{"email":1,"password":"x"}"#, "kValidationError", 400),
        ("application/json", "[]", "kInvalidArgument", 400),
        ("application/json", "", "kInvalidArgument", 400),
        ("application/json; charset=latin1", "{}", "kInvalidArgument", 415),
        ("text/plain", "{}", "kInvalidArgument", 415),
        ("application/x-www-form-urlencoded", "email=a&email=b", "kInvalidArgument", 400),
        ("application/x-www-form-urlencoded", "email=%zz", "kInvalidArgument", 400),
    ] {
        let answer = login_with(&server, APP, media, body.to_owned()).await;
        assert_eq!(answer.fault(), (code.to_owned(), status), "{media} {body}");
    }
    let other = login_with(&server, THEIR_APP, media, form("admin@acme.example", PASSWORD)).await;
    assert_eq!(other.fault(), ("kAccessDenied".to_owned(), 403));
}

#[tokio::test]
async fn an_account_is_locked_after_too_many_wrong_passwords() {
    let server = Server::new().await;
    let form = |password: &str| format!("email=admin%40acme.example&password={password}");
    let media = "application/x-www-form-urlencoded";
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..25 {
        let answer = login_with(&server, APP, media, form("wrong")).await;
        *codes.entry(answer.fault().0).or_default() += 1;
    }
    assert_eq!(codes["kInvalidCredentials"], 20);
    let locked = login_with(&server, APP, media, form("correct+horse")).await;
    assert_eq!(locked.fault(), ("kAccountLocked".to_owned(), 403));
    assert!(locked.header("retry-after").parse::<u32>().is_ok_and(|wait| wait <= 60));
    server.advance(60);
    assert_eq!(login_with(&server, APP, media, form("correct+horse")).await.status, 200);
}

#[tokio::test]
async fn a_password_may_come_with_every_request() {
    let server = Server::new().await;
    let basic = |pair: &str| {
        let coded = base64::engine::general_purpose::STANDARD.encode(pair);
        Request::get("/acme/v2/accounts/me").header("Authorization", format!("Basic {coded}"))
    };
    let pair = format!("admin@acme.example:{PASSWORD}");
    let request = basic(&pair).header("Medable-Client-Key", APP).body(Body::empty());
    assert_eq!(server.send(request.expect("a request")).await.ok()["email"], "admin@acme.example");
    let keyless = server.send(basic(&pair).body(Body::empty()).expect("a request")).await;
    assert_eq!(keyless.fault(), ("kAccessDenied".to_owned(), 403));
    let wrong = basic("admin@acme.example:x").header("Medable-Client-Key", APP);
    let wrong = server.send(wrong.body(Body::empty()).expect("a request")).await;
    assert_eq!(wrong.fault(), ("kInvalidCredentials".to_owned(), 403));
}
