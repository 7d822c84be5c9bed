//! Tests of the pages of areas, practices and groups. Their content must match the files of the
//! dataset, and every link must work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use catchment::http::ServerLimits;

use crate::data::embedded_dataset::{COMMITTED_DATASET, Row, table};
use crate::support::fixture::TestDataset;
use crate::support::html::Page;
use crate::support::server::{AS_OF, Reply, SERVER, Server, embedded, encode_fields};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Requests a page as a browser does.
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

/// Requests a page for the date of the tests.
#[track_caller]
fn page(path: &str) -> Page {
    visit(&with_date(path), 200).1
}

fn with_date(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}as_of={AS_OF}")
}

fn rows(file: &str) -> Vec<Row> {
    table(&Path::new(COMMITTED_DATASET).join(file))
}

/// Returns the rows that are valid on a date, according to their columns `from` and `to`, or
/// `ended_by` if the last day is not known.
fn valid_on<'r>(rows: &'r [Row], date: &'r str) -> impl Iterator<Item = &'r Row> {
    rows.iter().filter(move |row| {
        (row["from"].is_empty() || row["from"].as_str() <= date)
            && (row["to"].is_empty() || date < row["to"].as_str())
            && row
                .get("ended_by")
                .is_none_or(|ended_by| ended_by.is_empty() || date < ended_by.as_str())
    })
}

/// Returns whether a practice was open on a day. The date in `closed` is the last day on which the
/// practice was open.
fn is_open(practice: &Row, date: &str) -> bool {
    practice["closed"].is_empty() || date <= practice["closed"].as_str()
}

fn practices_by_code() -> BTreeMap<String, Row> {
    let rows = rows("practices.csv").into_iter();
    rows.map(|row| (row["ods_code"].clone(), row)).collect()
}

/// The maximum number of pages of each kind that the test visits.
const PAGES_PER_KIND: usize = 5;
/// The maximum number of static maps of each kind that the test requests. Maps are slow to draw.
const MAPS_PER_KIND: usize = 1;

/// Returns the kind of a URL, which is its path with `*` in place of ids, and the names of its
/// parameters.
fn url_kind(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mut fields: Vec<&str> = query
        .split('&')
        .map(|part| part.split('=').next().unwrap_or(""))
        .collect();
    fields.sort_unstable();
    // Segments after the first are ids, except for these words.
    let segment_kind = |index: usize| match segments[index] {
        word @ ("postcodes" | "items" | "collections" | "api" | "v1" | "areas" | "practices") => {
            word
        }
        word if index == 0 => word,
        _ => "*",
    };
    let shape: Vec<&str> = (0..segments.len()).map(segment_kind).collect();
    format!("/{}.{extension}?{}", shape.join("/"), fields.join("&"))
}

/// Hashes a URL (FNV-1a), so that the sample of URLs is the same in every run.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn links_of_every_kind_of_page_work() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut waiting: VecDeque<Vec<String>> = VecDeque::new();
    let starts = [
        "/",
        "/areas?as_of=2018-06-01",
        "/practices?as_of=2018-06-01&status=all",
        "/areas/sub-icb/01K?as_of=2022-06-30",
        "/practices/P81064?as_of=2018-06-01",
        "/areas/icc/mb-kendal?as_of=2023-05-06&dataset=2026.1",
        "/compare?layer=gp-practice&from=2022-03-31&to=2025-12-01",
    ];
    waiting.push_back(starts.map(str::to_string).to_vec());
    let mut visited: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(mut found) = waiting.pop_front() {
        found.sort_by_key(|url| hash(url));
        for url in found {
            let count = visited.entry(url_kind(&url)).or_default();
            let limit = if url.starts_with("/maps") {
                MAPS_PER_KIND
            } else {
                PAGES_PER_KIND
            };
            if *count == limit || !known.insert(url.clone()) {
                continue;
            }
            *count += 1;
            waiting.push_back(links_of(&url));
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
            "no page links to {expected}: {kinds:#?}"
        );
    }
}

