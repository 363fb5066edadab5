"""Drives unmodified MSAL for Python against a mock-idp that misbehaves, and counts at the server
what it does about that.

usage: msal_python_faults.py HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with REQUESTS_CA_BUNDLE naming
the authority's certificate, and the server started with `--refresh-in 1s`. The third origin is not
asked. Prints one line a case and `all passed`.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msal
import requests
from msal.exceptions import MsalServiceError

HTTPS, HTTP, _IMDS = sys.argv[1:]
AUTHORITY = f"https://localhost:{urlsplit(HTTPS).port}/11111111-1111-1111-1111-111111111111"
APP = "22222222-2222-2222-2222-222222222222"
SERVICE = "33333333-3333-3333-3333-333333333333"
SCOPES = ["api://service/.default"]
AGING = 1.1  # seconds: past `refresh_in`


def admin(method, path, body=None):
    request = urllib.request.Request(
        f"{HTTP}/admin/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None


def expect(count, **matching):
    """So many requests, by the server's count."""
    admin("POST", "verify", {"expect": count, "matching": {"sku": "msal_python", **matching}})


def strike(fault, **trigger):
    admin("PUT", "faults", [{"name": "case", "fault": fault, "trigger": trigger}])


def calm():
    admin("PUT", "faults", [])


class WithPort(requests.Session):
    """Puts the server's port back where MSAL leaves it out."""

    def request(self, method, url, **options):
        port = urlsplit(AUTHORITY).port
        return super().request(method, url.replace("localhost/", f"localhost:{port}/"), **options)


def app(**options):
    return msal.ConfidentialClientApplication(
        APP,
        client_credential="secret",
        authority=AUTHORITY,
        instance_discovery=False,
        **options,
    )


def acquire(client, **options):
    return client.acquire_token_for_client(SCOPES, **options)


def after_429_nothing_is_sent_until_it_is_time():
    client = app()
    strike({"kind": "status", "status": 429, "retry_after": {"seconds": 2}}, at_most=1)
    assert "error" in acquire(client)
    assert "error" in acquire(client), "the 429 is remembered"
    expect(1, status=429)
    expect(1)
    time.sleep(2.2)
    assert "access_token" in acquire(client)
    expect(2)


def a_token_past_refresh_in_is_renewed():
    client = app()
    first = acquire(client)
    time.sleep(AGING)
    second = acquire(client)
    assert second["access_token"] != first["access_token"]
    expect(1, reason="no_cached_access_token")
    expect(1, reason="proactively_refreshed")
    expect(2)


def an_aging_token_is_a_herd():
    client = app()
    acquire(client)
    time.sleep(AGING)
    strike({"kind": "latency", "add": "fixed:700ms"})
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: acquire(client), range(20)))
    assert all("access_token" in result for result in results)
    expect(20, reason="proactively_refreshed")
    expect(21)


def an_outage_while_renewing_is_raised():
    client = app()
    assert "access_token" in acquire(client)
    time.sleep(AGING)
    strike({"kind": "status", "status": 503})
    try:
        result = acquire(client)
    except MsalServiceError:
        pass
    else:
        raise AssertionError(f"a 503 went unnoticed: {sorted(result)}")
    expect(1, status=503)
    expect(2)


def a_refusal_while_renewing_leaves_the_cached_token():
    for fault in (
        {"kind": "status", "status": 429, "retry_after": {"seconds": 60}},
        {"kind": "aadsts", "code": 7000215},
        {"kind": "aadsts", "code": 50173},
    ):
        client = app()
        first = acquire(client)
        time.sleep(AGING)
        strike(fault)
        assert acquire(client)["access_token"] == first["access_token"]
        calm()
    expect(6)


def an_outage_at_a_cold_start_is_raised_once_and_remembered():
    client = app()
    strike({"kind": "status", "status": 503})
    for _ in range(2):
        try:
            result = acquire(client)
        except MsalServiceError:
            continue
        raise AssertionError(f"a 503 went unnoticed: {sorted(result)}")
    expect(1)


def a_public_application_without_a_time_to_wait_waits_for_a_minute():
    client = msal.PublicClientApplication(
        APP,
        authority=AUTHORITY,
        instance_discovery=False,
        # MSAL asks for the user's realm without the port, so that nobody is there to answer.
        http_client=WithPort(),
    )
    strike({"kind": "status", "status": 429}, at_most=1)
    ask = lambda: client.acquire_token_by_username_password(
        "alice@contoso.com", "pass", ["api://service/read"]
    )
    assert "error" in ask()
    time.sleep(5.3)
    assert "error" in ask(), "five seconds are not enough"
    expect(1)


