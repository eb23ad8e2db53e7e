"""The type matrix of databases: a table with a column of every type and its edge values, and what the database itself says of them, as
the source that matrix.py compares exports with.

database_types.py tables postgres|mariadb
database_types.py sqlite FILE
database_types.py ask postgres|mariadb types|texts
database_types.py expect KIND types|texts SAID FOLDER
database_types.py catalog KIND
database_types.py refused KIND

`tables` prints SQL that makes three tables: `types`, whose columns are read as what they are; `texts`, with values that have no place in
their column's type, whose fields a catalog declares to be text (`catalog` prints it); `refused`, with a value in each column that fails
an export. `ask` prints the statement by which the database's own client tells a table's values as its texts: a line for each row, a cell
as the hexadecimal digits of its UTF-8, `-` for null. `expect` reads that from the file SAID and writes FOLDER/types.parquet, with pyarrow.
`sqlite` makes the same tables in a file, by Python's sqlite3, which also answers for SQLite: there SAID is that file. `refused` prints a
line for each column: its name, a tab, and what the error has to say.
"""

import datetime as dt
import decimal
import pathlib
import sqlite3
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from matrix import BINARIES, CONTROLS, EPOCH, FLOATS, FLOATS_32, JSONS, TEXTS

D = decimal.Decimal
decimal.getcontext().prec = 80

WIDE = f"{'9' * 40}.{'9' * 20}"
MOST_65 = f"{'9' * 35}.{'9' * 30}"
# What no export is asked of here: years that readers have no calendar for.
MOMENTS = ["0001-01-01 00:00:00", "0001-01-01 00:00:00.000001", "1582-10-04 12:00:00", "1900-02-28 23:59:59.999999", "1969-12-31 23:59:59.5",
           "1970-01-01 00:00:00", "2024-02-29 01:02:03.000045", "2026-03-29 01:00:00", "2026-10-25 00:30:00", "9999-12-31 23:59:59.999999"]
DAYS = ["0001-01-01", "1582-10-04", "1582-10-15", "1899-12-31", "1900-03-01", "1969-12-31", "2024-02-29", "9999-12-31"]
TIMES = ["00:00:00", "00:00:00.000001", "12:34:56", "12:34:56.789", "23:59:59.999999"]


def quoted(values):
    return ["'" + value.replace("'", "''") + "'" for value in values]


def hexed(of, values):
    """Values of any characters, by their bytes."""
    return [of.format(value.encode("utf-8").hex() if isinstance(value, str) else value.hex()) for value in values if value is not None]


def ends(bits, signed=True):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return [str(n) for n in (low, low + 1, 0, 1, high - 1, high)]


def decimals(whole, fraction):
    """The greatest of so many digits, the smallest, and some between."""
    point = "." if fraction else ""
    smallest = f"0{point}{'0' * (fraction - 1)}1" if fraction else "1"
    greatest = f"{'9' * whole or '0'}{point}{'9' * fraction}"
    return [greatest, f"-{greatest}", smallest, f"-{smallest}", "0", "-0"]


# A column: its name, its type, what its values are read as (see `arrow`), and the values as SQL writes them. Each holds a null, too.

