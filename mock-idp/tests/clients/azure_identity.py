"""Drives unmodified azure-identity for Python, and counts at the server what it does.

usage: azure_identity.py, under `mock-idp run --hosts`: the authority is the default one. Prints one
line a case and `all passed`.
"""

import json
import os
import tempfile
import time
import urllib.request

import jwt
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    OnBehalfOfCredential,
    UsernamePasswordCredential,
    WorkloadIdentityCredential,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
import datetime

ADMIN = os.environ["MOCK_IDP_URL"] + "/admin/"
TENANT = "11111111-1111-1111-1111-111111111111"
APP = "22222222-2222-2222-2222-222222222222"
SERVICE = "33333333-3333-3333-3333-333333333333"
SCOPE = "https://graph.microsoft.com/.default"


def admin(method, path, body=None):
    request = urllib.request.Request(
        ADMIN + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def expect(count, grant):
    made = admin("GET", "ledger")
    assert made["token_requests"] == count, made
    assert made["by_grant"].get(grant, 0) == count, made


def strike(fault, **trigger):
    admin("PUT", "faults", [{"name": "case", "fault": fault, "trigger": trigger}])


def calm():
    admin("PUT", "faults", [])


def claims(token):
    return jwt.decode(token.token, options={"verify_signature": False})


def secret():
    return ClientSecretCredential(TENANT, APP, "secret")


def a_secret_gets_a_token_once():
    with secret() as credential:
        first, second = credential.get_token(SCOPE), credential.get_token(SCOPE)
    assert first.token == second.token
    assert claims(first)["aud"] == "https://graph.microsoft.com"
    expect(1, "client_credentials")


def a_certificate_gets_a_token():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    today = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    data = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with CertificateCredential(TENANT, APP, certificate_data=data) as credential:
        assert claims(credential.get_token(SCOPE))["azpacr"] == "2"
    expect(1, "client_credentials")


def a_workload_presents_its_federated_token():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    assertion = jwt.encode(
        {
            "iss": "https://issuer.example",
            "sub": "system:serviceaccount:default:app",
            "aud": "api://AzureADTokenExchange",
            "exp": now + 300,
        },
        key,
        algorithm="RS256",
    )
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(assertion)
        file.flush()
        credential = WorkloadIdentityCredential(
            tenant_id=TENANT, client_id=APP, token_file_path=file.name
        )
        credential.get_token(SCOPE)
        credential.get_token(SCOPE)
    expect(1, "client_credentials")


def a_user_hands_over_name_and_password():
    credential = UsernamePasswordCredential(
        APP, "alice@contoso.com", "pass", tenant_id=TENANT
    )
    token = credential.get_token(f"api://{SERVICE}/read")
    assert claims(token)["preferred_username"] == "alice@contoso.com"
    credential.get_token(f"api://{SERVICE}/read")
    expect(1, "password")
    admin("DELETE", "ledger")
    service = OnBehalfOfCredential(
        TENANT, SERVICE, client_secret="secret", user_assertion=token.token
    )
    assert claims(service.get_token("api://downstream/.default"))["oid"] == claims(token)["oid"]
    expect(1, "on_behalf_of")


def a_machine_uses_its_own_identity():
    credential = ManagedIdentityCredential()
    first, second = credential.get_token(SCOPE), credential.get_token(SCOPE)
    assert first.token == second.token
    expect(1, "managed_identity")


def trouble_that_passes_is_overcome():
    for fault in (
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429, "retry_after": {"seconds": 1}},
    ):
        admin("DELETE", "ledger")
        strike(fault, at_most=1)
        with secret() as credential:
            credential.get_token(SCOPE)
        expect(2, "client_credentials")


def trouble_that_lasts_costs_four_requests():
    strike({"kind": "status", "status": 429, "retry_after": {"seconds": 1}})
    with secret() as credential:
        try:
            credential.get_token(SCOPE)
        except ClientAuthenticationError:
            pass
        else:
            raise AssertionError("a token although the server gave none")
    expect(4, "client_credentials")


def an_outage_that_lasts_costs_four_requests_too():
    strike({"kind": "status", "status": 503})
    with secret() as credential:
        try:
            credential.get_token(SCOPE)
        except ClientAuthenticationError:
            pass
        else:
            raise AssertionError("a token although the server gave none")
    expect(4, "client_credentials")


def a_token_past_refresh_in_is_renewed_by_the_msal_inside():
    admin("POST", "config", {"lifetimes": {"refresh_in": "1s"}})
    with secret() as credential:
        first = credential.get_token_info(SCOPE)
        time.sleep(1.1)
        assert first.refresh_on <= time.time(), first.refresh_on
        second = credential.get_token_info(SCOPE)
    assert second.token != first.token
    expect(2, "client_credentials")
    admin("POST", "reset", {})


def tokens_that_cope_with_challenges_have_a_cache_of_their_own():
    challenge = admin("GET", "claims-challenge")["claims"]
    with secret() as credential:
        plain = credential.get_token(SCOPE)
        capable = credential.get_token(SCOPE, enable_cae=True)
        expect(2, "client_credentials")
        assert "xms_cc" not in claims(plain) and claims(capable)["xms_cc"] == ["CP1"]
        assert capable.expires_on - time.time() > 19 * 3600, capable.expires_on
        challenged = credential.get_token(SCOPE, enable_cae=True, claims=challenge)
        expect(3, "client_credentials")
        assert challenged.token != capable.token
        assert credential.get_token(SCOPE, enable_cae=True).token == challenged.token
        assert credential.get_token(SCOPE).token == plain.token
    expect(3, "client_credentials")


def a_refusal_is_final():
    strike({"kind": "aadsts", "code": 7000215})
    with secret() as credential:
        try:
            credential.get_token(SCOPE)
        except ClientAuthenticationError as error:
            assert "AADSTS7000215" in str(error), error
    expect(1, "client_credentials")


CASES = [
    a_secret_gets_a_token_once,
    a_certificate_gets_a_token,
    a_workload_presents_its_federated_token,
    a_user_hands_over_name_and_password,
    a_machine_uses_its_own_identity,
    trouble_that_passes_is_overcome,
    trouble_that_lasts_costs_four_requests,
    an_outage_that_lasts_costs_four_requests_too,
    a_token_past_refresh_in_is_renewed_by_the_msal_inside,
    tokens_that_cope_with_challenges_have_a_cache_of_their_own,
    a_refusal_is_final,
]

if __name__ == "__main__":
    for case in CASES:
        print(case.__name__, flush=True)
        calm()
        admin("DELETE", "ledger")
        case()
    print("all passed")
