"""A script as users of Userpilot's export API write them: start a job, look until it has ended, fetch the files by their
links, read them with readers that Outhaul's authors did not write, and compare every value with the demo's own data.

userpilot_flow.py BASE_URL KEY DEMO_FOLDER TENANT FORMAT
"""

import csv
import datetime
import gzip
import io
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

import fastavro
import polars
import pyarrow.parquet

base, key, folder, tenant, form = sys.argv[1:]
EXPORTS = base + "/api/v1/analytics/exports"
FROM, TO = datetime.date(2026, 1, 1), datetime.date(2026, 1, 31)
TYPES = ["identify_user", "track"]


def call(method, url, body=None, token=key):
    headers = {"Authorization": f"Token {token}"} if token else {}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def moment(value):
    """A moment as the readers give it: microseconds since 1970."""
    if isinstance(value, str):
        assert value.endswith("Z") and len(value) == 27, value
        value = datetime.datetime.fromisoformat(value)
    return round(value.timestamp() * 1_000_000)


def rows_of(raw):
    """The rows of a file, by the reader of its format; moments as numbers, metadata as values."""
    if form == "ndjson":
        assert raw[:2] == b"\x1f\x8b"
        rows = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline="")))
    elif form == "avro":
        rows = list(fastavro.reader(io.BytesIO(raw)))
    else:
        rows = pyarrow.parquet.read_table(io.BytesIO(raw)).to_pylist()
    for row in rows:
        row["inserted_at"] = moment(row["inserted_at"])
        if form != "ndjson":
            row["metadata"] = json.loads(row["metadata"]) if row["metadata"] else None
        for name in row:
            # csv has no types and no nulls.
            if form == "csv" and name not in ("inserted_at", "metadata"):
                row[name] = row[name] or None
    return rows


def expected():
    """The rows of the source, in their order in time."""
    data = pathlib.Path(folder) / "data"
    files = sorted(data.glob("Event.parquet")) + sorted((data / "Event").glob("*.parquet"))
    frame = polars.concat([polars.read_parquet(file) for file in files])
    start = datetime.datetime.combine(FROM, datetime.time(), datetime.timezone.utc)
    end = datetime.datetime.combine(TO + datetime.timedelta(days=1), datetime.time(), datetime.timezone.utc)
    frame = frame.filter(
        (polars.col("tenant") == tenant)
        & polars.col("event_type").is_in(TYPES)
        & (polars.col("inserted_at") >= start)
        & (polars.col("inserted_at") < end)
    )
    if "Deleted" in frame.columns:
        frame = frame.filter(~polars.col("Deleted").fill_null(False)).drop("Deleted")
    rows = frame.drop("tenant").to_dicts()
    for row in rows:
        row["inserted_at"] = moment(row["inserted_at"])
        row["metadata"] = json.loads(row["metadata"]) if row["metadata"] else None
        if form == "csv":
            for name in row:
                if name not in ("inserted_at", "metadata"):
                    row[name] = None if row[name] in (None, "") else str(row[name])
    return rows


body = {"from": str(FROM), "to": str(TO), "event_type": TYPES, "format": form}
status, headers, raw = call("POST", EXPORTS + "/", body)
assert status == 201, (status, raw)
started = json.loads(raw)
job = started["job_id"]
assert started["links"] == f"{EXPORTS}/jobs/{job}", started
status, headers, raw = call("POST", EXPORTS, body)
if status == 409:
    assert headers["Retry-After"] and json.loads(raw)["errors"][0]["job_id"] == job, raw
else:
    # The first one had ended by then; this one takes its place.
    assert status == 201, (status, raw)
    job = json.loads(raw)["job_id"]

deadline = time.monotonic() + 120
while True:
    status, headers, raw = call("GET", f"{EXPORTS}/jobs/{job}")
    state = json.loads(raw)
    assert status == 200, (status, raw)
    done, current = state["completed_chunks"], state["current_chunk"]
    assert done == state["all_chunks"][: len(done)] and current not in done, state
    if state["status"] in ("completed", "failed"):
        break
    assert headers["Retry-After"] and time.monotonic() < deadline, state
    time.sleep(0.05)
assert state["status"] == "completed" and state["progress"] == "100", state
assert len(state["all_chunks"]) == 31 and done == state["all_chunks"], state

found, days = [], []
for part in state["presigned_urls"]:
    status, headers, raw = call("GET", part["url"], token=None)
    assert status == 200 and len(raw) == part["bytes"], (status, part)
    assert headers.get("Content-Encoding") is None, headers
    rows = rows_of(raw)
    assert len(rows) == part["rows"] > 0, part
    day = part["filename"].removeprefix(job + "/")[:10]
    seconds = datetime.datetime.combine(datetime.date.fromisoformat(day), datetime.time(), datetime.timezone.utc).timestamp()
    assert all(seconds <= row["inserted_at"] / 1_000_000 < seconds + 86_400 for row in rows), day
    days.append(day)
    found.extend(rows)
assert days == sorted(days) and set(days) <= set(state["all_chunks"]), days

wanted = expected()
assert [row["inserted_at"] for row in found] == sorted(row["inserted_at"] for row in wanted)
by_id = lambda rows: sorted(rows, key=lambda row: (row["inserted_at"], row["internal_event_id"]))
assert list(found[0]) == list(wanted[0]), (list(found[0]), list(wanted[0]))
for one, other in zip(by_id(found), by_id(wanted), strict=True):
    assert one == other, (one, other)

assert job in [item["job_id"] for item in json.loads(call("GET", EXPORTS + "/jobs/")[2])]
status, _, raw = call("POST", EXPORTS, body, token="wrong")
assert status == 401 and json.loads(raw)["errors"], (status, raw)
print(len(found), "rows in", len(days), "files")
