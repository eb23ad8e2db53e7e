//! Connections: how one is made, encrypted, set up and given up.

use std::sync::Arc;

use outhaul_exports::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::{CancelToken, Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::Config;
use crate::sources::Tls;

/// What makes connections to one database.
pub(super) struct Connector {
    target: tokio_postgres::Config,
    encrypted: Option<MakeRustlsConnect>,
}

impl Connector {
    /// Reads certificates; connects to nothing yet.
    ///
    /// # Errors
    /// `Invalid` for a configuration that cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let (target, tls) = config.target()?;
        let encrypted = match tls {
            Tls::Off => None,
            Tls::Unverified => Some(client(|builder, provider| {
                let whoever = Arc::new(Whoever(Arc::clone(provider)));
                builder.dangerous().with_custom_certificate_verifier(whoever)
            })?),
            Tls::Verified => {
                let roots = roots(config)?;
                Some(client(|builder, _| builder.with_root_certificates(roots))?)
            }
        };
        Ok(Self { target, encrypted })
    }

    pub(super) async fn connect(&self) -> Result<Wire, tokio_postgres::Error> {
        let client = match &self.encrypted {
            None => {
                let (client, connection) = self.target.connect(NoTls).await?;
                // It ends with the client. What goes wrong on it is told to whoever waits.
                tokio::spawn(connection);
                client
            }
            Some(encrypted) => {
                let (client, connection) = self.target.connect(encrypted.clone()).await?;
                tokio::spawn(connection);
                client
            }
        };
        let cancel = client.cancel_token();
        Ok(Wire { client, cancel, encrypted: self.encrypted.clone(), busy: false })
    }
}

/// One connection. Dropping it ends what the server is doing for it.
pub(super) struct Wire {
    pub(super) client: Client,
    cancel: CancelToken,
    encrypted: Option<MakeRustlsConnect>,
    /// Whether a statement may be running.
    pub(super) busy: bool,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.busy {
            return;
        }
        // Without a runtime the process is at its end, and the server notices that by itself.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let cancel = self.cancel.clone();
        match self.encrypted.take() {
            None => drop(runtime.spawn(async move { cancel.cancel_query(NoTls).await })),
            Some(tls) => drop(runtime.spawn(async move { cancel.cancel_query(tls).await })),
        }
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;
type Verified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn client(
    verify: impl FnOnce(Builder, &Arc<CryptoProvider>) -> Verified,
) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::internal("no version of TLS is offered").with_source(cause))?;
    Ok(MakeRustlsConnect::new(verify(builder, &provider).with_no_client_auth()))
}

fn roots(config: &Config) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &config.ca_file else {
        // What the system trusts and this program cannot read is trusted less, not more.
        for certificate in rustls_native_certs::load_native_certs().certs {
            let _ = roots.add(certificate);
        }
        return Ok(roots);
    };
    let unreadable =
        |cause| config.wrong("ca_file", "cannot be read as certificates in PEM").with_source(cause);
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|c| unreadable(Boxed::from(c)))?
    {
        let certificate = certificate.map_err(|cause| unreadable(Boxed::from(cause)))?;
        roots.add(certificate).map_err(|cause| unreadable(Boxed::from(cause)))?;
    }
    if roots.is_empty() {
        return Err(config.wrong("ca_file", "holds no certificate in PEM"));
    }
    Ok(roots)
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// Takes every certificate: who only wants to be safe from listeners asks for that by name.
#[derive(Debug)]
struct Whoever(Arc<CryptoProvider>);

impl ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
