"""Changes rows of a Parquet file: change_rows.py FILE CHANGES.

CHANGES is JSON: a list of {"row": the Id of a row, "set": values by column}. Where the Id is among
the values, a copy of the row is added; otherwise the row itself is changed. Times are texts, one
of them "now". The file is replaced in one step.
"""

import datetime
import json
import os
import sys

import pyarrow
import pyarrow.parquet

path, changes = sys.argv[1], json.loads(sys.argv[2])
table = pyarrow.parquet.read_table(path)
times = {field.name for field in table.schema if pyarrow.types.is_timestamp(field.type)}
rows = table.to_pylist()


def moment(text):
    if text == "now":
        return datetime.datetime.now(datetime.timezone.utc)
    return datetime.datetime.fromisoformat(text)


by_id = {row["Id"]: row for row in rows}
for change in changes:
    values = {
        name: moment(value) if name in times else value
        for name, value in change["set"].items()
    }
    if "Id" in values:
        rows.append({**by_id[change["row"]], **values})
    else:
        by_id[change["row"]].update(values)
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=table.schema), path + ".new")
os.replace(path + ".new", path)
