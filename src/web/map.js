// A map to move about in, in place of the picture in each <figure data-layer> (live_map.rs): where there is no WebGL, or
// where anything fails, the picture stays. What is on it stands beside it in words. A click, or Enter for the middle,
// asks the page's own form about the place, so that it is in no address; on a page without the form it leads to the
// page of the area.

// Of what no boundary is held: the sea, or the next county.
const OUTSIDE = "#edeff2";
const LAND = "#fbfaf6";
const INK = "#212b32";
const CHOSEN = "#005eb8";
const MARK = "#d5281b";
const ZOOM = { min: 5, max: 16 };
// Deeper tiles would tell of a house by their addresses; these are magnified, and a unit of them is 35 cm.
const TILE_ZOOM_MAX = 14;
// Of a degree: a decimetre.
const DECIMALS = 6;

const HELP = "Arrow keys move the map, plus and minus zoom, Escape leaves it.";
const HELP_TO_ASK = "A click, or Enter for the middle, looks up the place.";
const HELP_TO_GO = "A click, or Enter for the middle, leads to the page of the area.";

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// Names in the middle of the areas, from the places that the widget has for them.
function names(drawn) {
  const [around, left, top] = drawn.earth;
  const feature = ({ id, label, middle: [x, y] }) => {
    const lon = ((x + left) / around - 0.5) * 360;
    const lat = Math.atan(Math.sinh((0.5 - (y + top) / around) * 2 * Math.PI)) * (180 / Math.PI);
    return { type: "Feature", properties: { id, label }, geometry: { type: "Point", coordinates: [lon, lat] } };
  };
  return { type: "FeatureCollection", features: drawn.areas.map(feature) };
}

// An address of this service, on the host of this page: the service may name its public address or none, and the
// policy of the page allows its own host alone.
const here = (address) => location.origin + address.slice(address.indexOf("/tiles/"));

const local = (source) => ({ ...source, tiles: source.tiles.map(here) });

// A source whose tiles do not tell of a house.
const coarse = (source) => ({ ...local(source), maxzoom: TILE_ZOOM_MAX });

// The ground of which the dataset knows anything.
function landLayers(land) {
  const from = land.layers[0]["source-layer"];
  return [{ id: "land", type: "fill", source: "land", "source-layer": from, paint: { "fill-color": LAND } }];
}

const is = (id) => ["==", ["get", "id"], id];

// The layers of our own style. What the map is about stands out; over a basemap, grounds let through what is beneath
// them, and borders are wider than its lines.
function groundLayers(own, { area, alone }, basemap) {
  const opacity = basemap ? 0.25 : 0.35;
  const paint = {
    fill: { "fill-opacity": area ? ["case", is(area), opacity, opacity / 4] : opacity },
    line: { "line-width": basemap ? 2 : 1 },
  };
  const filter = (layer) => (alone === undefined ? layer.filter : ["all", layer.filter, is(area)]);
  return own.layers.map((it) => ({ ...it, filter: filter(it), paint: { ...it.paint, ...paint[it.type] } }));
}

// The place that was asked about, as the pictures mark it.
function markLayers() {
  const circle = (size, colour) => (
    { id: `mark-${size}`, type: "circle", source: "mark", paint: { "circle-radius": size, "circle-color": colour } }
  );
  return [circle(11, "#ffffff"), circle(8, MARK), circle(2.5, "#ffffff")];
}

// The layer's own style (/tiles/style.json) between what lies beneath, which may be nothing, and names. `figure` is what
// the page says of its map.
function styleOf(figure, own, beneath, drawn) {
  const { layer, area, mark } = figure;
  const sources = { catchment: coarse(own.sources.catchment), names: { type: "geojson", data: names(drawn) } };
  const layers = [{ id: "outside", type: "background", paint: { "background-color": OUTSIDE } }];
  const { basemap } = beneath?.sources ?? {};
  const isName = ({ type }) => type === "symbol";
  if (basemap) {
    sources.basemap = local(basemap);
    layers.push(...beneath.layers.filter((it) => !isName(it)));
  } else if (beneath) {
    sources.land = coarse(beneath.sources.catchment);
    layers.push(...landLayers(beneath));
  }
  const outline = (id, of, colour) => (
    { id, type: "line", source: "catchment", "source-layer": layer, filter: is(of), paint: { "line-color": colour, "line-width": 4 } }
  );
  layers.push(...groundLayers(own, figure, basemap));
  if (area) layers.push(outline("area", area, INK));
  layers.push(outline("chosen", "", CHOSEN));
  // Names of the basemap give way to ours, which come after them.
  if (basemap) layers.push(...beneath.layers.filter(isName));
  layers.push({
    id: "names",
    type: "symbol",
    source: "names",
    // Of the machine's fonts: the style names no address of glyphs.
    layout: { "text-field": ["get", "label"], "text-font": ["Arial"], "text-size": 14, "text-max-width": 8 },
    paint: { "text-color": INK, "text-halo-color": "#ffffff", "text-halo-width": 2 },
  });
  if (mark) {
    sources.mark = { type: "geojson", data: { type: "Point", coordinates: numbers(mark) } };
    layers.push(...markLayers());
  }
  return { version: 8, sources, layers };
}

const numbers = (text) => text.split(",").map(Number);

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// Asks the form about a place.
function ask(form, { lng, lat }) {
  form.elements.place.value = `${lat.toFixed(DECIMALS)}, ${lng.toFixed(DECIMALS)}`;
  form.requestSubmit();
}

