// MapLibre's worker as a file of this service, because a worker from a blob URL would need a weaker
// Content-Security-Policy.

import "maplibre-gl/dist/maplibre-gl-worker.mjs";
