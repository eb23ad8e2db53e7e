//! What a database says of its tables, in `information_schema`.

use std::collections::BTreeMap;

use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::session::{Server, said};
use super::sql;
use super::types::Described;

/// A table or a view.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) database: String,
    pub(super) name: String,
    pub(super) comment: Option<String>,
    /// About how many rows there are.
    pub(super) rows: Option<u64>,
    pub(super) columns: Vec<Described>,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) database: String,
    pub(super) table: String,
    pub(super) target: Vec<String>,
}

impl Relation {
    /// As SQL names it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", sql::name(&self.database), sql::name(&self.name))
    }
}

const TYPES: &str = "'BASE TABLE', 'VIEW', 'SYSTEM VERSIONED'";

/// Asks with texts in the places of question marks.
async fn ask(
    connection: &mut MySqlConnection,
    query: &'static str,
    texts: &[&str],
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let mut query = sqlx::query(query);
    for text in texts {
        query = query.bind(*text);
    }
    query.fetch_all(connection).await
}

/// The table of that name; `None` when there is none that the user may see.
pub(super) async fn relation(
    connection: &mut MySqlConnection,
    server: Server,
    database: &str,
    name: &str,
) -> Result<Option<Relation>, sqlx::Error> {
    let rows = ask(
        connection,
        "SELECT TABLE_NAME, TABLE_COMMENT, TABLE_ROWS, TABLE_TYPE FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        &[database, name],
    )
    .await?;
    // A server without regard to case has one table for several names; others may have several.
    let row = rows.iter().find(|row| said(row, 0) == name).or(match rows.as_slice() {
        [one] => Some(one),
        _ => None,
    });
    let Some(row) = row else { return Ok(None) };
    let name = said(row, 0);
    let is_view = said(row, 3) == "VIEW";
    let mut columns = columns(connection, database, &name).await?;
    if server == Server::MariaDb {
        let documents = documents(connection, database, &name).await?;
        for column in columns.iter_mut().filter(|column| documents.contains(&column.name)) {
            column.is_document = true;
        }
    }
    Ok(Some(Relation {
        database: database.to_owned(),
        // A view has the word for its kind there.
        comment: Some(said(row, 1)).filter(|text| !text.is_empty() && !is_view),
        rows: number(row, 2),
        columns,
        name,
    }))
}

/// The tables and views of a database that one may see.
pub(super) async fn names(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let query = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ({TYPES}) ORDER BY TABLE_NAME"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(database);
    Ok(query.fetch_all(connection).await?.iter().map(|row| said(row, 0)).collect())
}

async fn columns(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<Described>, sqlx::Error> {
    let rows = ask(
        connection,
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_COMMENT, \
                CAST(NUMERIC_PRECISION AS CHAR), CAST(NUMERIC_SCALE AS CHAR), CHARACTER_SET_NAME \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
         ORDER BY ORDINAL_POSITION",
        &[database, table],
    )
    .await?;
    let column = |row: &MySqlRow| Described {
        name: said(row, 0),
        type_name: said(row, 1).to_ascii_lowercase(),
        shown: said(row, 2).to_ascii_lowercase(),
        nullable: said(row, 3) != "NO",
        comment: Some(said(row, 4)).filter(|text| !text.is_empty()),
        precision: said(row, 5).parse().unwrap_or_default(),
        scale: said(row, 6).parse().unwrap_or_default(),
        charset: said(row, 7),
        is_document: false,
    };
    Ok(rows.iter().map(column).collect())
}

/// The columns of text that the database lets hold JSON only: MariaDB has no type of its own for it.
async fn documents(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = ask(
        connection,
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?",
        &[database, table],
    )
    .await?;
    let column = |row: &MySqlRow| {
        let clause = said(row, 0);
        let inner = clause.strip_prefix("json_valid(`")?.strip_suffix("`)")?;
        Some(inner.replace("``", "`"))
    };
    Ok(rows.iter().filter_map(column).collect())
}

/// The columns of each table's primary key.
pub(super) async fn keys(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<BTreeMap<String, Vec<String>>, sqlx::Error> {
    let rows = ask(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
         WHERE TABLE_SCHEMA = ? AND CONSTRAINT_NAME = 'PRIMARY' \
         ORDER BY TABLE_NAME, ORDINAL_POSITION",
        &[database],
    )
    .await?;
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        keys.entry(said(row, 0)).or_default().push(said(row, 1));
    }
    Ok(keys)
}

/// The foreign keys of each table.
pub(super) async fn references(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<BTreeMap<String, Vec<Reference>>, sqlx::Error> {
    let rows = ask(
        connection,
        "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, \
                REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
         FROM information_schema.KEY_COLUMN_USAGE \
         WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
        &[database],
    )
    .await?;
    let mut references: BTreeMap<_, Vec<Reference>> = BTreeMap::new();
    for row in &rows {
        let of_table = references.entry(said(row, 0)).or_default();
        let name = said(row, 1);
        if of_table.last().is_none_or(|last| last.name != name) {
            of_table.push(Reference {
                name,
                columns: Vec::new(),
                database: said(row, 3),
                table: said(row, 4),
                target: Vec::new(),
            });
        }
        if let Some(last) = of_table.last_mut() {
            last.columns.push(said(row, 2));
            last.target.push(said(row, 5));
        }
    }
    Ok(references)
}

/// A number that is sent in 64 bits.
fn number(row: &MySqlRow, at: usize) -> Option<u64> {
    let bytes = super::session::held(row, at)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