/// Requests a URL and, if it is a page, returns the URLs of this service on the page.
#[track_caller]
fn links_of(url: &str) -> Vec<String> {
    let reply = SERVER.send("GET", url, &[("accept", BROWSER)], None);
    let reply = reply.expect(200);
    if !reply.header("content-type").starts_with("text/html") {
        return Vec::new();
    }
    let page = Page::parse(reply.text());
    let directory = ["/areas", "/practices", "/groups", "/compare", "/changes"];
    if directory.iter().any(|prefix| url.starts_with(prefix)) {
        page.check(url);
    }
    let urls = page.elements.iter().flat_map(|element| {
        let attributes = ["href", "src"].into_iter();
        attributes.filter_map(|name| element.attribute(name))
    });
    let local = urls.filter_map(|url| {
        let path = url.strip_prefix(&SERVER.origin()).unwrap_or(url);
        let path = path.split('#').next().unwrap_or_default();
        (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_string())
    });
    local.collect()
}

#[test]
fn community_pages_list_exactly_their_practices() {
    let practices = practices_by_code();
    let memberships = rows("memberships.csv");
    let areas = rows("areas.csv");
    let communities = valid_on(&areas, AS_OF)
        .filter(|row| row["layer"] == "icc" || row["layer"] == "neighbourhood-team");
    let mut checked = 0;
    for area in communities {
        let (layer, id) = (area["layer"].as_str(), area["id"].as_str());
        let members = valid_on(&memberships, AS_OF).filter(|row| {
            row["layer"] == layer && row["group"] == id && row["member_layer"] == "gp-practice"
        });
        let (open, closed): (Vec<&Row>, Vec<&Row>) = members
            .map(|row| &practices[&row["member"]])
            .partition(|practice| is_open(practice, AS_OF));
        let page = page(&format!("/areas/{layer}/{id}"));
        let title = |row: &Row| format!("{} ({})", row["name"], row["ods_code"]);
        let mut expected: Vec<String> = open.iter().map(|practice| title(practice)).collect();
        let mut shown: Vec<String> = page
            .table("Open practices")
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected, "{id}");
        for practice in &closed {
            let path = with_date(&format!("/practices/{}", practice["ods_code"]));
            assert!(page.links().contains(path.as_str()), "{id}: {path}");
        }
        let patients: u64 = open
            .iter()
            .filter_map(|row| row["list_size"].parse::<u64>().ok())
            .sum();
        let digits: String = page.text().replace(',', "");
        assert!(
            patients == 0 || digits.contains(&format!("{patients} at its practices")),
            "{id}: {patients}"
        );
        checked += 1;
    }
    assert_eq!(checked, 29);
}

#[test]
fn community_pages_count_the_postcodes_of_their_statistical_areas() {
    let assignments = rows("assignments.csv");
    let area_by_code: BTreeMap<&str, &str> = assignments
        .iter()
        .filter(|row| row["layer"] == "icc")
        .map(|row| (row["statistical_area"].as_str(), row["area"].as_str()))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unlisted = 0;
    let postcodes = rows("postcodes.csv");
    let live = postcodes.iter().filter(|row| {
        let is_introduced = row["introduced"].as_str() <= "202512";
        row["status"] == "live" && !row["easting"].is_empty() && is_introduced
    });
    for postcode in live {
        match area_by_code.get(postcode["statistical_area"].as_str()) {
            Some(area) => *counts.entry(area).or_default() += 1,
            None if postcode["statistical_area"].is_empty() => unlisted += 1,
            None => {}
        }
    }
    assert_eq!(counts.len(), 16);
    let mut more = 0;
    for (id, expected) in counts {
        let page = page(&format!("/areas/icc/{id}"));
        let text = page.text().replace(',', "");
        let (before, _) = text.split_once(" postcodes in ").expect("a count");
        let shown: usize = before
            .rsplit(' ')
            .next()
            .expect("a word")
            .parse()
            .expect("a number");
        // Postcodes without a statistical area are counted by boundary.
        assert!(
            shown >= expected,
            "{id}: the page shows {shown} postcodes, but there are at least {expected}"
        );
        more += shown - expected;
    }
    assert!(more <= unlisted, "{more} of {unlisted}");
}

