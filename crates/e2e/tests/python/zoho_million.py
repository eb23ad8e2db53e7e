"""A csv of a million rows by a statement with a join and a group by, compared with what DuckDB makes of the demo's files.

zoho_million.py BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT OUT_FOLDER ROWS
"""

import json
import pathlib
import sys
import time

import duckdb
import pyarrow
import pyarrow.csv
from zoho_client import Zoho

base, account, folder, tenant, out, least = sys.argv[1:]
zoho, folder, file = Zoho(base, json.loads(account)), pathlib.Path(folder), pathlib.Path(out) / "million.csv"
STATEMENT = """
  SELECT e."Internal Event Id" AS "Event", u."Plan" AS "Plan", u."Score" AS "Score",
         COUNT(*) AS "Count", SUM(COALESCE(e."Screen Width", 0)) AS "Width"
  FROM "Event" e INNER JOIN "User" u ON e."User Id" = u."User Id"
  GROUP BY e."Internal Event Id", u."Plan", u."Score"
"""
begun = time.monotonic()
job = zoho.of_sql(STATEMENT, {"responseFormat": "csv"})
info = zoho.finished(job)
made = time.monotonic() - begun
with zoho.get(info["downloadUrl"], org=False) as answer:
    assert answer.status_code == 200, answer.text[:1000]
    file.write_bytes(answer.content)
fetched = time.monotonic() - begun - made
assert file.stat().st_size == info["bytes"] and info["rows"] >= int(least), info

text = pyarrow.csv.ConvertOptions(column_types={"Event": "string", "Plan": "string", "Score": pyarrow.decimal128(18, 2)}, strings_can_be_null=True)
got = pyarrow.csv.read_csv(file, convert_options=text)
assert got.num_rows == info["rows"], (got.num_rows, info)
connection = duckdb.connect()
connection.execute("set timezone = 'UTC'")
events = sorted(str(path) for path in (folder / "data" / "Event").glob("*.parquet")) or [str(folder / "data" / "Event.parquet")]
connection.execute(f"""
  create table wanted as
  select e.internal_event_id as "Event", u.plan as "Plan", u.score as "Score", count(*) as "Count", sum(coalesce(e.screen_width, 0)) as "Width"
  from read_parquet({events!r}) e join read_parquet('{folder}/data/User.parquet') u on e.user_id = u.user_id
  where e.tenant = '{tenant}' and u.tenant = '{tenant}' group by all
""")
connection.register("got", got)
SUMS = 'select count(*), count(distinct "Event"), sum("Count"), sum("Width"), sum("Score"), count("Score"), count(distinct "Plan") from '
sums, wanted = connection.execute(SUMS + "got").fetchone(), connection.execute(SUMS + "wanted").fetchone()
assert sums == wanted, (sums, wanted)
SAME = """select count(*) from got g join wanted w using ("Event", "Plan")
          where g."Count" = w."Count" and g."Width" = w."Width" and g."Score" is not distinct from w."Score" """
assert connection.execute(SAME).fetchone() == (got.num_rows,)
print(f"{got.num_rows} rows of {info['bytes']} bytes made in {made:.1f} s, fetched in {fetched:.1f} s, each as DuckDB has it")
