#!/usr/bin/env python3
"""Models which practices the residents of each LSOA (2011) register with.

The script reads only tables of `data/source/` (option --source) and writes

    practice_catchments.csv   lsoa11cd, ods_code, share

for the sub-ICB locations 01K, 01H, 01A and 00Q. With --judge FILE, it compares the result with
published registrations. Published registrations do not affect the table unless --fit is given.

The model, for a postcode p and a practice j:

    kernel(p, j) = town(p, j) * sum over the sites s of j of  weight(s) * exp(-BETA * d(p, s) ** ALPHA)
    share(p, j)  = attraction(j) * kernel(p, j) / the sum of the same product over all practices

* d is the distance over inhabited land in km. It is the length of the shortest path in a Delaunay
  network of all postcodes, without edges over sea. An edge of length l costs
  l * max(1, l / 0.3 km) ** 0.4, because long edges cross moors, where there are few roads.
* weight is 1 for the main surgery. It is FURTHER for each branch in practice_sites.csv and for the
  former premises of each practice that j took over, because people stay on the list when practices
  merge.
* town is exp(TOWN) if the main surgery is in the same postcode district as p, and otherwise 1.
* attraction is found by balancing (maximum entropy, Furness) for each practice of the area: the
  modelled number of people on its list equals the list size. Practices outside the area are not
  balanced. Their attraction is their list size, and the people assigned to them are the people who
  are registered outside the area.
* The people of an LSOA are its residents, scaled to the lists (see `people`) and spread evenly over
  its live postcodes. The share of an LSOA is the mean of the shares of its live postcodes.
"""
import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay, cKDTree

# Fitted on the registrations of April 2020 of 01A and 00Q together; see docs/developers/catchment-model.md.
BETA, ALPHA, FURTHER, TOWN = 2.36, 0.527, 0.37, 0.315
PARAMETERS = np.array([BETA, ALPHA, FURTHER, TOWN])

POOLS = (("01K", "01H"), ("01A", "00Q"))  # uninhabited hills separate the two pools
NEIGHBOUR_KM = 12.0   # the maximum distance of a neighbouring practice from a live postcode
SHARE_MIN_WRITTEN = 0.0005
SHARE_LISTED = 0.05
EDGE_KM, EDGE_POWER = 0.3, 0.4
SEA_RUN_KM = 0.8      # an edge with more than this length off land is removed
BORDER_SCALING = 0.25


def read(folder, name):
    return pd.read_csv(os.path.join(folder, name), dtype=str, keep_default_na=False)


def number(series):
    return pd.to_numeric(series, errors="coerce")


class Source:
    """The tables of `data/source/` that the model uses."""

    def __init__(self, folder):
        self.practices = read(folder, "practices.csv").set_index("ods_code")
        for column in ("easting", "northing", "list_size_2026_04"):
            self.practices[column] = number(self.practices[column])
        self.neighbours = read(folder, "practices_neighbouring.csv").set_index("ods_code")
        for column in ("easting", "northing", "registered_2026_04"):
            self.neighbours[column] = number(self.neighbours[column])
        self.sites = read(folder, "practice_sites.csv")
        successions = read(folder, "practice_successions.csv")
        self.successor = dict(zip(successions.predecessor, successions.successor))
        self.postcodes = read(folder, "postcodes.csv")
        self.postcodes["e"] = number(self.postcodes.easting)
        self.postcodes["n"] = number(self.postcodes.northing)
        lookup = read(folder, "lsoa11_to_lsoa21.csv").drop_duplicates("lsoa11cd")
        self.sub_icb = lookup.set_index("lsoa11cd").sub_icb_2011
        residents = read(folder, "residents_lsoa11.csv").set_index("lsoa11cd")
        self.residents = number(residents.residents_mid_2020)
        self.icc = read(folder, "lsoa11_icc.csv").set_index("lsoa11cd")
        self.land = read_land(os.path.join(folder, "lsoa11_bsc.geojson"))

    def final_successor(self, code):
        seen = set()
        while code in self.successor and code not in seen:
            seen.add(code)
            code = self.successor[code]
        return code


# --- land -------------------------------------------------------------------------------------

