// Signs people in on the pages, in a real browser.
//
// usage: node pages.mjs MODULES HTTPS_ORIGIN, with MODULES a directory that has playwright-core, the
// server started with `--sign-in page --device-code page`, and CHROMIUM naming the browser unless it
// is /usr/bin/chromium. Prints one line a case and `all passed`; leaves a picture of each page in
// the directory that SCREENSHOTS names, if it does.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, https] = process.argv.slice(2);
const screenshots = process.env.SCREENSHOTS;
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const ORIGIN = `https://localhost:${new URL(https).port}`;
const TENANT = "11111111-1111-1111-1111-111111111111";
const APP = "22222222-2222-2222-2222-222222222222";

// The application: notes what it is sent, and can be told to send the browser on, or to show a page.
const application = { received: [], then: null, page: null };
const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const url = new URL(request.url, "http://x");
  if (url.pathname === "/page") {
    response.setHeader("content-type", "text/html");
    response.end(application.page);
    return;
  }
  if (url.pathname === "/callback") {
    application.received.push({ method: request.method, url, body: new URLSearchParams(body) });
  }
  if (application.then && url.pathname === "/callback") {
    response.writeHead(302, { location: application.then });
    response.end();
    return;
  }
  response.setHeader("content-type", "text/html");
  response.end("<title>application</title>you are back");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const APPLICATION = `http://localhost:${server.address().port}`;
// Another site, to the browser.
const FOREIGN = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

function authorize(more = {}) {
  const parameters = new URLSearchParams({
    client_id: APP,
    response_type: "code",
    redirect_uri: `${APPLICATION}/callback`,
    scope: "openid offline_access api://service/read",
    state: "s&1",
    ...more,
  });
  return `${ORIGIN}/${TENANT}/oauth2/v2.0/authorize?${parameters}`;
}

// A browser of its own; what its pages complain about or load from elsewhere fails the case.
async function open(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (![ORIGIN, APPLICATION, FOREIGN].includes(origin)) complaints.push(request.url());
  });
  return { context, page, complaints };
}

