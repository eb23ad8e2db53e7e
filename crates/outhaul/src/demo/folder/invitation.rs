//! What a person is told when the demo is ready.

use std::fmt::Write as _;

use outhaul_dialects::zoho::Directory;

use super::super::data::{Kind, Owner, World};
use super::super::database::{Database, SCHEMA};
use super::super::secrets::Secrets;
use super::super::source::Source;
use super::{Folder, Made, Orgs, PASSWORD};

impl Folder {
    /// What a person is told when the server is ready.
    pub fn invitation(
        &self,
        base_url: &str,
        made: &Made,
        secrets: &Secrets,
        orgs: &Orgs,
    ) -> String {
        let rows = made.rows;
        let (place, end) = self.place(&made.source);
        let acme = &secrets.tenants[Owner::Acme.id()];
        let (key, vendor) = (&acme.native.api_key, &acme.zuora);
        let place_of = |of: fn(&Directory) -> &String| {
            orgs.get(Owner::Acme.id()).map_or_else(String::new, |org| of(org).clone())
        };
        let (org, workspace) = (place_of(|org| &org.org_id), place_of(|org| &org.workspace_id));
        let world = World::of(rows);
        let items = world.rows_of(Owner::Acme);
        let events = world.own_rows(Kind::Event, Owner::Acme);
        let demo = self.0.join("demo.json");
        let demo = demo.display();
        let program = std::env::current_exe();
        let program = program.map_or("outhaul".to_owned(), |path| path.display().to_string());
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            r#"
Outhaul is ready at {base_url}
  {place}
  credentials of both tenants, acme and globex, are in {demo}
  acme has about {items} invoice items of {rows}, and {events} events of its users

Export acme's accounts through our own API:

  curl -sS {base_url}/api/v1/exports -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' \
    -d '{{"queries":[{{"object":"Account","fields":["Id","Name","Balance","BillToContact.City"]}}],"format":"csv"}}'
  curl -sS {base_url}/api/v1/exports -H 'Authorization: Bearer {key}'

The same with this program, with a progress bar, saved and checked:

  {program} exports create --demo {demo} --object InvoiceItem --pack gzip --output items.csv.gz

As a client of Zuora's Object Export would:

  TOKEN=$(curl -sS {base_url}/oauth/token -d grant_type=client_credentials \
    -d client_id={id} -d client_secret={secret} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sS {base_url}/v1/object/export -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' \
    -d '{{"Format":"csv","Query":"select AccountNumber, Name, Balance from Account where Balance > 0"}}'
  curl -sS {base_url}/v1/object/export/ID -H "Authorization: Bearer $TOKEN"
  curl -sS {base_url}/v1/files/FILEID -H "Authorization: Bearer $TOKEN" -o accounts.csv

Several queries in one job, of which the next one brings only what changed, as a client of AQuA would:

  curl -sS {base_url}/v1/batch-query/ -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -d '{{"version":"1.2","partner":"demo","project":"copy","useQueryLabels":"true","queries":[
      {{"name":"accounts","type":"zoqlexport","query":"select Id, Name, Balance from Account"}},
      {{"name":"invoices","type":"zoql","query":"select Id, Amount from Invoice where Amount > 100"}}]}}'
  curl -sS {base_url}/v1/batch-query/jobs/ID -H "Authorization: Bearer $TOKEN"

Two days of events, as a client of Userpilot would:

  curl -sS {base_url}/api/v1/analytics/exports -H 'Authorization: Token {app_token}' \
    -d '{{"from":"2026-01-05","to":"2026-01-06","event_type":["track"],"format":"ndjson"}}'
  curl -sS {base_url}/api/v1/analytics/exports/jobs/ID -H 'Authorization: Token {app_token}'

A statement as JSON, as a client of Zoho Analytics would:

  ACCESS=$(curl -sS {base_url}/oauth/v2/token -d grant_type=refresh_token -d client_id={zoho_id} \
    -d client_secret={zoho_secret} -d refresh_token={refresh_token} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sSG {base_url}/restapi/v2/bulk/workspaces/{workspace}/data \
    -H "Authorization: Zoho-oauthtoken $ACCESS" -H 'ZANALYTICS-ORGID: {org}' \
    --data-urlencode 'CONFIG={{"responseFormat":"json","sqlQuery":"select Status, count(*) as N from Account group by Status"}}'
  curl -sS {base_url}/restapi/v2/bulk/workspaces/{workspace}/exportjobs/JOBID/data -H "Authorization: Zoho-oauthtoken $ACCESS"

The same accounts in a zip archive, as a client of Medable Cortex would:

  curl -sS -c cookies {base_url}/{cortex_org}/v2/accounts/login -H 'Medable-Client-Key: {api_key}' \
    -d email={email} -d password={cortex_password}
  curl -sS -b cookies {base_url}/{cortex_org}/v2/exports -H 'Medable-Client-Key: {api_key}' \
    -H 'Content-Type: application/json' -d '{{"label":"Accounts","objects":"c_accounts","format":"text/csv"}}'
  curl -sS -b cookies {base_url}/{cortex_org}/v2/exports/ID/state -H 'Medable-Client-Key: {api_key}'
  curl -sSL -b cookies {base_url}/{cortex_org}/v2/exports/ID/dataFile/content -H 'Medable-Client-Key: {api_key}' -o accounts.zip

{end}

"#,
            id = vendor.client_id,
            secret = vendor.client_secret,
            app_token = acme.userpilot.app_token,
            zoho_id = acme.zoho.client_id,
            zoho_secret = acme.zoho.client_secret,
            refresh_token = acme.zoho.refresh_token,
            cortex_org = acme.cortex.org,
            api_key = acme.cortex.api_key,
            email = acme.cortex.email,
            cortex_password = acme.cortex.password,
        );
        text
    }

    /// Where everything is, and what remains at the end.
    fn place(&self, source: &Source) -> (String, String) {
        let folder = self.0.display();
        let Source::Postgres(database) = source else {
            let place = format!("data, configuration, store and files are in {folder}");
            return (place, "Ctrl-C stops it.".to_owned());
        };
        // It was started, so that it has one.
        let url = database.url().unwrap_or_default();
        let mut place = format!(
            "configuration, store and files are in {folder},\n  the rows in schema {SCHEMA} at {url}"
        );
        if self.0.join(PASSWORD).exists() {
            let _ = write!(place, "\n  (the password is in {})", self.0.join(PASSWORD).display());
        }
        let end = match database {
            Database::Named(_) => "Ctrl-C stops it; the rows stay in the database.".to_owned(),
            Database::Private(_) => {
                let stop = format!("outhaul demo --data {folder} --stop");
                format!("Ctrl-C stops it; the database stays, until `{stop}`.")
            }
        };
        (place, end)
    }
}
