"""Drives unmodified MSAL for Python against a running mock-idp.

usage: msal_python.py HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with REQUESTS_CA_BUNDLE and SSL_CERT_FILE naming
the authority's certificate. Prints one line a case and `all passed`.
"""

import datetime
import json
import os
import ssl
import sys
import threading
import urllib.request
import webbrowser
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import jwt
import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HTTPS, HTTP, IMDS = sys.argv[1:]
PORT = urlsplit(HTTPS).port
ORIGIN = f"https://localhost:{PORT}"
TENANT = "11111111-1111-1111-1111-111111111111"
AUTHORITY = f"{ORIGIN}/{TENANT}"
APP = "22222222-2222-2222-2222-222222222222"
SERVICE = "33333333-3333-3333-3333-333333333333"
REDIRECT = "http://localhost:5000/callback"


def ledger(server=HTTP):
    with urllib.request.urlopen(f"{server}/admin/ledger", timeout=10) as answer:
        return json.load(answer)


class TokenRequests:
    """How many requests reached the token endpoint while the block ran."""

    def __enter__(self):
        self.before = ledger()
        return self

    def __exit__(self, *_):
        self.after = ledger()

    def expect(self, total, grant=None):
        made = self.after["token_requests"] - self.before["token_requests"]
        assert made == total, f"{made} token requests, not {total}"
        if grant:
            by = lambda moment: moment["by_grant"].get(grant, 0)
            made = by(self.after) - by(self.before)
            assert made == total, f"{made} {grant} requests, not {total}"


def app(client_id=APP, **options):
    options.setdefault("instance_discovery", False)
    options.setdefault("authority", AUTHORITY)
    options.setdefault("client_credential", "secret")
    return msal.ConfidentialClientApplication(client_id, **options)


def certificate():
    """A private key and a self-signed certificate for it, both PEM, and its SHA-1 thumbprint."""
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
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    return private.decode(), public.decode(), made.fingerprint(hashes.SHA1()).hex()


def succeeded(result):
    assert "access_token" in result, result
    return result


def verify(token, audience, authority=AUTHORITY):
    """The claims of a token, verified against the keys that the server publishes."""
    keys = jwt.PyJWKClient(f"{authority}/discovery/v2.0/keys")
    key = keys.get_signing_key_from_jwt(token)
    issuer = f"{authority}/v2.0"
    return jwt.decode(token, key.key, algorithms=["RS256"], audience=audience, issuer=issuer)


def sign_in(client, scopes, user="alice@contoso.com"):
    flow = client.initiate_auth_code_flow(scopes, redirect_uri=REDIRECT, login_hint=user)
    answer = requests.get(flow["auth_uri"], allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    location = answer.headers["Location"]
    assert location.startswith(REDIRECT + "?"), location
    response = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    return succeeded(client.acquire_token_by_auth_code_flow(flow, response))


def client_credentials_are_cached():
    client = app()
    with TokenRequests() as requests_made:
        first = succeeded(client.acquire_token_for_client(["api://service/.default"]))
        second = succeeded(client.acquire_token_for_client(["api://service/.default"]))
    requests_made.expect(1, "client_credentials")
    assert first["token_source"] == "identity_provider", first["token_source"]
    assert second["token_source"] == "cache", second["token_source"]
    assert first["access_token"] == second["access_token"]
    claims = verify(first["access_token"], "api://service")
    assert claims["azp"] == APP and claims["sub"] == claims["oid"], claims


def tenants_and_scopes_do_not_share_tokens():
    client = app()
    with TokenRequests() as requests_made:
        succeeded(client.acquire_token_for_client(["api://one/.default"]))
        succeeded(client.acquire_token_for_client(["api://two/.default"]))
        succeeded(app(authority=f"{ORIGIN}/contoso.com").acquire_token_for_client(["api://one/.default"]))
    requests_made.expect(3, "client_credentials")
    redundant = lambda moment: moment["redundant_token_requests"]
    assert redundant(requests_made.after) == redundant(requests_made.before)


def a_user_signs_in_and_is_served_from_the_cache():
    client = app()
    with TokenRequests() as requests_made:
        result = sign_in(client, ["api://service/read"])
    requests_made.expect(1, "authorization_code")
    assert result["scope"] == "api://service/read", result["scope"]
    access = verify(result["access_token"], "api://service")
    assert access["scp"] == "read" and access["preferred_username"] == "alice@contoso.com", access
    identity = verify(result["id_token"], APP)
    assert identity["oid"] == access["oid"] and identity["nonce"], identity

    (account,) = client.get_accounts()
    assert account["username"] == "alice@contoso.com", account
    with TokenRequests() as requests_made:
        silent = succeeded(client.acquire_token_silent(["api://service/read"], account))
    requests_made.expect(0)
    assert silent["token_source"] == "cache", silent
    assert silent["access_token"] == result["access_token"]

    with TokenRequests() as requests_made:
        forced = client.acquire_token_silent(["api://service/read"], account, force_refresh=True)
        other = client.acquire_token_silent(["api://other/write"], account)
    requests_made.expect(2, "refresh_token")
    assert succeeded(forced)["access_token"] != result["access_token"]
    assert verify(succeeded(other)["access_token"], "api://other")["scp"] == "write"


def a_refresh_token_from_elsewhere_is_taken_over():
    elsewhere = app()
    sign_in(elsewhere, ["api://service/read"])
    (found,) = elsewhere.token_cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)
    client = app()
    with TokenRequests() as requests_made:
        result = succeeded(
            client.acquire_token_by_refresh_token(found["secret"], ["api://service/read"])
        )
    requests_made.expect(1, "refresh_token")
    claims = verify(result["access_token"], "api://service")
    assert claims["preferred_username"] == "alice@contoso.com", claims
    (account,) = client.get_accounts()
    with TokenRequests() as requests_made:
        succeeded(client.acquire_token_silent(["api://service/read"], account))
    requests_made.expect(0)
    refused = client.acquire_token_by_refresh_token("not-a-token", ["api://service/read"])
    assert refused["error"] == "invalid_grant", refused


