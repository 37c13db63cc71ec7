//! Errors as pages.

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::html::render;
use crate::http::error::ApiError;

/// An error that a visitor is told on a page.
pub(super) struct PageProblem(ApiError);

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a str,
}

impl From<ApiError> for PageProblem {
    fn from(error: ApiError) -> Self {
        PageProblem(error)
    }
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        let PageProblem(error) = self;
        match render(&ProblemPage { problem: &error.to_string() }) {
            Ok(page) => (error.status(), error.headers(), page).into_response(),
            Err(fault) => fault.into_response(),
        }
    }
}
