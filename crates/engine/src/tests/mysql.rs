//! MySQL as a source: types, what it tells of its tables, and what goes wrong.

use outhaul_exports::catalog::FieldType;
use outhaul_exports::ports::Engine as _;
use outhaul_instances::{Access, MariaDb, Options, Tls};
use serde_json::json;

use super::kit::{collect, refused, select};
use super::mysql_kit::{Room, engine, object, query, server, source};
use crate::OwnSource;
use crate::sources::survey;

/// A column: its type, values as SQL writes them, and the field's type with the texts expected; or
/// what the error must say.
type Case = (
    &'static str,
    &'static [&'static str],
    FieldType,
    Result<&'static [&'static str], &'static str>,
);

const N: &str = "NULL";
/// 65 digits, of which 30 behind the point.
const LONG: &str = "99999999999999999999999999999999999.999999999999999999999999999999";

/// Every type, with values at its edges.
const TYPES: &[Case] = &[
    ("tinyint(1)", &["0", "1", "NULL"], FieldType::Boolean, Ok(&["false", "true", N])),
    ("tinyint(1)", &["2"], FieldType::Boolean, Err("column v holds a number other than 0 and 1")),
    ("tinyint(1)", &["2", "-128"], FieldType::Integer, Ok(&["2", "-128"])),
    ("tinyint(1)", &["2"], FieldType::Text, Ok(&["2"])),
    ("tinyint", &["-128", "127"], FieldType::Integer, Ok(&["-128", "127"])),
    ("tinyint unsigned", &["255", "0"], FieldType::Integer, Ok(&["255", "0"])),
    ("smallint", &["-32768", "32767"], FieldType::Integer, Ok(&["-32768", "32767"])),
    ("smallint unsigned", &["65535"], FieldType::Integer, Ok(&["65535"])),
    ("mediumint", &["-8388608", "8388607"], FieldType::Integer, Ok(&["-8388608", "8388607"])),
    ("mediumint unsigned", &["16777215"], FieldType::Integer, Ok(&["16777215"])),
    (
        "int",
        &["-2147483648", "2147483647", "NULL"],
        FieldType::Integer,
        Ok(&["-2147483648", "2147483647", N]),
    ),
    (
        "int(5) unsigned zerofill",
        &["4294967295", "7"],
        FieldType::Integer,
        Ok(&["4294967295", "7"]),
    ),
    (
        "bigint",
        &["-9223372036854775808", "9223372036854775807"],
        FieldType::Integer,
        Ok(&["-9223372036854775808", "9223372036854775807"]),
    ),
    (
        "bigint unsigned",
        &["18446744073709551615", "0"],
        FieldType::Decimal,
        Ok(&["18446744073709551615", "0"]),
    ),
    ("bigint unsigned", &["9223372036854775807"], FieldType::Integer, Ok(&["9223372036854775807"])),
    (
        "bigint unsigned",
        &["9223372036854775808"],
        FieldType::Integer,
        Err("column v holds a number of more than 63 bits"),
    ),
    ("bigint unsigned", &["18446744073709551615"], FieldType::Text, Ok(&["18446744073709551615"])),
    ("year", &["1901", "2155", "0"], FieldType::Integer, Ok(&["1901", "2155", "0"])),
    ("bit(1)", &["b'1'", "b'0'"], FieldType::Boolean, Ok(&["true", "false"])),
    ("bit(9)", &["b'100000001'"], FieldType::Integer, Ok(&["257"])),
    ("bit(64)", &["x'ffffffffffffffff'"], FieldType::Decimal, Ok(&["18446744073709551615"])),
    (
        "float",
        &["1.5", "-3.40282e38", "0.1", "16777216"],
        FieldType::Float,
        Ok(&["1.5", "-3.40282e38", "0.1", "16777216.0"]),
    ),
    (
        "double",
        &["1e308", "5e-324", "0.1", "-0.30000000000000004"],
        FieldType::Float,
        Ok(&["1e308", "5e-324", "0.1", "-0.30000000000000004"]),
    ),
    (
        "decimal(38,0)",
        &["99999999999999999999999999999999999999", "-1", "0"],
        FieldType::Decimal,
        Ok(&["99999999999999999999999999999999999999", "-1", "0"]),
    ),
    (
        "decimal(38,30)",
        &["0.000000000000000000000000000001", "-0.5"],
        FieldType::Decimal,
        Ok(&["0.000000000000000000000000000001", "-0.500000000000000000000000000000"]),
    ),
    (
        "decimal(18,2)",
        &["-1234567890123456.78", "0.01", "NULL"],
        FieldType::Decimal,
        Ok(&["-1234567890123456.78", "0.01", N]),
    ),
    (
        "decimal(65,30)",
        &["1.5", "NULL"],
        FieldType::Decimal,
        Ok(&["1.500000000000000000000000000000", N]),
    ),
    ("decimal(65,30)", &[LONG], FieldType::Decimal, Err("not a decimal")),
    ("decimal(65,30)", &[LONG], FieldType::Text, Ok(&[LONG])),
    (
        "decimal(65,0)",
        &["-12345678901234567890123456789012345678"],
        FieldType::Decimal,
        Ok(&["-12345678901234567890123456789012345678"]),
    ),
    (
        "date",
        &["'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "NULL"],
        FieldType::Date,
        Ok(&["1000-01-01", "9999-12-31", "2024-02-29", N]),
    ),
    ("date", &["'0000-00-00'"], FieldType::Date, Err("column v holds the date 0000-00-00")),
    (
        "date",
        &["'2024-00-00'"],
        FieldType::Date,
        Err("column v holds a date without a month or a day"),
    ),
    (
        "date",
        &["'2024-02-31'"],
        FieldType::Date,
        Err("column v holds a date that is in no calendar"),
    ),
    (
        "date",
        &["'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'2024-03-01'"],
        FieldType::Text,
        Ok(&["0000-00-00", "2024-00-00", "2024-02-31", "2024-03-01"]),
    ),
    (
        "datetime",
        &["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"],
        FieldType::Timestamp,
        Ok(&["1000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
    ),
    (
        "datetime(6)",
        &["'9999-12-31 23:59:59.999999'", "'2026-01-02 00:00:00.000001'"],
        FieldType::Timestamp,
        Ok(&["9999-12-31T23:59:59.999999Z", "2026-01-02T00:00:00.000001Z"]),
    ),
    (
        "datetime",
        &["'0000-00-00 00:00:00'"],
        FieldType::Timestamp,
        Err("column v holds the date 0000-00-00"),
    ),
    (
        "datetime(3)",
        &["'0000-00-00 00:00:00'", "'2026-01-02 03:04:05.678'"],
        FieldType::Text,
        Ok(&["0000-00-00 00:00:00.000", "2026-01-02 03:04:05.678"]),
    ),
    (
        "timestamp null",
        &["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "NULL"],
        FieldType::Timestamp,
        Ok(&["1970-01-01T00:00:01Z", "2038-01-19T03:14:07Z", N]),
    ),
    (
        "timestamp null",
        &["'0000-00-00 00:00:00'"],
        FieldType::Timestamp,
        Err("the date 0000-00-00"),
    ),
    ("time", &["'00:00:00'", "'23:59:59'"], FieldType::Time, Ok(&["00:00:00", "23:59:59"])),
    ("time(6)", &["'23:59:59.999999'"], FieldType::Time, Ok(&["23:59:59.999999"])),
    ("time", &["'24:00:00'"], FieldType::Time, Err("a time below zero, or of a day or more")),
    ("time", &["'-00:00:01'"], FieldType::Time, Err("a time below zero, or of a day or more")),
    ("time", &["'838:59:59'", "'-838:59:59'"], FieldType::Text, Ok(&["838:59:59", "-838:59:59"])),
    (
        "varchar(20) character set utf8mb4",
        &["''", "NULL", "'🦀é'", "'a\\nb\\t\"'", "'NULL'"],
        FieldType::Text,
        Ok(&["", N, "🦀é", "a\nb\t\"", "NULL"]),
    ),
    ("varchar(20) character set latin1", &["'é€'", "''"], FieldType::Text, Ok(&["é€", ""])),
    ("varchar(20) character set utf16", &["'🦀é'"], FieldType::Text, Ok(&["🦀é"])),
    ("varchar(20) character set sjis", &["'日本'"], FieldType::Text, Ok(&["日本"])),
    ("char(5)", &["'ab'", "''", "'a  '"], FieldType::Text, Ok(&["ab", "", "a"])),
    ("tinytext", &["'t'"], FieldType::Text, Ok(&["t"])),
    (
        "longtext",
        &["'l'", "repeat('x', 40)"],
        FieldType::Text,
        Ok(&["l", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]),
    ),
    (
        "enum('sad','happy')",
        &["'happy'", "'sad'", "NULL"],
        FieldType::Text,
        Ok(&["happy", "sad", N]),
    ),
    ("set('a','b','c')", &["'a,c'", "''", "NULL"], FieldType::Text, Ok(&["a,c", "", N])),
    (
        "json",
        &["'{\"b\": 1, \"a\":  2}'", "'null'", "NULL"],
        FieldType::Json,
        Ok(&["{\"b\": 1, \"a\":  2}", "null", N]),
    ),
    ("binary(4)", &["x'00ff'"], FieldType::Binary, Ok(&["00ff0000"])),
    ("varbinary(4)", &["x'00ff10'", "''", "NULL"], FieldType::Binary, Ok(&["00ff10", "", N])),
    ("longblob", &["x'0000'", "''"], FieldType::Binary, Ok(&["0000", ""])),
    (
        "uuid",
        &["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "NULL"],
        FieldType::Text,
        Ok(&["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", N]),
    ),
    (
        "inet6",
        &["'::1'", "'2001:db8::ff00:42:8329'"],
        FieldType::Text,
        Ok(&["::1", "2001:db8::ff00:42:8329"]),
    ),
    ("inet4", &["'10.0.0.1'"], FieldType::Text, Ok(&["10.0.0.1"])),
    (
        "point",
        &["ST_GeomFromText('POINT(1 2.5)')", "NULL"],
        FieldType::Text,
        Ok(&["POINT(1 2.5)", N]),
    ),
    (
        "geometry",
        &["ST_GeomFromText('LINESTRING(0 0,1 1)')"],
        FieldType::Text,
        Ok(&["LINESTRING(0 0,1 1)"]),
    ),
    ("int as (n * 2) virtual", &["DEFAULT", "DEFAULT"], FieldType::Integer, Ok(&["0", "2"])),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_as_it_is_or_says_why_not() {
    let server = server();
    // Everything that a server lets in when it is not strict, in a zone that is not UTC.
    let mut sql = "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00';".to_owned();
    for (at, (of, values, ..)) in TYPES.iter().enumerate() {
        sql += &format!("CREATE TABLE t{at} (tenant varchar(9), n int, v {of});");
        for (n, value) in values.iter().enumerate() {
            sql += &format!("INSERT INTO t{at} VALUES ('ta', {n}, {value}), ('tb', {n}, {value});");
        }
    }
    server.sql(&sql).expect("tables");
    server.sql("SET GLOBAL time_zone = '+05:30'").expect("another zone");
    let objects = TYPES.iter().enumerate().map(|(at, (_, _, field_type, _))| {
        object(&format!("T{at}"), &format!("t{at}"), &[("v", *field_type)])
    });
    let engine = engine(source(&server, &json!({})), objects.collect());
    let room = Room::new();
    let snapshot = room.begin(&engine).await;
    for (at, (of, values, field_type, expected)) in TYPES.iter().enumerate() {
        let select = select(&format!("T{at}"), &["V", "N"]);
        let answer = collect(snapshot.as_ref(), &query(&select)).await;
        let told = format!("{of} as {}: {values:?}", field_type.name());
        let expected = match expected {
            Ok(expected) => expected,
            Err(text) => {
                let error = refused(answer);
                assert!(error.public().contains(text), "{told}: {}", error.chain());
                assert!(error.public().contains(&format!("T{at}")), "{told}: {error}");
                continue;
            }
        };
        let mut rows = answer.unwrap_or_else(|error| panic!("{told}: {}", error.chain())).rows;
        rows.sort_by_key(|row| row[1].parse::<i64>().expect("a number"));
        let shown: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(shown, *expected, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_tells_what_it_holds() {
    let server = server();
    server
        .sql(
            "CREATE DATABASE other; CREATE TABLE other.region (id int PRIMARY KEY); \
             CREATE TABLE account (id bigint unsigned PRIMARY KEY COMMENT 'Its number', \
               name varchar(40) NOT NULL, doc json, seen timestamp(6) NULL, region int, \
               FOREIGN KEY r (region) REFERENCES other.region (id)) COMMENT 'Who pays'; \
             CREATE TABLE line (a int, b int, account bigint unsigned, PRIMARY KEY (b, a), \
               CONSTRAINT owner FOREIGN KEY (account) REFERENCES account (id)); \
             CREATE VIEW seen AS SELECT name, seen FROM account; \
             CREATE TABLE `odd ``name` (`a b` int, tenant int)",
        )
        .expect("tables");
    let found = survey(&source(&server, &json!({}))).await.expect("tables");
    assert!(found.left_out.is_empty());
    let names: Vec<_> = found.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["account", "line", "odd `name", "seen"]);
    let account = &found.tables[0];
    assert_eq!(account.label.as_deref(), Some("Who pays"));
    assert_eq!(account.key, ["id"]);
    let columns: Vec<_> = account
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.field_type, c.nullable, c.label.as_deref()))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", FieldType::Decimal, false, Some("Its number")),
            ("name", FieldType::Text, false, None),
            ("doc", FieldType::Json, true, None),
            ("seen", FieldType::Timestamp, true, None),
            ("region", FieldType::Integer, true, None),
        ]
    );
    assert_eq!(account.references[0].table, "other.region");
    let line = &found.tables[1];
    assert_eq!(line.key, ["b", "a"]);
    let owner = &line.references[0];
    assert_eq!((owner.name.as_str(), owner.table.as_str()), ("owner", "account"));
    assert_eq!(
        (&owner.columns[..], &owner.target[..]),
        (&["account".to_owned()][..], &["id".to_owned()][..])
    );
    assert_eq!(found.tables[3].label, None);

    // A name of another database, and one that must be quoted.
    server.sql("INSERT INTO `odd ``name` VALUES (7, 1)").expect("a row");
    let own = OwnSource::open(&source(&server, &json!({}))).await.expect("it opens");
    let room = Room::new();
    let snapshot = own.engine.begin(&own.scope, &room.limits()).await.expect("begins");
    let answer = collect(snapshot.as_ref(), &query(&select("odd__name", &["a_b"]))).await;
    assert_eq!(answer.expect("rows").column(0), ["7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_or_read_is_told_without_a_secret() {
    let password = "s3cret-of-the-test";
    let server = MariaDb::start(Options {
        access: Access::Password(password.to_owned()),
        tls: Tls::Required,
        ..Options::default()
    })
    .expect("a server");
    server
        .sql(
            "CREATE TABLE t (tenant varchar(9), n int); INSERT INTO t VALUES ('ta', 7); \
             CREATE VIEW broken AS SELECT * FROM t; CREATE TABLE hidden (tenant varchar(9), n int); \
             CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'r'; \
             GRANT SELECT ON outhaul.t TO reader@'127.0.0.1'; \
             GRANT SELECT ON outhaul.broken TO reader@'127.0.0.1'; \
             DROP TABLE IF EXISTS gone",
        )
        .expect("tables");
    let url = server.url_for(server.user(), None, server.database());
    let room = Room::new();
    let read = async |table: &str, more: serde_json::Value| {
        let engine = engine(source(&server, &more), vec![object("T", table, &[])]);
        room.answer(&engine, &query(&select("T", &["N"]))).await
    };
    let ca = server.ca().expect("an authority").display().to_string();
    for tls in
        [json!({}), json!({ "tls": "unverified" }), json!({ "tls": "verified", "ca_file": ca })]
    {
        let answer = read("t", tls.clone()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{tls}: {}", error.chain()));
        assert_eq!(answer.column(0), ["7"]);
    }
    let nobody = "mysql://outhaul@127.0.0.1:1/outhaul";
    let nothing = url.replace("/outhaul", "/nothing");
    let reader = url.replace("outhaul@", "reader@");
    for (table, more, told) in [
        ("t", json!({ "url": nobody }), "cannot be reached at the moment"),
        ("t", json!({ "url": url, "password": "wrong" }), "refuses the connection"),
        ("t", json!({ "url": url, "tls": "off" }), "refuses the connection"),
        ("t", json!({ "url": nothing, "password": password }), "refuses the connection"),
        (
            "t",
            json!({ "url": url, "password": password, "tls": "verified" }),
            "cannot be encrypted",
        ),
        ("none", json!({ "url": url, "password": password }), "its source has no table for it"),
        ("hidden", json!({ "url": reader, "password": "r" }), "its source has no table for it"),
    ] {
        let error = refused(read(table, more.clone()).await);
        let (public, chain) = (error.public(), error.chain());
        assert!(public.contains(told), "{more}: {chain}");
        assert!(public.contains("object T"), "{more}: {public}");
        assert!(!chain.contains(password), "{chain}");
    }
    server.sql("RENAME TABLE t TO u").expect("renamed");
    let error = refused(read("broken", json!({})).await);
    assert!(
        error.public().contains("a view that names a table or column that is not there"),
        "{}",
        error.chain()
    );
}
