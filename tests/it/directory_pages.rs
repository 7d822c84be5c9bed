//! A page for each thing: what stands on it is what the files of the dataset say, and every link leads
//! somewhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use crate::dataset::{COMMITTED, Row, table};
use crate::html::Page;
use crate::server::{AS_OF, Reply, SERVER, Server, embedded, encoded};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A page as a browser gets it.
#[track_caller]
fn visit(path: &str, status: u16) -> (Reply, Page) {
    let reply = SERVER.send("GET", path, &[("accept", BROWSER)], None);
    let reply = reply.expect(status);
    assert_eq!(
        reply.header("content-type"),
        "text/html; charset=utf-8",
        "{reply}"
    );
    let page = Page::parse(reply.text());
    page.check(path);
    (reply, page)
}

/// The page on the day of the tests.
#[track_caller]
fn page(path: &str) -> Page {
    visit(&dated(path), 200).1
}

fn dated(path: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}as_of={AS_OF}")
}

fn rows(file: &str) -> Vec<Row> {
    table(&Path::new(COMMITTED).join(file))
}

/// Rows that hold on a day, by their `from` and `to`.
fn on<'r>(rows: &'r [Row], day: &'r str) -> impl Iterator<Item = &'r Row> {
    rows.iter().filter(move |row| {
        (row["from"].is_empty() || row["from"].as_str() <= day)
            && (row["to"].is_empty() || day < row["to"].as_str())
    })
}

/// Whether a practice was open at the end of a day.
fn is_open(practice: &Row, day: &str) -> bool {
    practice["closed"].is_empty() || day <= practice["closed"].as_str()
}

fn practices_by_code() -> BTreeMap<String, Row> {
    let rows = rows("practices.csv").into_iter();
    rows.map(|row| (row["ods_code"].clone(), row)).collect()
}

/// How many pages of a kind are visited; and pictures, which take a while to be drawn.
const EACH_KIND: usize = 5;
const EACH_KIND_DRAWN: usize = 1;

/// The kind of an address: its path with ids left out, and the names of its fields.
fn kind(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ending = path.rsplit_once('.').map_or("", |it| it.1);
    let mut fields: Vec<&str> = query
        .split('&')
        .map(|it| it.split('=').next().unwrap_or(""))
        .collect();
    fields.sort_unstable();
    // What comes after the noun is an id, but for the words below an area.
    let words = |at: usize| match segments[at] {
        word @ ("postcodes" | "items" | "collections" | "api" | "v1" | "areas" | "practices") => {
            word
        }
        word if at == 0 => word,
        _ => "*",
    };
    let shape: Vec<&str> = (0..segments.len()).map(words).collect();
    format!("/{}.{ending}?{}", shape.join("/"), fields.join("&"))
}

/// Spreads the choice of addresses over a list, the same on every run (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn every_link_of_every_kind_of_page_leads_somewhere() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut waiting: VecDeque<Vec<String>> = VecDeque::new();
    let starts = [
        "/",
        "/areas?as_of=2018-06-01",
        "/practices?as_of=2018-06-01&status=all",
        "/areas/sub-icb/01K?as_of=2022-06-30",
        "/practices/P81064?as_of=2018-06-01",
        "/areas/icc/mb-kendal?as_of=2023-05-06&dataset=2025.2",
        "/compare?layer=gp-practice&from=2022-03-31&to=2025-12-01",
    ];
    waiting.push_back(starts.map(str::to_string).to_vec());
    let mut visited: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(mut found) = waiting.pop_front() {
        found.sort_by_key(|address| hash(address));
        for address in found {
            let count = visited.entry(kind(&address)).or_default();
            let most = match address.starts_with("/maps") {
                true => EACH_KIND_DRAWN,
                false => EACH_KIND,
            };
            if *count == most || !known.insert(address.clone()) {
                continue;
            }
            *count += 1;
            waiting.push_back(links_of(&address));
        }
    }
    let kinds: Vec<&String> = visited.keys().collect();
    for expected in [
        "/areas/*/*.?",
        "/areas/*/*/postcodes.?",
        "/practices/*.?",
        "/groups/*.?",
        "/groups/*/postcodes.?",
        "/maps/*/*.pdf?",
        "/maps/*/*.png?as_of",
        "/api/v1/areas/*/*.geojson?",
        "/ogc/collections/*/items/*.?f",
        "/put-this-map-on-your-site.?show",
        "/compare.?from&layer&to",
    ] {
        assert!(
            visited.contains_key(expected),
            "{expected} is not linked to: {kinds:#?}"
        );
    }
}

