//! What the pages load: styles, scripts and the picture in the tab, as `build.rs` made them.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::tiles::{Encoding, Made};

/// A file of the pages; its name holds its digest, so that it may be kept for good.
pub(crate) struct Asset {
    /// Its address from the root.
    pub(crate) path: &'static str,
    /// Its bytes, in the encodings that were prepared.
    pub(crate) made: LazyLock<Made>,
}

impl Asset {
    pub(crate) fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }
}

/// The file at this address.
pub(crate) fn at(path: &str) -> Option<&'static Asset> {
    ALL.into_iter().find(|asset| asset.path == path)
}

macro_rules! asset {
    ($name:ident, $file:literal) => {
        pub(crate) static $name: Asset = Asset {
            path: concat!("/assets/", $file),
            made: LazyLock::new(|| {
                macro_rules! bytes {
                    ($ending:literal) => {
                        Bytes::from_static(include_bytes!(concat!(
                            env!("OUT_DIR"),
                            "/assets/",
                            $file,
                            $ending
                        )))
                    };
                }
                Made::prepared(
                    bytes!(""),
                    [
                        (Encoding::Brotli, bytes!(".br")),
                        (Encoding::Gzip, bytes!(".gz")),
                    ],
                )
            }),
        };
    };
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));
