// A program as its authors wrote it for production: it names no mock and no certificate.
//
// usage: unmodified.mjs DIRECTORY app|machine, the directory being the one with node_modules.

import { createRequire } from "node:module";
import path from "node:path";

const [directory, what] = process.argv.slice(2);
const msal = createRequire(path.resolve(directory, "x"))("@azure/msal-node");

const programs = {
  app() {
    const client = new msal.ConfidentialClientApplication({
      auth: {
        clientId: "22222222-2222-2222-2222-222222222222",
        authority: "https://login.microsoftonline.com/contoso.com",
        clientSecret: "secret",
      },
    });
    return client.acquireTokenByClientCredential({
      scopes: ["https://graph.microsoft.com/.default"],
    });
  },
  machine() {
    const client = new msal.ManagedIdentityApplication();
    return client.acquireToken({ resource: "https://vault.azure.net" });
  },
};

const result = await programs[what]();
console.log(result.tokenType);
