// The page of lists: shows how a file is understood before it is sent, sends it, and says how far it is.
//
// A browser reads no answer before it has sent everything, and the answers of a long list are larger
// than it should hold. So the list goes up in one request and its answers come down in another, as a
// download; both bear the same ticket, a random number that serves once. Neither end holds the list.

const API = "/api/v1/batch";
// More than the server looks at before it answers `check`.
const BEGINNING_BYTES = 1 << 20;

const form = document.getElementById("list");
const file = document.getElementById("file");
const options = form.querySelector("details");
const fault = document.getElementById("fault");
const understood = document.getElementById("understood");
const running = document.getElementById("running");
const bar = document.getElementById("bar");
const stop = document.getElementById("stop");
const amount = document.getElementById("amount");
const said = document.getElementById("said");
const summary = document.getElementById("summary");
const submit = form.querySelector("button[type=submit]");

let sending = null;
// Which of several checks was asked last: an older one is no news.
let asked = 0;
// Whether the list can be answered as the form stands.
let isUnderstood = false;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const count = (number) => (number === null ? "1 to 7" : number.toLocaleString("en-GB"));
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function parameters(more = {}) {
  const filled = new URLSearchParams(more);
  for (const [name, value] of new FormData(form)) {
    if (name !== "file" && value.trim() !== "") filled.append(name, value.trim());
  }
  return filled;
}

// NDJSON is told from CSV by the name or the first character; everything else the server finds out.
async function contentType(list) {
  const named = /\.(ndjson|jsonl)(\.gz|\.zst)?$/i.test(list.name);
  const first = (await list.slice(0, 64).text()).replace(/^\ufeff/, "").trimStart();
  return named || first.startsWith("{") ? "application/x-ndjson" : "text/csv";
}

function label(parameter) {
  const found = form.querySelector(`label[for="${parameter}"]`);
  return found ? `“${found.firstChild.textContent.trim()}”` : parameter;
}

