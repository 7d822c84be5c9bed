// A map to move about in, in place of the picture in each <figure data-layer>: where there is no WebGL, or where
// anything fails, the picture stays. What is on it stands beside it in words; a click, or Enter for the middle, asks
// the page's own form about the place, so that it is in no address.

// Of what no boundary is held: the sea, or the next county.
const OUTSIDE = "#edeff2";
const LAND = "#fbfaf6";
const INK = "#212b32";
const CHOSEN = "#005eb8";
// Where land is known from: the largest areas that a dataset has.
const LAND_LAYERS = ["icb", "sub-icb", "place"];
const ZOOM = { min: 5, max: 16 };
// Deeper tiles would tell of a house by their addresses; these are magnified, and a unit of them is 35 cm.
const TILE_ZOOM_MAX = 14;
// Of a degree: a decimetre.
const DECIMALS = 6;

const HELP = "Arrow keys move the map, plus and minus zoom. Enter looks up the place in the middle. Escape leaves the map.";

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// The style of the land, if the dataset has any.
async function landStyle() {
  const held = (await fetched("/api/v1/areas")).layers.map((it) => it.id);
  const layer = LAND_LAYERS.find((it) => held.includes(it));
  return layer && fetched(`/tiles/style.json?layers=${layer}`);
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

// The layer's own style (/tiles/style.json) between land and names.
function styleOf(layer, own, land, drawn) {
  const catchment = { ...own.sources.catchment, maxzoom: TILE_ZOOM_MAX };
  const sources = { catchment, names: { type: "geojson", data: names(drawn) } };
  const layers = [{ id: "outside", type: "background", paint: { "background-color": OUTSIDE } }];
  if (land) {
    sources.land = { ...land.sources.catchment, maxzoom: TILE_ZOOM_MAX };
    const from = land.layers[0]["source-layer"];
    layers.push({ id: "land", type: "fill", source: "land", "source-layer": from, paint: { "fill-color": LAND } });
  }
  layers.push(...own.layers, {
    id: "chosen",
    type: "line",
    source: "catchment",
    "source-layer": layer,
    filter: ["==", ["get", "id"], ""],
    paint: { "line-color": CHOSEN, "line-width": 4 },
  }, {
    id: "names",
    type: "symbol",
    source: "names",
    // Of the machine's fonts: the style names no address of glyphs.
    layout: { "text-field": ["get", "label"], "text-font": ["Arial"], "text-size": 14, "text-max-width": 8 },
    paint: { "text-color": INK, "text-halo-color": "#ffffff", "text-halo-width": 2 },
  });
  return { version: 8, sources, layers };
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// Asks the form about a place.
function ask({ lng, lat }) {
  const form = document.querySelector("form.look-up");
  form.elements.place.value = `${lat.toFixed(DECIMALS)}, ${lng.toFixed(DECIMALS)}`;
  form.requestSubmit();
}

class LiveMap {
  constructor(figure, gl, style, bounds) {
    this.figure = figure;
    this.layer = figure.dataset.layer;
    this.box = element("div", "live-map");
    this.said = element("p", "nhsuk-u-visually-hidden");
    this.said.setAttribute("role", "status");
    this.pointed = element("p", "live-map__name");
    this.pointed.setAttribute("aria-hidden", "true");
    this.help = element("p", "live-map__help nhsuk-body-s", HELP);
    this.help.id = `${this.layer}-map-help`;
    figure.prepend(this.box, this.said, this.help);
    gl.setWorkerUrl(figure.dataset.worker);
    this.map = new gl.Map({
      container: this.box,
      style,
      bounds,
      fitBoundsOptions: { padding: 16 },
      maxBounds: around(bounds),
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

  begin() {
    this.box.append(this.pointed, element("span", "live-map__middle"), this.zoomButtons());
    this.figure.classList.add("is-live");
    const canvas = this.map.getCanvas();
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", this.figure.dataset.title);
    canvas.setAttribute("aria-describedby", this.help.id);
    canvas.addEventListener("keydown", (event) => this.pressed(event));
    canvas.addEventListener("focus", () => this.choose());
    this.map.on("moveend", () => document.activeElement === canvas && this.choose());
    this.map.on("click", (event) => ask(event.lngLat));
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
      ask(this.map.getCenter());
    } else if (event.key === "Escape") {
      this.figure.querySelector("figcaption a").focus();
    }
  }

  // The area at a point of the picture.
  at(point) {
    const [found] = this.map.queryRenderedFeatures(point, { layers: [`${this.layer}-fill`] });
    return found?.properties;
  }

  // Tells what is in the middle, to those who do not see it as well.
  choose() {
    const { clientWidth, clientHeight } = this.box;
    const area = this.at([clientWidth / 2, clientHeight / 2]);
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
  const { layer, script } = figure.dataset;
  const [gl, own, land, drawn] = await Promise.all([
    import(script),
    fetched(`/tiles/style.json?layers=${layer}`),
    landStyle(),
    fetched(`/widget/${layer}.json`),
  ]);
  const live = new LiveMap(figure, gl, styleOf(layer, own, land, drawn), own.sources.catchment.bounds);
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
