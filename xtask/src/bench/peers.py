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
    elif case == "xlsx":
        pl.read_parquet(source, n_rows=1_000_000).write_excel(target)
    return time.perf_counter() - begun


def duckdb(case, source, target):
    import duckdb

    connection = duckdb.connect()
    begun = time.perf_counter()
    options = {"csv": "format csv", "csv_gzip": "format csv, compression gzip"}[case]
    connection.execute(f"copy (select * from read_parquet('{source}')) to '{target}' ({options})")
    return time.perf_counter() - begun


print({"polars": polars, "duckdb": duckdb}[sys.argv[1]](*sys.argv[2:]))
