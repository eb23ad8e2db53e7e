"""A script as users write them, with requests alone: every pass of it over the wire is in zoho_client.py.

zoho_requests.py BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT
"""

import csv
import io
import json
import sys
import urllib.parse

import requests
from zoho_client import Zoho
from zoho_source import View

base, account, folder, tenant = sys.argv[1:]
account = json.loads(account)
zoho = Zoho(base, account)
accounts, contacts = View(folder, tenant, "Account"), View(folder, tenant, "Contact")


def rows_of(raw):
    names, *rows = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True)
    return names, sorted(tuple(row) for row in rows)


# No CONFIG at all: all of it, as csv.
raw, kind = zoho.download(zoho.of_view("Account"))
assert kind.startswith("text/csv") and rows_of(raw) == (accounts.shown(), accounts.rows(accounts.shown())), kind

# Words in capitals, numbers as texts, keys that mean nothing, and blanks written as %20 and as +.
config = {"responseFormat": "CSV", "delimiter": "0", "recordDelimiter": "0", "foo": 1, "selectedColumns": ["Name", "VAT ID", "Id"]}
config["criteria"] = "\"Account\".\"VAT ID\" is not null and \"Name\" like '%a%'"
wanted = accounts.rows(["Name", "VAT ID", "Id"], lambda row: row["VAT ID"] is not None and "a" in row["Name"])
headers = {"Authorization": f"Zoho-oauthtoken {zoho.token}", "ZANALYTICS-ORGID": account["org_id"]}
for quote in (urllib.parse.quote, urllib.parse.quote_plus):
    url = f"{zoho.bulk}/views/{account['views']['Account']}/data/?CONFIG={quote(json.dumps(config))}&ZOHO_FOO=1"
    raw, _ = zoho.download(zoho.started(requests.get(url, headers=headers, timeout=60)))
    assert rows_of(raw) == (["Name", "VAT ID", "Id"], wanted) and wanted, (len(wanted), raw[:200])
twice = urllib.parse.quote(urllib.parse.quote(json.dumps(config)))
answer = requests.get(f"{zoho.bulk}/views/{account['views']['Account']}/data?CONFIG={twice}", headers=headers, timeout=60)
assert (answer.status_code, answer.json()["data"]["errorCode"]) == (400, 8080), answer.text

# A column that the catalog does not declare cannot be named; text of every script comes as it is.
statement = 'select "Id", "AccountId" from "Contact"'
answer = zoho.get(f"{zoho.bulk}/data", {"sqlQuery": statement, "responseFormat": "csv"})
assert (answer.status_code, answer.json()["data"]["errorCode"]) == (400, 7407), answer.text
raw, _ = zoho.download(zoho.of_sql('select "Id", "First Name", "Last Name", "City" from "Contact"', {"responseFormat": "csv"}))
names = ["Id", "First Name", "Last Name", "City"]
assert rows_of(raw) == (names, contacts.rows(names)) and any(ord(c) > 0x24F for row in contacts.rows(names) for value in row for c in value)

# Without the org, with a wrong token, and on a path where data is imported.
answer = zoho.get(f"{zoho.bulk}/data", {"sqlQuery": "select 1"}, org=False)
assert (answer.status_code, answer.json()["data"]["errorCode"]) == (400, 8083), answer.text
answer = requests.get(f"{base}/restapi/v2/orgs", headers={"Authorization": "Zoho-oauthtoken 1000.x"}, timeout=60)
assert (answer.status_code, answer.json()["data"]["errorCode"], answer.json()["summary"]) == (401, 8535, "INVALID_OAUTHTOKEN"), answer.text
answer = requests.post(f"{zoho.bulk}/data", data={"CONFIG": json.dumps({"sqlQuery": "select * from Account"})}, headers=headers, timeout=60)
assert answer.status_code == 405 and answer.json()["status"] == "failure", answer.text
print(f"{len(accounts.rows(['Id']))} accounts, {len(wanted)} by criteria, {len(contacts.rows(['Id']))} contacts")
