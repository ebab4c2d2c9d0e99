//! Panels, and how Grafana wants them written (schema 39, that of Grafana 10.4; later ones migrate it).

use serde_json::{Value, json};

use crate::metrics::families::Family;

/// The palette of Okabe and Ito (2008), which stays distinct with every kind of colour blindness.
pub(super) const BLUE: &str = "#0072B2";
pub(super) const SKY: &str = "#56B4E9";
pub(super) const GREEN: &str = "#009E73";
pub(super) const YELLOW: &str = "#F0E442";
pub(super) const ORANGE: &str = "#E69F00";
pub(super) const VERMILION: &str = "#D55E00";
pub(super) const PURPLE: &str = "#CC79A7";
pub(super) const GREY: &str = "#999999";

/// For series without a meaning that a colour could tell.
const PALETTE: [&str; 8] = [BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, GREY];

/// How a panel looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// One large number for each series.
    Stat,
    /// The names of the series, which are the value: a mode, a version.
    Names,
    /// Lines over time.
    Lines,
    /// Areas over time, on top of each other.
    Areas,
    /// Bars over time, on top of each other: few events, each of which counts.
    Bars,
}

/// A panel, or the heading of the panels below it.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    title: &'static str,
    view: View,
    unit: &'static str,
    width: u64,
    description: String,
    queries: Vec<(String, String)>,
    colours: Vec<(String, &'static str)>,
    steps: Vec<(Option<f64>, &'static str)>,
    words: Vec<(u64, &'static str, &'static str)>,
    most: Option<f64>,
}

/// Panels under a heading.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// Unit, width of 24, and the families whose HELP texts describe the panel.
fn panel(title: &'static str, view: View, unit: &'static str, width: u64, about: &[&Family]) -> Panel {
    let description: Vec<String> = about.iter().map(|family| family.help()).collect();
    Panel {
        title,
        view,
        unit,
        width,
        description: description.join(" "),
        queries: Vec::new(),
        colours: Vec::new(),
        steps: vec![(None, BLUE)],
        words: Vec::new(),
        most: None,
    }
}

pub(super) fn stat(title: &'static str, unit: &'static str, about: &[&Family]) -> Panel {
    panel(title, View::Stat, unit, 4, about)
}

pub(super) fn names(title: &'static str, about: &[&Family]) -> Panel {
    panel(title, View::Names, "none", 4, about)
}

pub(super) fn lines(title: &'static str, unit: &'static str, about: &[&Family]) -> Panel {
    panel(title, View::Lines, unit, 8, about)
}

pub(super) fn areas(title: &'static str, unit: &'static str, about: &[&Family]) -> Panel {
    panel(title, View::Areas, unit, 8, about)
}

pub(super) fn bars(title: &'static str, about: &[&Family]) -> Panel {
    panel(title, View::Bars, "short", 8, about)
}

impl Panel {
    /// Adds a query; `legend` may have labels in it, as in `{{reason}}`.
    pub(super) fn query(mut self, expression: String, legend: &str) -> Self {
        self.queries.push((expression, legend.to_owned()));
        self
    }

    pub(super) const fn width(mut self, width: u64) -> Self {
        self.width = width;
        self
    }

    /// Says more than the HELP texts do.
    pub(super) fn note(mut self, text: &str) -> Self {
        self.description = format!("{} {text}", self.description).trim().to_owned();
        self
    }

    /// Colours of series by name.
    pub(super) fn colours(mut self, colours: &[(&str, &'static str)]) -> Self {
        self.colours.extend(colours.iter().map(|(name, colour)| ((*name).to_owned(), *colour)));
        self
    }

    /// Colours of series by name, from the palette.
    pub(super) fn series<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let colours = names.into_iter().map(str::to_owned).zip(PALETTE.into_iter().cycle());
        self.colours.extend(colours);
        self
    }

    /// The colour of the value from some value on.
    pub(super) fn from(mut self, value: f64, colour: &'static str) -> Self {
        self.steps.push((Some(value), colour));
        self
    }

    /// The colour of the value below all others.
    pub(super) fn base(mut self, colour: &'static str) -> Self {
        self.steps = vec![(None, colour)];
        self
    }

    /// A word instead of a value.
    pub(super) fn word(mut self, value: u64, word: &'static str, colour: &'static str) -> Self {
        self.words.push((value, word, colour));
        self
    }

    /// The end of the axis.
    pub(super) const fn most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    pub(super) const fn size(&self) -> (u64, u64) {
        let height = match self.view {
            View::Stat | View::Names => 4,
            View::Lines | View::Areas | View::Bars => 8,
        };
        (self.width, height)
    }

    /// As Grafana reads it.
    pub(super) fn json(&self, id: u64, place: (u64, u64)) -> Value {
        let (width, height) = self.size();
        let is_stat = matches!(self.view, View::Stat | View::Names);
        json!({
            "id": id,
            "type": if is_stat { "stat" } else { "timeseries" },
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": {"x": place.0, "y": place.1, "w": width, "h": height},
            "targets": self.targets(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
            "options": if is_stat { self.stat_options() } else { series_options() },
        })
    }

    fn targets(&self) -> Vec<Value> {
        let letters = ('A'..='Z').map(String::from);
        let queries = self.queries.iter().zip(letters).map(|((expression, legend), letter)| {
            json!({
                "refId": letter,
                "datasource": datasource(),
                "editorMode": "code",
                "expr": expression,
                "legendFormat": legend,
                "instant": self.view == View::Names,
                "range": self.view != View::Names,
            })
        });
        queries.collect()
    }

    fn defaults(&self) -> Value {
        let steps = self.steps.iter().map(|(value, colour)| json!({"value": value, "color": colour}));
        let steps: Vec<Value> = steps.collect();
        let words: serde_json::Map<String, Value> = self
            .words
            .iter()
            .map(|(value, word, colour)| (value.to_string(), json!({"text": word, "color": colour})))
            .collect();
        let mappings =
            if words.is_empty() { json!([]) } else { json!([{"type": "value", "options": words}]) };
        let is_stat = matches!(self.view, View::Stat | View::Names);
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "color": {"mode": if is_stat { "thresholds" } else { "palette-classic" }},
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": mappings,
            "custom": if is_stat { json!({}) } else { self.drawing() },
        });
        if let (Some(most), Some(fields)) = (self.most, defaults.as_object_mut()) {
            fields.insert("max".to_owned(), json!(most));
        }
        defaults
    }

    fn drawing(&self) -> Value {
        let (style, fill, stacking) = match self.view {
            View::Areas => ("line", 50, "normal"),
            View::Bars => ("bars", 90, "normal"),
            View::Lines | View::Stat | View::Names => ("line", 0, "none"),
        };
        json!({
            "drawStyle": style,
            "fillOpacity": fill,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": false,
            "stacking": {"mode": stacking, "group": "A"},
            "thresholdsStyle": {"mode": if self.steps.len() > 1 { "line" } else { "off" }},
        })
    }

    fn overrides(&self) -> Vec<Value> {
        let colours = self.colours.iter().map(|(name, colour)| {
            json!({
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            })
        });
        colours.collect()
    }

    fn stat_options(&self) -> Value {
        json!({
            "colorMode": "value",
            "graphMode": if self.view == View::Names || !self.words.is_empty() { "none" } else { "area" },
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "textMode": if self.view == View::Names { "name" } else { "auto" },
        })
    }
}

fn series_options() -> Value {
    json!({
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

/// The heading above a group of panels.
pub(super) fn heading(title: &str, id: u64, y: u64) -> Value {
    json!({
        "id": id,
        "type": "row",
        "title": title,
        "collapsed": false,
        "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
        "panels": [],
    })
}

pub(super) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
