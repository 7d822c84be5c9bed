//! The staff pages as a browser without script sees them.

use catchment::domain::today_in_london;

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
    for name in ["postcode", "practice", "as_of"] {
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
    let page = ask(&[("postcode", "la184db"), ("practice", "")]);
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
            "Indicative",
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
    let page = ask(&[("postcode", "LA18 4DB"), ("practice", "P81064")]);
    check_page(
        &page,
        200,
        &[
            "Barrow and Millom ICC",
            "Lancaster ICC",
            "Lancaster Medical Practice",
            "closed on 30 June 2018",
            "The two differ.",
            "Resilience group: not known",
        ],
    );
    check_page(
        &ask(&[("postcode", "LA18 4BY"), ("practice", "a82033")]),
        200,
        &["The two agree.", "The postcode is the practice's own."],
    );
    check_page(
        &ask(&[("postcode", "LA18 4DB"), ("practice", "P99999")]),
        200,
        &["This practice is not in the dataset."],
    );
}

#[test]
fn a_code_that_is_no_place_is_explained() {
    let page = ask(&[("postcode", "ZZ99 3VZ"), ("practice", "A82033")]);
    check_page(
        &page,
        200,
        &["no fixed abode", "Barrow and Millom ICC", "Waterloo House"],
    );
    check_page(
        &ask(&[("postcode", "SW1A 1AA")]),
        200,
        &["outside the part of the country"],
    );
    check_page(
        &ask(&[("postcode", "CA1 1EF")]),
        200,
        &["no longer in use", "June 1996"],
    );
}

#[test]
fn a_misspelt_postcode_is_summed_up_with_what_may_have_been_meant() {
    let page = ask(&[("postcode", "LA1O 5DL")]);
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
    assert!(tags(&page).any(|tag| attribute(tag, "href") == Some("#postcode")));
    let field = tags(&page)
        .find(|tag| attribute(tag, "id") == Some("postcode"))
        .expect("the field");
    assert_eq!(attribute(field, "aria-invalid"), Some("true"), "{field}");
    for part in ["LA1O", "LA1 5DL"] {
        assert!(!page.text().contains(part), "{page}");
    }
}

#[test]
fn every_fault_of_the_form_is_a_page_with_a_summary() {
    for (postcode, status) in [
        ("", 400),
        ("LA1", 400),
        ("LA1 0AA", 404),
        ("<script>alert(1)</script>", 400),
    ] {
        let page = ask(&[("postcode", postcode)]);
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
    ask(&[("postcode", "LA18 4DB"), ("nhs_number", "1")]).expect_problem(400, "unknown_parameter");
}

#[test]
fn pages_load_nothing_from_elsewhere_and_hold_no_style_or_script_of_their_own() {
    let pages = [
        SERVER.get("/"),
        SERVER.get("/privacy"),
        SERVER.get("/batch"),
        ask(&[("postcode", "LA18 4DB"), ("practice", "P81064")]),
        ask(&[("postcode", "LA1O 5DL")]),
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

#[test]
fn the_answer_says_which_day_it_is_for() {
    let today = today_in_london().strftime("%-d %B %Y").to_string();
    let page = ask(&[("postcode", "LA18 4DB")]);
    // The clock may pass midnight between the two.
    let tomorrow = today_in_london().strftime("%-d %B %Y").to_string();
    let words = words(&page);
    assert!(
        words.contains(&today) || words.contains(&tomorrow),
        "{words}"
    );
    check_page(
        &ask(&[("postcode", "LA18 4DB"), ("as_of", "2023-04-05")]),
        200,
        &["5 April 2023"],
    );
}

#[test]
fn the_privacy_page_says_what_is_kept() {
    let page = SERVER.get("/privacy").expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(words(&page).contains("keeps nothing"), "{page}");
}

#[test]
fn the_page_of_lists_has_a_form_that_works_without_script() {
    let page = SERVER.get("/batch");
    let expected = [
        "goes to this server and nowhere else, and nothing of it is kept",
        "icc_registration_id the ICC of the practice",
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
