// The frame, and the page that gives the lines to copy.

import assert from "node:assert/strict";

export const tests = {
  async "a frame in a sandbox draws, searches and tells its height"(use) {
    const { host, service } = use;
    const body = `<main><h1>Our town</h1><iframe src="${service}/embed?area=mb-kendal&search=on" title="Map" width="100%" height="300" sandbox="allow-scripts allow-popups" referrerpolicy="no-referrer"></iframe></main><script type="module" src="${service}/embed.js"></script>`;
    const made = await use.open(host.page(body, `default-src 'self'; frame-src ${service}; script-src ${service}; img-src data:`));
    const frame = made.frameLocator("iframe");
    await frame.getByRole("option", { name: "Kendal ICC" }).waitFor();
    await made.waitForFunction(() => Number(document.querySelector("iframe").height) > 500);
    await frame.getByLabel("Postcode").fill("LA9 4QF");
    await frame.getByRole("button", { name: "Look up" }).click();
    await frame.getByText("The area that LA9 4QF lies in: Kendal ICC.").waitFor();
    assert.deepEqual(made.faults, []);
    const others = made.requested.map((it) => it.url()).filter((url) => ![host.origin, service, "data:"].some((ours) => url.startsWith(ours)));
    assert.deepEqual(others, []);
  },

  async "sites that are not named hold no frame"(use) {
    const strict = await use.startService("--embed-origin", "https://www.example.nhs.uk");
    try {
      const made = await use.open(use.host.page(`<iframe src="${strict.origin}/embed" title="Map"></iframe>`));
      await made.waitForLoadState("networkidle");
      assert.match(made.faults.join(" "), /frame-ancestors/);
    } finally {
      strict.stop();
    }
  },

  async "the page in the frame stands by itself, with and without script"(use) {
    const address = `${use.service}/embed?area=mb-kendal&search=on`;
    for (const width of [320, 1280]) {
      const made = await use.open(address, { viewport: { width, height: 900 } });
      await made.getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(await use.violations(made), []);
      assert.deepEqual(made.faults, []);
      await use.picture(made, `embed-${width}`);
    }
    const plain = await use.open(address, { javaScriptEnabled: false });
    assert.equal(await plain.getByRole("heading", { name: "Kendal ICC" }).isVisible(), true);
    assert.equal(await plain.getByRole("link", { name: /Look up a postcode/ }).isVisible(), true);
  },

  async "lines to copy follow the choice, and work where they are pasted"(use) {
    const address = `${use.service}/put-this-map-on-your-site`;
    for (const width of [320, 1280]) {
      const made = await use.open(address, { viewport: { width, height: 900 } });
      await made.locator("svg [role=option]").first().waitFor();
      assert.deepEqual(await use.violations(made), []);
      const wide = await made.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} wide at ${width}`);
      await use.picture(made, `site-${width}`);
      await made.getByLabel("What it shows").selectOption("icc/mb-kendal");
      await made.getByRole("button", { name: "Show" }).click();
      await made.locator("catchment-map [aria-label='Kendal ICC'].own").waitFor();
      assert.deepEqual(await use.violations(made), []);
      assert.deepEqual(made.faults, []);
      const lines = await made.locator("#lines-element").textContent();
      const policy = (await made.locator("#policy-element").textContent()).replace("Content-Security-Policy: ", "");
      const pasted = await use.open(use.host.page(`<main><h1>Our town</h1>${lines}</main>`, `default-src 'self'; img-src data:; ${policy}`));
      await pasted.getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(pasted.faults, []);
      const frame = await made.locator("#lines-frame").textContent();
      const framing = (await made.locator("#policy-frame").textContent()).replace("Content-Security-Policy: ", "");
      const framed = await use.open(use.host.page(`<main><h1>Our town</h1>${frame}</main>`, `default-src 'self'; img-src data:; ${framing}`));
      await framed.frameLocator("iframe").getByRole("option", { name: "Kendal ICC" }).waitFor();
      assert.deepEqual(framed.faults, []);
    }
    const plain = await use.open(address, { javaScriptEnabled: false });
    await plain.getByLabel("What it shows").selectOption("icc/mb-kendal");
    await plain.getByLabel("With a field for a postcode").uncheck();
    await plain.getByRole("button", { name: "Show" }).click();
    assert.match(await plain.locator("#lines-element").textContent(), /<catchment-map area="mb-kendal">/);
  },
};
