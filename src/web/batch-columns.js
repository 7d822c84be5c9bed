// Offers the columns of the user's file on the batch page: in two drop-downs for postcodes and practice codes, and as
// suggestions in the other fields. To find the columns, this script reads the first lines of the file. The script sends
// and stores no data.

import { readWorkbook } from "./batch-workbook.js";

// The number of bytes that are read, and the number of lines that are searched for the column names.
const SAMPLE_BYTES = 1 << 18;
const LINES_SEARCHED = 20;
const ROWS_READ = 100;
const DELIMITERS = [",", "\t", ";", "|", "¬", "^"];

// For each drop-down: the pattern of a value, words in the names of matching columns, and words in the names of other
// columns with values of the same pattern.
const KINDS = {
  postcode_column: { value: /^[a-z]{1,2}[0-9][a-z0-9]? ?[0-9][a-z]{2}$/i, name: /post ?code|^pcds?[0-9]?$/i, other: /practice|surgery|gp|school|hospital|provider|organisation|site|previous|former|old/i },
  practice_column: { value: /^[a-z][0-9]{5}([0-9]{3})?$/i, name: /practice|gp|gmp|surgery|ods/i, other: /previous|former|old/i },
};
// The minimum share of values with the right pattern in a column that is proposed.
const SHARE_MIN = 0.5;

const container = document.getElementById("file-columns");
const suggestions = document.getElementById("column-names");
// For each drop-down: the text field that it replaces, the group of the field, and the original place of the group.
const fields = Object.keys(KINDS).map((id) => {
  const input = document.getElementById(id);
  const group = input.closest(".nhsuk-form-group");
  const select = document.createElement("select");
  select.className = "nhsuk-select";
  select.id = id;
  select.name = id;
  const described = input.getAttribute("aria-describedby");
  const hint = group.querySelector(".nhsuk-hint");
  return { id, input, group, select, described, hint, parent: group.parentNode, next: group.nextSibling, isChosen: false };
});
for (const field of fields) field.select.addEventListener("change", () => (field.isChosen = true));

async function readText(source) {
  if (/\.zst$/i.test(source.name)) return null;
  const bytes = source.slice(0, SAMPLE_BYTES);
  const start = new Uint8Array(await bytes.slice(0, 2).arrayBuffer());
  const isGzip = start[0] === 0x1f && start[1] === 0x8b;
  const utf16 = { 65279: "utf-16le", 65534: "utf-16be" }[start[0] | (start[1] << 8)];
  const stream = isGzip ? bytes.stream().pipeThrough(new DecompressionStream("gzip")) : bytes.stream();
  const reader = stream.pipeThrough(new TextDecoderStream(utf16 ?? "utf-8")).getReader();
  let text = "";
  try {
    while (text.length < SAMPLE_BYTES) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    await reader.cancel();
  } catch {
    // The sample ends in the middle of the compressed data.
  }
  return text;
}

