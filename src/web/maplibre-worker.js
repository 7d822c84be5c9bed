// MapLibre's worker as a file of ours: a worker from a blob would need a laxer Content-Security-Policy.

import "maplibre-gl/dist/maplibre-gl-worker.mjs";