async function picture(page, name) {
  if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}.png`) });
}

async function redeem(code) {
  return (await fetchJson(`/${TENANT}/oauth2/v2.0/token`, {
    grant_type: "authorization_code",
    client_id: APP,
    client_secret: "secret",
    code,
    redirect_uri: `${APPLICATION}/callback`,
  })).access_token;
}

// Through the browser, which does not mind the certificate.
async function fetchJson(where, form) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const answer = await context.request.post(`${ORIGIN}${where}`, { form });
  const body = await answer.json();
  await context.close();
  return body;
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const last = () => application.received.at(-1);

const cases = {
  async somebody_signs_in_with_the_keyboard_alone({ page }) {
    await page.goto(authorize());
    assert.equal(await page.title(), "Sign in");
    await picture(page, "sign-in");
    await page.keyboard.type("alice@contoso.com");
    await page.keyboard.press("Tab");
    await page.keyboard.type("secret");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Permissions requested" }).waitFor();
    await picture(page, "consent");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${APPLICATION}/callback?**`);
    const { url } = last();
    assert.equal(url.searchParams.get("state"), "s&1");
    const token = await redeem(url.searchParams.get("code"));
    assert.equal(claims(token).preferred_username, "alice@contoso.com");
  },

  async the_answer_comes_in_the_fragment({ page }) {
    await page.goto(authorize({ response_mode: "fragment", login_hint: "alice@contoso.com" }));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${APPLICATION}/callback#**`);
    const answer = new URLSearchParams(new URL(page.url()).hash.slice(1));
    assert.equal(answer.get("state"), "s&1");
    assert.ok(await redeem(answer.get("code")));
    assert.equal(last().url.search, "", "the application's server does not see a fragment");
  },

  async the_answer_is_posted_and_the_application_leads_on({ page }) {
    application.then = `${FOREIGN}/home`;
    await page.goto(authorize({ response_mode: "form_post", login_hint: "alice@contoso.com" }));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${FOREIGN}/home`);
    const { method, body } = last();
    assert.equal(method, "POST");
    assert.equal(body.get("state"), "s&1");
    assert.ok(await redeem(body.get("code")));
  },

  async somebody_says_no({ page }) {
    await page.goto(authorize());
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.waitForURL(`${APPLICATION}/callback?**`);
    assert.equal(last().url.searchParams.get("error"), "access_denied");
  },

  async nobody_signs_in_without_a_name({ page }) {
    await page.goto(authorize());
    await page.getByRole("button", { name: "Sign in" }).click();
    assert.match(await page.getByRole("alert").innerText(), /AADSTS90014/);
    await picture(page, "problem");
    await page.getByLabel("Email or user name").fill("carol@contoso.com");
    await page.getByLabel("Password").fill("x");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Accept" }).waitFor();
  },

  async a_device_is_let_in({ page }) {
    const device = await fetchJson(`/${TENANT}/oauth2/v2.0/devicecode`, {
      client_id: APP,
      scope: "api://service/read",
    });
    await page.goto(device.verification_uri);
    await picture(page, "device");
    await page.getByLabel("Code").fill("WRONG");
    await page.getByLabel("Email or user name").fill("dave@contoso.com");
    await page.getByRole("button", { name: "Continue" }).click();
    assert.match(await page.getByRole("alert").innerText(), /AADSTS70018/);
    await page.getByLabel("Code").fill(device.user_code.toLowerCase());
    await page.getByLabel("Email or user name").fill("dave@contoso.com");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("heading", { name: "Device sign-in" }).waitFor();
    await picture(page, "device-done");
    const tokens = await fetchJson(`/${TENANT}/oauth2/v2.0/token`, {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      client_id: APP,
      device_code: device.device_code,
    });
    assert.equal(claims(tokens.access_token).preferred_username, "dave@contoso.com");
    return { expected: /400/ }; // the wrong code
  },

  async a_foreign_site_cannot_sign_anybody_in({ page }) {
    // The attacker has a page of this server of their own, and a victim who has been here before.
    const attacker = await browser.newContext({ ignoreHTTPSErrors: true });
    const own = await (await attacker.request.get(authorize())).text();
    const flow = own.match(/name="flow" value="([^"]+)"/)[1];
    await attacker.close();
    await page.goto(authorize());
    application.page = `<form method="post" action="${ORIGIN}/${TENANT}/login">
      <input name="flow" value="${flow}"><input name="username" value="mallory@contoso.com">
      </form><script>document.forms[0].submit()</script>`;
    const count = application.received.length;
    await page.goto(`${FOREIGN}/page`);
    await page.waitForURL(`${ORIGIN}/**`);
    assert.match(await page.getByRole("alert").innerText(), /another browser/);
    assert.equal(application.received.length, count);
    return { expected: /400/ };
  },

  async a_foreign_site_cannot_frame_the_pages({ page }) {
    application.page = `<iframe src="${authorize().replaceAll("&", "&amp;")}"></iframe>`;
    await page.goto(`${FOREIGN}/page`);
    await page.waitForTimeout(500);
    const frame = page.frames()[1];
    assert.equal(await frame.locator("input").count(), 0, "nothing to click on");
    return { expected: /frame/i };
  },

  async without_scripts_a_button_posts_the_answer({ page }) {
    await page.goto(authorize({ response_mode: "form_post", login_hint: "alice@contoso.com" }));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.waitForURL(`${APPLICATION}/callback`);
    assert.ok(last().body.get("code"));
  },

  async pages_can_be_read_in_the_dark_and_on_a_telephone({ page }) {
    await page.goto(authorize({ login_hint: "alice@contoso.com" }));
    await picture(page, "sign-in-dark");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels stick out`);
  },
};
const options = {
  without_scripts_a_button_posts_the_answer: { javaScriptEnabled: false },
  pages_can_be_read_in_the_dark_and_on_a_telephone: {
    colorScheme: "dark",
    viewport: { width: 360, height: 640 },
  },
};

try {
  for (const [name, run] of Object.entries(cases)) {
    console.log(name);
    application.then = null;
    const { context, page, complaints } = await open(options[name]);
    const { expected } = (await run({ page })) ?? {};
    const unexpected = complaints.filter((words) => !expected?.test(words));
    assert.deepEqual(unexpected, []);
    await context.close();
  }
  console.log("all passed");
} finally {
  await browser.close();
  server.close();
}
