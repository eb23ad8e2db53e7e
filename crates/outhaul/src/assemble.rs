//! Puts the rooms together: the only place that knows everyone.

use std::ffi::OsString;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use outhaul_delivery::callback::{CallSettings, Caller, HttpCaller, SigningSecret};
use outhaul_delivery::mail::{FileMailer, Mailer, Sender, SmtpMailer, SmtpSettings, SmtpTls};
use outhaul_delivery::open as open_artifacts;
use outhaul_dialects::{Commons, Setting};
use outhaul_exports::callback::Rules;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::notice::Retries;
use outhaul_exports::ports::{ArtifactStore, ScriptCheck};
use outhaul_exports::principal::TenantId;
use outhaul_exports::service::Parts;
use outhaul_exports::{Clock, Error, Exports, SystemClock, limits};
use outhaul_scripts::Sandbox;
use outhaul_store::Store;
use outhaul_worker::{
    House, InstalledFormats, Notifier, ScriptViews, Scripts, SlotCommand, SlotPool, SlotSettings,
    Timings, WorkerParts,
};

use crate::config::sections::{Config, MailTls, MailTransport, TenantSection, Worker};
use crate::config::{Checked, Loaded};
use crate::listener::app::Route;
use crate::slot::SlotPlan;
use crate::sources;

/// Everything a server consists of, before anything runs.
pub struct Rooms {
    /// The store.
    pub store: Store,
    /// Where files are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// The slots.
    pub slots: Arc<SlotPool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often things happen.
    pub timings: Timings,
    /// What sends mails, where they are sent.
    mailer: Option<Arc<dyn Mailer>>,
    /// What sends callbacks, and where they may go, where any are sent.
    callbacks: Option<Callbacks>,
    /// What runs scripts, where any are run.
    scripts: Option<Arc<Scripts>>,
    /// What slots read at their start; kept open for those that start later.
    _plan: SlotPlan,
}

impl Rooms {
    /// Opens the rooms. `runs` says whether exports are run here; queries are planned in any case.
    /// `base_url` is where clients reach this server, where it serves.
    ///
    /// # Errors
    /// What cannot be opened, and what to do.
    pub fn open(
        loaded: &Loaded,
        store: Store,
        incarnation: &Incarnation,
        runs: bool,
        base_url: Option<&str>,
    ) -> anyhow::Result<Self> {
        let artifacts = artifacts(loaded).context("cannot open the artifact store")?;
        let plan = SlotPlan::new(loaded)?;
        let settings = slot_settings(loaded, &plan, runs);
        let slots = SlotPool::start(settings, incarnation).context("cannot start slots")?;
        Ok(Self {
            store,
            artifacts,
            slots: Arc::new(slots),
            clock: Arc::new(SystemClock),
            timings: timings(&loaded.config),
            mailer: mailer(loaded).context("cannot set up the mail")?,
            callbacks: caller(loaded).context("cannot set up callbacks")?,
            scripts: scripts(loaded, base_url).context("cannot set up scripts")?,
            _plan: plan,
        })
    }

    /// The use cases.
    pub fn exports(&self, checked: &Checked) -> Arc<Exports> {
        Arc::new(Exports::new(Parts {
            jobs: self.store.jobs(),
            access: self.store.access(),
            outbox: self.store.outbox(),
            sessions: self.store.sessions(),
            can_mail: self.mailer.is_some(),
            callbacks: self.callbacks.as_ref().map(|callbacks| callbacks.rules.clone()),
            scripts: self.scripts.clone().map(|scripts| scripts as Arc<dyn ScriptCheck>),
            artifacts: self.artifacts.clone(),
            planner: self.slots.clone(),
            formats: Arc::new(InstalledFormats),
            catalog: checked.catalog.clone(),
            tenants: checked.tenants.clone(),
            policies: checked.policies.clone(),
            clock: self.clock.clone(),
        }))
    }

    /// What the loop that runs exports stands on.
    pub fn worker(&self) -> WorkerParts {
        WorkerParts {
            jobs: self.store.jobs(),
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            slots: self.slots.clone(),
        }
    }

    /// What sends the messages about exports. `views` says what scripts are given.
    pub fn notifier(&self, views: ScriptViews) -> Notifier {
        Notifier {
            outbox: self.store.outbox(),
            jobs: self.store.jobs(),
            access: self.store.access(),
            clock: self.clock.clone(),
            mailer: self.mailer.clone(),
            caller: self.callbacks.as_ref().map(|callbacks| callbacks.caller.clone()),
            receivers: Arc::default(),
            scripts: self.scripts.clone(),
            views: Arc::new(views),
            timings: self.timings.clone(),
        }
    }

    /// The housekeepers.
    pub fn house(&self) -> House {
        House {
            jobs: self.store.jobs(),
            access: self.store.access(),
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            timings: self.timings.clone(),
            memory: Arc::default(),
        }
    }
}

