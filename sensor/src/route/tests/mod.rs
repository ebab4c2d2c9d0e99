mod bounds;
mod learning;
mod looks;
mod persistence;

use super::{Config, Routes};

fn routes() -> Routes {
    with(&Config::default())
}

fn with(config: &Config) -> Routes {
    Routes::new(config).unwrap()
}

/// The template of a path that was answered with a status.
fn seen(routes: &mut Routes, path: &str, status: u16) -> String {
    let route = routes.observe(path.as_bytes(), Some(status));
    routes.text(route).to_owned()
}

/// The template of a path of which nothing is learned.
fn template(routes: &mut Routes, path: &str) -> String {
    let route = routes.template(path.as_bytes());
    routes.text(route).to_owned()
}
