//! Reading configuration files: syntax, positions, and complaints that name file, line and key.
//!
//! Which keys there are is the business of the rooms that own them; they read their part through [`Section`], each
//! value into a place that holds its default. What they ask for can be written down: every description of the
//! configuration is made of that, so there is nothing that could say otherwise than the readers do.

mod document;
mod form;
mod knob;
mod read;
mod section;

pub use document::{Document, Problem};
pub use form::{Form, from_text};
pub use knob::{Description, Knob, Table};
pub use section::Section;
