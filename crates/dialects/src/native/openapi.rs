//! The OpenAPI 3.1 document of this dialect, made from the handlers and types themselves. It is
//! served, and committed as `docs/openapi/native.json`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::error::ProblemBody;
use super::{catalog, events, exports, files, links, preview, response, sessions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outhaul native API",
        version = "1",
        description = "Asynchronous exports: create one, watch it, download its files.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        catalog::list,
        catalog::show,
        catalog::formats,
        preview::preview,
        exports::create,
        exports::list,
        exports::show,
        exports::delete,
        exports::cancel,
        exports::retry,
        exports::manifest,
        events::of_tenant,
        events::of_export,
        files::download,
        sessions::list,
        sessions::show,
        sessions::acknowledge,
        sessions::remove,
        links::create,
        links::list,
        links::renew,
        links::revoke,
        links::follow,
    ),
    components(schemas(ProblemBody, response::EventView)),
    tags(
        (name = "catalog", description = "What may be exported"),
        (name = "exports", description = "The life of an export"),
        (name = "sessions", description = "Series of exports, each of which has what changed since"),
        (name = "events", description = "What happens, live"),
        (name = "files", description = "What came of it"),
        (name = "links", description = "Addresses that need no credential")
    ),
    security(("key" = [])),
    modifiers(&Common)
)]
struct Document;

/// What every operation has: the credential, and problems as its errors.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key made with `outhaul keys create --audience native`"))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("key", SecurityScheme::Http(key));
        }
        let problem = ResponseBuilder::new()
            .description("What is wrong, and what to do about it")
            .content(
                "application/problem+json",
                Content::new(Some(Ref::from_schema_name("Problem"))),
            )
            .build();
        for path in document.paths.paths.values_mut() {
            let operations = [&mut path.get, &mut path.post, &mut path.delete];
            for operation in operations.into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("default".to_owned(), RefOr::T(problem.clone()));
            }
        }
        document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("key", [])]);
    }
}

/// The document as JSON, with a line feed at its end.
pub fn document() -> String {
    // Cannot fail because the document holds texts and numbers only; if it did, an empty object
    // is served and the test that compares it with the committed one says so.
    let mut text = Document::openapi().to_pretty_json().unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}

/// Answers the document; no credential is needed to read it.
pub async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(document())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi/native.json");

    #[test]
    fn the_committed_document_is_current() {
        let current = document();
        if std::env::var_os("UPDATE").is_some() {
            let folder = std::path::Path::new(COMMITTED).parent().expect("it has a folder");
            std::fs::create_dir_all(folder).expect("the folder can be made");
            std::fs::write(COMMITTED, &current).expect("the document can be written");
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        assert!(
            committed == current,
            "docs/openapi/native.json is old: run this test again with UPDATE=1"
        );
    }
}
