// Tests of the folder that `catchment export --static` writes. A plain web host (`python3 -m http.server`) serves it in
// a sub-folder, and no other service is involved.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = process.env.CATCHMENT_BINARY ?? path.join(ROOT, "target/debug/catchment");
const WIDGET_PAGE = `<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8"><title>A town</title><link rel="icon" href="data:,">
<script type="module" src="/town/static/widget.js"></script></head><body><main><h1>Our town</h1>`;

// The folder of a website, with the exported files in /town/static/. The files are exported only once.
let website;
function exportWebsite() {
  if (website) return website;
  website = mkdtempSync(path.join(tmpdir(), "catchment-static-"));
  process.on("exit", () => rmSync(website, { recursive: true, force: true }));
  const site = path.join(website, "town/static");
  mkdirSync(path.dirname(site));
  execFileSync(BINARY, ["export", "--static", site, "--offline", "--quiet"]);
  writeFileSync(path.join(website, "town/widget.html"), `${WIDGET_PAGE}<catchment-map src="static/" area="mb-kendal" search>Our communities</catchment-map></main></body></html>`);
  writeFileSync(path.join(website, "town/practice.html"), `${WIDGET_PAGE}<catchment-map src="static" practice="P81002">Our practice</catchment-map></main></body></html>`);
  return website;
}

// Serves a folder with the web server of Python, and calls `test` with its origin and a function that stops it.
async function withPython(folder, test) {
  const server = spawn("python3", ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder], { stdio: ["ignore", "pipe", "ignore"] });
  const stop = () => server.kill();
  try {
    const port = await new Promise((resolve, reject) => {
      server.on("error", reject);
      server.stdout.on("data", (text) => {
        const found = String(text).match(/port (\d+)/);
        if (found) resolve(found[1]);
      });
    });
    await test(`http://127.0.0.1:${port}`, stop);
  } finally {
    stop();
  }
}

async function search(page, text) {
  await page.locator("catchment-map svg [role=option]").first().waitFor();
  await page.getByLabel("Postcode").fill(text);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.waitForFunction(() => !/^(Looking|$)/.test(document.querySelector("catchment-map").shadowRoot.querySelector("#message").textContent));
  return page.locator("catchment-map #message").textContent();
}

const pathsOf = (page) => page.requested.map((request) => new URL(request.url()).pathname);

export const tests = {
  async "the page answers from a sub-folder of a plain host, and offline after the first visit"(use) {
    await withPython(exportWebsite(), async (origin, stop) => {
      const page = await use.open(`${origin}/town/static/`);
      assert.equal(await search(page, "la9 4qf"), "LA9 4QF is in the area of Kendal ICC.");
      assert.match(await page.locator("#privacy").textContent(), /sends nothing about the postcode/);
      assert.deepEqual(await use.violations(page), []);
      assert.ok(page.requested.every((request) => request.url().startsWith(`${origin}/town/static/`) && request.method() === "GET"));
      assert.deepEqual(pathsOf(page).filter((name) => name.includes("/groups/")), []);
      await use.screenshot(page, "static-page");
      // When the service worker controls the page, it has stored the files.
      await page.evaluate(() => navigator.serviceWorker.ready);
      await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
      stop();
      await page.context().setOffline(true);
      await page.reload();
      assert.equal(await search(page, "PR1 1HR"), "PR1 1HR is not in any area we have data for.");
      assert.equal(await search(page, "LA18 4DB"), "LA18 4DB is in the area of Barrow and Millom ICC.");
      assert.match(await page.locator("catchment-map section").innerText(), /Waterloo House Surgery/);
      assert.deepEqual(page.errors, []);
    });
  },

  async "the widget asks for one file for each group of postcodes"(use) {
    await withPython(exportWebsite(), async (origin) => {
      const page = await use.open(`${origin}/town/widget.html`);
      assert.equal(await search(page, "LA9 4QF"), "LA9 4QF is in the area of Kendal ICC.");
      const groups = () => pathsOf(page).filter((name) => name.startsWith("/town/static/groups/"));
      assert.equal(groups().length, 1);
      const before = page.requested.length;
      assert.equal(await search(page, "LA9 4QF"), "LA9 4QF is in the area of Kendal ICC.");
      assert.equal(page.requested.length, before, "the group is in memory");
      // If the area is not on the map, the whole layer is loaded instead of only the area.
      assert.equal(await search(page, "CA28 7PZ"), "CA28 7PZ is in the area of Copeland ICC.");
      assert.equal(groups().length, 2);
      assert.ok(pathsOf(page).every((name) => !/copeland|CA28|LA9/i.test(name)), pathsOf(page).join(" "));
      assert.match(await search(page, "LA1O 5DL"), /Enter a UK postcode/);
      assert.equal(await page.getByRole("button", { name: /Did you mean LA10 5DL/ }).count(), 1);
      await page.getByRole("option", { name: "Kendal ICC" }).first().press("Enter");
      await page.getByText("Everyone registered with one of these GP practices belongs to").waitFor();
      assert.deepEqual(page.errors, []);

      const practice = await use.open(`${origin}/town/practice.html`);
      await practice.locator("catchment-map svg [role=option]").first().waitFor();
      await practice.getByLabel("Your postcode").fill("LA1 1PN");
      await practice.getByRole("button", { name: "Look up" }).click();
      await practice.getByText(/LA1 1PN is probably (in|outside) the area of Lancaster Medical Practice/).waitFor();
      assert.deepEqual(practice.errors, []);
    });
  },

  async "the module answers in the browser as the service does"(use) {
    await withPython(exportWebsite(), async (origin) => {
      const page = await use.open(`${origin}/town/widget.html`);
      const postcodes = ["LA18 4DB", "LA9 4QF", "LA1 1PN", "CA28 7PZ", "BB1 1AA", "PR1 1HR", "DG16 5EA", "ZZ99 3VZ", "EC1A 1BB"];
      const practices = [undefined, "P81002", "A82033", "X99999", "V81997"];
      const questions = postcodes.flatMap((postcode) => practices.map((practice) => ({ postcode, practice })));
      const answers = await page.evaluate(async (questions) => {
        const { Catchment } = await import("/town/static/catchment.js");
        const copy = new Catchment();
        return Promise.all(questions.map((question) => copy.locate(question).catch(({ code }) => ({ code }))));
      }, questions);
      for (const [index, question] of questions.entries()) {
        const response = await fetch(`${use.service}/api/v1/locate`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) });
        const body = await response.json();
        assert.deepEqual(answers[index], response.ok ? body : { code: body.code }, JSON.stringify(question));
      }
    });
  },

  async "damaged and missing files lead to a message, not to an answer"(use) {
    const copy = mkdtempSync(path.join(tmpdir(), "catchment-damaged-"));
    try {
      cpSync(exportWebsite(), copy, { recursive: true });
      const groups = path.join(copy, "town/static/groups");
      for (const name of readdirSync(groups)) truncateSync(path.join(groups, name), 500);
      await withPython(copy, async (origin) => {
        const page = await use.open(`${origin}/town/widget.html`);
        assert.match(await search(page, "LA9 4QF"), /the files of this website are not from the same export/);
        rmSync(groups, { recursive: true });
        assert.match(await search(page, "LA9 4QF"), /Sorry, the look-up did not work/);
        rmSync(path.join(copy, "town/static/index.json"));
        const broken = await use.open(`${origin}/town/static/`);
        await broken.getByText("A file of this page cannot be loaded").waitFor();
        assert.equal(await broken.locator("catchment-map svg").count(), 0);
      });
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  },
};
