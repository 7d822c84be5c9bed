// <catchment-map area="mb-kendal" search>: the map of an area, or of a whole layer, on any page.
//
// Everything is drawn as SVG in a shadow root with constructed style sheets: no style or script of the page's
// policy is needed but this file and, as connect-src, the server it came from. Nothing is stored, and a
// postcode is sent in the body of one request and nowhere else. docs/widget.md tells the attributes.

const HOME = new URL(".", import.meta.url);
const SVG = "http://www.w3.org/2000/svg";
const ATTRIBUTES = ["area", "layer", "search", "heading", "heading-level", "label", "as-of", "height"];

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
:host { display: block; container-type: inline-size; min-width: min(100%, 16rem); color: var(--catchment-ink, #1d2a2e); background: var(--catchment-paper, #fff); font: var(--catchment-font, 1rem/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif); overflow-wrap: break-word; }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
h1, h2, h3, h4, h5, h6 { font-size: 1.25em; line-height: 1.25; margin: 0 0 .5em; }
p, ul, .search { margin: 0 0 .75em; }
ul { padding-left: 1.25em; }
.search { display: flex; flex-wrap: wrap; gap: .5em; align-items: end; }
label { display: block; font-weight: 600; }
label span { display: block; font-weight: 400; }
input, button { font: inherit; min-height: 2.75em; padding: .4em .6em; border-radius: 4px; max-width: 100%; }
input { width: 11em; border: 2px solid currentColor; background: #fff; color: #1d2a2e; text-transform: uppercase; }
button { cursor: pointer; border: 0; font-weight: 700; padding: .4em 1em; color: var(--catchment-on-accent, #fff); background: var(--catchment-accent, #0b5c5c); }
button.text { min-height: 1.75em; padding: 0; font-weight: 400; text-align: left; text-decoration: underline; color: var(--catchment-accent, #0b5c5c); background: none; }
:focus-visible { outline: 3px solid var(--catchment-ink, #1d2a2e); box-shadow: 0 0 0 6px var(--catchment-focus, #ffdd57); }
.said { font-weight: 600; font-size: 1.1em; }
.said:empty, .details:empty { display: none; margin: 0; }
.fault { border-left: 4px solid var(--catchment-fault, #b3261e); padding-left: .6em; }
.details { margin-bottom: .75em; }
.small { font-size: .875em; }
.map { position: relative; align-self: start; }
@container (min-width: 46rem) {
  .columns { display: grid; grid-template: auto 1fr / minmax(0, 1fr) minmax(0, 1fr); column-gap: 2rem; }
  .map { grid-area: 1 / 2 / span 2; }
}
svg { display: block; margin: 0 auto .75em; background: var(--catchment-sea, #e4eef3); border: 1px solid #8a9a9c; border-radius: 4px; touch-action: manipulation; }
path { vector-effect: non-scaling-stroke; stroke-linejoin: round; }
[role=option] { fill: var(--catchment-land, #cfe0d6); fill-rule: evenodd; stroke: var(--catchment-line, #47685c); stroke-width: 1.25px; cursor: pointer; outline: none; box-shadow: none; }
svg.near [role=option] { fill: var(--catchment-around, #eef3ef); }
svg.near [role=option].own { fill: var(--catchment-land, #cfe0d6); }
[role=option]:hover, [role=option][aria-selected=true] { fill: var(--catchment-chosen, #8fd0c6) !important; }
.over { pointer-events: none; fill: none; }
.edge { stroke: var(--catchment-accent, #083f40); stroke-width: 3px; }
.ring { stroke: var(--catchment-ink, #1d2a2e); stroke-width: 6px; }
.ring + .ring { stroke: var(--catchment-focus, #ffdd57); stroke-width: 3px; }
svg:not(:focus-within) .ring { display: none; }
text { fill: var(--catchment-ink, #1d2a2e); stroke: #fff; stroke-linejoin: round; paint-order: stroke; text-anchor: middle; }
text.own { font-weight: 700; }
text.scale { text-anchor: start; }
.bar { stroke: var(--catchment-ink, #1d2a2e); stroke-width: 2px; }
.mark { fill: #b3261e; stroke: #fff; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.keys { position: absolute; inset: auto 0 1.25em; width: fit-content; max-width: 90%; margin: 0 auto; padding: .2em .5em; border-radius: 4px; background: #1d2a2e; color: #fff; }
.map:not(:has(:focus-visible)) .keys { opacity: 0; }
summary { cursor: pointer; min-height: 1.75em; }
@media (forced-colors: active) {
  svg { background: Canvas; }
  [role=option], svg.near [role=option], svg.near [role=option].own { fill: Canvas; stroke: CanvasText; }
  [role=option]:hover, [role=option][aria-selected=true] { fill: Highlight !important; }
  text { fill: CanvasText; stroke: Canvas; }
  .edge, .bar { stroke: CanvasText; }
  .ring { stroke: Canvas; }
  .ring + .ring { stroke: Highlight; }
  .mark { fill: CanvasText; stroke: Canvas; }
  button { border: 1px solid; }
}
@media print { button, .search, details, .keys { display: none; } }
`);

// Elements by their names, attributes and children; what is null or false is left out.
function made(namespace, name, attributes, children) {
  const element = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}
const html = (name, attributes = {}, ...children) => made("http://www.w3.org/1999/xhtml", name, attributes, children);
const svg = (name, attributes = {}, ...children) => made(SVG, name, attributes, children);

const list = (items) => html("ul", { role: "list" }, ...items.map((item) => html("li", {}, item)));
const distance = (m) => (m < 995 ? `${Math.round(m)}\u00a0m` : `${(m / 1000).toFixed(m < 9950 ? 1 : 0)}\u00a0km`);
const whereabouts = (m) => m != null && (m < 1 ? "at this postcode" : `${distance(m)} away`);
const named = (areas) => areas.map((area) => area.name).join(" and ");

async function fetched(address, more = {}) {
  const answer = await fetch(new URL(address, HOME), { credentials: "omit", referrerPolicy: "no-referrer", ...more });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { code: body.code, suggestion: body.suggestion });
  return body;
}

const FAULTS = {
  missing: "Enter a postcode.",
  malformed: "That is not a UK postcode.",
  partial_postcode: "Enter the full postcode; this is only its first part.",
  unknown_postcode: "There is no such postcode. Check it, and try again.",
  no_data_for_date: "Nothing is known for that day.",
};
const STANDINGS = {
  no_fixed_abode: "This code stands for no fixed abode. It is not a place.",
  address_not_known: "This code stands for an address that is not known. It is not a place.",
  pseudo_country: "This code stands for a country or a circumstance. It is not a place.",
  no_location: "This postcode exists, but no place is known for it.",
};
const PROVENANCES = {
  indicative: "Indicative: drawn from open statistics, not an official map.",
  modelled: "Modelled from list sizes and distance: not the practices’ own boundaries.",
  derived: "Derived from official lists of smaller areas.",
};
// Layers whose areas are first of all the people registered with their practices.
const REGISTERED = ["icc", "sub-community", "neighbourhood-team", "pcn"];

class CatchmentMap extends HTMLElement {
  static observedAttributes = ATTRIBUTES;

  #own = new CSSStyleSheet();
  #observer = new ResizeObserver(() => this.#drawNames());
  #isDue = false;
  #asked = 0;
  #data = null;
  // The area that the keys are at.
  #current = 0;
  #searched = 0;
  #place = null;
  // Parts of what is drawn.
  #map;
  #options;
  #over;
  #outlines;
  #chosen;
  #chosenSaid;
  #names;
  #field;
  #said;
  #answer;

  connectedCallback() {
    if (!this.shadowRoot) {
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [STYLE, this.#own];
      // The page's own words stay until there is something better.
      this.shadowRoot.append(html("slot"));
    }
    this.#due();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  attributeChangedCallback(_name, before, now) {
    if (before !== now && this.isConnected && this.shadowRoot) this.#due();
  }

  // Several attributes are often set together.
  #due() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#load();
    });
  }

  get #layer() {
    return this.getAttribute("layer") || "icc";
  }

  async #load() {
    const mine = ++this.#asked;
    const parts = ["widget", this.#layer, this.getAttribute("area")].filter(Boolean);
    const day = this.getAttribute("as-of");
    const query = day ? `?as_of=${encodeURIComponent(day)}` : "";
    try {
      const data = await fetched(`${parts.map(encodeURIComponent).join("/")}.json${query}`);
      if (mine !== this.#asked) return;
      data.areas.sort((a, b) => a.name.localeCompare(b.name, "en-GB"));
      this.#data = data;
      this.#drawMap();
    } catch (error) {
      if (mine !== this.#asked) return;
      console.warn(`catchment-map: ${error.message}`);
      this.#observer.disconnect();
      this.shadowRoot.replaceChildren(html("slot"));
    }
  }

  #drawMap() {
    const data = this.#data;
    const [width, height] = data.size;
    const focus = data.areas.find((area) => area.id === data.focus);
    const title = focus ? focus.name : data.title;
    const tallest = this.getAttribute("height") || "";
    const most = /^\d+$/.test(tallest) ? `${tallest}px` : CSS.supports("height", tallest) ? tallest : "var(--catchment-height, 34rem)";
    this.#own.replaceSync(`svg { aspect-ratio: ${width} / ${height}; width: min(100%, calc((${most}) * ${width / height})); }`);

    this.#current = Math.max(0, data.areas.indexOf(focus));
    this.#options = data.areas.map((area, at) =>
      svg("path", {
        role: "option", d: area.path, class: area.id === data.focus && "own", "aria-label": area.name, "aria-selected": "false",
        tabindex: at === this.#current ? 0 : -1,
      }),
    );
    this.#over = svg("g", { "aria-hidden": "true", class: "over" });
    this.#map = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, role: "listbox", class: focus && "near", part: "map",
      "aria-label": `Map of ${focus ? `${title} and what lies around it` : title}`, "aria-describedby": "keys",
    }, ...this.#options, this.#over);
    this.#map.addEventListener("keydown", (event) => this.#key(event));
    this.#options.forEach((path, at) => path.addEventListener("click", () => this.#choose(at)));

    this.#chosen = html("div", { class: "details" });
    this.#chosenSaid = html("p", { class: "said", role: "status" });
    const level = /^[1-6]$/.test(this.getAttribute("heading-level")) ? this.getAttribute("heading-level") : 2;
    const heading = this.getAttribute("heading");
    const provenances = [...new Set(data.areas.map((area) => area.provenance))];
    const hasSearch = this.hasAttribute("search");
    this.#names = html("details", { part: "list", open: !hasSearch && data.areas.length <= 20 && "" },
      html("summary", {}, data.areas.length === 1 ? "The area on this map, in words" : `The ${data.areas.length} areas on this map, in words`),
      list(data.areas.map((area, at) => {
        const button = html("button", { type: "button", class: "text" }, area.name);
        button.addEventListener("click", () => this.#choose(at));
        return button;
      })));
    const map = html("div", { class: "map" }, this.#map, html("p", { class: "keys small", id: "keys" }, "Arrows move, Enter selects, Escape leaves."));
    // Not on the picture itself: Chromium would make it a stop of the keyboard.
    map.addEventListener("focusin", () => this.#drawOutlines());
    const box = html("section", { "aria-label": this.getAttribute("label") || heading || title },
      heading && html(`h${level}`, {}, heading),
      html("div", { class: "columns" },
        hasSearch && this.#searchForm(), map,
        html("div", {}, this.#chosenSaid, this.#chosen, this.#names)),
      html("p", { class: "small", part: "source" }, [...provenances.map((it) => PROVENANCES[it]), "What is blank is sea, or land outside them.", data.attribution].filter(Boolean).join(" ")));
    this.shadowRoot.replaceChildren(box);
    this.#place = null;
    this.#observer.disconnect();
    this.#observer.observe(this.#map);
  }

  // The names that have room, the bar, and what lies over the areas.
  #drawNames() {
    const data = this.#data;
    if (!data || !this.#map?.clientWidth) return;
    const pixel = data.size[0] / this.#map.clientWidth;
    const size = 0.875 * parseFloat(getComputedStyle(this.#map).fontSize) * pixel;
    const gap = 4 * pixel;
    this.#outlines = ["edge", "ring", "ring"].map((name) => svg("path", { class: name }));
    this.#over.replaceChildren(...this.#outlines);
    this.#over.setAttribute("font-size", size);
    this.#over.setAttribute("stroke-width", 3 * pixel);

    const taken = [this.#place && this.#drawPlace(pixel)].filter(Boolean);
    const isFree = (box) => box.x > gap && box.y > gap && box.x + box.width < data.size[0] - gap && box.y + box.height < data.size[1] - 2 * size &&
      !taken.some((it) => it.x < box.x + box.width && box.x < it.x + it.width && it.y < box.y + box.height && box.y < it.y + it.height);
    const extent = (at) => {
      const box = this.#options[at].getBBox();
      return box.width * box.height * (data.areas[at].id === data.focus ? 1e6 : 1);
    };
    // Those that matter most find a place first.
    const order = data.areas.map((_, at) => at).sort((a, b) => extent(b) - extent(a));
    for (const at of order) {
      const { label, id, middle: [x, y] } = data.areas[at];
      const text = svg("text", { class: id === data.focus && "own" }, ...lines(label).map((line, row) => svg("tspan", { x, dy: row ? "1.1em" : 0 }, line)));
      this.#over.append(text);
      const found = [0, 1, -1, 2, -2, 3, -3].map((step) => y + step * size).find((top) => {
        text.setAttribute("y", top);
        return isFree(text.getBBox());
      });
      if (found === undefined) text.remove();
      else taken.push(text.getBBox());
    }
    this.#drawBar(pixel);
    this.#drawOutlines();
  }

  #drawBar(pixel) {
    const { metres_per_unit: metre, size: [, height] } = this.#data;
    const km = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200].find((it) => (it * 1000) / metre / pixel > 50) || 500;
    const [x, y, length] = [10 * pixel, height - 10 * pixel, (km * 1000) / metre];
    this.#over.append(
      svg("path", { class: "bar", d: `M${x} ${y - 6 * pixel}V${y}h${length}v${-6 * pixel}` }),
      svg("text", { class: "scale", x: x + length + 6 * pixel, y }, `${km} km`));
  }

  #drawOutlines() {
    if (!this.#outlines) return;
    const chosen = this.#options.find((path) => path.getAttribute("aria-selected") === "true") || this.#options.find((path) => path.classList.contains("own"));
    const isFocused = this.shadowRoot.activeElement === this.#options[this.#current];
    const paths = [chosen, isFocused && this.#options[this.#current], isFocused && this.#options[this.#current]];
    paths.forEach((path, at) => this.#outlines[at].setAttribute("d", path ? path.getAttribute("d") : ""));
  }

  #key(event) {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 1], ArrowUp: [1, -1] }[event.key];
    const last = this.#options.length - 1;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) this.#focus(this.#next(...step));
    else if (event.key === "Home") this.#focus(0);
    else if (event.key === "End") this.#focus(last);
    else if (event.key === "Enter" || event.key === " ") this.#choose(this.#current);
    else if (event.key === "Escape") this.#names.firstChild.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The next one to the east or west, or to the south or north: in a row, so that every area is reached.
  #next(axis, way) {
    const areas = this.#data.areas;
    const order = areas.map((_, at) => at).sort((a, b) => areas[a].middle[axis] - areas[b].middle[axis] || a - b);
    const at = order.indexOf(this.#current) + way;
    return order[Math.min(Math.max(at, 0), order.length - 1)];
  }

  #focus(at) {
    this.#options[this.#current].setAttribute("tabindex", -1);
    this.#current = at;
    this.#options[at].setAttribute("tabindex", 0);
    this.#options[at].focus();
    this.#drawOutlines();
  }

  #select(at) {
    this.#options.forEach((path, other) => path.setAttribute("aria-selected", other === at));
    this.#drawOutlines();
  }

  async #choose(at) {
    const area = this.#data.areas[at];
    const layer = this.#layer;
    if (this.#options.includes(this.shadowRoot.activeElement)) this.#focus(at);
    this.#select(at);
    this.#chosenSaid.textContent = area.name;
    this.#chosen.replaceChildren();
    const { id, name } = area;
    this.dispatchEvent(new CustomEvent("catchment-select", { bubbles: true, composed: true, detail: { layer, id, name } }));
    if (!REGISTERED.includes(layer)) return;
    const day = this.getAttribute("as-of");
    const query = day ? `?as_of=${encodeURIComponent(day)}` : "";
    const { members } = await fetched(`api/v1/areas/${layer}/${encodeURIComponent(id)}${query}`).catch(() => ({ members: [] }));
    const practices = members.filter((it) => it.layer === "gp-practice" && it.status === "active");
    if (practices.length === 0 || this.#chosenSaid.textContent !== name) return;
    this.#chosen.replaceChildren(
      html("p", {}, `Everyone registered with one of these GP practices belongs to ${name}:`),
      list(practices.map((it) => it.name)));
  }

  #searchForm() {
    this.#field = html("input", { id: "postcode", type: "text", autocomplete: "postal-code", spellcheck: "false", autocapitalize: "characters", maxlength: 20, enterkeyhint: "search" });
    this.#said = html("p", { class: "said", role: "status", id: "said" });
    this.#answer = html("div", { class: "details" });
    const button = html("button", { type: "button" }, "Look up");
    // No form: a frame in a sandbox may have none.
    button.addEventListener("click", () => this.#search(this.#field.value));
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.#search(this.#field.value);
    });
    const label = html("label", { for: "postcode" }, "Postcode", html("span", { class: "small" }, "such as LA18 4DB"));
    return html("div", {},
      html("div", { role: "search", class: "search", part: "search" }, html("div", {}, label, this.#field), button),
      this.#said, this.#answer);
  }

  async #search(postcode) {
    const mine = ++this.#searched;
    const layers = [...new Set([this.#layer, ...(this.#layer === "icc" ? ["neighbourhood-team"] : []), "gp-practice"])];
    const day = this.getAttribute("as-of");
    this.#place = null;
    this.#say("Looking up…", []);
    try {
      const answer = await fetched("api/v1/locate", {
        method: "POST", cache: "no-store", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ postcode, layers, ...(day && { as_of: day }) }),
      });
      if (mine === this.#searched) this.#answered(answer);
    } catch (error) {
      if (mine === this.#searched) this.#failed(error);
    }
    if (mine === this.#searched) this.#drawNames();
  }

  #say(words, details, isFault = false) {
    this.#said.textContent = words;
    this.#said.classList.toggle("fault", isFault);
    this.#answer.replaceChildren(...details.filter(Boolean));
    for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", "said"]]) {
      if (isFault) this.#field.setAttribute(name, value);
      else this.#field.removeAttribute(name);
    }
  }

  #failed({ code, suggestion }) {
    let meant = null;
    if (suggestion) {
      meant = html("button", { type: "button", class: "text" }, `Did you mean ${suggestion}? It was not looked up.`);
      meant.addEventListener("click", () => {
        this.#field.value = suggestion;
        this.#field.focus();
        this.#search(suggestion);
      });
    }
    this.#select(-1);
    this.#say(FAULTS[code] || "The look-up did not work. Try again later.", [meant], true);
    this.#field.focus();
  }

  #answered({ status, location, residence }) {
    const [layer, areas] = [this.#layer, "neighbourhood-team"].map((it) => [it, residence[it]]).find(([, it]) => Array.isArray(it) && it.length > 0) || [this.#layer, residence[this.#layer]];
    const isFound = Array.isArray(areas) && areas.length > 0;
    const postcode = location?.postcode || "This postcode";
    const practices = Array.isArray(residence["gp-practice"]) ? residence["gp-practice"] : [];
    let words = `${postcode} lies outside every area that this service holds.`;
    if (STANDINGS[status]) words = STANDINGS[status];
    else if (areas?.unknown) words = "Not known for that day.";
    else if (layer === "gp-practice") words = practices.length ? `Areas of GP practices include ${postcode}.` : words;
    else if (isFound) words = `The area that ${postcode} lies in: ${named(areas)}${layer === "neighbourhood-team" && this.#layer !== layer ? " neighbourhood team" : ""}.`;

    const near = isFound && layer !== "gp-practice" && areas.find((area) => area.certainty === "near_boundary");
    const across = near && near.alternatives?.length ? ` On the other side: ${named(near.alternatives)}.` : "";
    const shown = this.#data.areas.findIndex((area) => isFound && layer === this.#layer && layer !== "gp-practice" && area.id === areas[0].id);
    this.#say(words, [
      status === "terminated" && html("p", {}, "This postcode is no longer in use. The answer is for its last position."),
      near && html("p", {}, `Close to the edge of that area, ${distance(near.boundary_distance_m)} away.${across} A postcode is several addresses; check if it matters.`),
      isFound && shown < 0 && layer !== "gp-practice" && html("p", {}, "It is not on this map."),
      isFound && REGISTERED.includes(layer) && html("p", {}, "That is by where you live. Whoever is registered with a GP practice belongs to that practice’s community, wherever they live."),
      practices.length > 0 && html("p", {}, `GP practices whose area includes ${postcode}:`),
      practices.length > 0 && list(practices.map((it) => [it.name, whereabouts(it.distance_m)].filter(Boolean).join(", "))),
      practices.length > 0 && html("p", { class: "small" }, "Modelled areas, not the practices’ own boundaries. Ask the practice."),
    ]);
    this.#select(shown);
    this.#place = location;
  }

  // Where the postcode is, if that is on the map, and the box that it takes.
  #drawPlace(pixel) {
    const { longitude, latitude } = this.#place;
    const { earth: [around, west, north], size: [width, height] } = this.#data;
    if (longitude == null) return null;
    const x = (longitude / 360 + 0.5) * around - west;
    const y = (0.5 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI)) * around - north;
    if (x < 0 || y < 0 || x > width || y > height) return null;
    const mark = svg("circle", { class: "mark", cx: x, cy: y, r: 7 * pixel });
    this.#over.append(mark);
    return mark.getBBox();
  }
}

// Long names on lines of their own.
function lines(name) {
  return name.split(" ").reduce((done, word) => {
    const last = done[done.length - 1];
    if (last !== undefined && last.length + word.length < 12) done[done.length - 1] = `${last} ${word}`;
    else done.push(word);
    return done;
  }, []);
}

// A page may name the script twice.
if (!customElements.get("catchment-map")) customElements.define("catchment-map", CatchmentMap);