def to_grid(lon, lat):
    """Longitude and latitude (WGS 84) to the British National Grid, within about 5 m."""
    a, b = 6378137.0, 6356752.314245
    e2 = 1 - (b / a) ** 2
    lam, phi = np.radians(lon), np.radians(lat)
    nu = a / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    x, y, z = nu * np.cos(phi) * np.cos(lam), nu * np.cos(phi) * np.sin(lam), nu * (1 - e2) * np.sin(phi)
    sec = np.pi / 180 / 3600
    rx, ry, rz, s = -0.1502 * sec, -0.2470 * sec, -0.8421 * sec, 1 + 20.4894e-6
    x, y, z = (-446.448 + s * x - rz * y + ry * z, 125.157 + rz * x + s * y - rx * z,
               -542.060 - ry * x + rx * y + s * z)
    a, b, f0 = 6377563.396, 6356256.909, 0.9996012717
    e2 = 1 - (b / a) ** 2
    p, phi = np.hypot(x, y), np.arctan2(z, np.hypot(x, y) * (1 - e2))
    for _ in range(6):
        phi = np.arctan2(z + e2 * a / np.sqrt(1 - e2 * np.sin(phi) ** 2) * np.sin(phi), p)
    lam = np.arctan2(y, x)
    phi0, lam0, n = np.radians(49), np.radians(-2), (a - b) / (a + b)
    nu = a * f0 / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    rho = a * f0 * (1 - e2) * (1 - e2 * np.sin(phi) ** 2) ** -1.5
    eta2, dp, sp = nu / rho - 1, phi - phi0, phi + phi0
    m = b * f0 * ((1 + n + 1.25 * n**2 + 1.25 * n**3) * dp
                  - (3 * n + 3 * n**2 + 2.625 * n**3) * np.sin(dp) * np.cos(sp)
                  + 1.875 * (n**2 + n**3) * np.sin(2 * dp) * np.cos(2 * sp)
                  - 35 / 24 * n**3 * np.sin(3 * dp) * np.cos(3 * sp))
    c, t, d = np.cos(phi), np.tan(phi), lam - lam0
    north = (m - 100000 + nu / 2 * np.sin(phi) * c * d**2
             + nu / 24 * np.sin(phi) * c**3 * (5 - t**2 + 9 * eta2) * d**4
             + nu / 720 * np.sin(phi) * c**5 * (61 - 58 * t**2 + t**4) * d**6)
    east = (400000 + nu * c * d + nu / 6 * c**3 * (nu / rho - t**2) * d**3
            + nu / 120 * c**5 * (5 - 18 * t**2 + t**4 + 14 * eta2 - 58 * t**2 * eta2) * d**5)
    return east, north


def read_land(path):
    """The LSOAs' polygons, as a mask of 100 m cells (True: land of the four sub-ICB locations)."""
    import json
    with open(path, encoding="utf-8") as file:
        features = json.load(file)["features"]
    cell, west, south, east, north = 100.0, 290000.0, 400000.0, 420000.0, 600000.0
    columns, rows = int((east - west) / cell), int((north - south) / cell)
    mask = np.zeros((rows, columns), bool)
    for feature in features:
        geometry = feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        for polygon in polygons:
            rings = [np.column_stack(to_grid(*np.array(ring, float)[:, :2].T)) for ring in polygon]
            low = int((min(r[:, 1].min() for r in rings) - south) / cell)
            high = int((max(r[:, 1].max() for r in rings) - south) / cell)
            for row in range(max(low, 0), min(high + 1, rows)):
                y = south + (row + 0.5) * cell
                crossings = []
                for ring in rings:   # even-odd rule along the middle of the row
                    (x1, y1), (x2, y2) = ring[:-1].T, ring[1:].T
                    hit = (y1 <= y) != (y2 <= y)
                    crossings.extend(x1[hit] + (y - y1[hit]) * (x2[hit] - x1[hit]) / (y2[hit] - y1[hit]))
                crossings.sort()
                for start, end in zip(crossings[::2], crossings[1::2]):
                    a = int(np.ceil((start - west) / cell - 0.5))
                    b = int(np.floor((end - west) / cell - 0.5))
                    mask[row, max(a, 0):max(b + 1, 0)] = True
    # The boundaries are generalised to 200 m, so extend the land by two cells.
    for _ in range(2):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        grown[:, 1:] |= mask[:, :-1]
        grown[:, :-1] |= mask[:, 1:]
        mask = grown
    return mask, cell, west, south


