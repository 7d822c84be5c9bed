// Checks that files that are missing, truncated, changed or from another export cause an error, and never an answer:
//   node tests/static/damage.mjs FOLDER POSTCODE OTHER_POSTCODE
// The two postcodes are in different groups.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { openFolder } from "./folder.mjs";

const [folder, postcode, otherPostcode] = process.argv.slice(2);
const { open, parsePostcode } = await openFolder(folder);

async function pathOf(place) {
  const requested = [];
  await open({ requested }).locate({ postcode: place });
  return requested.find((name) => name.startsWith("groups/"));
}
const [path, otherPath] = [await pathOf(postcode), await pathOf(otherPostcode)];
assert.notEqual(path, otherPath);
const [content, other, index] = await Promise.all([path, otherPath, "index.json"].map((name) => readFile(`${folder}/${name}`)));

async function check(what, replaced, code, message) {
  const copy = open({ replaced });
  await assert.rejects(copy.locate({ postcode }), (error) => {
    assert.equal(error.name, "CatchmentError", `${what}: ${error.stack}`);
    assert.equal(error.code, code, what);
    assert.match(error.message, message, what);
    return true;
  });
  // Errors are not cached, so the same copy answers when the files are correct again.
  for (const name of Object.keys(replaced)) delete replaced[name];
  assert.equal((await copy.locate({ postcode })).location.postcode, parsePostcode(postcode).join(" "), what);
}

async function checkAll() {
  const changed = JSON.parse(gunzipSync(content));
  changed.rows[0][2] += 1;
  await check("missing", { [path]: null }, "unavailable", /groups\/\w+\.bin cannot be loaded: the site returned status 404/);
  await check("no index", { "index.json": null }, "unavailable", /index\.json cannot be loaded/);
  await check("cut short", { [path]: content.subarray(0, content.length - 100) }, "damaged", /truncated/);
  await check("empty", { [path]: Buffer.alloc(0) }, "damaged", /copy all files of one export/);
  await check("another group", { [path]: other }, "damaged", /another export/);
  await check("a page of the host", { [path]: "<!DOCTYPE html><title>Not found</title>" }, "damaged", /not the file that index\.json lists/);
  await check("index cut short", { "index.json": index.subarray(0, index.length / 2) }, "damaged", /index\.json/);
  await check("index of another format", { "index.json": index.toString().replace('"format":1', '"format":2') }, "damaged", /reads format 1/);
  const flipped = Buffer.from(content);
  flipped[flipped.length >> 1] ^= 1;
  await check("one bit", { [path]: flipped }, "damaged", /changed/);
  return gzipSync(JSON.stringify(changed));
}

const changed = await checkAll();
await check("other values, with a valid checksum", { [path]: changed }, "damaged", /changed/);

// Without SHA-256, as on pages without HTTPS, the checks are the checksum of gzip and the first postcode of the group.
Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
await checkAll();

for (const [parameters, code] of [
  [{}, "missing_location"],
  [{ postcode: " " }, "missing"],
  [{ practice: " " }, "missing_practice"],
  [{ practice: "?" }, "invalid_practice_code"],
  [{ postcode, asOf: "1990-01-01" }, "date_not_in_copy"],
  [{ postcode, asOf: "2026-02-30" }, "invalid_date"],
  [{ postcode, asOf: "tomorrow" }, "invalid_date"],
]) {
  await assert.rejects(open().locate(parameters), { code });
}
const requested = [];
await assert.rejects(open({ requested }).locate({ postcode: "LA1O 5DL" }), { code: "malformed", suggestion: "LA10 5DL" });
assert.deepEqual(requested, [], "text that is not a postcode leads to no request");
console.log("damaged files are reported");