/// Asks for an address, and where it is a page the addresses of ours on it.
#[track_caller]
fn links_of(address: &str) -> Vec<String> {
    let reply = SERVER.send("GET", address, &[("accept", BROWSER)], None);
    let reply = reply.expect(200);
    if !reply.header("content-type").starts_with("text/html") {
        return Vec::new();
    }
    let page = Page::parse(reply.text());
    let things = ["/areas", "/practices", "/groups", "/compare"];
    if things.iter().any(|it| address.starts_with(it)) {
        page.check(address);
    }
    let addresses = page.elements.iter().flat_map(|element| {
        let own = ["href", "src"].into_iter();
        own.filter_map(|name| element.attribute(name))
    });
    let ours = addresses.filter_map(|it| {
        let path = it.strip_prefix(&SERVER.origin()).unwrap_or(it);
        let path = path.split('#').next().unwrap_or_default();
        (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_string())
    });
    ours.collect()
}

#[test]
fn a_community_has_its_practices_and_no_others() {
    let practices = practices_by_code();
    let memberships = rows("memberships.csv");
    let areas = rows("areas.csv");
    let communities =
        on(&areas, AS_OF).filter(|it| it["layer"] == "icc" || it["layer"] == "neighbourhood-team");
    let mut checked = 0;
    for area in communities {
        let (layer, id) = (area["layer"].as_str(), area["id"].as_str());
        let members = on(&memberships, AS_OF).filter(|it| {
            it["layer"] == layer && it["group"] == id && it["member_layer"] == "gp-practice"
        });
        let (open, closed): (Vec<&Row>, Vec<&Row>) = members
            .map(|it| &practices[&it["member"]])
            .partition(|it| is_open(it, AS_OF));
        let page = page(&format!("/areas/{layer}/{id}"));
        let title = |it: &Row| format!("{} ({})", it["name"], it["ods_code"]);
        let mut expected: Vec<String> = open.iter().map(|it| title(it)).collect();
        let mut shown: Vec<String> = page
            .table("Practices that have not closed")
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected, "{id}");
        for practice in &closed {
            let path = dated(&format!("/practices/{}", practice["ods_code"]));
            assert!(page.links().contains(path.as_str()), "{id}: {path}");
        }
        let patients: u64 = open
            .iter()
            .filter_map(|it| it["list_size"].parse::<u64>().ok())
            .sum();
        let digits: String = page.words().replace(',', "");
        assert!(
            patients == 0 || digits.contains(&format!("{patients} on its practices")),
            "{id}: {patients}"
        );
        checked += 1;
    }
    assert_eq!(checked, 29);
}

#[test]
fn a_community_counts_the_postcodes_of_its_statistical_areas() {
    let assignments = rows("assignments.csv");
    let homes: BTreeMap<&str, &str> = assignments
        .iter()
        .filter(|it| it["layer"] == "icc")
        .map(|it| (it["statistical_area"].as_str(), it["area"].as_str()))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unlisted = 0;
    let postcodes = rows("postcodes.csv");
    let live = postcodes.iter().filter(|it| {
        let is_introduced = it["introduced"].as_str() <= "202512";
        it["status"] == "live" && !it["easting"].is_empty() && is_introduced
    });
    for postcode in live {
        match homes.get(postcode["statistical_area"].as_str()) {
            Some(home) => *counts.entry(home).or_default() += 1,
            None if postcode["statistical_area"].is_empty() => unlisted += 1,
            None => {}
        }
    }
    assert_eq!(counts.len(), 16);
    let mut more = 0;
    for (id, expected) in counts {
        let page = page(&format!("/areas/icc/{id}"));
        let words = page.words().replace(',', "");
        let (before, _) = words.split_once(" postcodes of ").expect("a count");
        let shown: usize = before
            .rsplit(' ')
            .next()
            .expect("a word")
            .parse()
            .expect("a number");
        // Those without a statistical area are where the boundaries put them.
        assert!(shown >= expected, "{id}: {shown} for {expected}");
        more += shown - expected;
    }
    assert!(more <= unlisted, "{more} of {unlisted}");
}

