/* Every question: found by its text, answered by the reference and two cells side by side, and along an attack. */
const asking = {
  index: null, groups: [], first: null, second: null, text: "", role: "", probe: "", show: "all", run: "none", open: null, limit: 60,
};
const FILTERS = {
  all: ["all questions", () => true],
  helps: ["B is right where A is wrong", (a, b) => a && b && !a.right && b.right],
  harms: ["A is right where B is wrong", (a, b) => a && b && a.right && !b.right],
  apart: ["A and B answer differently", (a, b) => a && b && a.said !== b.said],
};

async function loadIndex() {
  const index = parsed(await part("index"));
  const { asked, texts } = index, groups = new Map();
  asking.index = index;
  asking.group = asked.role.map((_, i) => {
    const key = [asked.place[i], asked.role[i], asked.question[i], asked.probe[i]].join(" ");
    if (!groups.has(key)) {
      groups.set(key, { key, id: groups.size, asked: i, place: texts[asked.place[i]], role: texts[asked.role[i]], question: texts[asked.question[i]], probe: texts[asked.probe[i]] });
    }
    return groups.get(key).id;
  });
  asking.groups = [...groups.values()];
  for (const group of asking.groups) group.lower = [asked.prompt, asked.entity, asked.fact].map((c) => texts[c[group.asked]]).concat(choicesOf(group.asked)).join(" ").toLowerCase();
}

const choicesOf = (asked) => asking.index.choices[asking.index.asked.choices[asked]].map((text) => asking.index.texts[text]);
const runsOf = (name) => (asking.index.runs[name] || []).map(([attack, documents, steps, setting, set, begins]) => ({ attack, documents, steps, setting, set, begins }));
const runLabel = (run) => (run.attack === "none" ? "no attack" : `${attack(run.attack)}${run.documents ? `, ${run.documents} documents` : ""}${run.steps ? `, ${run.steps} steps` : ""}${run.setting ? `, ${run.setting}` : ""}`);
const runKey = (run) => (run.attack === "none" ? "none" : [run.attack, run.documents, run.steps, run.setting].join("|"));
const decoded = new Map();

/* Of one run of a cell: group to what was asked, the choices' probabilities, the answer and whether it is right. */
async function answersOf(name, run) {
  const key = `${name} ${runKey(run)}`;
  if (!decoded.has(key)) {
    const bytes = await part(name), { asked } = asking.index, numbers = asking.index.sets[run.set];
    let at = run.begins;
    const starts = numbers.map((number) => { const start = at; at += asking.index.choices[asked.choices[number]].length; return start; });
    decoded.set(key, new Map(numbers.map((number, i) => {
      const count = asking.index.choices[asked.choices[number]].length, said = bytes[at + i], right = asked.answer[number];
      const shares = Array.from(bytes.subarray(starts[i], starts[i] + count), (share) => share / 255);
      return [asking.group[number], { asked: number, shares, said, right: said === right, known: shares[right] }];
    })));
  }
  return decoded.get(key);
}

async function chosenAnswers(name) {
  const runs = name ? runsOf(name) : [];
  const run = runs.find((each) => runKey(each) === asking.run);
  if (!run) return new Map();
  const answers = new Map(await answersOf(name, run));
  if (run.attack !== "none") return answers;
  for (const other of runs.filter((each) => each.attack === "none" && each !== run)) for (const [id, each] of await answersOf(name, other)) answers.set(id, each);
  return answers;
}

const ofPlace = (name) => name.startsWith(`${page.place}/`);
const cellName = (name) => { const [, , m, d, seed] = name.split("/"); return `${cell({ method: m, defence: d })}, ${seed.replace("seed", "seed ")}`; };
const reference = () => Object.keys(asking.index.runs).find((name) => ofPlace(name) && name.split("/")[2] === "reference" && runsOf(name).some((run) => runKey(run) === asking.run))
  ?? Object.keys(asking.index.runs).find((name) => ofPlace(name) && name.split("/")[2] === "reference");

