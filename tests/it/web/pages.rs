//! Tests of the pages for staff without JavaScript.

use std::collections::BTreeSet;

use catchment::domain::today_in_london;
use catchment::http::{AccessibilityDetails, App, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use catchment::tiles::ContentEncoding;
use jiff::civil::date;

use crate::support::server::{Reply, SERVER, Server, embedded, encode_fields};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends the look-up form.
#[track_caller]
fn look_up(fields: &[(&str, &str)]) -> Reply {
    SERVER.post("/", FORM, &encode_fields(fields))
}

/// Returns the text of a page with single spaces.
fn page_text(reply: &Reply) -> String {
    // A line may break at `<wbr>`, but the element does not separate words.
    let text = reply.text().replace("<wbr>", "");
    let text: String = text
        .split('<')
        .filter_map(|part| part.split_once('>').map(|(_, text)| format!("{text} ")))
        .collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" .", ".").replace(" ,", ",")
}

/// Returns the tags of a page, without angle brackets.
fn tags(reply: &Reply) -> impl Iterator<Item = &str> {
    let parts = reply.text().split('<').skip(1);
    parts.map(|part| part.split_once('>').expect("a tag ends").0)
}

/// Returns the value of an attribute in double quotes.
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
    let text = page_text(reply);
    for part in expected {
        assert!(text.contains(part), "`{part}` is not on the page: {text}");
    }
}

#[test]
fn lookup_form_works_without_script() {
    let page = SERVER.get("/");
    check_page(&page, 200, &["Barrow and Millom ICC", "Carlisle Network"]);
    let form = tags(&page)
        .find(|tag| tag.starts_with("form"))
        .expect("a form");
    assert_eq!(attribute(form, "method"), Some("post"), "{form}");
    assert_eq!(attribute(form, "action"), Some("/"), "{form}");
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
fn postcode_result_does_not_claim_a_registration() {
    let page = look_up(&[("place", "la184db"), ("practice", "")]);
    check_page(
        &page,
        200,
        &[
            "LA18 4DB",
            "Barrow and Millom ICC",
            "LA18 4DB is in this area ( Millom part).",
            "GP practices that cover LA18 4DB (estimate)",
            "Waterloo House Surgery",
            "West Cumbria Resilience Group",
            "Barrow Resilience Group",
            "indicative: drawn from open statistics",
        ],
    );
    for claim in ["your icc", "your gp", "your practice", "your community"] {
        let text = page_text(&page).to_lowercase();
        assert!(!text.contains(claim), "`{claim}` is in: {text}");
    }
    // The look-up contained no practice, so the page does not mention a registration.
    assert!(
        !page_text(&page).contains("Where they are registered"),
        "{page}"
    );
}

#[test]
fn practice_adds_registration_and_comparison_with_residence() {
    let page = look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    check_page(
        &page,
        200,
        &[
            "Barrow and Millom ICC",
            "Lancaster ICC",
            "Lancaster Medical Practice (P81002)",
            "closed on 30 June 2018",
            "The two communities differ. For community services, use the community where they are registered: Lancaster ICC.",
            "No resilience group is listed for this community. Ask the ICC.",
        ],
    );
    check_page(
        &look_up(&[("place", "LA18 4BY"), ("practice", "a82033")]),
        200,
        &[
            "Both communities are the same.",
            "This is the practice’s own postcode.",
        ],
    );
    check_page(
        &look_up(&[("place", "LA18 4DB"), ("practice", "P99999")]),
        200,
        &["We cannot find this practice in our data."],
    );
}

#[test]
fn postcodes_without_a_location_are_explained() {
    let page = look_up(&[("place", "ZZ99 3VZ"), ("practice", "A82033")]);
    check_page(
        &page,
        200,
        &["no fixed abode", "Barrow and Millom ICC", "Waterloo House"],
    );
    check_page(
        &look_up(&[("place", "SW1A 1AA")]),
        200,
        &["outside the part of the country"],
    );
    let page = look_up(&[("place", "BB18 9AA")]);
    check_page(&page, 200, &["exists, but we do not know its location"]);
    assert!(!page_text(&page).contains("Not in a community"), "{page}");
    check_page(
        &look_up(&[("place", "CA1 1EF")]),
        200,
        &["no longer in use", "June 1996"],
    );
    check_page(
        &look_up(&[("place", "CA1 1ED")]),
        200,
        &["no longer in use. It was withdrawn between May 2022 and July 2024"],
    );
    check_page(
        &look_up(&[("place", "LA1 4FH")]),
        200,
        &[
            "in the postcode directory of November 2025 but in no list of live postcodes: it may be for new homes, or no longer in use",
            "Lancaster ICC",
        ],
    );
}

#[test]
fn unknown_postcode_has_the_date_of_the_directory_and_a_hint() {
    let page = look_up(&[("place", "LA1 4BR")]);
    check_page(
        &page,
        404,
        &[
            "We cannot find this postcode in the directory of November 2025. The postcode may be \
             newer.",
            "Most postcodes that begin in the same way are in Lancaster ICC. This is only a hint",
        ],
    );
    assert!(!page_text(&page).contains("LA1 4"), "{page}");
}

#[test]
fn misspelt_postcode_is_an_error_with_a_suggestion() {
    let page = look_up(&[("place", "LA1O 5DL")]);
    check_page(
        &page,
        400,
        &[
            "Error: ",
            "There is a problem",
            "LA10 5DL",
            "We have not looked it up yet.",
        ],
    );
    assert!(tags(&page).any(|tag| attribute(tag, "role") == Some("alert")));
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("#place")));
    let field = tags(&page)
        .find(|tag| attribute(tag, "id") == Some("place"))
        .expect("the field");
    let described_by = attribute(field, "aria-describedby").expect("a description");
    assert!(described_by.contains("place-error"), "{field}");
    for part in ["LA1O", "LA1 5DL"] {
        assert!(!page_text(&page).contains(part), "{page}");
    }
    assert_eq!(attribute(field, "value"), Some("LA1O 5DL"), "{field}");
    // The form of the suggestion also contains the other fields.
    let page = look_up(&[("place", "LA1O 5DL"), ("practice", "A82033"), ("year", "")]);
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
fn invalid_forms_get_a_page_with_an_error_summary() {
    for (postcode, status) in [
        ("", 400),
        ("LA1", 400),
        ("LA1 0AA", 404),
        ("<script>alert(1)</script>", 400),
    ] {
        let page = look_up(&[("place", postcode)]);
        check_page(&page, status, &["There is a problem"]);
        assert!(!page.text().contains("<script>alert(1)"), "{page}");
    }
    check_page(
        &look_up(&[("practice", "A82033"), ("as_of", "yesterday")]),
        400,
        &["There is a problem"],
    );
}