class LandNetwork:
    """Distances over inhabited land, between any two of the postcodes and premises."""

    def __init__(self, source, extra_points):
        codes = source.postcodes[source.postcodes.e.notna()]
        points = np.unique(np.round(np.vstack([codes[["e", "n"]].to_numpy(), extra_points])), axis=0)
        triangles = Delaunay(points).simplices
        edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])
        edges.sort(axis=1)
        edges = np.unique(edges, axis=0)
        length = np.hypot(*(points[edges[:, 0]] - points[edges[:, 1]]).T) / 1000
        at_home = set(map(tuple, np.round(codes.loc[codes.lsoa11cd.isin(source.sub_icb.index), ["e", "n"]].to_numpy())))
        home = np.array([tuple(point) in at_home for point in points])
        keep = np.ones(len(edges), bool)
        for k in np.flatnonzero(length > SEA_RUN_KM):
            a, b = points[edges[k, 0]], points[edges[k, 1]]
            keep[k] = not crosses_sea(source.land, a, b, length[k], home[edges[k]].all())
        cost = length * np.maximum(1, length / EDGE_KM) ** EDGE_POWER
        edges, cost = edges[keep], cost[keep]
        self.removed = int((~keep).sum())
        self.graph = coo_matrix((cost, (edges[:, 0], edges[:, 1])), shape=(len(points),) * 2).tocsr()
        self.tree = cKDTree(points)

    def nodes(self, points):
        return self.tree.query(np.round(points))[1]

    def distances(self, origins, targets):
        """An array of km, targets × origins."""
        result = dijkstra(self.graph, directed=False, indices=self.nodes(origins))
        return result[:, self.nodes(targets)].T


def crosses_sea(land, a, b, length_km, both_home):
    """Whether at least SEA_RUN_KM of the line is not on land. The mask contains only the land of the four
    sub-ICB locations, so other lines are tested only in the mouths of Morecambe Bay."""
    mask, cell, west, south = land
    steps = max(2, int(length_km * 10))
    t = (np.arange(steps) + 0.5) / steps
    x, y = a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
    column, row = ((x - west) / cell).astype(int), ((y - south) / cell).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
    off = np.ones(steps, bool)
    off[inside] = ~mask[row[inside], column[inside]]
    if not both_home:
        off &= (x < 347500) & (y > 450500) & (y < 490000)
    run = longest = 0
    for value in off:
        run = run + 1 if value else 0
        longest = max(longest, run)
    return longest * length_km / steps >= SEA_RUN_KM


# --- the model ----------------------------------------------------------------------------------

