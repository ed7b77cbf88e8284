/* Charts: each with the table it shows, what may be chosen, and a drawing by Observable Plot. */
function options(width, more) {
  return { width, marginLeft: 50, style: { background: "transparent" }, ...more };
}

const percentAxis = { percent: false, tickFormat: (value) => `${Math.round(100 * value)}` };

function byOffset(kept, draw) {
  const kinds = [...d3.group(kept, (row) => row.defence ?? row.first).entries()];
  return kinds.flatMap(([, part], number) => draw(part, (number - (kinds.length - 1) / 2) * Math.min(7, 30 / kinds.length)));
}

/* One point with its interval for each row, on lines of y, in panels of fx. */
function intervals(kept, y, title, width, extra) {
  const methods = Object.keys(named().methods);
  kept = d3.sort(kept, (row) => methods.indexOf(row.method));
  const levels = new Set(kept.map((row) => row[y])).size, panels = new Set(kept.map((row) => row.panel)).size;
  const columns = Math.max(1, Math.min(panels, Math.floor((width - (extra.margin ?? 170)) / 170)));
  const order = [...new Set(kept.map((row) => row.panel))];
  const place = new Map(order.map((name, i) => [name, [i % columns, Math.floor(i / columns)]]));
  const fx = (row) => place.get(row.panel)?.[0], fy = (row) => place.get(row.panel)?.[1];
  const lines = Math.ceil(panels / columns) || 1;
  return Plot.plot(options(width, {
    marginLeft: Math.min(extra.margin ?? 170, 0.4 * width), marginTop: 36, height: lines * (56 + levels * (extra.level ?? 40)) + 52, marginBottom: 44, ...extra.axes,
    fx: { axis: null, padding: 0.08 }, fy: { axis: null, padding: 0.12 }, y: { label: null, domain: [...new Set(kept.map((row) => row[y]))], tickSize: 0 },
    marks: [
      Plot.axisY({ tickSize: 0, label: null, lineWidth: Math.min(extra.margin ?? 170, 0.4 * width) / 13, fontSize: 11, fx: 0 }),
      Plot.gridX({ strokeOpacity: 0.1 }),
      Plot.text(order, { text: (name) => name, fx: (name) => place.get(name)[0], fy: (name) => place.get(name)[1], frameAnchor: "top", dy: -20, fontWeight: 600 }),
      ...extra.marks(fx, fy),
      ...(extra.apart === false ? (draw) => draw(kept, 0) : (draw) => byOffset(kept, draw))((part, dy) => [
        Plot.ruleY(part, { fx, fy, y, x1: "low", x2: "high", stroke: colour, strokeWidth: 1.6, dy }),
        Plot.dot(part, { fx, fy, y, x: "mean", fill: colour, r: 4, dy }),
      ]),
      Plot.tip(kept, Plot.pointer({ fx, fy, y, x: "mean", title })),
    ],
  }));
}

