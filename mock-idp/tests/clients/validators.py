"""Has unmodified PyJWT validate tokens while the keys that sign them change.

usage: validators.py HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with SSL_CERT_FILE naming the authority's
certificate. The third origin is not asked. Prints one line a case and `all passed`.
"""

import json
import sys
import urllib.parse
import urllib.request
from urllib.parse import urlsplit

import jwt

HTTPS, HTTP, _IMDS = sys.argv[1:]
AUTHORITY = f"https://localhost:{urlsplit(HTTPS).port}/11111111-1111-1111-1111-111111111111"
KEYS = f"{AUTHORITY}/discovery/v2.0/keys"


def admin(method, path, body=None):
    request = urllib.request.Request(
        f"{HTTP}/admin/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def token():
    form = {
        "grant_type": "client_credentials",
        "client_id": "22222222-2222-2222-2222-222222222222",
        "client_secret": "secret",
        "scope": "api://service/.default",
    }
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{AUTHORITY}/oauth2/v2.0/token", data, timeout=10) as answer:
        return json.load(answer)["access_token"]


class Validator:
    """A service that keeps the keys it fetched, and counts how often it fetches them."""

    def __init__(self):
        self.keys = jwt.PyJWKClient(KEYS)
        self.fetched = 0
        fetch = self.keys.fetch_data

        def counted():
            self.fetched += 1
            return fetch()

        self.keys.fetch_data = counted

    def validate(self, token):
        key = self.keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key.key,
            algorithms=["RS256"],
            audience="api://service",
            issuer=f"{AUTHORITY}/v2.0",
            leeway=600,  # the server's clock is moved
        )

    def refuses(self, token):
        try:
            self.validate(token)
        except jwt.exceptions.PyJWKClientError:
            return True
        return False


def key_id(token):
    return jwt.get_unverified_header(token)["kid"]


def a_key_published_ahead_is_known_when_it_signs():
    validator, old = Validator(), token()
    admin("POST", "keys/rollover", {"publish_ahead": "1m", "retire_after": "1h"})
    validator.validate(old)
    admin("POST", "clock", {"advance": "2m"})
    new = token()
    assert key_id(new) != key_id(old)
    validator.validate(new)
    validator.validate(old)
    assert validator.fetched == 1, validator.fetched


def after_an_emergency_a_validator_is_out_until_it_fetches_again():
    validator, old = Validator(), token()
    validator.validate(old)
    admin("POST", "keys/rollover", {"emergency": True})
    new = token()
    assert key_id(new) != key_id(old)
    # PyJWT does not fetch again so soon.
    assert validator.refuses(new)
    assert validator.fetched == 1, validator.fetched
    assert Validator().validate(new)["aud"] == "api://service"
    assert Validator().refuses(old), "the old key is gone"


CASES = [
    a_key_published_ahead_is_known_when_it_signs,
    after_an_emergency_a_validator_is_out_until_it_fetches_again,
]

if __name__ == "__main__":
    for case in CASES:
        print(case.__name__, flush=True)
        case()
    print("all passed")