#[test]
fn the_pages_of_postcodes_are_the_whole_list_once() {
    let api = SERVER
        .get(&dated("/api/v1/areas/icc/mb-kendal/postcodes?limit=1000"))
        .json();
    let second = SERVER
        .get(api["next"].as_str().expect("more than 1,000"))
        .json();
    assert!(second["next"].is_null());
    let listed = [&api, &second]
        .into_iter()
        .flat_map(|it| it["postcodes"].as_array().expect("a list"));
    let expected: Vec<&str> = listed
        .map(|it| it["postcode"].as_str().expect("text"))
        .collect();
    let mut address = dated("/areas/icc/mb-kendal/postcodes");
    let mut shown: Vec<String> = Vec::new();
    let jumps: Vec<(String, String)>;
    {
        let (_, page) = visit(&address, 200);
        let list = page.all("ul").find(|it| {
            it.attribute("class")
                .is_some_and(|it| it.contains("outcodes"))
        });
        let links = page
            .within(list.expect("outward codes"))
            .iter()
            .filter(|it| it.name == "a");
        jumps = links
            .map(|it| {
                (
                    it.text.clone(),
                    it.attribute("href").expect("a link").to_string(),
                )
            })
            .collect();
    }
    loop {
        let (_, page) = visit(&address, 200);
        shown.extend(
            page.table("In order of postcode")
                .into_iter()
                .map(|row| row[0].clone()),
        );
        let Some(next) = page.all("a").find(|it| it.attribute("rel") == Some("next")) else {
            break;
        };
        address = next.attribute("href").expect("a link").to_string();
    }
    assert_eq!(shown, expected);
    assert!(jumps.len() > 3, "{jumps:?}");
    for (outcode, href) in jumps {
        let (_, page) = visit(&href, 200);
        let first = &page.table("In order of postcode")[0][0];
        assert_eq!(first.split(' ').next(), Some(outcode.as_str()), "{href}");
        let before = expected.iter().position(|it| it == first).expect("listed");
        assert!(
            before == 0 || !expected[before - 1].starts_with(&format!("{outcode} ")),
            "{first}"
        );
    }
}

#[test]
fn a_practice_has_what_the_directory_has_of_it() {
    let practices = practices_by_code();
    let sites = rows("practice_sites.csv");
    for (code, row) in practices.iter().step_by(7) {
        let page = page(&format!("/practices/{code}"));
        let words = page.words();
        for field in ["name", "address", "postcode", "telephone"] {
            assert!(words.contains(&row[field]), "{code}: no {field} in {words}");
        }
        let expected = if is_open(row, AS_OF) {
            "Open"
        } else {
            "Closed"
        };
        let status = if row["status"] == "dormant" {
            "Dormant"
        } else {
            expected
        };
        assert!(
            words.contains(&format!("Status {status} "))
                || words.contains(&format!("Status{status}")),
            "{code}: {words}"
        );
        let own = sites.iter().filter(|it| it["ods_code"] == *code);
        let buildings = own.count();
        if buildings > 0 {
            assert_eq!(page.table("Where they are").len(), buildings, "{code}");
        }
    }
}

#[test]
fn patients_of_a_practice_that_closed_are_followed_both_ways() {
    let successions = rows("practice_successions.csv");
    let practices = practices_by_code();
    assert_eq!(successions.len(), 14);
    for step in &successions {
        let (from, to) = (&step["predecessor"], &step["successor"]);
        let (before, after) = (
            page(&format!("/practices/{from}")),
            page(&format!("/practices/{to}")),
        );
        assert!(
            before
                .links()
                .contains(dated(&format!("/practices/{to}")).as_str()),
            "{from}"
        );
        assert!(
            after
                .links()
                .contains(dated(&format!("/practices/{from}")).as_str()),
            "{to}"
        );
        let name = &practices[to]["name"];
        assert!(
            before.words().contains(&format!(
                "Its patients went to {name} ({to}). Everyone registered there belongs to:"
            )),
            "{from}"
        );
    }
    // The day before, it was open, and its patients were its own.
    let (_, king_street) = visit("/practices/P81064?as_of=2018-06-30", 200);
    assert!(!king_street.words().contains("Its patients went to"));
    assert!(king_street.words().contains("its last day is 30 June 2018"));
}

