//! The staff pages as a browser without script sees them.

use std::collections::BTreeSet;

use catchment::domain::today_in_london;
use catchment::tiles::Encoding;

use crate::server::{Reply, SERVER, encoded};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends the form.
#[track_caller]
fn ask(fields: &[(&str, &str)]) -> Reply {
    SERVER.post("/", FORM, &encoded(fields))
}

/// The text between the tags, with single spaces.
fn words(reply: &Reply) -> String {
    let text: String = reply
        .text()
        .split('<')
        .filter_map(|part| part.split_once('>').map(|(_, text)| format!("{text} ")))
        .collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ").replace("&#39;", "'");
    words.replace(" .", ".").replace(" ,", ",")
}

/// The tags, without their brackets.
fn tags(reply: &Reply) -> impl Iterator<Item = &str> {
    let parts = reply.text().split('<').skip(1);
    parts.map(|part| part.split_once('>').expect("a tag ends").0)
}

/// The value of an attribute in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[track_caller]
fn check_page(reply: &Reply, status: u16, expected: &[&str]) {
    assert_eq!(reply.status, status, "{reply}");
    assert_eq!(
        reply.header("content-type"),
        "text/html; charset=utf-8",
        "{reply}"
    );
    assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
    let words = words(reply);
    for part in expected {
        assert!(words.contains(part), "`{part}` is not on the page: {words}");
    }
}

#[test]
fn the_first_page_has_a_form_that_works_without_script() {
    let page = SERVER.get("/");
    check_page(&page, 200, &["Barrow and Millom ICC", "Carlisle Network"]);
    let form = tags(&page)
        .find(|tag| tag.starts_with("form"))
        .expect("a form");
    assert_eq!(attribute(form, "method"), Some("post"), "{form}");
    assert_eq!(attribute(form, "action"), Some("/#answer"), "{form}");
    for name in ["place", "practice", "day", "month", "year"] {
        let is_named = |tag: &&str| attribute(tag, "name") == Some(name);
        let input = tags(&page).find(is_named).expect("a field");
        let id = attribute(input, "id").expect("an id");
        let labelled = tags(&page).any(|tag| attribute(tag, "for") == Some(id));
        assert!(labelled, "{name} has no label");
    }
    assert!(
        page.text()
            .starts_with("<!DOCTYPE html><html lang=\"en-GB\">")
    );
}

#[test]
fn a_postcode_is_answered_in_words_that_claim_no_more_than_is_known() {
    let page = ask(&[("place", "la184db"), ("practice", "")]);
    check_page(
        &page,
        200,
        &[
            "LA18 4DB",
            "Barrow and Millom ICC",
            "The area that LA18 4DB lies in",
            "Millom",
            "GP practices whose area includes",
            "Waterloo House Surgery",
            "West Cumbria Resilience Group",
            "Barrow Resilience Group",
            "indicative: drawn from open statistics",
        ],
    );
    for claim in ["your icc", "your gp", "your practice", "your community"] {
        let words = words(&page).to_lowercase();
        assert!(!words.contains(claim), "`{claim}`: {words}");
    }
    // Nobody asked about a registration.
    assert!(!words(&page).contains("By registration"), "{page}");
}

