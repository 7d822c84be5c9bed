// Looks up postcodes with the npm packages node-postcodes.io and postcodesio-client. node
//   look-up.mjs ORIGIN
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [origin] = process.argv.slice(2);

const postcodes = require("node-postcodes.io");
postcodes.endpoint = origin;
const single = await postcodes.lookup("LA18 4DB");
assert.equal(single.result.admin_district, "Cumberland");
assert.ok(single.result.catchment.residence);
const many = await postcodes.lookup(["LA18 4DB", "LA18 4BF"], { filter: "postcode,icb" });
assert.deepEqual(many.result.map((item) => item.result === null), [false, true]);
assert.deepEqual(Object.keys(many.result[0].result), ["postcode", "icb"]);
assert.equal((await postcodes.validate("LA18 4DB")).result, true);
assert.equal((await postcodes.nearest("LA18 4DB")).result[0].postcode, "LA18 4DB");
assert.ok((await postcodes.autocomplete("LA18 4D")).result.includes("LA18 4DB"));
assert.equal((await postcodes.query("LA18 4DB")).result[0].postcode, "LA18 4DB");
assert.ok((await postcodes.geo(54.21, -3.27)).result.length > 0);
assert.equal((await postcodes.terminated("LA18 4BF")).result.year_terminated, 2013);
assert.equal((await postcodes.outcodes("LA18")).result.outcode, "LA18");
assert.ok((await postcodes.random()).result.postcode);

const PostcodesIO = require("postcodesio-client");
const client = new PostcodesIO(origin);
assert.equal((await client.lookup("LA18 4DB")).outcode, "LA18");
assert.equal((await client.lookup("LA18")).outcode, "LA18");
assert.equal(await client.lookup("LA18 9ZZ"), null);
assert.equal((await client.near("LA18 4DB"))[0].postcode, "LA18 4DB");
assert.ok((await client.near(54.21, -3.27)).length > 0);
assert.equal((await client.reverseGeocode(54.21, -3.27)).outcode, "LA18");
assert.equal(await client.validate("LA18 9ZZ"), false);
assert.ok((await client.random()).postcode);
console.log("node-postcodes.io and postcodesio-client work");
