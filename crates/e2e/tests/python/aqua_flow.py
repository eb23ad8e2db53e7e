"""A script as users of AQuA write them: submit a job, look until it has ended, fetch its files, count their lines.

aqua_flow.py BASE_URL SECRETS FOLDER: SECRETS is JSON with the user name and password and the key pair of a tenant. A file that
the tenant's key encrypts is left in FOLDER as secret.csv.gz.pgp beside plain.csv, what should be in it.
"""

import csv
import gzip
import io
import json
import pathlib
import sys
import time
import zipfile

import requests

base, secrets, folder = sys.argv[1], json.loads(sys.argv[2]), pathlib.Path(sys.argv[3])
AQUA = base + "/apps/api/batch-query/"
PLAIN = {"Accept-Encoding": "identity"}
ACCOUNTS = "select Id, AccountNumber, Balance, UpdatedDate from Account"
PAYMENTS = "select Id, Amount, Account.AccountNumber from Payment"

user = requests.Session()
user.auth = (secrets["username"], secrets["password"])


def submit(body, **headers):
    """POSTs a compressed body, as those do who send long queries."""
    data = gzip.compress(json.dumps(body).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **headers}
    answer = user.post(AQUA, data=data, headers=headers)
    return answer.status_code, answer.json()


def job(*queries, **more):
    asked = [query if isinstance(query, dict) else {"query": query, "type": "zoqlexport"} for query in queries]
    return {"format": "csv", "version": "1.0", "encrypted": "none", "useQueryLabels": "true", "dateTimeUtc": "true", "queries": asked, **more}


def finished(body, **headers):
    status, made = submit(body, **headers)
    assert status == 200 and made["status"] == "submitted" and made["id"], made
    until = time.monotonic() + 60
    while True:
        answer = user.get(AQUA + "jobs/" + made["id"])
        state = answer.json()
        assert answer.status_code == 200 and state["id"] == made["id"], state
        words = {batch["status"] for batch in state["batches"]}
        assert "aborted" not in words, state
        if words == {"completed"} and state["status"] == "completed":
            return state
        assert time.monotonic() < until, state
        time.sleep(0.05)


def content(batch):
    answer = user.get(f"{base}/v1/file/{batch['fileId']}", headers=PLAIN)
    assert answer.status_code == 200 and "Content-Encoding" not in answer.headers, answer.headers
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    return answer.content


def rows(batch, data=None):
    """The rows of a file, whose number is the one that was told."""
    lines = list(csv.reader(io.StringIO((data or content(batch)).decode(), newline="")))
    assert len(lines) - 1 == batch["recordCount"], (len(lines), batch)
    return lines


# Stateless, in one version and the other.
for version in ("1.0", "1.2", 1.1):
    state = finished(job(ACCOUNTS, PAYMENTS, version=version, name="plain"))
    assert [batch["full"] for batch in state["batches"]] == [True, True], state
    assert state["format"] == "CSV" and state["version"] == f"{float(version):.1f}" and state["name"] == "plain"
    assert state["startTime"].endswith("+0000") and "partner" not in state
    accounts, payments = map(rows, state["batches"])
assert accounts[0] == ["Account.Id", "Account.AccountNumber", "Account.Balance", "Account.UpdatedDate"], accounts[0]
assert payments[0][2] == "Account.AccountNumber" and len(accounts) > 10 and len(payments) > 100

# The same rows, packed.
for form in ("gzip", "zip"):
    batch = finished(job(PAYMENTS, format=form))["batches"][0]
    data = content(batch)
    if form == "gzip":
        data = gzip.decompress(data)
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = archive.namelist()
            assert name.endswith(".csv"), name
            data = archive.read(name)
    assert sorted(rows(batch, data)) == sorted(payments), form

# A series: all rows, then nothing new; without queries those of the last job.
gone = {"column": "IsDeleted", "format": "Boolean"}
asked = {"name": "accounts", "query": ACCOUNTS, "type": "zoqlexport", "deleted": gone}
series = {"version": "1.2", "partner": "guardian", "project": "nightly"}
first = finished(job(asked, **series))
(batch,) = first["batches"]
assert batch["full"] and batch["deleted"] == gone, batch
whole = rows(batch)
assert whole[0] == ["Account.IsDeleted", *accounts[0]], whole[0]
assert sorted(line[1:] for line in whole) == sorted(accounts) and {line[0] for line in whole[1:]} == {"false"}
(batch,) = finished(job(asked, **series))["batches"]
assert not batch["full"] and rows(batch) == whole[:1], batch
last = finished(job(**series))
assert [batch["name"] for batch in last["batches"]] == ["accounts"] and not last["batches"][0]["full"], last
assert rows(last["batches"][0]) == whole[:1]
found = user.get(AQUA + "jobs/partner/guardian/project/nightly").json()
assert found["id"] == last["id"] and found["partner"] == "guardian", found
# Another project is another series, by one letter; and rows from a time on do not move one.
assert finished(job(asked, **series | {"project": "Nightly"}))["batches"][0]["full"]
since = finished(job(asked, **series, incrementalTime="2015-01-01 00:00:00"))
assert len(rows(since["batches"][0])) >= len(whole), since
(batch,) = finished(job(asked, **series))["batches"]
assert rows(batch) == whole[:1]

# One key, one job; and another request under it is refused.
key = {"Idempotency-Key": "7b1f7a60-guardian"}
one, other = submit(job(ACCOUNTS), **key), submit(job(ACCOUNTS), **key)
assert one[0] == other[0] == 200 and one[1]["id"] == other[1]["id"], (one, other)
assert submit(job(PAYMENTS), **key)[0] == 422
jobs = {submit(job(ACCOUNTS))[1]["id"] for _ in range(2)}
assert len(jobs) == 2

# What is refused is told in an answer with status 200, without an id.
for body, code in [
    (job("select Nothing from Account"), "90005"),
    (job("select from"), "90005"),
    (job(), "90016"),
    (job(*[ACCOUNTS] * 51), "90004"),
    (job(asked), "90012"),
    (job(ACCOUNTS, incrementalTime="yesterday", **{**series}), "90015"),
]:
    status, told = submit(body)
    assert (status, told.get("errorCode"), told["status"]) == (200, code, "error") and "id" not in told, told
pair = {"apiAccessKeyId": secrets["api_access_key_id"], "apiSecretAccessKey": secrets["api_secret_access_key"]}
for method, code in [("GET", "90002"), ("DELETE", "90003")]:
    told = requests.request(method, AQUA + "jobs/" + "0" * 32, headers=pair)
    assert (told.status_code, told.json()["errorCode"]) == (200, code), told.text
told = user.delete(AQUA + "jobs/" + first["id"])
assert (told.status_code, told.json()["errorCode"]) == (200, "90003"), told.text
wrong = requests.post(AQUA, json=job(ACCOUNTS), auth=(secrets["username"], "wrong"), allow_redirects=False)
assert wrong.status_code == 401, wrong.text

# Encrypted to the tenant's key.
(batch,) = finished(job(PAYMENTS + " order by Id", format="gzip", encrypted="pgp"))["batches"]
(folder / "secret.csv.gz.pgp").write_bytes(content(batch))
(batch,) = finished(job(PAYMENTS + " order by Id"))["batches"]
(folder / "plain.csv").write_bytes(content(batch))
print(f"{len(accounts) - 1} accounts, {len(payments) - 1} payments")