#[test]
fn groups_are_known_by_their_members_and_unknown_where_none_is_named() {
    let memberships = rows("memberships.csv");
    let of_groups: Vec<&Row> = on(&memberships, AS_OF)
        .filter(|it| it["layer"] == "resilience-group")
        .collect();
    let groups: BTreeSet<&str> = of_groups
        .iter()
        .map(|it| it["group"].as_str())
        .filter(|it| !it.is_empty())
        .collect();
    assert_eq!(groups.len(), 8);
    let list = page("/groups");
    for group in groups {
        let page = page(&format!("/groups/{group}"));
        assert!(
            list.links()
                .contains(dated(&format!("/groups/{group}")).as_str()),
            "{group}"
        );
        let members = of_groups.iter().filter(|it| it["group"] == group);
        let members: BTreeSet<String> = members
            .map(|it| dated(&format!("/areas/{}/{}", it["member_layer"], it["member"])))
            .collect();
        assert_eq!(
            page.table("Its communities").len(),
            members.len(),
            "{group}"
        );
        for member in &members {
            assert!(page.links().contains(member.as_str()), "{group}: {member}");
            let member = visit(member, 200).1;
            assert!(
                member
                    .links()
                    .contains(dated(&format!("/groups/{group}")).as_str()),
                "{group}"
            );
        }
        assert!(
            page.words().contains("as published by the community"),
            "{group}"
        );
    }
    assert!(list.words().contains("Where none is named"));
    assert!(
        list.links()
            .contains(dated("/areas/icc/mb-lancaster").as_str())
    );
    for (path, sentence) in [
        (
            "/areas/icc/mb-lancaster",
            "Not known: the published page names none for Lancaster ICC.",
        ),
        (
            "/practices/P81002",
            "Not known: the published page names none for its community.",
        ),
        (
            "/areas/icc/nc-eden",
            "Not known: there is no source for Eden ICC.",
        ),
    ] {
        assert!(page(path).words().contains(sentence), "{path}");
    }
    // Millom's own groups, and Barrow's through Barrow and Millom.
    let millom = page("/areas/icc/mb-barrow-and-millom");
    assert!(
        millom
            .words()
            .contains("West Cumbria Resilience Group, through Millom")
    );
}

#[test]
fn an_area_tells_its_names_over_time_and_what_became_of_it() {
    let ccg = page("/areas/sub-icb/01K").table("Names that it had");
    let expected = [
        [
            "NHS Morecambe Bay CCG",
            "From 1 April 2017 until 30 June 2022",
        ],
        [
            "NHS Lancashire and South Cumbria ICB - 01K",
            "From 1 July 2022",
        ],
    ];
    assert_eq!(ccg, expected);
    let (_, before) = visit("/areas/sub-icb/01K?as_of=2022-06-30", 200);
    assert!(
        before.words().contains("NHS Morecambe Bay CCG Kind"),
        "{}",
        before.words()
    );
    for step in rows("lineage.csv") {
        let old = page(&format!("/areas/icc/{}", step["predecessor"]));
        assert!(
            old.words()
                .contains(&format!("Source: {}.", step["source"])),
            "{step:?}"
        );
        assert!(
            old.words().contains("came to an end: its last day was"),
            "{step:?}"
        );
        match step["successor"].as_str() {
            "" => assert!(
                old.words()
                    .contains("what became of it is not known: it ended on 1 April 2018")
            ),
            successor => {
                let path = dated(&format!("/areas/icc/{successor}"));
                assert!(old.links().contains(path.as_str()), "{step:?}");
                let new = visit(&path, 200).1;
                let back = dated(&format!("/areas/icc/{}", step["predecessor"]));
                assert!(new.links().contains(back.as_str()), "{step:?}");
            }
        }
    }
}

