// Tests of the batch page: the drop-down lists with the columns of a file, and the result that the user receives.

import assert from "node:assert/strict";
import { deflateRawSync, gzipSync } from "node:zlib";

const CSV = "text/csv";
const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const FOUND = { name: "What we found in your file" };

function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

// Returns a zip archive with these files, compressed in the same way as in Excel. `parts` contains the text of each
// file by name.
function zip(parts) {
  const [files, directory] = [[], []];
  let offset = 0;
  for (const [name, text] of Object.entries(parts)) {
    const content = Buffer.from(text);
    const compressed = deflateRawSync(content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(compressed.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const entry = Buffer.alloc(16);
    entry.writeUInt32LE(offset, 12);
    files.push(Buffer.from("PK\x03\x04"), fields, Buffer.from(name), compressed);
    directory.push(Buffer.from("PK\x01\x02\x14\x00"), fields, entry.subarray(2), Buffer.from(name));
    offset += 30 + name.length + compressed.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(parts).length, 4);
  end.writeUInt16LE(Object.keys(parts).length, 6);
  end.writeUInt32LE(entries.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...files, entries, Buffer.from("PK\x05\x06"), end]);
}

// Returns a workbook with a hidden first sheet and with these rows on the second sheet.
function workbook(rows) {
  const main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"';
  const relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
  const packageRelations = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"';
  const type = "application/vnd.openxmlformats-officedocument.spreadsheetml";
  const texts = rows.flat();
  const cell = (text, row, column) => `<c r="${String.fromCharCode(65 + column)}${row + 1}" t="s"><v>${texts.indexOf(text)}</v></c>`;
  const sheet = rows.map((cells, row) => `<row r="${row + 1}">${cells.map((text, column) => cell(text, row, column)).join("")}</row>`).join("");
  return zip({
    "[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${type}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${type}.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="${type}.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="${type}.sharedStrings+xml"/></Types>`,
    "_rels/.rels": `<Relationships ${packageRelations}><Relationship Id="rId1" Type="${relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    "xl/workbook.xml": `<workbook ${main} xmlns:r="${relations}"><sheets><sheet name="Notes" sheetId="1" state="hidden" r:id="rId1"/><sheet name="Patients" sheetId="2" r:id="rId2"/></sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<Relationships ${packageRelations}><Relationship Id="rId1" Type="${relations}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="${relations}/worksheet" Target="worksheets/sheet2.xml"/><Relationship Id="rId3" Type="${relations}/sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
    "xl/worksheets/sheet1.xml": `<worksheet ${main}><sheetData/></worksheet>`,
    "xl/worksheets/sheet2.xml": `<worksheet ${main}><sheetData>${sheet}</sheetData></worksheet>`,
    "xl/sharedStrings.xml": `<sst ${main}>${texts.map((text) => `<si><t>${text}</t></si>`).join("")}</sst>`,
  });
}

const choose = (page, name, mimeType, content) => page.locator("#file").setInputFiles({ name, mimeType, buffer: Buffer.from(content) });
const options = (page, id) => page.locator(`#${id} option`).allTextContents();
const chosen = (page) => page.evaluate(() => [document.getElementById("postcode_column").value, document.getElementById("practice_column").value]);

// Looks up the chosen file, and returns the file name and the text of the result.
async function lookUp(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Look up the list" }).click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  await page.getByRole("heading", { name: "Your results are ready" }).waitFor();
  return [download.suggestedFilename(), Buffer.concat(chunks).toString()];
}

export const tests = {
  async "drop-downs have the columns of the file, with the likeliest chosen"(use) {
    const rows = "9990000001,B86003 Street,LA18 4DB,P81064,P81064\n9990000002,Town,ZZ99 3VZ,A82033,A82033\n9990000003,Town,nowhere,,\n";
    const files = [
      ["known.csv", `NHS number,Address,Postcode,GP practice,Former GP\n${rows}`, ["Postcode", "GP practice"]],
      ["odd.csv", `Number,Address,Where they live,Doctor,Former doctor\n${rows}`, ["Where they live", "Doctor"]],
      ["titled.txt", `"Report, all patients"\r\n\r\nNumber;Address;"Where; they live";Doctor;Former\r\n${rows.replaceAll(",", ";").replaceAll("\n", "\r\n")}`, ["Where; they live", "Doctor"]],
    ];
    for (const [name, text, expected] of files) {
      const page = await use.open(`${use.service}/batch`, { viewport: { width: 1366, height: 625 } });
      await choose(page, name, CSV, text);
      await page.getByRole("heading", FOUND).waitFor();
      assert.deepEqual(await chosen(page), expected, name);
      assert.equal((await options(page, "postcode_column")).length, 6, name);
      assert.deepEqual(await use.violations(page), [], name);
    }
    const page = await use.open(`${use.service}/batch`, { viewport: { width: 320, height: 900 } });
    await choose(page, "odd.csv.gz", "application/gzip", gzipSync(files[1][1]));
    await page.getByRole("heading", FOUND).waitFor();
    assert.deepEqual(await chosen(page), files[1][2]);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
    await use.screenshot(page, "batch-columns-320");
  },

  async "workbooks fill the drop-downs too"(use) {
    const page = await use.open(`${use.service}/batch`);
    const rows = [["Number", "Where they live", "Doctor &amp; co"], ["1", "LA18 4DB", "P81064"], ["2", "LA9 6SA", "A82033"]];
    await choose(page, "patients.xlsx", XLSX, workbook(rows));
    await page.getByRole("heading", FOUND).waitFor();
    assert.deepEqual(await options(page, "practice_column"), ["Choose a column", "Number", "Where they live", "Doctor & co"]);
    assert.deepEqual(await chosen(page), ["Where they live", "Doctor & co"]);
    assert.match(await page.locator("#detected").textContent(), /sheet “Patients”/);
    const [name] = await lookUp(page);
    assert.equal(name, "patients-answered.xlsx");
  },

  async "the user chooses between two columns with postcodes"(use) {
    const page = await use.open(`${use.service}/batch`);
    await choose(page, "list.csv", CSV, "pcd,postcode,practice_code\nLA18 4DB,LA9 6SA,P81064\n");
    await page.getByRole("heading", { name: "There is a problem" }).waitFor();
    assert.equal((await chosen(page))[0], "pcd");
    assert.equal(await page.locator("#detected").isVisible(), false);
    await page.getByRole("link", { name: /Column with postcodes/ }).click();
    assert.equal(await page.evaluate(() => document.activeElement.id), "postcode_column");
    await page.locator("#postcode_column").selectOption("postcode");
    await page.getByRole("heading", FOUND).waitFor();
    assert.match(await page.locator("#detected").textContent(), /Postcode: column 2/);
    // The user's choice of columns applies only to the first file.
    await choose(page, "other.csv", CSV, "a,postcode\n1,LA9 6SA\n");
    await page.getByText("Postcode: column 2").waitFor();
    assert.deepEqual(await chosen(page), ["postcode", ""]);
    // The browser cannot read this file, so the page shows text fields instead of drop-down lists.
    await choose(page, "list.csv.zst", "application/zstd", "\x28\xb5\x2f\xfd");
    await page.getByRole("heading", { name: "There is a problem" }).waitFor();
    assert.equal(await page.locator("#postcode_column").evaluate((field) => field.tagName), "INPUT");
    assert.equal(await page.locator("#file-columns").isVisible(), false);
  },

  async "files without column names have numbered columns"(use) {
    const page = await use.open(`${use.service}/batch`);
    await page.getByText("Columns and options").click();
    await page.getByLabel("My file has no column names").check();
    await choose(page, "list.csv", CSV, "Airey,LA18 4DB,P81064\nRigg,LA9 6SA,A82033\n");
    await page.getByRole("heading", FOUND).waitFor();
    assert.deepEqual(await chosen(page), ["2", "3"]);
    assert.equal((await options(page, "postcode_column"))[2], "Column 2 (for example, LA18 4DB)");
  },

  async "results have words beside codes and the name of the file"(use) {
    const page = await use.open(`${use.service}/batch`);
    await choose(page, "My patients.v2.csv", CSV, "Postcode,Practice\nLA18 4DB,P81064\nZZ99 3VZ,A82033\nLA9 4J,\nLA9 6SA,A82033,\n");
    await page.getByRole("heading", FOUND).waitFor();
    for (const text of ["Found located", "No fixed abode no_fixed_abode", "They differ differ"]) {
      assert.equal(await page.locator("#detected td").getByText(text, { exact: true }).first().isVisible(), true, text);
    }
    const [name, text] = await lookUp(page);
    assert.equal(name, "My patients.v2-answered.csv");
    assert.match(text, /^Postcode,Practice,catchment_status,.*\nLA18 4DB,P81064,located,mb-lancaster,mb-barrow-and-millom,/);
    const summary = await page.locator("#summary").textContent();
    for (const words of ["Row that we could not read bad_row", "No fixed abode no_fixed_abode", "starts on this line: 5"]) {
      assert.ok(summary.includes(words), `${words} is not in ${summary}`);
    }
    assert.deepEqual(await use.violations(page), []);
    await use.screenshot(page, "batch-summary");
    // No part of the file is in a URL or in the storage of the browser.
    const urls = page.requested.map((request) => decodeURIComponent(request.url()));
    assert.deepEqual(urls.filter((url) => /LA18|P81064|patients/.test(url)), []);
    assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
  },

  async "the page works without script"(use) {
    const page = await use.open(`${use.service}/batch`, { javaScriptEnabled: false });
    assert.equal(await page.locator("input#postcode_column").count(), 1);
    await choose(page, "patients.csv", CSV, "Postcode,Practice\nLA18 4DB,P81064\n");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Look up the list" }).click()]);
    // The result is not named after the input file, because the file name may contain the name of a patient.
    assert.equal(download.suggestedFilename(), "answered.csv");
  },
};