function inOrder() {
  const methods = Object.keys(named().methods), defences = Object.keys(named().defences);
  const rank = (name) => { const [, , m, d, seed] = name.split("/"); return methods.indexOf(m) * 1e6 + defences.indexOf(d) * 1e3 + +seed.slice(4); };
  return d3.sort(Object.keys(asking.index.runs).filter(ofPlace), rank);
}

function pickCells() {
  const cells = inOrder(), trained = cells.filter((name) => name.split("/")[2] !== "reference");
  asking.first = trained.find((name) => name.split("/")[3] === "none") ?? trained[0] ?? cells[0];
  const [, , m, , seed] = (asking.first ?? "////").split("/");
  const beside = trained.filter((name) => { const parts = name.split("/"); return parts[2] === m && parts[4] === seed && parts[3] !== "none"; });
  asking.second = beside.find((name) => name.split("/")[3] === page.data.places[page.place].defence) ?? beside[0] ?? trained.find((name) => name !== asking.first) ?? asking.first;
}

function controls() {
  const groups = asking.groups.filter((group) => group.place === page.place), cells = inOrder().map((name) => [name, cellName(name)]);
  const set = (name) => (value) => { asking[name] = value; asking.limit = 60; asking.open = null; controls(); };
  const runs = new Map([["none", "no attack"]]);
  for (const name of [asking.first, asking.second]) for (const run of name ? runsOf(name) : []) runs.set(runKey(run), runLabel(run));
  if (!runs.has(asking.run)) asking.run = "none";
  const some = (values, word) => [["", `all ${word}`], ...[...new Set(values)].map((value) => [value, word === "probes" ? probe(value) : value])];
  const search = element("input", { type: "search", value: asking.text, placeholder: "words of the question", oninput: () => { asking.text = search.value; asking.limit = 60; list(); } });
  document.getElementById("question-choices").replaceChildren(
    ...placeChoice(),
    element("label", { class: "field" }, "search", search),
    choice("set", some(groups.map((group) => group.role), "sets"), asking.role, set("role")),
    choice("probe", some(groups.map((group) => group.probe), "probes"), asking.probe, set("probe")),
    choice("A", cells, asking.first, set("first")), choice("B", cells, asking.second, set("second")),
    choice("under", [...runs], asking.run, set("run")),
    choice("show", Object.entries(FILTERS).map(([name, [label]]) => [name, label]), asking.show, set("show")),
  );
  return list();
}

let turn = 0;

async function list() {
  const mine = ++turn, target = document.getElementById("question-list"), count = document.getElementById("question-count");
  let first, second;
  try {
    [first, second] = await Promise.all([chosenAnswers(asking.first), chosenAnswers(asking.second)]);
  } catch (error) {
    count.textContent = `The answers cannot be shown: ${error.message}.`;
    return;
  }
  if (mine !== turn) return;
  const wanted = asking.text.toLowerCase().trim(), [, filter] = FILTERS[asking.show];
  let fitting = asking.groups.filter((group) => group.place === page.place && (first.has(group.id) || second.has(group.id))
    && (!asking.role || group.role === asking.role) && (!asking.probe || group.probe === asking.probe)
    && group.lower.includes(wanted) && filter(first.get(group.id), second.get(group.id)));
  const gain = (group) => (second.get(group.id)?.known ?? 0) - (first.get(group.id)?.known ?? 0);
  if (asking.show !== "all") fitting = d3.sort(fitting, (group) => (asking.show === "harms" ? gain(group) : -gain(group)));
  count.textContent = `${fitting.length} of ${asking.groups.filter((group) => group.place === page.place).length} questions`;
  const sign = (answer) => (answer ? (answer.right ? "✓" : "✗") : "–");
  target.replaceChildren(...fitting.slice(0, asking.limit).map((group) => element("li", {}, element("button", {
    type: "button", "aria-current": String(group === asking.open), onclick: () => { asking.open = group; list(); },
  }, element("span", { dir: "auto" }, asking.index.texts[asking.index.asked.prompt[group.asked]].slice(0, 240)),
  element("small", {}, `${group.role}, ${probe(group.probe)} · A ${sign(first.get(group.id))} · B ${sign(second.get(group.id))}`)))));
  if (fitting.length > asking.limit) {
    target.append(element("li", {}, element("button", { type: "button", onclick: () => { asking.limit += 200; list(); } }, `Show more of ${fitting.length}`)));
  }
  if (!fitting.includes(asking.open)) asking.open = fitting[0] ?? null;
  target.querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-current", String(fitting[i] === asking.open && i < asking.limit)));
  await detail(first, second);
}