#[test]
fn links_stay_with_the_day_and_the_dataset_that_were_asked_for() {
    let (_, page) = visit("/areas/icc/mb-kendal?as_of=2023-05-06&dataset=2025.2", 200);
    let links = page.links();
    assert!(links.len() > 15, "{links:?}");
    let exempt = [
        "tel:",
        "/",
        "/put-this-map",
        "/areas/icc/mb-kendal?dataset=2025.2",
    ];
    for link in links {
        let is_exempt = exempt
            .iter()
            .any(|it| link == *it || (it.len() > 1 && link.starts_with(it)));
        let stays = link.contains("as_of=2023-05-06&dataset=2025.2");
        assert!(stays || is_exempt, "{link}");
    }
    // Without a day, they stay with today.
    let (_, page) = visit("/areas/icc/mb-kendal", 200);
    assert!(page.links().iter().all(|link| !link.contains("as_of=")));
}

#[test]
fn practices_are_found_by_name_address_code_area_and_status() {
    let found = |fields: &[(&str, &str)]| -> Vec<String> {
        let page = page(&format!("/practices?{}", encoded(fields)));
        if page.words().contains("No practice fits") {
            return Vec::new();
        }
        let rows = page.table("In order of name").into_iter();
        rows.map(|row| row[0].clone()).collect()
    };
    let practices = practices_by_code();
    let count =
        |is_meant: &dyn Fn(&Row) -> bool| practices.values().filter(|it| is_meant(it)).count();
    let open = count(&|it| is_open(it, AS_OF));
    let heading = page("/practices");
    assert!(
        heading.words().contains(&format!("{open} practices")),
        "{}",
        heading.words()
    );
    assert_eq!(found(&[]).len(), 100);
    assert_eq!(found(&[("page", "2")]).len(), open - 100);
    assert_eq!(found(&[("name", "KING street surgery")]), [] as [String; 0]);
    assert_eq!(
        found(&[("name", "KING street surgery"), ("status", "all")]),
        ["King Street Surgery (P81064)"]
    );
    assert_eq!(
        found(&[("name", "a82033")]),
        ["Waterloo House Surgery (A82033)"]
    );
    let ulverston = |it: &Row| {
        is_open(it, AS_OF)
            && (it["address"].contains("Ulverston") || it["name"].contains("Ulverston"))
    };
    assert_eq!(found(&[("name", "ulverston")]).len(), count(&ulverston));
    let memberships = rows("memberships.csv");
    let of = |layer: &str, id: &str| {
        let members =
            on(&memberships, AS_OF).filter(|it| it["layer"] == layer && it["group"] == id);
        members
            .filter(|it| {
                practices
                    .get(&it["member"])
                    .is_some_and(|it| is_open(it, AS_OF))
            })
            .count()
    };
    for (layer, id) in [("icc", "mb-bay"), ("sub-icb", "00Q"), ("pcn", "U25520")] {
        let area = format!("{layer}/{id}");
        assert_eq!(found(&[("area", &area)]).len(), of(layer, id), "{area}");
    }
    // What was typed stands in the field again, and is nothing but text.
    let typed = "\"><script>alert(1)</script>";
    let (reply, page) = visit(&format!("/practices?{}", encoded(&[("name", typed)])), 200);
    assert!(!reply.text().contains("<script>alert"), "{reply}");
    let field = page
        .all("input")
        .find(|it| it.attribute("name") == Some("name"));
    assert_eq!(field.and_then(|it| it.attribute("value")), Some(typed));
}

#[test]
fn a_patients_postcode_is_not_taken_for_a_name() {
    let (reply, page) = visit("/practices?name=la18+4db", 400);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(page.words().contains("a postcode goes into the look-up"));
    assert!(!reply.text().to_lowercase().contains("4db"), "{reply}");
}