#[test]
fn a_practice_adds_the_registration_and_how_it_compares() {
    let page = ask(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    check_page(
        &page,
        200,
        &[
            "Barrow and Millom ICC",
            "Lancaster ICC",
            "Lancaster Medical Practice (P81002)",
            "closed on 30 June 2018",
            "The two differ.",
            "Resilience group: not known",
        ],
    );
    check_page(
        &ask(&[("place", "LA18 4BY"), ("practice", "a82033")]),
        200,
        &["The two agree.", "The postcode is the practice's own."],
    );
    check_page(
        &ask(&[("place", "LA18 4DB"), ("practice", "P99999")]),
        200,
        &["This practice is not in the dataset."],
    );
}

#[test]
fn a_code_that_is_no_place_is_explained() {
    let page = ask(&[("place", "ZZ99 3VZ"), ("practice", "A82033")]);
    check_page(
        &page,
        200,
        &["no fixed abode", "Barrow and Millom ICC", "Waterloo House"],
    );
    check_page(
        &ask(&[("place", "SW1A 1AA")]),
        200,
        &["outside the part of the country"],
    );
    let page = ask(&[("place", "BB18 9AA")]);
    check_page(&page, 200, &["exists, but no place is known for it"]);
    assert!(!words(&page).contains("Outside every community"), "{page}");
    check_page(
        &ask(&[("place", "CA1 1EF")]),
        200,
        &["no longer in use", "June 1996"],
    );
}

#[test]
fn a_misspelt_postcode_is_summed_up_with_what_may_have_been_meant() {
    let page = ask(&[("place", "LA1O 5DL")]);
    check_page(
        &page,
        400,
        &[
            "Error: ",
            "There is a problem",
            "LA10 5DL",
            "It was not looked up.",
        ],
    );
    assert!(tags(&page).any(|tag| attribute(tag, "role") == Some("alert")));
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("#place")));
    let field = tags(&page)
        .find(|tag| attribute(tag, "id") == Some("place"))
        .expect("the field");
    let described_by = attribute(field, "aria-describedby").expect("what explains it");
    assert!(described_by.contains("place-error"), "{field}");
    for part in ["LA1O", "LA1 5DL"] {
        assert!(!page.text().contains(part), "{page}");
    }
    // The suggestion asks the same question.
    let page = ask(&[("place", "LA1O 5DL"), ("practice", "A82033"), ("year", "")]);
    let hidden = |name| {
        let fields = tags(&page).filter(|tag| attribute(tag, "type") == Some("hidden"));
        let mut named = fields.filter(|tag| attribute(tag, "name") == Some(name));
        named.next().map(|tag| attribute(tag, "value"))
    };
    assert_eq!(hidden("place"), Some(Some("LA10 5DL")), "{page}");
    assert_eq!(hidden("practice"), Some(Some("A82033")), "{page}");
    assert_eq!(hidden("year"), None, "{page}");
}

#[test]
fn every_fault_of_the_form_is_a_page_with_a_summary() {
    for (postcode, status) in [
        ("", 400),
        ("LA1", 400),
        ("LA1 0AA", 404),
        ("<script>alert(1)</script>", 400),
    ] {
        let page = ask(&[("place", postcode)]);
        check_page(&page, status, &["There is a problem"]);
        assert!(!page.text().contains("alert(1)"), "{page}");
    }
    check_page(
        &ask(&[("practice", "A82033"), ("as_of", "yesterday")]),
        400,
        &["There is a problem"],
    );
}

#[test]
fn a_form_that_is_none_is_refused() {
    SERVER
        .post("/", "application/json", "{}")
        .expect_problem(415, "unsupported_media_type");
    SERVER
        .post("/", FORM, &format!("postcode={}", "A".repeat(17_000)))
        .expect_problem(413, "too_large");
    ask(&[("place", "LA18 4DB"), ("nhs_number", "1")]).expect_problem(400, "unknown_parameter");
}

#[test]
fn pages_load_nothing_from_elsewhere_and_hold_no_style_or_script_of_their_own() {
    let pages = [
        SERVER.get("/"),
        SERVER.get("/privacy"),
        SERVER.get("/batch"),
        ask(&[("place", "LA18 4DB"), ("practice", "P81064")]),
        ask(&[("place", "LA1O 5DL")]),
    ];
    for page in &pages {
        let policy = page.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{page}");
        }
        for tag in tags(page) {
            check_tag(tag);
        }
    }
}

