//! Typed query parameters. Each route declares a struct for its parameters with [`query_params!`].
//! The handler of the route gets that struct from an extractor, such as [`Query`].
//!
//! Parameters that the struct does not declare, and repeated parameters, are rejected before any
//! value is parsed.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use jiff::civil::Date;

use super::problem::Problem;
use catchment_core::request::{InvalidRequest, RequestParams};

/// The query parameters of a route.
pub(super) trait QueryParams: Sized {
    /// The names of the parameters, in the order in which an error lists them.
    const NAMES: &'static [&'static str];

    /// Parses the values of the parameters.
    fn from_params(params: &RequestParams) -> Result<Self, Problem>;

    /// Returns the dataset and the date that the parameters select, if the route has such
    /// parameters.
    fn selection(&self) -> Option<&DatasetSelection>;

    /// Parses the query string of a URI.
    fn from_uri(uri: &Uri) -> Result<Self, Problem> {
        Self::from_params(&params_from_uri(uri, Self::NAMES)?)
    }
}

/// The value of one or more parameters.
pub(super) trait ParamValue: Sized {
    /// Parses the value from the parameters with these names.
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<Self, Problem>;

    /// Returns the dataset and the date, if this value is a selection of a dataset and a date.
    fn selection(&self) -> Option<&DatasetSelection> {
        None
    }
}

/// Declares the query parameters of a route: a struct that implements [`QueryParams`]. Each field
/// is the value of one or more parameters, whose names are in brackets. The fields are parsed in order, and the first error is
/// returned. If the type of a field is `Result`, the handler deals with its error.
macro_rules! query_params {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $(
                $(#[$field_attribute:meta])*
                $field_visibility:vis $field:ident: $value:ty = [$($param:literal),+],
            )+
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $value,)+
        }

        impl $crate::http::query_params::QueryParams for $name {
            const NAMES: &'static [&'static str] = &[$($($param),+),+];

            fn from_params(
                params: &catchment_core::request::RequestParams,
            ) -> Result<$name, $crate::http::problem::Problem> {
                use $crate::http::query_params::ParamValue;
                Ok($name {
                    $($field: ParamValue::from_params(params, &[$($param),+])?,)+
                })
            }

            fn selection(&self) -> Option<&$crate::http::query_params::DatasetSelection> {
                use $crate::http::query_params::ParamValue;
                None$(.or_else(|| ParamValue::selection(&self.$field)))+
            }
        }
    };
}
pub(super) use query_params;

/// No query parameters.
pub(super) struct NoParams;

impl QueryParams for NoParams {
    const NAMES: &'static [&'static str] = &[];

    fn from_params(_: &RequestParams) -> Result<NoParams, Problem> {
        Ok(NoParams)
    }

    fn selection(&self) -> Option<&DatasetSelection> {
        None
    }
}

/// An extractor of the query parameters of a route.
pub(super) struct Query<P>(pub(super) P);

impl<P: QueryParams, S: Send + Sync> FromRequestParts<S> for Query<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<P>, Problem> {
        P::from_uri(&parts.uri).map(Query)
    }
}

/// An extractor of the query parameters of a route that ignores unknown parameters.
pub(super) struct LenientQuery<P>(pub(super) P);

impl<P: QueryParams, S: Send + Sync> FromRequestParts<S> for LenientQuery<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<LenientQuery<P>, Problem> {
        let known = pairs(&parts.uri).filter(|(name, _)| P::NAMES.contains(&name.as_str()));
        let params = RequestParams::new(known, P::NAMES)?;
        P::from_params(&params).map(LenientQuery)
    }
}

fn pairs(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned()
}

/// Returns the parameters of the query string.
pub(super) fn params_from_uri(
    uri: &Uri,
    allowed: &[&'static str],
) -> Result<RequestParams, Problem> {
    Ok(RequestParams::new(pairs(uri), allowed)?)
}

/// Returns the non-blank parameters of the query string. Browsers send the empty fields of a form
/// as blank parameters.
pub(super) fn non_blank_params_from_uri(
    uri: &Uri,
    allowed: &[&'static str],
) -> Result<RequestParams, Problem> {
    let non_blank = pairs(uri).filter(|(_, value)| !value.trim().is_empty());
    Ok(RequestParams::new(non_blank, allowed)?)
}

/// The dataset and the as-of date that a request selects.
pub(super) struct DatasetSelection {
    /// The version of the dataset; `None` means the current version.
    pub(super) version: Option<String>,
    pub(super) as_of: GivenDate,
}

/// The as-of date that a request contains; `None` means today. An invalid date is reported only
/// after the dataset has been found.
pub(super) type GivenDate = Result<Option<Date>, InvalidRequest>;

impl ParamValue for DatasetSelection {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<Self, Problem> {
        Ok(DatasetSelection {
            version: params.get("dataset").map(str::to_string),
            as_of: params.given_date(),
        })
    }

    fn selection(&self) -> Option<&DatasetSelection> {
        Some(self)
    }
}

impl ParamValue for GivenDate {
    fn from_params(params: &RequestParams, _: &[&'static str]) -> Result<GivenDate, Problem> {
        Ok(params.given_date())
    }
}

/// The text of a parameter.
impl ParamValue for Option<String> {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<Self, Problem> {
        Ok(params.get(names[0]).map(str::to_string))
    }
}

/// A value whose error the handler returns. Other errors may take precedence.
impl<T: ParamValue> ParamValue for Result<T, Problem> {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<Self, Problem> {
        Ok(T::from_params(params, names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that is always invalid.
    struct Invalid;

    impl ParamValue for Invalid {
        fn from_params(_: &RequestParams, names: &[&'static str]) -> Result<Invalid, Problem> {
            Err(Problem::bad_request("malformed", names.join("+")))
        }
    }

    query_params! {
        struct ValidParams {
            text: Option<String> = ["text"],
            deferred: Result<Invalid, Problem> = ["first", "second"],
            selection: DatasetSelection = ["as_of", "dataset"],
        }
    }

    query_params! {
        struct InvalidParams {
            _value: Invalid = ["value"],
        }
    }

    fn parse<P: QueryParams>(query: &str) -> Result<P, Problem> {
        let uri = format!("/path?{query}").parse().expect("a URI");
        P::from_uri(&uri)
    }

    #[test]
    fn declared_names_are_accepted_in_order_and_others_are_rejected() {
        assert_eq!(
            ValidParams::NAMES,
            ["text", "first", "second", "as_of", "dataset"]
        );
        let params: ValidParams = parse("dataset=1&text=a&as_of=2025-02-30").expect("valid");
        assert_eq!(params.text.as_deref(), Some("a"));
        let deferred = params.deferred.as_ref().err().expect("deferred");
        assert_eq!(deferred.detail(), "first+second");
        let selection = QueryParams::selection(&params).expect("a selection");
        assert_eq!(selection.version.as_deref(), Some("1"));
        assert!(selection.as_of.is_err());
        for (query, code) in [
            ("value=", "malformed"),
            ("value=&other=", "unknown_parameter"),
            ("value=&value=", "repeated_parameter"),
        ] {
            let problem = parse::<InvalidParams>(query).err().expect("invalid");
            assert_eq!(problem.code(), code, "{query}");
        }
        assert!(parse::<NoParams>("").is_ok());
        let problem = parse::<NoParams>("a").err().expect("no parameters");
        assert_eq!(problem.detail(), "unknown parameter; allowed: none");
    }
}
