// Tests the service in a real browser: node tests/browser/run.mjs [--no-screenshots] [SUBJECT...]
//
// The tests need Chromium (CATCHMENT_BROWSER, or /usr/bin/chromium), `npm ci` in this folder, and the built program
// (CATCHMENT_BINARY, or target/debug/catchment). A subject is the name of a file in this folder, without .mjs. The file
// exports `tests`, an object with test functions by name. A test function throws if the test fails. Screenshots, which
// take a third of the time, are saved in target/browser/.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../..");
const SCREENSHOTS = path.join(ROOT, "target/browser");
const BINARY = process.env.CATCHMENT_BINARY ?? path.join(ROOT, "target/debug/catchment");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Starts the service on a free port, with the given options.
async function startService(...options) {
  const program = spawn(BINARY, ["serve", "--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((_, reject) => {
    program.on("error", reject);
    program.on("exit", (code) => reject(new Error(`${BINARY} exited with ${code}`)));
  });
  ended.catch(() => {});
  const lines = createInterface({ input: program.stderr });
  const origin = new Promise((resolve) => {
    lines.on("line", (line) => {
      const found = line.match(/^listening on (http:\S+)\/ /);
      if (found) resolve(found[1]);
    });
  });
  return { origin: await Promise.race([origin, ended]), stop: () => program.kill() };
}

// Starts another website. Its host name differs from that of the service, so that browsers treat it as cross-site.
async function startHost() {
  const pages = new Map();
  const server = createServer((request, response) => {
    const page = pages.get(new URL(request.url, "http://localhost").pathname);
    response.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8", ...page?.headers });
    response.end(page?.html);
  });
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const origin = `http://localhost:${server.address().port}`;
  return {
    origin,
    // Adds a page with this body and Content-Security-Policy, and returns the URL of the page.
    page(body, policy = null) {
      const name = `/${pages.size}`;
      const html = `<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1"></head><body>${body}</body></html>`;
      pages.set(name, { html, headers: policy ? { "content-security-policy": policy } : {} });
      return origin + name;
    },
    stop: () => server.close(),
  };
}

// Opens a page that records its requests and errors.
async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.requested = [];
  page.errors = [];
  page.on("request", (request) => page.requested.push(request));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.errors.push(message.text());
  });
  page.on("pageerror", (error) => page.errors.push(String(error)));
  await page.goto(url);
  return page;
}

// Returns the violations that axe finds.
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), TAGS);
  return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}

async function main() {
  const requested = process.argv.slice(2).filter((argument) => argument !== "--no-screenshots");
  const screenshots = !process.argv.includes("--no-screenshots");
  const files = (await readdir(HERE)).filter((name) => name.endsWith(".mjs") && name !== "run.mjs");
  const subjects = files.map((name) => name.replace(".mjs", "")).filter((name) => requested.length === 0 || requested.includes(name));
  if (subjects.length === 0) throw new Error(`there is no such subject: choose from the names of these files, without .mjs: ${files.join(", ")}`);
  await mkdir(SCREENSHOTS, { recursive: true });
  // Chromium's sandbox does not start in a container, and is not needed, because Chromium opens only our own pages.
  // WebGL runs in software.
  const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
  const browser = await chromium.launch({ executablePath: process.env.CATCHMENT_BROWSER ?? "/usr/bin/chromium", args });
  const service = await startService();
  const host = await startHost();
  let failed = 0;
  for (const subject of subjects) {
    const { tests } = await import(path.join(HERE, `${subject}.mjs`));
    for (const [name, test] of Object.entries(tests)) {
      const opened = [];
      const use = {
        service: service.origin,
        host,
        startService,
        violations,
        open: async (url, options) => {
          opened.push(await open(browser, url, options));
          return opened.at(-1);
        },
        // The folder with basemaps, or undefined.
        basemaps: process.env.CATCHMENT_BASEMAPS,
        skip: (reason) => console.log(`SKIPPED ${reason}`),
        screenshot: async (page, file) => screenshots && page.screenshot({ path: path.join(SCREENSHOTS, `${file}.png`), fullPage: true }),
      };
      const started = performance.now();
      try {
        await test(use);
        console.log(`ok      ${subject}: ${name} (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        console.log(`FAILED  ${subject}: ${name}\n${error.stack}`);
        for (const page of opened) console.log(`  ${page.url()}: ${page.errors.join("; ") || "no messages on the console"}`);
      }
      for (const page of opened) await page.context().close();
    }
  }
  await browser.close();
  host.stop();
  service.stop();
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
