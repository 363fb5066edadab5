// Median nanoseconds of a cached client-credentials call of the real @azure/msal-node, with one
// token in memory and with a thousand. Tokens come from an answer in this process.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "node_modules", "x.js"));
const { ConfidentialClientApplication } = require("@azure/msal-node");

const tenant = "f645ad92-e38d-4d1a-b510-000000000000";
const authority = `https://login.microsoftonline.com/${tenant}`;

const inProcess = {
  async sendGetRequestAsync(url) {
    const hosts = ["login.microsoftonline.com", "login.windows.net"];
    const body = url.includes("/discovery/instance")
      ? { tenant_discovery_endpoint: `${authority}/v2.0/.well-known/openid-configuration`,
          metadata: [{ preferred_network: hosts[0], preferred_cache: hosts[1], aliases: hosts }] }
      : { issuer: `${authority}/v2.0`, jwks_uri: `${authority}/keys`,
          authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
          token_endpoint: `${authority}/oauth2/v2.0/token` };
    return { status: 200, headers: {}, body };
  },
  async sendPostRequestAsync() {
    const body = { token_type: "Bearer", expires_in: 86400, access_token: "x".repeat(1324) };
    return { status: 200, headers: {}, body };
  },
};

const scopes = (number) => [`api://0e3a27c7-0000-4000-8000-${String(number).padStart(12, "0")}/.default`];

async function medianNs(tokens, rounds) {
  const app = new ConfidentialClientApplication({
    auth: { clientId: "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3", clientSecret: "secret", authority },
    system: { networkClient: inProcess },
  });
  for (let number = 0; number < tokens; number++) {
    await app.acquireTokenByClientCredential({ scopes: scopes(number) });
  }
  const asked = { scopes: scopes(Math.floor(tokens / 2)) };
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const began = process.hrtime.bigint();
    const result = await app.acquireTokenByClientCredential(asked);
    times.push(Number(process.hrtime.bigint() - began));
    if (!result.fromCache) throw new Error("not from the cache");
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

console.log(await medianNs(1, 2000), await medianNs(1000, 200));
