//! `outhaul keys`: create, list, rotate and revoke credentials. It works on the store, also while a
//! server serves it.

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use outhaul_exports::access::{Credential, CredentialKind};
use outhaul_exports::catalog::hint;
use outhaul_exports::principal::{Role, TenantId};
use outhaul_exports::{Clock as _, SystemClock};
use outhaul_store::Store;

use crate::assemble;
use crate::cli::{ConfigFile, Output};
use crate::config::check::load_checked;
use crate::config::{Checked, Loaded};
use crate::credentials::{AUDIENCES, Ask, Issued, issue, renew, restore};
use crate::exit::{Code, Exit};
use crate::output::outln;

/// Characters of a public half that name a credential.
const CHARS_LEAST: usize = 6;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a credential. Its secret is printed once and never again.
    #[command(
        after_help = "Examples:\n  outhaul keys create --tenant acme\n  outhaul keys create --tenant acme --role reader --label dashboard --expires 90d\n  outhaul keys create --tenant acme --audience zuora --kind client-secret"
    )]
    Create(Create),
    /// List credentials, without their secrets.
    List {
        /// Only those of one tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// Which store.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give a credential another secret. What it is named by, and for whom it is, stays; the secret
    /// it had, and every token that was granted for it, end at once.
    #[command(
        after_help = "An API key is its secret: it cannot be rotated, but another one can be created.\n\nExamples:\n  outhaul keys rotate reporting\n  OUTHAUL_PASSWORD=... outhaul keys rotate reporting"
    )]
    Rotate {
        /// Its public half as `outhaul keys list` shows it, or its first characters (at least 6).
        public: String,
        /// Which store.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a credential, and every token that was granted for it, at once.
    Revoke {
        /// Its public half as `outhaul keys list` shows it, or its first characters (at least 6).
        public: String,
        /// Which store.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// What is created.
#[derive(Debug, Args)]
pub struct Create {
    /// For whom.
    #[arg(long)]
    tenant: String,
    /// For which API.
    #[arg(long, default_value = crate::credentials::NATIVE)]
    audience: String,
    /// How it is shown; the audience's usual kind when absent.
    #[arg(long)]
    kind: Option<Kind>,
    /// What it may do.
    #[arg(long, default_value = "exporter")]
    role: RoleName,
    /// Name for people, shown in lists and logs.
    #[arg(long)]
    label: Option<String>,
    /// The user's name (for --kind password); once given, it is not given again.
    #[arg(long)]
    user: Option<String>,
    /// How long it works, such as 12h, 90d or 1y; for ever when absent.
    #[arg(long, value_parser = parse_life)]
    expires: Option<TimeDelta>,
    /// Which store.
    #[command(flatten)]
    file: ConfigFile,
    /// How to print.
    #[command(flatten)]
    output: Output,
}

/// Kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// One secret, shown with every request.
    ApiKey,
    /// An id and a secret, exchanged for a token.
    ClientSecret,
    /// An id and a secret, shown with every request.
    KeyPair,
    /// A user's name and a password.
    Password,
}

impl From<Kind> for CredentialKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ApiKey => Self::ApiKey,
            Kind::ClientSecret => Self::ClientSecret,
            Kind::KeyPair => Self::KeyPair,
            Kind::Password => Self::Password,
        }
    }
}

/// Roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// See exports and the catalog, download files.
    Reader,
    /// Also create, cancel, retry and delete exports.
    Exporter,
    /// Also see and end what others of the tenant created.
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Reader => Self::Reader,
            RoleName::Exporter => Self::Exporter,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Runs it.
///
/// # Errors
/// When the store cannot be opened, or the request makes no sense.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(create) => self::create(create).await,
        Command::List { tenant, file, output } => {
            let (_, _, store) = open(&file).await?;
            let tenant = tenant.map(TenantId);
            let found = store.access().credentials(tenant.as_ref()).await?;
            list(&found, output);
            store.close().await;
            Ok(())
        }
        Command::Rotate { public, file, output } => {
            let (_, _, store) = open(&file).await?;
            rotate(&store, &public, output).await?;
            store.close().await;
            Ok(())
        }
        Command::Revoke { public, file, output } => {
            let (_, _, store) = open(&file).await?;
            revoke(&store, &public, output).await?;
            store.close().await;
            Ok(())
        }
    }
}

async fn open(file: &ConfigFile) -> anyhow::Result<(Loaded, Checked, Store)> {
    let (loaded, checked) = load_checked(&file.config, SystemClock.now())?;
    let address = assemble::store_address(&loaded);
    let store = outhaul_store::open_shared(&address).await.context("cannot open the store")?;
    Ok((loaded, checked, store))
}

