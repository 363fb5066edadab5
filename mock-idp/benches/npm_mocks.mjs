// Mocks of an identity provider that npm has, for benches/http.rs to compare with.
//
// usage: node npm_mocks.mjs MODULES oauth2-mock-server|oidc-provider. Prints the URL of the token
// endpoint and serves until it is killed.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, name] = process.argv.slice(2);
const load = async (name) => import(pathToFileURL(createRequire(`${modules}/`).resolve(name)));

const mocks = {
  async "oauth2-mock-server"() {
    const { OAuth2Server } = await load("oauth2-mock-server");
    const server = new OAuth2Server();
    await server.issuer.keys.generate("RS256");
    await server.start(0, "127.0.0.1");
    return `http://127.0.0.1:${server.address().port}/token`;
  },

  async "oidc-provider"() {
    const { Provider, default: Default } = await load("oidc-provider");
    const resource = "api://resource/.default";
    const client = {
      client_id: "00000000-0000-0000-0000-000000000001",
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: "client_secret_post",
    };
    const provider = new (Provider ?? Default)("http://127.0.0.1", {
      clients: [client],
      scopes: [resource],
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        // A signed JWT, as the others issue.
        resourceIndicators: {
          enabled: true,
          defaultResource: () => "https://resource.example",
          getResourceServerInfo: () => ({
            scope: resource,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
    });
    const server = provider.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    return `http://127.0.0.1:${server.address().port}/token`;
  },
};

console.log(await mocks[name]());