/* The prompt with what the probe inserted marked: what stands between the beginning and the end that the plain one shares. */
function marked(text, plain) {
  const quote = element("blockquote", { dir: "auto" });
  if (plain == null || plain === text) { quote.textContent = text; return quote; }
  const [a, b] = [plain, text].map((each) => each.split(/(\s+)/));
  let start = 0, end = 0;
  while (start < a.length && a[start] === b[start]) start++;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const parts = [b.slice(0, start), b.slice(start, b.length - end), b.slice(b.length - end)].map((words) => words.join(""));
  if (!parts[1] || start + end < a.length / 2) quote.textContent = text;
  else quote.append(parts[0], element("mark", { title: "what the probe inserts" }, parts[1]), parts[2]);
  return quote;
}

async function detail(first, second) {
  const target = document.getElementById("question"), group = asking.open;
  if (!group) { target.replaceChildren(element("p", { class: "small" }, "No question fits.")); return; }
  const mine = turn, { texts, asked } = asking.index;
  const known = reference() ? await chosenAnswers(reference()).catch(() => new Map()) : new Map();
  if (mine !== turn) return;
  const shown = [["reference", known.get(group.id)], [`A: ${cellName(asking.first)}`, first.get(group.id)], [`B: ${cellName(asking.second)}`, second.get(group.id)]];
  const number = (shown.find(([, answer]) => answer)?.[1] ?? { asked: group.asked }).asked;
  const own = shown[2][1]?.asked ?? number;
  const plain = asking.groups.find((other) => other.place === group.place && other.role === group.role && other.question === group.question && other.probe === named().headline.baseline);
  const choices = choicesOf(own);
  const bar = (answer, text) => {
    const at = answer ? choicesOf(answer.asked).indexOf(text) : -1;
    if (at < 0) return element("td", {}, "–");
    return element("td", { class: answer.said === at ? `chosen ${answer.right ? "" : "wrong"}` : "" },
      element("meter", { min: 0, max: 1, value: answer.shares[at], "aria-hidden": "true" }), ` ${Math.round(100 * answer.shares[at])} %${answer.said === at ? (answer.right ? " ✓" : " ✗") : ""}`);
  };
  const body = choices.map((text, i) => element("tr", { class: i === asked.answer[own] ? "right" : "" }, element("th", { scope: "row", dir: "auto" }, text), ...shown.map(([, answer]) => bar(answer, text))));
  target.replaceChildren(
    element("p", { class: "small" }, `${group.role}, ${probe(group.probe)} · ${texts[asked.relation[number]]} · ${texts[asked.fact[number]]} · ${group.question}`),
    marked(texts[asked.prompt[own]], plain && plain !== group ? texts[asked.prompt[plain.asked]] : null),
    element("div", { class: "scroll" }, element("table", {}, element("caption", {}, `Probability of each choice, ${asking.run === "none" ? "no attack" : "after the attack"}; bold: the model's answer, ✓ beside a choice: the right one`),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "choice"), ...shown.map(([name]) => element("th", { scope: "col", style: "white-space:normal" }, name)))),
      element("tbody", {}, ...body))),
    element("div", { class: "chart", id: "along" }),
  );
  await along(group, mine);
}

