// Drives unmodified MSAL for Node against a running mock-idp.
//
// usage: node msal_node.mjs MODULES HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with MODULES a directory
// that has @azure/msal-node and NODE_EXTRA_CA_CERTS naming the authority's certificate. Prints one
// line a case and `all passed`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import { createRequire } from "node:module";

const [modules, https, http, imds] = process.argv.slice(2);
const msal = createRequire(`${modules}/`)("@azure/msal-node");

const ORIGIN = `https://localhost:${new URL(https).port}`;
const TENANT = "11111111-1111-1111-1111-111111111111";
const AUTHORITY = `${ORIGIN}/${TENANT}`;
const APP = "22222222-2222-2222-2222-222222222222";
const SERVICE = "33333333-3333-3333-3333-333333333333";
const REDIRECT = "http://localhost:5000/callback";

const ledger = async () => (await fetch(`${http}/admin/ledger`)).json();

// How many requests of this grant reached the token endpoint while `work` ran.
async function expectRequests(count, grant, work) {
  const before = await ledger();
  const result = await work();
  const after = await ledger();
  const made = after.token_requests - before.token_requests;
  assert.equal(made, count, `${made} token requests, not ${count}`);
  const byGrant = (after.by_grant[grant] ?? 0) - (before.by_grant[grant] ?? 0);
  assert.equal(byGrant, count, `${byGrant} ${grant} requests, not ${count}`);
  return result;
}

const auth = (clientId, credential) => ({
  auth: {
    clientId,
    authority: AUTHORITY,
    knownAuthorities: [new URL(ORIGIN).host],
    ...credential,
  },
});
const app = (clientId = APP, credential = { clientSecret: "secret" }) =>
  new msal.ConfidentialClientApplication(auth(clientId, credential));
const publicApp = () => new msal.PublicClientApplication(auth(APP));
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

async function signIn(client, scopes, loginHint, otherVerifier) {
  const { verifier, challenge } = await new msal.CryptoProvider().generatePkceCodes();
  const nonce = crypto.randomUUID();
  const url = await client.getAuthCodeUrl({
    scopes,
    redirectUri: REDIRECT,
    loginHint,
    nonce,
    codeChallenge: challenge,
    codeChallengeMethod: "S256",
  });
  const answer = await fetch(url, { redirect: "manual" });
  assert.equal(answer.status, 302);
  const code = new URL(answer.headers.get("location")).searchParams.get("code");
  return client.acquireTokenByCode({
    code,
    scopes,
    nonce,
    redirectUri: REDIRECT,
    codeVerifier: otherVerifier ?? verifier,
  });
}

