// What map.js takes of MapLibre GL JS; loaded after the page, and only where a map is in sight.

export { Map, setWorkerUrl } from "maplibre-gl";