class Pool:
    """The LSOAs, practices and distances of sub-ICB locations that are modelled together."""

    def __init__(self, source, network, sub_icbs):
        self.sub_icbs = sub_icbs
        area = set(source.sub_icb[source.sub_icb.isin(sub_icbs)].index)
        codes = source.postcodes
        live = codes[(codes.status == "live") & codes.lsoa11cd.isin(area) & codes.e.notna()].sort_values("postcode")
        self.lsoas = sorted(live.lsoa11cd.unique())
        if set(self.lsoas) != area:
            raise SystemExit(f"LSOAs without a live postcode: {sorted(area - set(self.lsoas))}")
        position = {code: k for k, code in enumerate(self.lsoas)}
        self.lsoa_of = live.lsoa11cd.map(position).to_numpy()
        self.count = np.bincount(self.lsoa_of)
        points = live[["e", "n"]].to_numpy()
        table = source.practices
        inside = [code for code in sorted(table.index)
                  if table.sub_icb[code] in sub_icbs and table.status_2026[code] == "active"
                  and table.list_size_2026_04[code] > 0]
        tree, near = cKDTree(points), source.neighbours
        outside = [code for code in sorted(near.index)
                   if tree.query(near.loc[code, ["easting", "northing"]].to_numpy(float))[0] < NEIGHBOUR_KM * 1000]
        self.inside, self.practices = len(inside), inside + outside
        self.lists = np.r_[table.list_size_2026_04[inside], near.registered_2026_04[outside]].astype(float)
        main = np.vstack([table.loc[inside, ["easting", "northing"]], near.loc[outside, ["easting", "northing"]]]).astype(float)
        self.further = further_sites(source, inside, main)  # (practice, easting, northing)
        every = np.vstack([main] + [[[x, y]] for _, x, y in self.further])
        km = np.maximum(network.distances(every, points), 0.02)
        self.km, self.further_km = km[:, :len(main)], km[:, len(main):]
        district = live.postcode.str.split(" ").str[0].to_numpy()
        post = np.array([code.split(" ")[0] for code in list(table.postcode[inside]) + list(near.postcode[outside])])
        self.same_town = district[:, None] == post[None, :]
        self.people = people(source, self.lsoas, sub_icbs, table, inside)
        self.mean = coo_matrix((1 / self.count[self.lsoa_of], (self.lsoa_of, np.arange(len(points)))),
                               shape=(len(self.lsoas), len(points))).tocsr()
        self.start = None

    def kernel(self, parameters):
        beta, alpha, further, town = parameters
        kernel = np.exp(-beta * self.km ** alpha)
        for k, (practice, _, _) in enumerate(self.further):
            kernel[:, practice] += further * np.exp(-beta * self.further_km[:, k] ** alpha)
        kernel[self.same_town] *= np.exp(town)
        return kernel / kernel.max(axis=1, keepdims=True)

    def shares(self, parameters):
        """Returns a matrix of LSOA × practice. The attractions are balanced until the error of each list is
        at most 1e-9: some steps of Furness, then Newton's method on log(attraction) and on the scale of
        all people. The scale compensates for people who are registered outside the area. On average,
        weighted by list size, a practice of the area has the same attraction as a neighbouring practice
        with a list of the same size."""
        kernel, n = self.kernel(parameters), self.inside
        lists = self.lists[:n]
        weight = lists / lists.sum()
        people = (self.people / self.count)[self.lsoa_of]
        log_attraction = np.log(self.lists) if self.start is None else self.start.copy()
        mean, scale = weight @ np.log(lists), 1.0
        for step in range(100):
            chance = kernel * np.exp(log_attraction)
            chance /= chance.sum(axis=1, keepdims=True)
            flow = chance[:, :n] * people[:, None]
            total = flow.sum(axis=0)
            error = np.r_[scale * total - lists, weight @ log_attraction[:n] - mean]
            if np.abs(error[:n] / lists).max() < 1e-9 and abs(error[n]) < 1e-9:
                break
            if step < 5:
                move = np.log(lists / (scale * total))
                log_attraction[:n] += move - weight @ (log_attraction[:n] + move) + mean
                scale = lists.sum() / total.sum()
                continue
            jacobian = np.zeros((n + 1, n + 1))
            jacobian[:n, :n] = scale * (np.diag(total) - chance[:, :n].T @ flow)
            jacobian[:n, n] = total
            jacobian[n, :n] = weight
            move = np.linalg.solve(jacobian, error)
            log_attraction[:n] -= np.clip(move[:n], -1, 1)
            scale -= np.clip(move[n], -0.3, 0.3)
        else:
            raise SystemExit("the balance was not found")
        self.start, self.scale = log_attraction, scale
        return pd.DataFrame(self.mean @ chance, index=self.lsoas, columns=self.practices)


def further_sites(source, inside, main):
    """Branches in use, and the premises of practices that a practice took over."""
    column = {code: k for k, code in enumerate(inside)}
    found = []
    for site in source.sites.itertuples():
        if site.kind == "branch" and site.ods_code in column:
            found.append((column[site.ods_code], float(site.easting), float(site.northing)))
    for code in sorted(source.successor):
        last = source.final_successor(code)
        if last in column and code in source.practices.index and source.practices.easting[code] > 0:
            found.append((column[last], source.practices.easting[code], source.practices.northing[code]))
    kept = []
    for practice, x, y in sorted(found):
        others = [main[practice]] + [(a, b) for k, a, b in kept if k == practice]
        if min(np.hypot(x - a, y - b) for a, b in others) > 150:  # another building
            kept.append((practice, x, y))
    return kept


def people(source, lsoas, sub_icbs, table, inside):
    """Residents × (lists / residents of the pool), moved a quarter of the way (BORDER_SCALING) to the
    numbers for which each sub-ICB location's total equals its own lists. They are not moved the whole
    way, because people cross the border inside a pool."""
    residents = source.residents.reindex(lsoas).to_numpy(float)
    sub = source.sub_icb.reindex(lsoas).to_numpy()
    lists = table.list_size_2026_04[inside].groupby(table.sub_icb[inside]).sum()
    result = residents.copy()
    for code in sub_icbs:
        here = sub == code
        result[here] *= (lists[code] / residents[here].sum()) ** BORDER_SCALING
    return result * lists.sum() / result.sum()


# --- measures -----------------------------------------------------------------------------------

