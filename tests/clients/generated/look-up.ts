// Looks up a postcode with the types that openapi-typescript generates. Usage: node look-up.js ORIGIN

import createClient from "openapi-fetch";
import type { components, paths } from "./catchment.js";

declare const process: { argv: string[] };

// Lists, such as `layers`, are separated by commas.
const client = createClient<paths>({
  baseUrl: process.argv[2],
  querySerializer: { array: { style: "form", explode: false } },
});

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const { data, error } = await client.POST("/api/v1/locate", {
  body: { postcode: "LA18 4DB", practice: "P81002" },
});
check(data !== undefined, JSON.stringify(error));
const answer: components["schemas"]["Answer"] = data;
const areas = answer.residence.icc;
check(Array.isArray(areas) && areas[0]?.name === "Barrow and Millom ICC", JSON.stringify(areas));
check(answer.agreement === "differ", answer.agreement);
check(answer.registration?.practice?.name === "Lancaster Medical Practice", "the practice");

const layers = await client.GET("/api/v1/locate", { params: { query: { postcode: "LA18 4DB", layers: ["icc", "pcn"] } } });
check(layers.data !== undefined && Object.keys(layers.data.residence).length === 2, JSON.stringify(layers.error));

const practice = await client.GET("/api/v1/practices/{ods_code}", { params: { path: { ods_code: "P81002" } } });
check((practice.data?.premises.length ?? 0) > 1, JSON.stringify(practice.error));

const mistyped = await client.GET("/api/v1/locate", { params: { query: { postcode: "LA1O 5DL" } } });
check(mistyped.error?.code === "malformed", JSON.stringify(mistyped.error));
console.log("the TypeScript client looked LA18 4DB up");
