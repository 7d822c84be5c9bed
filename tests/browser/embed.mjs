// Tests of the embedded frame and of the page with the code to copy.

import assert from "node:assert/strict";

export const tests = {
  async "a sandboxed frame draws, searches and reports its height"(use) {
    const { host, service } = use;
    const body = `<main><h1>Our town</h1><iframe src="${service}/embed?area=mb-kendal&search=on" title="Map" width="100%" height="300" sandbox="allow-scripts allow-popups" referrerpolicy="no-referrer"></iframe></main><script type="module" src="${service}/embed.js"></script>`;
    const page = await use.open(host.page(body, `default-src 'self'; frame-src ${service}; script-src ${service}; img-src data:`));
    const frame = page.frameLocator("iframe");
    await frame.getByRole("option", { name: "Kendal ICC" }).waitFor();
    await page.waitForFunction(() => Number(document.querySelector("iframe").height) > 500);
    await frame.getByLabel("Postcode").fill("LA9 4QF");
    await frame.getByRole("button", { name: "Look up" }).click();
    await frame.getByText("LA9 4QF is in the area of Kendal ICC.").waitFor();
    assert.deepEqual(page.errors, []);
    const others = page.requested.map((request) => request.url()).filter((url) => ![host.origin, service, "data:"].some((ours) => url.startsWith(ours)));
    assert.deepEqual(others, []);
  },

  async "websites that are not allowed cannot show the frame"(use) {
    const strict = await use.startService("--embed-origin", "https://www.example.nhs.uk");
    try {
      const page = await use.open(use.host.page(`<iframe src="${strict.origin}/embed" title="Map"></iframe>`));
      await page.waitForLoadState("networkidle");
      assert.match(page.errors.join(" "), /frame-ancestors/);
    } finally {
      strict.stop();
    }
  },

  async "the page in the frame works with and without JavaScript"(use) {
    const url = `${use.service}/embed?area=mb-kendal&search=on`;
    for (const width of [320, 1280]) {
      const page = await use.open(url, { viewport: { width, height: 900 } });
      await page.getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(await use.violations(page), []);
      assert.deepEqual(page.errors, []);
      await use.screenshot(page, `embed-${width}`);
    }
    const plain = await use.open(url, { javaScriptEnabled: false });
    assert.equal(await plain.getByRole("heading", { name: "Kendal ICC" }).isVisible(), true);
    assert.equal(await plain.getByRole("link", { name: /Look up a postcode/ }).isVisible(), true);
  },

  async "the code to copy follows the form and works on another website"(use) {
    const url = `${use.service}/put-this-map-on-your-site`;
    for (const width of [320, 1280]) {
      const page = await use.open(url, { viewport: { width, height: 900 } });
      await page.locator("svg [role=option]").first().waitFor();
      assert.deepEqual(await use.violations(page), []);
      const pageWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(pageWidth <= width, `the page is ${pageWidth} px wide on a screen of ${width} px`);
      await use.screenshot(page, `site-${width}`);
      await page.getByLabel("Map to show").selectOption("icc/mb-kendal");
      await page.getByRole("button", { name: "Update the code" }).click();
      await page.locator("catchment-map [aria-label='Kendal ICC'].focus").waitFor();
      assert.deepEqual(await use.violations(page), []);
      assert.deepEqual(page.errors, []);
      const code = await page.locator("#code-element").textContent();
      const policy = (await page.locator("#policy-element").textContent()).replace("Content-Security-Policy: ", "");
      const pasted = await use.open(use.host.page(`<main><h1>Our town</h1>${code}</main>`, `default-src 'self'; img-src data:; ${policy}`));
      await pasted.getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(pasted.errors, []);
      const frame = await page.locator("#code-frame").textContent();
      const framing = (await page.locator("#policy-frame").textContent()).replace("Content-Security-Policy: ", "");
      const framed = await use.open(use.host.page(`<main><h1>Our town</h1>${frame}</main>`, `default-src 'self'; img-src data:; ${framing}`));
      await framed.frameLocator("iframe").getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(framed.errors, []);
    }
    const plain = await use.open(url, { javaScriptEnabled: false });
    await plain.getByLabel("Map to show").selectOption("icc/mb-kendal");
    await plain.getByLabel("Include a postcode search").uncheck();
    await plain.getByRole("button", { name: "Update the code" }).click();
    assert.match(await plain.locator("#code-element").textContent(), /<catchment-map area="mb-kendal">/);
  },
};