/// What sends mails; `None` where none are sent.
///
/// # Errors
/// What is wrong with the section `mail`.
pub fn mailer(loaded: &Loaded) -> outhaul_exports::Result<Option<Arc<dyn Mailer>>> {
    let mail = &loaded.config.mail;
    let from = || Sender::parse(mail.from.as_deref().unwrap_or_default());
    Ok(match mail.transport {
        MailTransport::Off => None,
        MailTransport::File => Some(Arc::new(FileMailer::new(loaded.path(&mail.folder), from()?))),
        MailTransport::Smtp => Some(Arc::new(SmtpMailer::new(smtp_settings(loaded)?, from()?)?)),
    })
}

fn smtp_settings(loaded: &Loaded) -> outhaul_exports::Result<SmtpSettings> {
    let mail = &loaded.config.mail;
    Ok(SmtpSettings {
        host: mail.host.clone().unwrap_or_default(),
        port: mail.port.unwrap_or(mail.tls.port()),
        tls: match mail.tls {
            MailTls::None => SmtpTls::None,
            MailTls::Starttls => SmtpTls::StartTls,
            MailTls::Tls => SmtpTls::Tls,
        },
        credentials: mail.username.clone().zip(mail.password.clone()),
        ca: read_file(loaded, "mail.ca_file", mail.ca_file.as_deref())?,
        timeout: Duration::from_secs(mail.timeout_secs),
    })
}

/// What sends callbacks, and where they may go.
pub struct Callbacks {
    caller: Arc<dyn Caller>,
    rules: Arc<Rules>,
}

/// What sends callbacks; `None` where none are sent.
///
/// # Errors
/// What is wrong with the section `callbacks`, or with a tenant's secret.
pub fn caller(loaded: &Loaded) -> outhaul_exports::Result<Option<Callbacks>> {
    let callbacks = &loaded.config.callbacks;
    if !callbacks.enabled {
        return Ok(None);
    }
    let rules = callbacks.rules().map_err(|wrong| {
        let (key, text) =
            wrong.into_iter().next().map(|(key, _, text)| (key, text)).unwrap_or_default();
        Error::invalid(format!("callbacks.{key}"), text)
    })?;
    let rules = Arc::new(rules);
    let secret = |tenant: &TenantSection| {
        let secret = SigningSecret::parse(tenant.callback_secret.as_deref()?);
        let secret = secret.map_err(|text| Error::invalid("tenants.callback_secret", text));
        Some(secret.map(|secret| (TenantId(tenant.id.clone()), secret)))
    };
    let settings = CallSettings {
        rules: rules.clone(),
        secrets: loaded.config.tenants.iter().filter_map(secret).collect::<Result<_, _>>()?,
        ca: read_file(loaded, "callbacks.ca_file", callbacks.ca_file.as_deref())?,
        timeout: Duration::from_secs(callbacks.timeout_secs),
    };
    Ok(Some(Callbacks { caller: Arc::new(HttpCaller::new(settings)?), rules }))
}

/// What runs scripts; `None` where none are run. To be called in a runtime.
fn scripts(loaded: &Loaded, base_url: Option<&str>) -> anyhow::Result<Option<Arc<Scripts>>> {
    let section = &loaded.config.scripts;
    if !section.enabled {
        return Ok(None);
    }
    let sandbox = Sandbox::new(own_program(), vec!["script".into()])?;
    let own = base_url.map(url::Url::parse).transpose().context("server.base_url is no address")?;
    let time = Duration::from_secs(section.time_secs);
    let memory = usize::try_from(section.memory.0).unwrap_or(usize::MAX);
    let at_once = usize::try_from(section.at_once).unwrap_or(1);
    let scripts = Scripts::new(sandbox, time, memory, at_once, own);
    Ok(Some(Arc::new(if section.mails { scripts } else { scripts.without_mails() })))
}

/// The bytes of a file that a setting names.
fn read_file(
    loaded: &Loaded,
    key: &str,
    file: Option<&str>,
) -> outhaul_exports::Result<Option<Vec<u8>>> {
    let Some(file) = file else { return Ok(None) };
    let path = loaded.path(file);
    let read = std::fs::read(&path).map(Some);
    read.map_err(|error| Error::invalid(key, format!("cannot read {}: {error}", path.display())))
}

