//! Grafana dashboards, made from the families: names from their constants, descriptions from their doc comments.
//!
//! Colours are those of Okabe and Ito, and no panel is told by colour alone.

mod access;
mod health;
mod overview;
mod panel;
mod process;
mod query;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use panel::{Row, datasource, heading};

use crate::printable::to_pretty_json;

/// A dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dashboard {
    /// For the operator: what comes, what is refused, who attacks.
    Overview,
    /// For whoever answers for the API: who may do what, credentials, what there is.
    Access,
    /// For the sensor's own health: losses, tables, memory.
    Health,
}

impl Dashboard {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Overview, Self::Access, Self::Health];

    /// The name of its file, without `.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Access => "access",
            Self::Health => "health",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Sensor: overview",
            Self::Access => "Sensor: authorization and posture",
            Self::Health => "Sensor: its own health",
        }
    }

    fn rows(self) -> Vec<Row> {
        match self {
            Self::Overview => overview::rows(),
            Self::Access => access::rows(),
            Self::Health => health::rows(),
        }
    }
}

/// A dashboard as Grafana 10 and later provision or import it.
#[must_use]
pub fn dashboard(which: Dashboard) -> String {
    let others = Dashboard::ALL.into_iter().filter(|other| *other != which);
    let links: Vec<Value> = others.map(link).collect();
    let document = json!({
        "uid": format!("sensor-{}", which.name()),
        "title": which.title(),
        "tags": ["sensor"],
        "description": "Generated from the metric families by sensor/src/metrics/dashboard; changes belong there.",
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "liveNow": false,
        "links": links,
        "annotations": {"list": [alerts_firing()]},
        "templating": {"list": variables()},
        "panels": place(which.rows()),
    });
    // A value of strings, numbers and lists is always written.
    let text = to_pretty_json(&document).unwrap_or_default();
    format!("{text}\n")
}

/// Panels from left to right in lines of 24, each line as high as its highest.
fn place(rows: Vec<Row>) -> Vec<Value> {
    let mut placed: Vec<Value> = Vec::new();
    let (mut id, mut y) = (1_u64, 0_u64);
    for Row { title, panels } in rows {
        placed.push(heading(title, id, y));
        (id, y) = (id.saturating_add(1), y.saturating_add(1));
        let (mut x, mut line) = (0_u64, 0_u64);
        for panel in panels {
            let (width, height) = panel.size();
            if x.saturating_add(width) > 24 {
                (x, y, line) = (0, y.saturating_add(line), 0);
            }
            placed.push(panel.json(id, (x, y)));
            (id, x, line) = (id.saturating_add(1), x.saturating_add(width), line.max(height));
        }
        y = y.saturating_add(line);
    }
    placed
}

fn link(to: Dashboard) -> Value {
    json!({
        "type": "link",
        "title": to.title(),
        "url": format!("/d/sensor-{}", to.name()),
        "icon": "dashboard",
        "keepTime": true,
        "includeVars": true,
        "asDropdown": false,
        "targetBlank": false,
        "tags": [],
        "tooltip": "",
    })
}

/// Marks the times at which one of our alerting rules fires.
fn alerts_firing() -> Value {
    json!({
        "name": "Alerts of Prometheus",
        "datasource": datasource(),
        "enable": true,
        "hide": false,
        "iconColor": panel::VERMILION,
        "target": {
            "refId": "alerts",
            "expr": "ALERTS{alertname=~\"Sensor.+\",alertstate=\"firing\"}",
            "interval": "30s",
        },
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
    })
}

fn variables() -> Value {
    let instances = format!("label_values({}, instance)", super::families::BUILD_INFO.name);
    json!([
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "regex": "",
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "refresh": 1,
            "options": [],
        },
        {
            "name": "instance",
            "label": "Instance",
            "type": "query",
            "datasource": datasource(),
            "query": {"query": instances, "refId": "instances"},
            "regex": "",
            "hide": 0,
            "includeAll": true,
            "allValue": ".+",
            "multi": true,
            "refresh": 2,
            "sort": 1,
            "options": [],
            "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        },
    ])
}