#[test]
fn bodies_that_are_not_the_form_are_rejected() {
    SERVER
        .post("/", "application/json", "{}")
        .expect_problem(415, "unsupported_media_type");
    SERVER
        .post("/", FORM, &format!("postcode={}", "A".repeat(17_000)))
        .expect_problem(413, "too_large");
    look_up(&[("place", "LA18 4DB"), ("nhs_number", "1")]).expect_problem(400, "unknown_parameter");
}

#[test]
fn pages_load_nothing_from_other_hosts_and_have_no_inline_style_or_script() {
    let pages = [
        SERVER.get("/"),
        SERVER.get("/privacy"),
        SERVER.get("/sources"),
        SERVER.get("/batch"),
        look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]),
        look_up(&[("place", "LA1O 5DL")]),
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
    // Browsers do not execute JSON-LD.
    let is_data = attribute(tag, "type") == Some("application/ld+json");
    assert!(
        name != "script" || is_data || attribute(tag, "src").is_some(),
        "<{tag}>"
    );
    assert_eq!(attribute(tag, "style"), None, "<{tag}>");
    let is_handler = |word: &str| word.starts_with("on") && word.contains('=');
    assert!(!tag.split_whitespace().any(is_handler), "<{tag}>");
    let is_local =
        |url: &str| (url.starts_with('/') && !url.starts_with("//")) || url.starts_with('#');
    for source in ["src", "srcset", "data", "poster", "action", "formaction"] {
        assert!(attribute(tag, source).is_none_or(is_local), "<{tag}>");
    }
    // Links may lead to other hosts. For any other element with `href`, the browser loads the URL.
    let loads = name != "a";
    assert!(
        !loads || attribute(tag, "href").is_none_or(is_local),
        "<{tag}>"
    );
}

