//! A certificate for a private server, and the authority that signed it, made by `openssl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::account::Account;
use crate::client;

/// Two sections, one for the authority and one for the server: clients refuse one certificate that
/// is both.
const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
";

/// The files of a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Makes a certificate in the folder, or finds the one of an earlier run.
///
/// # Errors
/// When `openssl` is missing or fails.
pub(crate) fn certificate(folder: &Path, account: &Account) -> anyhow::Result<Certificate> {
    let folder = folder.join("tls");
    let file = |name: &str| folder.join(name);
    let made = Certificate {
        authority: file("ca.crt"),
        certificate: file("server.crt"),
        key: file("server.key"),
    };
    if made.certificate.exists() {
        return Ok(made);
    }
    fs::create_dir_all(&folder)?;
    account.own(&folder)?;
    fs::write(file("openssl.cnf"), CONFIG)?;
    let steps: [&[&str]; 3] = [
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-sha256",
            "-days",
            "3650",
            "-config",
            "openssl.cnf",
            "-extensions",
            "authority",
            "-subj",
            "/CN=Outhaul private authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ],
        &[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-sha256",
            "-config",
            "openssl.cnf",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ],
        &[
            "x509",
            "-req",
            "-sha256",
            "-days",
            "3650",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-set_serial",
            "1",
            "-extfile",
            "openssl.cnf",
            "-extensions",
            "server",
            "-out",
            "made.crt",
        ],
    ];
    for step in steps {
        let mut command = Command::new("openssl");
        command.args(step).current_dir(&folder);
        client::run(command, "").context(
            "a certificate is made by openssl; on Debian and Ubuntu, `apt-get install openssl`",
        )?;
    }
    fs::set_permissions(&made.key, fs::Permissions::from_mode(0o600))?;
    account.own(&made.key)?;
    // Its being there says that all of it is.
    fs::rename(file("made.crt"), &made.certificate)?;
    Ok(made)
}