async fn create(create: Create) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let kind = kind_for(&create)?;
    let (_, checked, store) = open(&create.file).await?;
    let tenant = TenantId(create.tenant.clone());
    if checked.tenants.get(&tenant).is_none() {
        let known: Vec<&str> = checked.tenants.iter().map(|tenant| tenant.id.0.as_str()).collect();
        bail!(
            "there is no tenant {}{}; tenants stand in the configuration, under [[tenants]]",
            create.tenant,
            hint(&create.tenant, known.into_iter())
        );
    }
    if let Some(user) = &create.user {
        unused(&store, &create.audience, kind, user).await?;
    }
    let ask = Ask {
        audience: create.audience.clone(),
        kind,
        tenant,
        role: create.role.into(),
        label: create
            .label
            .clone()
            .or(create.user.clone())
            .unwrap_or_else(|| "command line".into()),
        user: create.user.clone(),
        expires_at: create.expires.map(|life| now + life),
    };
    let issued = match chosen(kind) {
        Some(password) => restore(ask, None, password, now),
        None => issue(ask, now),
    };
    store.access().add_credential(&issued.credential).await?;
    store.close().await;
    show(&issued, create.output);
    Ok(())
}

/// The password that the environment gives: a user of a vendor's API may have to log in with one
/// that exists already.
fn chosen(kind: CredentialKind) -> Option<String> {
    let is_password = kind == CredentialKind::Password;
    let given = is_password.then(|| std::env::var("OUTHAUL_PASSWORD").ok())?;
    given.filter(|password| !password.is_empty())
}

/// Refuses a user whose name has a password, live or revoked: the store keeps one for each name.
async fn unused(
    store: &Store,
    audience: &str,
    kind: CredentialKind,
    user: &str,
) -> anyhow::Result<()> {
    match store.access().credential(audience, kind, user).await? {
        None => Ok(()),
        Some(Credential { revoked_at: None, .. }) => {
            bail!(
                "user {user} has a password already; give another --user, or replace it with `outhaul keys rotate {user}`"
            )
        }
        Some(_) => bail!(
            "user {user} had a password that was revoked, and a name is not given twice; give another --user"
        ),
    }
}

fn kind_for(create: &Create) -> anyhow::Result<CredentialKind> {
    let usage = |text: String| Err(Exit::new(Code::Usage, text).into());
    let Some(audience) = AUDIENCES.iter().find(|known| known.id == create.audience) else {
        let known: Vec<_> = AUDIENCES.iter().map(|audience| audience.id).collect();
        let hint = hint(&create.audience, known.iter().copied());
        let (name, known) = (&create.audience, known.join(", "));
        return usage(format!("there is no audience {name}{hint}; there are {known}"));
    };
    let kind = create.kind.map_or(audience.kinds[0], CredentialKind::from);
    if !audience.kinds.contains(&kind) {
        let kinds: Vec<_> = audience.kinds.iter().map(|kind| kind_name(*kind)).collect();
        return usage(format!("the audience {} takes --kind {}", audience.id, kinds.join(" or ")));
    }
    match (kind == CredentialKind::Password, &create.user) {
        (true, None) => usage("a password needs a user's name: --user NAME".to_owned()),
        (false, Some(_)) => usage(format!(
            "--user is for passwords (--audience cortex, or --audience zuora --kind password), and this is of the kind {}; to name it, say --label",
            kind_name(kind)
        )),
        _ => Ok(kind),
    }
}

fn show(issued: &Issued, output: Output) {
    let credential = &issued.credential;
    if output.json {
        let mut shown = entry(credential);
        shown["secret"] = issued.secret.as_str().into();
        outln!("{shown:#}");
        return;
    }
    match credential.kind {
        CredentialKind::ApiKey => {
            outln!("API key      {}\npublic half  {}", issued.secret, short(&credential.public));
        }
        CredentialKind::ClientSecret => {
            outln!("client id    {}\nsecret       {}", credential.public, issued.secret);
        }
        CredentialKind::KeyPair => {
            outln!("access key   {}\nsecret       {}", credential.public, issued.secret);
        }
        CredentialKind::Password => {
            outln!("user         {}\npassword     {}", credential.public, issued.secret);
        }
    }
    outln!(
        "for          {} ({}, {}), {}",
        credential.tenant,
        credential.audience,
        role_name(credential.role),
        credential.expires_at.map_or("no end".to_owned(), |end| format!("until {end}"))
    );
    outln!("The secret is not kept and cannot be shown again.");
    outln!("`outhaul keys revoke {}` ends it.", first(&credential.public));
}

fn list(found: &[Credential], output: Output) {
    if output.json {
        let list: Vec<_> = found.iter().map(entry).collect();
        outln!("{:#}", serde_json::Value::Array(list));
        return;
    }
    outln!(
        "{:<18} {:<10} {:<14} {:<10} {:<9} {:<20} LABEL",
        "PUBLIC",
        "AUDIENCE",
        "KIND",
        "TENANT",
        "ROLE",
        "STATE"
    );
    let now = SystemClock.now();
    for credential in found {
        outln!(
            "{:<18} {:<10} {:<14} {:<10} {:<9} {:<20} {}",
            short(&credential.public),
            credential.audience,
            kind_name(credential.kind),
            credential.tenant.0,
            role_name(credential.role),
            state(credential, now),
            credential.label
        );
    }
}