def two_users_do_not_share_tokens():
    client = app()
    alice = sign_in(client, ["api://service/read"], "alice@contoso.com")
    bob = sign_in(client, ["api://service/read"], "bob@contoso.com")
    assert len(client.get_accounts()) == 2
    subjects = {verify(one["access_token"], "api://service")["sub"] for one in (alice, bob)}
    assert len(subjects) == 2


def a_service_acts_on_behalf_of_its_caller():
    call = sign_in(app(), [f"api://{SERVICE}/read"])
    with TokenRequests() as requests_made:
        result = succeeded(
            app(SERVICE).acquire_token_on_behalf_of(call["access_token"], ["api://downstream/.default"])
        )
    requests_made.expect(1, "on_behalf_of")
    claims = verify(result["access_token"], "api://downstream")
    assert claims["azp"] == SERVICE, claims
    assert claims["oid"] == verify(call["access_token"], SERVICE)["oid"]


def an_agent_acts_for_a_user():
    agent = app()
    exchange = succeeded(agent.acquire_token_for_client(["api://AzureADTokenExchange/.default"]))
    user = "00000000-0000-0000-0000-00000000000b"
    for named in ({"username": "alice@contoso.com"}, {"user_object_id": user}):
        with TokenRequests() as requests_made:
            result = succeeded(
                agent.acquire_token_by_user_federated_identity_credential(
                    ["api://service/read"], exchange["access_token"], **named
                )
            )
        requests_made.expect(1, "user_federated")
        claims = verify(result["access_token"], "api://service")
        assert claims["scp"] == "read", claims
        if "username" in named:
            assert claims["preferred_username"] == "alice@contoso.com", claims
        else:
            assert claims["oid"] == user, claims
    # A token for something else is none to exchange.
    other = succeeded(agent.acquire_token_for_client(["api://service/.default"]))
    refused = agent.acquire_token_by_user_federated_identity_credential(
        ["api://service/read"], other["access_token"], username="alice@contoso.com"
    )
    assert refused["error_codes"] == [700212], refused


def refusals_reach_the_application():
    result = app().acquire_token_for_client(["api://service/read"])
    assert result["error"] == "invalid_scope", result
    assert result["error_codes"] == [1002012], result
    assert result["correlation_id"], result
    wrong = app(SERVICE).acquire_token_on_behalf_of("not.a.token", ["api://downstream/.default"])
    assert wrong["error"] == "invalid_grant" and wrong["error_codes"] == [50013], wrong


def an_application_proves_itself_by_its_certificate():
    private_key, public_certificate, thumbprint = certificate()
    for credential in [
        {"private_key": private_key, "public_certificate": public_certificate},
        {"private_key": private_key, "thumbprint": thumbprint},
    ]:
        client = app(client_credential=credential)
        result = succeeded(client.acquire_token_for_client(["api://service/.default"]))
        claims = verify(result["access_token"], "api://service")
        assert claims["azpacr"] == "2", claims
    other_key = certificate()[0]
    client = app(client_credential={"private_key": other_key, "public_certificate": public_certificate})
    refused = client.acquire_token_for_client(["api://service/.default"])
    assert refused["error"] == "invalid_client" and refused["error_codes"] == [700027], refused


def a_workload_presents_a_federated_token():
    private_key, _, _ = certificate()
    claims = {
        "iss": "https://issuer.example",
        "sub": "system:serviceaccount:default:app",
        "aud": "api://AzureADTokenExchange",
        "exp": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5),
    }
    assertion = jwt.encode(claims, private_key, algorithm="RS256")
    client = app(client_credential={"client_assertion": assertion})
    succeeded(client.acquire_token_for_client(["api://service/.default"]))


