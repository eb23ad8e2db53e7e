"""Reads the twelve look-ups of the Userpilot dialect and compares them with the demo's own data.

userpilot_lookups.py BASE_URL KEY DEMO_FOLDER TENANT
"""

import json
import pathlib
import sys
import urllib.parse
import urllib.request

import polars

base, key, folder, tenant = sys.argv[1:]


def look_up(name, **query):
    url = f"{base}/api/v1/analytics/exports/lookups/{name}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Token {key}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def pages(name):
    items, after = [], None
    while True:
        page = look_up(name, **({"after_cursor": after} if after else {}))
        assert page["metadata"]["limit"] == 50 and len(page["data"]) <= 50, page["metadata"]
        items += page["data"]
        after = page["metadata"]["cursor"]["after"]
        if not after:
            assert len(items) == page["metadata"]["total_count"], page["metadata"]
            return items


def source(name):
    data = pathlib.Path(folder) / "data"
    files = sorted(data.glob(f"{name}.parquet")) + sorted((data / name).glob("*.parquet"))
    frame = polars.concat([polars.read_parquet(file) for file in files]).filter(polars.col("tenant") == tenant)
    if "Deleted" in frame.columns:
        frame = frame.filter(~polars.col("Deleted").fill_null(False))
    return frame


for name, owner in (("user_properties", "User"), ("company_properties", "Company")):
    items = look_up(name)
    assert {item["key"] for item in items} <= set(source(owner).columns), name
    assert all(item["data_type"] in ("String", "Numeric", "Date") for item in items), name
    assert len(items) >= 5, items

segments, rows = pages("segments"), source("Segment")
assert [(item["id"], item["title"]) for item in segments] == sorted(zip(rows["id"], rows["title"])), segments
assert all(item["usage"] == "all" and isinstance(item["is_hidden"], bool) for item in segments)

properties, rows = pages("events_properties"), source("EventProperty")
assert len(properties) == len(rows) > 50, len(properties)
assert {item["id"] for item in properties} == set(rows["id"])
assert all(set(item["event"]) == {"id", "display_name"} for item in properties)

contents = source("Content")
for name, kind, label in (
    ("features_events", "feature", "display_name"),
    ("flows", "flow", "title"),
    ("banners", "banner", "title"),
    ("embeds", "embed", "title"),
    ("spotlights", "spotlight", "title"),
    ("surveys", "survey", "title"),
    ("resource_center_modules", "resource_center_module", "display_name"),
    ("checklists", "checklist", "display_name"),
):
    wanted = contents.filter(polars.col("kind") == kind)["title"]
    found = [item[label] for item in look_up(name)]
    assert sorted(found) == sorted(wanted) and len(found) > 0, (name, found)
assert all(item["type"] in ("banner", "card") for item in look_up("embeds"))
assert all(isinstance(item["modules"], list) for item in look_up("surveys"))
print("12 look-ups")
