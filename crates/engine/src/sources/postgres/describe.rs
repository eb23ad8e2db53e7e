//! What a database says of its tables, in its own system tables.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Oid;

use super::sql;
use super::types::Described;

/// A table, a view or the like.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    /// `pg_class.relkind`: `r` for a table, `p` for a partitioned one, `v` for a view and so on.
    pub(super) kind: u8,
    pub(super) comment: Option<String>,
    pub(super) columns: Vec<Described>,
    /// Sets of columns of which no two rows have the same values, the primary key first.
    pub(super) unique: Vec<Vec<String>>,
    /// Whether the first of them is a primary key.
    pub(super) has_key: bool,
}

/// Where rows are: a table itself, or the parts of a partitioned one.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) oid: Oid,
    /// As SQL names it.
    pub(super) name: String,
    /// Whether its rows lie in blocks of its own, in an order that stays.
    pub(super) is_heap: bool,
    /// Bytes of those blocks.
    pub(super) bytes: i64,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) target: Vec<String>,
}

impl Relation {
    /// As SQL names it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", sql::name(&self.schema), sql::name(&self.name))
    }

    /// Whether a row of it is the only one with its values of these columns.
    pub(super) fn is_unique(&self, columns: &[&str]) -> bool {
        self.unique.iter().any(|key| key.iter().all(|column| columns.contains(&column.as_str())))
    }
}

const KINDS: &str = "'r', 'p', 'v', 'm', 'f'";

