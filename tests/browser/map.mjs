// Tests of the interactive map with the keyboard, with the mouse and with basemaps, and of the static map that is shown if
// the interactive map cannot be drawn.

import assert from "node:assert/strict";

const FIGURE = 'figure[data-layer="icc"]';
// The timeouts are long, because rendering in software is slow.
const TIMEOUT = { timeout: 60_000 };

async function openMap({ open, service }, options) {
  return waitForMap(await open(`${service}/`, options));
}

// Waits until the interactive map is shown.
async function waitForMap(page) {
  await page.locator(FIGURE).scrollIntoViewIfNeeded();
  await page.waitForSelector(`${FIGURE}.is-interactive`, TIMEOUT);
  return page;
}

// Looks up a place, optionally on a date, and opens the map of the result.
async function openResult({ open, service }, options, date = []) {
  const page = await open(`${service}/`, options);
  await page.locator("#place").fill("LA18 4DB");
  await page.locator("#practice").fill("P81064");
  if (date.length > 0) await page.getByText("Use a different date").click();
  for (const [index, name] of ["Day", "Month", "Year"].entries()) {
    if (date.length > 0) await page.getByLabel(name, { exact: true }).fill(date[index]);
  }
  await page.locator("#place").press("Enter");
  await page.waitForSelector("#answer");
  return waitForMap(page);
}

// Checks that no request goes to another host, contains the place in its URL, or is for a tile that reveals a single house.
function expectNoPlace(page, service) {
  const urls = page.requested.map((request) => request.url());
  const others = urls.filter((url) => !url.startsWith(`${service}/`));
  assert.deepEqual(others, []);
  const revealing = urls.filter((url) => /5[0-9]\.[0-9]{2}|3\.[0-9]{3}|la18|4db|p81064|317303/i.test(url));
  assert.deepEqual(revealing, []);
  const zooms = urls.map((url) => url.match(/\/(\d+)\/\d+\/\d+(\.mvt)?$/)?.[1]).filter(Boolean);
  assert.ok(zooms.length > 0 && Math.max(...zooms) <= 14, `some tiles must be requested, and none beyond zoom 14: ${zooms}`);
}

// Counts the pixels of the map whose colour is close to this colour.
async function countPixels(page, colour) {
  const screenshot = await page.locator(`${FIGURE} .interactive-map`).screenshot();
  return page.evaluate(async ([base64, colour]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    const matches = (_, pixel) => colour.every((value, channel) => Math.abs(data[4 * pixel + channel] - value) <= 3);
    return Array.from({ length: data.length / 4 }).filter(matches).length;
  }, [screenshot.toString("base64"), colour]);
}

// For each map of the page, returns the number of names that are drawn and the number of all names.
async function drawnNames(page) {
  // The page does not expose its map objects, so the test intercepts them when they highlight the area under the mouse.
  await page.evaluate(async () => {
    const gl = await import(document.querySelector("figure[data-script]").dataset.script);
    const { setFilter } = gl.Map.prototype;
    window.maps = new Set();
    gl.Map.prototype.setFilter = function (...options) {
      window.maps.add(this);
      return setFilter.apply(this, options);
    };
  });
  for (const figure of await page.locator("figure[data-layer]").all()) {
    await figure.scrollIntoViewIfNeeded();
    await figure.locator("canvas").waitFor(TIMEOUT);
    await page.waitForFunction((element) => element.classList.contains("is-interactive"), await figure.elementHandle(), TIMEOUT);
    await figure.locator("canvas").hover();
  }
  const count = () => [...window.maps].map((map) => {
    const drawn = map.queryRenderedFeatures({ layers: ["names"] }).map((feature) => feature.properties.id);
    return [new Set(drawn).size, map.getStyle().sources.names.data.features.length];
  });
  await page.waitForFunction(() => [...window.maps].every((map) => map.loaded() && !map.isMoving()), null, TIMEOUT);
  await page.waitForTimeout(2_000);
  return page.evaluate(count);
}

const statusText = (page) => page.locator(`${FIGURE} [role=status]`).textContent();

