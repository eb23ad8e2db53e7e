"""Selects every stream and every supported field of a Singer catalog."""

import json
import sys

with open(sys.argv[1]) as file:
    catalog = json.load(file)
for stream in catalog["streams"]:
    stream["schema"]["selected"] = True
    for entry in stream["metadata"]:
        if entry["metadata"].get("inclusion") != "unsupported":
            entry["metadata"]["selected"] = True
json.dump(catalog, sys.stdout)
