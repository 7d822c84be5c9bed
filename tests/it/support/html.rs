//! A strict HTML parser for tests. It checks that elements are closed in order, that attributes are
//! quoted and unique, that ids are unique, and that links and images are accessible.

use std::collections::{BTreeMap, BTreeSet};

/// An element. The text of an element includes the text of its descendants.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
    /// The index of the element in the page, and the index after its last descendant.
    range: (usize, usize),
}

/// The elements of a page in document order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) elements: Vec<Element>,
}

/// Inline elements. All other elements separate words.
const INLINE_ELEMENTS: [&str; 7] = ["a", "b", "code", "em", "span", "strong", "wbr"];

/// Void elements, which have no content and no end tag.
const VOID_ELEMENTS: [&str; 9] = [
    "meta", "link", "input", "img", "br", "hr", "source", "col", "wbr",
];

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl Page {
    /// Parses a page.
    ///
    /// # Panics
    /// If the page is not well-formed.
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
                .unwrap_or_else(|| panic!("`<{part}` is not closed"));
            if let Some(name) = tag.strip_prefix('/') {
                let index = open
                    .pop()
                    .unwrap_or_else(|| panic!("</{name}> has no start tag"));
                assert_eq!(page.elements[index].name, name, "wrong order of end tags");
                page.elements[index].range.1 = page.elements.len();
            } else {
                let element = element(tag, page.elements.len());
                if !VOID_ELEMENTS.contains(&element.name.as_str()) {
                    open.push(page.elements.len());
                }
                page.elements.push(element);
            }
            let name = tag
                .trim_start_matches('/')
                .split(' ')
                .next()
                .unwrap_or_default();
            let gap = if INLINE_ELEMENTS.contains(&name) {
                ""
            } else {
                " "
            };
            let text = format!("{gap}{}", decode_entities(text));
            for index in &open {
                page.elements[*index].text += &text;
            }
        }
        assert!(open.is_empty(), "{} elements are not closed", open.len());
        page
    }

    pub(crate) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Element> {
        self.elements
            .iter()
            .filter(move |element| element.name == name)
    }

    /// Returns the descendants of an element.
    pub(crate) fn within(&self, element: &Element) -> &[Element] {
        &self.elements[element.range.0 + 1..element.range.1.max(element.range.0 + 1)]
    }

    /// Returns the text of `main` with single spaces.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let main = self.all("main").next().expect("a main part");
        collapse_spaces(&main.text)
    }

    /// Returns the URLs of the links in `main`.
    pub(crate) fn links(&self) -> BTreeSet<&str> {
        let main = self.all("main").next().expect("a main part");
        let links = self
            .within(main)
            .iter()
            .filter(|element| element.name == "a");
        links.filter_map(|link| link.attribute("href")).collect()
    }

    /// Returns the rows of the table with this caption. A row contains the text of each cell,
    /// without the column heading that is repeated in the cell for narrow screens.
    #[track_caller]
    pub(crate) fn table(&self, caption: &str) -> Vec<Vec<String>> {
        let mut tables = self.all("table");
        let has_caption = |table: &&Element| {
            let captions = self
                .within(table)
                .iter()
                .filter(|element| element.name == "caption");
            captions.map(|element| element.text.trim()).eq([caption])
        };
        let table = tables.find(has_caption);
        let table = table.unwrap_or_else(|| panic!("there is no table `{caption}`"));
        let rows = self
            .within(table)
            .iter()
            .filter(|element| element.name == "tr");
        let rows = rows.skip(1).map(|row| {
            let cells = self.within(row).iter();
            let cells = cells.filter(|element| matches!(element.name.as_str(), "th" | "td"));
            let text = |cell: &Element| {
                let hidden: Vec<&Element> = self
                    .within(cell)
                    .iter()
                    .filter(|element| element.attribute("aria-hidden") == Some("true"))
                    .collect();
                let heading = hidden.first().map_or("", |element| element.text.as_str());
                collapse_spaces(
                    cell.text
                        .trim_start()
                        .strip_prefix(heading)
                        .expect("the heading comes first"),
                )
            };
            cells.map(text).collect()
        });
        rows.collect()
    }

    /// Checks the rules that all pages must follow. `url` is used only in messages.
    #[track_caller]
    pub(crate) fn check(&self, url: &str) {
        let count = |name: &str| self.all(name).count();
        assert_eq!(
            (count("main"), count("h1"), count("title")),
            (1, 1, 1),
            "{url}"
        );
        let html = &self.elements[0];
        assert_eq!(html.attribute("lang"), Some("en-GB"), "{url}");
        let mut ids = BTreeSet::new();
        for id in self
            .elements
            .iter()
            .filter_map(|element| element.attribute("id"))
        {
            assert!(ids.insert(id), "{url}: the id {id} is not unique");
        }
        let mut level = 1;
        for element in &self.elements {
            self.check_element(element, &ids, url);
            if let Some(next) = heading_level(&element.name) {
                assert!(
                    next <= level + 1,
                    "{url}: h{next} after h{level}: {}",
                    element.text
                );
                level = next;
            }
        }
    }

    #[track_caller]
    fn check_element(&self, element: &Element, ids: &BTreeSet<&str>, url: &str) {
        let context = || format!("{url}: {element:?}");
        match element.name.as_str() {
            "img" => assert!(
                element.attribute("alt").is_some_and(|alt| !alt.is_empty()),
                "{}",
                context()
            ),
            "a" => {
                assert!(!element.text.trim().is_empty(), "{}", context());
                assert!(element.attribute("href").is_some(), "{}", context());
                let inner = self.within(element).iter();
                assert!(
                    inner.clone().all(|element| element.name != "a"),
                    "{}",
                    context()
                );
            }
            "input" | "select" | "textarea" if element.attribute("type") != Some("hidden") => {
                let id = element
                    .attribute("id")
                    .unwrap_or_else(|| panic!("{}", context()));
                let is_labelled = self
                    .all("label")
                    .any(|label| label.attribute("for") == Some(id));
                assert!(is_labelled, "{}", context());
            }
            "style" | "base" => panic!("{}", context()),
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
                assert!(ids.contains(id), "{}", context());
            }
        }
        let fragment = element
            .attribute("href")
            .and_then(|href| href.strip_prefix('#'));
        assert!(fragment.is_none_or(|id| ids.contains(id)), "{}", context());
        assert!(element.attribute("style").is_none(), "{}", context());
    }
}