def a_slow_server_while_renewing_is_waited_out_and_leaves_the_cached_token():
    client = app(timeout=1)
    first = acquire(client)
    time.sleep(AGING)
    strike({"kind": "latency", "add": "fixed:3s"})
    started = time.monotonic()
    assert acquire(client)["access_token"] == first["access_token"]
    assert time.monotonic() - started > 0.9
    calm()


def a_claims_challenge_goes_past_the_cache_once():
    client = app(client_capabilities=["CP1"])
    challenge = admin("GET", "claims-challenge")["claims"]
    for options, count in [({}, 1), ({}, 1), ({"claims_challenge": challenge}, 2), ({}, 2)]:
        assert "access_token" in acquire(client, **options)
        expect(count)
    expect(1, reason="force_refresh_or_claims")


def a_refusal_with_400_is_remembered_and_one_with_401_is_not():
    client = app()
    for code, sent in ((70011, 1), (7000215, 2)):
        admin("DELETE", "ledger")
        strike({"kind": "aadsts", "code": code})
        for _ in range(2):
            assert "error" in client.acquire_token_for_client([f"api://{code}/.default"])
        expect(sent)
    calm()
    # The server is well again, and the application does not know.
    assert "error" in client.acquire_token_for_client(["api://70011/.default"])
    assert "access_token" in client.acquire_token_for_client(["api://7000215/.default"])


def a_failure_on_behalf_of_a_caller_is_replayed():
    options = dict(authority=AUTHORITY, instance_discovery=False)
    call = msal.PublicClientApplication(
        APP, http_client=WithPort(), **options
    ).acquire_token_by_username_password("alice@contoso.com", "pass", [f"api://{SERVICE}/read"])
    service = msal.ConfidentialClientApplication(SERVICE, client_credential="secret", **options)
    ask = lambda: service.acquire_token_on_behalf_of(call["access_token"], ["api://x/.default"])
    # No cache is asked.
    for count in (1, 2):
        assert "access_token" in ask()
        expect(count, grant="on_behalf_of")
    strike({"kind": "aadsts", "code": 65001})
    assert ask()["error"] == "invalid_grant"
    calm()
    # The server is well again, and the service does not know.
    assert ask()["error"] == "invalid_grant"
    expect(3, grant="on_behalf_of")


def without_a_time_to_wait_a_throttled_application_waits_five_seconds():
    clients = [app(), app()]
    started = time.monotonic()
    # A date is none that it could read.
    for client, more in zip(clients, [{}, {"retry_after": {"date": 60}}]):
        strike({"kind": "status", "status": 429, **more}, at_most=1)
        assert "error" in acquire(client)
        assert "error" in acquire(client)
    expect(2)
    time.sleep(max(0, 5.3 - (time.monotonic() - started)))
    for client in clients:
        assert "access_token" in acquire(client)
    expect(4)


def a_cold_start_is_a_herd():
    client = app()
    strike({"kind": "latency", "add": "fixed:700ms"})
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: acquire(client), range(20)))
    assert all("access_token" in result for result in results)
    expect(20, reason="no_cached_access_token")
    ledger = admin("GET", "ledger")
    assert ledger["largest_herd"] == 20, ledger
    assert ledger["redundant_token_requests"] == 19, ledger


def errors_reach_the_application():
    strike({"kind": "aadsts", "code": 50076, "claims": '{"access_token":{}}'})
    result = acquire(app())
    assert result["error"] == "interaction_required", result
    assert result["suberror"] == "basic_action", result
    assert result["error_codes"] == [50076] and result["claims"] == '{"access_token":{}}', result
    strike({"kind": "aadsts", "code": 7000215})
    assert acquire(app())["error"] == "invalid_client"
    expect(1, status=401)


CASES = [
    after_429_nothing_is_sent_until_it_is_time,
    without_a_time_to_wait_a_throttled_application_waits_five_seconds,
    a_refusal_with_400_is_remembered_and_one_with_401_is_not,
    a_failure_on_behalf_of_a_caller_is_replayed,
    a_token_past_refresh_in_is_renewed,
    an_aging_token_is_a_herd,
    an_outage_while_renewing_is_raised,
    an_outage_at_a_cold_start_is_raised_once_and_remembered,
    a_public_application_without_a_time_to_wait_waits_for_a_minute,
    a_slow_server_while_renewing_is_waited_out_and_leaves_the_cached_token,
    a_refusal_while_renewing_leaves_the_cached_token,
    a_claims_challenge_goes_past_the_cache_once,
    a_cold_start_is_a_herd,
    errors_reach_the_application,
]

if __name__ == "__main__":
    for case in CASES:
        print(case.__name__, flush=True)
        calm()
        admin("DELETE", "ledger")
        case()
    print("all passed")