#[test]
fn assets_are_cached_as_immutable() {
    let page = SERVER.get("/batch");
    let sources: Vec<&str> = tags(&page)
        .filter_map(|tag| attribute(tag, "src").or_else(|| attribute(tag, "href")))
        .filter(|url| url.starts_with("/assets/"))
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

/// Returns the size of a gzip-compressed response body in bytes.
#[track_caller]
fn gzip_size(path: &str) -> usize {
    let reply = SERVER.send("GET", path, &[("accept-encoding", "gzip")], None);
    let reply = reply.expect(200);
    assert_eq!(reply.header("content-encoding"), "gzip", "{path}");
    reply.body.len()
}

/// Returns the URLs of the style sheets, scripts and icons of a page.
fn asset_urls(page: &Reply) -> BTreeSet<&str> {
    let is_alternate = |tag: &str| attribute(tag, "rel") == Some("alternate");
    let loads =
        |tag: &&str| (tag.starts_with("link ") && !is_alternate(tag)) || tag.starts_with("script ");
    tags(page)
        .filter(loads)
        .filter_map(|tag| attribute(tag, "src").or_else(|| attribute(tag, "href")))
        .collect()
}

#[test]
fn pages_with_their_assets_are_small() {
    const BYTES_MAX: usize = 60_000;
    let answer = look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    for page in [SERVER.get("/"), SERVER.get("/batch"), answer] {
        let html = ContentEncoding::Gzip.encode(&page.body).len();
        let files: usize = asset_urls(&page).into_iter().map(gzip_size).sum();
        assert!(html + files < BYTES_MAX, "{html} and {files}");
    }
}

#[test]
fn each_encoding_of_an_asset_has_its_own_etag() {
    let page = SERVER.get("/");
    let style = asset_urls(&page)
        .into_iter()
        .find(|url| url.ends_with(".css"));
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
fn style_sheets_load_no_fonts_and_nothing_from_other_hosts() {
    let page = SERVER.get("/");
    for url in asset_urls(&page)
        .into_iter()
        .filter(|url| url.ends_with(".css"))
    {
        let style = SERVER.get(url).expect(200);
        for part in ["//", "@import", "@font-face", "Frutiger"] {
            assert!(!style.text().contains(part), "{url}: {part}");
        }
        assert!(style.text().contains("font-family:arial"), "{url}");
    }
}

#[test]
fn places_are_accepted_in_every_documented_form() {
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
        let page = look_up(&[("place", place)]);
        check_page(&page, 200, &[title, "Barrow and Millom ICC", "Millom"]);
    }
    for (place, message) in [
        ("SD 17 80", "Enter a grid reference with at least 6 digits"),
        ("SD 173 80", "the same number of digits for east and north"),
        ("95, 95", "Enter a latitude and longitude in degrees"),
        ("9317303 480077", "Enter an easting and northing in metres"),
        ("LA18", "Enter a full postcode"),
    ] {
        check_page(
            &look_up(&[("place", place)]),
            400,
            &["There is a problem", message],
        );
    }
}

#[test]
fn links_in_a_result_keep_the_date_and_dataset() {
    let links = |reply: &Reply| -> Vec<String> {
        let hrefs = tags(reply).filter_map(|tag| attribute(tag, "href"));
        let prefixes = ["/areas/", "/practices/", "/groups/", "/maps/"];
        let is_dated = |href: &&str| prefixes.iter().any(|prefix| href.starts_with(prefix));
        hrefs.filter(is_dated).map(str::to_string).collect()
    };
    let place = [("place", "LA18 4DB"), ("practice", "P81064")];
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[], ""),
        (&[("dataset", "2026.1")], "?dataset=2026.1"),
        (
            &[("as_of", "2025-12-01"), ("dataset", "2026.1")],
            "?as_of=2025-12-01&amp;dataset=2026.1",
        ),
    ];
    for (fields, query) in cases {
        let page = look_up(&[&place[..], fields].concat());
        let links = links(&page);
        assert!(links.len() > 8, "{links:?}");
        for link in links {
            let query_start = link.find('?').unwrap_or(link.len());
            assert_eq!(&link[query_start..], query, "{link}");
        }
    }
}