class LiveMap {
  constructor(figure, gl, style, whole) {
    this.figure = figure;
    this.form = document.querySelector("form.look-up");
    const { layer, bounds, worker } = figure.dataset;
    this.layer = layer;
    this.box = element("div", "live-map");
    this.said = element("p", "nhsuk-u-visually-hidden");
    this.said.setAttribute("role", "status");
    this.pointed = element("p", "live-map__name");
    this.pointed.setAttribute("aria-hidden", "true");
    this.help = element("p", "live-map__help nhsuk-body-s", [HELP, this.use()].join(" ").trim());
    this.help.id = `${this.layer}-map-help`;
    figure.prepend(this.box, this.said, this.help);
    gl.setWorkerUrl(worker);
    this.map = new gl.Map({
      container: this.box,
      style,
      bounds: bounds ? numbers(bounds) : whole,
      fitBoundsOptions: { padding: bounds ? 32 : 16 },
      maxBounds: around(whole),
      minZoom: ZOOM.min,
      maxZoom: ZOOM.max,
      attributionControl: false,
      // A wheel or one finger moves the page, as everywhere else on it.
      cooperativeGestures: true,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
    });
    this.map.keyboard.disableRotation();
    this.map.touchZoomRotate.disableRotation();
  }

  // What a click is for.
  use() {
    if (this.form) return HELP_TO_ASK;
    return this.figure.dataset.pages ? HELP_TO_GO : "";
  }

  begin() {
    this.box.append(this.pointed, element("span", "live-map__middle"), this.zoomButtons());
    const { basemap } = this.map.getStyle().sources;
    if (basemap?.attribution) this.box.append(element("p", "live-map__attribution", basemap.attribution));
    this.figure.classList.add("is-live");
    const canvas = this.map.getCanvas();
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", this.figure.dataset.title);
    canvas.setAttribute("aria-describedby", this.help.id);
    canvas.addEventListener("keydown", (event) => this.pressed(event));
    canvas.addEventListener("focus", () => this.choose());
    this.map.on("moveend", () => document.activeElement === canvas && this.choose());
    this.map.on("click", ({ lngLat, point }) => this.take(lngLat, point));
    this.map.on("mousemove", (event) => this.show(this.at(event.point)));
    this.map.on("mouseout", () => this.show(undefined));
  }

  // For a mouse; the keys are + and -.
  zoomButtons() {
    const buttons = element("div", "live-map__zoom");
    for (const [text, name, by] of [["+", "Zoom in", 1], ["−", "Zoom out", -1]]) {
      const button = element("button", "live-map__button", text);
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => this.map.zoomTo(this.map.getZoom() + by));
      buttons.append(button);
    }
    return buttons;
  }

  pressed(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.take(this.map.getCenter(), this.middle());
    } else if (event.key === "Escape") {
      this.figure.querySelector("figcaption a").focus();
    }
  }

  // Asks about a place, or goes to the page of the area that is there.
  take(place, point) {
    if (this.form) return ask(this.form, place);
    const { pages, area, query } = this.figure.dataset;
    const id = pages && this.at(point)?.id;
    if (id && id !== area) location.assign(`${pages}/${encodeURIComponent(id)}${query}`);
  }

  middle() {
    const { clientWidth, clientHeight } = this.box;
    return [clientWidth / 2, clientHeight / 2];
  }

  // The area at a point of the picture.
  at(point) {
    const [found] = this.map.queryRenderedFeatures(point, { layers: [`${this.layer}-fill`] });
    return found?.properties;
  }

  // Tells what is in the middle, to those who do not see it as well.
  choose() {
    const area = this.at(this.middle());
    this.show(area);
    this.said.textContent = area ? `${area.name} is in the middle.` : "No area is in the middle.";
  }

  show(area) {
    this.pointed.textContent = area?.name ?? "";
    this.map.setFilter("chosen", ["==", ["get", "id"], area?.id ?? ""]);
  }

  // Back to the picture.
  end() {
    this.map.remove();
    clear(this.figure);
  }
}

function clear(figure) {
  figure.classList.remove("is-live");
  for (const part of figure.querySelectorAll(":scope > .live-map, :scope > .live-map__help, :scope > [role=status]")) part.remove();
}

// As far again on each side.
function around([west, south, east, north]) {
  const [width, height] = [east - west, north - south];
  return [west - width, south - height, east + width, north + height];
}

async function enliven(figure) {
  const { script, style, land, names } = figure.dataset;
  const [gl, own, drawn] = await Promise.all([import(script), fetched(style), fetched(names)]);
  // Where the operator has a basemap, the style of our tiles tells it.
  const basemap = own.metadata?.["catchment:basemap"] ?? land;
  const beneath = basemap && (await fetched(here(basemap)));
  const live = new LiveMap(figure, gl, styleOf(figure.dataset, own, beneath, drawn), own.sources.catchment.bounds);
  // Until all of it is there, the picture is.
  live.map.once("load", () => live.begin());
  live.map.getCanvas().addEventListener("webglcontextlost", () => live.end());
  live.map.on("error", () => figure.classList.contains("is-live") || live.end());
}

function watch() {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      enliven(target).catch(() => clear(target));
    }
  });
  for (const figure of document.querySelectorAll("figure[data-layer]")) seen.observe(figure);
}

const canDraw = Boolean(document.createElement("canvas").getContext("webgl2"));
if (canDraw && document.readyState === "complete") watch();
else if (canDraw) addEventListener("load", watch);