/// The relation of that name; `None` when there is none that the user may see.
pub(super) async fn relation(
    client: &Client,
    schema: &str,
    name: &str,
) -> Result<Option<Relation>, tokio_postgres::Error> {
    let row = client
        .query_opt(
            &format!(
                "SELECT c.oid, c.relkind::text, pg_catalog.obj_description(c.oid, 'pg_class') \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ({KINDS})"
            ),
            &[&schema, &name],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let oid = row.get(0);
    let (unique, has_key) = unique(client, oid).await?;
    Ok(Some(Relation {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: byte(row.get(1)),
        comment: row.get(2),
        columns: columns(client, oid).await?,
        unique,
        has_key,
    }))
}

/// The relations of a schema that one may read, but for the parts of others.
pub(super) async fn names(
    client: &Client,
    schema: &str,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client
        .query(
            &format!(
                "SELECT c.relname::text \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1::text AND c.relkind IN ({KINDS}) AND NOT c.relispartition \
                   AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                 ORDER BY c.relname"
            ),
            &[&schema],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn columns(client: &Client, oid: Oid) -> Result<Vec<Described>, tokio_postgres::Error> {
    let rows = client
        .query(
            // Domains are followed to what they are made of.
            "WITH RECURSIVE base AS ( \
               SELECT a.attnum, a.attname::text AS name, a.attnotnull AS filled, a.atttypid AS type, \
                      a.atttypmod AS modifier, a.attcollation AS collation, \
                      pg_catalog.format_type(a.atttypid, a.atttypmod) AS shown, \
                      pg_catalog.col_description(a.attrelid, a.attnum) AS comment \
               FROM pg_catalog.pg_attribute a \
               WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped \
             UNION ALL \
               SELECT b.attnum, b.name, b.filled OR t.typnotnull, t.typbasetype, \
                      CASE WHEN t.typtypmod <> -1 THEN t.typtypmod ELSE b.modifier END, \
                      b.collation, b.shown, b.comment \
               FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd') \
             SELECT b.name, b.filled, b.modifier, b.shown, b.comment, t.typname::text, \
                    t.typtype::text, t.typcategory::text, n.nspname = 'pg_catalog', \
                    COALESCE(c.collisdeterministic, true) \
             FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd' \
             JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             LEFT JOIN pg_catalog.pg_collation c ON c.oid = b.collation \
             ORDER BY b.attnum",
            &[&oid],
        )
        .await?;
    let column = |row: &tokio_postgres::Row| {
        let type_name: String = row.get(5);
        let builtin: bool = row.get(8);
        Described {
            name: row.get(0),
            shown: row.get(3),
            nullable: !row.get::<_, bool>(1),
            comment: row.get(4),
            builtin: builtin.then(|| type_name.clone()),
            type_name,
            type_kind: byte(row.get(6)),
            category: byte(row.get(7)),
            modifier: row.get(2),
            deterministic: row.get(9),
        }
    };
    Ok(rows.iter().map(column).collect())
}

async fn unique(
    client: &Client,
    oid: Oid,
) -> Result<(Vec<Vec<String>>, bool), tokio_postgres::Error> {
    let rows = client
        .query(
            // An index over an expression, or of some rows only, says nothing of columns.
            "SELECT i.indisprimary, \
                    ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) \
                          WITH ORDINALITY AS k(attnum, place) \
                          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
                          ORDER BY k.place) \
             FROM pg_catalog.pg_index i \
             WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate \
               AND i.indpred IS NULL AND NOT 0 = ANY(i.indkey[0:i.indnkeyatts - 1]) \
             ORDER BY i.indisprimary DESC, i.indexrelid",
            &[&oid],
        )
        .await?;
    let has_key = rows.first().is_some_and(|row| row.get(0));
    Ok((rows.iter().map(|row| row.get(1)).collect(), has_key))
}

/// The foreign keys of a relation.
pub(super) async fn references(
    client: &Client,
    oid: Oid,
) -> Result<Vec<Reference>, tokio_postgres::Error> {
    let names = |keys: &str, relation: &str| {
        format!(
            "ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.{keys}) \
             WITH ORDINALITY AS u(attnum, place) JOIN pg_catalog.pg_attribute a \
             ON a.attrelid = k.{relation} AND a.attnum = u.attnum ORDER BY u.place)"
        )
    };
    let query = format!(
        "SELECT k.conname::text, {}, n.nspname::text, c.relname::text, {} \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.conrelid = $1 AND k.contype = 'f' AND NOT c.relispartition ORDER BY k.conname",
        names("conkey", "conrelid"),
        names("confkey", "confrelid"),
    );
    let rows = client.query(&query, &[&oid]).await?;
    let reference = |row: &tokio_postgres::Row| Reference {
        name: row.get(0),
        columns: row.get(1),
        schema: row.get(2),
        table: row.get(3),
        target: row.get(4),
    };
    Ok(rows.iter().map(reference).collect())
}

/// Keeps the relation from being emptied or rewritten until the transaction ends, and answers
/// whether that happened since the snapshot was taken. Neither leaves old rows for old snapshots
/// (PostgreSQL documentation, "Concurrency Control", "Caveats"): the table would seem empty.
pub(super) async fn hold(
    client: &Client,
    relation: &Relation,
) -> Result<bool, tokio_postgres::Error> {
    // Others hold nothing that could be kept.
    if !matches!(relation.kind, b'r' | b'p') {
        return Ok(true);
    }
    client.batch_execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", relation.quoted())).await?;
    // The column is what the snapshot sees, the function what is there now.
    let row = client
        .query_one(
            "SELECT COALESCE(bool_and(c.relfilenode = pg_catalog.pg_relation_filenode(c.oid)), true) \
             FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid IN \
               (SELECT $1::oid UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree($1::oid))",
            &[&relation.oid],
        )
        .await?;
    Ok(row.get(0))
}

/// Where the rows of a relation are.
pub(super) async fn leaves(
    client: &Client,
    relation: &Relation,
) -> Result<Vec<Leaf>, tokio_postgres::Error> {
    let from = match relation.kind {
        b'p' => "(SELECT relid AS oid FROM pg_catalog.pg_partition_tree($1::oid) WHERE isleaf)",
        _ => "(SELECT $1::oid AS oid)",
    };
    let query = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, \
                CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END, \
                COALESCE(m.amname = 'heap', false), \
                EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid) \
         FROM {from} AS l JOIN pg_catalog.pg_class c ON c.oid = l.oid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam ORDER BY c.oid"
    );
    let rows = client.query(&query, &[&relation.oid]).await?;
    let leaf = |row: &tokio_postgres::Row| {
        // A table that others inherit from has their rows too, in blocks that are not its own.
        let (is_heap, has_heirs): (bool, bool) = (row.get(5), row.get(6));
        Leaf {
            oid: row.get(0),
            name: format!("{}.{}", sql::name(row.get(1)), sql::name(row.get(2))),
            is_heap: is_heap && !has_heirs && matches!(byte(row.get(3)), b'r' | b'm'),
            bytes: row.get(4),
        }
    };
    Ok(rows.iter().map(leaf).collect())
}

/// How many rows the planner expects of each relation of a schema.
pub(super) async fn estimates(
    client: &Client,
    schema: &str,
) -> Result<BTreeMap<String, u64>, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT c.relname::text, c.reltuples::float8 FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1::text AND c.reltuples >= 0 AND c.relkind IN ('r', 'm', 'p')",
            &[&schema],
        )
        .await?;
    // Cannot fail because it is not negative, and no table has more rows than that.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, f64>(1) as u64)).collect())
}

fn byte(text: &str) -> u8 {
    text.bytes().next().unwrap_or_default()
}
