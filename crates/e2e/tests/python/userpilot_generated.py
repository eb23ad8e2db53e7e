"""Uses a client that openapi-python-client generated from an OpenAPI document, against a server.

userpilot_generated.py FOLDER_OF_THE_PACKAGE BASE_URL KEY
"""

import pathlib
import sys
import time
from importlib import import_module

folder, base, key = sys.argv[1:]
[package] = [path.parent for path in pathlib.Path(folder).glob("*/client.py")]
sys.path.insert(0, str(package.parent))
name = package.name
client_module = import_module(f"{name}.client")
models = import_module(f"{name}.models")
start, show, listed = (import_module(f"{name}.api.exports.{operation}") for operation in ("start_export", "show_job", "list_jobs"))
look_up = import_module(f"{name}.api.lookups.look_up")

client = client_module.AuthenticatedClient(base_url=base, token=key, prefix="Token")
request = models.ExportRequest(from_="2026-01-05", to="2026-01-06", event_type=["track"], format_=models.FormatWord.CSV)
started = start.sync(client=client, body=request)
assert isinstance(started, models.JobStarted), started
deadline = time.monotonic() + 60
while (job := show.sync(started.job_id, client=client)).status not in ("completed", "failed"):
    assert time.monotonic() < deadline, job
    time.sleep(0.1)
assert job.status == "completed" and len(job.presigned_urls) == 2, job
assert started.job_id in [item.job_id for item in listed.sync(client=client)]
assert isinstance(show.sync("unknown", client=client), models.Errors)
wrong = start.sync(client=client, body=models.ExportRequest(from_="yesterday"))
assert isinstance(wrong, models.Errors) and wrong.errors[0].field == "from", wrong
assert look_up.sync("flows", client=client) is not None
print("the generated client works")
