//! The OpenAPI 3.1 document of this dialect as this server speaks it, made from the handlers and
//! types themselves; committed as `docs/openapi/userpilot.json`.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::error::Errors;
use super::{jobs, lookups};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outhaul: Userpilot analytics export",
        version = "1",
        description = "The paths of Userpilot's bulk export API as Outhaul serves them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(jobs::start, jobs::show, jobs::list, lookups::show),
    components(schemas(Errors)),
    tags(
        (name = "exports", description = "Export jobs"),
        (name = "lookups", description = "What there is to ask for")
    ),
    security(("token" = [])),
    modifiers(&Common)
)]
struct Document;

/// What every operation has: the credential, and one shape of errors.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let text = "`Token <API_KEY>`, with a key made with `outhaul keys create --audience \
                    userpilot`";
        let token = ApiKey::Header(ApiKeyValue::with_description("Authorization", text));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::ApiKey(token));
        }
        let errors = ResponseBuilder::new()
            .description("What is wrong, and what to do about it")
            .content("application/json", Content::new(Some(Ref::from_schema_name("Errors"))))
            .build();
        for path in document.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("default".to_owned(), RefOr::T(errors.clone()));
            }
        }
        document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]);
    }
}

/// The document as JSON, with a line feed at its end.
pub fn document() -> String {
    // Cannot fail because the document holds texts and numbers only; if it did, the test that
    // compares it with the committed one says so.
    let mut text = Document::openapi().to_pretty_json().unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}
