//! What MySQL is told to leave out is nothing that was wanted, whatever the collation.

use std::collections::BTreeSet;

use datafusion::scalar::ScalarValue as V;
use outhaul_exports::catalog::Catalog;
use serde_json::json;

use super::mysql_kit::{object, server, source};
use super::predicate_kit::check_predicates;
use crate::sources;

const COLUMNS: &str = "tenant varchar(9), n int PRIMARY KEY, \
    general varchar(20) COLLATE utf8mb4_general_ci, exact varchar(20) COLLATE utf8mb4_bin, \
    padless varchar(20) COLLATE utf8mb4_unicode_nopad_ci, western varchar(20) CHARACTER SET latin1, \
    wide varchar(20) CHARACTER SET utf16, basic varchar(20) CHARACTER SET utf8mb3, fixed char(6), \
    mood enum('sad','happy','Ä'), tags set('a','b'), flag tinyint(1), small tinyint, year year, \
    big bigint, huge bigint unsigned, price decimal(12,3), exactly decimal(38,10), bits bit(9), \
    bit bit(1), day date, at datetime(6), stamp timestamp(3) NULL, clock time, real_one double, \
    single float, doc json, raw varbinary(9), id uuid, address inet6, KEY (general), KEY (huge), \
    KEY (price), KEY (day), KEY (stamp)";

const ROWS: &[&str] = &[
    "'ta', 1, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'sad', 'a', 1, 5, 2026, 5, 5, 1.5, 1.5, b'1', b'1', \
     '2026-01-01', '2026-01-01', '2026-01-01', '01:00', 1.5, 1.5, '{}', 'a', \
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1'",
    "'ta', 2, 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'happy', 'a,b', 0, -5, 2005, -5, 0, -1.5, -0.5, b'0', \
     b'0', '1000-01-01', '1000-01-01 00:00:00.000001', '1971-01-01', '00:00', -1.5, -1.5, '[]', 'A', \
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', '::2'",
    "'ta', 3, 'á', 'á', 'á', 'á', 'á', 'á', 'á', 'Ä', '', 1, 127, 1901, 9223372036854775807, \
     18446744073709551615, 999999999.999, 1234567890123456789012345678.0123456789, b'111111111', b'1', \
     '9999-12-31', '9999-12-31 23:59:59.999999', '2037-12-31 23:59:59.999', '23:59:59', 1e300, 1e30, \
     'null', 'á', '00000000-0000-0000-0000-000000000000', 'ffff::'",
    "'tb', 4, 'a ', 'a ', 'a ', 'a ', 'a ', 'a ', 'a ', 'sad', 'b', 0, -128, 2155, \
     -9223372036854775808, 9223372036854775808, 0, 0, b'0', b'0', '1970-01-01', '1970-01-01', \
     '2026-03-29 01:59:59.999', '12:00', 0, 0, '1', '', NULL, NULL",
    "'tb', 5, '', '', '', '', '', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "'TA', 6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 0, 2000, 0, 1, 0.001, -0.0000000001, \
     b'1', b'0', '2024-02-29', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.5', '00:00:01', -0.1, 0.1, \
     '\"x\"', '\\0', NULL, '::'",
    "'ta', 7, '🦀ß', '🦀ß', '🦀ß', 'ss', '🦀ß', 'ß☃', 'ss', 'happy', 'b', 0, 1, 2001, 1, 2, 2, 2, b'10', \
     b'1', '2000-01-01', '2000-01-01', '2000-01-01', '01:00:00', 2, 2, '2', 'x', NULL, NULL",
    "'ta', 8, 'o''b\\\\', 'o''b\\\\', 'a\\tb', 'o''b\\\\', 'x', 'x', '%_', 'sad', 'a', 1, 2, 1999, 20, 20, \
     20, 20, b'11', b'0', '1999-12-31', '1999-12-31', '1999-12-31', '02:00', 20, 20, '3', 'y', NULL, NULL",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_leaves_out_is_nothing_that_was_wanted() {
    let server = server();
    let mut sql = format!("SET sql_mode = '', time_zone = '+00:00'; CREATE TABLE t ({COLUMNS});");
    for row in ROWS {
        sql += &format!("INSERT INTO t VALUES ({row});");
    }
    server.sql(&sql).expect("a table");
    let text = |text: &str| V::Utf8View(Some(text.to_owned()));
    let micros = |micros| V::TimestampMicrosecond(Some(micros), Some("UTC".into()));
    let more = [
        text("A"),
        text("a"),
        text("a "),
        text("ss"),
        text("ß"),
        text("🦀"),
        text("o'b\\"),
        text("' OR 1=1 -- "),
        text("\0"),
        text("1"),
        text("2026-01-01"),
        text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        V::Int64(Some(5)),
        V::Int64(Some(70)),
        V::Int64(Some(-1)),
        V::Int64(Some(i64::MAX)),
        V::Int64(None),
        V::Decimal128(Some(-1), 20, 0),
        V::Decimal128(Some(1), 20, 0),
        V::Decimal128(Some(-1), 12, 3),
        V::Decimal128(Some(999_999_999_999), 12, 3),
        V::Decimal128(Some(-(10_i128.pow(38) - 1)), 38, 10),
        V::Date32(Some(0)),
        V::Date32(Some(-719_162)),
        V::Date32(Some(-719_163)),
        V::Date32(Some(3_000_000)),
        micros(0),
        micros(-1),
        micros(1_774_749_599_999_000),
        micros(4_102_444_800_000_000),
        micros(-62_135_596_800_000_000),
    ];
    let source = sources::open(&source(&server, &json!({})), None).expect("a source");
    let catalog = Catalog::check(vec![object("T", "t", &[])]).expect("a catalog");
    let pinned = source.pin(&BTreeSet::new()).await.expect("a moment");
    let table = pinned.table(catalog.require("T").expect("an object")).await.expect("a table");
    let pruned = check_predicates(table.as_ref(), &more, 1, 400).await;
    assert!(pruned > 80, "conditions reach the database: {pruned}");
}
