// Tests of the pages of areas, practices and groups, the comparison of two dates, and the error page.

import assert from "node:assert/strict";

// The path of a page of each kind, by the name of its screenshot.
const PAGES = {
  "areas": "/areas",
  "layer": "/areas/icc",
  "area": "/areas/icc/mb-barrow-and-millom?as_of=2025-12-01",
  "area-ended": "/areas/icc/mb-lancaster-legacy",
  "area-postcodes": "/areas/icc/mb-kendal/postcodes",
  "practices": "/practices?name=surgery",
  "practice": "/practices/P81002",
  "practice-closed": "/practices/P81064",
  "groups": "/groups",
  "group": "/groups/south-lakeland-resilience-group",
  "compare": "/compare?layer=sub-icb&from=2022-03-31&to=2022-07-01",
  "changes": "/changes?as_of=2022-06-30",
  "not-found": "/areas/icc/mb-nowhere",
};

const pageWidth = (page) => page.evaluate(() => document.documentElement.scrollWidth);

export const tests = {
  async "every kind of page passes axe and fits screens from 320 px"(use) {
    for (const [name, path] of Object.entries(PAGES)) {
      const page = await use.open(use.service + path);
      await page.waitForLoadState("networkidle");
      for (const width of [320, 768, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        if (width !== 768) assert.deepEqual(await use.violations(page), [], `${path} at ${width}`);
        assert.ok((await pageWidth(page)) <= width, `${path} is ${await pageWidth(page)} px wide on a screen of ${width} px`);
        await use.screenshot(page, `directory-${name}-${width}`);
      }
      // The browser logs status 404 as an error.
      const errors = page.errors.filter((error) => !error.includes("404"));
      assert.deepEqual(errors, [], path);
      const others = page.requested.map((request) => request.url()).filter((url) => !url.startsWith(use.service));
      assert.deepEqual(others, [], path);
      await page.context().close();
    }
  },

  async "descriptions for search engines do not violate the content security policy"(use) {
    const types = { "/areas/icc/mb-kendal": "Place", "/practices/P81002": "MedicalClinic", "/sources": "Dataset" };
    for (const [path, type] of Object.entries(types)) {
      const page = await use.open(use.service + path);
      await page.waitForLoadState("networkidle");
      const texts = await page.locator("script[type='application/ld+json']").allTextContents();
      assert.deepEqual(texts.map((text) => JSON.parse(text)["@type"]), [type], path);
      // The browser logs each violation of the policy as an error.
      assert.deepEqual(page.errors, [], path);
      await page.context().close();
    }
  },

  async "pages fit the screen at 400% zoom with forced colours"(use) {
    for (const path of [PAGES.area, PAGES.practice, PAGES.compare]) {
      // At 400% zoom, a screen 1280 px wide is 320 CSS px wide.
      const page = await use.open(use.service + path, { viewport: { width: 320, height: 256 }, forcedColors: "active" });
      assert.ok((await pageWidth(page)) <= 320, path);
      assert.equal(await page.getByRole("heading", { level: 1 }).isVisible(), true);
      await use.screenshot(page, `directory-forced-${Object.values(PAGES).indexOf(path)}`);
    }
  },

  async "pages print with the map and dataset, without forms"(use) {
    const page = await use.open(use.service + PAGES.area);
    await page.waitForLoadState("networkidle");
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.getByRole("button", { name: "Show this date" }).isVisible(), false);
    assert.equal(await page.getByRole("navigation", { name: "Menu" }).isVisible(), false);
    assert.equal(await page.getByRole("img", { name: /Map of Barrow and Millom ICC/ }).isVisible(), true);
    assert.equal(await page.getByText(/dataset lancashire-and-cumbria/i).first().isVisible(), true);
    await use.screenshot(page, "directory-print");
  },

  async "links between areas and practices work with the keyboard and without JavaScript"(use) {
    const page = await use.open(`${use.service}/areas`, { javaScriptEnabled: false });
    await page.getByRole("link", { name: "Integrated Care Communities" }).first().click();
    await page.getByRole("link", { name: "Kendal ICC" }).first().click();
    await page.getByRole("heading", { level: 1, name: /Kendal ICC/ }).waitFor();
    const practice = page.getByRole("rowheader").getByRole("link").first();
    const name = await practice.textContent();
    await practice.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await page.getByRole("link", { name: "Kendal ICC" }).first().click();
    await page.getByRole("heading", { level: 1, name: /Kendal ICC/ }).waitFor();
  },

  async "the form shows the page for a different date"(use) {
    const page = await use.open(`${use.service}/areas/sub-icb/01K`);
    await page.getByLabel("Show a different date").fill("2022-06-30");
    await page.getByRole("button", { name: "Show this date" }).click();
    await page.getByRole("heading", { level: 1, name: /NHS Morecambe Bay CCG/ }).waitFor();
    await page.getByRole("link", { name: "Show today" }).click();
    await page.getByRole("heading", { level: 1, name: /ICB - 01K/ }).waitFor();
  },

  async "practices are found by part of their name, but not by postcode"(use) {
    const page = await use.open(`${use.service}/practices`);
    await page.getByLabel("Name, street, town or code").fill("king street");
    await page.getByLabel("Status").selectOption("all");
    await page.getByRole("button", { name: "Show practices" }).click();
    await page.getByRole("link", { name: "King Street Surgery" }).click();
    await page.getByText("Its last day was 30 June 2018").waitFor();
    await page.goto(`${use.service}/practices`);
    await page.getByLabel("Name, street, town or code").fill("LA18 4DB");
    await page.getByRole("button", { name: "Show practices" }).click();
    await page.getByText(/use the look-up page for a postcode/).waitFor();
  },
};
