"""Runs one export with another program and prints the seconds it took, imports not counted.

peers.py PEER CASE INPUT OUTPUT
"""

import sys
import time


def polars(case, source, target):
    import polars as pl

    begun = time.perf_counter()
    frame = pl.scan_parquet(source)
    if case == "csv":
        frame.sink_csv(target)
    elif case == "csv_gzip":
        frame.sink_csv(target, compression="gzip")
    elif case == "parquet":
        frame.sink_parquet(target, compression="zstd")
    elif case == "ndjson":
        frame.sink_ndjson(target)
    elif case == "avro":
        # A file like ours; Polars would not compress it by itself.
        pl.read_parquet(source).write_avro(target, compression="deflate")
    elif case == "xlsx":
        pl.read_parquet(source, n_rows=1_000_000).write_excel(target)
    return time.perf_counter() - begun


def duckdb(case, source, target):
    import duckdb

    connection = duckdb.connect()
    begun = time.perf_counter()
    options = {
        "csv": "format csv",
        "csv_gzip": "format csv, compression gzip",
        "parquet": "format parquet, compression zstd",
    }[case]
    connection.execute(f"copy (select * from read_parquet('{source}')) to '{target}' ({options})")
    return time.perf_counter() - begun


def fastavro(case, source, target):
    import fastavro
    import pyarrow.parquet as pq

    begun = time.perf_counter()
    parquet = pq.ParquetFile(source)
    fields = [{"name": field.name, "type": ["null", avro_type(field.type)]} for field in parquet.schema_arrow]
    schema = fastavro.parse_schema({"type": "record", "name": "Row", "fields": fields})
    rows = (row for batch in parquet.iter_batches() for row in batch.to_pylist())
    with open(target, "wb") as file:
        fastavro.writer(file, schema, rows, codec="deflate", codec_compression_level=1)
    return time.perf_counter() - begun


def avro_type(data_type):
    import pyarrow as pa

    if pa.types.is_decimal(data_type):
        return {"type": "bytes", "logicalType": "decimal", "precision": data_type.precision, "scale": data_type.scale}
    if pa.types.is_date(data_type):
        return {"type": "int", "logicalType": "date"}
    return {pa.int64(): "long", pa.int32(): "int"}.get(data_type, "string")


def psql(case, source, target):
    import subprocess

    begun = time.perf_counter()
    subprocess.run(["psql", source, "--quiet", "--command", f"\\copy lineitem to '{target}' csv header"], check=True)
    return time.perf_counter() - begun


def connectorx(case, source, target):
    import connectorx
    import pyarrow.parquet as pq

    begun = time.perf_counter()
    table = connectorx.read_sql(
        source, "select * from lineitem", return_type="arrow", partition_on="l_orderkey", partition_num=2
    )
    pq.write_table(table, target, compression="zstd")
    return time.perf_counter() - begun


def adbc(case, source, target):
    import adbc_driver_postgresql.dbapi
    import pyarrow.parquet as pq

    begun = time.perf_counter()
    with adbc_driver_postgresql.dbapi.connect(source) as connection, connection.cursor() as cursor:
        cursor.execute("select * from lineitem")
        rows = cursor.fetch_record_batch()
        with pq.ParquetWriter(target, rows.schema, compression="zstd") as writer:
            for batch in rows:
                writer.write_batch(batch)
    return time.perf_counter() - begun


PEERS = {"polars": polars, "duckdb": duckdb, "fastavro": fastavro, "psql": psql, "connectorx": connectorx, "adbc": adbc}
print(PEERS[sys.argv[1]](*sys.argv[2:]))
