"use strict";
// Sorts, filters, marks and switches language. Without it the page shows the headline's ranking.
const root = document.documentElement, form = document.querySelector("form.controls");
const all = (what, within = document) => [...within.querySelectorAll(what)];
const league = document.getElementById("league"), found = document.getElementById("found");
const NAMES = ["basis", "period_kind", "baseline", "league"];
const RATE = 3, MOVED = 1, RANGE = 8, OWN = [0, MOVED, 7]; // columns; OWN: a league's own places
const SVG = "http://www.w3.org/2000/svg";
let sorted = { column: 0, direction: 1 };

for (const one of all(".script")) one.hidden = false;

const body = () => league.querySelector("tbody:not([hidden])");
const rows = () => all("tr:not([hidden])", body() ?? document.createElement("tbody"));

// What parseFloat can read is the English twin, 1,234.5 without its commas.
function value(cell) {
  const english = root.lang === "en" ? cell.textContent : cell.dataset.e ?? cell.textContent;
  return parseFloat(english.replace(/,/g, "").replace("−", "-").replace("▼ ", "-").replace("▲ ", "").replace("=", "0"));
}

function sort() {
  const { column, direction } = sorted, heads = all("th", league.tHead);
  const isText = heads[column].firstChild.dataset.kind === "text";
  body()?.append(...[...body().rows].sort((a, b) => {
    const cells = [a, b].map((row) => row.cells[column]);
    if (isText) return direction * cells[0].textContent.localeCompare(cells[1].textContent, root.lang);
    const [x, y] = cells.map(value);
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // what has no figure stays last
    return direction * (x - y);
  }));
  heads.forEach((head, at) => {
    if (at === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

// Whatever names a basis, kind, baseline or leagues is shown when all that it names are chosen.
function filter() {
  const chosen = Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value]));
  for (const one of all(NAMES.map((name) => `[data-${name}]`).join())) {
    one.hidden = NAMES.some((name) => !(one.dataset[name] ?? chosen[name]).split(" ").includes(chosen[name]));
  }
  for (const one of all(".absent")) one.hidden = all("[data-basis]:not([hidden])", one.parentNode).length > 0;
  for (const one of all(".scroll:has(.bump)")) one.scrollLeft = one.scrollWidth; // names are at the end
  if (body()) fill(chosen.league);
  sort();
  paint();
  tell();
}

// The rows of kota and of kabupaten stand among all, with the places of their own league.
function fill(part) {
  for (const row of body().rows) {
    const [own, ...places] = (row.dataset.l ?? "").split("|"), isPart = part === own;
    row.all ??= OWN.map((at) => row.cells[at].textContent);
    row.hidden = part !== "all" && part !== "province" && !isPart;
    OWN.forEach((at, n) => { row.cells[at].textContent = (isPart ? places : row.all)[n]; });
    // On a phone a row is no longer laid out as one; said so, it is still read as one.
    row.role = "row";
    for (const cell of row.cells) cell.role = cell.tagName === "TH" ? "rowheader" : "cell";
  }
  const isEmpty = (column) => rows().every((row) => row.cells[column].textContent === "–");
  league.classList.toggle("still", isEmpty(MOVED));
  league.classList.toggle("unsure", part !== "all" && part !== "province" || isEmpty(RANGE));
  ranges();
}

// A range of ranks as a line, beside its figures.
function ranges() {
  const cells = [...body().rows].map((row) => row.cells[RANGE]).filter((cell) => !cell.firstElementChild && cell.textContent !== "–");
  const pairs = cells.map((cell) => cell.textContent.split("–").map(Number)), most = Math.max(...pairs.flat());
  cells.forEach((cell, at) => {
    const drawn = cell.appendChild(document.createElementNS(SVG, "svg")), line = drawn.appendChild(document.createElementNS(SVG, "path"));
    drawn.setAttribute("viewBox", `0 0 ${most} 4`);
    drawn.setAttribute("preserveAspectRatio", "none");
    drawn.setAttribute("aria-hidden", "true");
    line.setAttribute("d", `M${pairs[at][0] - 1},0H${pairs[at][1]}V4H${pairs[at][0] - 1}Z`);
  });
}

function tell() {
  const count = rows().length, ranked = rows().filter((row) => !row.classList.contains("out")).length;
  found.textContent = root.lang === "en" ? `${count} rows, ${ranked} ranked.` : `${count} baris, ${ranked} diperingkat.`;
}

// The map shows the figures of the ranking in the table, and their class.
function paint() {
  const shown = new Map(rows().map((row) => [row.dataset.r, row]));
  for (const shape of all(".map [data-r], .numbered li")) {
    const row = shown.get(shape.dataset.r), kind = row ? row.classList[0] : "bn";
    const isOut = !row || row.classList.contains("out"), growth = row ? row.cells[RATE].textContent : "–";
    const told = isOut && growth !== "–" ? `(${growth})` : growth;
    if (shape.tagName === "LI") shape.lastChild.textContent = told;
    else if (shape.tagName !== "text") shape.setAttribute("class", isOut ? `${kind} out` : kind);
    else {
      if (shape.getAttribute("font-weight") === "bold") {
        shape.textContent = told;
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
  for (const one of all(".bump .above")) one.remove();
  for (const one of all("[data-r]")) one.classList.toggle("marked", one.dataset.r === code);
  // A copy of the line above all others: it lies in the layer of the grey ones, or of the bright.
  for (const line of all(".bump path.marked")) {
    let chart = line;
    while (!chart.querySelector("text[data-r]")) chart = chart.parentNode;
    chart.append(line.cloneNode());
    chart.lastChild.classList.add("above");
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
  all(".sort", league).forEach((button, column) => button.addEventListener("click", () => {
    sorted = { column, direction: sorted.column === column ? -sorted.direction : Number(button.dataset.first) };
    sort();
    tell();
  }));
  filter();
}
// A link to a region opens its section.
const open = () => { const to = document.getElementById(location.hash.slice(1)); if (to?.tagName === "DETAILS") to.open = true; };
addEventListener("hashchange", open);
open();
