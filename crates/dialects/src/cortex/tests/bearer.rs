//! Bearer tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::*;

const KEY: &str = include_str!("bearer.key");
const OTHER: &str = include_str!("other.key");
const PUBLIC: &str = include_str!("bearer.pub");

fn claims(server: &Server) -> Value {
    let now = server.world.exports.now().timestamp();
    json!({ "iss": APP, "exp": now + 600, "jti": "one", "cortex/eml": "admin@acme.example" })
}

fn token(claims: &Value, key: &str) -> String {
    let key = EncodingKey::from_rsa_pem(key.as_bytes()).expect("a key");
    encode(&Header::new(Algorithm::RS256), claims, &key).expect("it is signed")
}

async fn me(server: &Server, org: &str, token: &str, app: Option<&str>) -> Answer {
    let mut request = Request::get(format!("/{org}/v2/accounts/me"))
        .header("Authorization", format!("Bearer {token}"));
    if let Some(app) = app {
        request = request.header("Medable-Client-Key", app);
    }
    server.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_sound_token_lets_in_with_and_without_the_apps_key() {
    let server = Server::new().await;
    let token = token(&claims(&server), KEY);
    for app in [None, Some(APP)] {
        assert_eq!(me(&server, "acme", &token, app).await.ok()["email"], "admin@acme.example");
    }
    for app in [THEIR_APP, ANY_APP, "x"] {
        let answer = me(&server, "acme", &token, Some(app)).await;
        assert_eq!(answer.fault(), ("kAccessDenied".to_owned(), 403), "{app}");
    }
    assert_eq!(me(&server, THEIR_ORG, &token, None).await.fault().0, "kAccessDenied");
}

#[tokio::test]
async fn every_other_token_is_nobodys() {
    let server = Server::new().await;
    let now = server.world.exports.now().timestamp();
    let with = |key: &str, value: Value| {
        let mut claims = claims(&server);
        claims[key] = value;
        token(&claims, KEY)
    };
    let without = |key: &str| {
        let mut claims = claims(&server);
        claims.as_object_mut().expect("an object").shift_remove(key);
        token(&claims, KEY)
    };
    let sound = token(&claims(&server), KEY);
    let parts: Vec<&str> = sound.split('.').collect();
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    // The public key as the secret of a symmetric signature, which a careless server would accept.
    let confused = encode(
        &Header::new(Algorithm::HS256),
        &claims(&server),
        &EncodingKey::from_secret(PUBLIC.as_bytes()),
    );
    let none = header(r#"{"alg":"none","typ":"JWT"}"#);
    for (what, token) in [
        ("another key", token(&claims(&server), OTHER)),
        ("a symmetric signature", confused.expect("it is signed")),
        ("no algorithm", format!("{none}.{}.", parts[1])),
        ("no algorithm, signed", format!("{none}.{}.{}", parts[1], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another body", {
            let mut claims = claims(&server);
            claims["cortex/eml"] = json!("reader@acme.example");
            format!("{}.{}.{}", parts[0], header(&claims.to_string()), parts[2])
        }),
        ("over", with("exp", json!(now - 60))),
        ("over, as a text", with("exp", json!("9999999999"))),
        ("without an end", without("exp")),
        ("of the future", with("nbf", json!(now + 61))),
        ("of the future, as a text", with("nbf", json!("0"))),
        ("of an unknown app", with("iss", json!("unknown"))),
        ("of an app without a key", with("iss", json!(ANY_APP))),
        ("of no app", without("iss")),
        ("of nobody", without("cortex/eml")),
        ("of an unknown account", with("cortex/eml", json!("nobody@acme.example"))),
        ("of another org's account", with("cortex/eml", json!("admin@globex.example"))),
        ("revoked", with("jti", json!("gone"))),
        ("no token", "x".to_owned()),
        ("three empty parts", "..".to_owned()),
    ] {
        let answer = me(&server, "acme", &token, None).await;
        assert_eq!(answer.fault(), ("kNotLoggedIn".to_owned(), 403), "{what}");
    }
    let late = with("exp", json!(now - 59));
    assert_eq!(me(&server, "acme", &late, None).await.status, 200, "clocks differ a little");
    // Another org's app with the same key: sound, and not this org's.
    let theirs = with("iss", json!(THEIR_APP));
    assert_eq!(me(&server, "acme", &theirs, None).await.fault().0, "kAccessDenied");
}