#[test]
fn result_has_telephone_address_distance_and_a_marked_map() {
    let page = look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    let expected = [
        "01229 486924",
        "Millom Community Hospital, Lapstone Road, Millom, LA18 4BY",
        "129 m",
        "using dataset lancashire-and-cumbria, version 2026.1",
        "Millom PCN",
        "317303, 480077",
    ];
    check_page(&page, 200, &expected);
    assert!(!page_text(&page).contains("6.2 km"), "{page}");
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("tel:01229486924")));
    // The map comes after the text and has a marker. No URL on the page contains the place or the
    // practice.
    let text_end = page
        .text()
        .find("Look up another place")
        .expect("the end of the text");
    let map = page.text().find("<svg").expect("a map");
    assert!(text_end < map);
    assert!(page_text(&page).contains("The location you looked up is marked."));
    for tag in tags(&page) {
        for name in ["href", "src", "action"] {
            let url = attribute(tag, name).unwrap_or_default().to_lowercase();
            for part in ["la18", "4db", "317303", "p81064"] {
                assert!(!url.contains(part), "<{tag}>");
            }
        }
    }
}

#[test]
fn result_near_a_boundary_names_the_area_on_the_other_side() {
    let body = SERVER.locate(&[("postcode", "CA2 5SS")]).expect(200).json();
    let icc = &body["residence"]["icc"][0];
    assert_eq!(icc["certainty"], "near_boundary", "{body}");
    let metres = icc["boundary_distance_m"].as_f64().expect("metres");
    let neighbour = icc["alternatives"][0]["name"]
        .as_str()
        .expect("a neighbour");
    let page = look_up(&[("place", "CA2 5SS")]);
    let near = format!("{neighbour} is {metres:.0} m away.");
    check_page(&page, 200, &["Near the boundary:", &near]);
}

#[test]
fn practices_are_found_by_name() {
    // The field accepts a name, the beginnings of the words of a name, and a suggestion that the
    // field offered.
    for practice in [
        "Waterloo House Surgery",
        "waterloo hou",
        "Waterloo House Surgery (A82033)",
        "surgery millom",
    ] {
        let page = look_up(&[("place", "LA18 4DB"), ("practice", practice)]);
        let expected = [
            "Where they are registered",
            "Waterloo House Surgery (A82033)",
        ];
        check_page(&page, 200, &expected);
    }
    let page = look_up(&[("practice", "Waterloo House")]);
    check_page(&page, 200, &["Barrow and Millom ICC"]);
    // If several practices match, the user must choose, and nothing is looked up before the choice.
    let page = look_up(&[
        ("place", "LA18 4DB"),
        ("practice", "Carlisle"),
        ("day", "5"),
        ("month", "4"),
        ("year", "2026"),
    ]);
    check_page(&page, 400, &["GP practices match. Choose one"]);
    let choices = tags(&page).filter(|tag| attribute(tag, "name") == Some("practice"));
    let choices: Vec<&str> = choices
        .filter(|tag| tag.starts_with("button"))
        .filter_map(|tag| attribute(tag, "value"))
        .collect();
    assert!(choices.len() > 1, "{choices:?}");
    let hidden = tags(&page).filter(|tag| attribute(tag, "type") == Some("hidden"));
    let hidden: Vec<_> = hidden
        .map(|tag| (attribute(tag, "name"), attribute(tag, "value")))
        .collect();
    assert!(
        hidden.contains(&(Some("place"), Some("LA18 4DB"))),
        "{hidden:?}"
    );
    assert!(hidden.contains(&(Some("year"), Some("2026"))), "{hidden:?}");
    assert!(!page_text(&page).contains("Where they live"), "{page}");
    // The first name belongs to no practice, and the second is too short.
    for (practice, expected) in [
        (
            "Atlantis Surgery",
            "We cannot find a GP practice with this name",
        ),
        ("surgery", "GP practices match. Enter more of the name"),
    ] {
        let page = look_up(&[("place", "LA18 4DB"), ("practice", practice)]);
        check_page(&page, 400, &[expected]);
        assert!(tags(&page).any(|tag| attribute(tag, "value") == Some("LA18 4DB")));
        assert!(tags(&page).any(|tag| attribute(tag, "value") == Some(practice)));
    }
}

#[test]
fn the_practice_field_suggests_every_open_practice() {
    let page = SERVER.get("/");
    let options = tags(&page).filter(|tag| tag.starts_with("option"));
    let options: Vec<&str> = options.filter_map(|tag| attribute(tag, "value")).collect();
    assert!(options.len() > 100, "{}", options.len());
    assert!(options.contains(&"Waterloo House Surgery (A82033)"));
    // King Street Surgery closed in 2018.
    assert!(!options.iter().any(|option| option.contains("P81064")));
}