#[test]
fn two_days_are_compared_by_what_the_files_say() {
    let compared = |layer: &str, from: &str, to: &str| {
        let query = encoded(&[("layer", layer), ("from", from), ("to", to)]);
        visit(&format!("/compare?{query}"), 200).1
    };
    let practices = practices_by_code();
    let closed = |from: &str, to: &str| -> BTreeSet<String> {
        let ended = practices
            .values()
            .filter(|it| is_open(it, from) && !is_open(it, to));
        ended
            .map(|it| format!("{} ({})", it["name"], it["ods_code"]))
            .collect()
    };
    let july = compared("sub-icb", "2022-06-30", "2022-07-01");
    let renamed = july.table("Areas that changed");
    assert_eq!(renamed.len(), 4, "{renamed:?}");
    for row in &renamed {
        assert!(
            row[1].contains("Renamed before: NHS") && row[1].ends_with("CCG"),
            "{row:?}"
        );
        assert_eq!(row[2], "The same");
    }
    assert!(july.words().contains("No practice opened or closed"));
    for (from, to) in [("2017-04-01", "2022-04-01"), ("2021-08-31", "2021-09-01")] {
        let page = compared("sub-icb", from, to);
        let rows = page.table("Practices that opened or closed").into_iter();
        let shown: BTreeSet<String> = rows
            .filter(|row| row[1] == "Closed")
            .map(|row| row[0].clone())
            .collect();
        let expected = closed(from, to);
        assert!(expected.len() >= 2);
        assert_eq!(shown, expected, "{from} {to}");
    }
    assert!(
        compared("icc", "2023-01-01", "2025-01-01")
            .words()
            .contains("Nothing changed.")
    );
    assert!(
        compared("icc", "2021-01-01", "2025-01-01")
            .words()
            .contains("Nothing is known of Integrated Care Communities before 5 January 2022")
    );
    assert!(
        compared("icc", "2025-01-01", "2025-01-01")
            .words()
            .contains("The first day should be before the second")
    );
    // Days on which something changed are offered, each with the day before.
    let (_, asked) = visit("/compare?layer=sub-icb", 200);
    assert!(
        asked
            .links()
            .contains("/compare?layer=sub-icb&from=2022-06-30&to=2022-07-01")
    );
}

#[test]
fn what_is_not_there_is_told_in_the_askers_manner() {
    for (path, status, code, way) in [
        ("/areas/icc/mb-Zq7Mark", 404, "unknown_area", "/areas/icc"),
        ("/areas/Zq7Mark", 404, "unknown_layer", "/areas"),
        (
            "/areas/icc/mb-kendal/postcodes/Zq7Mark",
            404,
            "not_found",
            "/areas/icc",
        ),
        ("/practices/Z99999", 404, "unknown_practice", "/practices"),
        ("/practices/Zq7Mark-", 404, "unknown_practice", "/practices"),
        ("/groups/Zq7Mark", 404, "unknown_area", "/groups"),
        ("/Zq7Mark", 404, "not_found", "/"),
        ("/areas?Zq7Mark=1", 400, "unknown_parameter", "/areas"),
        (
            "/areas/icc/mb-kendal?as_of=Zq7Mark",
            400,
            "invalid_date",
            "/areas/icc",
        ),
        (
            "/areas/icc/mb-kendal?postcode=Zq7Mark",
            400,
            "unknown_parameter",
            "/areas/icc",
        ),
        (
            "/areas/icc/mb-kendal?as_of=2020-01-01",
            422,
            "no_data_for_date",
            "/areas/icc",
        ),
        ("/areas/icc?page=2", 400, "malformed", "/areas/icc"),
        ("/areas/icc?page=0", 400, "malformed", "/areas/icc"),
        (
            "/areas/icc/mb-kendal?dataset=Zq7Mark",
            404,
            "unknown_dataset",
            "/areas/icc",
        ),
        (
            "/areas/icc/mb-kendal/postcodes?after=Zq7Mark",
            400,
            "malformed",
            "/areas/icc",
        ),
        (
            "/practices?area=icc/Zq7Mark",
            404,
            "unknown_area",
            "/practices",
        ),
        ("/practices?status=Zq7Mark", 400, "malformed", "/practices"),
        ("/compare?layer=Zq7Mark", 404, "unknown_layer", "/areas"),
        ("/compare?from=Zq7Mark", 400, "invalid_date", "/areas"),
    ] {
        let (reply, page) = visit(path, status);
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(page.links().contains(way), "{path}: {:?}", page.links());
        assert!(!reply.text().contains("Zq7Mark"), "{path} is repeated");
        SERVER.get(path).expect_problem(status, code);
        let json = SERVER.send("GET", path, &[("accept", "application/json")], None);
        json.expect_problem(status, code);
    }
    let reply = SERVER.send("POST", "/areas", &[("accept", BROWSER)], Some(""));
    let reply = reply.expect(405);
    assert_eq!(reply.header("allow"), "GET,HEAD");
    Page::parse(reply.text()).check("/areas");
}

