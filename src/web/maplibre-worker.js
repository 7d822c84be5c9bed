// MapLibre's worker. The worker is a file of this service, because a worker from a blob URL would require a weaker
// Content-Security-Policy.

import "maplibre-gl/dist/maplibre-gl-worker.mjs";
