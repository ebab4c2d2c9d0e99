//! Reading configuration files: syntax, positions, and complaints that name file, line and key.
//!
//! Which keys there are is the business of the rooms that own them; they read their part through [`Section`].

mod document;
mod section;

pub use document::{Document, Problem};
pub use section::Section;
