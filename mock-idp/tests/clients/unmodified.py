"""A program as its authors wrote it for production: it names no mock, no certificate, no proxy.

usage: unmodified.py app|user|machine. Prints the type and lifetime of the token it got.
"""

import sys

import msal
import requests

APP = "22222222-2222-2222-2222-222222222222"
AUTHORITY = "https://login.microsoftonline.com/contoso.com"


def app():
    client = msal.ConfidentialClientApplication(
        APP, authority=AUTHORITY, client_credential="secret"
    )
    first = client.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    second = client.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert second.get("token_source") == "cache", second
    return first


def user():
    # Asks for the user's realm at the default port first.
    client = msal.PublicClientApplication(APP, authority=AUTHORITY)
    return client.acquire_token_by_username_password(
        "alice@contoso.com", "pass", ["https://graph.microsoft.com/User.Read"]
    )


def machine():
    client = msal.ManagedIdentityClient(
        msal.SystemAssignedManagedIdentity(), http_client=requests.Session()
    )
    return client.acquire_token_for_client(resource="https://vault.azure.net")


result = {"app": app, "user": user, "machine": machine}[sys.argv[1]]()
if "access_token" not in result:
    sys.exit(result.get("error_description") or str(result))
print(result["token_type"], result["expires_in"])
