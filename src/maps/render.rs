//! PNG and PDF of a picture's SVG, with our own font and nothing else from the machine.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use pdf_writer::types::StructRole;
use pdf_writer::writers::StructTreeRoot;
use pdf_writer::{Content, Finish, Name, Pdf, Ref, TextStr};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, Options, Tree, fontdb};

use super::Picture;
use super::text::{BOLD, REGULAR};

/// A picture that cannot be rendered, which is our fault.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Our own SVG is not understood.
    #[error("the picture's SVG is not understood")]
    Svg(#[source] usvg::Error),
    /// It cannot be written as PNG.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(String),
    /// It cannot be written as PDF.
    #[error("the picture cannot be written as PDF: {0}")]
    Pdf(svg2pdf::ConversionError),
}

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    Arc::new(fonts)
});

fn tree(picture: &Picture) -> Result<Tree, RenderError> {
    let options = Options {
        fontdb: Arc::clone(&FONTS),
        font_family: "Arimo".into(),
        ..Options::default()
    };
    Tree::from_str(&picture.svg, &options).map_err(RenderError::Svg)
}

/// The picture in pixels, so many to a CSS pixel.
///
/// # Errors
/// Never for what [`draw`](super::draw) drew, as far as is known.
pub fn png(picture: &Picture, scale: u32) -> Result<Vec<u8>, RenderError> {
    let tree = tree(picture)?;
    let (width, height) = (picture.width * scale, picture.height * scale);
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| RenderError::Png(format!("{width} by {height} pixels are too many")))?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let transform = Transform::from_scale(scale as f32, scale as f32);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    encoded(&pixels).map_err(|error| RenderError::Png(error.to_string()))
}

/// Without transparency, for the sheet is white, and compressed well: of the embedded communities at 800 pixels
/// a fifth of what `Pixmap::encode_png` takes.
fn encoded(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let colours = pixels.pixels().iter();
    let bytes: Vec<u8> = colours
        .flat_map(|colour| [colour.red(), colour.green(), colour.blue()])
        .collect();
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Default);
    // Patterns repeat to the byte; differences of neighbours do not.
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(encoded)
}

/// A4 (ISO 216) and its margins of 10 mm, in points.
const A4: (f32, f32) = (595.276, 841.89);
const MARGIN: f32 = 28.346;
/// A CSS pixel is 1/96 of an inch, a point 1/72.
const POINTS_A_PIXEL: f32 = 0.75;

/// The picture on a page of A4, upright or across as suits it, made smaller where it does not fit. Its text can
/// be searched; title, language and the description as the text alternative are in the tags (ISO 32000-1, 14.8).
///
/// # Errors
/// As [`png()`].
pub fn pdf(picture: &Picture) -> Result<Vec<u8>, RenderError> {
    let tree = tree(picture)?;
    let (chunk, drawing) = svg2pdf::to_chunk(&tree, svg2pdf::ConversionOptions::default())
        .map_err(RenderError::Pdf)?;
    let mut next = Ref::new(1);
    let [catalog, pages, page, content, info, tags, document, figure] =
        std::array::from_fn(|_| next.bump());
    let mut numbers: HashMap<Ref, Ref> = HashMap::new();
    let chunk = chunk.renumber(|old| *numbers.entry(old).or_insert_with(|| next.bump()));
    let drawing = numbers.get(&drawing).copied().unwrap_or(drawing);
    let sheet = Sheet::of(picture);

    let mut pdf = Pdf::new();
    let mut root = pdf.catalog(catalog);
    root.pages(pages).lang(TextStr("en-GB"));
    root.viewer_preferences().display_doc_title(true);
    root.mark_info().marked(true);
    root.pair(Name(b"StructTreeRoot"), tags);
    root.finish();
    pdf.document_info(info)
        .title(TextStr(&picture.title))
        .subject(TextStr(&picture.description));

    let mut structure = pdf.indirect(tags).start::<StructTreeRoot<'_>>();
    structure.child(document);
    // Of the page, by its number, the elements of its marked content.
    let mut parents = structure.insert(Name(b"ParentTree")).dict();
    let mut entries = parents.insert(Name(b"Nums")).array();
    entries.item(0);
    entries.push().array().item(figure);
    entries.finish();
    parents.finish();
    structure.parent_tree_next_key(1);
    structure.finish();
    let mut element = pdf.struct_element(document);
    element
        .kind(StructRole::Document)
        .parent(tags)
        .child(figure);
    element.finish();
    let mut element = pdf.struct_element(figure);
    element
        .kind(StructRole::Figure)
        .parent(document)
        .alt(TextStr(&picture.description))
        .page(page);
    element
        .marked_content_child()
        .marked_content_id(0)
        .page(page);
    element.finish();

    pdf.pages(pages).kids([page]).count(1);
    let mut sheet_of_paper = pdf.page(page);
    sheet_of_paper
        .media_box(pdf_writer::Rect::new(0.0, 0.0, sheet.width, sheet.height))
        .parent(pages)
        .contents(content)
        .struct_parents(0);
    let name = Name(b"Map");
    sheet_of_paper.resources().x_objects().pair(name, drawing);
    sheet_of_paper.finish();
    let mut lines = Content::new();
    lines
        .begin_marked_content_with_properties(Name(b"Figure"))
        .properties()
        .identify(0);
    lines.save_state().transform(sheet.place).x_object(name);
    lines.restore_state().end_marked_content();
    pdf.stream(content, &lines.finish());
    pdf.extend(&chunk);
    Ok(pdf.finish())
}

/// The paper, and where the picture stands on it: a transformation of a square of one point.
struct Sheet {
    width: f32,
    height: f32,
    place: [f32; 6],
}

impl Sheet {
    fn of(picture: &Picture) -> Sheet {
        #[expect(clippy::cast_precision_loss, reason = "few thousands")]
        let (across, down) = (
            picture.width as f32 * POINTS_A_PIXEL,
            picture.height as f32 * POINTS_A_PIXEL,
        );
        let (width, height) = if across > down { (A4.1, A4.0) } else { A4 };
        let (room_across, room_down) = (width - 2.0 * MARGIN, height - 2.0 * MARGIN);
        let scale = (room_across / across).min(room_down / down).min(1.0);
        let (across, down) = (across * scale, down * scale);
        let place = [
            across,
            0.0,
            0.0,
            down,
            (width - across) / 2.0,
            height - MARGIN - down,
        ];
        Sheet {
            width,
            height,
            place,
        }
    }
}
