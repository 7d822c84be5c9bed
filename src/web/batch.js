// The batch page: shows how the server reads a file, uploads the file and shows the progress.
//
// A browser does not read a response until it has sent the whole request, and the result of a large file should not
// stay in memory. Therefore, one request uploads the file, and a second request downloads the result. A ticket connects
// the two requests. The ticket is a random number that is used only once.

import { offerColumns, readTable, resetColumns, selectFound, selectLikeliest, withdrawColumns } from "./batch-columns.js";
import { flowElements } from "./batch-flows.js";

const API = "/api/v1/batch";
// The number of bytes of the file that are sent for a check. The number is greater than what the server reads.
const SAMPLE_BYTES = 1 << 20;
// The media type of a workbook. The directory of a workbook is at its end, so the whole file is sent for a check.
const XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

const form = document.getElementById("batch-form");
const file = document.getElementById("file");
const options = form.querySelector("details");
const errorBox = document.getElementById("error");
const detected = document.getElementById("detected");
const progress = document.getElementById("progress");
const progressBar = document.getElementById("progress-bar");
const stop = document.getElementById("stop");
const progressAmount = document.getElementById("progress-amount");
const status = document.getElementById("status");
const announcement = document.getElementById("announcement");
const summary = document.getElementById("summary");
const submit = form.querySelector("button[type=submit]");

// The upload in progress.
let upload = null;
// The id of the latest check. Responses to earlier checks are ignored.
let checkId = 0;
// The result of the server's check of the file with the options of the form; null if the server does not accept the
// file or the options.
let accepted = null;
// The file of the latest check.
let checkedFile = null;
// The meanings of the codes in the result, from the table on the page.
const meanings = new Map(Array.from(document.querySelectorAll("code[data-meaning]"), (code) => [code.textContent, code.dataset.meaning]));

function createElement(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Creates an element with the name of a column. A line can break after each underscore.
function columnName(element, name) {
  const parts = name.split("_").flatMap((part, index, all) => (index < all.length - 1 ? [`${part}_`, createElement("wbr")] : [part]));
  return createElement(element, { class: "column-name" }, ...parts);
}

const formatCount = (number) => (number === null ? "1 to 7" : number.toLocaleString("en-GB"));
const countWithNoun = (number, noun) => `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;
const formatSize = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function parameters(extra = {}) {
  const result = new URLSearchParams(extra);
  const fields = new FormData(form);
  for (const [name, value] of fields) {
    if (name !== "file" && name !== "columns" && value.trim() !== "") result.append(name, value.trim());
  }
  // There is a checkbox for each set of columns.
  const sets = fields.getAll("columns");
  if (sets.length > 0) result.append("columns", sets.join(","));
  return result;
}

// Returns the media type of the file. The first bytes identify a workbook, and the file name or the first character
// identifies NDJSON. The server detects all other formats.
async function contentType(source) {
  const magic = new Uint8Array(await source.slice(0, 4).arrayBuffer());
  if (magic[0] === 0x50 && magic[1] === 0x4b && magic[2] === 3 && magic[3] === 4) return XLSX_TYPE;
  const hasNdjsonName = /\.(ndjson|jsonl)(\.gz|\.zst)?$/i.test(source.name);
  const text = (await source.slice(0, 64).text()).replace(/^\ufeff/, "").trimStart();
  return hasNdjsonName || text.startsWith("{") ? "application/x-ndjson" : "text/csv";
}

function label(parameter) {
  const found = form.querySelector(`label[for="${parameter}"]`);
  return found ? `“${found.firstChild.textContent.trim()}”` : parameter;
}

// Converts the detail of a problem to a sentence, and replaces the names of parameters with the labels on the page.
function sentence(detail) {
  const text = detail.replace(/\b[a-z]+(_[a-z]+)+\b/g, (name) => label(name));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function showError(text, field = "file") {
  const link = createElement("a", { href: `#${field}` }, text);
  const list = createElement("ul", { class: "nhsuk-list nhsuk-error-summary__list" }, createElement("li", {}, link));
  const body = createElement("div", { class: "nhsuk-error-summary__body" }, list);
  const heading = createElement("h2", { class: "nhsuk-error-summary__heading" }, "There is a problem");
  errorBox.replaceChildren(createElement("div", { class: "nhsuk-error-summary" }, createElement("div", { role: "alert" }, heading, body)));
}

function problemText(body) {
  return body && body.detail ? sentence(body.detail) : "The server did not respond. Try again";
}

