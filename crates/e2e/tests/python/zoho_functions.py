"""The functions of the dialect's SQL, by the list that its own tests read: each expression has the answer that the list says, on the source that the
server has.

zoho_functions.py BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT LIST
"""

import decimal
import json
import sys
import tomllib

from zoho_client import Zoho

base, account, _, _, path = sys.argv[1:]
zoho = Zoho(base, json.loads(account))
with open(path, "rb") as file:
    cases = tomllib.load(file)
# Three rows, whatever the source has.
THREE = " union ".join(f'select {n} as n from "Product"' for n in (1, 2, 3))


def answers(expressions, rows):
    """What they are, or why there is none."""
    items = ", ".join(f'{expression} as "x{at}"' for at, expression in enumerate(expressions))
    answer = zoho.get(f"{base}/restapi/v2/workspaces/{zoho.account['workspace_id']}/data", {"sqlQuery": f"select {items} from {rows}", "responseFormat": "json"})
    if answer.status_code == 200:
        return list(answer.json()["data"][0].values())
    if len(expressions) == 1:
        return [answer.text]
    return [answers([expression], rows)[0] for expression in expressions]


def same(got, wanted):
    if wanted == "NULL":
        return got == ""
    try:
        return decimal.Decimal(got) == decimal.Decimal(wanted)
    except decimal.InvalidOperation:
        # A condition is a number where it is used as one, and a word where it is shown.
        return got == wanted


wrong = []
count = 0
for listed, rows in ((cases["expressions"], '"Product" limit 1'), (cases["aggregates"], f"({THREE}) as t")):
    for first in range(0, len(listed), 30):
        part = listed[first : first + 30]
        for (expression, wanted), got in zip(part, answers([expression for expression, _ in part], rows), strict=True):
            count += 1
            if not same(got, wanted):
                wrong.append(f"{expression} is {got!r} and not {wanted!r}")
assert not wrong, "\n".join(wrong)
print(f"{count} expressions have their answers")