def public_app(**options):
    return msal.PublicClientApplication(APP, authority=AUTHORITY, instance_discovery=False, **options)


class Form(HTMLParser):
    """The form on a page."""

    def __init__(self, page):
        super().__init__()
        self.fields = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes["value"]


def a_user_signs_in_in_the_browser_that_msal_opens():
    addresses = []

    def visit(address):
        form = Form(requests.get(address, timeout=10).text)
        addresses.extend([address, form.action])
        requests.post(form.action, data=form.fields, timeout=10)

    def open_browser(address, *_):
        # MSAL listens for the answer only once its browser is open.
        threading.Thread(target=visit, args=(address,)).start()
        return True

    client = public_app()
    real, webbrowser.open = webbrowser.open, open_browser
    try:
        with TokenRequests() as requests_made:
            result = client.acquire_token_interactive(
                ["api://service/read"], login_hint="alice@contoso.com", timeout=20
            )
    finally:
        webbrowser.open = real
    requests_made.expect(1, "authorization_code")
    claims = verify(succeeded(result)["access_token"], "api://service")
    assert claims["preferred_username"] == "alice@contoso.com" and claims["azpacr"] == "0", claims
    asked = parse_qs(urlsplit(addresses[0]).query)
    assert asked["response_mode"] == ["form_post"] and asked["redirect_uri"] == addresses[1:], asked
    (account,) = client.get_accounts()
    with TokenRequests() as requests_made:
        succeeded(client.acquire_token_silent(["api://service/read"], account))
    requests_made.expect(0)


def a_device_signs_a_user_in():
    client = public_app()
    flow = client.initiate_device_flow(["api://service/read"])
    assert flow["user_code"] in flow["message"], flow
    decision = {"user_code": flow["user_code"], "username": "alice@contoso.com"}
    page = requests.post(flow["verification_uri"], data=decision, timeout=10)
    assert page.status_code == 200, page.text
    with TokenRequests() as requests_made:
        result = succeeded(client.acquire_token_by_device_flow(flow))
    requests_made.expect(1, "device_code")
    claims = verify(result["access_token"], "api://service")
    assert claims["preferred_username"] == "alice@contoso.com" and claims["azpacr"] == "0", claims
    (account,) = client.get_accounts()
    with TokenRequests() as requests_made:
        succeeded(client.acquire_token_silent(["api://service/read"], account))
    requests_made.expect(0)

    # Nobody decides: the server does.
    flow = client.initiate_device_flow(["api://service/read"])
    succeeded(client.acquire_token_by_device_flow(flow))

    flow = client.initiate_device_flow(["api://service/read"])
    decision = {"user_code": flow["user_code"], "decision": "decline"}
    requests.post(flow["verification_uri"], data=decision, timeout=10)
    refused = client.acquire_token_by_device_flow(flow)
    assert refused["error"] == "authorization_declined", refused


class OnPort443(requests.Session):
    """MSAL asks for the user's realm at the authority's host without its port."""

    def request(self, method, url, **options):
        url = url.replace("https://localhost/", f"{ORIGIN}/")
        return super().request(method, url, **options)


def a_user_hands_over_name_and_password():
    client = public_app(http_client=OnPort443())
    with TokenRequests() as requests_made:
        result = succeeded(
            client.acquire_token_by_username_password("alice@contoso.com", "pass", ["api://service/read"])
        )
    requests_made.expect(1, "password")
    assert verify(result["access_token"], "api://service")["preferred_username"] == "alice@contoso.com"
    (account,) = client.get_accounts()
    with TokenRequests() as requests_made:
        succeeded(client.acquire_token_silent(["api://service/read"], account))
    requests_made.expect(0)


HOSTS = {
    "IMDS": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": IMDS},
    "App Service": {"IDENTITY_ENDPOINT": f"{IMDS}/msi/token", "IDENTITY_HEADER": "secret"},
    "Azure ML": {"MSI_ENDPOINT": f"{IMDS}/msi/token", "MSI_SECRET": "secret"},
}


def a_machine_uses_its_own_identity():
    for host, variables in HOSTS.items():
        os.environ.update(variables)
        try:
            client = msal.ManagedIdentityClient(
                msal.SystemAssignedManagedIdentity(), http_client=requests.Session()
            )
            with TokenRequests() as requests_made:
                first = succeeded(client.acquire_token_for_client(resource="https://vault.azure.net"))
                second = succeeded(client.acquire_token_for_client(resource="https://vault.azure.net"))
            requests_made.expect(1, "managed_identity")
            assert second["token_source"] == "cache", (host, second)
            assert first["refresh_in"] == 43199, (host, first)
            claims = jwt.decode(first["access_token"], options={"verify_signature": False})
            assert claims["appidacr"] == "2" and claims["aud"] == "https://vault.azure.net", claims
        finally:
            for name in variables:
                del os.environ[name]


