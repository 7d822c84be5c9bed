// Tests of the look-up page and other pages for staff. The tests use the keyboard, wide and narrow screens, and print,
// and some tests disable JavaScript.

import assert from "node:assert/strict";

const HOST = /^(https?:\/\/(127\.0\.0\.1|localhost):\d+\/|data:)/;

// The look-up page in each of its states.
const PAGES = {
  home: async (page) => page.locator("#place").waitFor(),
  answer: async (page) => lookUp(page, "LA18 4DB", "P81064"),
  near: async (page) => lookUp(page, "CA2 5SS"),
  coordinate: async (page) => lookUp(page, "54.209742, -3.269471"),
  outside: async (page) => lookUp(page, "SW1A 1AA"),
  error: async (page) => {
    await page.getByLabel("Postcode, coordinates or grid reference").fill("LA1O 5DL");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "There is a problem" }).waitFor();
  },
};
// The paths of the other pages.
const PATHS = ["/batch", "/privacy", "/accessibility", "/sources", "/docs", "/put-this-map-on-your-site", "/ogc?f=html", "/ogc/collections?f=html", "/ogc/collections/icc?f=html", "/ogc/collections/icc/items?f=html"];

async function lookUp(page, place, practice = "") {
  await page.getByLabel("Postcode, coordinates or grid reference").fill(place);
  await page.getByLabel("GP practice: name or code (optional)").fill(practice);
  await page.keyboard.press("Enter");
  await page.locator("#answer-title").waitFor();
}

function expectNoErrors(page) {
  const others = page.requested.map((request) => request.url()).filter((url) => !HOST.test(url));
  assert.deepEqual(others, []);
  // The response to an invalid form has status 400, which the browser logs as an error.
  const errors = page.errors.filter((error) => !error.includes("status of 400"));
  assert.deepEqual(errors, []);
}

