//! Small values that tests begin with: a catalog, a tenant, an export.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::ExportId;
use crate::catalog::Catalog;
use crate::export::{Export, Progress, State, Tally};
use crate::policy::{Policy, days, hours};
use crate::principal::{Principal, Role, Tenant, TenantId, TenantScope};
use crate::query::{Column, Expr, Query, Select};
use crate::spec::{ExportSpec, FormatChoice, Packing, QuerySpec};

/// Noon of a day in summer.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_782_216_000, 0).expect("cannot fail because the number is small")
}

/// A tenant whose rows carry its id.
pub fn tenant(id: &str) -> Tenant {
    Tenant {
        id: TenantId::from(id),
        label: id.to_owned(),
        value: id.to_owned(),
        zone: Tz::UTC,
        entities: Vec::new(),
        orgs: Vec::new(),
        public_key: None,
    }
}

/// Somebody of that tenant who may create exports.
pub fn principal(id: &str) -> Principal {
    let tenant = tenant(id);
    Principal {
        scope: TenantScope::of(&tenant),
        tenant: tenant.id,
        credential: "test".into(),
        role: Role::Exporter,
    }
}

/// A policy with small numbers.
pub fn policy() -> Policy {
    Policy {
        active_max: Some(5),
        session_active_max: None,
        running_max: None,
        query_secs_max: None,
        run_secs_max: Some(hours(1)),
        file_kept_secs: days(7),
        record_kept_secs: days(90),
        queries_max: 50,
        storage_bytes_max: None,
    }
}

/// A queued export of that tenant's invoices as csv.
pub fn export(tenant_id: &str, now: DateTime<Utc>) -> Export {
    let mut select = Select::of("Invoice");
    select.columns = vec![Column {
        label: "Invoice.Id".into(),
        expr: Expr::own("Id"),
        protection: crate::query::Protection::Plain,
    }];
    let policy = policy();
    let kept = TimeDelta::seconds(policy.record_kept_secs.cast_signed());
    Export {
        id: ExportId::new(now),
        dialect: "native".into(),
        tenant: TenantId::from(tenant_id),
        created_by: "test".into(),
        scope: TenantScope::of(&tenant(tenant_id)),
        spec: ExportSpec {
            label: None,
            description: None,
            queries: vec![QuerySpec { name: None, query: Query::Select(Box::new(select)) }],
            format: FormatChoice::plain("csv"),
            packing: Packing::None,
            row_numbers: None,
            documents: None,
            archive: None,
            split: None,
            sealing_key: None,
            encryption_key: None,
            password: None,
            notices: Vec::new(),
            session: None,
        },
        policy,
        echo: serde_json::Value::Null,
        state: State::Queued,
        cancel_requested: false,
        lease: None,
        tally: Tally::default(),
        not_before: None,
        progress: Progress::default(),
        failure: None,
        warnings: Vec::new(),
        manifest: None,
        sent: Vec::new(),
        acknowledged_at: None,
        created_at: now,
        updated_at: now,
        started_at: None,
        finished_at: None,
        files_expire_at: None,
        record_expires_at: now + kept,
    }
}

/// Account, Contact, Invoice and `PaymentMethod`, related as a billing system would.
pub fn catalog() -> Catalog {
    let objects = toml::from_str::<Objects>(CATALOG).expect("cannot fail because a test reads it");
    Catalog::check(objects.objects).expect("cannot fail because a test reads it")
}

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<crate::catalog::raw::RawObject>,
}

const CATALOG: &str = include_str!("catalog.toml");

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_catalog_is_sound() {
        let catalog = super::catalog();
        assert!(catalog.require("invoice").is_ok());
    }
}
