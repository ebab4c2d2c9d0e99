//! Reading configuration files: syntax, positions, and errors that name file, line and key.
//!
//! The rooms that own the keys define them: they read their part through [`Section`], each value into a field that
//! holds its default. Their requests can be recorded, and every description of the configuration is generated from that
//! record, so it cannot contradict the readers.

mod document;
mod form;
mod knob;
mod read;
mod section;

pub use document::{Document, Problem};
pub(crate) use form::as_text;
pub use form::{Form, from_text};
pub use knob::{Description, Knob, Table};
pub use section::Section;
