//! Where in a message a value is.

use serde::Serialize;

/// Where in a message a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The path of the request.
    Path,
    /// A parameter of the query.
    Query,
    /// A field of a form, URL-encoded or multipart.
    Form,
    /// The name of an uploaded file.
    File,
    /// A member of a JSON document.
    Json,
    /// An element or an attribute of an XML document, or the document itself.
    Xml,
    /// An argument in a GraphQL document.
    Graphql,
    /// A cookie.
    Cookie,
    /// Path or query of the page that the request came from (`Referer`, `Origin`).
    Referer,
    /// Another header.
    Header,
    /// A body of another kind, as a whole.
    Body,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 11] = [
        Self::Path,
        Self::Query,
        Self::Form,
        Self::File,
        Self::Json,
        Self::Xml,
        Self::Graphql,
        Self::Cookie,
        Self::Referer,
        Self::Header,
        Self::Body,
    ];

    /// The word in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Form => "form",
            Self::File => "file",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Graphql => "graphql",
            Self::Cookie => "cookie",
            Self::Referer => "referer",
            Self::Header => "header",
            Self::Body => "body",
        }
    }
}
