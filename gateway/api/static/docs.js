// Shows openapi.json. Everything is put in as text: nothing of the description is ever taken for markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let description;

function make(tag, properties, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties || {});
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// Text with `code` in backticks.
function prose(text, tag = "p") {
  const parts = (text || "").split("`");
  return make(tag, {}, ...parts.map((part, index) => (index % 2 ? make("code", {}, part) : part)));
}

function resolve(value) {
  let found = value;
  while (found && found.$ref) {
    const names = found.$ref.slice(2).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
    const { $ref, ...beside } = found;
    found = { ...names.reduce((place, name) => place[name], description), ...beside };
  }
  return found;
}

// The name of a schema that has a section of its own.
function named(schema) {
  const match = /^#\/components\/schemas\/([^/]+)$/.exec((schema && schema.$ref) || "");
  return match ? match[1] : null;
}

function alternatives(schema) {
  return (resolve(schema).anyOf || [schema]).filter((each) => resolve(each).type !== "null");
}

function kind(schema) {
  const found = resolve(schema);
  const types = [].concat(found.type || []).filter((type) => type !== "null");
  const base = found.anyOf ? alternatives(schema).map(kind).join(" or ")
    : found.type === "array" ? `list of ${kind(found.items || {})}`
    : found.format || types.join(" or ") || (found.enum ? "one of" : "any");
  const nullable = found.anyOf ? found.anyOf.length > alternatives(schema).length : [].concat(found.type).includes("null");
  return nullable ? `${base} or null` : base;
}

function limits(schema) {
  const found = resolve(schema);
  const told = [];
  const range = (least, most, unit) => {
    if (least !== undefined || most !== undefined) {
      told.push(least === most ? `${least}${unit}` : most === undefined ? `${least}${unit} or more`
        : least === undefined ? `up to ${most}${unit}` : `${least} to ${most}${unit}`);
    }
  };
  range(found.minLength, found.maxLength, " characters");
  range(found.minimum, found.maximum, "");
  range(found.minItems, found.maxItems, " entries");
  if (found.multipleOf !== undefined && found.multipleOf !== 1) told.push(`in steps of ${found.multipleOf}`);
  if (found.multipleOf === 1) told.push("whole");
  return told.join(", ");
}

function schemaCell(schema, depth) {
  const found = resolve(schema);
  const cell = make("td");
  const [words, more] = [found.title, found.description].filter(Boolean);
  if (words) cell.append(prose(words.charAt(0).toUpperCase() + words.slice(1)));
  if (more) cell.append(make("p", { className: "more" }, more));
  if (found.enum) {
    const values = found.enum.map((value) => make("code", {}, String(value)));
    cell.append(make("p", { className: "more" }, ...values.flatMap((value) => [value, " "])));
  }
  const told = limits(schema);
  if (told) cell.append(make("p", { className: "more" }, told));
  if (found.pattern) cell.append(make("p", { className: "more" }, "form ", make("code", {}, found.pattern)));
  for (const inner of alternatives(schema)) {
    const inside = resolve(inner).type === "array" ? resolve(inner).items : inner;
    const name = named(inside);
    if (name && resolve(inside).properties) {
      cell.append(make("p", { className: "more" }, "see ", make("a", { href: `#schema-${name}` }, name)));
    } else if (resolve(inside).properties) {
      cell.append(members(inside, depth + 1));
    }
  }
  return cell;
}

function members(schema, depth = 0) {
  const found = resolve(schema);
  const required = new Set(found.required || []);
  const build = () => make("table", {}, ...Object.entries(found.properties || {}).map(([name, inner]) => make("tr", {},
    make("td", {}, make("span", { className: "name" }, name), " ",
      required.has(name) ? make("span", { className: "must" }, "required") : "",
      make("div", { className: "kind" }, kind(inner))),
    schemaCell(inner, depth))));
  if (depth === 0) return build();
  const count = Object.keys(found.properties).length;
  const box = make("details", { className: "members" }, make("summary", {}, `${count} members`));
  box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(build()); });
  return box;
}

function example(media) {
  return media.example === undefined ? null
    : make("details", {}, make("summary", {}, "Example"), make("pre", {}, JSON.stringify(media.example, null, 2)));
}

function content(parts) {
  return Object.entries(parts || {}).flatMap(([type, media]) => {
    const name = named(media.schema);
    const link = name ? make("a", { href: `#schema-${name}` }, name) : null;
    return [make("p", { className: "more" }, make("code", {}, type), link ? " as " : "", link), example(media)];
  });
}

// Headers that every call takes are said once, above.
const COMMON = ["API-Version", "X-Request-Id"];

function parameters(list) {
  const own = list.map(resolve).filter((each) => !COMMON.includes(each.name));
  return own.length ? [make("h4", {}, "Parameters"), parameterTable(own)] : [];
}

function parameterTable(list) {
  const rows = list.map((each) => {
    const cell = schemaCell({ ...resolve(each.schema), description: each.description }, 1);
    if (each.example !== undefined) cell.append(make("p", { className: "more" }, "such as ", make("code", {}, each.example)));
    return make("tr", {}, make("td", {}, make("span", { className: "name" }, each.name), " ",
      each.required ? make("span", { className: "must" }, "required") : "",
      make("div", { className: "kind" }, `in ${each.in}`)), cell);
  });
  return make("table", {}, ...rows);
}

function statusMark(status) {
  return make("span", { className: `status s${status[0]}` }, status);
}

