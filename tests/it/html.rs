//! A page as strict eyes see it: every element closed where it should be, every attribute in quotes and once,
//! every id once, and what links and pictures need there.

use std::collections::{BTreeMap, BTreeSet};

/// An element, and the text in it and below.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
    /// Its place and the first one after what is in it.
    place: (usize, usize),
}

/// The elements of a page in their order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) elements: Vec<Element>,
}

/// Those that stand within a line; others end a word.
const INLINE: [&str; 6] = ["a", "b", "code", "em", "span", "strong"];

/// Those that hold nothing and are not closed.
const EMPTY: [&str; 8] = ["meta", "link", "input", "img", "br", "hr", "source", "col"];

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl Page {
    /// # Panics
    /// When the page is not well-formed.
    #[track_caller]
    pub(crate) fn parse(html: &str) -> Page {
        let rest = html
            .strip_prefix("<!DOCTYPE html>")
            .expect("a document type");
        let mut page = Page {
            elements: Vec::new(),
        };
        let mut open: Vec<usize> = Vec::new();
        for part in rest.split('<').skip(1) {
            let (tag, text) = part
                .split_once('>')
                .unwrap_or_else(|| panic!("`<{part}` does not end"));
            if let Some(name) = tag.strip_prefix('/') {
                let at = open
                    .pop()
                    .unwrap_or_else(|| panic!("</{name}> closes nothing"));
                assert_eq!(page.elements[at].name, name, "closed in the wrong order");
                page.elements[at].place.1 = page.elements.len();
            } else {
                let element = element(tag, page.elements.len());
                if !EMPTY.contains(&element.name.as_str()) {
                    open.push(page.elements.len());
                }
                page.elements.push(element);
            }
            let name = tag
                .trim_start_matches('/')
                .split(' ')
                .next()
                .unwrap_or_default();
            let gap = if INLINE.contains(&name) { "" } else { " " };
            let text = format!("{gap}{}", decoded(text));
            for at in &open {
                page.elements[*at].text += &text;
            }
        }
        assert!(open.is_empty(), "{} elements are not closed", open.len());
        page
    }

    pub(crate) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Element> {
        self.elements.iter().filter(move |it| it.name == name)
    }

    /// The elements in another.
    pub(crate) fn within(&self, element: &Element) -> &[Element] {
        &self.elements[element.place.0 + 1..element.place.1.max(element.place.0 + 1)]
    }

    /// The text of `main` with single spaces.
    #[track_caller]
    pub(crate) fn words(&self) -> String {
        let main = self.all("main").next().expect("a main part");
        single_spaced(&main.text)
    }

    /// The addresses in links of the main part.
    pub(crate) fn links(&self) -> BTreeSet<&str> {
        let main = self.all("main").next().expect("a main part");
        let links = self.within(main).iter().filter(|it| it.name == "a");
        links.filter_map(|it| it.attribute("href")).collect()
    }

    /// The rows of the table of that caption: the texts of their cells without the headings that stand in
    /// them for narrow screens.
    #[track_caller]
    pub(crate) fn table(&self, caption: &str) -> Vec<Vec<String>> {
        let mut tables = self.all("table");
        let is_meant = |it: &&Element| {
            let captions = self.within(it).iter().filter(|it| it.name == "caption");
            captions.map(|it| it.text.trim()).eq([caption])
        };
        let table = tables.find(is_meant);
        let table = table.unwrap_or_else(|| panic!("no table `{caption}`"));
        let rows = self.within(table).iter().filter(|it| it.name == "tr");
        let rows = rows.skip(1).map(|row| {
            let cells = self.within(row).iter();
            let cells = cells.filter(|it| matches!(it.name.as_str(), "th" | "td"));
            let text = |cell: &Element| {
                let hidden: Vec<&Element> = self
                    .within(cell)
                    .iter()
                    .filter(|it| it.attribute("aria-hidden") == Some("true"))
                    .collect();
                let heading = hidden.first().map_or("", |it| it.text.as_str());
                single_spaced(
                    cell.text
                        .trim_start()
                        .strip_prefix(heading)
                        .expect("it comes first"),
                )
            };
            cells.map(text).collect()
        });
        rows.collect()
    }

    /// What a page of ours must have.
    #[track_caller]
    pub(crate) fn check(&self, address: &str) {
        let count = |name: &str| self.all(name).count();
        assert_eq!(
            (count("main"), count("h1"), count("title")),
            (1, 1, 1),
            "{address}"
        );
        let html = &self.elements[0];
        assert_eq!(html.attribute("lang"), Some("en-GB"), "{address}");
        let mut ids = BTreeSet::new();
        for id in self.elements.iter().filter_map(|it| it.attribute("id")) {
            assert!(ids.insert(id), "{address}: the id {id} is there twice");
        }
        let mut level = 1;
        for element in &self.elements {
            self.check_element(element, &ids, address);
            if let Some(next) = heading_level(&element.name) {
                assert!(
                    next <= level + 1,
                    "{address}: h{next} after h{level}: {}",
                    element.text
                );
                level = next;
            }
        }
    }

    #[track_caller]
    fn check_element(&self, element: &Element, ids: &BTreeSet<&str>, address: &str) {
        let told = || format!("{address}: {element:?}");
        match element.name.as_str() {
            "img" => assert!(
                element.attribute("alt").is_some_and(|alt| !alt.is_empty()),
                "{}",
                told()
            ),
            "a" => {
                assert!(!element.text.trim().is_empty(), "{}", told());
                assert!(element.attribute("href").is_some(), "{}", told());
                let inner = self.within(element).iter();
                assert!(inner.clone().all(|it| it.name != "a"), "{}", told());
            }
            "input" | "select" | "textarea" if element.attribute("type") != Some("hidden") => {
                let id = element
                    .attribute("id")
                    .unwrap_or_else(|| panic!("{}", told()));
                let is_labelled = self.all("label").any(|it| it.attribute("for") == Some(id));
                assert!(is_labelled, "{}", told());
            }
            "style" | "base" => panic!("{}", told()),
            _ => {}
        }
        for name in [
            "for",
            "aria-describedby",
            "aria-labelledby",
            "aria-controls",
        ] {
            let named = element
                .attribute(name)
                .into_iter()
                .flat_map(str::split_whitespace);
            for id in named {
                assert!(ids.contains(id), "{}", told());
            }
        }
        let fragment = element
            .attribute("href")
            .and_then(|it| it.strip_prefix('#'));
        assert!(fragment.is_none_or(|id| ids.contains(id)), "{}", told());
        assert!(element.attribute("style").is_none(), "{}", told());
    }
}

