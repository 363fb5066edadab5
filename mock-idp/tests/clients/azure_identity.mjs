// Drives unmodified @azure/identity, and counts at the server what it does.
//
// usage: node azure_identity.mjs MODULES, under `mock-idp run --hosts`: the authority is the default
// one. Prints one line a case and `all passed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules] = process.argv.slice(2);
const identity = createRequire(`${modules}/`)("@azure/identity");

const TENANT = "11111111-1111-1111-1111-111111111111";
const APP = "22222222-2222-2222-2222-222222222222";
const SCOPE = "https://graph.microsoft.com/.default";

async function admin(method, path, body) {
  const answer = await fetch(`${process.env.MOCK_IDP_URL}/admin/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function expectRequests(count, grant) {
  const ledger = await admin("GET", "ledger");
  assert.equal(ledger.token_requests, count);
  assert.equal(ledger.by_grant[grant] ?? 0, count);
}

const strike = (fault, trigger = {}) =>
  admin("PUT", "faults", [{ name: "case", fault, trigger }]);
const secret = () => new identity.ClientSecretCredential(TENANT, APP, "secret");
const claims = ({ token }) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

const cases = {
  async a_secret_gets_a_token_once() {
    const credential = secret();
    const first = await credential.getToken(SCOPE);
    const second = await credential.getToken(SCOPE);
    assert.equal(second.token, first.token);
    assert.equal(claims(first).aud, "https://graph.microsoft.com");
    await expectRequests(1, "client_credentials");
  },

  async a_cold_start_is_a_herd() {
    const credential = secret();
    await strike({ kind: "latency", add: "fixed:500ms" });
    await Promise.all(Array.from({ length: 10 }, () => credential.getToken(SCOPE)));
    await expectRequests(10, "client_credentials");
  },

  async a_machine_uses_its_own_identity() {
    const credential = new identity.ManagedIdentityCredential();
    const first = await credential.getToken(SCOPE);
    const second = await credential.getToken(SCOPE);
    assert.equal(second.token, first.token);
    await expectRequests(1, "managed_identity");
  },

  async trouble_that_lasts_costs_four_requests() {
    await strike({ kind: "status", status: 429, retry_after: { seconds: 1 } });
    await assert.rejects(secret().getToken(SCOPE));
    await expectRequests(4, "client_credentials");
  },

  async a_refusal_is_final() {
    await strike({ kind: "aadsts", code: 7000215 });
    await assert.rejects(secret().getToken(SCOPE), /AADSTS7000215/);
    await expectRequests(1, "client_credentials");
  },
};

for (const [name, run] of Object.entries(cases)) {
  console.log(name);
  await admin("PUT", "faults", []);
  await admin("DELETE", "ledger");
  await run();
}
console.log("all passed");