#[test]
fn postcode_pages_list_every_postcode_once() {
    let api = SERVER
        .get(&with_date(
            "/api/v1/areas/icc/mb-kendal/postcodes?limit=1000",
        ))
        .json();
    let second = SERVER
        .get(api["next"].as_str().expect("more than 1,000"))
        .json();
    assert!(second["next"].is_null());
    let listed = [&api, &second]
        .into_iter()
        .flat_map(|row| row["postcodes"].as_array().expect("a list"));
    let expected: Vec<&str> = listed
        .map(|row| row["postcode"].as_str().expect("text"))
        .collect();
    let mut url = with_date("/areas/icc/mb-kendal/postcodes");
    let mut shown: Vec<String> = Vec::new();
    let jumps: Vec<(String, String)>;
    {
        let (_, page) = visit(&url, 200);
        let list = page.all("ul").find(|element| {
            element
                .attribute("class")
                .is_some_and(|class| class.contains("outcodes"))
        });
        let links = page
            .within(list.expect("outward codes"))
            .iter()
            .filter(|element| element.name == "a");
        jumps = links
            .map(|element| {
                (
                    element.text.clone(),
                    element.attribute("href").expect("a link").to_string(),
                )
            })
            .collect();
    }
    loop {
        let (_, page) = visit(&url, 200);
        shown.extend(
            page.table("Postcodes")
                .into_iter()
                .map(|row| row[0].clone()),
        );
        let Some(next) = page
            .all("a")
            .find(|element| element.attribute("rel") == Some("next"))
        else {
            break;
        };
        url = next.attribute("href").expect("a link").to_string();
    }
    assert_eq!(shown, expected);
    assert!(jumps.len() > 3, "{jumps:?}");
    for (outcode, href) in jumps {
        let (_, page) = visit(&href, 200);
        let first = &page.table("Postcodes")[0][0];
        assert_eq!(first.split(' ').next(), Some(outcode.as_str()), "{href}");
        let before = expected
            .iter()
            .position(|postcode| postcode == first)
            .expect("listed");
        assert!(
            before == 0 || !expected[before - 1].starts_with(&format!("{outcode} ")),
            "{first}"
        );
    }
}

#[test]
fn practice_pages_show_the_directory_entry() {
    let practices = practices_by_code();
    let sites = rows("practice_sites.csv");
    for (code, row) in practices.iter().step_by(7) {
        let page = page(&format!("/practices/{code}"));
        let text = page.text();
        for field in ["name", "address", "postcode", "telephone"] {
            assert!(text.contains(&row[field]), "{code}: no {field} in {text}");
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
            text.contains(&format!("Status {status} "))
                || text.contains(&format!("Status{status}")),
            "{code}: {text}"
        );
        let own = sites.iter().filter(|row| row["ods_code"] == *code);
        let count = own.count();
        if count > 0 {
            assert_eq!(
                page.table("Premises of this practice").len(),
                count,
                "{code}"
            );
        }
    }
}

#[test]
fn closed_practices_and_their_successors_link_to_each_other() {
    let successions = rows("practice_successions.csv");
    let practices = practices_by_code();
    assert_eq!(successions.len(), 41);
    for step in &successions {
        let (from, to) = (&step["predecessor"], &step["successor"]);
        let (before, after) = (
            page(&format!("/practices/{from}")),
            page(&format!("/practices/{to}")),
        );
        assert!(
            before
                .links()
                .contains(with_date(&format!("/practices/{to}")).as_str()),
            "{from}"
        );
        assert!(
            after
                .links()
                .contains(with_date(&format!("/practices/{from}")).as_str()),
            "{to}"
        );
        // The page links to the last practice in a chain of successors. This practice may be
        // outside the area of the data.
        let Some(successor) = practices.get(to).filter(|row| is_open(row, AS_OF)) else {
            continue;
        };
        let name = &successor["name"];
        let text = before.text();
        assert!(
            text.contains(&format!("Its patients moved to {name} ({to}).")),
            "{from}"
        );
        let areas = "Everyone registered with that practice belongs to these areas:";
        assert!(text.contains(areas), "{from}");
        let is_by_place_alone = step["basis"] == "place";
        assert_eq!(text.contains("only evidence"), is_by_place_alone, "{from}");
    }
    // On its last day, the practice was open and had its own patients.
    let (_, king_street) = visit("/practices/P81064?as_of=2018-06-30", 200);
    assert!(!king_street.text().contains("Its patients moved to"));
    assert!(king_street.text().contains("Its last day is 30 June 2018"));
}