#[test]
fn every_thing_has_one_page() {
    for (path, page) in [
        ("/areas/gp-practice", "/practices"),
        ("/areas/gp-practice/A82033", "/practices/A82033"),
        (
            "/areas/gp-practice/A82033/postcodes",
            "/practices/A82033/postcodes",
        ),
        ("/areas/resilience-group", "/groups"),
        (
            "/areas/resilience-group/barrow-resilience-group",
            "/groups/barrow-resilience-group",
        ),
        ("/practices/A82608001", "/practices/A82608"),
    ] {
        let reply = SERVER.get(path).expect(307);
        assert_eq!(reply.header("location"), page);
        let reply = SERVER.get(&dated(path)).expect(307);
        assert_eq!(reply.header("location"), dated(page));
    }
    let lower = visit("/practices/a82033", 200).1;
    assert!(lower.words().contains("Waterloo House Surgery"));
}

#[test]
fn pages_of_things_may_be_kept_and_are_not_sent_twice() {
    for path in [
        "/areas",
        "/areas/icc",
        "/areas/icc/mb-kendal",
        "/areas/icc/mb-kendal/postcodes",
        "/practices",
        "/practices/A82033",
        "/groups",
        "/groups/barrow-resilience-group",
        "/compare?layer=sub-icb&from=2022-06-30&to=2022-07-01",
    ] {
        let path = if path.starts_with("/compare") {
            path.to_string()
        } else {
            dated(path)
        };
        let first = SERVER.get(&path).expect(200);
        assert!(
            first
                .header("cache-control")
                .starts_with("public, max-age="),
            "{first}"
        );
        let tag = first.header("etag");
        let again = SERVER
            .send("GET", &path, &[("if-none-match", tag)], None)
            .expect(304);
        assert!(again.body.is_empty());
        let head = SERVER.send("HEAD", &path, &[], None).expect(200);
        assert_eq!((head.header("etag"), head.body.len()), (tag, 0));
    }
    // A blank field of a form is one that was not filled in.
    let blank = SERVER
        .get("/practices?name=&area=&status=&as_of=")
        .expect(200);
    assert_eq!(blank.body, SERVER.get("/practices").expect(200).body);
}

#[test]
fn an_area_is_described_to_sites_that_would_embed_it() {
    let reply = SERVER.get("/areas/icc/mb-kendal").expect(200);
    assert!(
        reply.header("link").contains("application/json+oembed"),
        "{reply}"
    );
    assert!(reply.header("vary").contains("host"), "{reply}");
}

#[test]
fn a_dataset_without_groups_and_practices_has_pages_all_the_same() {
    let mut dataset = embedded();
    dataset.practices.clear();
    dataset.premises.clear();
    dataset.successions.clear();
    dataset.memberships.clear();
    dataset
        .boundaries
        .retain(|(layer, _)| layer.as_str() != "gp-practice");
    dataset
        .assignments
        .retain(|it| it.layer.as_str() != "gp-practice");
    dataset
        .areas
        .retain(|it| it.layer.as_str() != "gp-practice");
    let server = Server::with(dataset, catchment::http::Limits::default());
    for path in [
        "/areas",
        "/areas/icc/mb-kendal",
        "/practices",
        "/groups",
        "/groups/barrow-resilience-group",
        "/compare",
    ] {
        let reply = server.get(path).expect(200);
        Page::parse(reply.text()).check(path);
    }
}
