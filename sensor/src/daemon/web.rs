//! Metrics, health and readiness over HTTP.

use std::net::TcpListener as StdListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::commands::Commands;
use crate::metrics;

/// Serves until dropped.
pub(super) async fn serve(listener: StdListener, commands: Arc<Commands>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    // The process is ready before this runs: the program is attached before the run time starts.
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .with_state(commands);
    axum::serve(listener, router).await
}

async fn scrape(State(commands): State<Arc<Commands>>) -> Response {
    let snapshot = commands.engine().snapshot();
    let text = snapshot
        .map_err(|error| error.to_string())
        .and_then(|snapshot| metrics::render(&snapshot).map_err(|error| error.to_string()));
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], Bytes::from(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}
