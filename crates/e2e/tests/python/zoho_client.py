"""A client of Zoho Analytics' export API with nothing but requests, written as its users write theirs: parameters in the query, a loop that looks
at jobStatus, and the download from downloadUrl as it is, with the token alone."""

import json
import time

import requests

PATIENCE = 300


class Zoho:
    def __init__(self, base, account):
        """`account` is the dictionary tenants.NAME.zoho of demo.json."""
        self.base, self.account = base, account
        parameters = {key: account[key] for key in ("client_id", "client_secret", "refresh_token")}
        answer = requests.post(f"{base}/oauth/v2/token", params={**parameters, "grant_type": "refresh_token"}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["expires_in"] == 3600 and answer.json()["token_type"] == "Bearer", answer.text
        self.token = answer.json()["access_token"]
        self.bulk = f"{base}/restapi/v2/bulk/workspaces/{account['workspace_id']}"

    def get(self, url, config=None, org=True):
        headers = {"Authorization": f"Zoho-oauthtoken {self.token}", "Accept": "application/json"}
        if org:
            headers["ZANALYTICS-ORGID"] = self.account["org_id"]
        parameters = {"CONFIG": json.dumps(config)} if config is not None else None
        return requests.get(url, params=parameters, headers=headers, timeout=PATIENCE)

    def started(self, answer):
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["status"], body["summary"]) == ("success", "Create bulk export job"), body
        job = body["data"]["jobId"]
        assert isinstance(job, str) and 0 < int(job) < 2**63, job
        return job

    def of_view(self, name, config=None):
        return self.started(self.get(f"{self.bulk}/views/{self.account['views'][name]}/data", config))

    def of_sql(self, statement, config):
        return self.started(self.get(f"{self.bulk}/data", {**config, "sqlQuery": statement}))

    def finished(self, job):
        begun = time.monotonic()
        while True:
            answer = self.get(f"{self.bulk}/exportjobs/{job}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["summary"] == "Fetch export job info", answer.text
            info = answer.json()["data"]
            assert info["jobId"] == job, info
            if info["jobStatus"] == "JOB COMPLETED":
                assert info["jobCode"] == "1004" and int(info["expiryTime"]) > time.time() * 1000, info
                return info
            assert (info["jobCode"], info["jobStatus"]) in (("1001", "JOB NOT INITIATED"), ("1002", "JOB IN PROGRESS")), info
            assert "downloadUrl" not in info and time.monotonic() < begun + PATIENCE, info
            time.sleep(0.1)

    def download(self, job):
        """The content and its type."""
        info = self.finished(job)
        answer = self.get(info["downloadUrl"], org=False)
        assert answer.status_code == 200, answer.text[:1000]
        assert len(answer.content) == int(answer.headers.get("Content-Length", len(answer.content))) == info["bytes"], info
        return answer.content, answer.headers["Content-Type"].replace(" ", "").lower()
