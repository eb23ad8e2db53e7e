//! Mails through a mail server (SMTP).
//!
//! A connection that has just served is kept for the next mail for a few seconds. Only a whole and
//! good exchange is kept: a call that was dropped in the middle takes its connection with it, so
//! that no answer is ever read as the answer to something else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use outhaul_exports::notice::short_error;
use outhaul_exports::{Error, limits};
use tokio::time::{Instant, timeout};

use super::{Mail, Mailer, Refusal, Sender, domain_of, mime};

/// How long a connection waits for another mail.
const IDLE: Duration = Duration::from_secs(5);
/// How long the farewell of a connection may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the mail server is, and how it is spoken to.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// User name and password, where it wants some.
    pub credentials: Option<(String, String)>,
    /// Further certificate authorities, as PEM.
    pub ca: Option<Vec<u8>>,
    /// How long one mail may take, from the connection to the last answer.
    pub timeout: Duration,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// It begins plain, and nothing is said before it is encrypted.
    StartTls,
    /// From its first byte.
    Tls,
}

/// Hands mails to a mail server.
pub struct SmtpMailer {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    from: Sender,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl SmtpMailer {
    /// For that server. It is not spoken to yet.
    ///
    /// # Errors
    /// `Invalid` for certificates that cannot be read.
    pub fn new(settings: SmtpSettings, from: Sender) -> outhaul_exports::Result<Self> {
        let tls = match settings.tls {
            SmtpTls::None => None,
            SmtpTls::StartTls | SmtpTls::Tls => Some(tls_parameters(&settings)?),
        };
        let credentials = settings.credentials.clone();
        let credentials = credentials.map(|(user, password)| Credentials::new(user, password));
        Ok(Self { settings, tls, credentials, from, idle: Mutex::default() })
    }

    /// A connection that is ready for a mail.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let SmtpSettings { host, port, tls, timeout, .. } = &self.settings;
        let wrapped = self.tls.clone().filter(|_| *tls == SmtpTls::Tls);
        let me = ClientId::default();
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &me, wrapped, None).await?;
        if let Some(parameters) = self.tls.clone().filter(|_| *tls == SmtpTls::StartTls) {
            connection.starttls(parameters, &me).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// A connection that served just now and still answers.
    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    async fn exchange(&self, mail: &lettre::Message) -> Result<AsyncSmtpConnection, SmtpError> {
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(mail.envelope(), &mail.formatted()).await?;
        Ok(connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        if idle.len() < limits::NOTICES_AT_ONCE && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_slow(&self) -> Refusal {
        let (host, seconds) = (&self.settings.host, self.settings.timeout.as_secs());
        let internal = format!("{host} took more than {seconds} s");
        Refusal::passing("the mail server takes too long", internal)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Refusal> {
        let message = mime::message(mail, &self.from)?;
        match timeout(self.settings.timeout, self.exchange(&message)).await {
            Ok(Ok(connection)) => {
                self.keep(connection);
                Ok(())
            }
            Ok(Err(error)) => Err(refusal(&error, &self.settings.host, &mail.to)),
            Err(_) => Err(self.too_slow()),
        }
    }

    async fn check(&self) -> Result<(), Refusal> {
        match timeout(self.settings.timeout, self.connect()).await {
            Ok(Ok(mut connection)) => {
                // It has said all that was asked.
                let _ = timeout(FAREWELL, connection.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => Err(refusal(&error, &self.settings.host, "")),
            Err(_) => Err(self.too_slow()),
        }
    }
}

fn tls_parameters(settings: &SmtpSettings) -> outhaul_exports::Result<TlsParameters> {
    let mut builder = TlsParametersBuilder::new(settings.host.clone());
    if let Some(pem) = &settings.ca {
        let wrong = || {
            let text = "the file holds no certificate as PEM (-----BEGIN CERTIFICATE-----)";
            Error::invalid("mail.ca_file", text)
        };
        // A file without any is read as an empty list.
        let is_pem = pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----");
        let certificate = Certificate::from_pem(pem).ok().filter(|_| is_pem);
        builder = builder.add_root_certificate(certificate.ok_or_else(wrong)?);
    }
    builder.build().map_err(|error| {
        let text = "the certificate authorities cannot be used";
        Error::invalid("mail.ca_file", text).with_source(error)
    })
}

/// Replies about the sender's place and its credentials, which are the operator's to mend
/// (RFC 4954, section 6; RFC 3207, section 4).
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// What a failure means. The server's words about a mail are the customer's; those about this
/// server's own credentials are the operator's alone.
fn refusal(error: &SmtpError, host: &str, to: &str) -> Refusal {
    let internal = hide(&format!("{host}: {error}"), to);
    let Some(code) = error.status().map(u16::from) else {
        let public = match () {
            () if error.is_timeout() => "the mail server takes too long",
            () if error.is_tls() => "the mail server's certificate is not trusted",
            () => "the mail server cannot be reached or spoken to",
        };
        return Refusal::passing(public, internal);
    };
    if ABOUT_US.contains(&code) {
        return Refusal::passing("the mail server does not let this server in", internal);
    }
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let public = short_error(&format!("the mail server refused it: {code} {said}"));
    match error.is_permanent() {
        true => Refusal::lasting(public, internal),
        false => Refusal::passing(public, internal),
    }
}

/// The text without the address that it may repeat.
fn hide(text: &str, address: &str) -> String {
    match address.is_empty() {
        true => text.to_owned(),
        false => text.replace(address, &format!("...@{}", domain_of(address))),
    }
}
