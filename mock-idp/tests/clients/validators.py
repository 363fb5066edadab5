"""Has unmodified PyJWT validate tokens across key rollovers of a running mock-idp.

usage: validators.py HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with SSL_CERT_FILE naming the authority's
certificate. Prints one line a case and `all passed`.
"""

import json
import sys
import time
import urllib.request
from urllib.parse import urlencode, urlsplit

import jwt

HTTPS, HTTP, _ = sys.argv[1:]
ORIGIN = f"https://localhost:{urlsplit(HTTPS).port}"
TENANT = "11111111-1111-1111-1111-111111111111"
KEYS = f"{ORIGIN}/{TENANT}/discovery/v2.0/keys"


def admin(method, path, body=None):
    request = urllib.request.Request(
        HTTP + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def token():
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": "app",
            "client_secret": "secret",
            "scope": "api://service/.default",
        }
    ).encode()
    with urllib.request.urlopen(f"{HTTP}/{TENANT}/oauth2/v2.0/token", form) as answer:
        return json.load(answer)["access_token"]


def fetches():
    """How often the keys were fetched."""
    with urllib.request.urlopen(f"{HTTP}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith('mockidp_requests_total{endpoint="jwks",grant_type="none",code="200"}'):
                return int(float(line.split()[-1]))
    raise AssertionError("no count of the key requests")


def validate(client, encoded, algorithm="RS256"):
    key = client.get_signing_key_from_jwt(encoded)
    # The token was asked for over HTTP and so names that origin; only its keys matter here.
    return jwt.decode(
        encoded,
        key,
        algorithms=[algorithm],
        audience="api://service",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )


def refused(client, encoded, *errors):
    try:
        validate(client, encoded)
    except errors:
        return
    raise AssertionError(f"validated: {encoded[:60]}...")


def planned():
    client = jwt.PyJWKClient(KEYS, cooldown_duration=0)
    old = token()
    assert validate(client, old)["tid"] == TENANT
    admin("POST", "/admin/keys/rollover", {"publish_ahead": "1h", "retire_after": "1h"})
    announced = jwt.PyJWKClient(KEYS)
    assert len(announced.get_signing_keys()) == 2, "the next key is announced"
    before = fetches()
    admin("POST", "/admin/clock", {"advance": "1h"})
    new = token()
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    validate(announced, new)
    validate(announced, old)
    assert fetches() == before, "who fetched while the key was announced need not fetch again"
    validate(client, new)
    assert fetches() == before + 1, "who did not fetches once"
    admin("POST", "/admin/clock", {"advance": "1h"})
    assert len(jwt.PyJWKClient(KEYS).get_signing_keys()) == 1, "the old key has left"
    refused(jwt.PyJWKClient(KEYS), old, jwt.PyJWKClientError)


def emergency():
    # Longer than the few requests take on a busy machine.
    floor = 6.0
    assert jwt.PyJWKClient(KEYS).cooldown_duration == 30, "the library's own floor"
    client = jwt.PyJWKClient(KEYS, cooldown_duration=floor)
    old = token()
    validate(client, old)
    fetched = time.monotonic()
    before = fetches()
    admin("POST", "/admin/keys/rollover", {"emergency": True})
    new = token()
    refused(client, new, jwt.PyJWKClientError)
    assert time.monotonic() - fetched < floor, "this machine is too slow for the case"
    assert fetches() == before, "within the floor it fails without a request"
    validate(client, old)  # and still trusts the key that leaked
    time.sleep(max(0.0, fetched + floor + 0.2 - time.monotonic()))
    validate(client, new)
    assert fetches() == before + 1
    refused(client, old, jwt.PyJWKClientError)


def flapping():
    admin("PUT", "/admin/keys", {"flapping": 0.5})
    admin("POST", "/admin/keys/rollover", {})
    encoded = token()
    client = jwt.PyJWKClient(KEYS, cooldown_duration=0, cache_jwk_set=False)
    outcomes = set()
    for _ in range(60):
        try:
            validate(client, encoded)
            outcomes.add("validated")
        except jwt.PyJWKClientError:
            outcomes.add("no key")
    assert outcomes == {"validated", "no key"}, outcomes
    admin("PUT", "/admin/keys", {})


def algorithms():
    for name in ["PS256", "ES256", "RS256"]:
        admin("PUT", "/admin/keys", {"algorithm": name.lower()})
        admin("POST", "/admin/keys/rollover", {"emergency": True})
        encoded = token()
        assert jwt.get_unverified_header(encoded)["alg"] == name
        with urllib.request.urlopen(f"{HTTP}/{TENANT}/discovery/v2.0/keys") as answer:
            [published] = json.load(answer)["keys"]
        # The key names no algorithm, as Entra's do not; PyJWT wants to be told.
        key = jwt.PyJWK(published, algorithm=name)
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        jwt.decode(encoded, key, algorithms=[name], audience="api://service", options=options)


def forgeries():
    client = jwt.PyJWKClient(KEYS, cooldown_duration=0)
    full = {"algorithms": ["RS256"], "audience": "api://service"}
    now = admin("GET", "/admin/clock")
    assert now["offset"] != "0s"
    admin("POST", "/admin/clock", {"offset": "0s"})
    issuer = jwt.decode(token(), options={"verify_signature": False})["iss"]
    for forgery, error in {
        "bad_signature": jwt.InvalidSignatureError,
        "unknown_kid": jwt.PyJWKClientError,
        "alg_none": (jwt.PyJWKClientError, jwt.InvalidTokenError),
        "expired": jwt.ExpiredSignatureError,
        "not_yet_valid": jwt.ImmatureSignatureError,
        "wrong_issuer": jwt.InvalidIssuerError,
        "wrong_tenant": jwt.InvalidIssuerError,
        "wrong_audience": jwt.InvalidAudienceError,
        "missing_tenant": jwt.MissingRequiredClaimError,
        "malformed": jwt.DecodeError,
    }.items():
        admin("PUT", "/admin/faults", [{"name": "f", "fault": {"kind": "forged_token", "forgery": forgery}}])
        encoded = token()
        try:
            key = client.get_signing_key_from_jwt(encoded)
            jwt.decode(encoded, key, issuer=issuer, options={"require": ["tid"]}, **full)
        except error:
            continue
        raise AssertionError(f"{forgery} was validated")
    admin("PUT", "/admin/faults", [])
    jwt.decode(
        (encoded := token()),
        client.get_signing_key_from_jwt(encoded),
        issuer=issuer,
        options={"require": ["tid"]},
        **full,
    )


for case in [planned, emergency, flapping, algorithms, forgeries]:
    case()
    print(f"{case.__name__}: passed")
print("all passed")
