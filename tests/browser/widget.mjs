// <catchment-map> on a page of another site, under a policy that allows our address and nothing inline.

import assert from "node:assert/strict";

const policy = (service) => `default-src 'self'; script-src 'self' ${service}; connect-src 'self' ${service}; img-src 'self' data:`;
const script = (service) => `<script type="module" src="${service}/widget.js"></script>`;
const page = (service, element) => `<main><h1>Our town</h1><p><a href="#end">Before</a></p>${script(service)}${element}<p id="end"><a href="#end">After</a></p></main>`;
const KENDAL = '<catchment-map area="mb-kendal" search><p><a href="/communities">Our communities</a></p></catchment-map>';

// A page with the element, drawn.
async function shown({ open, host, service }, element = KENDAL, options = {}) {
  const made = await open(host.page(page(service, element), policy(service)), options);
  await made.locator("catchment-map svg [role=option]").first().waitFor();
  return made;
}

function isQuiet(made, { host, service }) {
  assert.deepEqual(made.faults, []);
  const others = made.requested.map((it) => it.url()).filter((url) => !url.startsWith(host.origin) && !url.startsWith(service) && !url.startsWith("data:"));
  assert.deepEqual(others, []);
}

async function search(made, text) {
  await made.getByLabel("Postcode").fill(text);
  await made.getByRole("button", { name: "Look up" }).click();
  await made.waitForFunction(() => !/^(Looking|$)/.test(document.querySelector("catchment-map").shadowRoot.querySelector("#said").textContent));
  return made.locator("catchment-map #said").textContent();
}

const chosen = (made) => made.evaluate(() => window.chosen);
const listen = (made) => made.evaluate(() => {
  window.chosen = [];
  document.addEventListener("catchment-select", (event) => window.chosen.push(event.detail));
});
const active = (made) => made.evaluate(() => document.activeElement.shadowRoot?.activeElement?.getAttribute("aria-label") ?? document.activeElement.shadowRoot?.activeElement?.tagName ?? document.activeElement.textContent);