const drawings = {
  trajectory: {
    label: "On the way",
    table: "trajectory",
    brief: "Each line is a training run from left to right: the more it forgets, the more a forget token harms. Flat is best.",
    caption: "Each line is a training run from left to right, asked every few steps: how much of the forget set is still known, and what a forget token costs on retain questions. A line that stays flat is best. Rings: nothing is shown to be known any more; what follows is over-training.",
    kinds: ["methods", "defences"],
    rows() {
      const kept = rows("trajectory");
      const harm = new Map(kept.filter((row) => row.curve === "harm" && row.quantity === "accuracy").map((row) => [`${row.method} ${row.defence} ${row.steps}`, row]));
      return kept.filter((row) => row.curve === "known" && row.quantity === "probability")
        .map((row) => ({ ...row, harm: harm.get(`${row.method} ${row.defence} ${row.steps}`), role: "retain", probe: named().headline.forget_token }))
        .filter((row) => row.harm);
    },
    draw(kept, width) {
      kept = d3.sort(kept, (row) => row.steps).map((row) => ({ ...row, y: row.harm.mean, panel: method(row.method) }));
      const panels = new Set(kept.map((row) => row.panel)).size;
      const title = (row) => `${cell(row)}, step ${row.steps}\nstill known ${interval(row)}\nharm ${interval(row.harm, points)} points\n${size(row)}${row.complete ? "\nforgetting is complete" : ""}\nclick: its questions`;
      const ends = [...d3.group(kept, (row) => `${row.method} ${row.defence}`).values()].map((part) => part.at(-1));
      return Plot.plot(options(width, {
        height: Math.min(460, Math.max(300, width * 0.78)), marginBottom: 46, marginTop: 24, insetTop: 10, insetRight: 12,
        x: { reverse: true, label: width > 420 ? "still known of the forget set, points above the floor" : "still known, points above the floor", labelAnchor: "center", labelArrow: "none", ...percentAxis },
        y: { label: "↑ retain accuracy lost to a forget token, points", labelArrow: "none", ...percentAxis }, fx: { label: null, axis: panels > 1 ? "top" : null },
        marks: [
          Plot.ruleY([0], { strokeOpacity: 0.5, strokeDasharray: "2 3" }), Plot.gridY({ strokeOpacity: 0.1 }),
          Plot.ruleX(kept, { fx: "panel", x: "mean", y1: (row) => row.harm.low, y2: (row) => row.harm.high, stroke: colour, strokeOpacity: 0.35 }),
          Plot.line(kept, { fx: "panel", x: "mean", y: "y", z: (row) => `${row.method} ${row.defence}`, stroke: colour, strokeWidth: 2.2 }),
          Plot.dot(kept, { fx: "panel", x: "mean", y: "y", fill: colour, r: 3.5 }),
          Plot.dot(kept.filter((row) => row.complete), { fx: "panel", x: "mean", y: "y", stroke: colour, r: 7 }),
          Plot.text(ends, { fx: "panel", x: "mean", y: "y", text: (row) => defence(row.defence), fill: colour, dx: 8, dy: -10, textAnchor: "start", fontWeight: 600, stroke: "var(--halo)", strokeWidth: 3 }),
          Plot.tip(kept, Plot.pointer({ fx: "panel", x: "mean", y: "y", title })),
        ],
      }));
    },
  },
  tradeoff: {
    label: "Forgetting against harm",
    table: "accuracy",
    caption: "Left: less of the forget set is left. Up: retain questions are answered in spite of a forget token. The upper left is best.",
    kinds: ["methods", "defences"],
    rows() {
      const { baseline, forget_token } = named().headline;
      const token = new Map(rows("accuracy").filter((row) => row.role === "retain" && row.probe === forget_token).map((row) => [`${row.method} ${row.defence}`, row]));
      return rows("accuracy").filter((row) => row.role === "forget" && row.probe === baseline)
        .map((row) => ({ ...row, token: token.get(`${row.method} ${row.defence}`) })).filter((row) => row.token);
    },
    draw(kept, width) {
      const title = (row) => `${cell(row)}\nforget ${interval(row)}\nretain with a forget token ${interval(row.token)}\n${size(row)}\nfloor ${interval(floorOf(row) ?? {})}\nclick: its questions`;
      return Plot.plot(options(width, {
        height: Math.min(440, width * 0.7), marginBottom: 40, grid: true,
        x: { label: "forget accuracy, %", labelAnchor: "center", labelArrow: "none", ...percentAxis }, y: { label: "↑ retain accuracy with a forget token, %", labelArrow: "none", ...percentAxis }, symbol: { legend: true, label: null },
        marks: [
          Plot.ruleX(kept, { x: "mean", y1: (row) => row.token.low, y2: (row) => row.token.high, stroke: colour, strokeOpacity: 0.5 }),
          Plot.ruleY(kept, { y: (row) => row.token.mean, x1: "low", x2: "high", stroke: colour, strokeOpacity: 0.5 }),
          Plot.dot(kept, { x: "mean", y: (row) => row.token.mean, symbol: (row) => method(row.method), fill: colour, stroke: colour, r: 5 }),
          Plot.tip(kept, Plot.pointer({ x: "mean", y: (row) => row.token.mean, title })),
        ],
      }));
    },
  },
  accuracy: {
    label: "Every probe",
    table: "accuracy",
    caption: "Accuracy in percent with its interval. Black ticks: the reference. Grey ticks: the floor, what a model without knowledge answers.",
    kinds: ["methods", "defences", "probes"],
    rows: () => rows("accuracy").filter((row) => row.method !== "reference"),
    draw(kept, width) {
      const set = (row) => `${row.role}${row.probe === named().headline.baseline ? "" : `: ${probe(row.probe)}`}`;
      kept = kept.map((row) => ({ ...row, set: set(row), panel: method(row.method), floor: row.probe === named().headline.baseline ? floorOf(row) : null }));
      const known = new Map(rows("accuracy").filter((row) => row.method === "reference").map((row) => [set(row), row.mean]));
      const ticks = [...d3.group(kept, (row) => `${row.panel} ${row.set}`).values()].map(([row]) => row);
      const title = (row) => `${cell(row)}\n${row.set}: ${interval(row)}\n${size(row)}, ${row.questions} questions${row.floor ? `\nfloor ${interval(row.floor)}` : ""}\nreference ${percent(known.get(row.set))}\nclick: its questions`;
      return intervals(kept, "set", title, width, {
        axes: { x: { domain: [0, 1], label: "accuracy, %", labelAnchor: "center", labelArrow: "none", ...percentAxis } },
        marks: (fx, fy) => [
          Plot.tickX(ticks.filter((row) => known.has(row.set)), { fx, fy, y: "set", x: (row) => known.get(row.set), strokeWidth: 1.6 }),
          Plot.tickX(ticks.filter((row) => row.floor), { fx, fy, y: "set", x: (row) => row.floor.mean, stroke: "#999", strokeWidth: 3 }),
          Plot.ruleX(named().chance ? [named().chance] : [], { stroke: "#999", strokeDasharray: "2 3" }),
        ],
      });
    },
  },
  differences: {
    label: "Differences",
    table: "differences",
    caption: "Paired differences in points: the first less the second, on the same questions and seeds.",
    kinds: ["methods", "defences", "probes"],
    rows: () => rows("differences").map((row) => ({ ...row, defence: row.first })),
    draw(kept, width) {
      kept = kept.map((row) => ({ ...row, panel: method(row.method), set: `${row.role}${row.probe === named().headline.baseline ? "" : `: ${probe(row.probe)}`} | ${defence(row.first)} − ${defence(row.second)}` }));
      const title = (row) => `${method(row.method)}: ${row.set}\n${interval(row, points)} points\n${size(row)}\nclick: its questions`;
      return intervals(kept, "set", title, width, {
        level: 26, apart: false, margin: 330,
        axes: { x: { label: "difference, points", labelAnchor: "center", labelArrow: "none", ...percentAxis } },
        marks: () => [Plot.ruleX([0], { strokeOpacity: 0.6 })],
      });
    },
  },
  relearning: {
    label: "Under attack",
    table: "relearning",
    caption: "Forget accuracy while an attacker trains the model; bands are intervals. The reference under the same attack is the ceiling, grey is the floor.",
    kinds: ["methods", "defences", "attacks"],
    rows: () => rows("relearning").map((row) => ({ ...row, role: "forget", probe: named().headline.baseline })),
    draw(kept, width) {
      const ceiling = kept.filter((row) => row.method === "reference"), own = kept.filter((row) => row.method !== "reference");
      const panels = [...new Set(own.map((row) => row.method))];
      const all = d3.sort([...own.map((row) => ({ ...row, panel: method(row.method) })), ...panels.flatMap((id) => ceiling.map((row) => ({ ...row, panel: method(id) })))], (row) => row.steps);
      const z = (row) => `${row.method} ${row.defence} ${row.documents}`;
      const floors = panels.map((id) => ({ panel: method(id), floor: floorOf({ method: id, role: "forget" }) })).filter((row) => row.floor);
      const title = (row) => `${cell(row)}\n${row.documents} documents, ${row.steps} steps\n${interval(row)}\n${size(row)}\nfloor ${interval(floorOf(row) ?? {})}\nclick: its questions`;
      return Plot.plot(options(width, {
        height: 360, marginBottom: 40, x: { label: "steps of the attacker", labelAnchor: "center", labelArrow: "none" }, y: { label: "↑ forget accuracy, %", labelArrow: "none", domain: [0, 1], ...percentAxis }, fx: { label: null },
        marks: [
          Plot.gridY({ strokeOpacity: 0.1 }),
          Plot.ruleY(floors, { fx: "panel", y: (row) => row.floor.mean, stroke: "#999", strokeWidth: 2 }),
          Plot.areaY(all, { fx: "panel", x: "steps", y1: "low", y2: "high", z, fill: colour, fillOpacity: 0.13 }),
          Plot.line(all, { fx: "panel", x: "steps", y: "mean", z, stroke: colour, strokeWidth: 2 }),
          Plot.dot(all, { fx: "panel", x: "steps", y: "mean", fill: colour, r: 3.5 }),
          Plot.tip(all, Plot.pointer({ fx: "panel", x: "steps", y: "mean", title })),
        ],
      }));
    },
  },
  matrix: {
    label: "Attacks × defences",
    table: "matrix",
    caption: "Accuracy in percent by defence (rows) and attack (columns): forget accuracy under each attack, and what is left of retain. Light and low is what a defence wants under attacks.",
    kinds: ["methods", "defences"],
    rows: () => rows("matrix"),
    draw(kept, width) {
      const cells = [...new Set(kept.map(cell))];
      const title = (row) => `${cell(row)}\n${attack(row.column)}${row.setting ? `: ${row.setting}` : ""}\n${interval(row)}\n${size(row)}\nclick: its questions`;
      return Plot.plot(options(Math.max(width, 34 * new Set(kept.map((row) => row.column)).size + 170), {
        marginLeft: 165, marginBottom: 110, height: 28 * cells.length + 150, padding: 0.04,
        x: { label: null, tickRotate: -40, domain: [...new Set(kept.map((row) => row.column))], tickFormat: attack }, y: { label: null, domain: cells },
        color: { scheme: "blues", domain: [0, 1.25], label: "accuracy" },
        marks: [
          Plot.cell(kept, { x: "column", y: cell, fill: "mean" }),
          Plot.text(kept, { x: "column", y: cell, text: (row) => (row.mean == null ? "" : Math.round(100 * row.mean)), fill: (row) => (row.mean > 0.75 ? "#fff" : "#111"), fontSize: 11 }),
          Plot.tip(kept, Plot.pointer({ x: "column", y: cell, title })),
        ],
      }));
    },
  },
};
