"""Reads or writes a user's cache with the real msal, without a network.

read:  a blob on stdin; prints what a silent call gives, from the cache alone.
write: prints the blob that a sign-in leaves behind.
"""

import base64
import json
import sys
import time

import msal

CLIENT, TENANT, UID = sys.argv[2:5]
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"


def b64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Answer:
    def __init__(self, body):
        self.status_code, self.text, self.headers = 200, json.dumps(body), {}

    def raise_for_status(self):
        pass


class NoNetwork:
    """Answers discovery, from its own knowledge, and a token request only to write."""

    def get(self, url, **_):
        if "/discovery/instance" in url:
            hosts = ["login.microsoftonline.com", "login.windows.net"]
            return Answer({"metadata": [{
                "preferred_network": hosts[0], "preferred_cache": hosts[1], "aliases": hosts}]})
        assert "openid-configuration" in url, f"a request to {url}"
        return Answer({
            "issuer": f"{AUTHORITY}/v2.0",
            "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
            "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
        })

    def post(self, url, **_):
        assert sys.argv[1] == "write", f"a token request to {url}"
        now = int(time.time())
        claims = {
            "iss": f"{AUTHORITY}/v2.0", "aud": CLIENT, "exp": now + 3600, "iat": now,
            "sub": "subject", "oid": UID, "tid": TENANT, "preferred_username": "ann",
        }
        return Answer({
            "access_token": "written by python", "token_type": "Bearer", "expires_in": 3600,
            "scope": "User.Read", "refresh_token": "refresh",
            "id_token": f"{b64({'alg': 'none'})}.{b64(claims)}.x",
            "client_info": b64({"uid": UID, "utid": TENANT}),
        })

    def close(self):
        pass


cache = msal.SerializableTokenCache()
if sys.argv[1] == "read":
    cache.deserialize(sys.stdin.read())
app = msal.ConfidentialClientApplication(
    CLIENT, client_credential="x", authority=AUTHORITY, token_cache=cache,
    http_client=NoNetwork())
if sys.argv[1] == "read":
    [account] = app.get_accounts()
    result = app.acquire_token_silent_with_error(["User.Read"], account=account)
    assert result["token_source"] == "cache", result
    print(account["username"], result["access_token"])
else:
    result = app.acquire_token_by_authorization_code(
        "code", scopes=["User.Read"], redirect_uri="https://app/")
    assert "access_token" in result, result
    print(cache.serialize())
