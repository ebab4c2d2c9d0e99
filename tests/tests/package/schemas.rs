//! Dashboards and manifests against their consumers' schemas: Grafana's types, Helm's engine, Kubernetes' schemas. The
//! tools come from package registries; if none is reachable, that is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::tools;

/// Pinned, so that the tests do not change by themselves.
const NODE_PACKAGES: [&str; 2] = ["@grafana/schema@13.2.3", "typescript@5.9.3"];
const PYTHON_PACKAGES: [&str; 3] = ["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", "pyyaml==6.0.3"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {}:\n{printed}{said}", output.status);
    Ok(printed.into_owned())
}

#[test]
fn dashboards_are_what_grafana_takes() -> Result<()> {
    let test = "dashboards_are_what_grafana_takes";
    if tools::skipped(test, &["node", "npm"]) {
        return Ok(());
    }
    let directory = tools::directory("grafana")?;
    let compiler = directory.join("node_modules/typescript/bin/tsc");
    if !compiler.exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&directory)
            .args(NODE_PACKAGES);
        if let Err(error) = run(&mut npm) {
            tools::say_skipped(test, &format!("Grafana's schema cannot be had: {error:#}"));
            return Ok(());
        }
    }
    fs::copy(repository().join("tests/schemas/dashboard.ts"), directory.join("dashboard.ts"))?;
    let mut check = Command::new("node");
    check.current_dir(&directory).arg(&compiler);
    check.args(["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]);
    let checked = |name: &str, dashboard: &str| -> Result<String> {
        let text = format!(
            "import {{ Checked }} from \"./dashboard.js\";\nexport const dashboard: Checked = {dashboard};\n"
        );
        fs::write(directory.join(name), text)?;
        Ok(name.to_owned())
    };
    let overview = fs::read_to_string(repository().join("sensor/dist/grafana/overview.json"))?;
    let mut files = vec![checked("overview.ts", &overview)?];
    for name in ["access", "health"] {
        let text = fs::read_to_string(repository().join(format!("sensor/dist/grafana/{name}.json")))?;
        files.push(checked(&format!("{name}.ts"), &text)?);
    }
    let mut well = Command::new("node");
    well.current_dir(&directory).args(check.get_args()).args(&files);
    run(&mut well)?;
    // Something that Grafana does not know is found by this.
    let broken = checked("broken.ts", &overview.replacen("\"gridPos\"", "\"gridPosition\"", 1))?;
    ensure!(run(check.arg(broken)).is_err(), "the check finds nothing");
    Ok(())
}

/// `UPDATE_MANIFESTS=1` writes the manifest of the chart's defaults anew.
#[test]
fn manifests_are_what_kubernetes_takes() -> Result<()> {
    let test = "manifests_are_what_kubernetes_takes";
    if tools::skipped(test, &["python3", "pip3"]) {
        return Ok(());
    }
    let what = ("kubernetes", "Helm's engine and the schemas");
    let Some(directory) = tools::python_packages(test, what, &PYTHON_PACKAGES)? else { return Ok(()) };
    let dist = repository().join("sensor/dist");
    let kept = dist.join("kubernetes/daemonset.yaml");
    let mut check = Command::new("python3");
    check.env("PYTHONPATH", &directory);
    check.arg(repository().join("tests/schemas/manifests.py")).arg(dist.join("helm/sensor"));
    check.arg(dist.join("kubernetes/dashboards.yaml")).arg(dist.join("kubernetes/prometheus-rule.yaml"));
    let rendered = run(&mut check)?;
    let text = format!(
        "# The chart with its defaults, for those without Helm. The namespace `sensor` has to be there.\n{rendered}"
    );
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        fs::write(&kept, &text)?;
    }
    ensure!(
        fs::read_to_string(&kept).unwrap_or_default() == text,
        "daemonset.yaml is not as the chart has it: UPDATE_MANIFESTS=1"
    );
    Ok(())
}
