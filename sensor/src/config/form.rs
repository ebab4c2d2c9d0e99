//! Text forms of configuration values.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The form of a value: how readers parse it, and how descriptions present it.
#[derive(Debug)]
pub struct Form<T> {
    /// The expected form, such as "a rate such as `100/s`".
    pub kind: &'static str,
    /// An example other than the default.
    pub example: &'static str,
    /// Parses it.
    pub read: fn(&str) -> Result<T, String>,
    /// Writes it, so that it parses to the same value.
    pub show: fn(&T) -> String,
}

/// Parses with [`FromStr`], with the error as text.
///
/// # Errors
/// Those of the type.
pub fn from_text<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Serialises a type as the text that operators write.
macro_rules! as_text {
    ($type:ty) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_text;

impl Form<String> {
    /// Any text.
    #[must_use]
    pub const fn any(kind: &'static str, example: &'static str) -> Self {
        Self { kind, example, read: |text| Ok(text.to_owned()), show: String::clone }
    }
}

impl<T: FromStr<Err: Display> + Display> Form<Option<T>> {
    /// In the type's own form, or `off`.
    #[must_use]
    pub const fn or_off(kind: &'static str, example: &'static str) -> Self {
        Self {
            kind,
            example,
            read: |text| if text.trim() == "off" { Ok(None) } else { from_text(text).map(Some) },
            show: |value| value.as_ref().map_or_else(|| "off".to_owned(), T::to_string),
        }
    }
}

impl Form<PathBuf> {
    /// An absolute path.
    #[must_use]
    pub const fn path(example: &'static str) -> Self {
        Self {
            kind: "an absolute path",
            example,
            read: |text| {
                let path = PathBuf::from(text);
                if path.is_absolute() { Ok(path) } else { Err("expected an absolute path".to_owned()) }
            },
            show: |path| path.display().to_string(),
        }
    }
}

/// A text as TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list as TOML. Numbers are written without quotes.
pub(super) fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items
        .map(|item| if item.bytes().all(|byte| byte.is_ascii_digit()) { item } else { quoted(&item) })
        .collect();
    format!("[{}]", items.join(", "))
}

/// Units of time, in milliseconds, the longest first.
const UNITS: [(u128, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

/// A time in the largest unit that divides it.
pub(super) fn shown_time(time: Duration) -> String {
    let whole = |(length, _): &(u128, &str)| time.as_millis().is_multiple_of(*length);
    let (length, unit) = UNITS.into_iter().find(whole).unwrap_or((1, "ms"));
    format!("{}{unit}", time.as_millis().checked_div(length).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["10m", "90d", "1d", "7d", "20s", "500ms", "36h", "90s"] {
            assert_eq!(shown_time(humantime::parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn texts_are_quoted_and_numbers_are_not() {
        assert_eq!(listed(["80".to_owned(), "auto".to_owned()].into_iter()), "[80, \"auto\"]");
        assert_eq!(quoted("a\"b"), "'a\"b'");
    }
}