fn heading_level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

#[track_caller]
fn element(tag: &str, place: usize) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-:".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(is_name), "<{tag}>");
    let mut attributes = BTreeMap::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        assert!(!name.is_empty() && name.bytes().all(is_name), "<{tag}>");
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').unwrap_or_else(|| panic!("<{tag}>")),
            None => ("", after),
        };
        assert!(after.is_empty() || after.starts_with(' '), "<{tag}>");
        let known = attributes.insert(name.to_string(), decoded(value));
        assert!(known.is_none(), "<{tag}>: {name} stands twice");
        rest = after.trim_start();
    }
    Element {
        name: name.to_string(),
        attributes,
        text: String::new(),
        place: (place, place),
    }
}

/// The text that entities stand for; any other `&` is a fault.
#[track_caller]
fn decoded(text: &str) -> String {
    let mut parts = text.split('&');
    let mut whole = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("&{part}"));
        whole += match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "#39" => "'",
            other => panic!("&{other};"),
        };
        whole += rest;
    }
    whole
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_not_well_formed_is_noticed() {
    let noticed = |html: &str| {
        let page = format!("<!DOCTYPE html>{html}");
        std::panic::catch_unwind(|| Page::parse(&page).check("/")).is_err()
    };
    let page = |body: &str| {
        format!(
            "<html lang=\"en-GB\"><head><title>t</title></head><body><main><h1>h</h1>{body}</main></body></html>"
        )
    };
    assert!(!noticed(&page(
        "<p id=\"a\">1 &amp; 2<br></p><a href=\"#a\">x</a>"
    )));
    for body in [
        "<p>",
        "</p>",
        "<b><i></b></i>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
        "<p id=a></p>",
        "<p id=\"a\" id=\"b\"></p>",
        "a & b",
        "<img src=\"/x\">",
        "<a href=\"/x\"></a>",
        "<a href=\"#nowhere\">x</a>",
        "<input id=\"x\">",
        "<h3>too deep</h3>",
        "<h1>again</h1>",
        "<p style=\"color:red\"></p>",
    ] {
        assert!(noticed(&page(body)), "{body}");
    }
}
