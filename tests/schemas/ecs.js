// Reads events of the Elastic Common Schema, one a line, and says where they differ from the published list of fields. The
// argument is the directory of the package @elastic/ecs.
const { EcsFlat } = require(process.argv[2]);
const net = require("net");

const isDate = (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT.*Z$/.test(value) && !isNaN(Date.parse(value));
const isText = (value) => typeof value === "string";
const isWhole = (value) => Number.isInteger(value);
const types = {
  date: isDate, ip: (value) => isText(value) && net.isIP(value) > 0, keyword: isText, constant_keyword: isText,
  match_only_text: isText, wildcard: isText, long: isWhole, float: (value) => typeof value === "number",
};

function* leaves(value, path) {
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject) {
    yield [path, value];
    return;
  }
  for (const [key, inner] of Object.entries(value)) yield* leaves(inner, path ? `${path}.${key}` : key);
}

function* faults(event) {
  for (const [path, value] of leaves(event, "")) {
    // The schema leaves names of products to them.
    if (path.startsWith("sensor.")) continue;
    const field = EcsFlat[path];
    if (!field) {
      yield `${path}: no such field`;
      continue;
    }
    const isArray = field.normalize.includes("array");
    if (Array.isArray(value) && !isArray) yield `${path}: a list`;
    if (!Array.isArray(value) && isArray) yield `${path}: no list`;
    for (const one of [value].flat()) {
      const check = types[field.type];
      if (!check) yield `${path}: type ${field.type} is not known to this check`;
      else if (!check(one)) yield `${path}: ${JSON.stringify(one)} is no ${field.type}`;
      const allowed = (field.allowed_values || []).map((allowed) => allowed.name);
      if (allowed.length && !allowed.includes(one)) yield `${path}: ${one} is not allowed`;
    }
  }
  for (const field of ["@timestamp", "ecs.version"]) {
    if (![...leaves(event, "")].some(([path]) => path === field)) yield `${field}: missing`;
  }
  // Types belong to categories.
  const categories = EcsFlat["event.category"].allowed_values.filter((one) => event.event.category.includes(one.name));
  for (const type of event.event.type) {
    if (!categories.some((one) => (one.expected_event_types || []).includes(type))) yield `event.type: ${type}`;
  }
}

const found = new Set();
let count = 0;
for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  count += 1;
  for (const fault of faults(JSON.parse(line))) found.add(fault);
}
for (const fault of found) console.log(fault);
console.log(`${count} events`);
process.exit(found.size ? 1 : 0);