def a_machine_in_service_fabric_knows_the_server_by_its_thumbprint():
    pem = ssl.get_server_certificate(("127.0.0.1", PORT))
    thumbprint = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA1()).hex()
    endpoint = f"{ORIGIN}/metadata/identity/oauth2/token"
    variables = {
        "IDENTITY_ENDPOINT": endpoint,
        "IDENTITY_HEADER": "secret",
        "IDENTITY_SERVER_THUMBPRINT": thumbprint.upper(),
    }
    os.environ.update(variables)
    try:
        acquire = lambda: msal.ManagedIdentityClient(
            msal.SystemAssignedManagedIdentity(), http_client=requests.Session()
        ).acquire_token_for_client(resource="https://vault.azure.net")
        with TokenRequests() as requests_made:
            result = succeeded(acquire())
        requests_made.expect(1, "managed_identity")
        claims = jwt.decode(result["access_token"], options={"verify_signature": False})
        assert claims["aud"] == "https://vault.azure.net", claims
        os.environ["IDENTITY_SERVER_THUMBPRINT"] = "0" * 40
        with TokenRequests() as requests_made:
            try:
                assert "access_token" not in acquire()
            except requests.exceptions.SSLError:
                pass
        requests_made.expect(0)
    finally:
        for name in variables:
            del os.environ[name]


def an_identity_that_the_user_assigned_is_named():
    os.environ.update(HOSTS["IMDS"])
    try:
        client_id = "00000000-0000-0000-0000-00000000000a"
        identity = msal.UserAssignedManagedIdentity(client_id=client_id)
        client = msal.ManagedIdentityClient(identity, http_client=requests.Session())
        result = succeeded(client.acquire_token_for_client(resource="https://vault.azure.net"))
        claims = jwt.decode(result["access_token"], options={"verify_signature": False})
        assert claims["appid"] == client_id, claims
    finally:
        del os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"]


def instance_discovery_works_here():
    endpoint = f"{ORIGIN}/common/discovery/instance"
    client = app(instance_discovery=endpoint)
    with TokenRequests() as requests_made:
        for _ in range(2):
            succeeded(client.acquire_token_for_client(["api://service/.default"]))
    requests_made.expect(1, "client_credentials")
    sign_in(client, ["api://service/read"])
    assert len(client.get_accounts()) == 1


def a_test_run_counts_for_itself():
    run = f"{HTTP}/admin/runs/one"
    assert requests.put(run, timeout=10).status_code == 200
    try:
        authority = f"{ORIGIN}/run/one/{TENANT}"
        with TokenRequests() as requests_made:
            client = app(authority=None, oidc_authority=f"{authority}/v2.0")
            for _ in range(2):
                result = succeeded(client.acquire_token_for_client(["api://service/.default"]))
        requests_made.expect(0)
        verify(result["access_token"], "api://service", authority)
        counted = ledger(f"{HTTP}/run/one")
        assert counted["by_grant"] == {"client_credentials": 1}, counted
    finally:
        assert requests.delete(run, timeout=10).status_code == 200


def the_authority_may_be_given_in_code():
    bundle = os.environ.pop("REQUESTS_CA_BUNDLE")
    try:
        client = app(verify=bundle)
        succeeded(client.acquire_token_for_client(["api://service/.default"]))
    finally:
        os.environ["REQUESTS_CA_BUNDLE"] = bundle


def an_unknown_authority_is_refused():
    try:
        app(authority=f"{ORIGIN}/nowhere")
    except ValueError:
        return
    raise AssertionError("`nowhere` is no tenant")


CASES = [
    client_credentials_are_cached,
    tenants_and_scopes_do_not_share_tokens,
    a_user_signs_in_and_is_served_from_the_cache,
    a_refresh_token_from_elsewhere_is_taken_over,
    two_users_do_not_share_tokens,
    a_service_acts_on_behalf_of_its_caller,
    an_agent_acts_for_a_user,
    refusals_reach_the_application,
    an_application_proves_itself_by_its_certificate,
    a_workload_presents_a_federated_token,
    a_user_signs_in_in_the_browser_that_msal_opens,
    a_device_signs_a_user_in,
    a_user_hands_over_name_and_password,
    a_machine_uses_its_own_identity,
    a_machine_in_service_fabric_knows_the_server_by_its_thumbprint,
    an_identity_that_the_user_assigned_is_named,
    instance_discovery_works_here,
    a_test_run_counts_for_itself,
    the_authority_may_be_given_in_code,
    an_unknown_authority_is_refused,
]

if __name__ == "__main__":
    for case in CASES:
        print(case.__name__, flush=True)
        case()
    print("all passed")
