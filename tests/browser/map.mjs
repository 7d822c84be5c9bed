// The map to move about in: keys alone, a mouse, and nothing of it where it cannot be drawn.

import assert from "node:assert/strict";

const FIGURE = 'figure[data-layer="icc"]';
// Without a graphics card.
const PATIENCE = { timeout: 60_000 };

async function live({ open, service }, options) {
  return moving(await open(`${service}/`, options));
}

// The page, once its map moves.
async function moving(page) {
  await page.locator(FIGURE).scrollIntoViewIfNeeded();
  await page.waitForSelector(`${FIGURE}.is-live`, PATIENCE);
  return page;
}

// The map of an answer, for a day if one is given.
async function answered({ open, service }, options, day = []) {
  const page = await open(`${service}/`, options);
  await page.locator("#place").fill("LA18 4DB");
  await page.locator("#practice").fill("P81064");
  if (day.length > 0) await page.getByText("For another day than today").click();
  for (const [at, name] of ["Day", "Month", "Year"].entries()) {
    if (day.length > 0) await page.getByLabel(name, { exact: true }).fill(day[at]);
  }
  await page.locator("#place").press("Enter");
  await page.waitForSelector("#answer");
  return moving(page);
}

// No address is another host's, names a place, or is of a tile that tells of a house.
function expectNoPlace(page, service) {
  const addresses = page.requested.map((it) => it.url());
  const others = addresses.filter((url) => !url.startsWith(`${service}/`));
  assert.deepEqual(others, []);
  const telling = addresses.filter((url) => /5[0-9]\.[0-9]{2}|3\.[0-9]{3}|la18|4db|p81064|317303/i.test(url));
  assert.deepEqual(telling, []);
  const zooms = addresses.map((url) => url.match(/\/(\d+)\/\d+\/\d+(\.mvt)?$/)?.[1]).filter(Boolean);
  assert.ok(zooms.length > 0 && Math.max(...zooms) <= 14, `tiles of zooms ${zooms}`);
}