PG_TEXT = "convert_from('\\x{}', 'UTF8')"
PG_TYPES = [
    ("flag", "boolean", "bool", ["true", "false"]),
    ("int2", "smallint", "int64", ends(16)),
    ("int4", "integer", "int64", ends(32)),
    ("int8", "bigint", "int64", ends(64)),
    ("serial", "oid", "int64", ends(32, signed=False)),
    ("float4", "real", "float32", [f"'{v!r}'" for v in FLOATS_32 if v is not None]),
    ("float8", "double precision", "float64", [f"'{v!r}'" for v in FLOATS if v is not None]),
    ("decimal2", "numeric(18,2)", "decimal(18,2)", decimals(16, 2)),
    ("decimal38", "numeric(38,10)", "decimal(38,10)", decimals(28, 10)),
    ("decimal38_whole", "numeric(38,0)", "decimal(38,0)", decimals(38, 0)),
    ("decimal38_all", "numeric(38,38)", "decimal(38,38)", decimals(0, 38)),
    ("decimal_wide", "numeric(50,10)", "decimal(38,10)", decimals(28, 10)),
    ("decimal_free", "numeric", "decimal(38,6)", decimals(32, 6) + ["1.5", "123456789012345678901234567890"]),
    ("decimal_negative", "numeric(5,-2)", "decimal(7,0)", ["12345", "-99", "9999900"]),
    ("decimal_behind", "numeric(3,5)", "decimal(5,5)", ["0.00999", "-0.00999", "0.00001", "0"]),
    ("day", "date", "day", quoted(DAYS)),
    ("time_us", "time", "time", quoted(TIMES)),
    ("time_ms", "time(3)", "time", quoted(["12:34:56.789", "23:59:59.999"])),
    ("moment", "timestamptz", "moment", [f"'{v}+00'" for v in MOMENTS] + ["'2026-03-29 02:30:00+02'"]),
    ("wall", "timestamp", "moment", quoted(MOMENTS)),
    ("wall_ms", "timestamp(3)", "moment", quoted(["2026-01-02 03:04:05.678"])),
    ("time_zone", "timetz", "text", quoted(["12:00:00+02", "23:59:59.999999-15:59"])),
    ("span", "interval", "text", quoted(["1 year 2 mons 3 days 04:05:06.789", "-1 day", "0", "1 mon -1 day 00:00:01", "-178000000 years", "0.000001 s"])),
    ("text", "text", "text", hexed(PG_TEXT, TEXTS)),
    ("controls", "text", "text", hexed(PG_TEXT, [text.replace("\0", "") for text in CONTROLS if text is not None])),
    ("varied", "varchar(5)", "text", quoted(["a b  ", "", "🦀é"])),
    ("fixed", "char(5)", "text", quoted(["ab", "", "  x"])),
    ("letter", '"char"', "text", quoted(["x", ""])),
    ("named", "name", "text", quoted(["pg_class", "ünï"])),
    ("binary", "bytea", "bytes", hexed("'\\x{}'", BINARIES)),
    ("unique_id", "uuid", "text", quoted(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "00000000-0000-0000-0000-000000000000"])),
    ("doc", "json", "json", hexed(PG_TEXT + "::json", JSONS)),
    ("docb", "jsonb", "json", hexed(PG_TEXT + "::jsonb", JSONS)),
    ("path_of_json", "jsonpath", "text", quoted(["$.a[*] ? (@ > 1)"])),
    ("markup", "xml", "text", quoted(["<a>é &amp; 😀</a>"])),
    ("mood", "mood", "text", quoted(["sad", "happy", "ünï 😀"])),
    ("moods", "mood[]", "json", quoted(["{sad,NULL}"])),
    ("ints", "integer[]", "json", quoted(["{1,2,NULL}", "{{1,2},{3,4}}", "{}", "[0:1]={7,8}"])),
    ("bigints", "bigint[]", "json", quoted(["{9223372036854775807,-9223372036854775808}"])),
    ("numerics", "numeric[]", "json", quoted(["{0.10,NaN,99999999999999999999999999999999999999}"])),
    ("floats", "float8[]", "json", quoted(["{NaN,Infinity,-Infinity,0.1,1e300}"])),
    ("strings", "text[]", "json", ["ARRAY['', 'null', NULL, E'a\"b\\n\\\\', '😀']"]),
    ("moments", "timestamptz[]", "json", quoted(["{0001-01-01 00:00:00+00,infinity,NULL}"])),
    ("small_ints", "int2vector", "json", quoted(["1 2"])),
    ("oids", "oidvector", "json", quoted(["1 2"])),
    ("pair", "pair", "json", ["ROW(1, E'x\"\\n😀')::pair", "ROW(NULL, NULL)::pair"]),
    ("pairs", "pair[]", "json", ["ARRAY[ROW(1, 'x')::pair, NULL]"]),
    ("positive", "positive", "int64", ["7"]),
    ("price", "price", "decimal(10,2)", ["7.5", "-99999999.99"]),
    ("address", "inet", "text", quoted(["::1", "10.0.0.0/8", "192.168.1.5"])),
    ("network", "cidr", "text", quoted(["10.0.0.0/8", "2001:db8::/32"])),
    ("mac", "macaddr", "text", quoted(["08:00:2b:01:02:03"])),
    ("mac8", "macaddr8", "text", quoted(["08:00:2b:01:02:03:04:05"])),
    ("range4", "int4range", "text", quoted(["[1,5)", "empty", "(,)"])),
    ("range8", "int8range", "text", quoted(["[1,9223372036854775807)"])),
    ("range_n", "numrange", "text", quoted(["[1.50,2.0]"])),
    ("range_w", "tsrange", "text", quoted(["[0001-01-01,9999-12-31 23:59:59.999999]", "[-infinity,infinity)"])),
    ("range_m", "tstzrange", "text", quoted(["[2026-01-01 00:00+01,)"])),
    ("range_d", "daterange", "text", quoted(["[2026-01-01,2026-02-01]"])),
    ("ranges4", "int4multirange", "text", quoted(["{[1,5),[7,9)}", "{}"])),
    ("ranges8", "int8multirange", "text", quoted(["{[1,5),[7,9)}"])),
    ("ranges_n", "nummultirange", "text", quoted(["{[1.5,2]}"])),
    ("ranges_w", "tsmultirange", "text", quoted(["{[2026-01-01,2026-01-02)}"])),
    ("ranges_m", "tstzmultirange", "text", quoted(["{[2026-01-01 00:00+01,2026-01-02 00:00+01)}"])),
    ("ranges_d", "datemultirange", "text", quoted(["{[2026-01-01,2026-02-01]}"])),
    ("bits", "bit(4)", "text", ["B'1010'"]),
    ("bits_varied", "varbit", "text", ["B''", "B'101'"]),
    ("cash", "money", "text", ["12.34::money", "'-92233720368547758.08'"]),
    ("point", "point", "text", quoted(["(1,2.5)", "(NaN,Infinity)", "(0.1,1e300)"])),
    ("endless", "line", "text", quoted(["{1,2,3}"])),
    ("segment", "lseg", "text", quoted(["[(0,0),(1,1)]"])),
    ("box", "box", "text", quoted(["(1,1),(0,0)"])),
    ("way", "path", "text", quoted(["[(0,0),(1,1)]", "((0,0),(1,1))"])),
    ("polygon", "polygon", "text", quoted(["((0,0),(1,1),(1,0))"])),
    ("circle", "circle", "text", quoted(["<(0,0),2>"])),
    ("words", "tsvector", "text", quoted(["a b", "it''s:1A"])),
    ("search", "tsquery", "text", quoted(["a & !b"])),
    ("place", "pg_lsn", "text", quoted(["0/16B3748", "FFFFFFFF/FFFFFFFF"])),
    ("snapshot", "pg_snapshot", "text", quoted(["10:20:10,14"])),
    ("old_snapshot", "txid_snapshot", "text", quoted(["10:20:10,14"])),
    ("xid", "xid", "text", quoted(["4294967295"])),
    ("xid8", "xid8", "text", quoted(["18446744073709551615"])),
    ("cid", "cid", "text", quoted(["7"])),
    ("tid", "tid", "text", quoted(["(0,1)"])),
    ("a_class", "regclass", "text", quoted(["pg_class"])),
    ("a_type", "regtype", "text", quoted(["integer"])),
    ("a_function", "regproc", "text", quoted(["now"])),
    ("a_procedure", "regprocedure", "text", quoted(["lower(text)"])),
    ("an_operator", "regoper", "text", quoted(["||/"])),
    ("operands", "regoperator", "text", quoted(["+(integer,integer)"])),
    ("a_role", "regrole", "text", quoted(["pg_monitor"])),
    ("a_space", "regnamespace", "text", quoted(["pg_catalog"])),
    ("a_config", "regconfig", "text", quoted(["english"])),
    ("a_dictionary", "regdictionary", "text", quoted(["simple"])),
    ("a_collation", "regcollation", "text", quoted(['"C"'])),
    ("cursor", "refcursor", "text", quoted(["c"])),
    ("permission", "aclitem", "text", ["makeaclitem(0, 10, 'SELECT', false)"]),
    ("made", "integer GENERATED ALWAYS AS (id * 2) STORED", "int64", None),
]
PG_TEXTS = [
    ("day", "date", quoted(["infinity", "-infinity", "0044-03-15 BC", "5874897-12-31", "0001-01-01"])),
    ("time", "time", quoted(["24:00:00", "23:59:59.999999"])),
    ("moment", "timestamptz", quoted(["infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "2026-01-01 00:00+01"])),
    ("wall", "timestamp", quoted(["infinity", "-infinity", "294276-12-31 23:59:59.999999", "0001-01-01 00:00:00"])),
    ("number", "numeric", ["'NaN'", "'Infinity'", "'-Infinity'", "0.0000001", WIDE, f"-{'9' * 1000}", "1e-1000"]),
    ("wide", "numeric(60,20)", ["'NaN'", WIDE, f"-{WIDE}"]),
    ("ints", "integer[]", quoted(["{1,NULL}", "[0:1]={7,8}"])),
    ("pair", "pair", ["ROW(1, 'x y')::pair"]),
    ("text", "text", hexed(PG_TEXT, TEXTS)),
    ("mood", "mood", quoted(["sad"])),
    ("unique_id", "uuid", quoted(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"])),
    ("span", "interval", quoted(["1 year -1 day"])),
]
PG_REFUSED = [
    ("date", "'infinity'", "holds the date infinity"), ("timestamptz", "'-infinity'", "holds the moment infinity"),
    ("timestamp", "'infinity'", "holds the moment infinity"), ("time", "'24:00'", "holds the time 24:00:00"), ("numeric", "'NaN'", "holds NaN"),
    ("numeric(9,2)", "'NaN'", "holds NaN"), ("numeric", "'Infinity'", "holds infinity"),
    ("numeric", "0.0000001", "more digits after the point than `decimal_digits`"), ("numeric(50,10)", f"{'9' * 40}.5", "not a decimal"),
]

MY_TEXT = "convert(x'{}' using utf8mb4)"
MY_INTS = [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32)]
MY_TYPES = [
    ("flag", "boolean", "bool", ["0", "1"]),
    *((name, name, "int64", ends(bits)) for name, bits in MY_INTS),
    *((f"{name}_unsigned", f"{name} unsigned", "int64", ends(bits, signed=False)) for name, bits in MY_INTS),
    ("bigint", "bigint", "int64", ends(64)),
    ("bigint_unsigned", "bigint unsigned", "decimal(20,0)", ends(64, signed=False) + [str(2**53 + 1), str(2**63)]),
    ("filled", "int(5) unsigned zerofill", "int64", ["4294967295", "7"]),
    ("year", "year", "int64", ["1901", "2155", "0"]),
    ("bit1", "bit(1)", "bool", ["b'1'", "b'0'"]),
    ("bit9", "bit(9)", "int64", ["b'100000001'", "0"]),
    ("bit64", "bit(64)", "decimal(20,0)", ["x'ffffffffffffffff'", "0"]),
    ("float", "float", "float32", ["0e0", "0.1", "16777216", "3.4028234663852886e38", "-3.40282e38", "1.2e-38", "1.5"]),
    ("double", "double", "float64", ["0e0", "0.1", "1e308", "-1e300", "5e-324", "1.7976931348623157e308", "-0.30000000000000004", "9007199254740993", "123456.789"]),
    ("decimal2", "decimal(18,2)", "decimal(18,2)", decimals(16, 2)),
    ("decimal38", "decimal(38,10)", "decimal(38,10)", decimals(28, 10)),
    ("decimal38_whole", "decimal(38,0)", "decimal(38,0)", decimals(38, 0)),
    ("decimal38_all", "decimal(38,38)", "decimal(38,38)", decimals(0, 38)),
    ("decimal_wide", "decimal(65,30)", "decimal(38,30)", decimals(8, 30)),
    ("day", "date", "day", quoted(["0001-01-01", "1000-01-01", *DAYS[1:]])),
    ("time", "time", "time", quoted(["00:00:00", "12:34:56", "23:59:59"])),
    ("time_us", "time(6)", "time", quoted(TIMES)),
    ("wall_s", "datetime", "moment", quoted(["0001-01-01 00:00:00", "1000-01-01 00:00:00", "9999-12-31 23:59:59"])),
    ("wall", "datetime(6)", "moment", quoted(MOMENTS)),
    ("moment_s", "timestamp null", "moment", quoted(["1970-01-01 00:00:01", "2038-01-19 03:14:07"])),
    ("moment", "timestamp(6) null", "moment", quoted(["1970-01-01 00:00:01.000001", "2026-03-29 01:00:00", "2038-01-19 03:14:07.999999"])),
    ("text", "longtext character set utf8mb4", "text", hexed(MY_TEXT, TEXTS)),
    ("controls", "text character set utf8mb4", "text", hexed(MY_TEXT, CONTROLS)),
    ("char", "char(5)", "text", quoted(["ab", "", "a  "])),
    ("varchar", "varchar(20)", "text", quoted(["", "a b  ", "🦀é", "NULL"])),
    ("tinytext", "tinytext", "text", quoted(["t", ""])),
    ("mediumtext", "mediumtext", "text", quoted(["m", ""])),
    ("latin1", "varchar(20) character set latin1", "text", quoted(["é€", ""])),
    ("utf8mb3", "varchar(20) character set utf8mb3", "text", quoted(["é請", ""])),
    ("utf16", "varchar(20) character set utf16", "text", quoted(["🦀é"])),
    ("utf16le", "varchar(20) character set utf16le", "text", quoted(["🦀é"])),
    ("utf32", "varchar(20) character set utf32", "text", quoted(["🦀é"])),
    ("ucs2", "varchar(20) character set ucs2", "text", quoted(["é請"])),
    ("sjis", "varchar(20) character set sjis", "text", quoted(["日本"])),
    ("big5", "varchar(20) character set big5", "text", quoted(["請求書"])),
    ("gbk", "varchar(20) character set gbk", "text", quoted(["请求"])),
    ("koi8r", "varchar(20) character set koi8r", "text", quoted(["Мир"])),
    ("cp1251", "varchar(20) character set cp1251", "text", quoted(["Мир €"])),
    ("mood", "enum('sad','happy','ünï 😀')", "text", quoted(["happy", "sad", "ünï 😀"])),
    ("several", "set('a','b','c')", "text", quoted(["a,c", "", "b"])),
    ("doc", "json", "json", hexed(MY_TEXT, JSONS)),
    ("binary", "longblob", "bytes", hexed("x'{}'", BINARIES)),
    ("fixed", "binary(4)", "bytes", ["x'00ff'", "x'ffffffff'", "''"]),
    ("varbinary", "varbinary(256)", "bytes", hexed("x'{}'", BINARIES)),
    ("tinyblob", "tinyblob", "bytes", ["x'0000'", "''"]),
    ("blob", "blob", "bytes", ["x'0000'", "''"]),
    ("mediumblob", "mediumblob", "bytes", ["x'0000'", "''"]),
    ("unique_id", "uuid", "text", quoted(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"])),
    ("inet6", "inet6", "text", quoted(["::1", "2001:db8::ff00:42:8329"])),
    ("inet4", "inet4", "text", quoted(["10.0.0.1"])),
    ("geometry", "geometry", "shape", ["ST_GeomFromText('LINESTRING(0 0,1 1)')", "ST_GeomFromText('POINT(0.1 1e300)')"]),
    ("point", "point", "shape", ["ST_GeomFromText('POINT(1 2.5)')"]),
    ("line", "linestring", "shape", ["ST_GeomFromText('LINESTRING(0 0,1 1)')"]),
    ("polygon", "polygon", "shape", ["ST_GeomFromText('POLYGON((0 0,1 1,1 0,0 0))')"]),
    ("points", "multipoint", "shape", ["ST_GeomFromText('MULTIPOINT(0 0,1 1)')"]),
    ("lines", "multilinestring", "shape", ["ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"]),
    ("polygons", "multipolygon", "shape", ["ST_GeomFromText('MULTIPOLYGON(((0 0,1 1,1 0,0 0)))')"]),
    ("shapes", "geometrycollection", "shape", ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')"]),
    ("made", "int as (id * 2) virtual", "int64", None),
]
MY_TEXTS = [
    ("flag", "tinyint(1)", ["2", "-128", "1"]),
    ("number", "bigint unsigned", ["18446744073709551615", "0"]),
    ("wide", "decimal(65,30)", [MOST_65, f"-{MOST_65}", "1.5"]),
    ("whole", "decimal(65,0)", ["9" * 65, f"-{'9' * 65}"]),
    ("day", "date", quoted(["0000-00-00", "2024-00-00", "2024-02-31", "9999-12-31"])),
    ("wall", "datetime(3)", quoted(["0000-00-00 00:00:00", "2026-01-02 03:04:05.678"])),
    ("moment", "timestamp null", quoted(["0000-00-00 00:00:00", "2026-01-02 03:04:05"])),
    ("time", "time", quoted(["838:59:59", "-838:59:59", "24:00:00"])),
    ("time_us", "time(6)", quoted(["838:59:59.999999", "-00:00:00.000001"])),
    ("text", "longtext character set utf8mb4", hexed(MY_TEXT, TEXTS)),
    ("mood", "enum('sad','happy')", quoted(["sad"])),
    ("unique_id", "uuid", quoted(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"])),
]
MY_REFUSED = [
    ("tinyint(1)", "2", "holds a number other than 0 and 1"), ("decimal(65,30)", MOST_65, "not a decimal"),
    ("date", "'0000-00-00'", "holds the date 0000-00-00"), ("date", "'2024-00-00'", "holds a date without a month or a day"),
    ("date", "'2024-02-31'", "holds a date that is in no calendar"), ("datetime", "'0000-00-00 00:00:00'", "holds the date 0000-00-00"),
    ("timestamp null", "'0000-00-00 00:00:00'", "holds the date 0000-00-00"), ("time", "'24:00:00'", "holds a time below zero, or of a day or more"),
    ("time", "'-00:00:01'", "holds a time below zero, or of a day or more"),
]

LITE_TEXT = "CAST(x'{}' AS TEXT)"
LITE_TYPES = [
    ("whole", "INTEGER", "int64", ends(64)),
    *((name.lower().replace(" ", "_"), name, "int64", ["-5", "'12'", "9223372036854775807"])
      for name in ("INT", "TINYINT", "SMALLINT", "MEDIUMINT", "BIGINT", "UNSIGNED BIG INT", "INT2", "INT8")),
    ("flag", "BOOLEAN", "bool", ["0", "1", "true"]),
    ("bool", "BOOL", "bool", ["0", "1"]),
    ("real", "REAL", "float64", ["0.0", "0.1", "1e308", "5e-324", "3", "9e999", "-9e999", "-0.0", "1.7976931348623157e308"]),
    ("double", "DOUBLE PRECISION", "float64", ["0.1", "-1e300"]),
    ("float", "FLOAT", "float64", ["0.1", "16777217"]),
    ("decimal2", "DECIMAL(10,2)", "decimal(10,2)", ["12.3", "-0.05", "7", "'1.50'", "99999999.99", "-99999999.99"]),
    # Numbers of more digits than a binary one tells apart can only be kept as text.
    ("decimal38", "NUMERIC(38,10)", "decimal(38,10)", ["1234567.0123456789", "9007199254740993", "-0.0000000001", "0"]),
    ("decimal_free", "NUMERIC", "decimal(38,6)", ["1.5", "9007199254740993", "-0.000001"]),
    ("day", "DATE", "day", quoted(DAYS)),
    ("moment", "DATETIME", "moment", quoted([*MOMENTS, "2026-03-29T02:30+02:00", "2026-01-01", "2026-01-02T03:04:05Z"])),
    ("wall", "TIMESTAMP", "moment", quoted(MOMENTS)),
    ("time_us", "TIME", "time", quoted([*TIMES, "00:00"])),
    ("text", "TEXT", "text", hexed(LITE_TEXT, TEXTS)),
    ("controls", "TEXT", "text", hexed(LITE_TEXT, CONTROLS)),
    *((name.split("(")[0].lower().replace(" ", "_"), name, "text", quoted(["longer than that", "", "🦀é"]) + ["5"])
      for name in ("VARCHAR(2)", "CHARACTER(20)", "VARYING CHARACTER(255)", "NCHAR(55)", "NATIVE CHARACTER(70)", "NVARCHAR(100)", "CLOB")),
    ("doc", "JSON", "json", hexed(LITE_TEXT, JSONS)),
    ("unique_id", "UUID", "text", quoted(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"])),
    ("binary", "BLOB", "bytes", hexed("x'{}'", BINARIES)),
    ("untyped", "", "text", ["5", "'x'", "1.5", "-9223372036854775808", "''"]),
    ("other", "ANY", "text", ["'x'", "''", "'🦀é'"]),
    ("made", "INT GENERATED ALWAYS AS (id * 2)", "int64", None),
]
LITE_TEXTS = [
    ("whole", "INTEGER", ["'abc'", "7", "1.5"]), ("flag", "BOOLEAN", ["2", "'yes'"]), ("number", "DECIMAL(10,2)", ["'12345678901234567890.123'", "0.375"]),
    ("real", "REAL", ["'x'", "1.5", "-0.25"]), ("day", "DATE", ["1700000000", "'2026-02-30'"]), ("moment", "DATETIME", ["'yesterday'", "5", "2460000.5"]),
    ("time", "TIME", ["'24:00:00'", "'23:59'"]), ("untyped", "", ["5", "'x'", "1.5"]), ("text", "TEXT", hexed(LITE_TEXT, TEXTS)),
]
LITE_REFUSED = [
    ("INTEGER", "1.5", "holds something else than a whole number"), ("INTEGER", "'abc'", "holds something else than a whole number"),
    ("BOOLEAN", "2", "holds something else than 0 and 1"), ("REAL", "'x'", "holds something else than a floating point number"),
    ("DECIMAL(10,2)", "0.1 + 0.2", "holds something else than a decimal"), ("DATE", "'2026-02-30'", "holds something else than a date"),
    ("DATE", "1700000000", "holds something else than a date"), ("TIMESTAMP", "1700000000", "holds something else than a time"),
    ("TIME", "'24:00:00'", "holds something else than a time of day"), ("TEXT", "CAST(x'ff' AS TEXT)", "holds text that is not in UTF-8"),
    ("TEXT", "x'00'", "holds bytes that are no text"), ("BLOB", "'text'", "holds something else than bytes"),
]


def texts(columns):
    return [(name, of, "text", values) for name, of, values in columns]


DATABASES = {
    "postgres": {"types": PG_TYPES, "texts": texts(PG_TEXTS), "refused": PG_REFUSED},
    "mariadb": {"types": MY_TYPES, "texts": texts(MY_TEXTS), "refused": MY_REFUSED},
    "sqlite": {"types": LITE_TYPES, "texts": texts(LITE_TEXTS), "refused": LITE_REFUSED},
}


def name_of(kind, name):
    return f"`{name}`" if kind == "mariadb" else f'"{name}"'


def statements(kind):
    """All tables, with their rows."""
    key = {"postgres": "id int PRIMARY KEY, tenant text", "mariadb": "id int PRIMARY KEY, tenant varchar(9)", "sqlite": "id INTEGER PRIMARY KEY, tenant TEXT"}[kind]
    if kind == "postgres":
        yield ("SET TimeZone = 'UTC'; CREATE TYPE mood AS ENUM ('sad', 'happy', 'ünï 😀'); CREATE TYPE pair AS (a int, b text); "
               "CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN price AS numeric(10,2)")
    if kind == "mariadb":
        # Everything that a server lets in when it is not strict.
        yield "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"
    for table in ("types", "texts"):
        columns = DATABASES[kind][table]
        listed = ", ".join(f"{name_of(kind, name)} {of}" for name, of, _, _ in columns)
        yield f"CREATE TABLE {table} ({key}, {listed})"
        given = [(name, [*values, "NULL"]) for name, _, _, values in columns if values is not None]
        names = ", ".join(name_of(kind, name) for name, _ in given)
        # Twice and a bit, so that most values stand beside different ones.
        for row in range(2 * max(len(values) for _, values in given) + 1):
            cells = ", ".join(values[row % len(values)] for _, values in given)
            yield f"INSERT INTO {table} (id, tenant, {names}) VALUES ({row}, 'acme', {cells})"
    refused = DATABASES[kind]["refused"]
    listed = ", ".join(f"c{at} {of}" for at, (of, _, _) in enumerate(refused))
    yield f"CREATE TABLE refused ({key}, {listed})"
    yield f"INSERT INTO refused VALUES (1, 'acme', {', '.join(value for _, value, _ in refused)})"


def print_tables(kind):
    print(";\n".join(statements(kind)) + ";")


def make_sqlite(path):
    with sqlite3.connect(path) as connection:
        for statement in statements("sqlite"):
            connection.execute(statement)
    connection.close()


def with_id(kind, table):
    key = [("id", "int", "int64", None)]
    # `outhaul run` exports all columns, a catalog those that it names.
    return key + [("tenant", "text", "text", None)] * (table == "types") + DATABASES[kind][table]


def ask(kind, table):
    """The statement that tells a table."""
    if kind == "postgres":
        def told(name, of, read):
            nested = read == "json" and not of.startswith("json")
            text = f'to_json("{name}")::text' if nested else f'"{name}"::text'
            return f"coalesce(encode(convert_to({text}, 'UTF8'), 'hex'), '-')"

        settings = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1; SET bytea_output = 'hex';"
        cells = " || '|' || ".join(told(name, of, read) for name, of, read, _ in with_id(kind, table))
        print(f"{settings}\nSELECT {cells} FROM {table} ORDER BY id;")
        return

    def told(name, of, read):
        asked = {"bytes": f"`{name}`", "shape": f"ST_AsText(`{name}`)", "float32": f"CAST(`{name}` AS double)"}.get(read, f"`{name}`")
        if of.startswith("bit("):
            asked = f"`{name}` + 0"
        text = asked if read == "bytes" else f"convert(CAST({asked} AS char) using utf8mb4)"
        return f"ifnull(hex({text}), '-')"

    cells = ", ".join(told(name, of, read) for name, of, read, _ in with_id(kind, table))
    print(f"SET time_zone = '+00:00'; SELECT concat_ws('|', {cells}) FROM {table} ORDER BY id;")


def said_by_server(kind, table, path):
    """Rows of texts, and of bytes where the column has them."""
    kinds = [read for _, _, read, _ in with_id(kind, table)]
    for line in pathlib.Path(path).read_text(encoding="ascii").splitlines():
        cells = line.split("|")
        assert len(cells) == len(kinds), f"{len(cells)} cells of {len(kinds)}"
        raw = [None if cell == "-" else bytes.fromhex(cell) for cell in cells]
        # What MariaDB gives are the bytes themselves.
        yield [cell if cell is None or (read == "bytes" and kind == "mariadb") else cell.decode("utf-8") for read, cell in zip(kinds, raw)]


def said_by_sqlite(table, path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = ", ".join(f'"{name}"' for name, *_ in with_id("sqlite", table))
    yield from connection.execute(f"SELECT {names} FROM {table} ORDER BY id")
    connection.close()


def arrow(read):
    """The type of Arrow that values are read as."""
    if read.startswith("decimal("):
        return pa.decimal128(*map(int, read[len("decimal("):-1].split(",")))
    return {"bool": pa.bool_(), "int64": pa.int64(), "float32": pa.float32(), "float64": pa.float64(), "day": pa.date32(), "time": pa.time64("us"),
            "moment": pa.timestamp("us", tz="UTC"), "text": pa.string(), "shape": pa.string(), "bytes": pa.binary(), "json": pa.json_()}[read]


def value_of(read, said):
    """A value of what the database said."""
    if said is None or isinstance(said, bytes):
        return said
    if read == "bool":
        return {"true": True, "false": False, "1": True, "0": False}[str(said)]
    if read == "int64":
        return int(said)
    if read.startswith("float"):
        return float(said)
    if read.startswith("decimal("):
        scale = int(read[len("decimal("):-1].split(",")[1])
        exact = D(repr(said)) if isinstance(said, float) else D(said)
        value = exact.quantize(D(1).scaleb(-scale))
        assert value == exact, (said, read)
        return value
    if read == "day":
        return dt.date.fromisoformat(said)
    if read == "time":
        return dt.time.fromisoformat(said)
    if read == "moment":
        at = dt.datetime.fromisoformat(said)
        # Subtracting the zone by itself: the first moment of the calendar has no other zone.
        wall = at.replace(tzinfo=None) - EPOCH - (at.utcoffset() or dt.timedelta())
        return wall // dt.timedelta(microseconds=1)
    if read == "bytes":
        assert said.startswith("\\x"), said
        return bytes.fromhex(said[2:])
    # A float is the shortest text that reads back as it, and Python's but for the sign of an exponent.
    return repr(said).replace("e+", "e") if isinstance(said, float) else str(said)


def expect(kind, table, said, folder):
    columns = with_id(kind, table)
    rows = list(said_by_sqlite(table, said) if kind == "sqlite" else said_by_server(kind, table, said))
    fields, arrays = [], []
    for at, (name, _, read, _) in enumerate(columns):
        values = [value_of(read, row[at]) for row in rows]
        of = arrow(read)
        fields.append(pa.field(name, of))
        storage = pa.array(values, type=pa.string()) if read == "json" else pa.array(values, type=of)
        arrays.append(pa.ExtensionArray.from_storage(of, storage) if read == "json" else storage)
        assert any(value is not None for value in values), f"{name} holds no value"
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), folder / "types.parquet")
    print(f"{len(rows)} rows, {len(fields)} columns")


def catalog(kind):
    print('[[objects]]\nname = "texts"\nsource = "given"\ntable = "texts"\nkey = ["id"]\ntenant_column = "tenant"')
    for name, *_ in with_id(kind, "texts"):
        of = "integer" if name == "id" else "text"
        print(f'[[objects.fields]]\nname = "{name}"\ncolumn = "{name}"\ntype = "{of}"')


def print_refused(kind):
    for at, (_, _, told) in enumerate(DATABASES[kind]["refused"]):
        print(f"c{at}\t{told}")


if __name__ == "__main__":
    {"tables": print_tables, "sqlite": make_sqlite, "ask": ask, "expect": expect, "catalog": catalog, "refused": print_refused}[sys.argv[1]](*sys.argv[2:])