/// The routes of every dialect that is switched on, and what each shows to scripts.
///
/// # Errors
/// What is wrong with a dialect's own section.
pub fn routes(
    loaded: &Loaded,
    exports: &Arc<Exports>,
    base_url: &str,
) -> anyhow::Result<(Vec<Route>, ScriptViews)> {
    let mut routes: Vec<Route> = Vec::new();
    let mut views = ScriptViews::new();
    let sections = loaded.config.dialects.iter();
    let sections = sections.map(|(id, section)| (id.clone(), section.own.clone().into())).collect();
    let commons = Arc::new(Commons::new(sections));
    for dialect in outhaul_dialects::ALL {
        let section = loaded.config.dialects.get(dialect.id()).cloned().unwrap_or_default();
        if !section.enabled {
            continue;
        }
        let setting = Setting {
            exports: exports.clone(),
            base_url: base_url.to_owned(),
            config: section.own.into(),
            commons: commons.clone(),
        };
        let wrong = || format!("the section dialects.{} is wrong", dialect.id());
        if let Some(view) = dialect.script_view(&setting).with_context(wrong)? {
            views.insert(dialect.id().to_owned(), view);
        }
        let router: Router = dialect.router(setting).with_context(wrong)?;
        for prefix in dialect.prefixes() {
            if routes.iter().all(|route| route.prefix != *prefix) {
                let (dialect, router) = (dialect.id(), router.clone());
                routes.push(Route { prefix, dialect, router });
            }
        }
    }
    Ok((routes, views))
}

/// The store's address with its path made absolute.
pub fn store_address(loaded: &Loaded) -> String {
    let url = &loaded.config.store.url;
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            format!("sqlite:{}", loaded.path(path).display())
        }
        None => url.clone(),
    }
}

/// Opens the artifact store.
///
/// # Errors
/// When its location or options are wrong, or its folder cannot be written.
pub fn artifacts(loaded: &Loaded) -> outhaul_exports::Result<Arc<dyn ArtifactStore>> {
    let (location, options) = artifact_location(loaded);
    open_artifacts(&location, &options)
}

/// Where artifacts are, with a local path made absolute.
pub fn artifact_location(loaded: &Loaded) -> (String, Vec<(String, String)>) {
    let section = &loaded.config.artifacts;
    let is_local = !section.url.contains("://");
    let location = match is_local {
        true => loaded.path(&section.url).display().to_string(),
        false => section.url.clone(),
    };
    (location, section.options.clone().into_iter().collect())
}

fn slot_settings(loaded: &Loaded, plan: &SlotPlan, runs: bool) -> SlotSettings {
    let worker = &loaded.config.worker;
    let settings = SlotSettings::new(slot_command(plan), loaded.path(&worker.spill_dir));
    SlotSettings {
        slots: if runs { usize::try_from(worker.slots).unwrap_or(1) } else { 0 },
        planners: usize::try_from(worker.planners).unwrap_or(1),
        threads: threads(worker),
        memory_bytes: worker.memory.0,
        hard_memory_bytes: worker.memory_hard.0,
        spill_bytes: worker.spill_bytes.0,
        ..settings
    }
}

fn threads(worker: &Worker) -> usize {
    let own = worker.threads.and_then(|threads| usize::try_from(threads).ok());
    own.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The file that is running, also when another one has been put into its place since.
fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

fn slot_command(plan: &SlotPlan) -> SlotCommand {
    SlotCommand {
        program: own_program(),
        args: vec!["slot".into(), "--plan-fd".into(), plan.as_raw_fd().to_string().into()],
        env: vec![(OsString::from("TZ"), OsString::from("UTC"))],
    }
}

fn timings(config: &Config) -> Timings {
    let (worker, standard) = (&config.worker, Timings::default());
    let orphan_age = Duration::from_secs(worker.orphan_secs);
    Timings {
        heartbeat: Duration::from_secs(worker.heartbeat_secs),
        lease: Duration::from_secs(worker.lease_secs),
        sweep: Duration::from_secs(worker.sweep_secs),
        orphans: standard.orphans.min(orphan_age),
        orphan_age,
        notice: Duration::from_secs(config.mail.timeout_secs),
        notice_retries: Retries {
            pause: Duration::from_secs(config.mail.retry_secs),
            ..standard.notice_retries
        },
        callback: Duration::from_secs(config.callbacks.timeout_secs),
        callback_retries: Retries {
            pause: Duration::from_secs(config.callbacks.retry_secs),
            ..standard.callback_retries
        },
        script: Duration::from_secs(config.scripts.time_secs) + limits::SCRIPT_WAITS,
        script_retries: Retries {
            pause: Duration::from_secs(config.scripts.retry_secs),
            ..standard.script_retries
        },
        ..standard
    }
}

/// The catalog of a configuration that was checked already, for slots.
///
/// # Errors
/// As the check.
pub fn catalog(plan: &crate::slot::Plan) -> outhaul_exports::Result<Arc<Catalog>> {
    Catalog::check(plan.objects.clone()).map(Arc::new)
}

/// The sources with their paths made absolute.
pub fn source_configs(loaded: &Loaded) -> Vec<outhaul_engine::sources::SourceConfig> {
    sources::of(loaded)
}