// How many points of the map have a colour, or nearly.
async function pointsOf(page, colour) {
  const picture = await page.locator(`${FIGURE} .live-map`).screenshot();
  return page.evaluate(async ([base64, colour]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    const isIt = (_, at) => colour.every((part, of) => Math.abs(data[4 * at + of] - part) <= 3);
    return Array.from({ length: data.length / 4 }).filter(isIt).length;
  }, [picture.toString("base64"), colour]);
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

  async "the map of an answer moves, marks the place, and asks about another one"(use) {
    const page = await answered(use);
    const canvas = page.locator(`${FIGURE} canvas`);
    assert.match(await canvas.getAttribute("aria-label"), /^Map: Barrow and Millom ICC\. The place .* is marked\.$/);
    assert.equal(await page.locator(`${FIGURE} > svg`).isVisible(), false);
    await canvas.focus();
    assert.match(await saidNext(page, ""), /is in the middle\.$/);
    await use.picture(page, "map-answer-1280");
    expectNoPlace(page, use.service);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator(`${FIGURE} > svg`).isVisible(), true, "the picture is for paper");
    assert.equal(await canvas.isVisible(), false);
    await page.emulateMedia({ media: "screen" });
    await canvas.focus();
    // Zoomed in as far as it goes, tiles stay coarse.
    for (let presses = 0; presses < 10; presses += 1) {
      await page.keyboard.press("+");
      await page.waitForTimeout(400);
    }
    await page.waitForLoadState("networkidle");
    expectNoPlace(page, use.service);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /54\.\d+, -3\.\d+/.test(document.querySelector("#place").value), null, PATIENCE);
    await page.locator("#answer-title").waitFor();
    // The practice that was asked about stays in the question.
    assert.equal(await page.locator("#practice").inputValue(), "P81064");
    assert.deepEqual(page.faults, []);
  },

  async "the map of an answer is of its day"(use) {
    const page = await answered(use, {}, ["1", "6", "2024"]);
    const asked = page.requested.findIndex((it) => it.method() === "POST");
    const styles = page.requested.slice(asked).map((it) => it.url()).filter((url) => url.includes("style.json"));
    assert.ok(styles.length > 0 && styles.every((url) => url.includes("as_of=2024-06-01")), styles.join(" "));
    expectNoPlace(page, use.service);
  },

  async "on the page of an area a click leads to another one, on the same day"(use) {
    const page = await moving(await use.open(`${use.service}/areas/icc/mb-kendal?as_of=2025-12-01`));
    const canvas = page.locator(`${FIGURE} canvas`);
    await canvas.focus();
    assert.equal(await saidNext(page, ""), "Kendal ICC is in the middle.");
    await page.keyboard.press("Enter");
    assert.ok(page.url().endsWith("/areas/icc/mb-kendal?as_of=2025-12-01"), "it is there already");
    const { x, y, width, height } = await canvas.boundingBox();
    const name = page.locator(`${FIGURE} .live-map__name`);
    // What lies beside it on the map.
    for (const across of [0.95, 0.05, 0.9, 0.1]) {
      await page.mouse.move(x + width * across, y + height * 0.6);
      await page.waitForTimeout(300);
      if (!["", "Kendal ICC"].includes(await name.textContent())) break;
    }
    const other = await name.textContent();
    await page.mouse.down();
    await page.mouse.up();
    await page.getByRole("heading", { level: 1, name: other }).waitFor(PATIENCE);
    assert.match(page.url(), /\/areas\/icc\/[a-z-]+\?as_of=2025-12-01$/);
    assert.deepEqual(page.faults, []);
  },

  async "areas that lie over each other are shown one at a time"(use) {
    const page = await use.open(`${use.service}/practices/P81002`);
    const figure = 'figure[data-layer="gp-practice"]';
    await page.locator(figure).scrollIntoViewIfNeeded();
    await page.waitForSelector(`${figure}.is-live`, PATIENCE);
    await page.locator(`${figure} canvas`).click({ position: { x: 5, y: 5 } });
    assert.ok(page.url().endsWith("/practices/P81002"));
    await use.picture(page, "map-practice-1280");
    assert.deepEqual(page.faults, []);
  },

  async "maps of answers and areas have nothing that axe finds wrong, wide and narrow, and do not fly"(use) {
    for (const width of [1280, 320]) {
      const options = { viewport: { width, height: 800 }, reducedMotion: "reduce" };
      const answer = await answered(use, options);
      const area = await moving(await use.open(`${use.service}/areas/icc/mb-kendal`, options));
      for (const page of [answer, area]) {
        assert.deepEqual(await use.violations(page), []);
        const across = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(across <= width, `${across} pixels wide at ${width}`);
      }
      await use.picture(answer, `map-answer-${width}-whole`);
      await use.picture(area, `map-area-${width}-whole`);
    }
  },

  async "a basemap of pictures lies beneath, with whose it is, and no other host is asked"(use) {
    if (!use.basemaps) return use.skip("a basemap: cargo test writes those");
    const { origin, stop } = await use.startService("--basemap", `${use.basemaps}/pictures.pmtiles`);
    try {
      for (const width of [1280, 320]) {
        const page = await answered({ ...use, service: origin }, { viewport: { width, height: 800 } });
        await page.waitForLoadState("networkidle");
        // Its yellow, less colourful, where none of our areas is.
        assert.ok((await pointsOf(page, [222, 218, 170])) > 1_000);
        assert.equal(await page.locator(`${FIGURE} .live-map__attribution`).textContent(), "© Maps");
        expectNoPlace(page, origin);
        assert.ok(page.requested.some((it) => /\/tiles\/basemap\/\w{12}\//.test(it.url())));
        assert.deepEqual(await use.violations(page), []);
        assert.deepEqual(page.faults, []);
        await use.picture(page, `basemap-pictures-${width}`);
      }
    } finally {
      stop();
    }
  },

  async "a basemap of vectors is drawn in greys, with names in the machine's own fonts"(use) {
    if (!use.basemaps) return use.skip("a basemap: cargo test writes those");
    for (const schema of ["protomaps", "openmaptiles"]) {
      const { origin, stop } = await use.startService("--basemap", `${use.basemaps}/${schema}.pmtiles`);
      try {
        for (const width of [1280, 320]) {
          const page = await answered({ ...use, service: origin }, { viewport: { width, height: 800 } });
          await page.waitForLoadState("networkidle");
          expectNoPlace(page, origin);
          assert.ok(page.requested.some((it) => /\/tiles\/basemap\/\w{12}\//.test(it.url())));
          assert.deepEqual(page.faults, []);
          await use.picture(page, `basemap-${schema}-${width}`);
        }
        const page = await live({ ...use, service: origin });
        await page.waitForLoadState("networkidle");
        assert.ok((await pointsOf(page, [217, 225, 231])) > 100, `lakes of ${schema}`);
        assert.ok((await pointsOf(page, [191, 195, 197])) > 10, `roads of ${schema}`);
        await use.picture(page, `basemap-${schema}-home`);
      } finally {
        stop();
      }
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
