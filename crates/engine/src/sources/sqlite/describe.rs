//! What a file says of its tables, by the functions of its pragmas.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::types::Described;

/// A table or a view.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) columns: Vec<Described>,
    /// The columns of the primary key, in its order.
    pub(super) key: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) columns: Vec<String>,
    pub(super) table: String,
    pub(super) target: Vec<String>,
}

/// The table of that name; `None` when there is none.
pub(super) async fn relation(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Relation>, sqlx::Error> {
    let found: Option<(String,)> = sqlx::query_as(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE \
         AND type <> 'shadow'",
    )
    .bind(name)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((name,)) = found else { return Ok(None) };
    let rows: Vec<(String, String, bool, i64)> = sqlx::query_as(
        // 1 is what a virtual table hides; generated columns are 2 and 3.
        "SELECT name, type, \"notnull\" <> 0, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 \
         ORDER BY cid",
    )
    .bind(&name)
    .fetch_all(connection)
    .await?;
    let mut key: Vec<_> = rows.iter().filter(|(_, _, _, place)| *place > 0).collect();
    key.sort_by_key(|(_, _, _, place)| *place);
    let key = key.into_iter().map(|(name, ..)| name.clone()).collect();
    let column = |(name, declared, filled, _): &(String, String, bool, i64)| Described {
        name: name.clone(),
        declared: declared.clone(),
        nullable: !filled,
    };
    let columns = rows.iter().map(column).collect();
    Ok(Some(Relation { name, columns, key }))
}

/// The tables and views of the file.
pub(super) async fn names(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// The foreign keys of a table.
pub(super) async fn references(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<Reference>, sqlx::Error> {
    let rows: Vec<(i64, String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?) ORDER BY id, seq",
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await?;
    let mut references: BTreeMap<i64, Reference> = BTreeMap::new();
    for (id, table, column, target) in rows {
        let reference = references.entry(id).or_insert_with(|| Reference {
            columns: Vec::new(),
            table,
            target: Vec::new(),
        });
        reference.columns.push(column);
        reference.target.extend(target);
    }
    let mut all = Vec::new();
    for mut reference in references.into_values() {
        // One that names no columns means the other table's key.
        if reference.target.is_empty()
            && let Some(other) = relation(connection, &reference.table).await?
        {
            reference.target = other.key;
        }
        if reference.target.len() == reference.columns.len() {
            all.push(reference);
        }
    }
    Ok(all)
}
