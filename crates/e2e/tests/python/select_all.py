"""Selects every stream and every supported field of a Singer catalog.

The first argument is the catalog, each further one a field (`Stream.Field`) that is left out.
"""

import json
import sys

with open(sys.argv[1]) as file:
    catalog = json.load(file)
left_out = set(sys.argv[2:])
for stream in catalog["streams"]:
    stream["schema"]["selected"] = True
    for entry in stream["metadata"]:
        field = ".".join([stream["stream"], *entry["breadcrumb"][1:]])
        if entry["metadata"].get("inclusion") != "unsupported":
            entry["metadata"]["selected"] = field not in left_out
json.dump(catalog, sys.stdout)
