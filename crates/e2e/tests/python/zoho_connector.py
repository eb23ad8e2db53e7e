"""The clients of PyPI's zoho-analytics-connector, unmodified: ReportClient and EnhancedZohoAnalyticsClient, which take their token by a form, write
slashes at the ends of paths, and export with the one call of the older API.

zoho_connector.py BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT OUT_FOLDER
"""

import collections
import csv
import io
import json
import logging
import os
import sys
import time

import zoho_analytics_connector

# As it is published, it imports itself under a name that it has only in its authors' folder.
sys.modules["zoho_analytics_connector.zoho_analytics_connector"] = zoho_analytics_connector

from zoho_analytics_connector.enhanced_report_client import EnhancedZohoAnalyticsClient
from zoho_analytics_connector.report_client import ServerError
from zoho_source import View

base, account, folder, tenant, out = sys.argv[1:]
account = json.loads(account)
os.chdir(out)
logging.disable(logging.CRITICAL)
# It sleeps for ten seconds before it uses a new token.
time.sleep = lambda seconds: None

client = EnhancedZohoAnalyticsClient(
    login_email_id="owner+exports@example.com",
    refresh_token=account["refresh_token"],
    default_databasename=account["workspace_name"],
    clientId=account["client_id"],
    clientSecret=account["client_secret"],
    serverURL=base,
    reportServerURL=base,
    default_retries=3,
)
assert client.get_orgs_metadata_api_v2()["data"]["orgs"][0]["orgId"] == account["org_id"]
assert client.get_org_and_workspace_id() == (account["org_id"], account["workspace_id"])
views = client.get_views_api_v2(account["org_id"], account["workspace_id"])["data"]["views"]
assert {view["viewName"].replace(" ", ""): view["viewId"] for view in views} == account["views"], views
found = client.get_meta_details_view_api_v2(account["org_id"], account["workspace_name"], "Invoice")
assert found["data"]["views"]["viewId"] == account["views"]["Invoice"], found
assert client.get_workspace_details_api_v2(account["workspace_id"])["data"]["workspaces"]["workspaceName"] == account["workspace_name"]
tables = client.get_table_metadata_v2()
assert {name.replace(" ", "") for name in tables} == set(account["views"]), tables
for name in ("Account", "Invoice Item", "Payment Method"):
    assert list(tables[name]) == View(folder, tenant, name.replace(" ", "")).names, tables[name]

# Statements by the older call, as dictionaries.
items = View(folder, tenant, "InvoiceItem")
statement = """select "Id", "SKU", "Service Start Date" as "From" from "Invoice Item" where "Currency" in ('EUR', 'GBP')"""
reader = client.data_export_using_sql(statement, table_name="Invoice Item")
rows = sorted((row["Id"], row["SKU"], row["From"]) for row in reader)
assert reader.fieldnames == ["Id", "SKU", "From"], reader.fieldnames
assert rows == items.rows(["Id", "SKU", "Service Start Date"], lambda row: row["Currency"] in ("EUR", "GBP")), len(rows)
counted = client.pre_delete_rows("InvoiceItem", "Currency = 'EUR' and Quantity > 100 % 7")
wanted = sum(currency == "EUR" and quantity > 2 for currency, quantity in zip(items.columns["Currency"].to_pylist(), items.columns["Quantity"].to_pylist()))
assert counted == wanted > 0, (counted, wanted)

# A view by the older call: criteria stand in the form.
uri = client.getURI(client.login_email_id, account["workspace_name"], "Account")
accounts = View(folder, tenant, "Account")
wanted = accounts.rows(accounts.shown(), lambda row: row["Currency"] == "EUR" and row["Auto Pay"])
file = io.BytesIO()
client.exportData(uri, "CSV", file, criteria="\"Currency\"='EUR' and \"Auto Pay\"=true")
header, *rows = csv.reader(io.StringIO(file.getvalue().decode("utf-8"), newline=""), strict=True)
assert header == accounts.shown() and sorted(tuple(row) for row in rows) == wanted and wanted, (header, len(rows), len(wanted))
file = io.BytesIO()
client.exportData(uri, "JSON", file)
data = json.loads(file.getvalue())["data"]
assert collections.Counter(row["Id"] for row in data) == collections.Counter(row[0] for row in accounts.rows(["Id"]))

# Its refusals, and a token that is not valid any more.
for code, text in [(7403, "select from"), (7407, "select Nmae from Account")]:
    try:
        client.data_export_using_sql(text, table_name="Account")
        raise SystemExit(f"{text} is not refused")
    except ServerError as error:
        assert str(code) in str(vars(error)), vars(error)
client.access_token = "1000.dead.beef"
assert next(client.data_export_using_sql("select count(*) from Account", table_name="Account"))["count(*)"] == str(len(data))
print(f"{len(tables)} tables, {len(rows)} rows of a view, {counted} counted")
