//! What changed since an earlier snapshot, by the numbers of transactions.
//!
//! Every version of a row says which transaction wrote it (`xmin`). A snapshot knows the oldest
//! transaction that was still running: whatever was not yet to be seen in it was written by that one
//! or a later one. So an increment takes every row that such a transaction wrote: no clock, no
//! column and no trigger has a part in it, and a transaction that commits late is never passed over.
//! A row that was there before may come again, when the transaction that wrote it was younger than
//! the oldest one.
//!
//! The number in a row has 32 bits. It is compared by its distance from the next one, which is right
//! for numbers less than 2^31 apart; a row that is older than that may come again, and a mark that
//! is older is refused and everything read anew. A part of a table that the mark does not know (a
//! partition that was attached, a table that took another's name) is read whole, because its rows
//! may be older than the mark.

use outhaul_exports::session::Mark;
use outhaul_exports::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::describe::{Leaf, Relation};
use super::session::Snapshot;
use crate::sources::Since;

/// Distance of transactions within which numbers of 32 bits can be compared, with room for those
/// that begin while rows are read.
const DISTANCE_MAX: u64 = (1 << 31) - (1 << 28);

/// The value of a mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Value {
    /// See [`Snapshot::database`].
    database: String,
    /// The snapshot, for people.
    snapshot: String,
    /// The oldest transaction that was still running.
    oldest: u64,
    /// The parts that each table had, by the name of the table.
    leaves: BTreeMap<String, BTreeSet<u32>>,
}

impl Value {
    pub(super) fn of(moment: &Snapshot, leaves: BTreeMap<String, BTreeSet<u32>>) -> Self {
        Self {
            database: moment.database.clone(),
            snapshot: moment.id.clone(),
            oldest: moment.oldest,
            leaves,
        }
    }

    fn read(mark: &Mark) -> Result<Self> {
        serde_json::from_value(mark.value.clone())
            .map_err(|cause| Error::internal("a mark is not of this source").with_source(cause))
    }
}

/// How to read what changed in a table since a mark.
pub(super) fn since(
    mark: &Mark,
    moment: &Snapshot,
    relation: &Relation,
    leaves: &[Leaf],
    object: &str,
) -> Result<Since> {
    if let Some(leaf) = leaves.iter().find(|leaf| !leaf.is_heap) {
        return Err(Error::unsupported(format!(
            "object {object} is a view or a foreign table, whose rows do not tell when they changed; \
             export it without a session, or name the table behind it in the catalog"
        ))
        .with_internal(leaf.name.clone()));
    }
    // A mark of another kind of source is of another database, too.
    let Ok(value) = Value::read(mark) else { return Ok(Since::All) };
    let known = value.leaves.contains_key(&relation.quoted());
    let distance = moment.next.checked_sub(value.oldest);
    let near = distance.is_some_and(|distance| distance <= DISTANCE_MAX);
    let same = value.database == moment.database && known && near;
    Ok(if same { Since::Scan } else { Since::All })
}

/// Where an increment of a table begins.
#[derive(Debug, Clone)]
pub(super) struct Horizon {
    oldest: u64,
    known: BTreeSet<u32>,
}

impl Horizon {
    /// Of a mark that [`since`] found to be good.
    pub(super) fn of(mark: &Mark, relation: &Relation) -> Result<Option<Self>> {
        let mut value = Value::read(mark)?;
        let known = value.leaves.remove(&relation.quoted());
        Ok(known.map(|known| Self { oldest: value.oldest, known }))
    }

    /// The condition on rows of a leaf; `None` when all of them are wanted.
    pub(super) fn condition(&self, leaf: u32) -> Option<String> {
        let oldest = self.oldest & u64::from(u32::MAX);
        let condition = format!("pg_catalog.age(xmin) <= pg_catalog.age('{oldest}'::xid)");
        self.known.contains(&leaf).then_some(condition)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn moment(oldest: u64, next: u64, database: &str) -> Snapshot {
        Snapshot {
            id: format!("{oldest}:{next}:"),
            oldest,
            next,
            at: DateTime::UNIX_EPOCH,
            database: database.to_owned(),
        }
    }

    fn mark(value: &Value) -> Mark {
        let value = serde_json::to_value(value).expect("json");
        Mark::new("main", DateTime::UNIX_EPOCH, value)
    }

    fn relation(name: &str) -> Relation {
        Relation {
            oid: 1,
            schema: "public".into(),
            name: name.into(),
            kind: b'r',
            comment: None,
            columns: Vec::new(),
            unique: Vec::new(),
            has_key: false,
        }
    }

    fn leaf(oid: u32, is_heap: bool) -> Leaf {
        Leaf { oid, name: "public.t".into(), is_heap, bytes: 0 }
    }

    #[test]
    fn a_mark_counts_only_where_its_numbers_do() {
        let leaves = BTreeMap::from([(relation("t").quoted(), BTreeSet::from([7]))]);
        let value = Value::of(&moment(5 << 32, (5 << 32) + 9, "1/2"), leaves);
        let far = (5 << 32) + DISTANCE_MAX + 1;
        for (now, table, told) in [
            (moment(5 << 32, (5 << 32) + 20, "1/2"), "t", Since::Scan),
            (moment(5 << 32, (5 << 32) + 20, "1/3"), "t", Since::All),
            (moment(5 << 32, (5 << 32) + 20, "1/2"), "other", Since::All),
            (moment(far, far, "1/2"), "t", Since::All),
            (moment(9, 9, "1/2"), "t", Since::All),
        ] {
            let since = since(&mark(&value), &now, &relation(table), &[leaf(7, true)], "T");
            assert_eq!(since.expect("told"), told, "{now:?}");
        }
        let now = moment(5 << 32, 6 << 32, "1/2");
        let view = since(&mark(&value), &now, &relation("t"), &[leaf(7, false)], "T");
        assert!(view.expect_err("refused").public().contains("is a view"));
    }

    #[test]
    fn a_part_that_the_mark_does_not_know_is_read_whole() {
        let leaves = BTreeMap::from([(relation("t").quoted(), BTreeSet::from([7]))]);
        let value = Value::of(&moment((1 << 32) + 3, (1 << 32) + 9, "1/2"), leaves);
        let horizon = Horizon::of(&mark(&value), &relation("t")).expect("read").expect("known");
        let condition = "pg_catalog.age(xmin) <= pg_catalog.age('3'::xid)";
        assert_eq!(horizon.condition(7).as_deref(), Some(condition));
        assert_eq!(horizon.condition(8), None);
    }
}