// Checks that the page does not scroll sideways.
async function expectNoSidewaysScroll(page, name) {
  const [width, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(width <= screen, `${name}: the page is ${width} px wide on a screen of ${screen} px`);
}

export const tests = {
  async "look-ups work with the keyboard only"(use) {
    const page = await use.open(`${use.service}/`);
    // The field has the focus when the page opens.
    await page.keyboard.type("la184db");
    await page.keyboard.press("Enter");
    await page.locator("#answer-title").waitFor();
    assert.equal(await page.locator("#answer").getByText("Barrow and Millom ICC").first().isVisible(), true);
    assert.equal(page.url(), `${use.service}/`);
    // The field for the next place is empty and has the focus. A screen reader reads the result as the description of
    // the field.
    assert.equal(await page.evaluate(() => document.activeElement.id), "place");
    assert.equal(await page.locator("#place").inputValue(), "");
    assert.match(await page.locator("#place").getAttribute("aria-describedby"), /answer-summary/);
    expectNoErrors(page);
  },

  async "three look-ups one after another take a postcode and Enter each, and never mix two callers"(use) {
    const page = await use.open(`${use.service}/`);
    for (const [place, practice, expected] of [["LA184DB", "P81064", "Lancaster ICC"], ["LA9 6SA", "", "Kendal ICC"], ["CA2 5SS", "", "Carlisle Healthcare ICC"]]) {
      await page.keyboard.type(place);
      if (practice) {
        await page.keyboard.press("Tab");
        await page.keyboard.type(practice);
      }
      await page.keyboard.press("Enter");
      await page.locator("#answer-title", { hasText: place.slice(-3) }).waitFor();
      await page.waitForFunction(() => document.activeElement.id === "place");
      assert.equal(await page.locator(".bases").getByText(expected).first().isVisible(), true, expected);
      assert.equal(await page.locator(".bases").getByText("Where they are registered").count() > 0, practice !== "");
      for (const field of ["#place", "#practice", "#as_of-day", "#as_of-month", "#as_of-year"]) {
        assert.equal(await page.locator(field).inputValue(), "", field);
      }
    }
    expectNoErrors(page);
  },

  async "the community, groups and practices are in the first window"(use) {
    for (const javaScriptEnabled of [true, false]) {
      const page = await use.open(`${use.service}/`, { viewport: { width: 1366, height: 625 }, javaScriptEnabled });
      for (const [place, practice] of [["LA18 4DB", ""], ["LA18 4DB", "P81064"], ["CA2 5SS", "A82608"], ["LA18 4BY", "A82033"], ["LA12 0RF", ""], ["LA9 6SA", "P99999"], ["LA18 4DB", "B86003"], ["ZZ99 3VZ", "A82033"], ["BB5 1AA", ""], ["M1 1AA", ""]]) {
        await lookUp(page, place, practice);
        const { y, height } = await page.locator("#answer-summary").boundingBox();
        assert.ok(y > 0 && y + height <= 625, `${place} ${practice}: ${y + height}`);
      }
      await lookUp(page, "LA18 4DB", "P81064");
      await use.screenshot(page, "answer-1366");
    }
  },

  async "links of a result open in a new tab"(use) {
    for (const javaScriptEnabled of [true, false]) {
      const page = await use.open(`${use.service}/`, { javaScriptEnabled });
      await lookUp(page, "LA18 4DB", "P81064");
      const opened = page.context().waitForEvent("page");
      await page.locator(".bases").getByRole("link", { name: "Barrow and Millom ICC" }).first().click();
      const area = await opened;
      await area.waitForLoadState();
      assert.match(new URL(area.url()).pathname, /^\/areas\/icc\//);
      assert.equal(await page.locator("#answer-title").textContent(), "LA18 4DB");
    }
  },

  async "practices are found by name, and an error keeps what was typed"(use) {
    const page = await use.open(`${use.service}/`);
    await page.getByLabel("Postcode, coordinates or grid reference").fill("LA18 4DB");
    await page.getByLabel("GP practice: name or code (optional)").fill("carlisle");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: /GP practices match/ }).waitFor();
    assert.equal(await page.locator("#place").inputValue(), "LA18 4DB");
    assert.equal(await page.locator("#practice").inputValue(), "carlisle");
    assert.deepEqual(await use.violations(page), []);
    await use.screenshot(page, "choice-1366");
    await page.getByRole("button", { name: /Carlisle Healthcare/ }).first().press("Enter");
    await page.locator(".bases").getByText("Where they are registered").first().waitFor();
  },

  async "the error summary has the focus and links to the field"(use) {
    const page = await use.open(`${use.service}/`);
    await PAGES.error(page);
    assert.match(await page.evaluate(() => document.activeElement.className), /nhsuk-error-summary/);
    assert.match(await page.title(), /^Error: /);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "place");
    // The suggested postcode is looked up only when the user chooses it.
    await page.getByRole("button", { name: "LA10 5DL" }).press("Enter");
    await page.locator("#answer-title", { hasText: "LA10 5DL" }).waitFor();
  },

  async "look-ups work without JavaScript"(use) {
    const page = await use.open(`${use.service}/`, { javaScriptEnabled: false });
    await lookUp(page, "LA18 4DB", "P81064");
    for (const text of ["Barrow and Millom ICC", "Lancaster ICC", "Waterloo House Surgery", "West Cumbria Resilience Group"]) {
      assert.equal(await page.locator("#answer").getByText(text).first().isVisible(), true, text);
    }
    assert.equal(await page.locator("#answer svg[role=img]").isVisible(), true);
    // The form for the next look-up contains nothing from this look-up.
    assert.equal(await page.locator("#place").inputValue(), "");
    assert.equal(await page.locator("#practice").inputValue(), "");
    await page.locator("#place").fill("LA18 4DB");
    await page.getByText("Use a different date").click();
    await page.getByLabel("Day", { exact: true }).fill("31");
    await page.getByLabel("Month").fill("2");
    await page.getByLabel("Year").fill("2023");
    await page.getByRole("button", { name: "Look up", exact: true }).click();
    await page.getByRole("link", { name: "Enter a real date" }).click();
    assert.equal(await page.getByLabel("Year").isVisible(), true);
    assert.equal(await page.getByLabel("Year").inputValue(), "2023");
    assert.equal(await page.locator("#place").inputValue(), "LA18 4DB");
  },

  async "a double click sends the form once"(use) {
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

  async "a result leaves nothing in URLs or in browser storage"(use) {
    const page = await use.open(`${use.service}/`);
    await lookUp(page, "LA18 4DB", "P81064");
    const urls = page.requested.map((request) => request.url().toLowerCase());
    assert.deepEqual(urls.filter((url) => /la18|4db|p81064/.test(url)), []);
    const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
    assert.deepEqual(stored, [0, 0, ""]);
  },

  async "every page passes axe and fits screens from 320 px"(use) {
    const visits = [
      ...Object.entries(PAGES).map(([name, visit]) => [name, "/", visit]),
      ...PATHS.map((path) => [path.replace(/\W+/g, "-").slice(1), path, async () => {}]),
    ];
    for (const [name, path, visit] of visits) {
      const page = await use.open(use.service + path, { viewport: { width: 320, height: 900 } });
      await visit(page);
      await page.waitForLoadState("networkidle");
      for (const width of [320, 768, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        await expectNoSidewaysScroll(page, `${name} at ${width}`);
        if (width !== 768) assert.deepEqual(await use.violations(page), [], `${name} at ${width}`);
        await use.screenshot(page, `${name}-${width}`);
      }
      expectNoErrors(page);
      await page.context().close();
    }
  },

  async "column names wrap at underscores and not inside words"(use) {
    const csv = "postcode,code_of_the_registered_general_practice_organisation\nLA18 4DB,P81064\n";
    for (const width of [320, 1366]) {
      const page = await use.open(`${use.service}/batch`, { viewport: { width, height: 900 } });
      await page.getByText("Columns and options").click();
      await page.locator("#practice_column").fill("code_of_the_registered_general_practice_organisation");
      await page.locator("#file").setInputFiles({ name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
      await page.getByRole("heading", { name: "What we found in your file" }).waitFor();
      const [count, broken] = await page.evaluate(() => {
        const names = [...document.querySelectorAll(".column-name")];
        const words = names.flatMap((name) => [...name.childNodes]).filter((node) => node.nodeType === Node.TEXT_NODE);
        const lines = (word) => {
          const range = document.createRange();
          range.selectNodeContents(word);
          return range.getClientRects().length;
        };
        return [names.length, words.filter((word) => lines(word) > 1).map((word) => word.textContent)];
      });
      // The names are those of the default columns in the explanation and in the preview, and those of the file's
      // columns.
      assert.ok(count > 20, `${count} names`);
      assert.deepEqual(broken, [], `at ${width} px`);
      await expectNoSidewaysScroll(page, `the preview at ${width}`);
      await use.screenshot(page, `batch-preview-${width}`);
    }
  },

  async "results have margins at every width"(use) {
    const page = await use.open(`${use.service}/`);
    await lookUp(page, "LA18 4DB", "P81064");
    for (const width of [320, 800, 1024, 1100, 1240, 1366, 1920]) {
      await page.setViewportSize({ width, height: 625 });
      const { x } = await page.locator("#answer-title").boundingBox();
      assert.ok(x >= 16, `at ${width} px: ${x}`);
    }
  },

  async "sets of columns are ticked, and the summary lists areas, practices and reasons"(use) {
    const csv = "ref,postcode,practice_code\n1,LA18 4DB,P81064\n2,LA1O 5DL,P81002\n3,LA1 1PN,no code!\n";
    for (const width of [320, 1366]) {
      const page = await use.open(`${use.service}/batch`, { viewport: { width, height: 900 } });
      await page.getByText("Columns and options").click();
      assert.equal(await page.locator("#columns-names").isChecked(), true);
      await page.locator("#columns-distances").check();
      await page.locator("#file").setInputFiles({ name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
      await page.getByRole("heading", { name: "What we found in your file" }).waitFor();
      const names = await page.locator("#detected .column-name").allTextContents();
      for (const name of ["catchment_nearest_practice", "catchment_icc_residence_name", "catchment_practice_distance_m"]) {
        assert.ok(names.includes(name), name);
      }
      assert.ok(!names.includes("catchment_council"));
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: "Look up the list" }).click();
      await downloading;
      await page.getByRole("heading", { name: "Your results are ready" }).waitFor();
      const summary = page.locator("#summary");
      assert.match(await summary.innerText(), /not ODS codes are on these lines: 4/);
      assert.match(await summary.innerText(), /could not read are on these lines: 3/);
      for (const [title, words] of [["Rows by area", "Councils"], ["Rows by practice", "Waterloo House Surgery"], ["Why a community is missing", "registration: not_an_ods_code"]]) {
        await summary.getByText(title, { exact: true }).click();
        assert.equal(await summary.getByText(words).first().isVisible(), true, words);
      }
      await expectNoSidewaysScroll(page, `the summary at ${width}`);
      assert.deepEqual(await use.violations(page), [], `the summary at ${width}`);
      await use.screenshot(page, `batch-summary-${width}`);
    }
  },

  async "flows of a list are a heat map with every number"(use) {
    const rows = [
      ["LA18 4DB", "P81064", 9],
      ["LA18 4DB", "A82033", 40],
      ["LA1 1PN", "P81064", 30],
      ["LA1 1PN", "A82033", 2],
      ["", "P81064", 12],
      ["M1 1AE", "A82033", 11],
    ];
    const lines = rows.flatMap(([postcode, practice, count]) => Array(count).fill(`${postcode},${practice}`));
    const csv = ["postcode,gp_practice_code", ...lines].join("\n");
    for (const width of [320, 1280]) {
      const page = await use.open(`${use.service}/batch`, { viewport: { width, height: 900 } });
      await page.locator("#file").setInputFiles({ name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
      await page.getByRole("heading", { name: "What we found in your file" }).waitFor();
      await page.getByRole("button", { name: "Look up the list" }).click();
      await page.getByRole("heading", { name: "Registered and resident patients" }).waitFor();
      const map = page.locator(".heat-map");
      const cells = await map.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
      const total = cells.at(-1);
      assert.deepEqual([total[0], total.at(-1)], ["Total", "104"]);
      const barrow = cells.find(([name]) => name === "Barrow and Millom ICC");
      assert.ok(barrow.includes("hidden"), barrow.join());
      assert.ok(!cells.flat().some((text) => /^[1-7]$/.test(text)), cells.join("\n"));
      // Numbers have a contrast of at least 4.5:1, regardless of the shade. axe checks the contrast.
      assert.deepEqual(await use.violations(page), [], `at ${width} px`);
      await expectNoSidewaysScroll(page, `the heat map at ${width}`);
      await page.getByRole("region", { name: /Where people are registered/ }).focus();
      assert.equal(await map.evaluate((table) => table.parentElement === document.activeElement), true);
      await use.screenshot(page, `batch-flows-${width}`);
      await page.context().close();
    }
  },

  async "results fit the screen at 400% zoom"(use) {
    // At 400% zoom, a screen of 1280 by 1024 px is 320 by 256 CSS px (WCAG 2.2, 1.4.10).
    const page = await use.open(`${use.service}/`, { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 });
    await lookUp(page, "LA18 4DB", "P81064");
    await expectNoSidewaysScroll(page, "a result at 400%");
    assert.equal(await page.locator("#answer").getByText("Lancaster ICC").first().isVisible(), true);
  },

  async "maps keep their colours in forced colours mode"(use) {
    const page = await use.open(`${use.service}/`, { forcedColors: "active", colorScheme: "dark" });
    await lookUp(page, "LA18 4DB", "P81064");
    const map = await page.locator("#answer svg").evaluate((svg) => getComputedStyle(svg).forcedColorAdjust);
    assert.equal(map, "none");
    await use.screenshot(page, "answer-forced-colours");
  },

  async "results print with the map, date and attribution, without the form"(use) {
    const page = await use.open(`${use.service}/`);
    await lookUp(page, "LA18 4DB", "P81064");
    await page.emulateMedia({ media: "print" });
    for (const selector of [".look-up", ".nhsuk-header__navigation", ".look-up-another"]) {
      assert.equal(await page.locator(selector).isVisible(), false, selector);
    }
    for (const selector of ["#answer-title", "#answer svg", ".as-of", ".nhsuk-footer"]) {
      assert.equal(await page.locator(selector).isVisible(), true, selector);
    }
    await page.setViewportSize({ width: 718, height: 1000 });
    await use.screenshot(page, "answer-print");
    // A result is printed on one page, including the open details.
    for (const [place, practice] of [["LA18 4DB", "P81064"], ["CA2 5SS", "A82608"], ["LA12 0RF", ""], ["BB5 1AA", "P81064"]]) {
      await page.emulateMedia({ media: null });
      await lookUp(page, place, practice);
      const pdf = (await page.pdf({ format: "A4" })).toString("latin1");
      assert.ok(pdf.length > 10_000);
      assert.equal(pdf.match(/\/Count (\d+)/)[1], "1", place);
    }
  },
};