// Returns the first rows of text in CSV format (RFC 4180).
function parseRows(text, delimiter, limit) {
  const rows = [];
  const escaped = delimiter.replace(/[|^]/, "\\$&");
  const field = new RegExp(`[ ]*"((?:[^"]|"")*)"[ ]*(${escaped}|\\r?\\n|$)|([^${escaped}\\r\\n]*)(${escaped}|\\r?\\n|\\r|$)`, "gy");
  let row = [];
  while (rows.length < limit && field.lastIndex < text.length) {
    const found = field.exec(text);
    if (!found) break;
    row.push((found[1] === undefined ? found[3] : found[1].replaceAll('""', '"')).trim());
    if ((found[2] ?? found[4]) !== delimiter) {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

const countTexts = (row) => row.filter((cell) => /[\p{L}\p{N}]/u.test(cell)).length;

// Splits rows into the names of the columns and the rows below them. Rows above the names, such as titles, have fewer
// non-blank cells.
function splitTable(rows, { skipLines, hasNoHeader }) {
  const skipped = skipLines ?? 0;
  const searched = rows.slice(skipped, skipped + LINES_SEARCHED);
  const most = Math.max(0, ...searched.map(countTexts));
  if (most === 0) return null;
  const first = skipLines === null ? rows.findIndex((row) => countTexts(row) === most) : skipped;
  const width = Math.max(...rows.slice(first).map((row) => row.length));
  if (hasNoHeader) return { names: Array.from({ length: width }, (_, index) => String(index + 1)), rows: rows.slice(first), hasNames: false };
  const inQuotes = /^'(.*)'$/;
  const isQuoted = rows[first].every((name) => inQuotes.test(name));
  const names = isQuoted ? rows[first].map((name) => name.match(inQuotes)[1]) : rows[first];
  return { names, rows: rows.slice(first + 1), hasNames: true };
}

function readObjects(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const objects = [];
  for (const line of lines.slice(0, ROWS_READ)) {
    try {
      objects.push(JSON.parse(line));
    } catch {
      // The last line of the sample may be incomplete.
    }
  }
  const names = [...new Set(objects.flatMap((object) => Object.keys(object ?? {})))];
  const cell = (value) => (typeof value === "string" ? value : "");
  return { names, rows: objects.map((object) => names.map((name) => cell(object?.[name]))), hasNames: true };
}

// Reads the names of the columns and the first rows. Returns null if this script cannot read the file. `options`
// contains what the user has specified about the file.
export async function readTable(source, isWorkbook, options) {
  try {
    if (isWorkbook) return splitTable(await readWorkbook(source, options.sheet, ROWS_READ), options);
    let text = (await readText(source))?.replace(/^\ufeff/, "");
    if (!text) return null;
    if (/^\s*\{\s*["}]/.test(text)) return readObjects(text);
    const separator = text.match(/^"?sep=(.)"?\r?\n/i);
    if (separator && options.skipLines === null) text = text.slice(separator[0].length);
    const delimiters = separator ? [separator[1]] : DELIMITERS;
    const tables = delimiters.map((delimiter) => splitTable(parseRows(text, delimiter, ROWS_READ), options));
    const width = (table) => (table ? countTexts(table.names) : 0);
    return tables.reduce((widest, table) => (width(table) > width(widest) ? table : widest));
  } catch {
    return null;
  }
}

// Returns the index of the column that most probably matches a drop-down, or -1.
function likeliest(table, { value, name, other }) {
  const scores = table.names.map((text, index) => {
    const given = table.rows.map((row) => (row[index] ?? "").replace(/\s+/g, " ").trim()).filter((cell) => cell !== "" && cell !== "&");
    const share = given.length === 0 ? 0 : given.filter((cell) => value.test(cell)).length / given.length;
    if (share < SHARE_MIN) return 0;
    const words = text.replace(/[_\W]+/g, " ");
    return share + (name.test(words) ? 1 : 0) - (other.test(words.replace(/post ?code/i, "")) ? 1 : 0);
  });
  const best = scores.indexOf(Math.max(...scores));
  return scores[best] > 0 ? best : -1;
}

function optionElement(value, text) {
  const option = document.createElement("option");
  option.value = value;
  option.textContent = text;
  return option;
}

// Fills the drop-downs with the columns of a table, and shows them above the other options.
export function offerColumns(table) {
  const text = (name, index) => {
    if (table.hasNames) return name;
    const example = table.rows.map((row) => row[index]).find(Boolean);
    return example ? `Column ${name} (for example, ${example.slice(0, 30)})` : `Column ${name}`;
  };
  const options = () => table.names.flatMap((name, index) => (name === "" ? [] : [optionElement(name, text(name, index))]));
  for (const { id, input, group, select, described, hint } of fields) {
    const value = document.getElementById(id).value;
    select.replaceChildren(optionElement("", "Choose a column"), ...options());
    select.value = table.names.includes(value) ? value : "";
    if (described) select.setAttribute("aria-describedby", described);
    if (hint) hint.hidden = true;
    if (input.isConnected) input.replaceWith(select);
    if (group.parentNode !== container) container.append(group);
  }
  container.hidden = false;
  suggestions.replaceChildren(...table.names.filter((name) => name !== "").map((name) => optionElement(name, name)));
}

// Restores the text fields, for a file whose columns this script cannot read.
export function withdrawColumns() {
  // Start with the last group, because each group is inserted before the next group.
  for (const { input, group, select, hint, parent, next } of [...fields].reverse()) {
    if (select.isConnected) select.replaceWith(input);
    if (group.parentNode !== parent) parent.insertBefore(group, next);
    if (hint) hint.hidden = false;
  }
  container.hidden = true;
  suggestions.replaceChildren();
}

// Resets the choices that the user made for another file.
export function resetColumns() {
  for (const field of fields) {
    field.isChosen = false;
    field.select.value = "";
    if (field.select.isConnected) field.input.value = "";
  }
}

// Selects the columns that the server has found. `found` contains the name of the column for each parameter.
export function selectFound(found) {
  for (const { id, select } of fields) {
    if (select.isConnected && select.value === "" && found[id] !== undefined) select.value = found[id];
  }
}

// Selects the likeliest column in every drop-down in which the user has not chosen a column. Returns whether it
// selected a column.
export function selectLikeliest(table) {
  let hasSelected = false;
  for (const { id, select, isChosen } of fields) {
    if (!select.isConnected || isChosen || select.value !== "") continue;
    const index = likeliest(table, KINDS[id]);
    if (index < 0 || table.names[index] === "") continue;
    select.value = table.names[index];
    hasSelected = true;
  }
  return hasSelected;
}
