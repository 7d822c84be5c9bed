"""Looks up postcodes with the Python package postcodes-io-api.

Usage: look_up.py ORIGIN
"""

import sys

import postcodes_io_api

api = postcodes_io_api.Api(base_url=sys.argv[1])
found = api.get_postcode("LA18 4DB")
assert found["status"] == 200 and found["result"]["admin_district"] == "Cumberland", found
assert found["result"]["catchment"]["status"] == "located", found
assert api.get_postcode("LA18 9ZZ") == {"status": 404, "error": "Postcode not found"}
assert api.is_postcode_valid("LA18 4DB") and not api.is_postcode_valid("LA18 4BF")
assert api.is_postcode_terminated("LA18 4BF")
bulk = api.get_bulk_postcodes(postcodes_list=["LA18 4DB", "LA18 4BF"])
assert [item["result"] is None for item in bulk["result"]] == [False, True], bulk
location = {"longitude": -3.27, "latitude": 54.21, "wideSearch": True}
bulk = api.get_bulk_reverse_geocode(payload_data={"geolocations": [location]})
assert bulk["result"][0]["result"], bulk
near = api.get_nearest_postcodes_for_coordinates(longitude=-3.27, latitude=54.21, radius=1000)
assert near["result"], near
near = api.get_nearest_postcodes_for_postcode(postcode="LA18 4DB", limit=3)
assert near["result"][0]["postcode"] == "LA18 4DB", near
assert "LA18 4DB" in api.get_autocomplete_postcode(postcode="LA18 4D", limit=100)["result"]
assert api.get_outcode("LA18")["result"]["country"] == ["England"]
near = api.get_nearest_outcodes_for_outcode(outcode="LA18", limit=2, radius=25000)
assert near["result"][0]["outcode"] == "LA18", near
near = api.get_nearest_outcodes_for_coordinates(longitude=-3.27, latitude=54.21)
assert near["result"][0]["outcode"] == "LA18", near
assert api.get_random_postcode()["result"]["postcode"]
print("postcodes-io-api works")