def read_judge(path):
    table = read(os.path.dirname(path), os.path.basename(path))
    table["patients"] = number(table.patients).astype(float)
    total = table.groupby("lsoa11cd").patients.sum()
    known = table[table.ods_code_2026 != ""]
    return known.pivot_table(index="lsoa11cd", columns="ods_code_2026", values="patients", aggfunc="sum", fill_value=0.0), total


def measures(shares, judge, network_of, lsoas):
    """See docs/developers/catchment-model.md for the definitions."""
    truth, total = judge
    columns = sorted(set(shares.columns) | set(truth.columns))
    model = shares.loc[lsoas].reindex(columns=columns, fill_value=0.0).to_numpy()
    counts = truth.loc[lsoas].reindex(columns=columns, fill_value=0.0).to_numpy()
    totals = total.loc[lsoas].to_numpy(float)
    true = counts / totals[:, None]
    rows, everyone, top = np.arange(len(lsoas)), totals.sum(), model.argmax(axis=1)
    networks = sorted({network_of[c] for c in columns if network_of.get(c)})
    member = np.array([[network_of.get(c) == k for k in networks] for c in columns], float)
    net_model, net_true = model @ member, counts @ member
    listed, real = model >= SHARE_LISTED, true >= SHARE_LISTED
    either = listed | real
    tenth = np.minimum((model * 10).astype(int), 9)
    calibration = [(k, int((q := listed & (tenth == k)).sum()), model[q].mean(), true[q].mean())
                   for k in range(10) if (listed & (tenth == k)).any()]
    return {
        "people with the likeliest practice %": 100 * counts[rows, top].sum() / everyone,
        "LSOAs, largest practice right %": 100 * (top == counts.argmax(axis=1)).mean(),
        "LSOAs, network right %": 100 * (net_model.argmax(axis=1) == net_true.argmax(axis=1)).mean(),
        "people with the team they live in %": 100 * net_true[rows, net_model.argmax(axis=1)].sum() / everyone,
        "precision at 5 %": 100 * (listed & real).sum() / listed.sum(),
        "recall at 5 %": 100 * (listed & real).sum() / real.sum(),
        "people with a practice not listed %": 100 * (1 - (counts * listed).sum() / everyone),
        "mean share error, points": 100 * np.abs(model - true)[either].mean(),
        "people placed wrongly %": 100 * (totals * (np.abs(model - true).sum(axis=1) + np.abs(true.sum(axis=1) - model.sum(axis=1))) / 2).sum() / everyone,
        "calibration gap, points": 100 * sum(n * abs(m - t) for _, n, m, t in calibration) / listed.sum(),
    }, calibration


def list_ratios(shares, source, sub_icbs):
    """Modelled people / list size, where each sub-ICB location's residents are scaled to its lists."""
    table = source.practices
    lists = table.list_size_2026_04.dropna()
    by_sub = lists.groupby(table.sub_icb[lists.index]).sum()
    sub = source.sub_icb[shares.index]
    residents = source.residents[shares.index]
    scaled = residents * sub.map(by_sub) / residents.groupby(sub).transform("sum")
    modelled = shares.mul(scaled, axis=0).sum()
    chosen = [code for code in modelled.index if code in lists.index and lists[code] >= 100]
    return (modelled[chosen] / lists[chosen])[[table.sub_icb[c] in sub_icbs for c in chosen]]


def fit(pool, judge, lsoas):
    """Returns the parameters with the maximum likelihood of the registrations of these LSOAs."""
    truth = judge[0].loc[lsoas].reindex(columns=pool.practices, fill_value=0.0).to_numpy()

    def loss(parameters):
        chance = pool.shares(parameters).loc[lsoas].to_numpy()
        return -(truth * np.log(chance + 1e-5)).sum() / truth.sum()

    simplex = PARAMETERS + np.vstack([np.zeros(4), np.diag([0.4, -0.06, 0.15, 0.1])])
    found = minimize(loss, PARAMETERS, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-7, "maxfev": 400})
    return found.x, found.fun


