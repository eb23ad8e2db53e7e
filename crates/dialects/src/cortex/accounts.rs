//! Accounts, as far as a client needs them to be let in: login, status, logout, and the own account
//! (Medable's command-line client, which asks for the status before every command).

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::App;
use super::auth::{Asked, CSRF_TOKEN, Caller, by_password, client_app, session};
use super::error::{Fault, Kind};
use super::response::{json_answer, result};
use crate::kit::headers::{expect_json, single};
use crate::kit::{body, json, query};

/// `POST /accounts/login`, with the e-mail address and the password as JSON or as a form. What else
/// is sent, such as a location, is passed over.
pub async fn login(app: &App, asked: &Asked<'_>, body: Body) -> Result<Response, Fault> {
    let client = client_app(app, asked)?;
    let given = fields(asked.headers, body).await?;
    let text =
        |name: &str| match given.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            Some(Value::String(_)) | None | Some(Value::Null) => {
                Err(Fault::bare(Kind::Required).at(format!("account.{name}")))
            }
            Some(_) => Err(Fault::new(Kind::InvalidProperty, "a text is expected")
                .at(format!("account.{name}"))),
        };
    let (email, password) = match (text("email"), text("password")) {
        (Ok(email), Ok(password)) => (email, password),
        (email, password) => {
            let wrong = [email.err(), password.err()].into_iter().flatten().collect();
            return Err(Fault::validation("account", wrong));
        }
    };
    let identity = by_password(app, asked, email, password).await?;
    let (session, cookies) = session::open(app, client, &identity, &asked.org).await?;
    let caller = Caller {
        who: identity.principal,
        email: identity.public,
        org: asked.org.clone(),
        session: Some(session),
    };
    let mut response = json_answer(StatusCode::OK, &document(&caller));
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    add_csrf(&mut response, &caller);
    Ok(response)
}

/// `GET /accounts/status`: whether somebody is there. It is no fault when nobody is.
pub async fn status(app: &App, asked: &Asked<'_>) -> Result<Response, Fault> {
    let expand = asked.query.iter().any(|(name, value)| name == "expand" && value == "true");
    let caller = match Caller::of(app, asked).await {
        Ok(caller) => caller,
        // Whether somebody is there cannot be told: that is one.
        Err(fault) if fault.status().is_server_error() => return Err(fault),
        Err(fault) => {
            let body = json!({ "loggedin": false, "fault": fault.json() });
            return Ok(json_answer(StatusCode::OK, &body));
        }
    };
    let account = if expand { document(&caller) } else { caller.id().to_string().into() };
    let mut response =
        json_answer(StatusCode::OK, &json!({ "loggedin": true, "account": account }));
    add_csrf(&mut response, &caller);
    Ok(response)
}

/// `POST /accounts/me/logout`.
pub async fn logout(app: &App, caller: &Caller) -> Result<Response, Fault> {
    if let Some(session) = &caller.session {
        app.exports.end_token(&session.sid).await?;
    }
    let mut response = result(&true.into());
    for cookie in session::ended(&caller.org) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// An account as a document.
pub fn document(caller: &Caller) -> Value {
    let id = caller.id().to_string();
    json!({
        "_id": id,
        "object": "account",
        "email": caller.email,
        "name": caller.who.credential,
    })
}

/// Adds the session's token against forged requests, where it has one.
pub fn add_csrf(response: &mut Response, caller: &Caller) {
    let token = caller.session.as_ref().and_then(|session| session.csrf.as_ref());
    if let Some(value) = token.and_then(|token| HeaderValue::from_str(token).ok()) {
        response.headers_mut().insert(CSRF_TOKEN, value);
    }
}

/// The members of a JSON object, or of a form.
async fn fields(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Fault> {
    let bytes = body::read(headers, body).await?;
    let media = single(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        expect_json(headers)?;
        return Ok(json::parse_object(&bytes)?);
    }
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Fault::new(Kind::InvalidArgument, "The form is not UTF-8"))?;
    let mut fields = Map::new();
    for (name, value) in query::pairs(text)? {
        if fields.insert(name, value.into()).is_some() {
            let reason = "A field of the form stands more than once";
            return Err(Fault::new(Kind::InvalidArgument, reason));
        }
    }
    Ok(fields)
}
