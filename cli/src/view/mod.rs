//! Output: text, JSON, Markdown and the live screen, all from the same model and findings.

pub mod json;
pub mod text;
pub mod tui;
