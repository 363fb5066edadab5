// Reads or writes a user's cache with the real @azure/msal-node, without a network; as
// msal_python.py. The first argument is a directory whose node_modules has it.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [directory, mode, client, tenant, uid] = process.argv.slice(2);
const { ConfidentialClientApplication } = createRequire(`${directory}/`)("@azure/msal-node");
const authority = `https://login.microsoftonline.com/${tenant}`;
const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const answer = () => {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: `${authority}/v2.0`, aud: client, exp: now + 3600, iat: now,
    sub: "subject", oid: uid, tid: tenant, preferred_username: "ann",
  };
  return {
    access_token: "written by node", token_type: "Bearer", expires_in: 3600,
    scope: "User.Read", refresh_token: "refresh",
    id_token: `${b64({ alg: "none" })}.${b64(claims)}.x`,
    client_info: b64({ uid, utid: tenant }),
  };
};

const app = new ConfidentialClientApplication({
  auth: {
    clientId: client,
    clientSecret: "x",
    authority,
    authorityMetadata: JSON.stringify({
      issuer: `${authority}/v2.0`,
      authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
      token_endpoint: `${authority}/oauth2/v2.0/token`,
      jwks_uri: `${authority}/discovery/v2.0/keys`,
    }),
    cloudDiscoveryMetadata: JSON.stringify({
      tenant_discovery_endpoint: `${authority}/v2.0/.well-known/openid-configuration`,
      metadata: [{
        preferred_network: "login.microsoftonline.com",
        preferred_cache: "login.windows.net",
        aliases: ["login.microsoftonline.com", "login.windows.net"],
      }],
    }),
  },
  system: {
    networkClient: {
      sendGetRequestAsync: async (url) => { throw new Error(`a request to ${url}`); },
      sendPostRequestAsync: async (url) => {
        if (mode !== "write") throw new Error(`a token request to ${url}`);
        return { status: 200, headers: {}, body: answer() };
      },
    },
  },
});

const cache = app.getTokenCache();
if (mode === "read") {
  cache.deserialize(readFileSync(0, "utf8"));
  const [account] = await cache.getAllAccounts();
  const result = await app.acquireTokenSilent({ account, scopes: ["User.Read"] });
  if (!result.fromCache) throw new Error("not from the cache");
  console.log(account.username, result.accessToken);
} else {
  await app.acquireTokenByCode({
    code: "code", scopes: ["User.Read"], redirectUri: "https://app/",
  });
  console.log(cache.serialize());
}
