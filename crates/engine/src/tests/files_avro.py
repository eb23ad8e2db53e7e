"""Writes Avro files with fastavro, for the tests of the source `files`: one folder for each."""

import datetime
import decimal
import pathlib
import sys
import uuid

import fastavro

OUT = pathlib.Path(sys.argv[1])
decimal.getcontext().prec = 60
D = decimal.Decimal
UTC = datetime.timezone.utc


def write(path, schema, rows, codec="null", **options):
    path = OUT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec=codec, **options)


def record(*fields, name="Row", **more):
    fields = [{"name": name, "type": kind} for name, kind in fields]
    return {"type": "record", "name": name, "fields": fields, **more}


def logical(kind, logical_type, **more):
    return {"type": kind, "logicalType": logical_type, **more}


TYPES = record(
    ("id", "long"),
    ("b", ["null", "boolean"]),
    ("i", ["int", "null"]),
    ("f", "float"),
    ("d", ["null", "double"]),
    ("s", ["null", "string"]),
    ("bytes", ["null", "bytes"]),
    ("dec", ["null", logical("bytes", "decimal", precision=18, scale=2)]),
    ("wide", {"type": "fixed", "name": "f16", "size": 16, "logicalType": "decimal", "precision": 38, "scale": 10}),
    ("day", ["null", logical("int", "date")]),
    ("millis", logical("long", "timestamp-millis")),
    ("micros", ["null", logical("long", "timestamp-micros")]),
    ("local", logical("long", "local-timestamp-micros")),
    ("tmillis", logical("int", "time-millis")),
    ("tmicros", logical("long", "time-micros")),
    ("u", logical("string", "uuid")),
    ("e", {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}),
    ("either", ["null", "long", "string"]),
    ("list", {"type": "array", "items": ["null", "long"]}),
    ("map", {"type": "map", "values": "string"}),
    ("inner", ["null", record(("x", "long"), ("y", ["null", "string"]), name="Inner")]),
    ("mixed", {"type": "array", "items": ["long", "string"]}),
    namespace="org.example",
)


def row(n):
    null = n % 3 == 1
    moment = datetime.datetime(2026, 1, 31, 23, 59, 58, 123456, tzinfo=UTC) + datetime.timedelta(days=n)
    return {
        "id": n,
        "b": None if null else n % 2 == 0,
        "i": None if null else -n,
        "f": n + 0.5,
        "d": None if null else n / 7,
        "s": None if null else f"text {n} é \U0001f600",
        "bytes": None if null else bytes([n % 256, 255]),
        "dec": None if null else D(n - 5) + D("0.25"),
        "wide": D("-1234567890123456789012345678.0123456789") + n,
        "day": None if null else moment.date(),
        "millis": moment.replace(microsecond=123000),
        "micros": None if null else moment,
        "local": moment.replace(tzinfo=None),
        "tmillis": datetime.time(1, 2, 3, 456000),
        "tmicros": datetime.time(1, 2, 3, 456789),
        "u": uuid.UUID(int=n),
        "e": ["RED", "GREEN"][n % 2],
        "either": [None, n, f"t{n}"][n % 3],
        "list": [None, n],
        "map": {"k": f"v{n}"},
        "inner": None if null else {"x": n, "y": None if n % 2 else "y"},
        "mixed": [n, f"m{n}"],
    }


for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]:
    # Blocks of a few rows each.
    write(f"codecs/{codec}.avro", TYPES, map(row, range(3000)), codec, sync_interval=2000)

write("evolved/evolved/1.avro", record(("a", "int"), ("b", "string")), [{"a": 1, "b": "x"}])
write("evolved/evolved/2.avro", record(("b", ["null", "string"]), ("c", "double"), ("a", "long")),
      [{"a": 1 << 40, "b": None, "c": 0.5}], "deflate")
write("evolved/evolved/3.avro", record(("c", "float")), [{"c": 1.5}, {"c": 2.5}])
write("differ/differ/1.avro", record(("a", "int")), [{"a": 1}])
write("differ/differ/2.avro", record(("a", "string")), [{"a": "x"}])

# A type is described once and named again; blocks of maps and arrays with their sizes; a decimal in
# a list; a fixed that is a UUID.
pair = record(("l", "int"), ("r", "int"), name="Pair")
write("named/named.avro", record(
    ("first", pair),
    ("second", "Pair"),
    ("kind", {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}),
    ("other", "Kind"),
    ("prices", {"type": "array", "items": logical("bytes", "decimal", precision=9, scale=3)}),
    ("raw", {"type": "fixed", "name": "four", "size": 4}),
), [{"first": {"l": 1, "r": 2}, "second": {"l": 3, "r": 4}, "kind": "A", "other": "B",
     "prices": [D("1.500"), D("-2.125")], "raw": b"\x00\x01\xfe\xff"}])

write("empty/empty.avro", record(("a", "int")), [])
write("nothing/nothing.avro", record(("a", "null")), [{"a": None}] * 3)
write("recursive/recursive.avro", record(("a", "int"), ("next", ["null", "Row"])), [{"a": 1, "next": None}])
write("owned/owned.avro", record(("tenant", "string"), ("Id", "string"), ("u", logical("string", "uuid"))),
      [{"tenant": "ta", "Id": "1", "u": "00000000-0000-0000-0000-000000000001"},
       {"tenant": "tb", "Id": "2", "u": "00000000-0000-0000-0000-000000000002"}])
print("written")