#[track_caller]
fn check_tag(tag: &str) {
    let name = tag.split([' ', '/']).next().unwrap_or_default();
    assert_ne!(name, "style", "<{tag}>");
    assert_ne!(name, "base", "<{tag}>");
    assert!(
        name != "script" || attribute(tag, "src").is_some(),
        "<{tag}>"
    );
    assert_eq!(attribute(tag, "style"), None, "<{tag}>");
    let is_handler = |word: &str| word.starts_with("on") && word.contains('=');
    assert!(!tag.split_whitespace().any(is_handler), "<{tag}>");
    let is_ours = |address: &str| {
        (address.starts_with('/') && !address.starts_with("//")) || address.starts_with('#')
    };
    for source in ["src", "srcset", "data", "poster", "action", "formaction"] {
        assert!(attribute(tag, source).is_none_or(is_ours), "<{tag}>");
    }
    // A link that is followed by hand may lead elsewhere; everything else that has one loads it.
    let loads = name != "a";
    assert!(
        !loads || attribute(tag, "href").is_none_or(is_ours),
        "<{tag}>"
    );
}

#[test]
fn the_files_of_a_page_may_be_kept_for_good() {
    let page = SERVER.get("/batch");
    let sources: Vec<&str> = tags(&page)
        .filter_map(|tag| attribute(tag, "src").or_else(|| attribute(tag, "href")))
        .filter(|address| address.starts_with("/assets/"))
        .collect();
    assert!(sources.len() >= 3, "{sources:?}");
    for source in sources {
        let asset = SERVER.get(source).expect(200);
        assert!(
            asset.header("cache-control").contains("immutable"),
            "{asset}"
        );
        assert_ne!(asset.header("content-type"), "", "{asset}");
        assert!(!asset.body.is_empty(), "{asset}");
        assert!(!asset.text().contains("@import"), "{asset}");
        assert!(!asset.text().contains("url(http"), "{asset}");
    }
}

/// What a browser gets of an address, in bytes on the wire.
#[track_caller]
fn gzipped(path: &str) -> usize {
    let reply = SERVER.send("GET", path, &[("accept-encoding", "gzip")], None);
    let reply = reply.expect(200);
    assert_eq!(reply.header("content-encoding"), "gzip", "{path}");
    reply.body.len()
}

/// The addresses of what a page loads by itself.
fn loaded(page: &Reply) -> BTreeSet<&str> {
    let is_loaded = |tag: &&str| tag.starts_with("link ") || tag.starts_with("script ");
    let loaded = tags(page).filter(is_loaded);
    loaded
        .filter_map(|tag| attribute(tag, "src").or_else(|| attribute(tag, "href")))
        .collect()
}