// Waits until the status text differs from `before`, and returns the new text.
async function nextStatusText(page, before) {
  const isNew = ([selector, text]) => document.querySelector(selector).textContent !== text;
  await page.waitForFunction(isNew, [`${FIGURE} [role=status]`, before], TIMEOUT);
  return statusText(page);
}

// Checks the result of a look-up on the map, and that no URL contains the place.
async function expectResult(page, service, name) {
  await page.waitForSelector("#answer", TIMEOUT);
  assert.equal(page.url().split("#")[0], `${service}/`);
  const posts = page.requested.filter((request) => request.method() === "POST");
  assert.deepEqual(posts.map((request) => request.url().split("#")[0]), [`${service}/`]);
  assert.ok(posts[0].postData().startsWith("place=5"), "the first coordinate must be a latitude in Great Britain");
  assert.ok((await page.locator("#answer").textContent()).includes(name), `the result must contain ${name}`);
  const hosts = new Set(page.requested.map((request) => new URL(request.url()).origin));
  assert.deepEqual([...hosts], [service]);
  assert.ok(page.requested.every((request) => !/5[0-9]\.[0-9]{3}/.test(request.url())), "URLs must not contain coordinates");
}

export const tests = {
  async "arrow keys move the map, Enter looks up its centre, Escape leaves the map"(use) {
    const page = await openMap(use);
    const stops = await page.locator(`${FIGURE} .interactive-map`).evaluate(
      (map) => [...map.querySelectorAll("*")].filter((element) => element.tabIndex >= 0).map((element) => element.localName),
    );
    assert.deepEqual(stops, ["canvas"], "the map must have one tab stop");
    const canvas = page.locator(`${FIGURE} canvas`);
    await canvas.focus();
    let name = await nextStatusText(page, "");
    await page.keyboard.press("+");
    for (let presses = 0; presses < 6; presses += 1) {
      await page.keyboard.press("ArrowDown");
      // Wait until the map has stopped moving.
      await page.waitForTimeout(600);
    }
    const moved = await nextStatusText(page, name);
    assert.match(moved, /^The centre of the map is /);
    await use.screenshot(page, "map-1280");
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.closest("figcaption") !== null), true);
    await canvas.focus();
    name = (await statusText(page)).replace(/^The centre of the map is in (.*)\.$/, "$1");
    await page.keyboard.press("Enter");
    await expectResult(page, use.service, name.includes("not in any area") ? "" : name);
    assert.deepEqual(page.errors, []);
  },

  async "a click looks up the position on the map"(use) {
    const page = await openMap(use);
    const { x, y, width, height } = await page.locator(`${FIGURE} canvas`).boundingBox();
    const [left, top] = [x + width * 0.6, y + height * 0.45];
    await page.mouse.move(left, top);
    await page.waitForFunction((selector) => document.querySelector(selector).textContent, `${FIGURE} .interactive-map__name`, TIMEOUT);
    const name = await page.locator(`${FIGURE} .interactive-map__name`).textContent();
    await page.mouse.click(left, top);
    await expectResult(page, use.service, name);
  },

  async "every community has its name on the first view, beside the marker"(use) {
    for (const width of [1366, 320]) {
      const page = await openMap(use, { viewport: { width, height: 625 }, reducedMotion: "reduce" });
      const others = await page.locator("figure[data-layer]").count();
      assert.equal(others, 2);
      assert.deepEqual(await drawnNames(page), [[16, 16], [13, 13]], `${width} px`);
      await use.screenshot(page, `map-names-${width}`);
    }
    const result = await use.open(`${use.service}/`, { reducedMotion: "reduce" });
    await result.locator("#place").fill("LA9 4QF");
    await result.locator("#place").press("Enter");
    await result.waitForSelector("#answer");
    await waitForMap(result);
    // The marker is a symbol, so no name is drawn below it.
    assert.deepEqual(await drawnNames(result), [[5, 5]]);
    assert.deepEqual(result.errors, []);
  },

  async "the map passes axe on wide and narrow screens"(use) {
    for (const width of [1280, 320]) {
      const page = await openMap(use, { viewport: { width, height: 800 }, reducedMotion: "reduce" });
      assert.deepEqual(await use.violations(page), []);
      const pageWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(pageWidth <= width, `the page is ${pageWidth} px wide on a screen of ${width} px`);
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), false);
      await page.emulateMedia({ media: "print" });
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), true, "the static map must be printed");
      await page.emulateMedia({ media: "screen" });
      await use.screenshot(page, `map-${width}-whole`);
    }
  },

  async "the map of a result marks the place and looks up another one"(use) {
    const page = await openResult(use);
    const canvas = page.locator(`${FIGURE} canvas`);
    assert.match(await canvas.getAttribute("aria-label"), /^Map of Barrow and Millom ICC\. The marker shows the place you looked up\.$/);
    assert.equal(await page.locator(`${FIGURE} > svg`).isVisible(), false);
    await canvas.focus();
    assert.match(await nextStatusText(page, ""), /^The centre of the map is /);
    await use.screenshot(page, "map-result-1280");
    expectNoPlace(page, use.service);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator(`${FIGURE} > svg`).isVisible(), true, "the static map must be printed");
    assert.equal(await canvas.isVisible(), false);
    await page.emulateMedia({ media: "screen" });
    await canvas.focus();
    // Even at the highest zoom, no tile is more detailed than zoom 14.
    for (let presses = 0; presses < 10; presses += 1) {
      await page.keyboard.press("+");
      await page.waitForTimeout(400);
    }
    await page.waitForLoadState("networkidle");
    expectNoPlace(page, use.service);
    await page.keyboard.press("Enter");
    await page.locator("#answer-title", { hasText: "54." }).waitFor(TIMEOUT);
    // The practice of the first look-up is not used for the second look-up.
    assert.equal(await page.locator("#practice").inputValue(), "");
    assert.equal(await page.locator("#answer").getByText("P81064").count(), 0);
    assert.deepEqual(page.errors, []);
  },

  async "the map of a result shows the date of the look-up"(use) {
    const page = await openResult(use, {}, ["1", "6", "2024"]);
    const post = page.requested.findIndex((request) => request.method() === "POST");
    // Maps of the first page may still request a style until the document of the result has been requested.
    const document = page.requested.findIndex((request, index) => index > post && request.resourceType() === "stylesheet");
    const styles = page.requested.slice(document).map((request) => request.url()).filter((url) => url.includes("style.json"));
    assert.ok(styles.length > 0 && styles.every((url) => url.includes("as_of=2024-06-01")), styles.join(" "));
    expectNoPlace(page, use.service);
  },

  async "a click on the map of an area opens another area on the same date"(use) {
    const page = await waitForMap(await use.open(`${use.service}/areas/icc/mb-kendal?as_of=2025-12-01`));
    const canvas = page.locator(`${FIGURE} canvas`);
    await canvas.focus();
    assert.equal(await nextStatusText(page, ""), "The centre of the map is in Kendal ICC.");
    await page.keyboard.press("Enter");
    assert.ok(page.url().endsWith("/areas/icc/mb-kendal?as_of=2025-12-01"), "Enter must not open another page, because the page of the area is already open");
    const { x, y, width, height } = await canvas.boundingBox();
    const name = page.locator(`${FIGURE} .interactive-map__name`);
    // Find a neighbouring area on the map.
    for (const across of [0.95, 0.05, 0.9, 0.1]) {
      await page.mouse.move(x + width * across, y + height * 0.6);
      await page.waitForTimeout(300);
      if (!["", "Kendal ICC"].includes(await name.textContent())) break;
    }
    const other = await name.textContent();
    await page.mouse.down();
    await page.mouse.up();
    await page.getByRole("heading", { level: 1, name: other }).waitFor(TIMEOUT);
    assert.match(page.url(), /\/areas\/icc\/[a-z-]+\?as_of=2025-12-01$/);
    assert.deepEqual(page.errors, []);
  },

  async "overlapping areas are shown one at a time"(use) {
    const page = await use.open(`${use.service}/practices/P81002`);
    const figure = 'figure[data-layer="gp-practice"]';
    await page.locator(figure).scrollIntoViewIfNeeded();
    await page.waitForSelector(`${figure}.is-interactive`, TIMEOUT);
    await page.locator(`${figure} canvas`).click({ position: { x: 5, y: 5 } });
    assert.ok(page.url().endsWith("/practices/P81002"));
    await use.screenshot(page, "map-practice-1280");
    assert.deepEqual(page.errors, []);
  },

  async "maps of results and areas pass axe on wide and narrow screens with reduced motion"(use) {
    for (const width of [1280, 320]) {
      const options = { viewport: { width, height: 800 }, reducedMotion: "reduce" };
      const result = await openResult(use, options);
      const area = await waitForMap(await use.open(`${use.service}/areas/icc/mb-kendal`, options));
      for (const page of [result, area]) {
        assert.deepEqual(await use.violations(page), []);
        const pageWidth = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(pageWidth <= width, `the page is ${pageWidth} px wide on a screen of ${width} px`);
      }
      await use.screenshot(result, `map-result-${width}-whole`);
      await use.screenshot(area, `map-area-${width}-whole`);
    }
  },

  async "a raster basemap is drawn with its attribution and without requests to other hosts"(use) {
    if (!use.basemaps) return use.skip("a basemap test: set CATCHMENT_BASEMAPS, or run cargo test, which writes the basemaps");
    const { origin, stop } = await use.startService("--basemap", `${use.basemaps}/images.pmtiles`);
    try {
      for (const width of [1280, 320]) {
        const page = await openResult({ ...use, service: origin }, { viewport: { width, height: 800 } });
        await page.waitForLoadState("networkidle");
        // Outside our areas, the map shows a desaturated form of the yellow of the basemap.
        assert.ok((await countPixels(page, [222, 218, 170])) > 1_000);
        assert.equal(await page.locator(`${FIGURE} .interactive-map__attribution`).textContent(), "© Maps");
        expectNoPlace(page, origin);
        assert.ok(page.requested.some((request) => /\/tiles\/basemap\/\w{12}\//.test(request.url())));
        assert.deepEqual(await use.violations(page), []);
        assert.deepEqual(page.errors, []);
        await use.screenshot(page, `basemap-images-${width}`);
      }
    } finally {
      stop();
    }
  },

  async "a vector basemap is drawn in grey with the fonts of the device"(use) {
    if (!use.basemaps) return use.skip("a basemap test: set CATCHMENT_BASEMAPS, or run cargo test, which writes the basemaps");
    for (const schema of ["protomaps", "openmaptiles"]) {
      const { origin, stop } = await use.startService("--basemap", `${use.basemaps}/${schema}.pmtiles`);
      try {
        for (const width of [1280, 320]) {
          const page = await openResult({ ...use, service: origin }, { viewport: { width, height: 800 } });
          await page.waitForLoadState("networkidle");
          expectNoPlace(page, origin);
          assert.ok(page.requested.some((request) => /\/tiles\/basemap\/\w{12}\//.test(request.url())));
          assert.deepEqual(page.errors, []);
          await use.screenshot(page, `basemap-${schema}-${width}`);
        }
        const page = await openMap({ ...use, service: origin });
        await page.waitForLoadState("networkidle");
        assert.ok((await countPixels(page, [217, 225, 231])) > 100, `the lakes of ${schema} must be drawn`);
        assert.ok((await countPixels(page, [191, 195, 197])) > 10, `the roads of ${schema} must be drawn`);
        await use.screenshot(page, `basemap-${schema}-home`);
      } finally {
        stop();
      }
    }
  },

  async "the static map is shown without WebGL, JavaScript or MapLibre"(use) {
    const expectStaticMap = async (page) => {
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(500);
      assert.equal(await page.locator(`${FIGURE} > img`).isVisible(), true);
      assert.equal(await page.locator(".interactive-map").count(), 0);
    };
    await expectStaticMap(await use.open(`${use.service}/`, { javaScriptEnabled: false }));
    const page = await use.open("about:blank");
    await page.addInitScript(() => (HTMLCanvasElement.prototype.getContext = () => null));
    await page.goto(`${use.service}/`);
    await expectStaticMap(page);
    assert.ok(page.requested.every((request) => !request.url().includes("maplibre")), "MapLibre must not be loaded");
    const broken = await use.open("about:blank");
    await broken.route("**/maplibre-*.js", (route) => route.abort());
    await broken.goto(`${use.service}/`);
    await expectStaticMap(broken);
  },
};
