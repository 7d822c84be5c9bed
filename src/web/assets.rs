//! The assets of the pages, which `build.rs` builds: the styles, the scripts and the icon.

use std::sync::LazyLock;

use bytes::Bytes;

use catchment_tiles::{ContentEncoding, EncodedBody};

/// A built file. The name of the file contains a digest of its content, so clients may cache it for
/// ever.
pub(crate) struct Asset {
    /// The path of its URL.
    pub(crate) path: &'static str,
    /// The content of the file, uncompressed and in each content coding that `build.rs` prepares.
    pub(crate) body: LazyLock<EncodedBody>,
}

impl Asset {
    /// Returns the media type of the file, which depends on its extension.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }
}

/// Returns the asset at a path, if there is one.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ALL.into_iter().find(|asset| asset.path == path)
}

macro_rules! asset {
    ($name:ident, $file:literal) => {
        pub(crate) static $name: Asset = Asset {
            path: concat!("/assets/", $file),
            body: LazyLock::new(|| {
                macro_rules! bytes {
                    ($extension:literal) => {
                        Bytes::from_static(include_bytes!(concat!(
                            env!("OUT_DIR"),
                            "/assets/",
                            $file,
                            $extension
                        )))
                    };
                }
                EncodedBody::with_encodings(
                    bytes!(""),
                    [
                        (ContentEncoding::Brotli, bytes!(".br")),
                        (ContentEncoding::Gzip, bytes!(".gz")),
                    ],
                )
            }),
        };
    };
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));
