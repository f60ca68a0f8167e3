"use strict";
// Sorts, filters, marks and switches language. Without it the page shows the headline's ranking.
const root = document.documentElement, form = document.querySelector("form.controls");
const all = (what, within = document) => [...within.querySelectorAll(what)];
const found = document.getElementById("found");
let sorted = { column: 0, direction: 1 };

for (const one of all(".script")) one.hidden = false;

// What parseFloat can read is the English twin, 1,234.5 without its commas.
function value(cell) {
  const english = root.lang === "en" ? cell.textContent : cell.dataset.e ?? cell.textContent;
  return parseFloat(english.replace(/,/g, "").replace("−", "-").replace("▼ ", "-").replace("▲ ", "").replace("=", "0"));
}

function compare(a, b) {
  const cells = [a, b].map((row) => row.cells[sorted.column]);
  if ([2, 11].includes(sorted.column)) return sorted.direction * cells[0].textContent.localeCompare(cells[1].textContent, root.lang);
  const [x, y] = cells.map(value);
  if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // what has no figure stays last
  return sorted.direction * (x - y);
}

function sort() {
  const body = document.querySelector("#league tbody:not([hidden])");
  if (body) body.append(...[...body.rows].sort(compare));
  all("#league thead th").forEach((head, column) => {
    if (column === sorted.column) head.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

// Whatever names a basis, kind, baseline or league is shown when all that it names are chosen.
function filter() {
  const chosen = Object.fromEntries(["basis", "period_kind", "baseline", "league"].map((name) => [name, form.elements[name].value]));
  for (const one of all("[data-basis]")) one.hidden = Object.entries(chosen).some(([name, wanted]) => (one.dataset[name] ?? wanted) !== wanted);
  for (const one of all(".absent")) one.hidden = all("[data-basis]:not([hidden])", one.parentNode).length > 0;
  const moves = all("#league tbody:not([hidden]) td:nth-child(2)");
  document.getElementById("league").classList.toggle("still", moves.every((cell) => cell.textContent === "–"));
  sort();
  paint();
  tell();
}

function tell() {
  const body = document.querySelector("#league tbody:not([hidden])");
  const [rows, ranked] = body ? [body.rows.length, body.dataset.ranked] : [0, 0];
  found.textContent = root.lang === "en" ? `${rows} rows, ${ranked} ranked.` : `${rows} baris, ${ranked} diperingkat.`;
}

// The map shows the figures of the ranking in the table, and their class.
function paint() {
  const rows = new Map(all("#league tbody:not([hidden]) tr").map((row) => [row.dataset.r, row]));
  for (const shape of all(".map [data-r]")) {
    const row = rows.get(shape.dataset.r), kind = row ? row.classList[0] : "bn";
    const isOut = !row || row.classList.contains("out"), growth = row ? row.cells[6].textContent : "–";
    if (shape.tagName !== "text") shape.setAttribute("class", isOut ? `${kind} out` : kind);
    else {
      if (shape.getAttribute("font-weight") === "bold") {
        shape.textContent = isOut && growth !== "–" ? `(${growth})` : growth;
        shape.removeAttribute("textLength");
        if (shape.textContent.length > 12) { // wider than its tile; so in charts.py
          shape.setAttribute("textLength", 98);
          shape.setAttribute("lengthAdjust", "spacingAndGlyphs");
        }
      }
      shape.setAttribute("class", `t${kind}`);
    }
  }
  mark();
}

function mark() {
  const code = form.elements.region.value;
  for (const one of all("[data-r]")) one.classList.toggle("marked", one.dataset.r === code);
  // Drawn last, so that nothing lies on it.
  for (const line of all(".bump path.marked, .bump text.marked")) {
    const group = line.closest("g.mark-line") ?? line;
    group.parentNode.append(group);
  }
}

function speak(language, button) {
  root.lang = language;
  [button.lang, button.textContent] = language === "en" ? ["id", "Bahasa Indonesia"] : ["en", "English"];
  for (const one of all("[data-e]")) [one.textContent, one.dataset.e] = [one.dataset.e, one.textContent];
  if (form) filter();
}

document.getElementById("language").addEventListener("click", (event) => speak(root.lang === "id" ? "en" : "id", event.currentTarget));
document.getElementById("unfold")?.addEventListener("click", () => all("details.region").forEach((one) => { one.open = true; }));
if (form) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if (event.target.name !== "region") return filter();
    mark();
    const section = document.getElementById("r" + event.target.value);
    if (section) section.open = true;
  });
  all("#league .sort").forEach((button, column) => button.addEventListener("click", () => {
    const first = [2, 11].includes(column) || [0, 7, 8].includes(column) ? 1 : -1;
    sorted = { column, direction: sorted.column === column ? -sorted.direction : first };
    sort();
    tell();
  }));
  filter();
}
// A link to a region opens its section.
const open = () => { const to = document.getElementById(location.hash.slice(1)); if (to?.tagName === "DETAILS") to.open = true; };
addEventListener("hashchange", open);
open();
