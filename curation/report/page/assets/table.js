// The table of all clusters: searched, sorted, and shown a hundred rows at a time, so that thousands don't stall it.
const PAGE_ROWS = 100;

const COLUMNS = [
  { key: "cluster", name: "Cluster", show: (row) => count(row.cluster) },
  ...(grouped ? [{ key: "group", name: "Group", show: (row) => count(row.group) }] : []),
  { key: "documents", name: "Documents", show: (row) => count(row.documents), descending: true },
  { key: "before", name: "Tokens", show: (row) => short(row.before), descending: true },
  { key: "share_before", name: "Before", show: (row) => percent(row.share_before), descending: true },
  { key: "share_after", name: "After", show: (row) => percent(row.share_after), descending: true },
  { key: "change", name: "Change", show: (row) => times(row.change), descending: true },
  { key: "epochs", name: "Epochs", show: (row) => decimal(row.epochs, 2), descending: true },
  {
    key: "coherence",
    name: "Coherence",
    show: (row) => (row.coherence === null ? "–" : decimal(row.coherence, 2)),
    descending: true,
  },
  { key: "domainName", name: "Most from", words: true, show: (row) => row.domainName },
  { key: "termText", name: "Terms", words: true, wide: true, show: (row) => row.termText },
  { key: "mark", name: "Notes", words: true, show: (row) => row.mark },
];

for (const row of clusters) {
  row.termText = row.terms.slice(0, 6).join(", ");
  row.mark = [
    row.warning ? "looks like junk" : "",
    row.clipped ? "at the clip" : "",
    row.after === 0 ? "not drawn" : "",
  ]
    .filter(Boolean)
    .join(", ");
  row.searched = [
    `cluster ${row.cluster}`,
    grouped ? `group ${row.group}` : "",
    ...row.terms,
    row.domainName,
    row.warning || "",
    row.mark,
  ]
    .join("\n")
    .toLowerCase();
}

/** Rows in the order of a column; nothing goes to the end either way, equal ones stay by size. */
function sorted(rows, { key }, descending) {
  const sign = descending ? -1 : 1;
  const compare = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one - other);
  return rows.toSorted((one, other) => {
    const [left, right] = [one[key], other[key]];
    const empty = (value) => value === null || value === "";
    if (empty(left) || empty(right)) return empty(left) - empty(right) || one.place - other.place;
    return sign * compare(left, right) || one.place - other.place;
  });
}

/** The section with the table. */
function tableSection() {
  const state = {
    words: "",
    marked: "all",
    column: COLUMNS.find(({ key }) => key === "before"),
    descending: true,
    shown: PAGE_ROWS,
  };
  const told = element("p", { class: "told", role: "status" });
  const body = element("tbody");
  const more = element("button", { type: "button", class: "quiet", onclick: () => showMore() });
  const heads = COLUMNS.map((column) =>
    element(
      "th",
      { scope: "col", class: column.words ? "words" : "figure" },
      element("button", { type: "button", class: "sort", onclick: () => sortBy(column) }, column.name),
    ),
  );
  const wanted = {
    all: () => true,
    clipped: (row) => row.clipped,
    warning: (row) => row.warning !== null,
    unused: (row) => row.after === 0,
  };

  function rowOf(cluster) {
    const button = element(
      "button",
      { type: "button", class: "open", "aria-expanded": "false", "aria-label": `Cluster ${cluster.cluster}: more` },
      count(cluster.cluster),
    );
    const cells = COLUMNS.slice(1).map((column) =>
      element("td", { class: column.words ? (column.wide ? "words wide" : "words") : "figure" }, column.show(cluster)),
    );
    const line = element("tr", {}, element("th", { scope: "row", class: "figure" }, button), cells);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) line.nextElementSibling.remove();
      else line.after(element("tr", { class: "more" }, element("td", { colspan: COLUMNS.length }, detail(cluster))));
    });
    return line;
  }

  let found = [];
  function update() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = clusters.filter(
      (row) => wanted[state.marked](row) && words.every((word) => row.searched.includes(word)),
    );
    found = sorted(rows, state.column, state.descending);
    state.shown = Math.min(PAGE_ROWS, found.length);
    body.replaceChildren(...found.slice(0, state.shown).map(rowOf));
    COLUMNS.forEach((column, index) => {
      if (column === state.column)
        heads[index].setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else heads[index].removeAttribute("aria-sort");
    });
    tell();
  }

  function tell() {
    const left = found.length - state.shown;
    const matching =
      found.length === clusters.length
        ? plural(found.length, "cluster", "clusters")
        : `${count(found.length)} of ${plural(clusters.length, "cluster", "clusters")}`;
    told.textContent = matching + (left ? `; the first ${count(state.shown)} are shown` : "");
    more.textContent = `Show ${count(Math.min(left, 5 * PAGE_ROWS))} more`;
    more.hidden = left === 0;
  }

  function showMore() {
    const next = found.slice(state.shown, state.shown + 5 * PAGE_ROWS).map(rowOf);
    body.append(...next);
    state.shown += next.length;
    tell();
    next[0].querySelector("button").focus();
  }

  function sortBy(column) {
    state.descending = state.column === column ? !state.descending : Boolean(column.descending);
    state.column = column;
    update();
  }

  let waiting = 0;
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: "terms, number, domain, note",
    autocomplete: "off",
    spellcheck: "false",
  });
  search.addEventListener("input", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => {
      state.words = search.value;
      update();
    }, 80);
  });
  const options = [
    ["all", "all"],
    ["clipped", "at the clip"],
    ["warning", "look like junk"],
    ["unused", "not drawn"],
  ].filter(([value]) => clusters.some(wanted[value]));
  const marks = choice("Show", "marked", options, "all", (value) => {
    state.marked = value;
    update();
  });
  update();
  const caption = "All clusters";
  return section(
    "clusters",
    "All clusters",
    "A click on a heading sorts, a click on a number shows the cluster. Coherence is the mean simplified silhouette: " +
      "1 is far from the next cluster, 0 between two." +
      (data.empty_clusters
        ? ` Not listed: ${plural(data.empty_clusters, "cluster", "clusters")} with nothing to draw from.`
        : ""),
    element(
      "div",
      { class: "tools" },
      element("label", { class: "search", for: "search" }, element("span", {}, "Search"), search),
      options.length > 1 ? marks : null,
    ),
    told,
    element(
      "div",
      { class: "scroll pane", role: "region", tabindex: "0", "aria-label": caption },
      element(
        "table",
        { class: "clusters" },
        element("caption", { class: "unseen" }, caption),
        element("thead", {}, element("tr", {}, heads)),
        body,
      ),
    ),
    more,
  );
}
