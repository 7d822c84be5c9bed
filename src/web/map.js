// Replaces the static map in each <figure data-layer> (interactive_map.rs) with an interactive map. The static map
// remains if WebGL is not available or an error occurs. The page also contains the content of the map as text.
//
// A click, or Enter at the crosshair, submits the look-up form of the page, so that the place is never in a URL. On a page
// without the form, a click or Enter opens the page of the area.

// The colour of the sea, and of land that the dataset does not cover.
const OUTSIDE = "#edeff2";
const LAND = "#fbfaf6";
const INK = "#212b32";
const SELECTED = "#005eb8";
const MARKER = "#d5281b";
const ZOOM = { min: 5, max: 16 };
// The maximum zoom of tiles, because the URL of a tile at a higher zoom could reveal a single house. At higher zooms,
// the map magnifies tiles of this zoom, which have a resolution of 35 cm.
const TILE_ZOOM_MAX = 14;
// The number of decimal places of degrees, for a precision of 0.1 m.
const COORDINATE_DECIMALS = 6;

const HELP = "Use the arrow keys to move the map, plus and minus to zoom, and Escape to leave it.";
const HELP_LOOK_UP = "Click the map, or press Enter, to look up that point.";
const HELP_OPEN_PAGE = "Click an area, or press Enter, to open its page.";

async function fetchJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

// The possible positions of a label, starting with the best position. A position consists of the side of the label that
// is at the point, and its distance from the point in ems.
const LABEL_POSITIONS = [0.2, 1, 2, 3].flatMap((distance) => [
  "top", [0, distance], "bottom", [0, -distance], "left", [distance, 0], "right", [-distance, 0],
  "top-left", [distance, distance], "top-right", [-distance, distance], "bottom-left", [distance, -distance], "bottom-right", [-distance, -distance],
]);

// Returns the labels of areas as GeoJSON points, at the positions that the widget uses. `room` is the distance from a
// label to the nearest other label.
function labelPoints(drawn) {
  const [circumference, left, top] = drawn.earth;
  const feature = ({ id, label, middle: [x, y] }) => {
    const distances = drawn.areas.filter((area) => area.id !== id).map(({ middle }) => Math.hypot(middle[0] - x, middle[1] - y));
    const room = Math.min(1e9, ...distances);
    const lon = ((x + left) / circumference - 0.5) * 360;
    const lat = Math.atan(Math.sinh((0.5 - (y + top) / circumference) * 2 * Math.PI)) * (180 / Math.PI);
    return { type: "Feature", properties: { id, label, room }, geometry: { type: "Point", coordinates: [lon, lat] } };
  };
  return { type: "FeatureCollection", features: drawn.areas.map(feature) };
}

// Returns a tile URL of this service with the host of this page. URLs in a style may begin with the public URL of the
// service or with a slash, but the Content-Security-Policy of the page allows only the host of the page.
const localUrl = (url) => location.origin + url.slice(url.indexOf("/tiles/"));

const withLocalTiles = (source) => ({ ...source, tiles: source.tiles.map(localUrl) });

// Limits a source to tiles whose URLs do not reveal a single house.
const coarse = (source) => ({ ...withLocalTiles(source), maxzoom: TILE_ZOOM_MAX });

// Returns the style layer of the land that the dataset covers.
function landLayers(land) {
  const sourceLayer = land.layers.find((layer) => layer["source-layer"])["source-layer"];
  return [{ id: "land", type: "fill", source: "land", "source-layer": sourceLayer, paint: { "fill-color": LAND } }];
}

const hasId = (id) => ["==", ["get", "id"], id];

// Returns the style layers of the service's areas. On the page of an area, that area is highlighted. With a basemap,
// fills are more transparent and boundaries are wider than without a basemap.
function areaLayers(own, { area, singleArea }, basemap) {
  const opacity = basemap ? 0.25 : 0.35;
  const paint = {
    fill: { "fill-opacity": area ? ["case", hasId(area), opacity, opacity / 4] : opacity },
    line: { "line-width": basemap ? 2 : 1 },
  };
  const filter = (layer) => (singleArea === undefined ? layer.filter : ["all", layer.filter, hasId(area)]);
  const layers = own.layers.filter((layer) => layer["source-layer"]);
  return layers.map((layer) => ({ ...layer, filter: filter(layer), paint: { ...layer.paint, ...paint[layer.type] } }));
}

// Returns the style layer of the marker. The layer is a symbol layer, because labels avoid symbols.
function markerLayer() {
  const layout = { "icon-image": "marker", "icon-allow-overlap": true, "icon-padding": 0 };
  return { id: "marker", type: "symbol", source: "marker", layout };
}