#[test]
fn a_count_of_one_has_a_singular_noun() {
    let server = Server::with(TestDataset::new().dataset(), ServerLimits::default());
    for (area, expected) in [
        ("k", "This area has 2 postcodes in use."),
        ("l", "This area has 1 postcode in use."),
    ] {
        let path = format!("/areas/icc/{area}/postcodes");
        let reply = server.send("GET", &path, &[("accept", BROWSER)], None);
        let text = Page::parse(reply.expect(200).text()).text();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn several_successors_are_in_one_sentence() {
    let dataset = TestDataset::new()
        .add_row("practice_successions.csv", "A00003,A00001,2020-04-01")
        .add_row("memberships.csv", "gp-practice,A00003,icc,k,,,derived");
    let server = Server::with(dataset.dataset(), ServerLimits::default());
    let text = |path: &str| {
        let reply = server.send("GET", path, &[("accept", BROWSER)], None);
        Page::parse(reply.expect(200).text()).text()
    };
    let area = text("/areas/icc/k");
    assert!(
        area.contains(
            "last day 31 March 2020. Its patients moved to Two (A00002) and One (A00001)"
        ),
        "{area}"
    );
    let practice = text("/practices/A00003");
    assert!(
        practice.contains(
            "It has closed. Its patients moved to Two (A00002) and One (A00001), \
             and we do not know who moved to which practice."
        ),
        "{practice}"
    );
}

#[test]
fn a_practice_outside_the_area_has_a_short_page() {
    let (_, garstang) = visit("/practices/P81006", 200);
    let text = garstang.text();
    for expected in [
        "Garstang Medical Practice",
        "outside the area of our data",
        "02M",
        "QE1",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (_, frizington) = visit("/practices/A82044", 200);
    assert!(frizington.text().contains("Frizington"));
    assert!(frizington.text().contains("no longer in use"));
}

#[test]
fn groups_list_their_communities_and_unnamed_groups_are_not_known() {
    let memberships = rows("memberships.csv");
    let of_groups: Vec<&Row> = valid_on(&memberships, AS_OF)
        .filter(|row| row["layer"] == "resilience-group")
        .collect();
    let groups: BTreeSet<&str> = of_groups
        .iter()
        .map(|row| row["group"].as_str())
        .filter(|group| !group.is_empty())
        .collect();
    assert_eq!(groups.len(), 8);
    let list = page("/groups");
    for group in groups {
        let page = page(&format!("/groups/{group}"));
        assert!(
            list.links()
                .contains(with_date(&format!("/groups/{group}")).as_str()),
            "{group}"
        );
        let members = of_groups.iter().filter(|row| row["group"] == group);
        let members: BTreeSet<String> = members
            .map(|row| with_date(&format!("/areas/{}/{}", row["member_layer"], row["member"])))
            .collect();
        assert_eq!(
            page.table("Communities of this group").len(),
            members.len(),
            "{group}"
        );
        for member in &members {
            assert!(page.links().contains(member.as_str()), "{group}: {member}");
            let member = visit(member, 200).1;
            assert!(
                member
                    .links()
                    .contains(with_date(&format!("/groups/{group}")).as_str()),
                "{group}"
            );
        }
        assert!(
            page.text().contains("As published by the community"),
            "{group}"
        );
    }
    assert!(list.text().contains("Communities without a named group"));
    assert!(
        list.links()
            .contains(with_date("/areas/icc/mb-lancaster").as_str())
    );
    for (path, sentence) in [
        (
            "/areas/icc/mb-lancaster",
            "Not known. The published page for Lancaster ICC does not name a group.",
        ),
        (
            "/practices/P81002",
            "Not known. The published page for its community does not name a group.",
        ),
        (
            "/areas/icc/nc-eden",
            "Not known. We have no information for Eden ICC.",
        ),
    ] {
        assert!(page(path).text().contains(sentence), "{path}");
    }
    // A group of a sub-community is listed with the name of the sub-community.
    let millom = page("/areas/icc/mb-barrow-and-millom");
    assert!(
        millom
            .text()
            .contains("West Cumbria Resilience Group, through Millom")
    );
}

#[test]
fn area_pages_show_previous_names_and_successors() {
    let ccg = page("/areas/sub-icb/01K").table("Current and previous names");
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
        before.text().contains("NHS Morecambe Bay CCG Type"),
        "{}",
        before.text()
    );
    let (_, district) = visit("/areas/council/E07000026?as_of=2023-03-31", 200);
    assert!(
        district.text().contains("Cumberland"),
        "{}",
        district.text()
    );
    let steps = rows("lineage.csv").into_iter();
    for step in steps.filter(|step| step["layer"] == "icc") {
        let old = page(&format!("/areas/icc/{}", step["predecessor"]));
        assert!(
            old.text().contains(&format!("Source: {}.", step["source"])),
            "{step:?}"
        );
        assert!(
            old.text()
                .contains("has ended. It ended before 5 January 2022; the day is not known"),
            "{step:?}"
        );
        match step["successor"].as_str() {
            "" => assert!(old.text().contains("We do not know what replaced it.")),
            successor => {
                let path = with_date(&format!("/areas/icc/{successor}"));
                assert!(old.links().contains(path.as_str()), "{step:?}");
                let new = visit(&path, 200).1;
                let back = with_date(&format!("/areas/icc/{}", step["predecessor"]));
                assert!(new.links().contains(back.as_str()), "{step:?}");
            }
        }
    }
}

#[test]
fn links_keep_the_date_and_dataset() {
    let (_, page) = visit("/areas/icc/mb-kendal?as_of=2023-05-06&dataset=2026.1", 200);
    let links = page.links();
    assert!(links.len() > 15, "{links:?}");
    let exempt = [
        "tel:",
        "/",
        "/put-this-map",
        "/areas/icc/mb-kendal?dataset=2026.1",
    ];
    for link in links {
        let is_exempt = exempt
            .iter()
            .any(|prefix| link == *prefix || (prefix.len() > 1 && link.starts_with(prefix)));
        let has_both = link.contains("as_of=2023-05-06&dataset=2026.1");
        assert!(has_both || is_exempt, "{link}");
    }
    // If the URL of a page has no date, the links on the page have no date.
    let (_, page) = visit("/areas/icc/mb-kendal", 200);
    assert!(page.links().iter().all(|link| !link.contains("as_of=")));
}

#[test]
fn practices_are_filtered_by_name_address_code_area_and_status() {
    let found = |fields: &[(&str, &str)]| -> Vec<String> {
        let page = page(&format!("/practices?{}", encode_fields(fields)));
        if page.text().contains("No practices found") {
            return Vec::new();
        }
        let rows = page.table("GP practices").into_iter();
        rows.map(|row| row[0].clone()).collect()
    };
    let practices = practices_by_code();
    let count = |predicate: &dyn Fn(&Row) -> bool| {
        practices
            .values()
            .filter(|practice| predicate(practice))
            .count()
    };
    let open = count(&|practice| is_open(practice, AS_OF));
    let heading = page("/practices");
    assert!(
        heading.text().contains(&format!("{open} practices")),
        "{}",
        heading.text()
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
    let ulverston = |practice: &Row| {
        is_open(practice, AS_OF)
            && (practice["address"].contains("Ulverston") || practice["name"].contains("Ulverston"))
    };
    assert_eq!(found(&[("name", "ulverston")]).len(), count(&ulverston));
    let memberships = rows("memberships.csv");
    let member_count = |layer: &str, id: &str| {
        let members =
            valid_on(&memberships, AS_OF).filter(|row| row["layer"] == layer && row["group"] == id);
        members
            .filter(|row| {
                practices
                    .get(&row["member"])
                    .is_some_and(|practice| is_open(practice, AS_OF))
            })
            .count()
    };
    for (layer, id) in [("icc", "mb-bay"), ("sub-icb", "00Q"), ("pcn", "U25520")] {
        let area = format!("{layer}/{id}");
        assert_eq!(
            found(&[("area", &area)]).len(),
            member_count(layer, id),
            "{area}"
        );
    }
    // The field contains the submitted text, with its special characters escaped.
    let typed = "\"><script>alert(1)</script>";
    let (reply, page) = visit(
        &format!("/practices?{}", encode_fields(&[("name", typed)])),
        200,
    );
    assert!(!reply.text().contains("<script>alert"), "{reply}");
    let field = page
        .all("input")
        .find(|element| element.attribute("name") == Some("name"));
    assert_eq!(
        field.and_then(|field| field.attribute("value")),
        Some(typed)
    );
}

#[test]
fn postcodes_are_not_accepted_as_practice_names() {
    let (reply, page) = visit("/practices?name=la18+4db", 400);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(page.text().contains("use the look-up page for a postcode"));
    assert!(!reply.text().to_lowercase().contains("4db"), "{reply}");
}

#[test]
fn comparisons_show_the_changes_in_the_files() {
    let compared = |layer: &str, from: &str, to: &str| {
        let query = encode_fields(&[("layer", layer), ("from", from), ("to", to)]);
        visit(&format!("/compare?{query}"), 200).1
    };
    let practices = practices_by_code();
    let closed = |from: &str, to: &str| -> BTreeSet<String> {
        let ended = practices
            .values()
            .filter(|practice| is_open(practice, from) && !is_open(practice, to));
        ended
            .map(|row| format!("{} ({})", row["name"], row["ods_code"]))
            .collect()
    };
    let july = compared("sub-icb", "2022-06-30", "2022-07-01");
    let renamed = july.table("Areas that changed");
    assert_eq!(renamed.len(), 4, "{renamed:?}");
    for row in &renamed {
        assert!(
            row[1].contains("Renamed from NHS") && row[1].ends_with("CCG"),
            "{row:?}"
        );
        assert_eq!(row[2], "No change");
    }
    assert!(july.text().contains("No practices opened or closed"));
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
        compared("icc", "2025-06-01", "2026-03-01")
            .text()
            .contains("Nothing changed.")
    );
    assert!(
        compared("icc", "2021-01-01", "2025-01-01").text().contains(
            "We have no information on Integrated Care Communities before 5 January 2022"
        )
    );
    assert!(
        compared("icc", "2025-01-01", "2025-01-01")
            .text()
            .contains("The first date must be before the second date")
    );
    // For each date with changes, the page contains a link to a comparison with the previous day.
    let (_, page) = visit("/compare?layer=sub-icb", 200);
    assert!(
        page.links()
            .contains("/compare?layer=sub-icb&from=2022-06-30&to=2022-07-01")
    );
}

#[test]
fn problems_are_html_for_browsers_and_json_for_clients() {
    for (path, status, code, link) in [
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
        ("/areas/icc?page=2", 400, "invalid_page", "/areas/icc"),
        ("/areas/icc?page=0", 400, "invalid_page", "/areas/icc"),
        (
            "/areas/icc/mb-kendal?dataset=Zq7Mark",
            404,
            "unknown_dataset",
            "/areas/icc",
        ),
        (
            "/areas/icc/mb-kendal/postcodes?after=Zq7Mark",
            400,
            "invalid_after",
            "/areas/icc",
        ),
        (
            "/practices?area=icc/Zq7Mark",
            404,
            "unknown_area",
            "/practices",
        ),
        (
            "/practices?status=Zq7Mark",
            400,
            "invalid_status",
            "/practices",
        ),
        ("/compare?layer=Zq7Mark", 404, "unknown_layer", "/areas"),
        ("/compare?from=Zq7Mark", 400, "invalid_date", "/areas"),
    ] {
        let (reply, page) = visit(path, status);
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(page.links().contains(link), "{path}: {:?}", page.links());
        assert!(
            !reply.text().contains("Zq7Mark"),
            "{path}: the page repeats the input"
        );
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
fn other_urls_of_a_page_redirect_to_it() {
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
        let reply = SERVER.get(&with_date(path)).expect(307);
        assert_eq!(reply.header("location"), with_date(page));
    }
    let lower = visit("/practices/a82033", 200).1;
    assert!(lower.text().contains("Waterloo House Surgery"));
}

#[test]
fn directory_pages_are_cacheable_and_support_conditional_requests() {
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
            with_date(path)
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
    // An empty parameter has the same effect as a missing parameter.
    let blank = SERVER
        .get("/practices?name=&area=&status=&as_of=")
        .expect(200);
    assert_eq!(blank.body, SERVER.get("/practices").expect(200).body);
}

#[test]
fn area_pages_link_to_their_oembed_description() {
    let reply = SERVER.get("/areas/icc/mb-kendal").expect(200);
    assert!(
        reply.header("link").contains("application/json+oembed"),
        "{reply}"
    );
    assert!(reply.header("vary").contains("host"), "{reply}");
}

#[test]
fn pages_work_for_a_dataset_without_groups_and_practices() {
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
        .retain(|assignment| assignment.layer.as_str() != "gp-practice");
    dataset
        .areas
        .retain(|area| area.layer.as_str() != "gp-practice");
    let server = Server::with(dataset, catchment::http::ServerLimits::default());
    for path in [
        "/areas",
        "/areas/icc/mb-kendal",
        "/practices",
        "/groups",
        "/groups/barrow-resilience-group",
        "/compare",
        "/changes",
    ] {
        let reply = server.get(path).expect(200);
        Page::parse(reply.text()).check(path);
    }
}

#[test]
fn lists_before_the_first_data_are_empty_and_say_so() {
    for path in ["/areas/icc", "/groups"] {
        let (reply, page) = visit(&format!("{path}?as_of=2020-01-01"), 200);
        assert!(
            reply.text().contains(
                "We have no information for that date. The first date with data is 5 January 2022."
            ),
            "{reply}"
        );
        let links = page.links();
        let below = format!("{path}/");
        assert!(
            links.iter().all(|link| !link.starts_with(&below)),
            "{links:?}"
        );
        assert!(!links.iter().any(|link| link.contains(".svg")), "{links:?}");
    }
}