async fn rotate(store: &Store, public: &str, output: Output) -> anyhow::Result<()> {
    let all = store.access().credentials(None).await?;
    let only = named(&all, public)?;
    let mut live = all.iter().filter(|c| c.revoked_at.is_none() && c.public == only);
    let (Some(credential), None) = (live.next(), live.next()) else {
        bail!("several credentials are named {only}; revoke them, and create others");
    };
    if credential.kind == CredentialKind::ApiKey {
        let text = format!(
            "an API key is its secret, and nothing of it would stay: create another with `outhaul keys create --tenant {}`, and end this one with `outhaul keys revoke {}`",
            credential.tenant,
            first(only)
        );
        return Err(Exit::new(Code::Usage, text).into());
    }
    let issued = renew(credential.clone(), chosen(credential.kind));
    let Credential { audience, kind, public, secret, .. } = &issued.credential;
    let now = SystemClock.now();
    if !store.access().replace_secret(audience, *kind, public, secret, now).await? {
        bail!("{} has ended; create another with `outhaul keys create`", short(public));
    }
    show(&issued, output);
    Ok(())
}

async fn revoke(store: &Store, public: &str, output: Output) -> anyhow::Result<()> {
    let all = store.access().credentials(None).await?;
    let only = named(&all, public)?;
    let count = store.access().revoke_credential(only, SystemClock.now()).await?;
    if output.json {
        outln!("{:#}", serde_json::json!({ "revoked": count, "public": only }));
    } else {
        outln!("revoked {}: it stopped working at once", short(only));
    }
    Ok(())
}

/// The public half of the live credentials that are named so, or begin so.
fn named<'a>(all: &'a [Credential], public: &str) -> anyhow::Result<&'a str> {
    let given = public.trim_end_matches('…');
    let exact = all.iter().any(|credential| credential.public == given);
    if !exact && given.chars().count() < CHARS_LEAST {
        let text = format!(
            "{given:?} is too short: give the whole name of a credential, or at least its first {CHARS_LEAST} characters; `outhaul keys list` shows them"
        );
        return Err(Exit::new(Code::Usage, text).into());
    }
    let mut matching: Vec<&str> = all
        .iter()
        .filter(|credential| credential.revoked_at.is_none())
        .map(|credential| credential.public.as_str())
        .filter(|known| if exact { *known == given } else { known.starts_with(given) })
        .collect();
    matching.dedup();
    let [only] = matching[..] else {
        match matching.len() {
            0 => bail!("no live credential begins with {given}; `outhaul keys list` shows them"),
            count => bail!("{count} credentials begin with {given}: give more of it"),
        }
    };
    Ok(only)
}

fn entry(credential: &Credential) -> serde_json::Value {
    serde_json::json!({
        "public": credential.public,
        "audience": credential.audience,
        "kind": kind_name(credential.kind),
        "tenant": credential.tenant.0,
        "role": role_name(credential.role),
        "label": credential.label,
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
        "revoked_at": credential.revoked_at,
    })
}

fn short(public: &str) -> String {
    match first(public) {
        all if all == public => all,
        beginning => format!("{beginning}…"),
    }
}

/// Enough of a public half to tell it from others.
fn first(public: &str) -> String {
    if public.len() <= 17 { public.to_owned() } else { public.chars().take(16).collect() }
}

fn state(credential: &Credential, now: DateTime<Utc>) -> String {
    match (credential.revoked_at, credential.expires_at) {
        (Some(_), _) => "revoked".into(),
        (None, Some(end)) if end <= now => "expired".into(),
        (None, Some(end)) => format!("until {}", end.format("%Y-%m-%d")),
        (None, None) => "live".into(),
    }
}

fn kind_name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApiKey => "api-key",
        CredentialKind::ClientSecret => "client-secret",
        CredentialKind::KeyPair => "key-pair",
        CredentialKind::Password => "password",
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Exporter => "exporter",
        Role::Admin => "admin",
    }
}

/// `12h`, `90d`, `1y`.
fn parse_life(text: &str) -> Result<TimeDelta, String> {
    let wrong = || format!("{text:?} is no duration: write a number and h, d or y, such as 90d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'y' => 24 * 365,
        _ => return Err(wrong()),
    };
    let life = count.checked_mul(hours).filter(|hours| (1..=24 * 365 * 100).contains(hours));
    life.and_then(TimeDelta::try_hours).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_life("90d"), Ok(TimeDelta::days(90)));
        assert_eq!(parse_life("12h"), Ok(TimeDelta::hours(12)));
        for bad in ["", "d", "-1d", "0h", "90", "9999999y", "90é"] {
            assert!(parse_life(bad).is_err(), "{bad}");
        }
    }
}
