// Drives unmodified msal-browser in a real browser against a running mock-idp.
//
// usage: node msal_browser.mjs MODULES HTTPS_ORIGIN HTTP_ORIGIN, with MODULES a directory that has
// @azure/msal-browser and playwright-core, and CHROMIUM naming the browser unless it is
// /usr/bin/chromium. Prints one line a case and `all passed`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, https, http] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const HOST = `localhost:${new URL(https).port}`;
const TENANT = "11111111-1111-1111-1111-111111111111";
const APP = "22222222-2222-2222-2222-222222222222";
const SCOPES = ["api://service/read"];

// The application: a page that is the same wherever it is left for a while.
const library = await readFile(
  path.join(modules, "node_modules/@azure/msal-browser/lib/msal-browser.min.js"),
);
const configuration = {
  auth: {
    clientId: APP,
    authority: `https://${HOST}/${TENANT}`,
    knownAuthorities: [HOST],
    redirectUri: "/",
    postLogoutRedirectUri: "/",
  },
  cache: { cacheLocation: "sessionStorage" },
};
const page = `<!doctype html><title>application</title><link rel="icon" href="data:,">
<script src="/msal.js"></script>
<script type="module">
  const options = ${JSON.stringify(configuration)};
  options.auth.redirectUri = options.auth.postLogoutRedirectUri = location.origin + "/";
  window.client = new msal.PublicClientApplication(options);
  await client.initialize();
  window.returned = await client.handleRedirectPromise();
  if (window.returned) client.setActiveAccount(window.returned.account);
  window.isReady = true;
</script>`;
const server = createServer((request, response) => {
  const isLibrary = request.url === "/msal.js";
  response.setHeader("content-type", isLibrary ? "text/javascript" : "text/html");
  response.end(isLibrary ? library : page);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const APPLICATION = `http://localhost:${server.address().port}/`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function admin(method, place, body) {
  const answer = await fetch(`${http}/admin/${place}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${place}: ${text}`);
  return JSON.parse(text);
}

async function expectRequests(count, grant) {
  const ledger = await admin("GET", "ledger");
  assert.equal(ledger.token_requests, count, JSON.stringify(ledger));
  if (grant) assert.equal(ledger.by_grant[grant], count, JSON.stringify(ledger));
}

const ready = (page) => page.waitForFunction(() => window.isReady === true);

async function signIn(page) {
  await page.goto(APPLICATION);
  await ready(page);
  await page.evaluate(
    (scopes) => void client.loginRedirect({ scopes, loginHint: "alice@contoso.com" }),
    SCOPES,
  );
  await page.waitForFunction(() => window.returned?.accessToken);
  return page.evaluate(() => {
    const { accessToken, account, scopes, fromCache, idTokenClaims } = window.returned;
    return { accessToken, username: account.username, scopes, fromCache, nonce: idTokenClaims.nonce };
  });
}

const silent = (page, request = {}) =>
  page.evaluate(async (request) => {
    const result = await client.acquireTokenSilent(request).catch((error) => ({
      error: error.errorCode, kind: error.constructor.name, name: error.name,
      claims: error.claims,
    }));
    const { accessToken, fromCache, error, kind, name, claims } = result;
    return { accessToken, fromCache, error, kind, name, claims };
  }, { scopes: SCOPES, ...request });

const cases = {
  async a_user_signs_in_and_is_served_from_the_cache(page) {
    const signedIn = await signIn(page);
    await expectRequests(1, "authorization_code");
    assert.equal(signedIn.username, "alice@contoso.com");
    assert.equal(signedIn.fromCache, false);
    assert.ok(signedIn.nonce);
    assert.ok(signedIn.scopes.includes(SCOPES[0]), String(signedIn.scopes));
    const cached = await silent(page);
    assert.deepEqual([cached.accessToken, cached.fromCache], [signedIn.accessToken, true]);
    await expectRequests(1);
    assert.deepEqual((await admin("GET", "ledger")).by_sku, { msal_browser: 1 });
  },

  async another_resource_and_a_forced_refresh_take_the_refresh_token(page) {
    const signedIn = await signIn(page);
    await admin("DELETE", "ledger");
    const other = await silent(page, { scopes: ["api://other/write"] });
    const forced = await silent(page, { forceRefresh: true });
    await expectRequests(2, "refresh_token");
    assert.equal(other.fromCache, false);
    assert.ok(forced.accessToken && forced.accessToken !== signedIn.accessToken);
  },

  async silent_requests_for_the_same_at_once_are_one(page) {
    await signIn(page);
    await admin("DELETE", "ledger");
    const tokens = await page.evaluate(async () => {
      const asked = Array.from({ length: 10 }, () =>
        client.acquireTokenSilent({ scopes: ["api://third/read"] }),
      );
      return (await Promise.all(asked)).map((result) => result.accessToken);
    });
    assert.equal(new Set(tokens).size, 1);
    await expectRequests(1, "refresh_token");
  },

  async what_only_the_user_can_mend_is_told_with_its_claims(page) {
    await signIn(page);
    await admin("PUT", "faults", [{ name: "case", fault: { kind: "aadsts", code: 50076 } }]);
    const refused = await silent(page, { forceRefresh: true });
    assert.match(refused.name, /InteractionRequired/, JSON.stringify(refused));
    assert.equal(refused.error, "interaction_required");
    assert.ok(refused.claims.includes("capolids"), refused.claims);
  },

  async after_429_nothing_is_sent_until_it_is_time(page) {
    await signIn(page);
    await admin("DELETE", "ledger");
    const fault = { kind: "status", status: 429, retry_after: { seconds: 2 } };
    await admin("PUT", "faults", [{ name: "case", fault, trigger: { at_most: 1 } }]);
    for (let turn = 0; turn < 2; turn += 1) {
      const refused = await silent(page, { forceRefresh: true });
      assert.equal(refused.name, "ServerError", JSON.stringify(refused));
    }
    await expectRequests(1);
    await new Promise((resolve) => setTimeout(resolve, 2200));
    assert.ok((await silent(page, { forceRefresh: true })).accessToken);
    await expectRequests(2, "refresh_token");
  },

  async a_user_signs_out_and_comes_back_to_the_application(page) {
    await signIn(page);
    await page.evaluate(() => {
      window.isLeaving = true;
      void client.logoutRedirect();
    });
    // The address is the application's before and after: only the page is another.
    await page.waitForFunction(() => window.isReady === true && !window.isLeaving);
    assert.ok(page.url().startsWith(APPLICATION), page.url());
    assert.equal(await page.evaluate(() => client.getAllAccounts().length), 0);
  },
};

try {
  for (const [name, run] of Object.entries(cases)) {
    console.log(name);
    await admin("PUT", "faults", []);
    await admin("DELETE", "ledger");
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    context.setDefaultTimeout(10_000);
    await run(await context.newPage());
    await context.close();
  }
  console.log("all passed");
} finally {
  await browser.close();
  server.close();
}