#[test]
fn a_page_is_small() {
    const BYTES_MAX: usize = 60_000;
    let answer = ask(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    for page in [SERVER.get("/"), SERVER.get("/batch"), answer] {
        let html = Encoding::Gzip.encode(&page.body).len();
        let files: usize = loaded(&page).into_iter().map(gzipped).sum();
        assert!(html + files < BYTES_MAX, "{html} and {files}");
    }
}

#[test]
fn files_of_a_page_come_in_each_encoding_under_its_own_tag() {
    let page = SERVER.get("/");
    let style = loaded(&page).into_iter().find(|it| it.ends_with(".css"));
    let style = style.expect("a style sheet");
    let plain = SERVER.get(style).expect(200);
    let mut tags = BTreeSet::from([plain.header("etag").to_string()]);
    for encoding in ["br", "gzip", "zstd"] {
        let accepted = [("accept-encoding", encoding)];
        let reply = SERVER.send("GET", style, &accepted, None).expect(200);
        assert_eq!(reply.header("content-encoding"), encoding, "{style}");
        assert_eq!(reply.header("vary"), "accept-encoding", "{style}");
        assert!(reply.header("cache-control").contains("immutable"));
        assert!(reply.body.len() < plain.body.len() / 5, "{encoding}");
        let tag = reply.header("etag").to_string();
        let again = [("accept-encoding", encoding), ("if-none-match", &tag)];
        SERVER.send("GET", style, &again, None).expect(304);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 4, "{tags:?}");
}

#[test]
fn styles_name_no_other_host_and_no_font_of_one() {
    let page = SERVER.get("/");
    for address in loaded(&page).into_iter().filter(|it| it.ends_with(".css")) {
        let style = SERVER.get(address).expect(200);
        for part in ["//", "@import", "@font-face", "Frutiger"] {
            assert!(!style.text().contains(part), "{address}: {part}");
        }
        assert!(style.text().contains("font-family:arial"), "{address}");
    }
}

#[test]
fn a_place_is_asked_about_however_it_is_written() {
    for (place, title) in [
        ("la184db", "LA18 4DB"),
        (
            "54.209742, -3.269471",
            "Latitude 54.209742, longitude −3.269471",
        ),
        (
            "-3.269471 54.209742",
            "Latitude 54.209742, longitude −3.269471",
        ),
        ("317303 480077", "Easting 317303, northing 480077"),
        ("SD 17303 80077", "Easting 317303.5, northing 480077.5"),
    ] {
        let page = ask(&[("place", place)]);
        check_page(&page, 200, &[title, "Barrow and Millom ICC", "Millom"]);
    }
    for (place, message) in [
        ("SD 17 80", "Enter a grid reference of six digits or more"),
        ("SD 173 80", "as many digits east as north"),
        ("95, 95", "Enter a latitude and a longitude in degrees"),
        (
            "9317303 480077",
            "Enter an easting and a northing in metres",
        ),
        ("LA18", "Enter a full postcode"),
    ] {
        check_page(
            &ask(&[("place", place)]),
            400,
            &["There is a problem", message],
        );
    }
}

#[test]
fn an_answers_links_stay_with_the_day_and_the_dataset_that_were_asked_for() {
    let links = |reply: &Reply| -> Vec<String> {
        let hrefs = tags(reply).filter_map(|tag| attribute(tag, "href"));
        let things = ["/areas/", "/practices/", "/groups/", "/maps/"];
        let of_things = |it: &&str| things.iter().any(|start| it.starts_with(start));
        hrefs.filter(of_things).map(str::to_string).collect()
    };
    let place = [("place", "LA18 4DB"), ("practice", "P81064")];
    let settings: [(&[(&str, &str)], &str); 3] = [
        (&[], ""),
        (&[("dataset", "2025.2")], "?dataset=2025.2"),
        (
            &[("as_of", "2025-12-01"), ("dataset", "2025.2")],
            "?as_of=2025-12-01&amp;dataset=2025.2",
        ),
    ];
    for (setting, query) in settings {
        let page = ask(&[&place[..], setting].concat());
        let links = links(&page);
        assert!(links.len() > 8, "{links:?}");
        for link in links {
            let at = link.find('?').unwrap_or(link.len());
            assert_eq!(&link[at..], query, "{link}");
        }
    }
}

#[test]
fn what_helps_a_call_handler_is_in_the_answer() {
    let page = ask(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    let expected = [
        "01229 402800",
        "Millom Community Hospital, Lapstone Road, Millom, Cumbria, LA18 4BY",
        "129 m",
        "The nearest edge of its area is 457 m away.",
        "from dataset lancashire-and-cumbria, version 2025.2",
        "Millom PCN",
        "317303, 480077",
    ];
    check_page(&page, 200, &expected);
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("tel:01229402800")));
    // The map comes after the words, marked, and no address on the page tells what was asked.
    let words_end = page
        .text()
        .find("Look up another place")
        .expect("the words' end");
    let map = page.text().find("<svg").expect("a map");
    assert!(words_end < map);
    assert!(words(&page).contains("The place that was asked about is marked."));
    for tag in tags(&page) {
        for name in ["href", "src", "action"] {
            let address = attribute(tag, name).unwrap_or_default().to_lowercase();
            for part in ["la18", "4db", "317303", "p81064"] {
                assert!(!address.contains(part), "<{tag}>");
            }
        }
    }
}

