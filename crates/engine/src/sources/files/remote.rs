//! Object stores: which options they take, how long they may take, and what they say in words.
//!
//! What a store answers may repeat credentials, signed texts and addresses. None of that goes on:
//! an answer becomes one sentence of ours, with the status and the code that the store gave.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, CopyOptions, Error, GetOptions, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreScheme, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, RetryConfig,
};
use url::Url;

/// How often a request is tried again: for some seconds, because whoever waits wants to know why,
/// and an attempt that fails is tried again as a whole.
const RETRIES: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Why a store cannot be opened. Never holds what an option says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("`{0}` is not a kind of address that files are read from")]
    Scheme(String),
    #[error("`{0}` is not an option of this object store")]
    Option(String),
    #[error("its endpoint is http and not https; set allow_http = \"true\" if that is meant")]
    PlainHttp,
    #[error("the object store cannot be used with this url and these options")]
    Unusable,
}

/// The kinds of object stores, each with the options that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Amazon,
    Google,
    Azure,
    Http,
}

impl Service {
    fn of(url: &Url) -> std::result::Result<(Self, Path), Refused> {
        let unknown = || Refused::Scheme(url.scheme().to_owned());
        let (scheme, path) = ObjectStoreScheme::parse(url).map_err(|_| unknown())?;
        let service = match scheme {
            ObjectStoreScheme::AmazonS3 => Self::Amazon,
            ObjectStoreScheme::GoogleCloudStorage => Self::Google,
            ObjectStoreScheme::MicrosoftAzure => Self::Azure,
            ObjectStoreScheme::Http => Self::Http,
            _ => return Err(unknown()),
        };
        Ok((service, path))
    }

    fn knows(self, option: &str) -> bool {
        match self {
            Self::Amazon => AmazonS3ConfigKey::from_str(option).is_ok(),
            Self::Google => GoogleConfigKey::from_str(option).is_ok(),
            Self::Azure => AzureConfigKey::from_str(option).is_ok(),
            Self::Http => ClientConfigKey::from_str(option).is_ok(),
        }
    }

    /// How the names of its environment variables begin.
    fn variables(self) -> Option<&'static str> {
        match self {
            Self::Amazon => Some("aws_"),
            Self::Google => Some("google_"),
            Self::Azure => Some("azure_"),
            Self::Http => None,
        }
    }
}

/// What these environment variables say of a store, by the names under which its own tools know
/// them, such as `AWS_ACCESS_KEY_ID`.
pub(super) fn from_environment(
    url: &Url,
    variables: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let Ok((service, _)) = Service::of(url) else { return BTreeMap::new() };
    let Some(beginning) = service.variables() else { return BTreeMap::new() };
    variables
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, value)| {
            name.starts_with(beginning) && service.knows(name) && !value.is_empty()
        })
        .collect()
}

/// Opens a store. Nothing is sent yet.
pub(super) fn connect(
    url: &Url,
    options: &BTreeMap<String, String>,
) -> std::result::Result<(Arc<dyn ObjectStore>, Path), Refused> {
    let (service, path) = Service::of(url)?;
    let options: Vec<_> =
        options.iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect();
    if let Some((name, _)) = options.iter().find(|(name, _)| !service.knows(name)) {
        return Err(Refused::Option(name.clone()));
    }
    let says = |part: &str, wanted: fn(&str) -> bool| {
        options.iter().any(|(name, value)| name.ends_with(part) && wanted(value))
    };
    let plain = service != Service::Http && says("endpoint", |value| value.starts_with("http:"));
    if plain && !says("allow_http", |value| value == "true") && !says("use_emulator", |_| true) {
        return Err(Refused::PlainHttp);
    }
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: BACKOFF_MAX, ..BackoffConfig::default() },
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    macro_rules! built {
        ($builder:expr) => {{
            let builder =
                options.iter().fold($builder, |builder, (key, value)| match key.parse() {
                    Ok(key) => builder.with_config(key, value.as_str()),
                    // Cannot be, because every option was just found to be known.
                    Err(_) => builder,
                });
            // The cause may repeat an option's value.
            Arc::new(builder.with_retry(retry).build().map_err(|_| Refused::Unusable)?)
        }};
    }
    let store: Arc<dyn ObjectStore> = match service {
        Service::Amazon => built!(AmazonS3Builder::new().with_url(url.as_str())),
        Service::Google => built!(GoogleCloudStorageBuilder::new().with_url(url.as_str())),
        Service::Azure => built!(MicrosoftAzureBuilder::new().with_url(url.as_str())),
        Service::Http => built!(HttpBuilder::new().with_url(&url[..url::Position::BeforePath])),
    };
    Ok((Arc::new(Discreet(store)), path))
}

/// What a store said, in words that may be read by anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}{}", self.details())]
pub(super) struct Said {
    sentence: &'static str,
    status: Option<u16>,
    code: Option<String>,
}