// Draws the marker, which looks like the marker on the static map. The image has twice the size of the marker, for
// high-resolution screens.
function markerImage() {
  const size = 44;
  const canvas = createElement("canvas", "");
  [canvas.width, canvas.height] = [size, size];
  const context = canvas.getContext("2d");
  for (const [radius, colour] of [[22, "#ffffff"], [16, MARKER], [5, "#ffffff"]]) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(size / 2, size / 2, radius, 0, 2 * Math.PI);
    context.fill();
  }
  return context.getImageData(0, 0, size, size);
}

// Builds the style of the map. The style consists of the background (the style of the basemap or the land, or nothing),
// the style of the service's areas (`own`, from /tiles/style.json) and labels. `options` contains the data attributes
// of the figure.
function buildStyle(options, own, background, drawn) {
  const { layer, area, marker } = options;
  const sources = { catchment: coarse(own.sources.catchment), names: { type: "geojson", data: labelPoints(drawn) } };
  const layers = [{ id: "outside", type: "background", paint: { "background-color": OUTSIDE } }];
  const { basemap } = background?.sources ?? {};
  const isLabel = ({ type }) => type === "symbol";
  if (basemap) {
    sources.basemap = withLocalTiles(basemap);
    layers.push(...background.layers.filter((layer) => !isLabel(layer)));
  } else if (background) {
    sources.land = coarse(background.sources.catchment);
    layers.push(...landLayers(background));
  }
  const outline = (id, areaId, colour) => (
    { id, type: "line", source: "catchment", "source-layer": layer, filter: hasId(areaId), paint: { "line-color": colour, "line-width": 4 } }
  );
  layers.push(...areaLayers(own, options, basemap));
  if (area) layers.push(outline("area", area, INK));
  layers.push(outline("selected", "", SELECTED));
  // Later labels have priority, so the labels of areas replace the labels of the basemap.
  if (basemap) layers.push(...background.layers.filter(isLabel));
  layers.push({
    id: "names",
    type: "symbol",
    source: "names",
    // Use a font of the device, because the style has no URL for glyphs.
    // A label that does not fit moves a little. The labels with the least room are placed first.
    layout: {
      "text-field": ["get", "label"],
      "text-font": ["Arial"],
      "text-size": ["interpolate", ["linear"], ["zoom"], 6.5, 10, 10, 14],
      "text-line-height": 1.1,
      "text-max-width": 6,
      "text-padding": 0,
      "text-variable-anchor-offset": ["center", [0, 0], ...LABEL_POSITIONS],
      "text-justify": "auto",
      "symbol-sort-key": ["get", "room"],
    },
    paint: { "text-color": INK, "text-halo-color": "#ffffff", "text-halo-width": 2 },
  });
  if (marker) {
    sources.marker = { type: "geojson", data: { type: "Point", coordinates: parseNumbers(marker) } };
    layers.push(markerLayer());
  }
  return { version: 8, sources, layers };
}

const parseNumbers = (text) => text.split(",").map(Number);

