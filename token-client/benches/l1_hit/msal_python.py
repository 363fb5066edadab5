"""Median nanoseconds of a cached client-credentials call of the real msal, with one
token in memory and with a thousand. Tokens come from an answer in this process."""

import json
import statistics
import time

import msal

AUTHORITY = "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-000000000000"


class Answer:
    def __init__(self, body):
        self.status_code, self.text, self.headers = 200, json.dumps(body), {}

    def raise_for_status(self):
        pass


class InProcess:
    def get(self, url, **_):
        if "/discovery/instance" in url:
            hosts = ["login.microsoftonline.com", "login.windows.net"]
            return Answer({"metadata": [{
                "preferred_network": hosts[0], "preferred_cache": hosts[1], "aliases": hosts}]})
        return Answer({
            "issuer": f"{AUTHORITY}/v2.0",
            "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
            "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token"})

    def post(self, *_, **__):
        return Answer({"token_type": "Bearer", "expires_in": 86400, "access_token": "x" * 1324})

    def close(self):
        pass


def scope(number):
    return [f"api://0e3a27c7-0000-4000-8000-{number:012}/.default"]


def median_ns(tokens, rounds):
    app = msal.ConfidentialClientApplication(
        "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3", client_credential="secret",
        authority=AUTHORITY, http_client=InProcess())
    for number in range(tokens):
        assert "access_token" in app.acquire_token_for_client(scope(number))
    asked, times = scope(tokens // 2), []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        result = app.acquire_token_for_client(asked)
        times.append(time.perf_counter_ns() - began)
        assert result["token_source"] == "cache"
    return statistics.median(times)


print(median_ns(1, 5000), median_ns(1000, 300))