/* The right choice's probability along each attack with several points. */
async function along(group, mine) {
  const series = [];
  for (const [label, name, stroke] of [["reference", reference(), "currentColor"], ["A", asking.first, shade("#d55e00")], ["B", asking.second, shade("#0072b2")]]) {
    for (const run of name ? runsOf(name) : []) {
      if (run.attack === "none") continue;
      const answer = (await answersOf(name, run)).get(group.id);
      if (answer) series.push({ label, stroke, known: answer.known, steps: run.steps, right: answer.right, attack: `${attack(run.attack)}${run.documents ? `, ${run.documents} documents` : ""}`, run: runLabel(run) });
    }
  }
  const target = document.getElementById("along");
  if (mine !== turn || !target || !series.length) return;
  const groups = d3.groups(series, (row) => row.attack).filter(([, part]) => new Set(part.map((row) => row.steps)).size > 1);
  target.append(...groups.slice(0, 4).map(([title, part]) => Plot.plot({
    width: Math.max(280, target.clientWidth), height: 190, marginLeft: 44, style: { background: "transparent" },
    x: { label: `steps of ${title}`, labelArrow: "none", labelAnchor: "center" }, y: { domain: [0, 1], label: "↑ right choice, %", labelArrow: "none", tickFormat: (v) => Math.round(100 * v), ticks: 5 }, marginBottom: 36,
    marks: [
      Plot.line(d3.sort(part, (row) => row.steps), { x: "steps", y: "known", z: "label", stroke: "stroke", strokeWidth: 2 }),
      Plot.dot(part, { x: "steps", y: "known", stroke: "stroke", fill: (row) => (row.right ? row.stroke : "var(--paper)"), r: 4 }),
      Plot.tip(part, Plot.pointer({ x: "steps", y: "known", title: (row) => `${row.label}, ${row.run}\n${Math.round(100 * row.known)} %, ${row.right ? "right" : "wrong"}` })),
    ],
  })));
  const lone = d3.groups(series, (row) => row.attack).filter(([, part]) => new Set(part.map((row) => row.steps)).size === 1);
  if (groups.length) target.append(key([["reference", "currentColor"], ["A", shade("#d55e00")], ["B", shade("#0072b2")]]));
  if (lone.length) target.append(element("ul", { class: "small" }, ...lone.map(([title, part]) => element("li", {}, `${title}: ${part.map((row) => `${row.label} ${Math.round(100 * row.known)} % ${row.right ? "✓" : "✗"}`).join(", ")}`))));
}

/* From a point of a chart to its questions. */
window.questionsOf = async (row) => {
  if (!asking.index) return;
  const prefix = `${page.place}/${row.method}/`, cells = inOrder();
  if (!cells.some((name) => name.startsWith(`${prefix}${row.defence}/`))) return;
  asking.second = cells.find((name) => name.startsWith(`${prefix}${row.defence}/`));
  asking.first = cells.find((name) => name.startsWith(`${prefix}${row.second ?? "none"}/`)) ?? asking.first;
  asking.role = row.role ?? "";
  asking.probe = row.probe ?? "";
  const name = row.attack ?? (row.column in named().attacks ? row.column : null);
  const run = runsOf(asking.second).find((each) => each.attack === name && (row.steps == null || each.steps === row.steps) && (row.documents == null || each.documents === row.documents));
  Object.assign(asking, { run: run ? runKey(run) : "none", text: "", open: null, show: "all" });
  document.getElementById("questions").scrollIntoView();
  await controls();
};

/* The question where the defence helps most: two clicks from the first screen to all of its answers. */
async function helps(place) {
  page.place = place;
  chosen.chart = null;
  explore();
  pickCells();
  Object.assign(asking, { role: "retain", probe: named().headline.forget_token, run: "none", show: "helps", text: "", open: null });
  document.getElementById("questions").scrollIntoView();
  await controls();
}

/* Another model and benchmark has other cells and other questions. */
async function askedAnew() {
  if (!asking.index) return;
  pickCells();
  Object.assign(asking, { role: "", probe: "", run: "none", show: "all", text: "", open: null });
  await controls();
}

async function questions() {
  if (!document.getElementById("question-choices")) return;
  try {
    await loadIndex();
  } catch (error) {
    document.getElementById("question-choices").replaceChildren(element("p", { class: "note" }, `The answers cannot be shown: ${error.message}.`));
    return;
  }
  pickCells();
  for (const section of document.querySelectorAll(".place")) {
    const button = section.querySelector(".helps");
    button.hidden = !asking.groups.length;
    button.addEventListener("click", () => helps(section.dataset.place));
  }
  await controls();
}
