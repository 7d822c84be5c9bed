// The batch page: shows how the server reads a file, uploads the file and shows the progress.
//
// A browser does not read a response until it has sent the whole request, and the result of a large file should not
// stay in memory. So one request uploads the file, and a second request downloads the result. A ticket, which is a random
// number that is used once, connects the two requests.

const API = "/api/v1/batch";
// The number of bytes of the file to send for a check, which is more than the server reads.
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
const summary = document.getElementById("summary");
const submit = form.querySelector("button[type=submit]");

// The upload in progress.
let upload = null;
// The id of the latest check. Responses to earlier checks are ignored.
let checkId = 0;
// Whether the server accepts the file with the options of the form.
let isAccepted = false;

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
  for (const [name, value] of new FormData(form)) {
    if (name !== "file" && value.trim() !== "") result.append(name, value.trim());
  }
  return result;
}

// Returns the media type: that of a workbook if the first bytes say so, and NDJSON if the file name or the first character
// says so. The server detects all other formats.
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

// Turns the detail of a problem into a sentence in which the labels of the page replace the names of parameters.
function sentence(detail) {
  const text = detail.replace(/\b[a-z]+(_[a-z]+)+\b/g, (name) => label(name));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function showError(text) {
  const link = createElement("a", { href: "#file" }, text);
  const list = createElement("ul", { class: "nhsuk-list nhsuk-error-summary__list" }, createElement("li", {}, link));
  const body = createElement("div", { class: "nhsuk-error-summary__body" }, list);
  const heading = createElement("h2", { class: "nhsuk-error-summary__heading" }, "There is a problem");
  errorBox.replaceChildren(createElement("div", { class: "nhsuk-error-summary" }, createElement("div", { role: "alert" }, heading, body)));
}

function problemText(body) {
  return body && body.detail ? sentence(body.detail) : "The server did not respond. Try again";
}

// Reads the probable column names, which the page suggests if the server could not find the columns.
async function columnNames(source) {
  try {
    const isGzip = /\.gz$/i.test(source.name);
    const bytes = source.slice(0, SAMPLE_BYTES).stream();
    const stream = isGzip ? bytes.pipeThrough(new DecompressionStream("gzip")) : bytes;
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    reader.cancel().catch(() => {});
    const line = text.replace(/^\ufeff/, "").split(/\r?\n/, 1)[0];
    if (line.startsWith("{")) return Object.keys(JSON.parse(line));
    const parts = [",", "\t", ";", "|", "¬", "^"].map((delimiter) => line.split(delimiter));
    const widest = parts.reduce((best, cells) => (cells.length > best.length ? cells : best));
    return widest.map((name) => name.trim().replace(/^"|"$/g, ""));
  } catch {
    return [];
  }
}

function suggestColumns(names) {
  const options = names.filter((name) => name !== "").map((name) => createElement("option", { value: name }));
  document.getElementById("column-names").replaceChildren(...options);
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
  const rows = result.preview_columns.map((name, index) => [columnName("span", name), ...result.rows.map((row) => row[index])]);
  detected.replaceChildren(
    createElement("h2", { id: "detected-title" }, "What we found in your file"),
    createElement("p", {}, `${format}${compression}, ${countWithNoun(result.columns.length, "column")}. For ${result.as_of}, using dataset version ${result.dataset.version}.`),
    createElement("ul", {}, ...items),
    table("Preview of the first rows", head, rows),
  );
  detected.hidden = false;
  status.textContent = "Your file is ready. Check what we found, then select “Look up the list”.";
}

async function check() {
  const id = ++checkId;
  const source = file.files[0];
  isAccepted = false;
  detected.hidden = true;
  summary.hidden = true;
  errorBox.replaceChildren();
  status.textContent = "";
  if (!source) return;
  try {
    const type = await contentType(source);
    const response = await fetch(`${API}?${parameters({ check: "true" })}`, {
      method: "POST",
      headers: { "Content-Type": type },
      body: type === XLSX_TYPE ? source : source.slice(0, SAMPLE_BYTES),
    });
    const body = await response.json();
    if (id !== checkId) return;
    if (response.ok) {
      suggestColumns(body.columns);
      showDetected(body);
      isAccepted = true;
      return;
    }
    suggestColumns(type === XLSX_TYPE ? [] : await columnNames(source));
    if (/column|place|unknown|header|lines|sheet|convert/.test(body.code)) options.open = true;
    showError(problemText(body));
  } catch {
    if (id === checkId) showError("We could not read or send your file. Choose it again.");
  }
}

function createTicket() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showSummary(result) {
  const rows = Object.entries(result.status).filter(([, number]) => number !== 0);
  const agreement = Object.entries(result.agreement).filter(([, number]) => number !== 0);
  const numbers = (entries) => entries.map(([word, number]) => [word, formatCount(number)]);
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
  summary.replaceChildren(...parts);
  summary.hidden = false;
  summary.focus();
}

function finish(text) {
  upload = null;
  progress.hidden = true;
  submit.disabled = false;
  submit.focus();
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
    // Announce the progress only at each quarter, because screen readers read out every change.
    if (Math.floor(share * 4) > quarter && share < 1) {
      quarter = Math.floor(share * 4);
      status.textContent = `${quarter * 25}% sent`;
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
  createElement("a", { href: `${API}/${ticket}`, download: "" }).click();
}

file.addEventListener("change", check);
form.addEventListener("change", (event) => {
  if (event.target !== file && file.files[0] && !upload) check();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (upload) return;
  if (!isAccepted) await check();
  if (isAccepted) await send();
});
stop.addEventListener("click", () => upload?.abort());
window.addEventListener("beforeunload", (event) => {
  if (upload) event.preventDefault();
});
if (file.files[0]) check();
