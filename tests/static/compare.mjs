// Compares the answers of `catchment.js` with the answers of the program, for every postcode of the directory on several
// dates, and for practice codes:
//   node tests/static/compare.mjs FOLDER PROGRAM POSTCODES_CSV DATE...
//
// On the first date, all postcodes are compared; on each other date, one in ten. JSON values must be equal as a whole. For
// problems, only the code, the suggestion and the hint must be equal. CATCHMENT_DATA specifies the folder of a dataset that
// replaces the embedded dataset. CATCHMENT_SAMPLE is the number of evenly spread postcodes that are compared instead of all.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { isEqual, openFolder } from "./folder.mjs";

const [folder, program, postcodesFile, ...dates] = process.argv.slice(2);
const { open } = await openFolder(folder);

// Returns the answers of the program to lines for `catchment locate -`. A line contains a postcode, or a postcode and a
// practice code.
async function* expectedAnswers(lines, date) {
  const data = process.env.CATCHMENT_DATA ? ["--data", process.env.CATCHMENT_DATA] : [];
  const child = spawn(program, ["locate", "-", "--json", "--as-of", date, ...data], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {});
  child.stdin.end(`${lines.join("\n")}\n`);
  yield* createInterface({ input: child.stdout });
}

async function answer(copy, line, asOf) {
  const [postcode, practice] = line.split(",");
  try {
    return await copy.locate({ postcode, practice, asOf });
  } catch ({ code, suggestion, hint, stack }) {
    assert.ok(code, stack);
    return { code, suggestion, hint };
  }
}

// Compares the answers to the lines, and returns their number.
async function compare(copy, lines, date) {
  let count = 0;
  for await (const text of expectedAnswers(lines, date)) {
    const body = JSON.parse(text);
    const { code, suggestion, hint } = body;
    const expected = code ? { code, suggestion, hint } : body;
    const actual = await answer(copy, lines[count], date);
    if (!isEqual(actual, expected)) assert.deepEqual(actual, expected, `${lines[count]} on ${date}`);
    count += 1;
  }
  assert.equal(count, lines.length, "the program answered every line");
  return count;
}

const rows = (await readFile(postcodesFile, "utf8")).trim().split(/\r?\n/).slice(1);
const step = Math.max(1, Math.floor(rows.length / (process.env.CATCHMENT_SAMPLE ?? rows.length)));
const postcodes = rows.filter((_, row) => row % step === 0).map((row) => row.split(",")[0]);
const copy = open();
const { complete, practices, everything } = await copy.index();
const unlisted = complete.split(" ").flatMap((outcode) => [`${outcode} 9ZZ`, `${outcode} 0AA`]);
const special = ["ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ", "ZZ99 9ZZ", "NFA", "npc", "BFPO 57", "BF1 2AA", "GIR 0AA", "XM4 5HQ", "BX1 1LT", "ASCN 1ZZ", "EC1A 1BB", "IV1 1AA", "JE2 3AB", "W1A 0AX"];
const malformed = [
  "LA1", "LA18 4", "LA18 4D", "LA1O 5DL", "LA1O5DL", "1A18 4DB", "LA18-4DB", '="LA18 4DB"', "LA18%204DB", "A82033", "QA1 1AA", "LA1 1CC", "L A18 4DB", "x", "BFPO", "BFPO 0", "BFPO 9999",
  "ＬＡ１８ ４ＤＢ", "la18\u00a04db", "LA184DB.", "LA18 4DB LA18 4DB", "L".repeat(70), "AA1 1AA", "IA18 4DB", "S0 5AA", "5O1 1AA", "Z2 2ZZ", "B8 8BB", "O1 O1O", "ſW1A 1AA", "LA18ß4DB", "W1I 1AF", "NPT 1AF", "NPS 1AF", "GX11 1AA", "AI 2640", "E1V 1AF",
];
const started = performance.now();
const all = [...postcodes, ...unlisted, ...special, ...malformed];
let count = await compare(copy, all, dates[0]);
for (const [index, date] of dates.slice(1).entries()) {
  count += await compare(copy, [...postcodes.filter((_, row) => row % 10 === index % 10), ...special], date);
}

// Practice codes are tested with a few postcodes: every code in the dataset, and codes that belong to no practice.
const { rows: codes } = await readPractices();
const homes = ["LA9 4QF", "LA18 4DB", "PR1 1HR", "ZZ99 3VZ", "EC1A 1BB"];
const otherCodes = ["", "&", "?", "X99999", "V81997", "P8100", "P81002001", "p 81002", "P81002ABCDE", "X99999001"];
const pairs = [...codes, ...otherCodes].flatMap((code, row) => [homes[row % homes.length], homes[(row + 1) % homes.length]].map((home) => `${home},${code}`));
for (const date of dates) count += await compare(copy, pairs, date);

// If all answers are in one file, no later request depends on the postcode.
const requested = [];
const whole = open({ everything: true, requested });
if (everything) {
  await whole.load();
  const before = requested.length;
  for (const postcode of postcodes.filter((_, row) => row % 500 === 0)) {
    assert.ok(isEqual(await answer(whole, postcode, dates[0]), await answer(copy, postcode, dates[0])), postcode);
  }
  assert.deepEqual(requested.slice(before), [], "everything was loaded at first");
} else {
  // A copy never changes to a mode that reveals more.
  await assert.rejects(whole.locate({ postcode: postcodes[0] }), { code: "unavailable" });
  assert.deepEqual(requested, ["index.json"]);
}
console.log(`${count} answers are equal, in ${Math.round((performance.now() - started) / 1000)} s`);

// Returns the content of the file of practices, whose rows contain the codes.
async function readPractices() {
  const { gunzipSync } = await import("node:zlib");
  const file = JSON.parse(gunzipSync(await readFile(`${folder}/practices/${practices}.bin`)));
  const names = file.rows.map(([name]) => name).filter((name) => typeof name === "string" && !/^[a-z]/.test(name));
  return { rows: names };
}
