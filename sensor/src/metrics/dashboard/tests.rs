use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::metrics::render;
use crate::metrics::{Snapshot, families};

fn file_of(which: Dashboard) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/grafana").join(format!("{}.json", which.name()))
}

fn parsed(which: Dashboard) -> Value {
    serde_json::from_str(&dashboard(which)).unwrap()
}

fn panels(which: Dashboard) -> Vec<Value> {
    parsed(which)["panels"].as_array().unwrap().clone()
}

fn expressions(which: Dashboard) -> Vec<String> {
    let targets =
        panels(which).into_iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// `UPDATE_DASHBOARDS=1 cargo test -p sensor dashboard` writes them anew.
#[test]
fn the_files_are_as_generated() {
    for which in Dashboard::ALL {
        if std::env::var_os("UPDATE_DASHBOARDS").is_some() {
            fs::write(file_of(which), dashboard(which)).unwrap();
        }
        let file = fs::read_to_string(file_of(which)).unwrap_or_default();
        assert!(
            file == dashboard(which),
            "{} is not as generated: UPDATE_DASHBOARDS=1",
            file_of(which).display()
        );
    }
}

#[test]
fn panels_are_told_apart_and_do_not_overlap() {
    for which in Dashboard::ALL {
        let panels = panels(which);
        let number = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        let mut cells = BTreeSet::new();
        for panel in &panels {
            let (x, y, w, h) =
                (number(panel, "x"), number(panel, "y"), number(panel, "w"), number(panel, "h"));
            assert!(x + w <= 24 && w > 0 && h > 0, "{panel}");
            let mut own = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
            assert!(own.all(|cell| cells.insert(cell)), "{} overlaps", panel["title"]);
        }
    }
}

/// What Grafana needs to draw a panel, besides what depends on its type.
#[test]
fn panels_are_complete() {
    for panel in Dashboard::ALL.into_iter().flat_map(panels).filter(|panel| panel["type"] != "row") {
        let title = &panel["title"];
        assert!(matches!(panel["type"].as_str(), Some("stat" | "timeseries")), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(panel["description"].as_str().unwrap().len() > 10, "{title} has no description");
        assert!(
            !panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty(),
            "{title} has no unit"
        );
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<&str> =
            targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert!(letters.len() == targets.len() && !targets.is_empty(), "{title}");
        for target in targets {
            assert!(target["expr"].as_str().unwrap().contains("$instance"), "{title} is about all instances");
            assert!(!target["legendFormat"].as_str().unwrap().is_empty(), "{title} has no legend");
        }
        let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
        assert!(steps[0]["value"].is_null(), "{title}: the first step has no value");
    }
}

#[test]
fn variables_are_those_that_panels_use() {
    for which in Dashboard::ALL {
        let parsed = parsed(which);
        let names: Vec<&str> = parsed["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["datasource", "instance"]);
        let unknown: Vec<String> =
            expressions(which).iter().flat_map(|text| unknown_variables(text)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

/// Variables of an expression that a dashboard does not have.
fn unknown_variables(expression: &str) -> Vec<String> {
    let name_of =
        |rest: &str| rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next().map(str::to_owned);
    let used = expression.split('$').skip(1).filter_map(name_of);
    used.filter(|name| !["instance", "__rate_interval"].contains(&name.as_str())).collect()
}

/// A family that no dashboard shows is one that nobody looks at.
#[test]
fn every_family_is_shown() {
    let all = Dashboard::ALL.into_iter().flat_map(expressions).collect::<Vec<_>>().join("\n");
    let missing: Vec<&str> = families()
        .into_iter()
        .map(|family| family.name)
        .filter(|name| !all.contains(&format!("{name}{{")) && !all.contains(&format!("{name}_bucket{{")))
        .collect();
    assert!(missing.is_empty(), "in no panel of {:?}: {missing:?}", Dashboard::ALL);
}

#[test]
fn process_families_are_what_the_library_has() {
    let text = render(&Snapshot::default()).unwrap();
    use process::{CPU, DESCRIPTORS, DESCRIPTORS_MAX, RESIDENT, START, THREADS};
    for family in [CPU, DESCRIPTORS, DESCRIPTORS_MAX, RESIDENT, START, THREADS] {
        assert!(text.contains(&format!("# TYPE {} ", family.name)), "no {}", family.name);
    }
}
