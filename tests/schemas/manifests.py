"""Renders the chart with Helm's own engine, and validates manifests against the schemas of Kubernetes.

Usage: manifests.py CHART MANIFEST...; prints the chart as it is with its defaults.
"""

import sys

import helm_python as helm
import kubernetes_validate
import yaml

# One that is served today and has all that the manifests use.
VERSION = "1.33"
# Each has a branch of the templates that the defaults do not take.
VALUES = [
    {},
    {
        "mode": "enforce",
        "interfaces": ["eth0", "eth1"],
        "config": '[identity]\ntrusted_proxies = ["10.0.0.0/8"]',
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"edge": "true"},
        "metrics": {"address": "0.0.0.0", "port": 9000, "users": {"prometheus": "$2y$10$x"}},
        "podMonitor": {"enabled": True, "labels": {"release": "x"}, "basicAuthSecret": "sensor-metrics"},
    },
]


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def validate(name, text):
    for document in documents(text):
        # Of the Prometheus operator, whose schemas Kubernetes does not have.
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            sys.exit(f"{name}: {document['kind']}: {error}")


chart, *manifests = sys.argv[1:]
report = helm.lint(chart, strict=True, namespace="sensor")
problems = [message for message in report["messages"] if message["severity"] > 1]
if problems or report["errors"]:
    sys.exit(f"lint: {problems} {report['errors']}")
for index, values in enumerate(VALUES):
    rendered = helm.Chart.load(chart).render(values, name="sensor", namespace="sensor", is_install=True)
    texts = [text for path, text in sorted(rendered.items()) if path.endswith(".yaml") and text.strip()]
    whole = "---\n".join(text.strip() + "\n" for text in texts)
    validate(f"the chart with values {index}", whole)
    if index == 0:
        print(whole, end="")
    elif len(documents(whole)) != 3:
        sys.exit(f"the chart with values {index} has {len(documents(whole))} objects")
for path in manifests:
    with open(path, encoding="utf-8") as manifest:
        validate(path, manifest.read())
