// Elements and numbers. Texts become text nodes and attributes here, never markup.
const data = JSON.parse(document.getElementById("data").textContent);

/** An element with attributes (`on…` are listeners) and children: elements, texts, null for none. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e4, "k", 1e3],
];

/** A whole number with thousands separators. */
const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));

/** A number in few digits: 950, 9,870, 12.3 k, 4.56 M. */
function short(number) {
  if (number === null || number === undefined) return "–";
  const found = UNITS.find(([least]) => Math.abs(number) >= least);
  if (!found) return whole.format(number);
  const scaled = number / (found[2] || found[0]);
  return `${scaled.toPrecision(Math.abs(scaled) >= 999.5 ? 4 : 3)}\u202f${found[1]}`;
}

/** The same without zeros at the end, for an axis. */
function shortest(number) {
  const [figure, unit] = short(number).split("\u202f");
  return unit ? `${Number(figure)}\u202f${unit}` : figure;
}

/** A share as per cent, with as many digits as a small one needs. */
function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const value = share * 100;
  if (value === 0) return "0%";
  if (Math.abs(value) < 0.001) return "<0.001%";
  const digits = Math.abs(value) >= 9.995 ? 1 : Math.abs(value) >= 0.0995 ? 2 : 3;
  return `${value.toFixed(digits)}%`;
}

/** How many times as much: 2.50×. */
const times = (ratio) => (Number.isFinite(ratio) ? `${ratio >= 9.995 ? ratio.toFixed(1) : ratio.toFixed(2)}×` : "–");

const decimal = (number, digits) => (Number.isFinite(number) ? number.toFixed(digits) : "–");

/** A number of things that need not be whole: 8.4, 276, 1,959. */
const few = (number) => (number < 99.95 ? decimal(number, 1) : count(number));

/** A duration: 0.4 s, 12 s, 3 min 05 s, 2 h 07 min. */
function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  const two = (number) => String(number).padStart(2, "0");
  if (all < 3600) return `${Math.floor(all / 60)} min ${two(all % 60)} s`;
  return `${Math.floor(all / 3600)} h ${two(Math.floor((all % 3600) / 60))} min`;
}

const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const WORDS = (text) => text.replaceAll("_", " ");

/**
 * A table. Columns: {name, of: row => text or element, words: true where it is on the left, head: true for the
 * column that names the row}.
 */
function table(caption, columns, rows, attributes = {}) {
  const cell = (column, row) =>
    element(
      column.head ? "th" : "td",
      { scope: column.head && "row", class: column.words ? "words" : "figure" },
      column.of(row),
    );
  return element(
    "div",
    { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    element(
      "table",
      attributes,
      element("caption", { class: "unseen" }, caption),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          columns.map((column) =>
            element("th", { scope: "col", class: column.words ? "words" : "figure" }, column.name),
          ),
        ),
      ),
      element(
        "tbody",
        {},
        rows.map((row) =>
          element(
            "tr",
            {},
            columns.map((column) => cell(column, row)),
          ),
        ),
      ),
    ),
  );
}

/** A section with a heading that the navigation leads to. */
function section(id, title, about, ...children) {
  return element(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title`, tabindex: "-1" }, title),
    about ? element("p", { class: "about" }, about) : null,
    ...children,
  );
}

/** A part of a section with a heading of its own. */
const titled = (title, about, ...children) =>
  element(
    "div",
    { class: "block" },
    element("h3", {}, title),
    about ? element("p", { class: "about" }, about) : null,
    ...children,
  );

/** Buttons of which one is chosen. */
function choice(label, name, options, chosen, onChoose) {
  return element(
    "fieldset",
    { class: "choice" },
    element("legend", {}, label),
    options.map(([value, text]) =>
      element(
        "label",
        {},
        element("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onChoose(value) }),
        element("span", {}, text),
      ),
    ),
  );
}