function withHeaders(response) {
  const headers = Object.keys(response.headers || {}).filter((name) => !COMMON.includes(name));
  return headers.length
    ? make("p", { className: "more" }, "with ", ...headers.flatMap((name) => [make("code", {}, name), " "])) : null;
}

function isProblem(response) {
  return Object.keys(response.content).join() === "application/problem+json";
}

function responses(all) {
  const told = Object.entries(all).map(([status, reference]) => [status, resolve(reference)]);
  const rows = told.filter(([, response]) => !isProblem(response)).map(([status, response]) => make("tr", {},
    make("td", {}, statusMark(status)),
    make("td", {}, prose(response.description), withHeaders(response), ...content(response.content))));
  const problems = told.filter(([, response]) => isProblem(response)).map(([status, response]) =>
    make("li", {}, statusMark(status), " ", response.description.replace(/\.$/, "")));
  const link = make("a", { href: "#schema-Problem" }, "Problem");
  const list = make("td", {}, make("ul", {}, ...problems));
  if (problems.length) rows.push(make("tr", {}, make("td", {}, "or a ", link), list));
  return [make("h4", {}, "Answers"), make("table", {}, ...rows)];
}

function scopeOf(operation) {
  const scopes = (operation.security || []).flatMap((each) => each.oauth2 || []);
  return scopes.length ? `scope ${scopes.join(", ")}` : operation.security.length ? "the client's secret" : "no token";
}

function operationSection(method, path, operation) {
  const body = operation.requestBody ? resolve(operation.requestBody) : null;
  return make("section", { className: "operation", id: operation.operationId },
    make("h3", {}, operation.summary),
    make("div", { className: "signature" }, make("span", { className: `method ${method}` }, method.toUpperCase()),
      make("span", { className: "path" }, path), make("span", { className: "scope" }, scopeOf(operation))),
    prose(operation.description),
    ...parameters(operation.parameters || []),
    ...(body ? [make("h4", {}, "Body"), prose(body.description), ...content(body.content)] : []),
    ...responses(operation.responses));
}

function schemaSection(name, schema) {
  return make("section", { className: "schema", id: `schema-${name}` },
    make("h3", {}, name), schema.title ? prose(schema.title) : null, prose(schema.description),
    schema.properties ? members(schema) : make("table", {}, make("tr", {},
      make("td", {}, make("span", { className: "kind" }, kind(schema))), schemaCell({ ...schema, description: "" }, 1))));
}

function operations() {
  return Object.entries(description.paths).flatMap(([path, calls]) => Object.entries(calls)
    .filter(([method]) => METHODS.includes(method))
    .map(([method, operation]) => ({ method, path, operation, group: operation.tags[0] })));
}

function contents(calls) {
  const toc = document.getElementById("toc");
  const item = (href, ...children) => make("li", {}, make("a", { href }, ...children));
  for (const group of new Set(calls.map((call) => call.group))) {
    toc.append(make("h2", {}, group), make("ul", {}, ...calls.filter((call) => call.group === group).map((call) =>
      item(`#${call.operation.operationId}`,
        make("span", { className: `method ${call.method}` }, call.method.toUpperCase()), call.path))));
  }
  toc.append(make("h2", {}, "schemas"),
    make("ul", {}, ...Object.keys(description.components.schemas).map((name) => item(`#schema-${name}`, name))));
}

function find(words) {
  const wanted = words.trim().toLowerCase();
  for (const section of document.querySelectorAll("main section")) {
    const source = section.dataset.source || section.textContent;
    section.classList.toggle("hidden", wanted !== "" && !source.toLowerCase().includes(wanted));
  }
  for (const link of document.querySelectorAll("#toc li")) {
    const target = document.getElementById(link.firstChild.hash.slice(1));
    link.classList.toggle("hidden", target.classList.contains("hidden"));
  }
}

function show() {
  const main = document.getElementById("top");
  const { info, components } = description;
  const calls = operations();
  main.replaceChildren(
    make("h1", {}, info.title), make("p", { className: "summary" }, `${info.summary}. Version ${info.version}.`),
    ...info.description.split("\n\n").map((each) => prose(each)),
    make("p", {}, "The same for programs: ", make("a", { href: "openapi.json" }, "openapi.json"), "."),
    make("h4", {}, "Headers of every call"),
    parameterTable(COMMON.map((name) => components.parameters[name])));
  for (const group of new Set(calls.map((call) => call.group))) {
    main.append(make("h2", { className: "group" }, group));
    for (const call of calls.filter((each) => each.group === group)) {
      main.append(operationSection(call.method, call.path, call.operation));
    }
  }
  main.append(make("h2", { className: "group" }, "schemas"));
  for (const [name, schema] of Object.entries(components.schemas)) {
    const section = schemaSection(name, schema);
    section.dataset.source = name + JSON.stringify(schema);
    main.append(section);
  }
  contents(calls);
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

// A number that JavaScript cannot hold, such as 99999999999999.99, stays the text that it was.
function exactly(name, value, context) {
  const source = context && context.source;
  return typeof value === "number" && source && !/^-?[0-9]{1,12}(\.[0-9]{1,3})?$/.test(source) ? source : value;
}

fetch("openapi.json").then((answer) => answer.text()).then((text) => {
  description = JSON.parse(text, exactly);
  show();
}).catch((error) => {
  document.getElementById("top").replaceChildren(make("p", {}, `The description could not be read: ${error.message}.`));
});
