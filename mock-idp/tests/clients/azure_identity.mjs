// Drives unmodified @azure/identity, and counts at the server what it does.
//
// usage: node azure_identity.mjs MODULES, under `mock-idp run --hosts`: the authority is the default
// one. Prints one line a case and `all passed`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const [modules] = process.argv.slice(2);
const identity = createRequire(`${modules}/`)("@azure/identity");

const TENANT = "11111111-1111-1111-1111-111111111111";
const APP = "22222222-2222-2222-2222-222222222222";
const SERVICE = "33333333-3333-3333-3333-333333333333";
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

  async a_certificate_gets_a_token() {
    const certificatePath = path.join(scratch, "client.pem");
    const made = spawnSync("openssl", [
      ..."req -x509 -newkey rsa:2048 -nodes -subj /CN=client -days 1 -keyout -".split(" "),
    ]);
    assert.equal(made.status, 0, String(made.stderr));
    await writeFile(certificatePath, made.stdout);
    const credential = new identity.ClientCertificateCredential(TENANT, APP, { certificatePath });
    assert.equal(claims(await credential.getToken(SCOPE)).azpacr, "2");
    await expectRequests(1, "client_credentials");
  },

  async a_workload_presents_its_federated_token() {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const part = (content) => Buffer.from(JSON.stringify(content)).toString("base64url");
    const signed = `${part({ alg: "RS256" })}.${part({
      iss: "https://issuer.example",
      sub: "system:serviceaccount:default:app",
      aud: "api://AzureADTokenExchange",
      exp: Math.floor(Date.now() / 1000) + 300,
    })}`;
    const signature = sign("sha256", Buffer.from(signed), privateKey).toString("base64url");
    const tokenFilePath = path.join(scratch, "federated");
    await writeFile(tokenFilePath, `${signed}.${signature}`);
    const options = { tenantId: TENANT, clientId: APP, tokenFilePath };
    const credential = new identity.WorkloadIdentityCredential(options);
    const first = await credential.getToken(SCOPE);
    assert.equal((await credential.getToken(SCOPE)).token, first.token);
    await expectRequests(1, "client_credentials");
  },

  async a_service_acts_on_behalf_of_its_caller() {
    const user = new identity.UsernamePasswordCredential(TENANT, APP, "alice@contoso.com", "pass");
    const call = await user.getToken(`api://${SERVICE}/read`);
    await expectRequests(1, "password");
    await admin("DELETE", "ledger");
    const service = new identity.OnBehalfOfCredential({
      tenantId: TENANT,
      clientId: SERVICE,
      clientSecret: "secret",
      userAssertionToken: call.token,
    });
    const scope = "api://downstream/.default";
    const token = await service.getToken(scope);
    assert.equal((await service.getToken(scope)).token, token.token);
    assert.equal(claims(token).oid, claims(call).oid);
    await expectRequests(1, "on_behalf_of");
  },

  async tokens_that_cope_with_challenges_have_a_cache_of_their_own() {
    const credential = secret();
    const { claims: challenge } = await admin("GET", "claims-challenge");
    const plain = await credential.getToken(SCOPE);
    const capable = await credential.getToken(SCOPE, { enableCae: true });
    await expectRequests(2, "client_credentials");
    assert.equal(claims(plain).xms_cc, undefined);
    assert.deepEqual(claims(capable).xms_cc, ["CP1"]);
    const options = { enableCae: true, claims: challenge };
    const challenged = await credential.getToken(SCOPE, options);
    assert.notEqual(challenged.token, capable.token);
    assert.equal((await credential.getToken(SCOPE, { enableCae: true })).token, challenged.token);
    await expectRequests(3, "client_credentials");
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

  async an_outage_that_lasts_costs_four_requests_too() {
    await strike({ kind: "status", status: 503 });
    await assert.rejects(secret().getToken(SCOPE));
    await expectRequests(4, "client_credentials");
  },

  async trouble_that_passes_is_overcome() {
    await strike({ kind: "status", status: 503 }, { at_most: 1 });
    assert.ok((await secret().getToken(SCOPE)).token);
    await expectRequests(2, "client_credentials");
  },

  async a_refusal_is_final() {
    await strike({ kind: "aadsts", code: 7000215 });
    await assert.rejects(secret().getToken(SCOPE), /AADSTS7000215/);
    await expectRequests(1, "client_credentials");
  },
};

const scratch = await mkdtemp(path.join(os.tmpdir(), "azure-identity-"));
try {
  for (const [name, run] of Object.entries(cases)) {
    console.log(name);
    await admin("PUT", "faults", []);
    await admin("DELETE", "ledger");
    await run();
  }
} finally {
  await rm(scratch, { recursive: true });
}
console.log("all passed");
