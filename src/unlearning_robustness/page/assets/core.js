"use strict";
/* What all parts of the page share: unpacking, elements, tables as rows. Text of the study is only ever set as text. */
const page = { data: null, place: null, parts: new Map(), waiting: new Map() };

async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const parsed = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/* A part of the answers: from this page, or from the script beside it that holds the part. */
function part(name) {
  if (!page.parts.has(name)) {
    const inside = document.querySelector(`script[data-part="${CSS.escape(name)}"]`);
    page.parts.set(name, (inside ? Promise.resolve(inside.textContent) : beside(name)).then(unpack));
  }
  return page.parts.get(name);
}

function beside(name) {
  return new Promise((resolve, reject) => {
    page.waiting.set(name, resolve);
    const file = page.data.files[name];
    if (!file) return reject(new Error(`no answers of ${name} were recorded`));
    const script = document.createElement("script");
    script.onerror = () => reject(new Error(`${file} does not lie beside this page`));
    script.src = file;
    document.head.append(script);
  });
}

window.answersBeside = (name, content) => page.waiting.get(name)?.(content);

/* An element with attributes and children; strings become text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function choice(label, options, value, onchange) {
  const select = element("select", { onchange: () => onchange(select.value) });
  for (const [key, text] of options) select.append(element("option", { value: key, selected: key === value }, text));
  return element("label", { class: "field" }, label, select);
}

function checkboxes(title, options, chosen, onchange, colours = {}) {
  const boxes = options.map(([key, text]) => {
    const box = element("input", {
      type: "checkbox", value: key, checked: chosen.has(key),
      onchange: () => { box.checked ? chosen.add(key) : chosen.delete(key); onchange(); },
    });
    const swatch = colours[key] ? element("span", { class: "swatch", style: `--swatch:${colours[key]}` }) : null;
    return element("label", {}, box, swatch, text);
  });
  return element("fieldset", {}, element("legend", {}, title), ...boxes);
}

const rowsRead = new Map();

/* Rows of a table of the chosen model and benchmark; of answers those about accuracy. */
function rows(name) {
  const key = `${page.place} ${name}`;
  if (!rowsRead.has(key)) {
    const columns = Object.entries(page.data.tables[name] || {});
    const all = d3.range(columns[0]?.[1].length || 0).map((i) => Object.fromEntries(columns.map(([c, v]) => [c, v[i]])));
    rowsRead.set(key, all.filter((row) => (!row.model || `${row.model}/${row.benchmark}` === page.place)
      && (!row.measure || row.measure === "accuracy")));
  }
  return rowsRead.get(key);
}

const named = () => page.data.places[page.place];
const method = (id) => named().methods[id] ?? id;
const defence = (id) => named().defences[id] ?? id;
const probe = (id) => named().probes[id] ?? id;
const attack = (id) => (id === "none" ? "no attack" : named().attacks[id] ?? id);
const cell = (row) => (row.method === "reference" ? "reference" : `${method(row.method)}, ${defence(row.defence)}`);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const shade = (value) => (dark.matches ? d3.interpolateLab(value, "#fff")(0.3) : value);
const colourOf = (id) => shade(named().colours[id] ?? "#888888");
const colour = (row) => (row.method === "reference" ? "currentColor" : colourOf(row.defence));
const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(0)} %`);
const points = (value) => (value == null ? "–" : `${value > 0 ? "+" : ""}${(100 * value).toFixed(1)}`);
const interval = (row, form = percent) => `${form(row.mean)} [${form(row.low)}, ${form(row.high)}]`;
const size = (row) => `n = ${row.facts} facts × ${row.seeds} seed${row.seeds === 1 ? "" : "s"}`;
const floorOf = (row) => rows("floors").find((floor) => floor.method === row.method && floor.defence === "none"
  && floor.role === row.role && floor.relation === "micro average");
