// Tests of <catchment-map> on another website, whose Content-Security-Policy allows our origin but no inline scripts or
// styles.

import assert from "node:assert/strict";

const policy = (service) => `default-src 'self'; script-src 'self' ${service}; connect-src 'self' ${service}; img-src 'self' data:`;
const script = (service) => `<script type="module" src="${service}/widget.js"></script>`;
const hostPage = (service, element) => `<main><h1>Our town</h1><p><a href="#end">Before</a></p>${script(service)}${element}<p id="end"><a href="#end">After</a></p></main>`;
const KENDAL = '<catchment-map area="mb-kendal" search><p><a href="/communities">Our communities</a></p></catchment-map>';

// Opens a page with the element and waits until the map is drawn.
async function openWidget({ open, host, service }, element = KENDAL, options = {}) {
  const page = await open(host.page(hostPage(service, element), policy(service)), options);
  await page.locator("catchment-map svg [role=option]").first().waitFor();
  return page;
}

function expectNoErrors(page, { host, service }) {
  assert.deepEqual(page.errors, []);
  const others = page.requested.map((request) => request.url()).filter((url) => !url.startsWith(host.origin) && !url.startsWith(service) && !url.startsWith("data:"));
  assert.deepEqual(others, []);
}

async function search(page, text) {
  await page.getByLabel("Postcode").fill(text);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.waitForFunction(() => !/^(Looking|$)/.test(document.querySelector("catchment-map").shadowRoot.querySelector("#message").textContent));
  return page.locator("catchment-map #message").textContent();
}

const selected = (page) => page.evaluate(() => window.selected);
const listen = (page) => page.evaluate(() => {
  window.selected = [];
  document.addEventListener("catchment-select", (event) => window.selected.push(event.detail));
});
const activeName = (page) => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.getAttribute("aria-label") ?? document.activeElement.shadowRoot?.activeElement?.tagName ?? document.activeElement.textContent);

