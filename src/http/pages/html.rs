//! Rendering a template to a page.

use askama::Template;
use axum::response::Html;

use crate::http::error::ApiError;

/// Renders a page.
///
/// # Errors
/// When the template fails, which is a fault of the program.
pub(super) fn render(template: &impl Template) -> Result<Html<String>, ApiError> {
    template.render().map(Html).map_err(|error| {
        tracing::error!(%error, "cannot render a page");
        ApiError::Internal("the page cannot be rendered; see the daemon's log".to_owned())
    })
}