fn heading_level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

#[track_caller]
fn element(tag: &str, index: usize) -> Element {
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
        let known = attributes.insert(name.to_string(), decode_entities(value));
        assert!(known.is_none(), "<{tag}>: {name} is not unique");
        rest = after.trim_start();
    }
    Element {
        name: name.to_string(),
        attributes,
        text: String::new(),
        range: (index, index),
    }
}

/// Decodes entities. Panics if the text contains any other `&`.
#[track_caller]
fn decode_entities(text: &str) -> String {
    let mut parts = text.split('&');
    let mut decoded = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("&{part}"));
        decoded += match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "#39" => "'",
            other => panic!("&{other};"),
        };
        decoded += rest;
    }
    decoded
}

fn collapse_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn malformed_and_inaccessible_pages_are_rejected() {
    let is_rejected = |html: &str| {
        let page = format!("<!DOCTYPE html>{html}");
        std::panic::catch_unwind(|| Page::parse(&page).check("/")).is_err()
    };
    let page = |body: &str| {
        format!(
            "<html lang=\"en-GB\"><head><title>t</title></head><body><main><h1>h</h1>{body}</main></body></html>"
        )
    };
    assert!(!is_rejected(&page(
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
        assert!(is_rejected(&page(body)), "{body}");
    }
}