export const tests = {
  async "the widget works with a strict policy, contacts only the service and stores nothing"(use) {
    const page = await openWidget(use);
    expectNoErrors(page, use);
    assert.equal(await page.getByRole("option", { name: "Kendal ICC" }).count(), 1);
    assert.equal(await page.getByText("Our communities").isVisible(), false);
    await page.getByText("About this map (approximate boundaries)").click();
    assert.match(await page.locator("catchment-map section").innerText(), /Indicative: .* not from an official map.*Crown copyright/s);
    assert.deepEqual(await page.context().cookies(), []);
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    const sizes = await Promise.all(page.requested.filter((request) => request.url().startsWith(use.service)).map((request) => request.sizes()));
    const total = sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
    assert.ok(total < 15_000, `${total} bytes`);
  },

  async "a search does not claim a registration, and the postcode is not in any URL"(use) {
    const page = await openWidget(use);
    await listen(page);
    assert.equal(await search(page, "la9 4qf"), "LA9 4QF is in the area of Kendal ICC.");
    const text = await page.locator("catchment-map section").innerText();
    assert.match(text, /GP practices that cover LA9 4QF \(estimate\)/);
    assert.match(text, /Resilience group where you live\s+South Lakeland Resilience Group/);
    assert.match(text, /Captain French Surgery, \d+\sm away \(LA9 4JE\), 01539 720241/);
    assert.equal(await page.getByRole("link", { name: "01539 720241" }).getAttribute("href"), "tel:01539720241");
    assert.equal(await page.getByRole("link", { name: "Captain French Surgery" }).count(), 0);
    assert.match(text, /If you are registered with a GP practice, you belong to that practice’s community/);
    assert.doesNotMatch(text, /your (ICC|community|practice) is/i);
    assert.equal(await page.locator("catchment-map .marker").count(), 1);
    assert.equal(await page.getByRole("option", { name: "Kendal ICC" }).getAttribute("aria-selected"), "true");
    for (const request of page.requested) {
      assert.doesNotMatch(decodeURIComponent(request.url()), /LA9\s*4QF/i);
      if (/4QF/i.test(request.postData() ?? "")) assert.equal(request.url(), `${use.service}/api/v1/locate`);
      if (request.method() === "POST") assert.ok(!request.headers().referer);
    }
    assert.deepEqual(await selected(page), []);
    expectNoErrors(page, use);
  },

  async "errors are explained, and typos are never corrected silently"(use) {
    const page = await openWidget(use);
    for (const [postcode, message] of [
      ["", "Enter a postcode."],
      ["LA1", "Enter the full postcode, not just the first part."],
      ["LA9 0AA", "We cannot find this postcode. It may be newer than our data. Check it and try again."],
      ["ZZ99 3VZ", "This code means no fixed abode, so there is no location."],
      ["SW1A 1AA", "This postcode is not in any area we have data for."],
      ["LA1O 5DL", "Enter a UK postcode, such as LA18 4DB."],
    ]) {
      assert.equal(await search(page, postcode), message, postcode);
    }
    assert.equal(await activeName(page), "INPUT");
    assert.equal(await page.getByLabel("Postcode").getAttribute("aria-invalid"), "true");
    await page.getByRole("button", { name: "Did you mean LA10 5DL?" }).click();
    await page.getByText("LA10 5DL is in the area of East ICC.").waitFor();
    assert.equal(await search(page, "LA18 4DB"), "LA18 4DB is in the area of Barrow and Millom ICC.");
    await page.getByText("That area is not around Kendal ICC, so the map now shows all areas.").waitFor();
    assert.equal(await page.getByRole("option").count(), 16);
    assert.equal(await page.getByRole("option", { name: "Barrow and Millom ICC" }).getAttribute("aria-selected"), "true");
    assert.equal(await activeName(page), "BUTTON");
    await page.getByRole("button", { name: "Show Kendal ICC again" }).click();
    assert.ok((await page.getByRole("option").count()) < 16);
    assert.ok(page.requested.every((request) => !/barrow/i.test(request.url())), "no URL must reveal the area of the postcode");
    assert.equal(await search(page, "LA10 5EE"), "LA10 5EE is in the area of Kendal ICC.");
    assert.match(await page.locator("catchment-map section").innerText(), /The boundary of that area is only \d+\sm away\. On the other side: East ICC\./);
    // East Lancashire has neighbourhood teams instead of ICCs.
    assert.match(await search(page, "BB11 1AA"), /neighbourhood team\.$/);
    await page.getByText(/^That area is not on this map\. It is about \d+\skm to the south-east of the middle of the map\.$/).waitFor();
  },

  async "the map has one tab stop: arrow keys reach every area, Enter selects it, Escape leaves the map"(use) {
    const page = await openWidget(use, '<catchment-map></catchment-map>');
    await listen(page);
    await page.getByText("Before").focus();
    await page.keyboard.press("Tab");
    const areas = await page.getByRole("option").evaluateAll((options) => options.map((option) => option.getAttribute("aria-label")));
    assert.equal(areas.length, 16);
    assert.ok(areas.includes(await activeName(page)));
    const reached = new Set([await activeName(page)]);
    for (const [key, times] of [["ArrowLeft", 16], ["ArrowRight", 16]]) {
      for (let presses = 0; presses < times; presses += 1) {
        await page.keyboard.press(key);
        reached.add(await activeName(page));
      }
    }
    assert.deepEqual([...reached].sort(), [...areas].sort());
    await page.keyboard.press("Home");
    assert.equal(await activeName(page), areas[0]);
    await page.keyboard.press("Enter");
    assert.deepEqual((await selected(page)).map(({ layer, name }) => [layer, name]), [["icc", areas[0]]]);
    await page.getByText(`Everyone registered with one of these GP practices belongs to ${areas[0]}:`).waitFor();
    await use.screenshot(page, "widget-keyboard");
    assert.equal(await page.locator("catchment-map .ring").first().evaluate((ring) => getComputedStyle(ring).display), "inline");
    await page.keyboard.press("Escape");
    assert.equal(await activeName(page), "SUMMARY");
    await page.keyboard.press("Shift+Tab");
    assert.equal(await activeName(page), areas[0]);
    await page.keyboard.press("Tab");
    // Enter closes the list of names.
    await page.keyboard.press("Enter");
    // The last tab stop of the element opens "About this map".
    await page.keyboard.press("Tab");
    assert.equal(await activeName(page), "SUMMARY");
    await page.keyboard.press("Tab");
    assert.equal(await activeName(page), "After");
  },

  async "a click and the list of names select an area"(use) {
    const page = await openWidget(use);
    await listen(page);
    await page.getByRole("option", { name: "Kendal ICC" }).click();
    await page.getByText("areas on this map").click();
    await page.getByRole("button", { name: "East ICC" }).click();
    assert.deepEqual(await selected(page), [
      { layer: "icc", id: "mb-kendal", name: "Kendal ICC" },
      { layer: "icc", id: "mb-east", name: "East ICC" },
    ]);
    expectNoErrors(page, use);
  },

  async "the children of the element are shown if the widget cannot run"(use) {
    const { open, host, service } = use;
    const body = hostPage(service, KENDAL);
    const cases = [
      ["no JavaScript", await open(host.page(body), { javaScriptEnabled: false })],
      ["script blocked", await open(host.page(body, "default-src 'self'"))],
      ["data blocked", await open(host.page(body, `default-src 'self'; script-src ${service}`))],
      ["unknown area", await open(host.page(hostPage(service, KENDAL.replace("mb-kendal", "mb-nowhere"))))],
    ];
    for (const [name, page] of cases) {
      await page.waitForLoadState("networkidle");
      assert.equal(await page.getByText("Our communities").isVisible(), true, name);
    }
  },

  async "attributes can change, and pages can have several elements and set colours"(use) {
    const page = await openWidget(use, `${KENDAL}<catchment-map id="second" layer="pcn" heading="Networks" heading-level="3" height="200"></catchment-map>`);
    const second = page.locator("#second");
    await second.getByRole("heading", { name: "Networks", level: 3 }).waitFor();
    assert.ok((await second.locator("svg").boundingBox()).height <= 201);
    await page.evaluate(() => {
      const element = document.querySelector("catchment-map");
      element.removeAttribute("area");
      element.removeAttribute("search");
      element.setAttribute("label", "All of them");
      element.setAttribute("as-of", "2024-01-01");
      element.style.setProperty("--catchment-land", "rgb(1, 2, 3)");
    });
    await page.getByRole("region", { name: "All of them" }).waitFor();
    const first = page.locator("catchment-map").first();
    assert.equal(await first.getByRole("option").count(), 16);
    assert.equal(await first.getByLabel("Postcode").count(), 0);
    assert.equal(await first.getByRole("option").first().evaluate((path) => getComputedStyle(path).fill), "rgb(1, 2, 3)");
    assert.ok(page.requested.some((request) => request.url().endsWith("/widget/_.json?as_of=2024-01-01")));
  },

  async "the widget passes axe at any width, before and after a search"(use) {
    for (const width of [320, 1280]) {
      const page = await openWidget(use, KENDAL, { viewport: { width, height: 900 } });
      assert.deepEqual(await use.violations(page), []);
      await use.screenshot(page, `widget-${width}`);
      await search(page, "LA9 4QF");
      await page.getByRole("option", { name: "Kendal ICC" }).click();
      await page.getByText("Everyone registered").waitFor();
      await page.getByText("areas on this map").click();
      assert.deepEqual(await use.violations(page), []);
      await use.screenshot(page, `widget-answer-${width}`);
      await search(page, "LA1O 5DL");
      assert.deepEqual(await use.violations(page), []);
      const pageWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(pageWidth <= width, `the page is ${pageWidth} px wide on a screen of ${width} px`);
    }
    const layer = await openWidget(use, "<catchment-map></catchment-map>");
    assert.deepEqual(await use.violations(layer), []);
    await use.screenshot(layer, "widget-layer");
  },

  async "names are linked to the pages of the host"(use) {
    const page = await openWidget(use, KENDAL.replace(" search", ' search link="/{layer}/{id}?a=b"'));
    await search(page, "LA9 4QF");
    for (const [name, path] of [["Kendal ICC", "/icc/mb-kendal?a=b"], ["South Lakeland Resilience Group", "/resilience-group/"], ["Captain French Surgery", "/gp-practice/A82"]]) {
      const address = await page.getByRole("link", { name }).first().evaluate((link) => link.href);
      assert.ok(address.startsWith(use.host.origin + path), address);
    }
    await page.locator("catchment-map").evaluate((element) => element.setAttribute("link", "javascript:alert('{id}')"));
    await page.locator("catchment-map svg [role=option]").first().waitFor();
    await search(page, "LA9 4QF");
    assert.equal(await page.locator("catchment-map dd a:not([href^='tel:'])").count(), 0);
    expectNoErrors(page, use);
  },

  async "scripts learn of the map and of answers, but not of the postcode"(use) {
    const page = await use.open(use.host.page(hostPage(use.service, "")));
    const result = await page.evaluate(async () => {
      await customElements.whenDefined("catchment-map");
      const events = [];
      for (const name of ["ready", "answer", "error"]) document.addEventListener(`catchment-${name}`, ({ detail }) => events.push([name, detail]));
      const element = document.createElement("catchment-map");
      element.setAttribute("area", "mb-kendal");
      document.querySelector("main").append(element);
      const answers = [await element.lookup("LA9 4QF"), await element.lookup("LA1"), await element.lookup("ZZ99 3VZ")];
      await element.show("mb-east");
      await element.show(null);
      await element.show("mb-nowhere");
      return { answers, events };
    });
    const kendal = { status: "located", layer: "icc", id: "mb-kendal", name: "Kendal ICC" };
    const nowhere = { status: "no_fixed_abode", layer: null, id: null, name: null };
    assert.deepEqual(result.answers, [kendal, null, nowhere]);
    assert.deepEqual(result.events, [
      ["ready", { layer: "icc", area: "mb-kendal" }],
      ["answer", kendal],
      ["error", { code: "partial_postcode" }],
      ["answer", nowhere],
      ["ready", { layer: "icc", area: "mb-east" }],
      ["ready", { layer: "icc", area: null }],
      ["error", { code: "unknown_area" }],
    ]);
  },

  async "a postcode is compared with the area of a GP practice"(use) {
    for (const width of [320, 1200]) {
      const page = await openWidget(use, '<catchment-map practice="p81002" heading="Do you live in our area?"></catchment-map>', { viewport: { width, height: 900 } });
      assert.equal(await search(page, "LA1 1RE"), "LA1 1RE is probably in the area of Lancaster Medical Practice.");
      const inside = await page.locator("catchment-map section").innerText();
      assert.match(inside, /Its nearest surgery \(King Street, LA1 1RE\) is .*Ask the practice whether you can register\..*01524 551551.*The practice did not draw it/s);
      assert.deepEqual(await use.violations(page), []);
      await use.screenshot(page, `widget-practice-inside-${width}`);
      assert.equal(await search(page, "LA18 4DB"), "LA18 4DB is probably outside the area of Lancaster Medical Practice.");
      const outside = await page.locator("catchment-map section").innerText();
      assert.match(outside, /is 34\skm away in a straight line\..*it may not visit them at home.*Find a GP practice on the NHS website/s);
      assert.equal(await search(page, "M1 1AA"), "We have no data for this postcode, so we cannot say whether it is in this area.");
      expectNoErrors(page, use);
    }
  },

  async "the styles of the host do not reach the element"(use) {
    // The styles that themes apply to text, and to every element of an article.
    const themes = {
      plain: "",
      // The next two entries are rules of the default themes of WordPress and Drupal, Twenty Twenty-Five and Olivero,
      // for an element in the text of a page.
      "twenty-twenty-five": "body { font-family: Manrope, sans-serif; font-size: clamp(1rem, 0.96rem + 0.2vw, 1.125rem); font-weight: 300; letter-spacing: -0.1px; line-height: 1.4; -webkit-font-smoothing: antialiased; color: #111; } .entry-content > :not(.alignfull) { max-width: 645px; margin-left: auto !important; margin-right: auto !important; } .entry-content > * { margin-block: 1.2rem 0; } p { text-wrap: pretty; } .entry-content svg, .entry-content img { height: auto; max-width: 100%; vertical-align: bottom; } .entry-content button { border-radius: 9999px; text-decoration: none; } .entry-content details summary { cursor: text; }",
      olivero: "*, *::before, *::after { box-sizing: border-box; } html { font-size: 100%; } body { margin: 0; font-family: metropolis, sans-serif; line-height: 1.6875rem; color: #6e7172; overflow-wrap: break-word; } .node__content { font-family: lora, georgia, serif; line-height: 1.875rem; } .node__content p { margin-block: 2.25rem; } .node__content svg { max-width: 100%; height: auto; } .node__content :is(input, button) { appearance: none; min-height: 3.375rem; border-radius: 3px; } .node__content ul li::before { content: '▪'; }",
      wordpress: "html { font-size: 62.5%; } .entry-content { text-align: center; text-transform: uppercase; letter-spacing: 3px; word-spacing: 9px; white-space: nowrap; line-height: 3; text-indent: 40px; font-style: italic; color: red; } .entry-content > * { max-width: 700px; margin: 1em auto; }",
      drupal: "html { font-size: 112.5%; } .node__content * { letter-spacing: 2px !important; } .node__content { hyphens: auto; font-family: serif; font-weight: 300; text-shadow: 1px 1px red; direction: rtl; } .node__content ul, .node__content p { margin: 3em; } .node__content button { display: none; } .node__content input { width: 100%; }",
    };
    const css = ["text-align", "text-transform", "letter-spacing", "word-spacing", "white-space", "text-indent", "font-style", "color", "hyphens", "text-shadow", "font-weight", "direction"];
    const measure = (page) => page.evaluate((css) => {
      const { shadowRoot } = document.querySelector("catchment-map");
      const styles = [".search label", ".search button", "dd"].map((name) => getComputedStyle(shadowRoot.querySelector(name)));
      return styles.map((style) => css.map((name) => style.getPropertyValue(name)));
    }, css);
    let plain;
    for (const width of [320, 1200]) {
      for (const [name, style] of Object.entries(themes)) {
        const body = `<style>${style}</style><div class="entry-content node__content"><p>Text</p>${KENDAL}</div>`;
        const page = await use.open(use.host.page(`<main>${script(use.service)}${body}</main>`), { viewport: { width, height: 900 } });
        await page.locator("catchment-map svg [role=option]").first().waitFor();
        await search(page, "LA9 4QF");
        plain ??= await measure(page);
        assert.deepEqual(await measure(page), plain, name);
        const size = await page.locator("catchment-map #message").evaluate((message) => parseFloat(getComputedStyle(message.parentElement).fontSize));
        assert.ok(size >= 16, `${name}: ${size} px`);
        const element = await page.locator("catchment-map").evaluate((element) => [element.scrollWidth, element.clientWidth]);
        assert.ok(element[0] <= element[1], `${name}: ${element}`);
        await use.screenshot(page, `widget-${name}-${width}`);
      }
    }
  },

  async "labels are legible in dark colours"(use) {
    const colours = "--catchment-ink:#eee;--catchment-paper:#111;--catchment-land:#24483c;--catchment-around:#1c2a26;--catchment-sea:#0c1a22";
    for (const width of [320, 1200]) {
      const page = await use.open(use.host.page(`<style>body { background: #111; color: #eee } catchment-map { ${colours} }</style>${hostPage(use.service, KENDAL)}`), { viewport: { width, height: 900 } });
      await page.locator("catchment-map text").first().waitFor();
      const text = await page.locator("catchment-map text").first().evaluate((text) => [getComputedStyle(text).fill, getComputedStyle(text).stroke]);
      assert.deepEqual(text, ["rgb(238, 238, 238)", "rgb(17, 17, 17)"]);
      await search(page, "LA9 4QF");
      const violations = (await use.violations(page)).filter((violation) => !JSON.stringify(violation).includes("#end"));
      assert.deepEqual(violations, []);
      await use.screenshot(page, `widget-dark-${width}`);
    }
  },

  async "the page does not move while the map loads, and the map fills its space"(use) {
    for (const width of [320, 1200]) {
      const space = "<style>catchment-map { display: block; min-height: 720px; }</style>";
      const page = await use.open(use.host.page(space + hostPage(use.service, KENDAL)), { viewport: { width, height: 1200 } });
      await page.locator("catchment-map text").first().waitFor();
      await page.waitForTimeout(300);
      const shift = await page.evaluate(() => new Promise((resolve) => {
        let total = 0;
        new PerformanceObserver((entries) => { for (const { value } of entries.getEntries()) total += value; }).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => resolve(total), 300);
      }));
      assert.ok(shift < 0.001, `${width} px: a layout shift of ${shift}`);
      const right = await page.evaluate(() => {
        const element = document.querySelector("catchment-map");
        const edges = (box) => [box.left, box.right].map(Math.round);
        return [edges(element.getBoundingClientRect()), edges(element.shadowRoot.querySelector("svg").getBoundingClientRect()), edges(element.shadowRoot.querySelector(".search").getBoundingClientRect())];
      });
      const [[left, end], [mapLeft, mapEnd], [searchLeft, searchEnd]] = right;
      if (width === 1200) assert.ok(Math.abs(end - mapEnd) <= 1 && searchLeft === left && mapLeft - searchEnd <= 40, JSON.stringify(right));
    }
  },

  async "the widget works with forced colours, with reduced motion and in print"(use) {
    const page = await openWidget(use, KENDAL, { forcedColors: "active", reducedMotion: "reduce" });
    const option = page.getByRole("option", { name: "Kendal ICC" });
    const before = await option.evaluate((path) => getComputedStyle(path).fill);
    await option.press("Enter");
    assert.notEqual(await option.evaluate((path) => getComputedStyle(path).fill), before);
    assert.equal(await page.evaluate(() => document.querySelector("catchment-map").shadowRoot.getAnimations?.().length ?? 0), 0);
    await use.screenshot(page, "widget-forced-colours");
    await page.emulateMedia({ media: "print", forcedColors: "none" });
    assert.equal(await page.getByLabel("Postcode").isVisible(), false);
    assert.equal(await option.isVisible(), true);
  },
};
