"""The vendor's own Python SDK, unmodified, as PyPI's zoho-analytics-connector has it: ids by the metadata calls, exports of a view and of a
statement, the call that answers the file itself, refusals, and a token that is not valid any more. What comes is compared with the demo's files.

zoho_sdk.py BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT OUT_FOLDER
"""

import collections
import csv
import datetime
import decimal
import json
import pathlib
import sys
import time

from zoho_analytics_connector.analytics_client_upstream import AnalyticsClient, ServerError
from zoho_source import View

base, account, folder, tenant, out = sys.argv[1:]
account, out = json.loads(account), pathlib.Path(out)
org, workspace, views = account["org_id"], account["workspace_id"], account["views"]


def sdk():
    client = AnalyticsClient(account["client_id"], account["client_secret"], account["refresh_token"])
    client.accounts_server_url = client.analytics_server_url = base
    return client


def csv_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file, strict=True)
    return names, sorted(tuple(row) for row in rows)


def refused(call, *arguments):
    try:
        call(*arguments)
    except ServerError as error:
        assert isinstance(error.errorCode, int) and error.message, error
        return error.errorCode
    raise SystemExit(f"{call} with {arguments} is not refused")


client = sdk()
bulk = client.get_bulk_instance(org, workspace)


def exported(job, name):
    begun = time.monotonic()
    while (info := bulk.get_export_job_details(job))["jobCode"] in ("1001", "1002"):
        assert time.monotonic() < begun + 120, info
        time.sleep(0.1)
    assert (info["jobCode"], info["jobStatus"]) == ("1004", "JOB COMPLETED"), info
    hour = (int(info["expiryTime"]) - time.time() * 1000) / 3_600_000
    assert 0.9 < hour <= 1.0, info
    bulk.export_bulk_data(job, out / name)
    # A file may be fetched as often as one likes until it expires.
    bulk.export_bulk_data(job, out / "again")
    assert (out / "again").read_bytes() == (out / name).read_bytes()
    return out / name


# Ids by names.
assert [item["orgId"] for item in client.get_orgs()] == [org]
listed = client.get_workspaces()
assert [item["workspaceId"] for item in listed["ownedWorkspaces"]] == [workspace] and listed["sharedWorkspaces"] == []
assert [item["workspaceName"] for item in client.get_owned_workspaces()] == [account["workspace_name"]]
assert client.get_shared_workspaces() == []
assert client.get_workspace_details(workspace)["orgId"] == org
assert client.get_recent_views() == [] and client.get_dashboards()["ownedViews"] == []
found = client.get_workspace_instance(org, workspace).get_views({})
assert {item["viewId"] for item in found} == set(views.values()), found
assert {item["viewType"] for item in found} == {"Table"}
names = client.get_workspace_instance(org, workspace).get_views({"keyword": "invoice i", "viewTypes": [0]})
assert [item["viewName"] for item in names] == ["Invoice Item"], names
details = client.get_org_instance(org).get_meta_details(account["workspace_name"], "Account")
assert (details["workspaces"]["workspaceId"], details["views"]["viewId"]) == (workspace, views["Account"]), details
items = View(folder, tenant, "InvoiceItem")
shown = client.get_view_details(views["InvoiceItem"], {"withInvolvedMetaInfo": True})
assert [column["columnName"] for column in shown["columns"]] == items.names, shown
assert "columns" not in client.get_view_details(views["InvoiceItem"], {})

# A view, some of its rows.
criteria = """"Invoice Item"."Currency" = 'EUR' and ChargeAmount >= 1000 and "Service Start Date" between '01-Jan-2024' and '2024-12-31'"""
first, last = datetime.date(2024, 1, 1), datetime.date(2024, 12, 31)
wanted = items.rows(
    items.shown(),
    lambda row: row["Currency"] == "EUR" and row["Charge Amount"] >= 1000 and first <= row["Service Start Date"] <= last,
)
job = bulk.initiate_bulk_export(views["InvoiceItem"], "csv", {"criteria": criteria})
header, rows = csv_rows(exported(job, "view.csv"))
assert header == items.shown() and rows == wanted and len(wanted) > 10, (header, len(rows), len(wanted))
none = bulk.initiate_bulk_export(views["InvoiceItem"], "json", {"criteria": "\"Id\" = 'none'"})
assert json.loads(exported(none, "none.json").read_text()) == {"data": []}

