// Has unmodified `jose` validate tokens across key rollovers of a running mock-idp.
//
// usage: node validators.mjs MODULES HTTPS_ORIGIN HTTP_ORIGIN IMDS_ORIGIN, with MODULES a
// directory that has jose and NODE_EXTRA_CA_CERTS naming the authority's certificate. Prints one
// line a case and `all passed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, https, http] = process.argv.slice(2);
const entry = createRequire(`${modules}/`).resolve("jose");
const { createRemoteJWKSet, jwtVerify, decodeProtectedHeader, errors } = await import(pathToFileURL(entry));

const ORIGIN = `https://localhost:${new URL(https).port}`;
const TENANT = "11111111-1111-1111-1111-111111111111";
const KEYS = new URL(`${ORIGIN}/${TENANT}/discovery/v2.0/keys`);

const admin = async (method, path, body) => {
  const answer = await fetch(http + path, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`);
  return answer.json();
};

const token = async () => {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: "app",
    client_secret: "secret",
    scope: "api://service/.default",
  });
  const answer = await fetch(`${ORIGIN}/${TENANT}/oauth2/v2.0/token`, { method: "POST", body: form });
  return (await answer.json()).access_token;
};

// How often the keys were fetched.
const fetches = async () => {
  const text = await (await fetch(`${http}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith('mockidp_requests_total{endpoint="jwks",grant_type="none",code="200"}'));
  return Number(line.split(" ").at(-1));
};

const now = async () => new Date((await admin("GET", "/admin/clock")).now_s * 1000);

const validate = async (keys, encoded, algorithm = "RS256") =>
  jwtVerify(encoded, keys, {
    issuer: `${ORIGIN}/${TENANT}/v2.0`,
    audience: "api://service",
    algorithms: [algorithm],
    requiredClaims: ["tid"],
    currentDate: await now(),
  });

const cases = {
  async planned() {
    const keys = createRemoteJWKSet(KEYS, { cooldownDuration: 0 });
    const old = await token();
    await validate(keys, old);
    await admin("POST", "/admin/keys/rollover", { publish_ahead: "30m", retire_after: "10m" });
    const informed = createRemoteJWKSet(KEYS);
    await validate(informed, old);
    const before = await fetches();
    await admin("POST", "/admin/clock", { advance: "30m" });
    const fresh = await token();
    assert.notEqual(decodeProtectedHeader(fresh).kid, decodeProtectedHeader(old).kid);
    await validate(informed, fresh);
    await validate(informed, old);
    assert.equal(await fetches(), before, "who fetched while the key was announced need not fetch again");
    await validate(keys, fresh);
    assert.equal(await fetches(), before + 1, "who did not fetches once");
    await admin("POST", "/admin/clock", { advance: "10m" });
    await assert.rejects(validate(createRemoteJWKSet(KEYS), old), errors.JWKSNoMatchingKey);
  },

  async emergency() {
    const floor = 2000;
    const keys = createRemoteJWKSet(KEYS, { cooldownDuration: floor });
    const old = await token();
    await validate(keys, old);
    const fetched = Date.now();
    const before = await fetches();
    await admin("POST", "/admin/keys/rollover", { emergency: true });
    const fresh = await token();
    await assert.rejects(validate(keys, fresh), errors.JWKSNoMatchingKey);
    assert.ok(Date.now() - fetched < floor, "this machine is too slow for the case");
    assert.equal(await fetches(), before, "within the floor it fails without a request");
    await validate(keys, old); // and still trusts the key that leaked
    await new Promise((done) => setTimeout(done, fetched + floor + 200 - Date.now()));
    await validate(keys, fresh);
    assert.equal(await fetches(), before + 1);
    await assert.rejects(validate(keys, old), errors.JWKSNoMatchingKey);

    // With the floor that it has when nobody chooses one, the outage lasts 30 s.
    const usual = createRemoteJWKSet(KEYS);
    await validate(usual, fresh);
    assert.equal(usual.coolingDown, true);
    await admin("POST", "/admin/keys/rollover", { emergency: true });
    await assert.rejects(validate(usual, await token()), errors.JWKSNoMatchingKey);
  },

  async algorithms() {
    for (const algorithm of ["PS256", "ES256", "RS256"]) {
      await admin("PUT", "/admin/keys", { algorithm: algorithm.toLowerCase() });
      await admin("POST", "/admin/keys/rollover", { emergency: true });
      const encoded = await token();
      assert.equal(decodeProtectedHeader(encoded).alg, algorithm);
      await validate(createRemoteJWKSet(KEYS), encoded, algorithm);
    }
  },

  async forgeries() {
    const keys = createRemoteJWKSet(KEYS, { cooldownDuration: 0 });
    for (const [forgery, error] of Object.entries({
      bad_signature: errors.JWSSignatureVerificationFailed,
      unknown_kid: errors.JWKSNoMatchingKey,
      alg_none: errors.JOSEAlgNotAllowed,
      expired: errors.JWTExpired,
      not_yet_valid: errors.JWTClaimValidationFailed,
      wrong_issuer: errors.JWTClaimValidationFailed,
      wrong_tenant: errors.JWTClaimValidationFailed,
      wrong_audience: errors.JWTClaimValidationFailed,
      missing_tenant: errors.JWTClaimValidationFailed,
      malformed: errors.JWSInvalid,
    })) {
      await admin("PUT", "/admin/faults", [{ name: "f", fault: { kind: "forged_token", forgery } }]);
      await assert.rejects(validate(keys, await token()), error, forgery);
    }
    await admin("PUT", "/admin/faults", []);
    await validate(keys, await token());
  },
};

for (const [name, run] of Object.entries(cases)) {
  await run();
  console.log(`${name}: passed`);
}
console.log("all passed");
