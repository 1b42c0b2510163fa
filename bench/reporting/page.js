"use strict";
// Sorts, filters and chooses columns of the tables; without it they stand as they are.

const WIDE = matchMedia("(min-width: 56rem)");

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function value(cell) {
  const number = parseFloat(cell.textContent.replace(/,/g, ""));
  return Number.isNaN(number) ? null : number;
}

function compare(a, b, column, words) {
  const [one, other] = [a.cells[column], b.cells[column]];
  if (words) return one.textContent.localeCompare(other.textContent, "en", { numeric: true });
  const [x, y] = [value(one), value(other)];
  if (x === null || y === null) return null;
  return x - y;
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const head = heads[column];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const words = head.classList.contains("words") || column === 0;
  const absent = (row) => !words && value(row.cells[column]) === null;
  const rows = [...body.rows].sort((a, b) => {
    if (absent(a) || absent(b)) return absent(a) - absent(b);
    return (up ? 1 : -1) * compare(a, b, column, words);
  });
  body.append(...rows);
}

function filter(table, tools) {
  const words = tools.querySelector("[type=search]").value.toLowerCase().split(/\s+/);
  const chosen = [...tools.querySelectorAll("select")];
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const fits = chosen.every((select) => !select.value || row.dataset[select.name] === select.value);
    row.hidden = !(fits && words.every((word) => text.includes(word)));
    shown += !row.hidden;
  }
  tools.querySelector("output").textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
}

function showColumn(table, column, shown) {
  for (const row of table.rows) row.cells[column].hidden = !shown;
}

function columnChoice(table) {
  const choice = element("fieldset", {}, element("legend", { textContent: "columns" }));
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (column === 0) return;
    const level = Number(head.dataset.level);
    const checked = level === 1 || (level === 2 && WIDE.matches);
    const box = element("input", { type: "checkbox", checked });
    box.addEventListener("change", () => showColumn(table, column, box.checked));
    choice.append(element("label", {}, box, head.dataset.name));
    if (!checked) showColumn(table, column, false);
  });
  return element("details", {}, element("summary", { textContent: "Columns" }), choice);
}

function choose(table, name) {
  const values = new Set([...table.tBodies[0].rows].map((row) => row.dataset[name]));
  if (values.size < 2) return [];
  const select = element("select", { name }, element("option", { value: "", textContent: "all" }));
  const order = [...values].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  for (const text of order) select.append(element("option", { value: text, textContent: text }));
  return [element("label", {}, name, select)];
}

function equip(table) {
  const search = element("label", {}, "search", element("input", { type: "search" }));
  const selects = table.dataset.filters.split(" ").filter(Boolean).flatMap((name) => choose(table, name));
  const status = element("output", {});
  const tools = element("div", { className: "tools" }, search, ...selects, columnChoice(table), status);
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", `rows and columns of ${table.getAttribute("aria-label")}`);
  tools.addEventListener("input", () => filter(table, tools));
  table.closest(".box").before(tools);
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button", { type: "button", textContent: head.dataset.name });
    button.addEventListener("click", () => sortBy(table, column));
    head.firstChild.replaceWith(button);
  });
  filter(table, tools);
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  if (target) target.scrollIntoView();
}

document.querySelectorAll("table[data-filters]").forEach(equip);
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && event.target.closest(".tools details[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details.more, details.answer").forEach((d) => (d.open = true)));
openTarget();