const cases = {
  async client_credentials_are_cached() {
    const client = app();
    const scopes = ["api://service/.default"];
    await expectRequests(1, "client_credentials", async () => {
      const first = await client.acquireTokenByClientCredential({ scopes });
      const second = await client.acquireTokenByClientCredential({ scopes });
      assert.equal(first.fromCache, false);
      assert.equal(second.fromCache, true);
      assert.equal(first.accessToken, second.accessToken);
      assert.equal(claims(first.accessToken).azpacr, "1");
    });
  },

  async an_application_signs_assertions() {
    // Without a certificate: MSAL signs with the key and names the thumbprint alone.
    const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    for (const thumbprint of [
      { thumbprint: "ab".repeat(20) },
      { thumbprintSha256: "ab".repeat(32) },
    ]) {
      const client = app(APP, { clientCertificate: { ...thumbprint, privateKey: key } });
      const result = await client.acquireTokenByClientCredential({
        scopes: ["api://service/.default"],
      });
      assert.equal(claims(result.accessToken).azpacr, "2");
    }
  },

  async an_application_sends_its_certificate_along() {
    const options = "req -x509 -newkey rsa:2048 -nodes -subj /CN=client -days 1 -keyout -";
    const make = () => {
      const pem = String(execFileSync("openssl", options.split(" "), { stdio: "pipe" }));
      const start = pem.indexOf("-----BEGIN CERTIFICATE");
      return { privateKey: pem.slice(0, start), x5c: pem.slice(start) };
    };
    const own = make();
    const certificate = new crypto.X509Certificate(own.x5c);
    const hex = (fingerprint) => fingerprint.replaceAll(":", "");
    const scopes = ["api://service/.default"];
    for (const thumbprint of [
      { thumbprint: hex(certificate.fingerprint) },
      { thumbprintSha256: hex(certificate.fingerprint256) },
    ]) {
      const client = app(APP, { clientCertificate: { ...own, ...thumbprint } });
      const result = await client.acquireTokenByClientCredential({ scopes });
      assert.equal(claims(result.accessToken).azpacr, "2");
      const { privateKey } = make();
      const thief = app(APP, { clientCertificate: { ...own, ...thumbprint, privateKey } });
      await assert.rejects(
        thief.acquireTokenByClientCredential({ scopes }),
        (error) => String(error.errorNo) === "700027",
      );
    }
  },

  async a_workload_presents_a_federated_token() {
    // The open directory takes a token from elsewhere at its word: one of the server's own will do.
    const exchange = await app().acquireTokenByClientCredential({
      scopes: ["api://AzureADTokenExchange/.default"],
    });
    const client = app(SERVICE, { clientAssertion: async () => exchange.accessToken });
    await expectRequests(1, "client_credentials", async () => {
      for (const fromCache of [false, true]) {
        const result = await client.acquireTokenByClientCredential({
          scopes: ["api://service/.default"],
        });
        assert.equal(result.fromCache, fromCache);
        assert.equal(claims(result.accessToken).azpacr, "2");
        assert.equal(claims(result.accessToken).azp, SERVICE);
      }
    });
  },

  async a_user_signs_in_and_is_served_from_the_cache() {
    const client = app();
    const scopes = ["api://service/read"];
    const result = await expectRequests(1, "authorization_code", () =>
      signIn(client, scopes, "alice@contoso.com"),
    );
    assert.equal(result.account.username, "alice@contoso.com");
    const account = result.account;
    const silent = await expectRequests(0, "refresh_token", () =>
      client.acquireTokenSilent({ account, scopes }),
    );
    assert.equal(silent.accessToken, result.accessToken);
    const other = await expectRequests(1, "refresh_token", () =>
      client.acquireTokenSilent({ account, scopes: ["api://other/write"] }),
    );
    assert.equal(claims(other.accessToken).scp, "write");
    const forced = await expectRequests(1, "refresh_token", () =>
      client.acquireTokenSilent({ account, scopes, forceRefresh: true }),
    );
    assert.notEqual(forced.accessToken, result.accessToken);
  },

  async a_public_application_proves_that_the_code_is_its_own() {
    const scopes = ["api://service/read"];
    const result = await expectRequests(1, "authorization_code", () =>
      signIn(publicApp(), scopes, "alice@contoso.com"),
    );
    assert.equal(claims(result.accessToken).azpacr, "0");
    await assert.rejects(
      signIn(publicApp(), scopes, "alice@contoso.com", "v".repeat(43)),
      (error) => String(error.errorNo) === "501481",
    );
  },

  async a_user_signs_in_in_the_browser_that_msal_opens() {
    const client = publicApp();
    const scopes = ["api://service/read"];
    // What the page that is posted by itself holds.
    const openBrowser = async (address) => {
      const page = await (await fetch(address)).text();
      const attributes = (pattern) => [...page.matchAll(pattern)].map((found) => found.slice(1));
      const [[action]] = attributes(/<form method="POST" action="([^"]*)"/g);
      const fields = attributes(/name="([^"]*)" value="([^"]*)"/g);
      const posted = await fetch(action, { method: "POST", body: new URLSearchParams(fields) });
      assert.ok(posted.ok, await posted.text());
    };
    const result = await expectRequests(1, "authorization_code", () =>
      client.acquireTokenInteractive({ scopes, openBrowser, loginHint: "alice@contoso.com" }),
    );
    assert.equal(result.account.username, "alice@contoso.com");
    const { account } = result;
    const silent = await expectRequests(0, "refresh_token", () =>
      client.acquireTokenSilent({ account, scopes }),
    );
    assert.equal(silent.accessToken, result.accessToken);
  },

  async a_refresh_token_from_elsewhere_is_taken_over() {
    const elsewhere = app();
    const scopes = ["api://service/read"];
    await signIn(elsewhere, scopes, "alice@contoso.com");
    const kept = JSON.parse(elsewhere.getTokenCache().serialize());
    const [{ secret: refreshToken }] = Object.values(kept.RefreshToken);
    const client = app();
    const result = await expectRequests(1, "refresh_token", () =>
      client.acquireTokenByRefreshToken({ refreshToken, scopes, forceCache: true }),
    );
    assert.equal(result.account.username, "alice@contoso.com");
    const silent = await expectRequests(0, "refresh_token", () =>
      client.acquireTokenSilent({ account: result.account, scopes }),
    );
    assert.equal(silent.accessToken, result.accessToken);
  },

  async a_device_signs_a_user_in() {
    const client = publicApp();
    let shown;
    const deviceCodeCallback = (response) => {
      shown = response;
    };
    const result = await expectRequests(1, "device_code", () =>
      client.acquireTokenByDeviceCode({ scopes: ["api://service/read"], deviceCodeCallback }),
    );
    assert.ok(shown.message.includes(shown.userCode), shown.message);
    assert.equal(claims(result.accessToken).scp, "read");
  },

  async a_user_hands_over_name_and_password() {
    const client = publicApp();
    const result = await expectRequests(1, "password", () =>
      client.acquireTokenByUsernamePassword({
        scopes: ["api://service/read"],
        username: "alice@contoso.com",
        password: "pass",
      }),
    );
    assert.equal(result.account.username, "alice@contoso.com");
  },

  async a_service_acts_on_behalf_of_its_caller_and_is_served_from_the_cache() {
    const call = await signIn(app(), [`api://${SERVICE}/read`], "alice@contoso.com");
    const service = app(SERVICE);
    const request = { oboAssertion: call.accessToken, scopes: ["api://downstream/.default"] };
    const result = await expectRequests(1, "on_behalf_of", async () => {
      const first = await service.acquireTokenOnBehalfOf(request);
      const second = await service.acquireTokenOnBehalfOf(request);
      assert.equal(second.accessToken, first.accessToken);
      return first;
    });
    assert.equal(claims(result.accessToken).oid, claims(call.accessToken).oid);
  },

  async refusals_reach_the_application() {
    await assert.rejects(
      app().acquireTokenByClientCredential({ scopes: ["api://service/read"] }),
      (error) => error.errorCode === "invalid_scope" && error.errorMessage.includes("AADSTS1002012"),
    );
  },

  async a_machine_uses_its_own_identity() {
    const hosts = {
      IMDS: { AZURE_POD_IDENTITY_AUTHORITY_HOST: imds },
      "App Service": { IDENTITY_ENDPOINT: `${imds}/msi/token`, IDENTITY_HEADER: "secret" },
      "Azure ML": { MSI_ENDPOINT: `${imds}/msi/token`, MSI_SECRET: "secret" },
      "Cloud Shell": { MSI_ENDPOINT: `${imds}/oauth2/token` },
    };
    for (const [host, variables] of Object.entries(hosts)) {
      Object.assign(process.env, variables);
      try {
        // Its cache is the process's: each host asks for a resource of its own.
        const resource = `https://${host.toLowerCase().replace(" ", "-")}.example`;
        const client = new msal.ManagedIdentityApplication();
        await expectRequests(1, "managed_identity", async () => {
          const first = await client.acquireToken({ resource });
          const second = await client.acquireToken({ resource });
          assert.deepEqual([first.fromCache, second.fromCache], [false, true], host);
          assert.equal(claims(first.accessToken).aud, resource);
        });
      } finally {
        for (const name of Object.keys(variables)) delete process.env[name];
      }
    }
  },

  async an_identity_that_the_user_assigned_is_named() {
    process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = imds;
    try {
      const userAssignedClientId = "00000000-0000-0000-0000-00000000000a";
      const resource = "https://user-assigned.example";
      const acquire = async (managedIdentityIdParams) => {
        const client = new msal.ManagedIdentityApplication({ managedIdentityIdParams });
        const { accessToken } = await client.acquireToken({ resource });
        return claims(accessToken).appid;
      };
      const named = await expectRequests(4, "managed_identity", async () => [
        await acquire(),
        await acquire({ userAssignedClientId }),
        await acquire({ userAssignedObjectId: "00000000-0000-0000-0000-00000000000b" }),
        await acquire({ userAssignedResourceId: "/subscriptions/s/identities/c" }),
      ]);
      assert.equal(named[1], userAssignedClientId);
      assert.equal(new Set(named).size, 4, String(named));
    } finally {
      delete process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST;
    }
  },

  async a_machine_in_service_fabric_is_served_over_https() {
    const variables = {
      IDENTITY_ENDPOINT: `${ORIGIN}/metadata/identity/oauth2/token`,
      IDENTITY_HEADER: "secret",
      IDENTITY_SERVER_THUMBPRINT: "AB".repeat(20), // MSAL for Node wants one, and compares it to none
    };
    Object.assign(process.env, variables);
    try {
      const resource = "https://service-fabric.example";
      const client = new msal.ManagedIdentityApplication();
      await expectRequests(1, "managed_identity", async () => {
        const first = await client.acquireToken({ resource });
        const second = await client.acquireToken({ resource });
        assert.deepEqual([first.fromCache, second.fromCache], [false, true]);
        assert.equal(claims(first.accessToken).aud, resource);
      });
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
    }
  },
};

for (const [name, run] of Object.entries(cases)) {
  console.log(name);
  await run();
}
console.log("all passed");
