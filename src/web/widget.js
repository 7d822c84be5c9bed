// <catchment-map area="mb-kendal" search>: shows the map of an area, or of a whole layer, on any page.
// <catchment-map practice="P81002">: shows whether a postcode is in the area of a GP practice.
//
// <catchment-map src="/static/" search>: uses the files of `catchment export --static` instead of a service.
//
// The element draws SVG in a shadow root with constructed style sheets, so a Content-Security-Policy only has to allow
// this file (script-src) and the server from which it was loaded (connect-src). The element stores no data, and sends a
// postcode only in the body of one request. With `src`, it sends no postcode. docs/users/widget.md describes the
// attributes.

const HOME = new URL(".", import.meta.url);
const SVG = "http://www.w3.org/2000/svg";
const OBSERVED_ATTRIBUTES = ["src", "everything", "area", "layer", "practice", "search", "link", "heading", "heading-level", "label", "as-of", "height"];

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
:host { display: block; container-type: inline-size; min-width: min(100%, 256px); }
:host([hidden]) { display: none; }
.root { all: initial; direction: ltr; display: block; color: var(--catchment-ink, #1d2a2e); background: var(--catchment-paper, #fff); font: var(--catchment-font, max(16px, 1rem)/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif); overflow-wrap: break-word; --_height: initial; --_max: var(--_height, var(--catchment-height, 544px)); }
* { box-sizing: border-box; }
h1, h2, h3, h4, h5, h6 { font-size: 1.25em; line-height: 1.25; margin: 0 0 .5em; }
p, ul, dl, .search { margin: 0 0 .75em; }
ul { padding-left: 1.25em; }
dt { font-weight: 600; }
dt::first-letter { text-transform: uppercase; }
dd { margin: 0 0 .5em; }
dd ul { margin: 0; }
a { color: var(--catchment-link, inherit); }
a[href^="tel:"] { white-space: nowrap; }
.search { display: flex; flex-wrap: wrap; gap: .5em; align-items: end; }
label { display: block; font-weight: 600; margin-bottom: .6em; }
label span { display: block; font-weight: 400; }
input, button { font: inherit; min-height: 2.75em; padding: .4em .6em; border-radius: 4px; max-width: 100%; }
input { width: 11em; border: 2px solid currentColor; background: var(--catchment-paper, #fff); color: inherit; text-transform: uppercase; }
button { cursor: pointer; border: 0; font-weight: 700; padding: .4em 1em; color: var(--catchment-on-accent, #fff); background: var(--catchment-accent, #0b5c5c); }
button.text { min-height: 1.75em; padding: 0; font-weight: 400; text-align: left; text-decoration: underline; color: var(--catchment-link, inherit); background: none; }
:focus-visible { outline: 3px solid var(--catchment-ink, #1d2a2e); box-shadow: 0 0 0 6px var(--catchment-focus, #ffdd57); }
.message { font-weight: 600; font-size: 1.1em; }
.message:empty, .details:empty { display: none; margin: 0; }
.error { border-left: 4px solid var(--catchment-error, #b3261e); padding-left: .6em; }
.details { margin-bottom: .75em; }
.small { font-size: .875em; }
.map { position: relative; align-self: start; }
svg { display: block; aspect-ratio: var(--_ratio); width: min(100%, calc(var(--_max) * var(--_ratio))); margin: 0 auto .75em; background: var(--catchment-sea, #e4eef3); border: 1px solid #8a9a9c; border-radius: 4px; touch-action: manipulation; }
@container (min-width: 736px) {
  .root { --_max: var(--_height, var(--catchment-height, 640px)); }
  .columns { display: grid; grid-template: auto 1fr / minmax(0, 1fr) auto; column-gap: 2em; }
  .map { grid-area: 1 / 2 / span 2; width: min(60cqi, calc(var(--_max) * var(--_ratio))); }
}
path { vector-effect: non-scaling-stroke; stroke-linejoin: round; }
[role=option] { fill: var(--catchment-land, #cfe0d6); fill-rule: evenodd; stroke: var(--catchment-line, #47685c); stroke-width: 1.25px; cursor: pointer; outline: none; box-shadow: none; }
svg.has-focus [role=option] { fill: var(--catchment-around, #eef3ef); }
svg.has-focus [role=option].focus { fill: var(--catchment-land, #cfe0d6); }
[role=option]:hover, [role=option][aria-selected=true] { fill: var(--catchment-chosen, #8fd0c6) !important; }
.overlay { pointer-events: none; fill: none; }
.edge { stroke: var(--catchment-accent, #083f40); stroke-width: 2px; }
.ring { stroke: var(--catchment-ink, #1d2a2e); stroke-width: 6px; }
.ring + .ring { stroke: var(--catchment-focus, #ffdd57); stroke-width: 3px; }
svg:not(:focus-within) .ring { display: none; }
text { fill: var(--catchment-ink, #1d2a2e); stroke: var(--catchment-paper, #fff); stroke-linejoin: round; paint-order: stroke; text-anchor: middle; }
text.focus { font-weight: 700; }
text.scale-text { text-anchor: start; }
.scale-bar { stroke: var(--catchment-ink, #1d2a2e); stroke-width: 2px; }
.marker { fill: #b3261e; stroke: #fff; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.key-help { position: absolute; inset: auto 0 1.25em; width: fit-content; max-width: 90%; margin: 0 auto; padding: .2em .5em; border-radius: 4px; background: #1d2a2e; color: #fff; }
.map:not(:has(:focus-visible)) .key-help { opacity: 0; }
summary { cursor: pointer; min-height: 1.75em; }
@media (forced-colors: active) {
  svg { background: Canvas; }
  [role=option], svg.has-focus [role=option], svg.has-focus [role=option].focus { fill: Canvas; stroke: CanvasText; }
  [role=option]:hover, [role=option][aria-selected=true] { fill: Highlight !important; }
  text { fill: CanvasText; stroke: Canvas; }
  .edge, .scale-bar { stroke: CanvasText; }
  .ring { stroke: Canvas; }
  .ring + .ring { stroke: Highlight; }
  .marker { fill: CanvasText; stroke: Canvas; }
  button { border: 1px solid; }
}
@media print {
  button, .search, details.list, .key-help { display: none; }
  .about::details-content { content-visibility: visible; }
}
`);

// Creates an element. Attributes and children that are null, undefined or false are omitted.
function createElement(namespace, name, attributes, children) {
  const element = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}
const html = (name, attributes = {}, ...children) => createElement("http://www.w3.org/1999/xhtml", name, attributes, children);
const svg = (name, attributes = {}, ...children) => createElement(SVG, name, attributes, children);

const list = (items) => html("ul", { role: "list" }, ...items.map((item) => html("li", {}, item)));
const formatDistance = (m) => (m < 995 ? `${Math.round(m)}\u00a0m` : `${(m / 1000).toFixed(m < 9950 ? 1 : 0)}\u00a0km`);
const practiceDistance = ({ distance_m: m, premises }) =>
  m != null && (m < 1 ? "at this postcode" : `${formatDistance(m)} away${premises?.postcode ? ` (${premises.postcode})` : ""}`);
const joinNames = (areas) => areas.map((area) => area.name ?? "land outside these areas").join(" and ");

const telephoneLink = (number) => html("a", { href: `tel:${number.replace(/[^+\d]/g, "")}` }, number);
const describe = (rows) => rows.some(Boolean) && html("dl", {}, ...rows.filter(Boolean).flatMap(([term, content]) => [html("dt", {}, term), html("dd", {}, content)]));
const isList = (value) => Array.isArray(value) && value.length > 0;

// The points of the compass, in clockwise order from north.
const COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

async function fetchJson(url, options = {}) {
  const response = await fetch(new URL(url, HOME), { credentials: "omit", referrerPolicy: "no-referrer", ...options });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.detail), { code: body.code, suggestion: body.suggestion });
  return body;
}

// Error messages, by problem code.
const ERRORS = {
  missing: "Enter a postcode.",
  malformed: "Enter a UK postcode, such as LA18 4DB.",
  partial_postcode: "Enter the full postcode, not just the first part.",
  unknown_postcode: "We cannot find this postcode. It may be newer than our data. Check it and try again.",
  no_data_for_date: "We have no information for that date.",
  date_not_in_copy: "We have no information for that date.",
  damaged: "Sorry, the look-up did not work, because the files of this website are not from the same export. Reload the page and try again.",
};
// Messages for answers without a location, by status.
const STATUS_TEXTS = {
  no_fixed_abode: "This code means no fixed abode, so there is no location.",
  address_not_known: "This code means that the address is not known, so there is no location.",
  pseudo_country: "This code is for a country or a circumstance, not for an address, so there is no location.",
  no_location: "This postcode exists, but we do not know its location.",
};
const PROVENANCE_TEXTS = {
  indicative: "Indicative: drawn from open statistics, not from an official map.",
  modelled: "Modelled from practice list sizes and distance. These are not the practices’ own boundaries.",
  derived: "Derived from official lists of smaller areas.",
};
// The NHS page for finding GP practices.
const FIND_A_GP = "https://www.nhs.uk/service-search/find-a-gp";
const MODELLED_PRACTICE = "We estimated this area from the sizes of practice lists and from distances. The practice did not draw it, so only the practice can say whether you can register.";
// Advice on what people can do next, by the part of a practice's area in which they live.
const PRACTICE_ADVICE = {
  inside: "People who live in this area can ask to register. Contact the practice.",
  outer: "Patients of the practice who move here can usually stay registered. If you are not registered there, ask the practice first.",
  outside: "A practice may register people from outside its area, but it does not have to, and it may not visit them at home. Ask the practice, or find one nearer to you.",
};
// The roles of layers whose areas are defined by the people registered with their practices.
const REGISTRATION_ROLES = ["community", "part", "network"];

class CatchmentMap extends HTMLElement {
  static observedAttributes = OBSERVED_ATTRIBUTES;

  #sizeStyle = new CSSStyleSheet();
  #observer = new ResizeObserver(() => this.#drawLabels());
  #isLoadScheduled = false;
  // The ids of the latest load and the latest search. Responses to earlier loads and searches are ignored.
  #loadId = 0;
  #searchId = 0;
  // A promise that settles when the map has been drawn or drawing has failed.
  #loading;
  // The files of the attribute `src`, or null if the element uses the service.
  #copy = null;
  // The data of the map that is shown, and the data that the attributes select. The two differ while the map shows the
  // area of a postcode.
  #data = null;
  #selectedData = null;
  // The practice of the attribute `practice`.
  #practice = null;
  // The index of the area that has the tab stop of the map.
  #current = 0;
  #location = null;
  // The parts of the shadow tree.
  #mapBox;
  #listBox;
  #about;
  #map;
  #paths;
  #overlay;
  #outlines;
  #selectionName;
  #selectionDetails;
  #areaList;
  #field;
  #message;
  #resultDetails;

  connectedCallback() {
    if (!this.shadowRoot) {
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [STYLE, this.#sizeStyle];
      // Show the children of the element until the map is loaded.
      this.shadowRoot.append(html("slot"));
    }
    this.#scheduleLoad();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  attributeChangedCallback(_name, before, now) {
    if (before !== now && this.isConnected && this.shadowRoot) this.#scheduleLoad();
  }

  // Loads the map only once if several attributes change at the same time.
  #scheduleLoad() {
    if (this.#isLoadScheduled) return;
    this.#isLoadScheduled = true;
    this.#loading = Promise.resolve().then(() => {
      this.#isLoadScheduled = false;
      return this.#load();
    });
  }

  // Looks up a postcode. Returns the detail of the event `catchment-answer`, or null if there is no answer.
  async lookup(postcode) {
    await this.#loading;
    if (!this.#data) return null;
    this.#field.value = postcode;
    return this.#search(String(postcode));
  }

  // Shows an area, or the whole layer if `area` is null.
  async show(area) {
    this.removeAttribute("practice");
    if (area) this.setAttribute("area", area);
    else this.removeAttribute("area");
    this.#scheduleLoad();
    await this.#loading;
  }

  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(`catchment-${name}`, { bubbles: true, composed: true, detail }));
    return detail;
  }

  get #query() {
    const date = this.getAttribute("as-of");
    return date ? `?as_of=${encodeURIComponent(date)}` : "";
  }

  async #fetchMap(layer, area) {
    const index = this.#copy && (await this.#copy.index());
    const name = (index && { _: index.maps.default, _practice: index.maps.practices }[layer]) ?? layer;
    const path = ["widget", name, area].filter(Boolean).map(encodeURIComponent).join("/");
    const map = await this.#fetchData(path, ".json");
    if (index && map.dataset.version !== index.dataset.version) throw Object.assign(new Error(`${path}.json is of another export than index.json`), { code: "damaged" });
    return map;
  }

  // Returns the JSON at a path, from the service or from the files. The files describe the areas on the first day of
  // the files.
  #fetchData(path, ending = "") {
    return this.#copy ? this.#copy.json(`${path}.json`) : fetchJson(`${path}${ending}${this.#query}`);
  }

  // Opens the files of the attribute `src`, unless they are open.
  async #openCopy() {
    if (!this.hasAttribute("src")) return null;
    const base = new URL(this.getAttribute("src"), document.baseURI);
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    const everything = this.hasAttribute("everything");
    if (this.#copy?.base.href === base.href && this.#copy.everything === everything) return this.#copy;
    const { Catchment } = await import(new URL("catchment.js", base).href);
    return new Catchment(base, { everything });
  }

  // Returns a name. If the attribute `link` contains a URL, the name is a link to a page of the website
  // that contains the element.
  #link(layer, { id, name }) {
    const template = this.getAttribute("link");
    if (!template || !id) return name;
    const address = template.replaceAll("{layer}", encodeURIComponent(layer)).replaceAll("{id}", encodeURIComponent(id));
    const url = URL.canParse(address, document.baseURI) && new URL(address, document.baseURI);
    return url && /^https?:$/.test(url.protocol) ? html("a", { href: url.href }, name) : name;
  }

  // The layer of the map that is drawn.
  get #layer() {
    return this.#data.layer;
  }

  get #hasRegistration() {
    return REGISTRATION_ROLES.includes(this.#data.role);
  }

  async #load() {
    const loadId = ++this.#loadId;
    const practice = this.getAttribute("practice")?.trim().toUpperCase();
    const segments = practice ? ["_practice", practice] : [this.getAttribute("layer") || "_", this.getAttribute("area")];
    try {
      const copy = await this.#openCopy();
      if (loadId !== this.#loadId) return;
      this.#copy = copy;
      const [data, facts] = await Promise.all([
        this.#fetchMap(...segments),
        practice && this.#fetchData(`api/v1/practices/${encodeURIComponent(practice)}`),
      ]);
      if (loadId !== this.#loadId) return;
      this.#practice = facts || null;
      this.#selectedData = data;
      this.#drawElement(data);
      this.#dispatch("ready", { layer: data.layer, area: data.focus });
    } catch (error) {
      if (loadId !== this.#loadId) return;
      console.warn(`catchment-map: ${error.message}`);
      this.#observer.disconnect();
      this.#data = null;
      this.shadowRoot.replaceChildren(html("slot"));
      this.#dispatch("error", { code: error.code || "unavailable" });
    }
  }

  #drawElement(data) {
    const level = /^[1-6]$/.test(this.getAttribute("heading-level")) ? this.getAttribute("heading-level") : 2;
    const heading = this.getAttribute("heading");
    this.#mapBox = html("div", { class: "map" });
    // A focus listener on the SVG itself would make the SVG a tab stop in Chromium.
    this.#mapBox.addEventListener("focusin", () => this.#drawOutlines());
    this.#listBox = html("div");
    this.#about = html("p");
    const search = this.#searchBox();
    this.#drawMap(data);
    const isApproximate = data.areas.some(({ provenance }) => PROVENANCE_TEXTS[provenance] && provenance !== "derived");
    const box = html("section", { class: "root", "aria-label": this.getAttribute("label") || heading || this.#titleOf(data) },
      heading && html(`h${level}`, {}, heading),
      html("div", { class: "columns" }, search, this.#mapBox, this.#listBox),
      html("details", { class: "about small", part: "source" }, html("summary", {}, `About this map${isApproximate ? " (approximate boundaries)" : ""}`), this.#about));
    this.shadowRoot.replaceChildren(box);
  }

  #titleOf(data) {
    return data.areas.find((area) => area.id === data.focus)?.name ?? data.title;
  }

  // Draws the map and the list of names. The search, and its result, remain.
  #drawMap(data) {
    data.areas.sort((a, b) => a.name.localeCompare(b.name, "en-GB"));
    this.#data = data;
    const [width, height] = data.size;
    const focus = data.areas.find((area) => area.id === data.focus);
    const title = this.#titleOf(data);
    const requested = this.getAttribute("height") || "";
    const maxHeight = /^\d+$/.test(requested) ? `${requested}px` : CSS.supports("height", requested) && requested;
    this.#sizeStyle.replaceSync(`.root { --_ratio: ${width / height};${maxHeight ? ` --_height: ${maxHeight};` : ""} }`);

    this.#current = Math.max(0, data.areas.indexOf(focus));
    this.#paths = data.areas.map((area, index) =>
      svg("path", {
        role: "option", d: area.path, class: area.id === data.focus && "focus", "aria-label": area.name, "aria-selected": "false",
        tabindex: index === this.#current ? 0 : -1,
      }),
    );
    this.#overlay = svg("g", { "aria-hidden": "true", class: "overlay" });
    this.#map = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, role: "listbox", class: focus && "has-focus", part: "map",
      "aria-label": `Map of ${focus && data.areas.length > 1 ? `${title} and the areas around it` : title}`, "aria-describedby": "key-help",
    }, ...this.#paths, this.#overlay);
    this.#map.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#paths.forEach((path, index) => path.addEventListener("click", () => this.#selectArea(index)));

    this.#selectionDetails = html("div", { class: "details" });
    this.#selectionName = html("p", { class: "message", role: "status" });
    this.#areaList = html("details", { class: "list", part: "list", open: !this.#hasSearch && data.areas.length <= 20 && "" },
      html("summary", {}, data.areas.length === 1 ? "Name of the area on this map" : `Names of the ${data.areas.length} areas on this map`),
      list(data.areas.map((area, index) => {
        const button = html("button", { type: "button", class: "text" }, area.name);
        button.addEventListener("click", () => this.#selectArea(index));
        return button;
      })));
    this.#mapBox.replaceChildren(this.#map, html("p", { class: "key-help small", id: "key-help" }, "Use the arrow keys to move, Enter to select and Escape to leave the map."));
    this.#listBox.replaceChildren(this.#selectionName, this.#selectionDetails, this.#areaList);
    const provenances = [...new Set(data.areas.map((area) => area.provenance))];
    this.#about.textContent = [...provenances.map((provenance) => PROVENANCE_TEXTS[provenance]), "Blank parts of the map are sea, or land outside these areas.", data.attribution].filter(Boolean).join(" ");
    this.#location = null;
    this.#observer.disconnect();
    this.#observer.observe(this.#map);
  }

  get #hasSearch() {
    return this.hasAttribute("search") || this.#practice !== null;
  }

  // Draws the overlay: the labels that fit, the scale bar, the marker and the outlines.
  #drawLabels() {
    const data = this.#data;
    if (!data || !this.#map?.clientWidth) return;
    const pixel = data.size[0] / this.#map.clientWidth;
    const size = 0.875 * parseFloat(getComputedStyle(this.#map).fontSize) * pixel;
    const gap = 4 * pixel;
    this.#outlines = ["edge", "ring", "ring"].map((name) => svg("path", { class: name }));
    this.#overlay.replaceChildren(...this.#outlines);
    this.#overlay.setAttribute("font-size", size);
    this.#overlay.setAttribute("stroke-width", 3 * pixel);

    const taken = [this.#location && this.#drawMarker(pixel)].filter(Boolean);
    const isFree = (box) => box.x > gap && box.y > gap && box.x + box.width < data.size[0] - gap && box.y + box.height < data.size[1] - 2 * size &&
      !taken.some((other) => other.x < box.x + box.width && box.x < other.x + other.width && other.y < box.y + box.height && box.y < other.y + other.height);
    const priority = (index) => {
      const box = this.#paths[index].getBBox();
      return box.width * box.height * (data.areas[index].id === data.focus ? 1e6 : 1);
    };
    const order = data.areas.map((_, index) => index).sort((a, b) => priority(b) - priority(a));
    for (const index of order) {
      const { label, id, middle: [x, y] } = data.areas[index];
      const text = svg("text", { class: id === data.focus && "focus" }, ...wrap(label).map((line, row) => svg("tspan", { x, dy: row ? "1.1em" : 0 }, line)));
      this.#overlay.append(text);
      const found = [0, 1, -1, 2, -2, 3, -3].map((step) => y + step * size).find((top) => {
        text.setAttribute("y", top);
        return isFree(text.getBBox());
      });
      if (found === undefined) text.remove();
      else taken.push(text.getBBox());
    }
    this.#drawScaleBar(pixel);
    this.#drawOutlines();
  }

  #drawScaleBar(pixel) {
    const { metres_per_unit: metre, size: [, height] } = this.#data;
    const km = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200].find((length) => (length * 1000) / metre / pixel > 50) || 500;
    const [x, y, length] = [10 * pixel, height - 10 * pixel, (km * 1000) / metre];
    this.#overlay.append(
      svg("path", { class: "scale-bar", d: `M${x} ${y - 6 * pixel}V${y}h${length}v${-6 * pixel}` }),
      svg("text", { class: "scale-text", x: x + length + 6 * pixel, y }, `${km} km`));
  }

  #drawOutlines() {
    if (!this.#outlines) return;
    const selected = this.#paths.find((path) => path.getAttribute("aria-selected") === "true") || this.#paths.find((path) => path.classList.contains("focus"));
    const current = this.#paths[this.#current];
    const focused = this.shadowRoot.activeElement === current && current;
    [selected, focused, focused].forEach((path, index) => this.#outlines[index].setAttribute("d", path ? path.getAttribute("d") : ""));
  }

  #handleKey(event) {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 1], ArrowUp: [1, -1] }[event.key];
    const last = this.#paths.length - 1;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) this.#focus(this.#neighbour(...step));
    else if (event.key === "Home") this.#focus(0);
    else if (event.key === "End") this.#focus(last);
    else if (event.key === "Enter" || event.key === " ") this.#selectArea(this.#current);
    else if (event.key === "Escape") this.#areaList.firstChild.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Returns the next area from west to east (axis 0) or north to south (axis 1). All areas form one sequence, so that
  // the arrow keys reach each of them.
  #neighbour(axis, step) {
    const areas = this.#data.areas;
    const order = areas.map((_, index) => index).sort((a, b) => areas[a].middle[axis] - areas[b].middle[axis] || a - b);
    const position = order.indexOf(this.#current) + step;
    return order[Math.min(Math.max(position, 0), order.length - 1)];
  }

  #focus(index) {
    this.#paths[this.#current].setAttribute("tabindex", -1);
    this.#current = index;
    this.#paths[index].setAttribute("tabindex", 0);
    this.#paths[index].focus();
    this.#drawOutlines();
  }

  #highlight(index) {
    this.#paths.forEach((path, other) => path.setAttribute("aria-selected", other === index));
    this.#drawOutlines();
  }

  async #selectArea(index) {
    const area = this.#data.areas[index];
    const layer = this.#layer;
    if (this.#paths.includes(this.shadowRoot.activeElement)) this.#focus(index);
    this.#highlight(index);
    this.#selectionName.textContent = area.name;
    this.#selectionDetails.replaceChildren();
    const { id, name } = area;
    this.#dispatch("select", { layer, id, name });
    this.#selectionName.replaceChildren(this.#link(layer, area));
    if (!this.#hasRegistration) return;
    const { members } = await this.#fetchData(`api/v1/areas/${layer}/${encodeURIComponent(id)}`).catch(() => ({ members: [] }));
    const practices = members.filter((member) => member.layer === this.#data.practice_layer && member.status === "active");
    if (practices.length === 0 || this.#selectionName.textContent !== name) return;
    this.#selectionDetails.replaceChildren(
      html("p", {}, `Everyone registered with one of these GP practices belongs to ${name}:`),
      list(practices.map((practice) => this.#link(practice.layer, practice))));
  }

  // Returns the postcode field and the place of its result. The place for the result also exists without the attribute
  // `search`, because a script of the page may look up a postcode.
  #searchBox() {
    this.#field = html("input", { id: "postcode", type: "text", autocomplete: "postal-code", spellcheck: "false", autocapitalize: "characters", maxlength: 20, enterkeyhint: "search" });
    this.#message = html("p", { class: "message", role: "status", id: "message" });
    this.#resultDetails = html("div", { class: "details" });
    const button = html("button", { type: "button" }, "Look up");
    // Do not use a form element, because a sandboxed frame without allow-forms cannot submit a form.
    button.addEventListener("click", () => this.#search(this.#field.value));
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.#search(this.#field.value);
    });
    const label = html("label", { for: "postcode" }, this.#practice ? "Your postcode" : "Postcode", html("span", { class: "small" }, "For example, LA18 4DB"));
    return html("div", {},
      this.#practice && html("p", {}, `Enter your postcode to see whether you live in the area of ${this.#practice.name}.`),
      this.#hasSearch && html("div", { role: "search", class: "search", part: "search" }, html("div", {}, label, this.#field), button),
      this.#message, this.#resultDetails);
  }

  async #search(postcode) {
    const searchId = ++this.#searchId;
    const { layer, practice_layer: practiceLayer, group_layer: groupLayer, other_communities: others } = this.#data;
    const layers = this.#practice ? [layer] : [...new Set([layer, ...others.map((other) => other.layer), groupLayer, practiceLayer].filter(Boolean))];
    const date = this.getAttribute("as-of");
    this.#location = null;
    this.#showMessage("Looking up…", []);
    let detail = null;
    try {
      const answer = this.#copy ? await this.#copy.locate({ postcode, asOf: date ?? undefined }) : await fetchJson("api/v1/locate", {
        method: "POST", cache: "no-store", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ postcode, layers, ...(date && { as_of: date }) }),
      });
      if (searchId !== this.#searchId) return null;
      detail = this.#practice ? this.#showPracticeResult(answer) : await this.#showResult(answer, searchId);
    } catch (error) {
      if (searchId !== this.#searchId) return null;
      this.#showError(error);
      this.#dispatch("error", { code: error.code || "unavailable" });
    }
    this.#drawLabels();
    return detail && this.#dispatch("answer", detail);
  }

  #showMessage(text, details, isError = false) {
    this.#message.textContent = text;
    this.#message.classList.toggle("error", isError);
    this.#resultDetails.replaceChildren(...details.filter(Boolean));
    for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", "message"]]) {
      if (isError) this.#field.setAttribute(name, value);
      else this.#field.removeAttribute(name);
    }
  }

  #showError({ code, suggestion }) {
    let button = null;
    if (suggestion) {
      button = html("button", { type: "button", class: "text" }, `Did you mean ${suggestion}? We have not looked it up yet.`);
      button.addEventListener("click", () => {
        this.#field.value = suggestion;
        this.#field.focus();
        this.#search(suggestion);
      });
    }
    this.#highlight(-1);
    this.#showMessage(ERRORS[code] || "Sorry, the look-up did not work. Try again later.", [button], true);
    this.#field.focus();
  }

  // Shows the areas of a location, and returns the detail of the event. The detail never contains the postcode.
  async #showResult({ status, location, residence }, searchId) {
    const areasOf = (layer) => (isList(residence[layer]) ? residence[layer] : []);
    const { practice_layer: practiceLayer, group_layer: groupLayer, group_nouns: groupNouns, other_communities: otherCommunities, noun } = this.#data;
    const layer = [this.#layer, ...otherCommunities.map((other) => other.layer)].find((layer) => areasOf(layer).length) || this.#layer;
    const other = otherCommunities.find((other) => other.layer === layer);
    const isPractices = layer === practiceLayer;
    const areas = residence[layer];
    const isFound = isList(areas);
    const postcode = location?.postcode || "This postcode";
    const practices = practiceLayer ? areasOf(practiceLayer) : [];
    const groups = groupLayer ? areasOf(groupLayer) : [];
    let text = `${postcode} is not in any area we have data for.`;
    if (STATUS_TEXTS[status]) text = STATUS_TEXTS[status];
    else if (areas?.unknown) text = "We have no information for that date.";
    else if (isPractices) text = practices.length ? `${postcode} is in the area of these GP practices.` : text;
    else if (isFound) text = `${postcode} is in the area of ${joinNames(areas)}${other?.noun ? ` ${other.noun}` : ""}.`;

    const near = isFound && !isPractices && areas.find((area) => area.certainty === "near_boundary");
    const otherSide = near && near.alternatives?.length ? ` On the other side: ${joinNames(near.alternatives)}.` : "";
    const split = isFound && !isPractices && areas.find((area) => area.certainty === "split");
    const others = split ? split.alternatives.filter((other) => other.share > 0).map((other) => other.name ?? "none of these areas") : [];
    const hasArea = isFound && !isPractices;
    const find = () => this.#data.areas.findIndex((area) => hasArea && layer === this.#layer && area.id === areas[0].id);
    const isLinked = hasArea && this.hasAttribute("link");
    const where = html("p");
    const isModelled = practices.some((practice) => practice.provenance === "modelled");
    this.#showMessage(text, [
      status === "terminated" && html("p", {}, "This postcode is no longer in use. We have used its last known location."),
      otherSide && html("p", {}, `The boundary of that area is only ${formatDistance(near.boundary_distance_m)} away.${otherSide} Some addresses with the same postcode may be on the other side, so check the full address if this matters.`),
      near && !otherSide && html("p", {}, "We do not know the exact location of this postcode, so check the full address if this matters."),
      split && html("p", {}, `${split.share > 0 ? "Only some" : "None"} of the homes with this postcode are in that area. The others are in ${others.join(" and ")}, so check the full address if this matters.`),
      where,
      describe([
        isLinked && [other?.title ?? noun, list(areas.map((area) => this.#link(layer, area)))],
        groups.length > 0 && [`${groupNouns[groups.length > 1 ? 1 : 0]} where you live`, list(groups.map((group) => this.#link(groupLayer, group)))],
        practices.length > 0 && [`GP practices that cover ${postcode}${isModelled ? " (estimate)" : ""}`, list(practices.map((practice) => this.#practiceLine(practice)))],
      ]),
      isModelled && html("p", { class: "small" }, "The areas of practices are estimates, not the practices’ own boundaries. Ask the practice."),
      isFound && (this.#hasRegistration || other) && html("p", {}, "This is based on where you live. If you are registered with a GP practice, you belong to that practice’s community, wherever you live."),
    ]);
    if (hasArea && find() < 0) await this.#findOnMap(where, layer, location, searchId);
    if (searchId !== this.#searchId) return null;
    this.#highlight(find());
    this.#location = location;
    const [area] = hasArea ? areas : [];
    return { status, layer: area ? layer : null, id: area?.id ?? null, name: area?.name ?? null };
  }

  // Returns the name of a practice with its distance and telephone number.
  #practiceLine(practice) {
    const distance = practiceDistance(practice);
    return html("span", {}, this.#link(this.#data.practice_layer, practice), distance && `, ${distance}`, practice.telephone && ", ", practice.telephone && telephoneLink(practice.telephone));
  }

  // If an area is not on the map, shows the whole layer, or states where the area is. The element does not load the map
  // of the area, because a proxy may log the URL, which would reveal where the visitor lives.
  async #findOnMap(where, layer, location, searchId) {
    const isOther = layer !== this.#layer;
    const data = isOther || !this.#data.focus ? null : await this.#fetchMap(layer).catch(() => null);
    if (searchId !== this.#searchId) return;
    where.textContent = `That area is not on this map.${this.#directionTo(location)}`;
    if (!data) return;
    const title = this.#titleOf(this.#data);
    const isFirst = this.#data === this.#selectedData;
    this.#drawMap(data);
    const back = html("button", { type: "button", class: "text" }, `Show ${isFirst ? title : this.#titleOf(this.#selectedData)} again`);
    back.addEventListener("click", () => {
      this.#drawMap(this.#selectedData);
      where.remove();
    });
    where.replaceChildren(`That area is not around ${title}, so the map now shows all areas. `, back);
  }

  // Returns the distance and the direction of a location from the middle of the map.
  #directionTo(location) {
    const position = this.#positionOf(location);
    if (!position) return "";
    const { metres_per_unit: metre, size: [width, height] } = this.#data;
    const [east, south] = [(position.x - width / 2) * metre, (position.y - height / 2) * metre];
    const eighths = Math.round((Math.atan2(east, -south) / Math.PI) * 4);
    return ` It is about ${formatDistance(Math.hypot(east, south))} to the ${COMPASS[(eighths + 8) % 8]} of the middle of the map.`;
  }

  // Shows whether a location is in the area of the practice, and returns the detail of the event.
  #showPracticeResult({ status, location, residence }) {
    const { id, name, telephone, premises, status: practiceStatus } = this.#practice;
    const layer = this.#layer;
    const results = residence[layer];
    const match = isList(results) ? results.find((practice) => practice.id === id) : null;
    const postcode = location?.postcode || "This postcode";
    const isModelled = this.#data.areas[0].provenance === "modelled";
    const isClosed = practiceStatus === "closed";
    const contact = !isClosed && telephone ? html("p", {}, "Telephone of the practice: ", telephoneLink(telephone)) : null;
    let part = match ? { inner: "inner", outer: "outer" }[match.area] ?? "inside" : "outside";
    if (STATUS_TEXTS[status] || !location || results?.unknown) {
      part = null;
      const text = STATUS_TEXTS[status] || (results?.unknown ? "We have no information for that date." : "We have no data for this postcode, so we cannot say whether it is in this area.");
      this.#showMessage(text, [contact]);
    } else {
      const place = { inside: "in the area", inner: "in the inner area", outer: "in the outer area", outside: "outside the area" }[part];
      const advice = isModelled && match ? "Ask the practice whether you can register." : PRACTICE_ADVICE[part] ?? PRACTICE_ADVICE.inside;
      this.#showMessage(`${postcode} is ${isModelled ? "probably " : ""}${place} of ${name}.`, [
        isClosed && html("p", {}, "This practice has closed."),
        status === "terminated" && html("p", {}, "This postcode is no longer in use. We have used its last known location."),
        this.#surgeryDistance(premises ?? [], location),
        !isClosed && html("p", {}, advice),
        contact,
        (part === "outside" || isClosed) && html("p", {}, html("a", { href: FIND_A_GP }, "Find a GP practice on the NHS website")),
        isModelled && html("p", { class: "small" }, MODELLED_PRACTICE),
      ]);
    }
    this.#location = location;
    return { status, layer, id, name, practice: part };
  }

  // Returns the sentence about the nearest premises of the practice.
  #surgeryDistance(premises, { easting, northing }) {
    const measured = premises.filter((site) => site.easting != null && easting != null).map((site) => [Math.hypot(site.easting - easting, site.northing - northing), site]);
    const [nearest] = measured.sort(([a], [b]) => a - b);
    if (!nearest) return null;
    const [distance, { name, postcode }] = nearest;
    const surgery = [name !== this.#practice.name && name, postcode].filter(Boolean).join(", ");
    const which = premises.length > 1 ? "Its nearest surgery" : "Its surgery";
    return html("p", {}, `${which}${surgery && ` (${surgery})`} is ${distance < 1 ? "at this postcode" : `${formatDistance(distance)} away in a straight line`}.`);
  }

  // Returns a location in the units of the map, or null if it has no coordinates.
  #positionOf(location) {
    if (location?.longitude == null) return null;
    const { longitude, latitude } = location;
    const { earth: [circumference, west, north] } = this.#data;
    const x = (longitude / 360 + 0.5) * circumference - west;
    const y = (0.5 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI)) * circumference - north;
    return { x, y };
  }

  // Draws the marker if the location is on the map, and returns the bounding box of the marker.
  #drawMarker(pixel) {
    const position = this.#positionOf(this.#location);
    if (!position) return null;
    const { x, y } = position;
    const { size: [width, height] } = this.#data;
    if (x < 0 || y < 0 || x > width || y > height) return null;
    const marker = svg("circle", { class: "marker", cx: x, cy: y, r: 7 * pixel });
    this.#overlay.append(marker);
    return marker.getBBox();
  }
}

// Splits a name into lines of about 12 characters.
function wrap(name) {
  return name.split(" ").reduce((lines, word) => {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < 12) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
    return lines;
  }, []);
}

// A page may load this script twice, but an element can be defined only once.
if (!customElements.get("catchment-map")) customElements.define("catchment-map", CatchmentMap);
