"""Jobs over the wire: one of 50 queries against the same queries one by one with `outhaul run`, and a
thousand tiny ones of ten tenants at once. Prints a table in Markdown.

    jobs.py PROGRAM FOLDER ROWS ROUNDS
"""

import datetime
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

FIELDS = ["Id", "ChargeName", "ChargeAmount", "Quantity"]
QUERIES = 50
TENANTS = 10
TINY = 1_000
LANES = 20
TINY_QUERY = "select Id, Name from Account limit 5"


def call(base, token, method, path, body=None):
    request = urllib.request.Request(base + path, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def sign_in(base, client, secret):
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    form = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(base + "/oauth/token", form) as answer:
        return json.load(answer)["access_token"]


def wait(base, token, job, pause):
    while True:
        found = call(base, token, "GET", f"/v1/batch-query/jobs/{job}")
        if found["status"] not in ("submitted", "pending", "executing"):
            assert found["status"] == "completed", found
            return found
        time.sleep(pause)


class Server:
    """The demo on a free port, for as long as it is needed."""

    def __init__(self, program, folder, rows, environment=None):
        ready = os.path.join(folder, "demo.json")
        if os.path.exists(ready):
            os.remove(ready)
        os.makedirs(folder, exist_ok=True)
        log = open(os.path.join(folder, "server.log"), "ab")
        command = [program, "demo", "--port", "0", "--rows", str(rows), "--data", folder]
        environment = {**os.environ, "OUTHAUL__LOG__LEVEL": "warn", **(environment or {})}
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        while not os.path.exists(ready):
            assert self.process.poll() is None, f"the demo ended; see {folder}/server.log"
            time.sleep(0.05)
        self.demo = json.load(open(ready))
        self.base = self.demo["base_url"]

    def token(self, tenant):
        known = self.demo["tenants"][tenant]["zuora"]
        return sign_in(self.base, known["client_id"], known["client_secret"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def texts():
    """The same question in ZOQL and as an SQL condition."""
    for number in range(1, QUERIES + 1):
        query = f"select {','.join(FIELDS)} from InvoiceItem where Quantity != {number}"
        yield query, f"tenant = 'acme' and not \"Deleted\" and \"Quantity\" <> {number}"


def one_job(server):
    token = server.token("acme")
    queries = [{"name": f"q{n}", "type": "zoqlexport", "query": q} for n, (q, _) in enumerate(texts())]
    begun = time.monotonic()
    job = call(server.base, token, "POST", "/v1/batch-query/", {"queries": queries})
    found = wait(server.base, token, job["id"], 0.02)
    seconds = time.monotonic() - begun
    return seconds, [batch["recordCount"] for batch in found["batches"]]


def one_by_one(program, folder):
    data, out = os.path.join(folder, "data"), os.path.join(folder, "out.csv")
    seconds, counts = 0.0, []
    for _, condition in texts():
        command = [program, "run", "--quiet", "--source", data, "--object", "InvoiceItem", "--fields"]
        command += [",".join(FIELDS), "--where", condition, "--format", "csv", "--output", out]
        begun = time.monotonic()
        subprocess.run(command, check=True)
        seconds += time.monotonic() - begun
        with open(out, "rb") as file:
            counts.append(sum(1 for _ in file) - 1)
        os.remove(out)
    return seconds, counts


def settle(folder):
    """Removes the files of earlier jobs, and waits until nothing is left to be written."""
    shutil.rmtree(os.path.join(folder, "artifacts"), ignore_errors=True)
    os.makedirs(os.path.join(folder, "artifacts"), mode=0o700)
    os.sync()


def fifty(program, folder, rows, rounds):
    server = Server(program, folder, rows)
    together, apart = [], []
    try:
        for number in range(1, rounds + 1):
            # Neither side pays for what the other one left to the disk.
            settle(folder)
            seconds, counts = one_job(server)
            together.append(seconds)
            settle(folder)
            seconds, others = one_by_one(program, folder)
            apart.append(seconds)
            assert counts == others, (counts, others)
            print(f"round {number}: {together[-1]:.2f} s and {apart[-1]:.2f} s", flush=True)
    finally:
        server.stop()
    job, runs = statistics.median(together), statistics.median(apart)
    each = f"{statistics.median(counts):,}"
    return [
        f"| a job of {QUERIES} queries, {each} rows each | {job:.2f} | {job / runs:.3f} (goal 1.2) |",
        f"| the same with `outhaul run`, one by one | {runs:.2f} | 1.000 |",
    ]


def with_tenants(folder):
    """Tenants beside the demo's own, who have no rows: what is measured is what a job costs besides."""
    path = os.path.join(folder, "outhaul.toml")
    text = open(path).read()
    for number in range(TENANTS):
        text += f'\n[[tenants]]\nid = "tenant{number}"\n'
    open(path, "w").write(text)


def credential(program, folder, tenant, *options):
    command = [program, "keys", "create", "--json", "--tenant", tenant, *options]
    command += ["--config", os.path.join(folder, "outhaul.toml")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def token_of(server, program, folder, tenant):
    made = credential(program, folder, tenant, "--audience", "zuora", "--kind", "client-secret")
    return sign_in(server.base, made["public"], made["secret"])


def taken(server, key):
    """Seconds from the creation to the end of every job, by the server's own clock."""
    path, cursor = "/api/v1/exports?dialect=zuora_aqua&limit=100", ""
    while cursor is not None:
        request = urllib.request.Request(server.base + path + cursor)
        request.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(request) as answer:
            page = json.load(answer)
        for job in page["exports"]:
            at = [datetime.datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at")]
            yield job["id"], (at[1] - at[0]).total_seconds()
        cursor = page.get("next_cursor") and f"&cursor={page['next_cursor']}"


def tiny(program, folder):
    places = {"OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__ACTIVE_MAX": "0"}
    shutil.rmtree(folder, ignore_errors=True)
    Server(program, folder, 10_000).stop()
    with_tenants(folder)
    server = Server(program, folder, 10_000, places)
    try:
        tenants = [f"tenant{number}" for number in range(TENANTS)]
        tokens = [token_of(server, program, folder, tenant) for tenant in tenants]
        keys = [credential(program, folder, tenant)["secret"] for tenant in tenants]
        failed = []

        def client(lane):
            token = tokens[lane % TENANTS]
            queries = {"queries": [{"query": TINY_QUERY, "type": "zoqlexport"}]}
            try:
                submit = lambda: call(server.base, token, "POST", "/v1/batch-query/", queries)
                jobs = [submit()["id"] for _ in range(TINY // LANES)]
                for job in jobs:
                    wait(server.base, token, job, 0.25)
            except Exception as error:  # told below, by the thread that counts
                failed.append(error)

        begun = time.monotonic()
        lanes = [threading.Thread(target=client, args=(lane,)) for lane in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        whole = time.monotonic() - begun
        assert not failed, failed[0]
        jobs = [job for key in keys for job in taken(server, key)]
        assert len(jobs) == len(dict(jobs)) == TINY, len(jobs)
    finally:
        server.stop()
    p50 = statistics.median(seconds for _, seconds in jobs)
    text = f"{TINY:,} jobs of one tiny query, {TENANTS} tenants at once"
    return [f"| {text} | {whole:.2f} | {TINY / whole:.0f} jobs/s, submitted to completed: p50 {p50:.2f} s |"]


def main():
    program, folder, rows, rounds = sys.argv[1:5]
    table = ["| case | seconds | |", "|---|---:|---:|"]
    table += fifty(program, os.path.join(folder, "fifty"), int(rows), int(rounds))
    table += tiny(program, os.path.join(folder, "tiny"))
    print("\n".join(table))


main()