#[test]
fn near_a_border_the_answer_says_who_lies_on_the_other_side() {
    let body = SERVER.locate(&[("postcode", "CA2 5SS")]).expect(200).json();
    let icc = &body["residence"]["icc"][0];
    assert_eq!(icc["certainty"], "near_boundary", "{body}");
    let metres = icc["boundary_distance_m"].as_f64().expect("metres");
    let near = format!("Close to the edge of its area, {metres:.0} m away.");
    let across = icc["alternatives"][0]["name"]
        .as_str()
        .expect("a neighbour");
    let page = ask(&[("place", "CA2 5SS")]);
    check_page(&page, 200, &[&near, "On the other side:", across]);
}

#[test]
fn the_day_has_three_fields() {
    let fields = [
        ("place", "LA18 4DB"),
        ("day", "5"),
        ("month", "4"),
        ("year", "2023"),
    ];
    let page = ask(&fields);
    check_page(&page, 200, &["5 April 2023"]);
    // It stands there still for the next question.
    let year = tags(&page).find(|tag| attribute(tag, "name") == Some("year"));
    assert_eq!(year.and_then(|tag| attribute(tag, "value")), Some("2023"));
    let page = ask(&[
        ("place", "LA18 4DB"),
        ("day", "31"),
        ("month", "2"),
        ("year", "2023"),
    ]);
    check_page(&page, 400, &["Enter a day that exists"]);
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("#as_of-day")));
}

#[test]
fn the_answer_says_which_day_it_is_for() {
    let today = today_in_london().strftime("%-d %B %Y").to_string();
    let page = ask(&[("place", "LA18 4DB")]);
    // The clock may pass midnight between the two.
    let tomorrow = today_in_london().strftime("%-d %B %Y").to_string();
    let words = words(&page);
    assert!(
        words.contains(&today) || words.contains(&tomorrow),
        "{words}"
    );
    check_page(
        &ask(&[("place", "LA18 4DB"), ("as_of", "2023-04-05")]),
        200,
        &["5 April 2023"],
    );
}

#[test]
fn the_privacy_page_says_what_is_kept() {
    let page = SERVER.get("/privacy").expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let told = words(&page);
    for said in [
        "keeps nothing",
        "written to no log, no file, no cache and no statistic",
        "Counts from 1 to 7 are hidden",
        "Not who asked, from where, or what.",
        "The service calls no other computer",
        "sets no cookies",
        "For records of processing",
    ] {
        assert!(told.contains(said), "no `{said}`: {page}");
    }
}

#[test]
fn the_page_of_lists_has_a_form_that_works_without_script() {
    let page = SERVER.get("/batch");
    let expected = [
        "goes to this server and nowhere else, and nothing of it is kept",
        "icc_registration_id What it holds the ICC of the practice",
        "Without script a file may have up to 32 MiB",
    ];
    check_page(&page, 200, &expected);
    let form = tags(&page)
        .find(|tag| tag.starts_with("form"))
        .expect("a form");
    for (name, value) in [
        ("method", "post"),
        ("action", "/batch"),
        ("enctype", "multipart/form-data"),
    ] {
        assert_eq!(attribute(form, name), Some(value), "{form}");
    }
    let fields: Vec<&str> = tags(&page)
        .filter(|tag| tag.starts_with("input") || tag.starts_with("select"))
        .collect();
    assert!(fields.len() > 10, "{fields:?}");
    for field in fields {
        let id = attribute(field, "id").expect("an id");
        let labelled = tags(&page).any(|tag| attribute(tag, "for") == Some(id));
        assert!(labelled, "{field} has no label");
    }
    // What only a script can fill is not there without one.
    for id in ["understood", "running", "summary"] {
        let part = tags(&page).find(|tag| attribute(tag, "id") == Some(id));
        assert!(part.expect(id).contains(" hidden"), "{part:?}");
    }
    let said = tags(&page).find(|tag| attribute(tag, "id") == Some("said"));
    assert_eq!(said.and_then(|tag| attribute(tag, "role")), Some("status"));
    assert!(tags(&SERVER.get("/")).any(|tag| attribute(tag, "href") == Some("/batch")));
}
