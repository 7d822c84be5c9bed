//! The navigation components: header, footer and breadcrumb.

use maud::{Markup, html};

/// The URL and the text of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) href: &'a str,
    pub(crate) text: &'a str,
}

pub(crate) fn skip_link() -> Markup {
    html! {
        a.nhsuk-skip-link data-module="nhsuk-skip-link" href="#maincontent" { "Skip to main content" }
    }
}

/// The header of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageHeader<'a> {
    pub(crate) service: Link<'a>,
    pub(crate) navigation: &'a [Link<'a>],
    /// The `href` of the current entry of `navigation`.
    pub(crate) current: Option<&'a str>,
}

/// Renders the header without the logo. All links are always visible: there is no menu button.
pub(crate) fn header(header: &PageHeader<'_>) -> Markup {
    html! {
        header.nhsuk-header data-module="nhsuk-header" role="banner" {
            div."nhsuk-header__container nhsuk-width-container" {
                div.nhsuk-header__service {
                    a.nhsuk-header__service-name href=(header.service.href) { (header.service.text) }
                }
            }
            @if !header.navigation.is_empty() {
                nav.nhsuk-header__navigation aria-label="Menu" {
                    div."nhsuk-header__navigation-container nhsuk-width-container" {
                        ul.nhsuk-header__navigation-list {
                            @for link in header.navigation { (navigation_item(link, header.current == Some(link.href))) }
                        }
                    }
                }
            }
        }
    }
}

fn navigation_item(link: &Link<'_>, is_current: bool) -> Markup {
    html! {
        @if is_current {
            li."nhsuk-header__navigation-item nhsuk-header__navigation-item--current" {
                a.nhsuk-header__navigation-link href=(link.href) aria-current="true" {
                    strong.nhsuk-header__navigation-item-current-fallback { (link.text) }
                }
            }
        } @else {
            li.nhsuk-header__navigation-item {
                a.nhsuk-header__navigation-link href=(link.href) { (link.text) }
            }
        }
    }
}

/// The footer of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageFooter<'a> {
    pub(crate) links: &'a [Link<'a>],
    /// Paragraphs below the links.
    pub(crate) text: &'a [&'a str],
}

pub(crate) fn footer(footer: &PageFooter<'_>) -> Markup {
    html! {
        footer.nhsuk-footer role="contentinfo" {
            div.nhsuk-width-container {
                div.nhsuk-footer__meta {
                    h2.nhsuk-u-visually-hidden { "Support links" }
                    ul.nhsuk-footer__list {
                        @for link in footer.links {
                            li.nhsuk-footer__list-item {
                                a.nhsuk-footer__list-item-link href=(link.href) { (link.text) }
                            }
                        }
                    }
                    @for text in footer.text { p.nhsuk-body-s { (text) } }
                }
            }
        }
    }
}

/// Renders the breadcrumb: links to the pages above the current page, starting with the top level.
pub(crate) fn breadcrumb(pages: &[Link<'_>]) -> Markup {
    html! {
        nav.nhsuk-breadcrumb aria-label="Breadcrumb" {
            ol.nhsuk-breadcrumb__list {
                @for page in pages {
                    li.nhsuk-breadcrumb__list-item { a.nhsuk-breadcrumb__link href=(page.href) { (page.text) } }
                }
            }
            @if let Some(last) = pages.last() {
                a.nhsuk-back-link href=(last.href) {
                    span.nhsuk-u-visually-hidden { "Back to " } (last.text)
                }
            }
        }
    }
}
