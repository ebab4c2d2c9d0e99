"""Reads events of the Open Cybersecurity Schema Framework, one a line, and says where they differ from the schema of their
version and of later ones."""

import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

events = [json.loads(line) for line in sys.stdin if line.strip()]
versions = {event["metadata"]["version"] for event in events} | {"1.5.0", "1.8.0"}
faults = set()
for version in sorted(versions):
    schema = get_ocsf_schema(version)
    # All are of one class, with the same profiles.
    profiles = events[0]["metadata"]["profiles"]
    name = OcsfJsonSchemaEmbedded(schema).lookup_class_name_from_uid(events[0]["class_uid"])
    validator = jsonschema.Draft202012Validator(OcsfJsonSchemaEmbedded(schema).get_class_schema(name, profiles))
    attributes = schema["classes"][name]["attributes"]
    for event in events:
        for error in validator.iter_errors(event):
            place = ".".join(str(part) for part in error.absolute_path)
            faults.add(f"{version}: {place}: {error.message[:300]}")
        # What JSON Schema does not say: names go with numbers, and the type follows from class and activity.
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            faults.add(f"{version}: type_uid {event['type_uid']}")
        for number, word in [("severity_id", "severity"), ("status_id", "status"), ("confidence_id", "confidence")]:
            caption = attributes[number]["enum"][str(event[number])]["caption"]
            if caption != event[word]:
                faults.add(f"{version}: {word} {event[word]} is {caption}")
for fault in sorted(faults):
    print(fault)
print(len(events), "events")
sys.exit(1 if faults else 0)
