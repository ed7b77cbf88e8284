/* Tables that are sorted and filtered, by Tabulator; where it cannot run the plain ones stay. */
let table = null;

const figures = (value) => (value == null ? "" : typeof value !== "number" || Number.isInteger(value) ? String(value) : String(+value.toPrecision(4)));

function asText(value) {
  return document.createTextNode(figures(value));
}

function openTable(name) {
  const columns = page.data.tables[name] || {};
  const names = Object.keys(columns), count = columns[names[0]]?.length || 0;
  const select = document.querySelector("#table-choices select");
  select.value = name;
  const link = document.querySelector("#table-choices a");
  link.href = page.data.tables_at[name];
  link.textContent = `${name}.csv`;
  table?.destroy();
  const target = document.getElementById("table");
  if (!count) {
    table = null;
    target.replaceChildren(element("p", { class: "note" }, `The table ${name} has no rows: this study does not measure it.`));
    return;
  }
  target.replaceChildren();
  const data = d3.range(count).map((i) => Object.fromEntries(names.map((column, c) => [`c${c}`, columns[column][i]])));
  table = new Tabulator(target, {
    data, layout: "fitDataFill", pagination: true, paginationSize: 15, paginationCounter: "rows", columnDefaults: { headerTooltip: false },
    columns: names.map((column, c) => ({
      title: `${c}`, field: `c${c}`, formatter: (each) => asText(each.getValue()), headerFilter: "input",
      titleFormatter: () => document.createTextNode(column),
      headerFilterFunc: (wanted, value) => figures(value).toLowerCase().includes(String(wanted).toLowerCase()),
      sorter: typeof columns[column].find((value) => value != null) === "number" ? "number" : "string",
      hozAlign: typeof columns[column].find((value) => value != null) === "number" ? "right" : "left",
    })),
  });
}

function tables() {
  const names = Object.entries(page.data.tables).map(([name, columns]) => [name, `${name} (${Object.values(columns)[0]?.length || 0} rows)`]);
  if (!names.length) return;
  names.sort(([a], [b]) => d3.ascending(a, b));
  document.getElementById("table-choices").append(choice("table", names, null, openTable), element("a", {}, ""));
  const first = names.find(([name]) => name === "accuracy") || names[0];
  openTable(first[0]);
  for (const link of document.querySelectorAll("a.table-link")) {
    link.addEventListener("click", (event) => {
      if (!page.data.tables[link.dataset.table]) return;
      event.preventDefault();
      openTable(link.dataset.table);
      document.getElementById("table").scrollIntoView({ block: "center" });
    });
  }
  for (const plain of document.querySelectorAll("table.sorted")) replace(plain);
}

/* A plain table as one that can be sorted and filtered; its cells keep what they hold. */
function replace(plain) {
  const heads = [...plain.tHead.rows[0].cells].map((head) => head.textContent);
  const data = [...plain.tBodies[0].rows].map((row) => Object.fromEntries([...row.cells].flatMap((each, c) => [
    [`c${c}`, sortable(each)], [`n${c}`, each],
  ])));
  const target = element("div", { class: "wrapped" });
  plain.before(element("p", { class: "small" }, plain.caption.textContent), target);
  plain.classList.add("replaced");
  const wide = plain.classList.contains("claims");
  new Tabulator(target, {
    data, layout: wide ? "fitColumns" : "fitDataFill",
    columns: heads.map((title, c) => ({
      title: `${c}`, titleFormatter: () => document.createTextNode(title), field: `c${c}`, headerFilter: data.length > 4 ? "input" : false, variableHeight: true,
      headerFilterFunc: (wanted, value, row) => row[`n${c}`].textContent.toLowerCase().includes(String(wanted).toLowerCase()),
      sorter: data.every((row) => typeof row[`c${c}`] === "number") ? "number" : "alphanum",
      ...(wide ? { widthGrow: { claim: 6, verdict: 3, "effect [interval]": 3 }[title] ?? 1.4, minWidth: 90 } : {}),
      formatter: (each) => {
        const copy = element("div", {});
        copy.append(...[...each.getRow().getData()[`n${c}`].childNodes].map((node) => node.cloneNode(true)));
        return copy;
      },
    })),
  });
}

function sortable(cell) {
  const text = cell.textContent.trim(), number = Number.parseFloat(text.replace("−", "-"));
  return /^[-+−]?[\d.]/.test(text) && !Number.isNaN(number) ? number : text;
}
