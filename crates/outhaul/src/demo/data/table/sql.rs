//! A table as SQL of PostgreSQL: made before the rows come, and completed by keys, indexes,
//! references and comments after.

use outhaul_exports::catalog::Cardinality;

use super::{DELETED_COLUMN, Make, PRECISION, TENANT_COLUMN, Table};

impl Table {
    /// Makes it, without anything that would slow the rows down.
    pub fn create(&self, schema: &str) -> String {
        let columns = self.columns.iter().map(|column| {
            let null = if column.nullable { "" } else { " not null" };
            format!("{} {}{null}", quoted(&column.name), sql_type(column.make))
        });
        let columns = columns.collect::<Vec<_>>().join(",\n  ");
        format!("create table {} (\n  {columns}\n)", self.in_schema(schema))
    }

    /// What binary rows in the order of the columns are sent after.
    pub fn copy_in(&self, schema: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        format!("copy {} ({}) from stdin binary", self.in_schema(schema), columns.join(", "))
    }

    /// Its primary key, an index by tenant, and comments, which need all of its rows.
    pub fn complete(&self, schema: &str) -> Vec<String> {
        let table = self.in_schema(schema);
        let key = self.primary_key();
        let mut all = vec![format!("alter table {table} add primary key ({})", list(&key))];
        if key.first() != Some(&TENANT_COLUMN) {
            all.push(format!("create index on {table} ({})", quoted(TENANT_COLUMN)));
        }
        all.push(format!("comment on table {table} is {}", text(&words(self.name))));
        for column in &self.columns {
            let comment = match column.name.as_str() {
                TENANT_COLUMN => Some("Whose the row is"),
                DELETED_COLUMN => Some("Whether the row counts as deleted"),
                _ => column.label,
            };
            if let Some(comment) = comment {
                let name = quoted(&column.name);
                all.push(format!("comment on column {table}.{name} is {}", text(comment)));
            }
        }
        all
    }

    /// References to other tables, which need the primary keys of those.
    pub fn references(&self, schema: &str, tables: &[Self]) -> Vec<String> {
        let mut all = Vec::new();
        for relation in self.relations.iter().filter(|relation| relation.sound) {
            let target = tables.iter().find(|table| table.name == relation.target);
            let Some(target) = target else { continue };
            debug_assert!(matches!(relation.cardinality, Cardinality::ToOne));
            let mut columns = vec![relation.column.as_str()];
            let key = target.primary_key();
            if key.first() == Some(&TENANT_COLUMN) {
                columns.insert(0, TENANT_COLUMN);
            }
            all.push(format!(
                "alter table {} add constraint {} foreign key ({}) references {} ({})",
                self.in_schema(schema),
                quoted(relation.name),
                list(&columns),
                target.in_schema(schema),
                list(&key),
            ));
        }
        all
    }

    /// Ids of billing are unique among all tenants, other keys are not.
    fn primary_key(&self) -> Vec<&str> {
        if self.key == ["Id"] {
            return self.key.clone();
        }
        std::iter::once(TENANT_COLUMN).chain(self.key.iter().copied()).collect()
    }

    fn in_schema(&self, schema: &str) -> String {
        format!("{}.{}", quoted(schema), quoted(self.name))
    }
}

fn sql_type(make: Make) -> String {
    match make {
        Make::Text(_) => "text".to_owned(),
        // As it was written, with the order of its members.
        Make::Json(_) => "json".to_owned(),
        Make::Id(_) => "varchar(32)".to_owned(),
        Make::Integer(_) => "bigint".to_owned(),
        Make::Decimal(_, scale) => format!("numeric({PRECISION},{scale})"),
        Make::Boolean(_) => "boolean".to_owned(),
        Make::Date(_) => "date".to_owned(),
        Make::Moment(_) | Make::Instant(_) => "timestamptz".to_owned(),
    }
}

/// `InvoiceItem` as people say it: `Invoice item`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            out.push(' ');
            out.push(letter.to_ascii_lowercase());
        } else {
            out.push(letter);
        }
    }
    out
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A name in SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
