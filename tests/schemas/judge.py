"""A server that accepts what an OpenAPI document allows, and refuses the rest with 400: judged by `jsonschema`, not by
whoever made the request, since some generators call requests invalid that the document allows.

usage: judge.py DOCUMENT ADDRESS PORT VERDICTS

VERDICTS gets a line of JSON for each request, in order: its method, its status, what was wrong, its path.
"""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker

DOCUMENT = json.load(open(sys.argv[1]))
VERDICTS = open(sys.argv[4], "w")
LOCK = threading.Lock()
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII)


def validator(schema):
    # References lead into the document.
    whole = {"components": DOCUMENT["components"], **schema}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def faults(schema, value):
    return [f"{error.validator}: {error.message[:80]}" for error in validator(schema).iter_errors(value)]


def readings(text):
    """The values that a text in a parameter may stand for (it has no types of its own)."""
    yield text
    if text in ("true", "false"):
        yield text == "true"
    if text == "null":
        yield None
    if NUMBER.match(text):
        yield json.loads(text)


def text_faults(schema, text):
    all_faults = [faults(schema, value) for value in readings(text)]
    return [] if any(not found for found in all_faults) else all_faults[0]


def list_faults(schema, values):
    """A list's entries, each as the first thing that it may stand for and that the schema takes."""
    entries = []
    for text in values:
        taken = [value for value in readings(text) if not faults(schema["items"], value)]
        entries.append(taken[0] if taken else text)
    return faults(schema, entries)


def parameter_faults(parameter, values):
    name, schema = parameter["name"], parameter["schema"]
    if not values:
        return [f"required: {name}"] if parameter.get("required") else []
    if schema.get("type") == "array":
        if not parameter.get("explode", True) and len(values) == 1:
            values = values[0].split(",")
        # A name without anything is how an empty list is written.
        found = [] if values == [""] and not faults(schema, []) else list_faults(schema, values)
    else:
        # Which of several values counts is not in the document: one of them has to be right.
        each = [text_faults(schema, value) for value in values]
        found = [] if any(not faults for faults in each) else each[0]
    return [f"{name}: {fault}" for fault in found]


def form_faults(schema, body):
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        return [f"form: {error}"]
    found = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    result = [f"required: {name}" for name in schema.get("required", []) if name not in found]
    for name, schema in schema["properties"].items():
        result += parameter_faults({"name": name, "schema": schema}, found.get(name, []))
    return result


def body_faults(described, headers, body):
    if not body:
        return ["required: body"] if described.get("required") else []
    media = headers.get("Content-Type", "").split(";")[0].strip().lower()
    content = described["content"]
    if media not in content:
        return [f"content-type: {media}"]
    schema = content[media]["schema"]
    if media == "application/x-www-form-urlencoded":
        return form_faults(schema, body)
    try:
        # Constants that Python takes and JSON does not have.
        def refuse(constant):
            raise ValueError(constant)

        value = json.loads(body.decode(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        return [f"json: {error}"]
    return faults(schema, value)


def find(method, path):
    """The operation and its path's parameters; none where the document has no such path or method."""
    for template, item in DOCUMENT["paths"].items():
        own, given = template.split("/"), path.split("/")
        if len(own) == len(given) and all(o.startswith("{") and g or o == g for o, g in zip(own, given)):
            names = {o[1:-1]: unquote(g) for o, g in zip(own, given) if o.startswith("{")}
            return item.get(method.lower()), names
    return None, {}


class Judge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def judge(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        operation, names = find(self.command, target.path)
        if operation is None:
            return None, ["undocumented"]
        query = parse_qsl(target.query, keep_blank_values=True)
        found = []
        for parameter in operation.get("parameters", []):
            name, place = parameter["name"], parameter["in"]
            if place == "path":
                values = [names[name]]
            elif place == "query":
                values = [value for own, value in query if own == name]
            else:
                values = self.headers.get_all(name) or []
            found += parameter_faults(parameter, values)
        if "requestBody" in operation:
            found += body_faults(operation["requestBody"], self.headers, body)
        return operation, found

    def answer(self):
        operation, found = self.judge()
        status = 404 if operation is None else 400 if found else 200
        with LOCK:
            verdict = {"method": self.command, "status": status, "faults": found, "path": self.path[:200]}
            VERDICTS.write(json.dumps(verdict) + "\n")
            VERDICTS.flush()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def __getattr__(self, name):
        # Generators send methods that nobody has heard of.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Judge).serve_forever()