#[test]
fn the_code_of_a_practice_in_the_field_of_the_place_is_recognised() {
    let page = look_up(&[("place", "A82033")]);
    let expected = [
        "This is the code of a GP practice.",
        "Where they are registered",
        "Waterloo House Surgery",
    ];
    check_page(&page, 200, &expected);
    assert!(!page_text(&page).contains("Where they live"), "{page}");
    for (fields, expected) in [
        (
            vec![("place", "A82033"), ("practice", "A82033")],
            "Enter the person’s postcode here, or leave it blank",
        ),
        (
            vec![("place", "A99999")],
            "a GP practice that is not in our data",
        ),
    ] {
        let page = look_up(&fields);
        check_page(&page, 400, &[expected]);
        assert!(!page_text(&page).contains("Did you mean"), "{page}");
    }
}

#[test]
fn errors_keep_everything_that_was_typed() {
    let typed = [
        ("place", "LA18 4DB"),
        ("practice", "A82608"),
        ("day", "31"),
        ("month", "2"),
        ("year", "2024"),
    ];
    let page = look_up(&typed);
    check_page(&page, 400, &["Enter a real date"]);
    for (name, value) in typed {
        let field = tags(&page).find(|tag| attribute(tag, "name") == Some(name));
        assert_eq!(
            attribute(field.expect("a field"), "value"),
            Some(value),
            "{name}"
        );
    }
    let page = look_up(&[("place", "\"><b>"), ("practice", "A82608")]);
    let field = tags(&page).find(|tag| attribute(tag, "id") == Some("place"));
    let value = attribute(field.expect("the field"), "value");
    assert_eq!(value, Some("&quot;&gt;&lt;b&gt;"), "{page}");
}

#[test]
fn mistakes_in_postcodes_are_explained_but_not_repaired() {
    for (place, expected) in [
        (
            "LA1 1AC",
            "its last two letters are never C, I, K, M, O or V",
        ),
        ("XX1 1XX", "no postcode begins with XX"),
        ("LA9-4JE", "Did you mean LA9 4JE ?"),
        ("LA9 4J E", "Did you mean LA9 4JE ?"),
        (
            "The Gillinggate Centre, Kendal LA9 4JE.",
            "Did you mean LA9 4JE ?",
        ),
    ] {
        check_page(&look_up(&[("place", place)]), 400, &[expected]);
    }
}

#[test]
fn answers_without_a_community_say_what_to_do_next() {
    for (place, expected) in [
        ("ZZ99 3VZ", "depends on their GP practice: ask for it"),
        (
            "ZZ99 3WZ",
            "Ask for the address, or enter the person’s GP practice above.",
        ),
        ("M1 1AA", "Ask the NHS organisation that covers it."),
        (
            "PR1 2HE",
            "Ask NHS Lancashire and South Cumbria Integrated Care Board (QE1): GP practices near there",
        ),
    ] {
        let page = look_up(&[("place", place)]);
        check_page(&page, 200, &[expected]);
        let text = page_text(&page);
        assert!(!text.contains("Where they are registered"), "{text}");
        assert!(!text.contains("Resilience group"), "{place}: {text}");
    }
    // With a practice, no further information is needed.
    let page = look_up(&[("place", "ZZ99 3VZ"), ("practice", "A82033")]);
    assert!(!page_text(&page).contains("ask for it"), "{page}");
}

#[test]
fn links_of_a_result_open_in_a_new_tab() {
    let page = look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    let start = page.text().find("id=\"answer\"").expect("the result");
    let end = page.text().find("</main>").expect("the end");
    let links: Vec<&str> = page.text()[start..end]
        .split("<a ")
        .skip(1)
        .map(|part| part.split('>').next().expect("a tag"))
        .filter(|tag| tag.contains("href=\"/") && !tag.contains("href=\"/\""))
        .collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(
            link.contains("target=\"_blank\" rel=\"noopener\""),
            "{link}"
        );
    }
}

#[test]
fn nothing_of_a_look_up_is_in_the_form_for_the_next() {
    let page = look_up(&[
        ("place", "LA18 4DB"),
        ("practice", "A82033"),
        ("day", "5"),
        ("month", "4"),
        ("year", "2023"),
    ]);
    assert_eq!(page.status, 200);
    for name in ["place", "practice", "day", "month", "year"] {
        let field = tags(&page).find(|tag| attribute(tag, "name") == Some(name));
        let field = field.expect("the field");
        assert_eq!(attribute(field, "value"), None, "{field}");
    }
    let today = look_up(&[("place", "LA18 4DB")]);
    assert!(!today.text().contains("not for today"));
}

