//! Text that clients wrote: whole for detectors, redacted for everything else.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};

use super::redact::{self, Redactor};

/// How a kind of text is recorded. `None` if it must not be recorded at all.
pub trait Show {
    /// The recorded form of a text.
    fn show<'t>(text: &'t str, redactor: Option<&Redactor>) -> Option<Cow<'t, str>>;
}

/// Text as a client sent it. It has no `Display`; `Debug` and `Serialize` redact it, and only [`Sent::whole`], for
/// detectors, does not.
pub struct Sent<'a, S> {
    text: Cow<'a, str>,
    /// None in tests and simulations, where hashes are left out.
    redactor: Option<&'a Redactor>,
    show: PhantomData<S>,
}

impl<'a, S: Show> Sent<'a, S> {
    /// The text, to be recorded through a redactor. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn new(bytes: &'a [u8], redactor: &'a Redactor) -> Self {
        // Nearly always it is UTF-8, and checking that is faster than finding the fault.
        let text = str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        Self { text, redactor: Some(redactor), show: PhantomData }
    }

    /// As sent: for detectors, which must not output it.
    #[must_use]
    pub fn whole(&self) -> &str {
        &self.text
    }

    /// The recorded form.
    #[must_use]
    pub fn shown(&self) -> Option<Cow<'_, str>> {
        S::show(&self.text, self.redactor)
    }
}

impl<'a, S, T: Into<Cow<'a, str>>> From<T> for Sent<'a, S> {
    fn from(text: T) -> Self {
        Self { text: text.into(), redactor: None, show: PhantomData }
    }
}

impl<S> Clone for Sent<'_, S> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), redactor: self.redactor, show: PhantomData }
    }
}

impl<S: Show> fmt::Debug for Sent<'_, S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown().fmt(out)
    }
}

impl<S: Show> Serialize for Sent<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.shown().serialize(serializer)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $kind:ident: |$text:ident, $redactor:ident| $show:expr;)*) => {
        $(
            #[doc = concat!("How a [`", stringify!($name), "`] is shown.")]
            #[derive(Debug)]
            pub enum $kind {}

            impl Show for $kind {
                fn show<'t>($text: &'t str, $redactor: Option<&Redactor>) -> Option<Cow<'t, str>> {
                    $show
                }
            }

            $(#[$doc])*
            pub type $name<'a> = Sent<'a, $kind>;
        )*
    };
}

kinds! {
    /// The path of a target.
    Path, ShowPath: |text, redactor| Some(redact::path(text, redactor));
    /// Host and port.
    Host, ShowHost: |text, redactor| redact::host(text, redactor);
    /// A User-Agent.
    UserAgent, ShowUserAgent: |text, _redactor| Some(redact::agent(text));
    /// A Content-Type.
    MediaType, ShowMediaType: |text, _redactor| redact::media_type(text).map(Cow::Borrowed);
}

/// The identifiers in a path, hashed on demand. In JSON, `object:` and the first 64 bits, or `null`.
#[derive(Clone, Copy, Default)]
pub struct Object<'a> {
    path: &'a [u8],
    route: Option<&'a str>,
    redactor: Option<&'a Redactor>,
}

impl<'a> Object<'a> {
    /// Those of a path with its template.
    #[must_use]
    pub const fn new(path: &'a [u8], route: Option<&'a str>, redactor: &'a Redactor) -> Self {
        Self { path, route, redactor: Some(redactor) }
    }

    /// Their keyed hash; nothing if there are none.
    #[must_use]
    pub fn hash(&self) -> Option<u64> {
        redact::object(self.path, self.route, self.redactor?)
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash().fmt(out)
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hash().map(|hash| format!("object:{hash:016x}")).serialize(serializer)
    }
}
