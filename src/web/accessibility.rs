//! The accessibility statement of a public body, and `robots.txt`.

use jiff::civil::Date;
use maud::{Markup, html};

use super::layout::{PageLayout, SERVICE, layout, link};
use catchment_core::index::Index;

/// The details that the operator provides for the accessibility statement. The page is also
/// complete without these details.
#[derive(Debug, Clone, Default)]
pub struct AccessibilityDetails {
    /// The organisation that runs the service.
    pub organisation: Option<String>,
    /// The contact for reports of problems: an email address, a telephone number or the URL of a
    /// form.
    pub contact: Option<String>,
    /// The date on which the organisation last reviewed the statement.
    pub reviewed: Option<Date>,
}

/// Renders the page at `/accessibility`: the accessibility statement that the regulations for websites
/// of public sector bodies require.
pub(crate) fn accessibility(index: &Index, details: &AccessibilityDetails) -> Markup {
    let organisation = details.organisation.as_deref();
    let content = html! {
        h1 { "Accessibility statement" }
        p.nhsuk-lede-text {
            "This statement applies to this website, " (SERVICE) ", which is run by "
            (organisation.unwrap_or("the organisation named in its web address")) "."
        }
        p { "We want as many people as possible to be able to use it. For example, you should be able to:" }
        ul {
            li { "zoom in to 400% without the text spilling off the screen" }
            li { "use the whole website with only a keyboard, or with speech recognition software" }
            li { "read and hear every page with a screen reader" }
            li { "use the look-up, lists and pages of areas without JavaScript" }
            li { "change colours and contrast in your browser or device" }
        }
        p { "We have also tried to keep the words simple. AbilityNet has advice on making your device easier to use if you have a disability: " a href="https://mcmw.abilitynet.org.uk/" { "My Computer My Way" } "." }
        h2 { "How accessible this website is" }
        p { "Some parts are not fully accessible:" }
        ul {
            li { "Interactive maps show boundaries that a screen reader cannot describe. Everything that a map shows about an area is also on the page as text and in tables, and you do not need a map to look something up." }
            li { "Printed maps (PDF and images) have a title and a description, but their boundaries are drawings. The pages of areas list the same places as text." }
            li { "Files for geographic information systems are data, and are not meant to be read by people." }
        }
        h2 { "Contact us about accessibility" }
        p {
            "If you find a problem that is not on this page, if you think that we do not meet the requirements, or if you need information in another format, such as large print, easy read or an audio recording, "
            @match &details.contact {
                Some(contact) => { "contact us: " (contact_link(contact)) "." }
                None => { "contact " (organisation.unwrap_or("the organisation named in the web address of this page")) "." }
            }
        }
        p { "Say which page you were on, what you were doing and, if you can, which browser and assistive technology you use." }
        h2 { "If you are not happy with our response" }
        p { "The Equality and Human Rights Commission enforces the Public Sector Bodies (Websites and Mobile Applications) (No. 2) Accessibility Regulations 2018. If you are not happy with how we respond to your complaint, contact the " a href="https://www.equalityadvisoryservice.com/" { "Equality Advisory and Support Service" } "." }
        h2 { "Technical information" }
        p {
            @match organisation {
                Some(name) => { (name) " is committed" }
                None => { "The organisation that runs this website is committed" }
            }
            " to making it accessible, in accordance with these regulations."
        }
        p { "This website is " strong { "partially compliant" } " with the " a href="https://www.w3.org/TR/WCAG22/" { "Web Content Accessibility Guidelines (WCAG) 2.2" } ", level AA, because of the exemption below and because it has not been tested with every browser and assistive technology." }
        h3 { "Content that the regulations do not cover" }
        p { "Online maps do not have to be accessible if their essential information is also available in an accessible form. Here it is on the page of each area." }
        h2 { "How we tested this website" }
        p { "Every kind of page is tested automatically each time the software changes: with axe-core against WCAG 2.2 AA, with a keyboard, at a width of 320 pixels, and with and without JavaScript, in Chromium. The pages use components of the NHS design system, which are tested with assistive technologies." }
        @if let Some(day) = details.reviewed {
            p { "This statement was last reviewed on " (super::format::date(day)) "." }
        }
    };
    let page = PageLayout {
        title: "Accessibility statement",
        breadcrumb: &[link("/", "Look up a place")],
        is_indexed: true,
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

/// Renders an email address or a URL as a link. Other text, such as a telephone number, is rendered
/// unchanged.
fn contact_link(contact: &str) -> Markup {
    let is_url = contact.starts_with("https://") || contact.starts_with("http://");
    let is_email = contact.contains('@') && !contact.contains(char::is_whitespace);
    html! {
        @if is_url { a href=(contact) { (contact) } }
        @else if is_email { a href=(format!("mailto:{contact}")) { (contact) } }
        @else { (contact) }
    }
}

/// The file `/robots.txt`. Crawlers may read today's directory of areas, practices and groups,
/// and the description of the data. Crawlers must not read look-ups, lists of postcodes, the API, maps and tiles. The longest rule
/// that matches a URL applies (RFC 9309).
pub(crate) const ROBOTS_TXT: &str = "\
User-agent: *
Disallow: /
Allow: /accessibility$
Allow: /areas$
Allow: /areas/
Allow: /assets/
Allow: /dataset.jsonld$
Allow: /datasets.atom$
Allow: /groups$
Allow: /groups/
Allow: /partnerships$
Allow: /partnerships/
Allow: /practices$
Allow: /practices/
Allow: /sources$
Disallow: /areas/*?
Disallow: /areas/*/postcodes
Disallow: /groups/*?
Disallow: /groups/*/postcodes
Disallow: /partnerships/*?
Disallow: /practices/*?
Disallow: /practices/*/postcodes
";