// Returns the meaning of a code, followed by the code. If the code is a reason, `result` is the missing result.
function withMeaning(code, result) {
  // In the column of all reasons, the missing result precedes the code: `residence:malformed`.
  const [, before = result, reason = code] = code.match(/^([\w-]+):([\w-]+)/) ?? [];
  const meaning = meanings.get(`${before}:${reason}`) ?? meanings.get(reason);
  return meaning ? createElement("span", {}, `${meaning} `, columnName("code", code)) : code;
}

// Returns the codes in a cell, each preceded by its meaning. If the cell contains no codes, returns the text of the
// cell.
function cellWithMeanings(column, text) {
  const [isCode, , result] = column.match(/^catchment_(status|agreement|reason(?:_(\w+))?)$/) ?? [];
  if (!isCode) return text;
  const codes = text.split(/;\s*/).map((code) => withMeaning(code, result));
  return createElement("span", {}, ...codes.flatMap((code, index) => (index === 0 ? [code] : ["; ", code])));
}

function table(caption, head, rows) {
  const row = (...cells) => createElement("tr", { class: "nhsuk-table__row" }, ...cells);
  const header = (scope, name) => createElement("th", { class: "nhsuk-table__header", scope }, name);
  const cell = (text) => createElement("td", { class: "nhsuk-table__cell" }, text);
  const body = rows.map(([first, ...cells]) => row(header("row", first), ...cells.map(cell)));
  const result = createElement(
    "table",
    { class: "nhsuk-table" },
    createElement("caption", { class: "nhsuk-table__caption nhsuk-table__caption--s" }, caption),
    createElement("thead", { class: "nhsuk-table__head" }, row(...head.map((name) => header("col", name)))),
    createElement("tbody", { class: "nhsuk-table__body" }, ...body),
  );
  // Wide tables scroll separately from the page, including by keyboard.
  return createElement("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, result);
}

function showDetected(result) {
  const text = result.format === "ndjson" ? "NDJSON" : `CSV with ${result.delimiter} between columns`;
  const format = result.sheet === undefined ? text : `Excel workbook, sheet “${result.sheet}”`;
  const compression = result.compression ? `, compressed with ${result.compression}` : "";
  const items = result.read.map(({ role, number, column }) =>
    createElement("li", {}, `${role.charAt(0).toUpperCase()}${role.slice(1)}: column ${number}, `, columnName("code", column)),
  );
  const above = countWithNoun(result.lines_above_header, result.sheet === undefined ? "line" : "row");
  if (result.lines_above_header > 0) items.push(createElement("li", {}, `${above} above the ${result.header ? "column names" : "first row"}: we copy ${result.lines_above_header === 1 ? "it" : "them"} unchanged.`));
  if (!result.header) items.push(createElement("li", {}, "Your file has no column names, so we use column numbers."));
  if (!result.has_registration) {
    items.push(createElement("li", {}, "We did not find practice codes, so the registration columns will be empty."));
  }
  if (!result.has_residence) items.push(createElement("li", {}, "We did not find postcodes or coordinates, so the residence columns will be empty."));
  const head = ["Column", ...result.rows.map((_, index) => `Row ${index + 1}`)];
  const rows = result.preview_columns.map((name, index) => [columnName("span", name), ...result.rows.map((row) => cellWithMeanings(name, row[index]))]);
  detected.replaceChildren(
    createElement("h2", { id: "detected-title" }, "What we found in your file"),
    createElement("p", {}, `${format}${compression}, ${countWithNoun(result.columns.length, "column")}. For ${result.as_of}, using dataset version ${result.dataset.version}.`),
    createElement("ul", {}, ...items),
    table("Preview of the first rows", head, rows),
  );
  detected.hidden = false;
  status.textContent = "Your file is ready. Check what we found, then select “Look up the list”.";
}

// Returns the response of the server to a check of the beginning of the file.
async function ask(source, type) {
  const response = await fetch(`${API}?${parameters({ check: "true" })}`, {
    method: "POST",
    headers: { "Content-Type": type },
    body: type === XLSX_TYPE ? source : source.slice(0, SAMPLE_BYTES),
  });
  return { isOk: response.ok, body: await response.json() };
}

const fileOptions = () => {
  const { skip_lines: skipLines, no_header: noHeader, sheet } = form.elements;
  return { skipLines: /^\d+$/.test(skipLines.value.trim()) ? Number(skipLines.value) : null, hasNoHeader: noHeader.checked, sheet: sheet.value };
};

// Fills the drop-downs with the columns of the file. `found` contains the columns that the server found in the file, if
// any.
function showColumns(table, found) {
  if (found) {
    const isSame = table?.names.join("\n") === found.columns.join("\n");
    offerColumns({ names: found.columns, rows: isSame ? table.rows : [], hasNames: found.header });
    selectFound(Object.fromEntries(found.read.map(({ parameter, column }) => [parameter, column])));
  } else if (table) {
    offerColumns(table);
  } else {
    withdrawColumns();
  }
}

async function check() {
  const id = ++checkId;
  const source = file.files[0];
  accepted = null;
  detected.hidden = true;
  summary.hidden = true;
  errorBox.replaceChildren();
  status.textContent = "";
  if (source !== checkedFile) resetColumns();
  checkedFile = source;
  if (!source) return withdrawColumns();
  try {
    const type = await contentType(source);
    const table = await readTable(source, type === XLSX_TYPE, fileOptions());
    if (id !== checkId) return;
    showColumns(table, null);
    let { isOk, body } = await ask(source, type);
    if (id !== checkId) return;
    if (isOk) showColumns(table, body);
    // The server finds columns by their names. If it finds no column, this script proposes the column whose values look
    // right. If two columns have known names, the user must choose one.
    const isIncomplete = isOk ? !body.has_registration : /^(missing|ambiguous)_column$/.test(body.code);
    if (table && isIncomplete && selectLikeliest(table) && body.code !== "ambiguous_column") {
      const proposed = await ask(source, type);
      if (id !== checkId) return;
      ({ isOk, body } = proposed);
      if (isOk) showColumns(table, body);
    }
    if (isOk) {
      accepted = body;
      showDetected(body);
      return;
    }
    const field = body.detail?.match(/\b[a-z]+(_[a-z]+)*_column\b/)?.[0];
    const isOffered = document.getElementById(field)?.matches("select");
    if (/column|place|unknown|header|lines|sheet|convert/.test(body.code) && !isOffered) options.open = true;
    showError(problemText(body), isOffered ? field : "file");
  } catch {
    if (id === checkId) showError("We could not read or send your file. Choose it again.");
  }
}

// Returns the name of the result: patients-answered.csv for patients.csv.
function resultName(name) {
  const [stem, extension] = name.replace(/\.(gz|zst)$/i, "").match(/^(.*?)(?:\.([^.]*))?$/s).slice(1);
  const isWorkbook = accepted.format.startsWith("xls");
  const written = { csv: /^(csv|tsv|txt)$/i.test(extension ?? "") ? extension : "csv", ndjson: /^(ndjson|jsonl)$/i.test(extension ?? "") ? extension : "ndjson" };
  const chosen = form.elements.format.value;
  const ending = chosen === "xlsx" || (isWorkbook && chosen) ? chosen : (written[accepted.format] ?? accepted.format);
  return `${stem || "list"}-answered.${ending}`;
}

function createTicket() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Returns the sections with the rows by area, by practice and by reason. The user can open each section.
function summaryLists(result) {
  const section = (title, content) => createElement("details", { class: "nhsuk-details" }, createElement("summary", { class: "nhsuk-details__summary" }, createElement("span", { class: "nhsuk-details__summary-text" }, title)), createElement("div", { class: "nhsuk-details__text" }, ...content));
  const areas = (caption, list) => {
    const hasRegistration = list.some((area) => area.registration !== null);
    const head = ["Area", "Residence", ...(hasRegistration ? ["Registration"] : [])];
    const row = (area) => [area.name || area.id, formatCount(area.residence), ...(hasRegistration ? [formatCount(area.registration)] : [])];
    return table(caption, head, list.map(row));
  };
  const sections = [];
  const layers = Object.values(result.areas ?? {}).filter((layer) => layer.areas.length > 0);
  if (layers.length > 0) sections.push(section("Rows by area", layers.map((layer) => areas(layer.title, layer.areas))));
  if (result.practices?.length > 0) sections.push(section("Rows by practice", [areas("Rows by practice: homes in its area, and registered people", result.practices)]));
  const reasons = Object.entries(result.reasons ?? {}).flatMap(([half, counts]) => Object.entries(counts).map(([code, rows]) => [`${half}: ${code}`, formatCount(rows)]));
  if (reasons.length > 0) sections.push(section("Why a community is missing", [table("Rows by reason", ["Reason", "Rows"], reasons)]));
  return sections;
}

// Returns sentences that state where the first malformed postcodes and practice codes are.
function malformedLines(result) {
  const { residence = [], registration = [] } = result.malformed_lines ?? {};
  return [
    [residence, "Postcodes or locations that we could not read are on these lines"],
    [registration, "Practice codes that are not ODS codes are on these lines"],
  ]
    .filter(([lines]) => lines.length > 0)
    .map(([lines, text]) => createElement("p", {}, `${text}: ${lines.join(", ")}${lines.length === 10 ? " and perhaps others" : ""}.`));
}

function showSummary(result) {
  const rows = Object.entries(result.status).filter(([, number]) => number !== 0);
  const agreement = Object.entries(result.agreement).filter(([, number]) => number !== 0);
  const numbers = (entries) => entries.map(([word, number]) => [withMeaning(word), formatCount(number)]);
  const rowCount = countWithNoun(result.rows, "row");
  const rowsText = result.bad_rows === 0 ? `We read your whole file: ${rowCount}.` : `Your file has ${rowCount}. We could not read ${formatCount(result.bad_rows)}.`;
  const parts = [
    createElement("h2", { id: "summary-title" }, "Your results are ready"),
    createElement("p", {}, `${rowsText} The result is in your browser’s downloads.`),
    table("Rows by status", ["Status", "Rows"], numbers(rows)),
    table("Rows by agreement of residence and registration", ["Agreement", "Rows"], numbers(agreement)),
  ];
  if (result.communities.length > 0) {
    const communities = result.communities.map((community) => [community.name, formatCount(community.residence), formatCount(community.registration)]);
    parts.push(table("Rows by community", ["Community", "Residence", "Registration"], communities));
  }
  if (result.flows) parts.push(...flowElements(result.flows, createElement, table));
  if (result.bad_lines && result.bad_lines.length > 0) {
    parts.push(createElement("p", {}, `We could not read ${result.bad_rows === 1 ? "the row that starts on this line" : "the rows that start on these lines"}: ${result.bad_lines.join(", ")}${result.bad_rows > result.bad_lines.length ? " and others" : ""}.`));
  }
  if (result.shortened_numbers) {
    const { numbers, first_line: firstLine } = result.shortened_numbers;
    const where = firstLine === undefined ? "" : `, the first on line ${firstLine}`;
    const text =
      numbers === 1
        ? `1 number on line ${firstLine} looks like 4.5E+09. A spreadsheet shortened it, and the original number is lost.`
        : `${formatCount(numbers)} numbers look like 4.5E+09${where}. A spreadsheet shortened them, and the original numbers are lost.`;
    parts.push(createElement("p", {}, text));
  }
  parts.push(...malformedLines(result), ...summaryLists(result));
  summary.replaceChildren(...parts);
  summary.hidden = false;
  summary.focus();
}

function finish(text) {
  upload = null;
  progress.hidden = true;
  submit.disabled = false;
  submit.focus();
  announcement.textContent = "";
  status.textContent = text;
}

async function send() {
  const source = file.files[0];
  const ticket = createTicket();
  const request = new XMLHttpRequest();
  upload = request;
  errorBox.replaceChildren();
  summary.hidden = true;
  progressBar.value = 0;
  progressAmount.textContent = "";
  progress.hidden = false;
  stop.focus();
  submit.disabled = true;
  status.textContent = "Looking up your file. The result is being saved in your downloads.";
  let quarter = 0;
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable || upload !== request) return;
    const share = event.loaded / event.total;
    progressBar.value = share;
    progressAmount.textContent =
      share < 1 ? `${formatSize(event.loaded)} of ${formatSize(event.total)} sent` : "Your whole file has been sent. We are looking up the last rows.";
    // Screen readers read out every change, so this element changes only at each quarter. The text next to
    // the progress bar shows the exact amount.
    if (Math.floor(share * 4) > quarter && share < 1) {
      quarter = Math.floor(share * 4);
      announcement.textContent = `${quarter * 25}% sent`;
    }
  });
  request.addEventListener("load", () => {
    if (request.status === 200) {
      finish("Done.");
      showSummary(request.response);
    } else {
      finish("");
      showError(`${problemText(request.response)}. The file in your downloads is incomplete. Delete it.`);
    }
  });
  request.addEventListener("error", () => {
    finish("");
    showError("The connection was lost. The file in your downloads is incomplete. Delete it and try again.");
  });
  request.addEventListener("abort", () => finish("Stopped. The file in your downloads is incomplete. Delete it."));
  request.responseType = "json";
  request.open("POST", `${API}?${parameters({ ticket })}`);
  request.setRequestHeader("Content-Type", await contentType(source));
  request.send(source);
  createElement("a", { href: `${API}/${ticket}`, download: resultName(source.name) }).click();
}

file.addEventListener("change", check);
form.addEventListener("change", (event) => {
  if (event.target !== file && file.files[0] && !upload) check();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (upload) return;
  if (!accepted) await check();
  if (accepted) await send();
});
stop.addEventListener("click", () => upload?.abort());
window.addEventListener("beforeunload", (event) => {
  if (upload) event.preventDefault();
});
if (file.files[0]) check();
