//! The configuration that the demo writes, once: from then on it is its owner's to change.

use super::super::data::{ATTACHMENTS, Owner, SOURCE};
use super::super::database::{Database, SCHEMA};
use super::super::secrets::Secrets;
use super::super::source::Source;
use super::{Folder, PASSWORD, app_secret};

impl Folder {
    /// The demo's configuration.
    pub(super) fn configuration(
        &self,
        source: &Source,
        secrets: &Secrets,
    ) -> anyhow::Result<String> {
        let source = self.source_section(source)?;
        let tenants = Owner::ALL.map(|owner| {
            let zone = match owner {
                Owner::Acme => "UTC",
                Owner::Globex => "Europe/Berlin",
            };
            format!(
                "\n[[tenants]]\nid = \"{}\"\nlabel = \"{}\"\nzone = \"{zone}\"\n",
                owner.id(),
                owner.name()
            )
        });
        let environments = Owner::ALL.map(|owner| {
            let (id, token) = (owner.id(), owner.app_token());
            format!("\n[dialects.userpilot.environments.{id}]\napp_token = \"{token}\"\n")
        });
        let apps = secrets.tenants.iter().map(|(id, own)| {
            let (key, account, file) = (&own.cortex.api_key, &own.cortex.email, app_secret(id));
            format!(
                "\n[[dialects.cortex.apps]]\ntenant = \"{id}\"\nkey = \"{key}\"\nsecret = {{ file = \"{file}\" }}\naccount = \"{account}\"\n"
            )
        });
        Ok(format!(
            r#"# The demo's configuration. Every key is explained in docs/configuration.md;
# `outhaul config show` prints all of them.

[server]
listen = "127.0.0.1:8080"

[store]
url = "sqlite:outhaul.db"

[artifacts]
url = "artifacts"

[worker]
slots = 2
spill_dir = "spill"

[mail]
transport = "file"
from = "Outhaul <exports@localhost>"
folder = "mail"

[log]
level = "info"

{source}
# Files that rows refer to: each tenant's are in a folder of its own.
[[sources]]
kind = "files"
name = "{ATTACHMENTS}"
url = "{ATTACHMENTS}"

[catalog]
file = "catalog.toml"

[dialects.zuora_export.rates]
base = "USD"
table = {{ EUR = "0.92", GBP = "0.79" }}
{}{}{}"#,
            environments.concat(),
            apps.collect::<String>(),
            tenants.concat()
        ))
    }

    /// The `[[sources]]` section of the configuration.
    fn source_section(&self, source: &Source) -> anyhow::Result<String> {
        let Source::Postgres(database) = source else {
            return Ok(format!(
                "[[sources]]\nkind = \"files\"\nname = \"{SOURCE}\"\nurl = \"data\"\n"
            ));
        };
        let mut text = String::new();
        if let Database::Private(_) = database {
            text += &format!(
                "# This is {database}.\n# `outhaul demo` starts it, and it stays until `outhaul demo --stop`.\n"
            );
        }
        let url = toml::Value::String(database.url()?);
        text += &format!(
            "[[sources]]\nkind = \"postgres\"\nname = \"{SOURCE}\"\nurl = {url}\nschema = \"{SCHEMA}\"\n"
        );
        if self.0.join(PASSWORD).exists() {
            text += &format!("password = {{ file = \"{PASSWORD}\" }}\n");
        }
        Ok(text)
    }
}
