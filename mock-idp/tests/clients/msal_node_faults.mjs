// Drives unmodified MSAL for Node against a mock-idp that misbehaves, and counts at the server what
// it does about that.
//
// usage: node msal_node_faults.mjs MODULES HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, as msal_node.mjs,
// and the server started with `--refresh-in 1s`. Prints one line a case and `all passed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const [modules, https, http] = process.argv.slice(2);
const msal = createRequire(`${modules}/`)("@azure/msal-node");

const ORIGIN = `https://localhost:${new URL(https).port}`;
const AUTHORITY = `${ORIGIN}/11111111-1111-1111-1111-111111111111`;
const APP = "22222222-2222-2222-2222-222222222222";
const scopes = ["api://service/.default"];
const AGING = 2100; // ms: past `refresh_in`, in whole seconds as MSAL counts them

async function admin(method, path, body) {
  const answer = await fetch(`${http}/admin/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

// So many requests, by the server's count.
const expectRequests = (count, matching = {}) =>
  admin("POST", "verify", { expect: count, matching: { sku: "msal_node", ...matching } });
const strike = (fault, trigger = {}) =>
  admin("PUT", "faults", [{ name: "case", fault, trigger }]);
const calm = () => admin("PUT", "faults", []);

const app = (more = {}) =>
  new msal.ConfidentialClientApplication({
    auth: {
      clientId: APP,
      authority: AUTHORITY,
      knownAuthorities: [new URL(ORIGIN).host],
      clientSecret: "secret",
      ...more,
    },
  });
const acquire = (client, more = {}) => client.acquireTokenByClientCredential({ scopes, ...more });
const herd = (count, work) => Promise.all(Array.from({ length: count }, work));

async function signIn(client) {
  const redirectUri = "http://localhost:5000/callback";
  const url = await client.getAuthCodeUrl({ scopes: ["api://service/read"], redirectUri });
  const answer = await fetch(url, { redirect: "manual" });
  const code = new URL(answer.headers.get("location")).searchParams.get("code");
  return client.acquireTokenByCode({ code, scopes: ["api://service/read"], redirectUri });
}

const cases = {
  async after_429_nothing_is_sent_until_it_is_time() {
    const client = app();
    const throttled = { kind: "aadsts", code: 90055, retry_after: { seconds: 2 } };
    await strike(throttled, { at_most: 1 });
    const rejectionOf = (promise) => promise.then(assert.fail, (error) => error);
    const first = await rejectionOf(acquire(client));
    assert.deepEqual([first.errorCode, first.status], ["temporarily_unavailable", 429]);
    // It remembers the number and not the status.
    const second = await rejectionOf(acquire(client));
    assert.deepEqual([second.errorCode, second.status], ["90055", undefined]);
    await expectRequests(1);
    await sleep(2200);
    assert.ok((await acquire(client)).accessToken);
    await expectRequests(2);
  },

  async an_outage_is_remembered_for_a_minute_and_a_refusal_never() {
    const client = app();
    await strike({ kind: "status", status: 503 });
    for (let n = 0; n < 3; n += 1) await assert.rejects(acquire(client));
    await expectRequests(1);
    // Another object of the same application does not know.
    await assert.rejects(acquire(app()));
    await expectRequests(2);
    await admin("DELETE", "ledger");
    for (const code of [70011, 7000215]) {
      const refused = app();
      await strike({ kind: "aadsts", code });
      for (let n = 0; n < 2; n += 1) await assert.rejects(acquire(refused));
    }
    await expectRequests(4);
  },

  async a_page_of_a_gateway_is_no_reason_to_wait() {
    const client = app();
    await strike({ kind: "html_page", status: 503 });
    for (let n = 0; n < 3; n += 1) await assert.rejects(acquire(client));
    await expectRequests(3);
  },

  async a_cold_start_is_a_herd() {
    const client = app();
    await strike({ kind: "latency", add: "fixed:700ms" });
    await herd(20, () => acquire(client));
    await expectRequests(20, { reason: "no_cached_access_token" });
    assert.equal((await admin("GET", "ledger")).largest_herd, 20);
  },

  async a_token_past_refresh_in_is_renewed_and_the_old_one_returned() {
    const client = app();
    const first = await acquire(client);
    await sleep(AGING);
    const second = await acquire(client);
    assert.equal(second.accessToken, first.accessToken);
    await expectRequests(2);
    const third = await acquire(client);
    assert.notEqual(third.accessToken, first.accessToken);
    await expectRequests(2);
    await expectRequests(1, { reason: "proactively_refreshed" });
  },

  async an_aging_token_is_a_herd() {
    const client = app();
    await acquire(client);
    await sleep(AGING);
    await strike({ kind: "latency", add: "fixed:700ms" });
    await herd(20, () => acquire(client));
    await expectRequests(20, { reason: "proactively_refreshed" });
    await expectRequests(21);
  },

  async trouble_while_renewing_leaves_the_cached_token() {
    for (const fault of [
      { kind: "status", status: 503 },
      { kind: "status", status: 429, retry_after: { seconds: 60 } },
      { kind: "aadsts", code: 7000215 },
    ]) {
      const client = app();
      const first = await acquire(client);
      await sleep(AGING);
      await strike(fault);
      assert.equal((await acquire(client)).accessToken, first.accessToken);
      await calm();
    }
    await expectRequests(6);
  },

  async a_claims_challenge_goes_past_the_cache_once() {
    const client = app({ clientCapabilities: ["CP1"] });
    const { claims } = await admin("GET", "claims-challenge");
    for (const [more, count] of [[{}, 1], [{}, 1], [{ claims }, 2], [{}, 2]]) {
      assert.ok((await acquire(client, more)).accessToken);
      await expectRequests(count);
    }
  },

  async silent_requests_at_a_time_are_one() {
    const client = app();
    const { account } = await signIn(client);
    await admin("DELETE", "ledger");
    await strike({ kind: "latency", add: "fixed:300ms" });
    const request = { account, scopes: ["api://other/read"] };
    await herd(10, () => client.acquireTokenSilent(request));
    await expectRequests(1, { grant: "refresh_token" });
    await expectRequests(1);
  },

  async a_refresh_token_is_forgotten_once_the_server_calls_it_bad() {
    const client = app();
    const { account } = await signIn(client);
    const silent = () => client.acquireTokenSilent({ account, scopes: ["api://other/read"] });
    const kept = () => {
      const { RefreshToken } = JSON.parse(client.getTokenCache().serialize());
      return Object.keys(RefreshToken).length;
    };
    await admin("DELETE", "ledger");
    await strike({ kind: "aadsts", code: 700082, suberror: "unheard_of" });
    await assert.rejects(silent(), (error) => error.name === "ServerError");
    assert.equal(kept(), 1);
    await strike({ kind: "aadsts", code: 70000, suberror: "bad_token" });
    await assert.rejects(silent(), (error) => error.subError === "bad_token");
    assert.equal(kept(), 0);
    await assert.rejects(silent(), (error) => error.errorCode === "no_tokens_found");
    await expectRequests(2);
  },

  async errors_reach_the_application() {
    const client = app();
    const { account } = await signIn(client);
    const request = { account, scopes: ["api://other/read"] };
    const claims = '{"access_token":{"capolids":{"essential":true,"values":["x"]}}}';
    for (const [code, oauth] of [[50076, "interaction_required"], [50034, "invalid_grant"]]) {
      await strike({ kind: "aadsts", code, suberror: "basic_action", claims });
      await assert.rejects(client.acquireTokenSilent(request), (error) => {
        assert.ok(error instanceof msal.InteractionRequiredAuthError, error.name);
        assert.deepEqual([error.errorCode, error.subError], [oauth, "basic_action"]);
        assert.equal(error.claims, claims);
        return true;
      });
    }
    await strike({ kind: "aadsts", code: 7000215 });
    await assert.rejects(acquire(app()), (error) => {
      assert.ok(error instanceof msal.ServerError, error.name);
      assert.equal(error.errorCode, "invalid_client");
      assert.equal(String(error.errorNo), "7000215");
      return true;
    });
  },
};

for (const [name, run] of Object.entries(cases)) {
  console.log(name);
  await calm();
  await admin("DELETE", "ledger");
  await run();
}
console.log("all passed");
