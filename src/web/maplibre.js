// The parts of MapLibre GL JS that map.js uses. These parts are loaded after the page, when a map comes into view.

export { Map, setWorkerUrl } from "maplibre-gl";
