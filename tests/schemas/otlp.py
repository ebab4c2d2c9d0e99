"""Reads requests of OTLP/HTTP in JSON, one a line, with OpenTelemetry's own definitions, and prints what they say: of each,
time, severity, body and attributes."""

import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

for line in sys.stdin:
    if not line.strip():
        continue
    # Refuses what the definitions do not have.
    request = json_format.Parse(line, ExportLogsServiceRequest())
    # And as bytes, which is what most receivers keep.
    request = ExportLogsServiceRequest.FromString(request.SerializeToString())
    (resource,) = request.resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    values = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in record.attributes}
    if len(values) != len(record.attributes):
        sys.exit(f"an attribute stands twice: {line}")
    print(json.dumps({
        "service": {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.name"],
        "time": record.time_unix_nano,
        "severity": record.severity_number,
        "event": record.event_name,
        "body": record.body.string_value,
        "attributes": values,
    }))