// The server names parameters; the page has words for them.
function inWords(detail) {
  const text = detail.replace(/\b[a-z]+(_[a-z]+)+\b/g, (name) => label(name));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function showFault(text) {
  const link = element("a", { href: "#file" }, text);
  const list = element("ul", { class: "nhsuk-list nhsuk-error-summary__list" }, element("li", {}, link));
  const body = element("div", { class: "nhsuk-error-summary__body" }, list);
  const heading = element("h2", { class: "nhsuk-error-summary__heading" }, "There is a problem");
  fault.replaceChildren(element("div", { class: "nhsuk-error-summary" }, element("div", { role: "alert" }, heading, body)));
}

function problemOf(body) {
  return body && body.detail ? inWords(body.detail) : "The server did not answer. Try again.";
}

// What the names of the columns probably are, to choose from where the server has a question.
async function namesIn(list) {
  try {
    const packed = /\.gz$/i.test(list.name);
    const bytes = list.slice(0, BEGINNING_BYTES).stream();
    const stream = packed ? bytes.pipeThrough(new DecompressionStream("gzip")) : bytes;
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
    const widest = parts.reduce((best, one) => (one.length > best.length ? one : best));
    return widest.map((name) => name.trim().replace(/^"|"$/g, ""));
  } catch {
    return [];
  }
}

function offer(names) {
  const found = names.filter((name) => name !== "").map((name) => element("option", { value: name }));
  document.getElementById("columns-found").replaceChildren(...found);
}

function table(caption, head, rows) {
  const row = (...cells) => element("tr", { class: "nhsuk-table__row" }, ...cells);
  const header = (scope, name) => element("th", { class: "nhsuk-table__header", scope }, name);
  const cell = (text) => element("td", { class: "nhsuk-table__cell" }, text);
  const body = rows.map(([first, ...cells]) => row(header("row", first), ...cells.map(cell)));
  const made = element(
    "table",
    { class: "nhsuk-table" },
    element("caption", { class: "nhsuk-table__caption nhsuk-table__caption--s" }, caption),
    element("thead", { class: "nhsuk-table__head" }, row(...head.map((name) => header("col", name)))),
    element("tbody", { class: "nhsuk-table__body" }, ...body),
  );
  // Wide tables are scrolled by themselves, with the keyboard too.
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

function showUnderstood(list) {
  const kind = list.format === "ndjson" ? "NDJSON" : `CSV with ${list.delimiter} between fields`;
  const packed = list.compression ? `, packed with ${list.compression}` : "";
  const items = list.read.map((it) =>
    element("li", {}, `${it.holds.charAt(0).toUpperCase()}${it.holds.slice(1)}: column ${it.number}, `, element("code", {}, it.column)),
  );
  if (!list.has_registration) {
    items.push(element("li", {}, "No practice code was found: the registration is left empty."));
  }
  if (!list.has_residence) items.push(element("li", {}, "No place: the residence is left empty."));
  const head = ["Column", ...list.rows.map((_, at) => `Row ${at + 1}`)];
  const rows = list.shown.map((name, at) => [name, ...list.rows.map((row) => row[at])]);
  understood.replaceChildren(
    element("h2", { id: "understood-title" }, "How the list is understood"),
    element("p", {}, `${kind}${packed}, ${list.columns.length} columns. For ${list.as_of}, with dataset version ${list.dataset.version}.`),
    element("ul", {}, ...items),
    table("The first rows as they become, turned on their side", head, rows),
  );
  understood.hidden = false;
  said.textContent = "The list can be answered. See how it is understood, then press “Answer the list”.";
}

async function check() {
  const mine = ++asked;
  const list = file.files[0];
  isUnderstood = false;
  understood.hidden = true;
  summary.hidden = true;
  fault.replaceChildren();
  said.textContent = "";
  if (!list) return;
  try {
    const type = await contentType(list);
    const answer = await fetch(`${API}?${parameters({ check: "true" })}`, {
      method: "POST",
      headers: { "Content-Type": type },
      body: list.slice(0, BEGINNING_BYTES),
    });
    const body = await answer.json();
    if (mine !== asked) return;
    if (answer.ok) {
      offer(body.columns);
      showUnderstood(body);
      isUnderstood = true;
      return;
    }
    offer(await namesIn(list));
    if (/column|place|unknown/.test(body.code)) options.open = true;
    showFault(problemOf(body));
  } catch {
    if (mine === asked) showFault("The file could not be read or sent. Choose it again.");
  }
}

function ticket() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showSummary(result) {
  const rows = Object.entries(result.status).filter(([, number]) => number !== 0);
  const agreement = Object.entries(result.agreement).filter(([, number]) => number !== 0);
  const numbers = (entries) => entries.map(([word, number]) => [word, count(number)]);
  const parts = [
    element("h2", { id: "summary-title" }, "The list is answered"),
    element("p", {}, `${count(result.rows)} rows; ${result.bad_rows === 0 ? "none" : count(result.bad_rows)} could not be read. The answers are among your browser’s downloads.`),
    table("Rows by status", ["Status", "Rows"], numbers(rows)),
    table("How residence and registration compare", ["Agreement", "Rows"], numbers(agreement)),
  ];
  if (result.icc.length > 0) {
    const communities = result.icc.map((icc) => [icc.name, count(icc.residence), count(icc.registration)]);
    parts.push(table("Rows by community", ["Community", "By residence", "By registration"], communities));
  }
  if (result.bad_lines && result.bad_lines.length > 0) {
    parts.push(element("p", {}, `Rows that could not be read begin on line ${result.bad_lines.join(", ")}${result.bad_rows > result.bad_lines.length ? " and others" : ""}.`));
  }
  if (result.shortened_numbers) {
    const { numbers, first_line: firstLine } = result.shortened_numbers;
    const where = firstLine === undefined ? "" : `, the first on line ${firstLine}`;
    parts.push(element("p", {}, `${count(numbers)} numbers look like 4.5E+09${where}: a spreadsheet has shortened them for good.`));
  }
  summary.replaceChildren(...parts);
  summary.hidden = false;
  summary.focus();
}

function ended(text) {
  sending = null;
  running.hidden = true;
  submit.disabled = false;
  submit.focus();
  said.textContent = text;
}

async function send() {
  const list = file.files[0];
  const number = ticket();
  const request = new XMLHttpRequest();
  sending = request;
  fault.replaceChildren();
  summary.hidden = true;
  bar.value = 0;
  amount.textContent = "";
  running.hidden = false;
  stop.focus();
  submit.disabled = true;
  said.textContent = "Answering. The answers are being saved among your downloads.";
  let quarter = 0;
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable || sending !== request) return;
    const share = event.loaded / event.total;
    bar.value = share;
    amount.textContent =
      share < 1 ? `${mebibytes(event.loaded)} of ${mebibytes(event.total)} sent` : "All is sent; the last rows are being answered.";
    // Not at every step: that would be read out without end.
    if (Math.floor(share * 4) > quarter && share < 1) {
      quarter = Math.floor(share * 4);
      said.textContent = `${quarter * 25} % sent`;
    }
  });
  request.addEventListener("load", () => {
    if (request.status === 200) {
      ended("Done.");
      showSummary(request.response);
    } else {
      ended("");
      showFault(`${problemOf(request.response)}. What is among your downloads is not whole: delete it.`);
    }
  });
  request.addEventListener("error", () => {
    ended("");
    showFault("The connection broke off. What is among your downloads is not whole: delete it.");
  });
  request.addEventListener("abort", () => ended("Stopped. What is among your downloads is not whole: delete it."));
  request.responseType = "json";
  request.open("POST", `${API}?${parameters({ ticket: number })}`);
  request.setRequestHeader("Content-Type", await contentType(list));
  request.send(list);
  element("a", { href: `${API}/${number}`, download: "" }).click();
}

file.addEventListener("change", check);
form.addEventListener("change", (event) => {
  if (event.target !== file && file.files[0] && !sending) check();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  if (!isUnderstood) await check();
  if (isUnderstood) await send();
});
stop.addEventListener("click", () => sending?.abort());
window.addEventListener("beforeunload", (event) => {
  if (sending) event.preventDefault();
});
if (file.files[0]) check();