#[test]
fn date_has_three_fields() {
    let fields = [
        ("place", "LA18 4DB"),
        ("day", "5"),
        ("month", "4"),
        ("year", "2023"),
    ];
    let page = look_up(&fields);
    check_page(
        &page,
        200,
        &["This is the answer for 5 April 2023, not for today."],
    );
    let page = look_up(&[
        ("place", "LA18 4DB"),
        ("day", "31"),
        ("month", "2"),
        ("year", "2023"),
    ]);
    check_page(&page, 400, &["Enter a real date"]);
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("#as_of-day")));
}

#[test]
fn result_names_its_date() {
    let today = today_in_london().strftime("%-d %B %Y").to_string();
    let page = look_up(&[("place", "LA18 4DB")]);
    // The date may change between the two calls.
    let tomorrow = today_in_london().strftime("%-d %B %Y").to_string();
    let text = page_text(&page);
    assert!(text.contains(&today) || text.contains(&tomorrow), "{text}");
    check_page(
        &look_up(&[("place", "LA18 4DB"), ("as_of", "2023-04-05")]),
        200,
        &["5 April 2023"],
    );
}

#[test]
fn results_say_how_old_each_part_is() {
    let page = look_up(&[("place", "LA18 4DB"), ("practice", "P81064")]);
    let expected = [
        "How old this information is: postcodes from the ONS Postcode Directory of November 2025; \
         practices as listed by NHS ODS in April 2026; communities from a page of 5 January 2022; ",
        "; groups from a page of 5 January 2022; ",
        "; boundaries from statistics of 2011; small areas of the Census of 2021. Sources and their",
    ];
    check_page(&page, 200, &expected);
    assert!(!page_text(&page).contains("neighbourhood teams from"));
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("/sources")));
    let future = look_up(&[("place", "LA18 4DB"), ("as_of", "2999-01-01")]);
    check_page(&future, 200, &["This date is in the future."]);
}

#[test]
fn sources_page_lists_each_source_with_its_date_licence_and_use() {
    let page = SERVER.get("/sources").expect(200);
    let text = page_text(&page);
    for part in [
        "Practices as listed by NHS ODS in April 2026",
        "ONS Postcode Directory",
        "Office for National Statistics",
        "Open Government Licence v3.0",
        "Contains OS data © Crown copyright and database right 2025.",
        "practices.csv: list_size_2026_04",
        "version 2026.1",
    ] {
        assert!(text.contains(part), "`{part}` is not on the page: {text}");
    }
}

#[test]
fn privacy_page_says_what_is_stored() {
    let page = SERVER.get("/privacy").expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page_text(&page);
    for sentence in [
        "does not store what you look up",
        "We do not write what you look up to a log, a file or a cache",
        "Counts from 1 to 7 are hidden",
        "We do not log who you are, where you are or what you looked up.",
        "The service does not contact any other computer.",
        "We do not use cookies",
        "For records of processing",
    ] {
        assert!(text.contains(sentence), "no `{sentence}`: {page}");
    }
}