impl Said {
    /// What a store said, where the error comes from one.
    pub(super) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(said) = error.downcast_ref() {
                return Some(said);
            }
            next = error.source();
        }
        None
    }

    /// Whether the store gave a code.
    pub(super) fn has_code(&self) -> bool {
        self.code.is_some()
    }

    /// Whether it may be about the one file that was asked for, and not about the bucket, the
    /// credentials or the store.
    pub(super) fn is_of_one_file(&self) -> bool {
        let codes = ["NoSuchKey", "AccessDenied", "BlobNotFound", "ResourceNotFound"];
        matches!(self.status, Some(403 | 404))
            && self.code.as_ref().is_none_or(|code| codes.contains(&code.as_str()))
    }

    fn details(&self) -> String {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => format!(" ({status} {code})"),
            (Some(status), None) => format!(" ({status})"),
            (None, Some(code)) => format!(" ({code})"),
            (None, None) => String::new(),
        }
    }

    fn of(error: &Error) -> Self {
        let mut kind = None;
        let mut text = String::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            kind = kind.or_else(|| cause.downcast_ref::<HttpError>().map(HttpError::kind));
            text.push_str(&cause.to_string());
            text.push('\n');
            next = cause.source();
        }
        let status = after(&text, "status code: ").and_then(|text| text.get(..3)?.parse().ok());
        let status = status.or(match error {
            Error::NotFound { .. } => Some(404),
            Error::PermissionDenied { .. } => Some(403),
            Error::Unauthenticated { .. } => Some(401),
            _ => None,
        });
        let code = ["<Code>", "\"reason\":\"", "\"reason\": \"", "\"error\":\"", "\"error\": \""]
            .into_iter()
            .find_map(|mark| word(after(&text, mark)?));
        let sentence = sentence(kind, status, code.as_deref(), &text);
        Self { sentence, status, code }
    }
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// A code as stores give it: a word of letters.
fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let named = text.starts_with(|c: char| c.is_ascii_alphabetic());
    (named && end <= 64).then(|| text[..end].to_owned())
}

fn sentence(
    kind: Option<HttpErrorKind>,
    status: Option<u16>,
    code: Option<&str>,
    text: &str,
) -> &'static str {
    // Where a machine in a cloud asks for its own credentials.
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        return "no credentials are set for the object store, and this machine has none of its own";
    }
    match code {
        Some(
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "NotSignedUp"
            | "AuthenticationFailed"
            | "AuthorizationFailure"
            | "InvalidAuthenticationInfo"
            | "invalid_grant"
            | "invalid_client"
            | "unauthorized_client",
        ) => return "the object store does not accept the credentials",
        Some("NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName") => {
            return "there is no such bucket in the object store";
        }
        Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IncorrectEndpoint") => {
            return "the object store keeps the bucket in another region or at another endpoint";
        }
        Some("RequestTimeTooSkewed") => {
            return "the clock of this machine differs too much from the object store's";
        }
        _ => {}
    }
    match (kind, status) {
        (Some(HttpErrorKind::Timeout), _) => "the object store did not answer in time",
        (Some(HttpErrorKind::Connect), _) => "the object store cannot be reached at its endpoint",
        (Some(_), _) => "the connection to the object store broke",
        (_, Some(401)) => "the object store does not accept the credentials",
        (_, Some(403)) => "the object store refuses access with these credentials",
        (_, Some(404)) => "the object store has no such bucket or file",
        (_, Some(412 | 304)) => "a file in the object store is no longer the one that was listed",
        (_, Some(429 | 500..=599)) => "the object store is busy or fails at the moment",
        (_, Some(300..=399)) => {
            "the object store keeps the bucket in another region or at another endpoint"
        }
        _ => "the object store gave an answer that is not understood",
    }
}

/// An error of the same kind, without anything that the store or its client wrote.
fn discreet(error: Error) -> Error {
    let source = Box::new(Said::of(&error));
    match error {
        Error::NotFound { path, .. } => Error::NotFound { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        Error::NotModified { path, .. } => Error::NotModified { path, source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        Error::NotSupported { .. } => Error::NotSupported { source },
        Error::Generic { store, .. } => Error::Generic { store, source },
        _ => Error::Generic { store: "files", source },
    }
}

/// A store whose errors hold no more than [`Said`].
#[derive(Debug)]
struct Discreet(Arc<dyn ObjectStore>);

impl fmt::Display for Discreet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object store")
    }
}

#[async_trait]
impl ObjectStore for Discreet {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.0.put_opts(at, what, how).await.map_err(discreet)
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, how).await.map_err(discreet)
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        // Lists of Azure leave out the quotes without which no request may name an entity tag.
        options.if_match = options.if_match.map(|tag| match tag.contains('"') {
            true => tag,
            false => format!("\"{tag}\""),
        });
        let found = self.0.get_opts(location, options).await.map_err(discreet)?;
        let payload = match found.payload {
            GetResultPayload::Stream(bytes) => {
                GetResultPayload::Stream(bytes.map_err(discreet).boxed())
            }
            file @ GetResultPayload::File(_, _) => file,
        };
        Ok(GetResult { payload, ..found })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await.map_err(discreet)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations).map_err(discreet).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix).map_err(discreet).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await.map_err(discreet)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, how).await.map_err(discreet)
    }
}
