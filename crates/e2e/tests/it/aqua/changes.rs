//! Rows of the demo that change while a test runs, in a file or in a database.

use outhaul_e2e::Server;
use outhaul_e2e::python::{output, script};
use serde_json::{Value, json};

/// A row that is changed, or copied under another Id.
pub struct Change {
    row: String,
    set: Value,
}

impl Change {
    /// Of the row with this Id: new values by column. Whoever changes a row says when, in
    /// `UpdatedDate`; `now` is a time, too.
    pub fn of(row: &str, set: Value) -> Self {
        Self { row: row.to_owned(), set }
    }

    fn values(&self) -> impl Iterator<Item = (String, String)> {
        let literal = |value: &Value| match value {
            Value::String(text) => format!("'{}'", text.replace('\'', "''")),
            other => other.to_string(),
        };
        let values = self.set.as_object().into_iter().flatten();
        values.map(move |(name, value)| (format!("\"{name}\""), literal(value)))
    }

    fn statement(&self, table: &str) -> String {
        let row = self.row.replace('\'', "''");
        if self.set["Id"].is_string() {
            let set = self.set.to_string().replace('\'', "''");
            return format!(
                "insert into {table} select (jsonb_populate_record(t, '{set}')).* \
                 from {table} t where \"Id\" = '{row}'"
            );
        }
        let set: Vec<_> = self.values().map(|(name, value)| format!("{name} = {value}")).collect();
        format!("update {table} set {} where \"Id\" = '{row}'", set.join(", "))
    }
}

/// Makes all of them in one step.
pub fn apply(server: &mut Server, object: &str, changes: &[Change]) -> anyhow::Result<()> {
    if let Some(database) = server.database() {
        let table = format!("outhaul_demo.\"{object}\"");
        let all: Vec<_> = changes.iter().map(|change| change.statement(&table)).collect();
        database.sql(&format!("begin;\n{};\ncommit;", all.join(";\n")))?;
        return Ok(());
    }
    let Some(python) = outhaul_e2e::python::interpreter() else { return Ok(()) };
    let file = server.folder().join(format!("data/{object}.parquet"));
    let list: Vec<_> =
        changes.iter().map(|change| json!({"row": change.row, "set": change.set})).collect();
    let list = Value::Array(list).to_string();
    output(script(&python, "change_rows.py").arg(file).arg(list))?;
    Ok(())
}