function createElement(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

// Looks up a place with the form.
function lookUp(form, { lng, lat }) {
  form.elements.place.value = `${lat.toFixed(COORDINATE_DECIMALS)}, ${lng.toFixed(COORDINATE_DECIMALS)}`;
  form.requestSubmit();
}

class InteractiveMap {
  constructor(figure, gl, style, layerBounds) {
    this.figure = figure;
    this.form = document.querySelector("form.look-up");
    const { layer, bounds, worker } = figure.dataset;
    this.layer = layer;
    this.box = createElement("div", "interactive-map");
    this.status = createElement("p", "nhsuk-u-visually-hidden");
    this.status.setAttribute("role", "status");
    this.areaName = createElement("p", "interactive-map__name");
    this.areaName.setAttribute("aria-hidden", "true");
    this.help = createElement("p", "interactive-map__help nhsuk-body-s", [HELP, this.clickHelp()].join(" ").trim());
    this.help.id = `${this.layer}-map-help`;
    figure.prepend(this.box, this.status, this.help);
    gl.setWorkerUrl(worker);
    this.map = new gl.Map({
      container: this.box,
      style,
      bounds: bounds ? parseNumbers(bounds) : layerBounds,
      // Labels at the sides of the map need room.
      fitBoundsOptions: { padding: bounds ? 32 : { top: 16, bottom: 16, left: 48, right: 48 } },
      maxBounds: extend(layerBounds),
      minZoom: ZOOM.min,
      maxZoom: ZOOM.max,
      attributionControl: false,
      // A mouse wheel or one finger scrolls the page, not the map.
      cooperativeGestures: true,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
    });
    this.map.setMissingStyleImageResolver((id) => {
      if (id === "marker") this.map.addImage(id, markerImage(), { pixelRatio: 2 });
    });
    this.map.keyboard.disableRotation();
    this.map.touchZoomRotate.disableRotation();
  }

  clickHelp() {
    if (this.form) return HELP_LOOK_UP;
    return this.figure.dataset.pages ? HELP_OPEN_PAGE : "";
  }

  show() {
    this.box.append(this.areaName, createElement("span", "interactive-map__crosshair"), this.zoomButtons());
    const { basemap } = this.map.getStyle().sources;
    if (basemap?.attribution) this.box.append(createElement("p", "interactive-map__attribution", basemap.attribution));
    this.figure.classList.add("is-interactive");
    const canvas = this.map.getCanvas();
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", this.figure.dataset.title);
    canvas.setAttribute("aria-describedby", this.help.id);
    canvas.addEventListener("keydown", (event) => this.handleKey(event));
    canvas.addEventListener("focus", () => this.announceCentre());
    this.map.on("moveend", () => document.activeElement === canvas && this.announceCentre());
    this.map.on("click", ({ lngLat, point }) => this.activate(lngLat, point));
    this.map.on("mousemove", (event) => this.highlight(this.areaAt(event.point)));
    this.map.on("mouseout", () => this.highlight(undefined));
  }

  // The buttons are for the mouse only, because the + and - keys also zoom.
  zoomButtons() {
    const buttons = createElement("div", "interactive-map__zoom");
    for (const [text, name, by] of [["+", "Zoom in", 1], ["−", "Zoom out", -1]]) {
      const button = createElement("button", "interactive-map__button", text);
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => this.map.zoomTo(this.map.getZoom() + by));
      buttons.append(button);
    }
    return buttons;
  }

  handleKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.activate(this.map.getCenter(), this.centre());
    } else if (event.key === "Escape") {
      this.figure.querySelector("figcaption a").focus();
    }
  }

  // Looks up a place or, without the look-up form, opens the page of the area at the place.
  activate(place, point) {
    if (this.form) return lookUp(this.form, place);
    const { pages, area, query } = this.figure.dataset;
    const id = pages && this.areaAt(point)?.id;
    if (id && id !== area) location.assign(`${pages}/${encodeURIComponent(id)}${query}`);
  }

  // Returns the centre of the map in pixels.
  centre() {
    const { clientWidth, clientHeight } = this.box;
    return [clientWidth / 2, clientHeight / 2];
  }

  // Returns the properties of the area at a point in pixels.
  areaAt(point) {
    const [found] = this.map.queryRenderedFeatures(point, { layers: [`${this.layer}-fill`] });
    return found?.properties;
  }

  // Highlights the area at the centre and announces it to screen readers.
  announceCentre() {
    const area = this.areaAt(this.centre());
    this.highlight(area);
    this.status.textContent = area ? `The centre of the map is in ${area.name}.` : "The centre of the map is not in any area.";
  }

  highlight(area) {
    this.areaName.textContent = area?.name ?? "";
    this.map.setFilter("selected", hasId(area?.id ?? ""));
  }

  // Restores the static map.
  remove() {
    this.map.remove();
    restoreStaticMap(this.figure);
  }
}

function restoreStaticMap(figure) {
  figure.classList.remove("is-interactive");
  for (const part of figure.querySelectorAll(":scope > .interactive-map, :scope > .interactive-map__help, :scope > [role=status]")) part.remove();
}

// Extends a bounding box by its own size on each side.
function extend([west, south, east, north]) {
  const [width, height] = [east - west, north - south];
  return [west - width, south - height, east + width, north + height];
}

async function replaceStaticMap(figure) {
  const { script, style, land, names } = figure.dataset;
  const [gl, own, drawn] = await Promise.all([import(script), fetchJson(style), fetchJson(names)]);
  // If the operator has configured a basemap, the style of the service's tiles contains the URL of the basemap's style.
  const backgroundStyle = own.metadata?.["catchment:basemap"] ?? land;
  const background = backgroundStyle && (await fetchJson(localUrl(backgroundStyle)));
  const map = new InteractiveMap(figure, gl, buildStyle(figure.dataset, own, background, drawn), own.sources.catchment.bounds);
  // The static map remains until everything is loaded.
  map.map.once("load", () => map.show());
  map.map.getCanvas().addEventListener("webglcontextlost", () => map.remove());
  map.map.on("error", () => figure.classList.contains("is-interactive") || map.remove());
}

// Replaces the static map as soon as the user touches it, or otherwise when the page is idle.
function replaceOnDemand(figure) {
  let hasStarted = false;
  const start = () => {
    if (hasStarted) return;
    hasStarted = true;
    replaceStaticMap(figure).catch(() => restoreStaticMap(figure));
  };
  for (const event of ["pointerenter", "pointerdown", "focusin"]) figure.addEventListener(event, start, { once: true });
  if (window.requestIdleCallback) requestIdleCallback(start);
  else setTimeout(start, 2000);
}

function observeFigures() {
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      replaceOnDemand(target);
    }
  });
  for (const figure of document.querySelectorAll("figure[data-layer]")) observer.observe(figure);
}

const canDraw = Boolean(document.createElement("canvas").getContext("webgl2"));
if (canDraw && document.readyState === "complete") observeFigures();
else if (canDraw) addEventListener("load", observeFigures);