def print_measures(title, values, calibration):
    print(title)
    for name, value in values.items():
        print(f"  {name:40s} {value:6.1f}")
    print("  by tenth (from, pairs, modelled, true):", "; ".join(f"{k / 10:.1f}: {n}, {m:.2f}, {t:.2f}" for k, n, m, t in calibration))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", default="data/source", help="the folder of the tables")
    parser.add_argument("--output", default="practice_catchments.csv")
    parser.add_argument("--judge", help="a table ods_code, lsoa11cd, patients of published registrations; only compared")
    parser.add_argument("--fit", action="store_true", help="fit on 01A, on 00Q and on both, and print the parameters")
    options = parser.parse_args()
    source = Source(options.source)
    table = source.practices
    premises = table.loc[table.easting.notna(), ["easting", "northing"]].to_numpy(float)
    branches = np.column_stack([number(source.sites.easting), number(source.sites.northing)])
    near = source.neighbours[["easting", "northing"]].to_numpy(float)
    network = LandNetwork(source, np.vstack([premises, branches, near]))
    print(f"{network.removed} edges over sea removed")
    pools = [Pool(source, network, sub_icbs) for sub_icbs in POOLS]
    network_of = table.pcn_code[table.pcn_code != ""].to_dict()
    if options.judge:
        judge = read_judge(options.judge)
        home = {code: [i for i in judge[0].index if source.sub_icb[i] == code] for code in ("01A", "00Q")}
        pennine = pools[1]
        if options.fit:
            for train, test in (("01A", "00Q"), ("00Q", "01A")):
                parameters, loss = fit(pennine, judge, home[train])
                shares = pennine.shares(parameters)
                print(f"fitted on {train}: beta, alpha, further, town = {np.round(parameters, 3)}, log loss {loss:.4f}")
                print_measures(f"  reported on {test}", *measures(shares, judge, network_of, home[test]))
                ratio = list_ratios(shares, source, (test,))
                print(f"  lists {100 * ratio.min():.0f} to {100 * ratio.max():.0f} %")
            parameters, loss = fit(pennine, judge, home["01A"] + home["00Q"])
            print(f"fitted on both: {np.round(parameters, 3)}, log loss {loss:.4f}")
    frames = [pool.shares(PARAMETERS) for pool in pools]
    if options.judge:
        for part in (["01A"], ["00Q"], ["01A", "00Q"]):
            lsoas = sum((home[code] for code in part), [])
            print_measures(f"the parameters of the table, on {' and '.join(part)} (not out of sample)", *measures(frames[1], judge, network_of, lsoas))
    rows = []
    for pool, shares in zip(pools, frames):
        for sub_icb in pool.sub_icbs:
            ratio = list_ratios(shares, source, (sub_icb,))
            print(f"{sub_icb}: lists {100 * ratio.min():.1f} to {100 * ratio.max():.1f} %, {((ratio < .9) | (ratio > 1.1)).sum()} of {len(ratio)} beyond 10 %")
        leave = 1 - (shares.iloc[:, :pool.inside].mul(pool.people, axis=0)).sum().sum() / pool.people.sum()
        print(f"{pool.sub_icbs}: {100 * leave:.2f} % of people modelled with practices outside; {len(pool.further)} further sites; {len(pool.practices) - pool.inside} neighbours")
        icc_of = table.icc_id[table.icc_id != ""].to_dict()
        ours = [i for i in shares.index if i in source.icc.index]
        if ours:
            names = sorted(set(icc_of.values()))
            part = np.column_stack([shares.loc[ours, [c for c in shares.columns if icc_of.get(c) == k]].sum(axis=1) for k in names])
            best = [names[k] for k in part.argmax(axis=1)]
            for sub_icb in pool.sub_icbs:
                pairs = [(i, b) for i, b in zip(ours, best) if source.sub_icb[i] == sub_icb]
                same = [source.icc.icc_id[i] == b for i, b in pairs]
                print(f"{sub_icb}: the ICC with most people is that of lsoa11_icc.csv in {sum(same)} of {len(same)} LSOAs; not in {', '.join(i for (i, _), s in zip(pairs, same) if not s)}")
        for lsoa, row in zip(shares.index, shares.to_numpy()):
            order = sorted(range(len(row)), key=lambda k: (-round(row[k], 4), pool.practices[k]))
            rows += [(lsoa, pool.practices[k], f"{row[k]:.4f}") for k in order if row[k] >= SHARE_MIN_WRITTEN]
    rows.sort(key=lambda r: r[0])
    with open(options.output, "w", newline="\n", encoding="utf-8") as file:
        file.write("lsoa11cd,ods_code,share\n")
        file.writelines(",".join(row) + "\n" for row in rows)
    print(f"{options.output}: {len(rows)} rows, {sum(float(r[2]) >= SHARE_LISTED for r in rows)} of them at least 5 %")


if __name__ == "__main__":
    main()
