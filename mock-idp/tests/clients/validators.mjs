// Has unmodified jose validate tokens while the keys that sign them change.
//
// usage: node validators.mjs MODULES HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, as msal_node.mjs; the
// last origin is not asked. Prints one line a case and `all passed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, https, http] = process.argv.slice(2);
const jose = await import(pathToFileURL(createRequire(`${modules}/`).resolve("jose")));

const ORIGIN = `https://localhost:${new URL(https).port}`;
const AUTHORITY = `${ORIGIN}/11111111-1111-1111-1111-111111111111`;

async function admin(path, body) {
  const answer = await fetch(`${http}/admin/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
}

async function token() {
  const answer = await fetch(`${AUTHORITY}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: "22222222-2222-2222-2222-222222222222",
      client_secret: "secret",
      scope: "api://service/.default",
    }),
  });
  return (await answer.json()).access_token;
}

// A service that keeps the keys it fetched, and counts how often it fetches them.
function validator(options = {}) {
  let fetched = 0;
  const counting = (...request) => {
    fetched += 1;
    return fetch(...request);
  };
  const url = new URL(`${AUTHORITY}/discovery/v2.0/keys`);
  const keys = jose.createRemoteJWKSet(url, { ...options, [jose.customFetch]: counting });
  return {
    fetched: () => fetched,
    validate: (token) =>
      jose.jwtVerify(token, keys, {
        algorithms: ["RS256"],
        audience: "api://service",
        issuer: `${AUTHORITY}/v2.0`,
        clockTolerance: 600, // the server's clock is moved
      }),
  };
}

const unknownKey = { code: "ERR_JWKS_NO_MATCHING_KEY" };

const cases = {
  async a_key_published_ahead_is_known_when_it_signs() {
    const service = validator();
    const old = await token();
    await admin("keys/rollover", { publish_ahead: "1m", retire_after: "1h" });
    await service.validate(old);
    await admin("clock", { advance: "2m" });
    const fresh = await token();
    const { protectedHeader } = await service.validate(fresh);
    assert.notEqual(protectedHeader.kid, jose.decodeProtectedHeader(old).kid);
    await service.validate(old);
    assert.equal(service.fetched(), 1);
  },

  async after_an_emergency_a_validator_is_out_until_it_fetches_again() {
    const [careful, eager] = [validator(), validator({ cooldownDuration: 0 })];
    const old = await token();
    await careful.validate(old);
    await eager.validate(old);
    await admin("keys/rollover", { emergency: true });
    const fresh = await token();
    // By default jose does not fetch again so soon.
    await assert.rejects(careful.validate(fresh), unknownKey);
    assert.equal(careful.fetched(), 1);
    await eager.validate(fresh);
    assert.equal(eager.fetched(), 2);
    await assert.rejects(eager.validate(old), unknownKey);
  },
};

for (const [name, run] of Object.entries(cases)) {
  console.log(name);
  await run();
}
console.log("all passed");