#[test]
fn batch_form_works_without_script() {
    let page = SERVER.get("/batch");
    let expected = [
        "Your file goes only to this server, and we do not keep it.",
        "icc_registration_id What it contains the ICC of the practice",
        "Without JavaScript, your file can be up to 33 MB",
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
    // Sections that require JavaScript are hidden.
    for id in ["detected", "progress", "summary"] {
        let part = tags(&page).find(|tag| attribute(tag, "id") == Some(id));
        assert!(part.expect(id).contains(" hidden"), "{part:?}");
    }
    let status = tags(&page).find(|tag| attribute(tag, "id") == Some("status"));
    assert_eq!(
        status.and_then(|tag| attribute(tag, "role")),
        Some("status")
    );
    assert!(tags(&SERVER.get("/")).any(|tag| attribute(tag, "href") == Some("/batch")));
}

#[test]
fn accessibility_statement_names_the_organisation() {
    let page = SERVER.get("/accessibility").expect(200);
    let text = page_text(&page);
    for part in [
        "Accessibility statement",
        "partially compliant",
        "(Websites and Mobile Applications) (No. 2) Accessibility Regulations 2018",
        "Equality Advisory and Support Service",
        "contact the organisation named in the web address of this page",
    ] {
        assert!(text.contains(part), "`{part}` is not on the page: {text}");
    }
    assert!(!text.contains("last reviewed"), "{text}");
    assert!(SERVER.get("/").text().contains("href=\"/accessibility\""));

    let index = Index::build(embedded()).expect("a valid dataset");
    let details = AccessibilityDetails {
        organisation: Some("Bay & Fells <NHS> Trust".into()),
        contact: Some("access@example.nhs.uk".into()),
        reviewed: Some(date(2026, 11, 30)),
    };
    let app = App::new(DatasetStore::fixed(index).into()).with_accessibility(details);
    let server = Server::for_app(app, ServerLimits::default());
    let page = server.get("/accessibility").expect(200);
    for part in [
        "run by Bay &amp; Fells &lt;NHS&gt; Trust.",
        "<a href=\"mailto:access@example.nhs.uk\">access@example.nhs.uk</a>",
        "last reviewed on 30 November 2026",
    ] {
        assert!(page.text().contains(part), "{part}: {page}");
    }
}

/// Returns whether a crawler may read a path, by the longest rule that matches it (RFC 9309).
fn may_be_crawled(robots: &str, path: &str) -> bool {
    let rules = robots.lines().filter_map(|line| line.split_once(": "));
    let rules = rules.filter(|(name, _)| matches!(*name, "Allow" | "Disallow"));
    let matching = rules.filter(|(_, rule)| {
        let pattern = regex::escape(rule).replace("\\*", ".*").replace("\\$", "$");
        let pattern = regex::Regex::new(&format!("^{pattern}")).expect("a pattern");
        pattern.is_match(path)
    });
    let longest = matching.max_by_key(|(name, rule)| (rule.len(), *name == "Allow"));
    longest.is_none_or(|(name, _)| name == "Allow")
}

#[test]
fn crawlers_read_only_the_directory() {
    let robots = SERVER.get("/robots.txt").expect(200);
    assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    for path in [
        "/areas",
        "/areas/icc",
        "/areas/icc/mb-kendal",
        "/practices/A82033",
        "/groups/barrow-resilience-group",
        "/accessibility",
        "/sources",
    ] {
        assert!(may_be_crawled(robots.text(), path), "{path}");
        let page = SERVER.get(path).expect(200);
        assert!(!page.text().contains("noindex"), "{path}");
    }
    for path in [
        "/",
        "/batch",
        "/api/v1/areas",
        "/ogc",
        "/tiles/icc.json",
        "/maps/icc.svg",
        "/embed",
        "/compare",
        "/areas/icc/mb-kendal/postcodes",
        "/areas/icc/mb-kendal?as_of=2025-01-01",
        "/practices?name=a",
    ] {
        assert!(!may_be_crawled(robots.text(), path), "{path}");
    }
    for path in ["/", "/batch", "/areas/icc/mb-kendal?as_of=2025-01-01"] {
        let page = SERVER.get(path).expect(200);
        assert!(page.text().contains("noindex"), "{path}");
    }
}

#[test]
fn documentation_starts_with_a_request_and_its_answer() {
    let page = SERVER.get("/docs").expect(200);
    let position = |part: &str| {
        let found = page.text().find(part);
        found.unwrap_or_else(|| panic!("{part} is not on the page"))
    };
    let order = [
        "curl &#39;http://localhost:8080/api/v1/locate?postcode=LA18+4DB",
        "Barrow and Millom ICC",
        "id=\"contents\"",
        "id=\"tag-look-up\"",
        "id=\"tag-batch\"",
        "id=\"tag-directory\"",
        "id=\"tag-areas\"",
        "id=\"tag-service\"",
        "id=\"errors\"",
        "id=\"object-Answer\"",
    ];
    let order = order.map(|part| position(&part.replace("&#39;", "'")));
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(
        page.text().matches("rate_limited").count(),
        1,
        "errors are listed once"
    );
    // Backticks are rendered as code, except in examples.
    for part in page.text().split("</pre>") {
        let prose = part.split("<pre").next().unwrap_or_default();
        assert!(!prose.contains('`'), "a backtick is left: {prose}");
    }
    // Every link within the page leads to an element.
    for tag in tags(&page) {
        if let Some(id) = attribute(tag, "href").and_then(|href| href.strip_prefix('#')) {
            position(&format!("id=\"{id}\""));
        }
    }
}
