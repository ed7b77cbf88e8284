/* The chart of the first screen, and the charts to choose from. */
const chosen = { chart: null, methods: new Set(), defences: new Set(), probes: new Set(), attacks: null };

const available = () => Object.keys(drawings).filter((name) => drawings[name].rows().length);

function key(colours) {
  return element("div", { class: "key" }, ...colours.map(([text, value]) =>
    element("span", {}, element("span", { class: "swatch", style: `--swatch:${value}` }), text)));
}

function present(name, kind) {
  const column = { methods: "method", defences: "defence", probes: "probe", attacks: "attack" }[kind];
  const there = new Set(drawings[name].rows().map((row) => row[column]));
  if (kind === "methods") there.delete("reference");
  return Object.entries(named()[kind]).filter(([id]) => there.has(id));
}

function kept(name) {
  const { kinds } = drawings[name];
  return drawings[name].rows().filter((row) =>
    (row.method === "reference" || chosen.methods.has(row.method)) && (row.method === "reference" || chosen.defences.has(row.defence))
    && (!kinds.includes("probes") || chosen.probes.has(row.probe)) && (!kinds.includes("attacks") || row.attack === chosen.attacks));
}

function show(target, name, shown, width) {
  const plot = drawings[name].draw(shown, width);
  target.replaceChildren(plot);
  target.setAttribute("aria-label", `${drawings[name].label}. ${drawings[name].caption} The table ${drawings[name].table} has its numbers.`);
  plot.addEventListener("click", () => plot.value && window.questionsOf?.(plot.value));
}

function hero() {
  for (const section of document.querySelectorAll(".place")) {
    page.place = section.dataset.place;
    const figure = section.querySelector(".hero");
    const name = ["trajectory", "matrix", "tradeoff", "accuracy"].find((each) => drawings[each].rows().length);
    figure.hidden = !name;
    if (!name) continue;
    figure.querySelector("figcaption").textContent = drawings[name].brief ?? drawings[name].caption;
    const all = drawings[name].rows(), first = present(name, "methods")[0]?.[0];
    const shown = name === "trajectory" ? all.filter((row) => row.method === first) : all;
    show(figure.querySelector(".chart"), name, shown, Math.max(300, figure.clientWidth - 32));
    if (name === "trajectory") { figure.querySelector("figcaption").prepend(element("b", {}, `${method(first)}. `)); continue; }
    const ids = new Set(shown.map((row) => row.defence));
    figure.querySelector(".key")?.remove();
    figure.append(key(Object.entries(named().defences).filter(([id]) => ids.has(id)).map(([id, text]) => [text, colourOf(id)])));
  }
  page.place = Object.keys(page.data.places)[0];
}

/* The choice of a model and benchmark, where there are several: charts and questions move together. */
function placeChoice() {
  const places = Object.keys(page.data.places);
  return places.length > 1 ? [choice("model / benchmark", places.map((name) => [name, name]), page.place, moved)] : [];
}

function moved(place) {
  page.place = place;
  chosen.chart = null;
  explore();
  return askedAnew();
}

function explore() {
  const tabs = document.querySelector("#explore .tabs"), target = document.getElementById("chart");
  const names = available();
  document.getElementById("explore").hidden = !names.length;
  if (!names.length) return;
  if (!names.includes(chosen.chart)) { chosen.chart = names[0]; reset(); }
  tabs.replaceChildren(...names.map((name) => element("button", {
    type: "button", "aria-pressed": String(name === chosen.chart), onclick: () => { chosen.chart = name; reset(); explore(); },
  }, drawings[name].label)));
  const { kinds } = drawings[chosen.chart], redraw = () => draw(target);
  const boxes = kinds.filter((kind) => kind !== "attacks").map((kind) =>
    checkboxes(kind, present(chosen.chart, kind), chosen[kind], redraw, kind === "defences" ? Object.fromEntries(Object.keys(named().defences).map((id) => [id, colourOf(id)])) : {}));
  if (kinds.includes("attacks")) {
    boxes.push(choice("attack", present(chosen.chart, "attacks"), chosen.attacks, (value) => { chosen.attacks = value; redraw(); }));
  }
  document.getElementById("chart-choices").replaceChildren(...placeChoice(), ...boxes);
  draw(target);
}

function draw(target) {
  const shown = kept(chosen.chart), caption = document.getElementById("chart-caption");
  if (shown.length) show(target, chosen.chart, shown, Math.max(320, Math.min(1180, target.clientWidth)));
  else target.replaceChildren(element("p", { class: "note" }, "Nothing is chosen that was measured."));
  const table = drawings[chosen.chart].table;
  caption.replaceChildren(drawings[chosen.chart].caption, " ", element("a", { href: "#tables", onclick: () => openTable(table) }, `The numbers: ${table}`));
}

/* What is chosen at first: all that the chart shows; of many probes those of the headline. */
function reset() {
  for (const kind of ["methods", "defences", "probes"]) {
    const ids = present(chosen.chart, kind).map(([id]) => id);
    const headline = Object.values(named().headline);
    chosen[kind] = new Set(kind === "probes" ? ids.filter((id) => headline.includes(id)) : kind === "methods" ? ids.slice(0, 4) : ids);
    if (!chosen[kind].size) chosen[kind] = new Set(ids);
  }
  const attacks = present(chosen.chart, "attacks").map(([id]) => id);
  chosen.attacks = attacks.includes(named().attack) ? named().attack : attacks[0];
}
