// The staff pages: asked with the keyboard, with and without script, on wide and narrow screens, on paper.

import assert from "node:assert/strict";

const HOST = /^(https?:\/\/(127\.0\.0\.1|localhost):\d+\/|data:)/;

// Every page by itself, and the answers of the first one.
const PAGES = {
  home: async (page) => page.locator("#place").waitFor(),
  answer: async (page) => ask(page, "LA18 4DB", "P81064"),
  near: async (page) => ask(page, "CA2 5SS"),
  coordinate: async (page) => ask(page, "54.209742, -3.269471"),
  outside: async (page) => ask(page, "SW1A 1AA"),
  fault: async (page) => {
    await page.getByLabel("Postcode, coordinate or grid reference").fill("LA1O 5DL");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "There is a problem" }).waitFor();
  },
};
const ADDRESSES = ["/batch", "/privacy", "/docs", "/put-this-map-on-your-site", "/ogc?f=html", "/ogc/collections?f=html", "/ogc/collections/icc?f=html", "/ogc/collections/icc/items?f=html"];

async function ask(page, place, practice = "") {
  await page.getByLabel("Postcode, coordinate or grid reference").fill(place);
  await page.getByLabel("Code of their GP practice (optional)").fill(practice);
  await page.keyboard.press("Enter");
  await page.locator("#answer-title").waitFor();
}

function expectOurs(page) {
  const others = page.requested.map((it) => it.url()).filter((url) => !HOST.test(url));
  assert.deepEqual(others, []);
  // A form that is not filled in well is answered with 400, which a browser tells on its console.
  const faults = page.faults.filter((it) => !it.includes("status of 400"));
  assert.deepEqual(faults, []);
}

// Nothing is cut off, and nobody has to scroll in two directions.
async function expectNoSidewaysScroll(page, what) {
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(wide <= screen, `${what}: ${wide} on a screen of ${screen}`);
}

export const tests = {
  async "a call handler asks with the keyboard alone"(use) {
    const page = await use.open(`${use.service}/`);
    // The field has the focus already.
    await page.keyboard.type("la184db");
    await page.keyboard.press("Enter");
    await page.locator("#answer-title").waitFor();
    assert.equal(await page.locator("#answer").getByText("Barrow and Millom ICC").first().isVisible(), true);
    assert.equal(page.url(), `${use.service}/#answer`);
    // The answer is where reading goes on, and the way to the next question is on it.
    assert.equal(await page.evaluate(() => document.activeElement.id), "answer");
    for (let pressed = 0; pressed < 30; pressed += 1) {
      await page.keyboard.press("Tab");
      if ((await page.evaluate(() => document.activeElement.textContent)) === "Look up another place") break;
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(`${use.service}/`);
    assert.equal(await page.evaluate(() => document.activeElement.id), "place");
    expectOurs(page);
  },

  async "what is wrong has the focus, and leads to the field"(use) {
    const page = await use.open(`${use.service}/`);
    await PAGES.fault(page);
    assert.match(await page.evaluate(() => document.activeElement.className), /nhsuk-error-summary/);
    assert.match(await page.title(), /^Error: /);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "place");
    // What was probably meant is asked only when it is chosen.
    await page.getByRole("button", { name: "LA10 5DL" }).press("Enter");
    await page.locator("#answer-title", { hasText: "LA10 5DL" }).waitFor();
  },

  async "without script everything is there"(use) {
    const page = await use.open(`${use.service}/`, { javaScriptEnabled: false });
    await ask(page, "LA18 4DB", "P81064");
    for (const words of ["Barrow and Millom ICC", "Lancaster ICC", "Waterloo House Surgery", "West Cumbria Resilience Group"]) {
      assert.equal(await page.locator("#answer").getByText(words).first().isVisible(), true, words);
    }
    assert.equal(await page.locator("#answer svg[role=img]").isVisible(), true);
    await page.getByText("For another day than today").click();
    await page.getByLabel("Day", { exact: true }).fill("31");
    await page.getByLabel("Month").fill("2");
    await page.getByLabel("Year").fill("2023");
    await page.getByRole("button", { name: "Look up", exact: true }).click();
    await page.getByRole("link", { name: "Enter a day that exists" }).click();
    assert.equal(await page.getByLabel("Year").isVisible(), true);
  },

  async "a form is sent once however often its button is pressed"(use) {
    const page = await use.open(`${use.service}/`);
    await page.locator("#place").fill("LA18 4DB");
    let sent = 0;
    await page.route(`${use.service}/`, async (route) => {
      sent += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      await route.continue();
    });
    await page.getByRole("button", { name: "Look up", exact: true }).dblclick();
    await page.locator("#answer-title").waitFor();
    assert.equal(sent, 1);
  },

  async "an answer leaves nothing behind"(use) {
    const page = await use.open(`${use.service}/`);
    await ask(page, "LA18 4DB", "P81064");
    const addresses = page.requested.map((it) => it.url().toLowerCase());
    assert.deepEqual(addresses.filter((url) => /la18|4db|p81064/.test(url)), []);
    const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
    assert.deepEqual(kept, [0, 0, ""]);
  },

  async "every page passes axe and fits screens from 320 pixels on"(use) {
    const visits = [
      ...Object.entries(PAGES).map(([name, visit]) => [name, "/", visit]),
      ...ADDRESSES.map((address) => [address.replace(/\W+/g, "-").slice(1), address, async () => {}]),
    ];
    for (const [name, address, visit] of visits) {
      for (const width of name === "home" || name === "answer" ? [320, 768, 1280] : [320, 1280]) {
        const page = await use.open(use.service + address, { viewport: { width, height: 900 } });
        await visit(page);
        await page.waitForLoadState("networkidle");
        await expectNoSidewaysScroll(page, `${name} at ${width}`);
        expectOurs(page);
        assert.deepEqual(await use.violations(page), [], `${name} at ${width}`);
        await use.picture(page, `${name}-${width}`);
        await page.context().close();
      }
    }
  },

  async "at 400 % everything is there and nothing scrolls sideways"(use) {
    // 1280 by 1024 pixels at 400 % (WCAG 2.2, 1.4.10).
    const page = await use.open(`${use.service}/`, { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 });
    await ask(page, "LA18 4DB", "P81064");
    await expectNoSidewaysScroll(page, "an answer at 400 %");
    assert.equal(await page.locator("#answer").getByText("Lancaster ICC").first().isVisible(), true);
  },

  async "forced colours leave the map as it is"(use) {
    const page = await use.open(`${use.service}/`, { forcedColors: "active", colorScheme: "dark" });
    await ask(page, "LA18 4DB", "P81064");
    // The map keeps its own colours, which its patterns and names are made for.
    const map = await page.locator("#answer svg").evaluate((svg) => getComputedStyle(svg).forcedColorAdjust);
    assert.equal(map, "none");
    await use.picture(page, "answer-forced-colours");
  },

  async "an answer prints with its map, its day and where the data come from, and without the form"(use) {
    const page = await use.open(`${use.service}/`);
    await ask(page, "LA18 4DB", "P81064");
    await page.emulateMedia({ media: "print" });
    for (const selector of [".look-up", ".nhsuk-header__navigation", ".another"]) {
      assert.equal(await page.locator(selector).isVisible(), false, selector);
    }
    for (const selector of ["#answer-title", "#answer svg", ".as-of", ".nhsuk-footer"]) {
      assert.equal(await page.locator(selector).isVisible(), true, selector);
    }
    await page.setViewportSize({ width: 718, height: 1000 });
    await use.picture(page, "answer-print");
    assert.ok((await page.pdf({ format: "A4" })).length > 10_000);
  },
};
