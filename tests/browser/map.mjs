// The map to move about in: keys alone, a mouse, and nothing of it where it cannot be drawn.

import assert from "node:assert/strict";

const FIGURE = 'figure[data-layer="icc"]';
// Without a graphics card.
const PATIENCE = { timeout: 60_000 };

async function live({ open, service }, options) {
  const page = await open(`${service}/`, options);
  await page.locator(FIGURE).scrollIntoViewIfNeeded();
  await page.waitForSelector(`${FIGURE}.is-live`, PATIENCE);
  return page;
}

const said = (page) => page.locator(`${FIGURE} [role=status]`).textContent();

// What is said, once it is something else.
async function saidNext(page, before) {
  const isNew = ([selector, text]) => document.querySelector(selector).textContent !== text;
  await page.waitForFunction(isNew, [`${FIGURE} [role=status]`, before], PATIENCE);
  return said(page);
}

// The answer after a question on the map; no place is in any address.
async function expectAnswer(page, service, name) {
  await page.waitForSelector("#answer", PATIENCE);
  assert.equal(page.url().split("#")[0], `${service}/`);
  const asked = page.requested.filter((it) => it.method() === "POST");
  assert.deepEqual(asked.map((it) => it.url().split("#")[0]), [`${service}/`]);
  assert.ok(asked[0].postData().startsWith("place=5"), "a latitude of Great Britain comes first");
  assert.ok((await page.locator("#answer").textContent()).includes(name), `${name} is in the answer`);
  const hosts = new Set(page.requested.map((it) => new URL(it.url()).origin));
  assert.deepEqual([...hosts], [service]);
  assert.ok(page.requested.every((it) => !/5[0-9]\.[0-9]{3}/.test(it.url())), "no coordinate is in an address");
}

export const tests = {
  async "keys move it, Enter asks about the middle, Escape leaves"(use) {
    const page = await live(use);
    const stops = await page.locator(`${FIGURE} .live-map`).evaluate(
      (map) => [...map.querySelectorAll("*")].filter((it) => it.tabIndex >= 0).map((it) => it.localName),
    );
    assert.deepEqual(stops, ["canvas"], "one tab stop");
    const canvas = page.locator(`${FIGURE} canvas`);
    await canvas.focus();
    let name = await saidNext(page, "");
    await page.keyboard.press("+");
    for (let presses = 0; presses < 6; presses += 1) {
      await page.keyboard.press("ArrowDown");
      // Each way ends before the next one begins.
      await page.waitForTimeout(600);
    }
    const moved = await saidNext(page, name);
    assert.match(moved, /is in the middle\.$/);
    await use.picture(page, "map-1280");
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.closest("figcaption") !== null), true);
    await canvas.focus();
    name = (await said(page)).replace(" is in the middle.", "");
    await page.keyboard.press("Enter");
    await expectAnswer(page, use.service, name.startsWith("No area") ? "" : name);
    assert.deepEqual(page.faults, []);
  },

  async "a click asks about its place"(use) {
    const page = await live(use);
    const { x, y, width, height } = await page.locator(`${FIGURE} canvas`).boundingBox();
    const [left, top] = [x + width * 0.6, y + height * 0.45];
    await page.mouse.move(left, top);
    await page.waitForFunction((it) => document.querySelector(it).textContent, `${FIGURE} .live-map__name`, PATIENCE);
    const name = await page.locator(`${FIGURE} .live-map__name`).textContent();
    await page.mouse.click(left, top);
    await expectAnswer(page, use.service, name);
  },

  async "it has nothing that axe finds wrong, wide and narrow"(use) {
    for (const width of [1280, 320]) {
      const page = await live(use, { viewport: { width, height: 800 }, reducedMotion: "reduce" });
      assert.deepEqual(await use.violations(page), []);
      const across = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(across <= width, `${across} pixels wide at ${width}`);
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), false);
      await page.emulateMedia({ media: "print" });
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), true, "the picture is for paper");
      await page.emulateMedia({ media: "screen" });
      await use.picture(page, `map-${width}-whole`);
    }
  },

  async "without WebGL, without script or without MapLibre the picture stays"(use) {
    const isPicture = async (page) => {
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(500);
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), true);
      assert.equal(await page.locator(".live-map").count(), 0);
    };
    await isPicture(await use.open(`${use.service}/`, { javaScriptEnabled: false }));
    const page = await use.open("about:blank");
    await page.addInitScript(() => (HTMLCanvasElement.prototype.getContext = () => null));
    await page.goto(`${use.service}/`);
    await isPicture(page);
    assert.ok(page.requested.every((it) => !it.url().includes("maplibre")), "it is not even fetched");
    const broken = await use.open("about:blank");
    await broken.route("**/maplibre-*.js", (route) => route.abort());
    await broken.goto(`${use.service}/`);
    await isPicture(broken);
  },
};