# A statement, whose columns have the headings that were written.
statement = """select Currency, count(*), sum("Charge Amount") as "Sum of Amounts" from InvoiceItem where Quantity > 1 group by Currency"""
job = bulk.initiate_bulk_export_using_sql(statement, "json", {})
got = json.loads(exported(job, "sql.json").read_text())["data"]
counts, sums = collections.Counter(), collections.Counter()
quantities, amounts = items.columns["Quantity"].to_pylist(), items.columns["Charge Amount"].to_pylist()
for currency, quantity, amount in zip(items.columns["Currency"].to_pylist(), quantities, amounts):
    if quantity > 1:
        counts[currency] += 1
        sums[currency] += amount
assert {row["Currency"]: int(row["count(*)"]) for row in got} == counts, got
assert {row["Currency"]: decimal.Decimal(row["Sum of Amounts"]) for row in got} == sums, got

# The file itself.
accounts = View(folder, tenant, "Account")
bulk.export_data(views["Account"], "csv", out / "sync.csv", {"selectedColumns": ["Name", "Id", "MRR"]})
assert csv_rows(out / "sync.csv") == (["Name", "Id", "MRR"], accounts.rows(["Name", "Id", "MRR"]))

# Refusals have the codes that scripts look for.
for code, view, config in [
    (7330, "Account", {"criteria": "\"Nmae\" = 'x'"}),
    (7331, "Account", {"criteria": "\"Name\" = "}),
    (7333, "Account", {"criteria": "sum(\"Balance\") > 1"}),
    (8015, "Account", {"selectedColumns": ["Nmae"]}),
    (8119, "Account", {"delimiter": 9}),
    (8188, "Account", {"password": "short"}),
]:
    assert refused(bulk.initiate_bulk_export, views[view], "csv", config) == code, code
assert refused(bulk.initiate_bulk_export, views["Account"], "parquet", {}) == 8001
assert refused(bulk.initiate_bulk_export, "1", "csv", {}) == 7104
assert refused(client.get_bulk_instance(org, "1").initiate_bulk_export, views["Account"], "csv", {}) == 7103
assert refused(client.get_bulk_instance("1", workspace).initiate_bulk_export, views["Account"], "csv", {}) == 7387
for code, text in [(7401, "delete from Account"), (7403, "select from where"), (7407, "select Nmae from Account"), (7409, "select * from Acount")]:
    assert refused(bulk.initiate_bulk_export_using_sql, text, "csv", {}) == code, (code, text)
assert bulk.get_export_job_details("999")["jobCode"] == "1005"
assert refused(bulk.export_bulk_data, "999", out / "no") == 8120

# A token that is not valid any more is replaced, once, by every kind of call.
for call in (
    lambda: client.get_orgs(),
    lambda: exported(bulk.initiate_bulk_export(views["Account"], "csv", {}), "later.csv"),
    lambda: bulk.export_data(views["Account"], "json", out / "later.json", {}),
):
    client.access_token = "1000.dead.beef"
    call()
    assert client.access_token != "1000.dead.beef"
assert len(csv_rows(out / "later.csv")[1]) == len(json.loads((out / "later.json").read_text())["data"]) == len(accounts.rows(["Id"]))
wrong = sdk()
wrong.refresh_token = "1000.not.it"
wrong.access_token = "1000.dead.beef"
try:
    wrong.get_orgs()
    raise SystemExit("a wrong refresh token works")
except ServerError as error:
    assert "invalid_code" in error.message, error
print(f"{len(wanted)} rows by criteria, {sum(counts.values())} behind the statement, {len(found)} views")