export const tests = {
  async "it draws under a strict policy, asks nobody else and leaves nothing behind"(use) {
    const made = await shown(use);
    isQuiet(made, use);
    assert.equal(await made.getByRole("option", { name: "Kendal ICC" }).count(), 1);
    assert.equal(await made.getByText("Our communities").isVisible(), false);
    assert.match(await made.locator("catchment-map section").innerText(), /Indicative: .* not an official map.*Crown copyright/s);
    assert.deepEqual(await made.context().cookies(), []);
    assert.equal(await made.evaluate(() => localStorage.length + sessionStorage.length), 0);
    const sizes = await Promise.all(made.requested.filter((it) => it.url().startsWith(use.service)).map((it) => it.sizes()));
    const all = sizes.reduce((sum, it) => sum + it.responseBodySize, 0);
    assert.ok(all < 15_000, `${all} bytes`);
  },

  async "a postcode is answered in words that claim no more than is known, and stands in no address"(use) {
    const made = await shown(use);
    await listen(made);
    assert.equal(await search(made, "la9 4qf"), "The area that LA9 4QF lies in: Kendal ICC.");
    const words = await made.locator("catchment-map section").innerText();
    assert.match(words, /GP practices whose area includes LA9 4QF/);
    assert.match(words, /Whoever is registered with a GP practice/);
    assert.doesNotMatch(words, /your (ICC|community|practice) is/i);
    assert.equal(await made.locator("catchment-map .mark").count(), 1);
    assert.equal(await made.getByRole("option", { name: "Kendal ICC" }).getAttribute("aria-selected"), "true");
    for (const request of made.requested) {
      assert.doesNotMatch(decodeURIComponent(request.url()), /LA9\s*4QF/i);
      if (/4QF/i.test(request.postData() ?? "")) assert.equal(request.url(), `${use.service}/api/v1/locate`);
      if (request.method() === "POST") assert.ok(!request.headers().referer);
    }
    assert.deepEqual(await chosen(made), []);
    isQuiet(made, use);
  },

  async "what cannot be answered is told, and nothing is repaired in silence"(use) {
    const made = await shown(use);
    for (const [text, words] of [
      ["", "Enter a postcode."],
      ["LA1", "Enter the full postcode; this is only its first part."],
      ["LA9 0AA", "There is no such postcode. Check it, and try again."],
      ["ZZ99 3VZ", "This code stands for no fixed abode. It is not a place."],
      ["SW1A 1AA", "This postcode lies outside every area that this service holds."],
      ["LA1O 5DL", "That is not a UK postcode."],
    ]) {
      assert.equal(await search(made, text), words, text);
    }
    assert.equal(await active(made), "INPUT");
    assert.equal(await made.getByLabel("Postcode").getAttribute("aria-invalid"), "true");
    await made.getByRole("button", { name: "Did you mean LA10 5DL?" }).click();
    await made.getByText("The area that LA10 5DL lies in: East ICC.").waitFor();
    assert.equal(await search(made, "LA18 4DB"), "The area that LA18 4DB lies in: Barrow and Millom ICC.");
    assert.match(await made.locator("catchment-map section").innerText(), /It is not on this map/);
    // A postcode is several addresses, and some are near the border.
    assert.equal(await search(made, "LA10 5EE"), "The area that LA10 5EE lies in: Kendal ICC.");
    assert.match(await made.locator("catchment-map section").innerText(), /Close to the edge of that area, \d+\sm away\. On the other side: East ICC\./);
    // Elsewhere there are neighbourhood teams in their place.
    assert.match(await search(made, "BB11 1AA"), /neighbourhood team\.$/);
  },

  async "the map is one stop of the keyboard; arrows reach every area, Enter selects, Escape leaves"(use) {
    const made = await shown(use, '<catchment-map></catchment-map>');
    await listen(made);
    await made.getByText("Before").focus();
    await made.keyboard.press("Tab");
    const areas = await made.getByRole("option").evaluateAll((all) => all.map((it) => it.getAttribute("aria-label")));
    assert.equal(areas.length, 16);
    assert.ok(areas.includes(await active(made)));
    const reached = new Set([await active(made)]);
    for (const [key, times] of [["ArrowLeft", 16], ["ArrowRight", 16]]) {
      for (let at = 0; at < times; at += 1) {
        await made.keyboard.press(key);
        reached.add(await active(made));
      }
    }
    assert.deepEqual([...reached].sort(), [...areas].sort());
    await made.keyboard.press("Home");
    assert.equal(await active(made), areas[0]);
    await made.keyboard.press("Enter");
    assert.deepEqual((await chosen(made)).map((it) => [it.layer, it.name]), [["icc", areas[0]]]);
    await made.getByText(`Everyone registered with one of these GP practices belongs to ${areas[0]}:`).waitFor();
    await use.picture(made, "widget-keyboard");
    assert.equal(await made.locator("catchment-map .ring").first().evaluate((it) => getComputedStyle(it).display), "inline");
    await made.keyboard.press("Escape");
    assert.equal(await active(made), "SUMMARY");
    await made.keyboard.press("Shift+Tab");
    assert.equal(await active(made), areas[0]);
    await made.keyboard.press("Tab");
    // Closes the list in words.
    await made.keyboard.press("Enter");
    await made.keyboard.press("Tab");
    assert.equal(await active(made), "After");
  },

  async "a click and the list in words select as well"(use) {
    const made = await shown(use);
    await listen(made);
    await made.getByRole("option", { name: "Kendal ICC" }).click();
    await made.getByText("areas on this map, in words").click();
    await made.getByRole("button", { name: "East ICC" }).click();
    assert.deepEqual(await chosen(made), [
      { layer: "icc", id: "mb-kendal", name: "Kendal ICC" },
      { layer: "icc", id: "mb-east", name: "East ICC" },
    ]);
    isQuiet(made, use);
  },

  async "its children stand in wherever it cannot run"(use) {
    const { open, host, service } = use;
    const body = page(service, KENDAL);
    const cases = [
      ["without script", await open(host.page(body), { javaScriptEnabled: false })],
      ["the script refused", await open(host.page(body, "default-src 'self'"))],
      ["the data refused", await open(host.page(body, `default-src 'self'; script-src ${service}`))],
      ["no such area", await open(host.page(page(service, KENDAL.replace("mb-kendal", "mb-nowhere"))))],
    ];
    for (const [name, made] of cases) {
      await made.waitForLoadState("networkidle");
      assert.equal(await made.getByText("Our communities").isVisible(), true, name);
    }
  },

  async "attributes are observed, several elements live on a page, colours are the page's"(use) {
    const made = await shown(use, `${KENDAL}<catchment-map id="second" layer="pcn" heading="Networks" heading-level="3" height="200"></catchment-map>`);
    const second = made.locator("#second");
    await second.getByRole("heading", { name: "Networks", level: 3 }).waitFor();
    assert.ok((await second.locator("svg").boundingBox()).height <= 201);
    await made.evaluate(() => {
      const element = document.querySelector("catchment-map");
      element.removeAttribute("area");
      element.removeAttribute("search");
      element.setAttribute("label", "All of them");
      element.setAttribute("as-of", "2024-01-01");
      element.style.setProperty("--catchment-land", "rgb(1, 2, 3)");
    });
    await made.getByRole("region", { name: "All of them" }).waitFor();
    const first = made.locator("catchment-map").first();
    assert.equal(await first.getByRole("option").count(), 16);
    assert.equal(await first.getByLabel("Postcode").count(), 0);
    assert.equal(await first.getByRole("option").first().evaluate((it) => getComputedStyle(it).fill), "rgb(1, 2, 3)");
    assert.ok(made.requested.some((it) => it.url().endsWith("/widget/icc.json?as_of=2024-01-01")));
  },

  async "axe finds nothing, at any width, before and after an answer"(use) {
    for (const width of [320, 1280]) {
      const made = await shown(use, KENDAL, { viewport: { width, height: 900 } });
      assert.deepEqual(await use.violations(made), []);
      await use.picture(made, `widget-${width}`);
      await search(made, "LA9 4QF");
      await made.getByRole("option", { name: "Kendal ICC" }).click();
      await made.getByText("Everyone registered").waitFor();
      await made.getByText("areas on this map, in words").click();
      assert.deepEqual(await use.violations(made), []);
      await use.picture(made, `widget-answer-${width}`);
      await search(made, "LA1O 5DL");
      assert.deepEqual(await use.violations(made), []);
      const wide = await made.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} wide at ${width}`);
    }
    const layer = await shown(use, "<catchment-map></catchment-map>");
    assert.deepEqual(await use.violations(layer), []);
    await use.picture(layer, "widget-layer");
  },

  async "forced colours, reduced motion and paper"(use) {
    const made = await shown(use, KENDAL, { forcedColors: "active", reducedMotion: "reduce" });
    const option = made.getByRole("option", { name: "Kendal ICC" });
    const before = await option.evaluate((it) => getComputedStyle(it).fill);
    await option.press("Enter");
    assert.notEqual(await option.evaluate((it) => getComputedStyle(it).fill), before);
    assert.equal(await made.evaluate(() => document.querySelector("catchment-map").shadowRoot.getAnimations?.().length ?? 0), 0);
    await use.picture(made, "widget-forced-colours");
    await made.emulateMedia({ media: "print", forcedColors: "none" });
    assert.equal(await made.getByLabel("Postcode").isVisible(), false);
    assert.equal(await option.isVisible(), true);
  },
};
