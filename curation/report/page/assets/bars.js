// Bars in tables: before and after, side by side with their figures. They are read, searched and printed as a table.

/** Two bars, one over the other; the longest on the table is as wide as its cell. */
function pair(before, after, most) {
  const bar = (share, kind) => {
    const made = element("span", { class: `bar ${kind}` });
    made.style.setProperty("width", `${Math.max(share > 0 ? 0.4 : 0, (100 * share) / most).toFixed(2)}%`);
    return made;
  };
  return element("span", { class: "pair", "aria-hidden": "true" }, bar(before, "before"), bar(after, "after"));
}

/** What the two colours stand for. */
const pairLegend = () =>
  element(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    element("li", {}, element("i", { class: "before" }), "in the corpus"),
    element("li", {}, element("i", { class: "after" }), "in the output"),
  );

/**
 * A table of shares before and after.
 *
 * @param {string} caption what the rows are.
 * @param {string} head the name of the first column.
 * @param {object[]} rows with share_before and share_after.
 * @param {Function} name row => what it is called.
 * @param {object[]} more further columns, see `table`.
 */
function shares(caption, head, rows, name, more = []) {
  const most = Math.max(...rows.flatMap((row) => [row.share_before, row.share_after]), 1e-12);
  const columns = [
    { name: head, words: true, head: true, of: name },
    { name: "", words: true, of: (row) => pair(row.share_before, row.share_after, most) },
    { name: "before", of: (row) => percent(row.share_before) },
    { name: "after", of: (row) => percent(row.share_after) },
    { name: "change", of: (row) => times(row.share_after / row.share_before) },
    ...more,
  ];
  return element("div", {}, pairLegend(), table(caption, columns, rows, { class: "shares" }));
}

const FEW = 15;

/** The same for many rows: the first are shown, a button shows the others. */
function longShares(caption, head, rows, name, more) {
  if (rows.length <= FEW + 3) return shares(caption, head, rows, name, more);
  const box = element("div", {}, shares(caption, head, rows.slice(0, FEW), name, more));
  const show = element("button", { type: "button", class: "quiet" }, `Show all ${count(rows.length)}`);
  show.addEventListener("click", () => {
    const all = shares(caption, head, rows, name, more);
    box.replaceChildren(all);
    all.querySelector(".scroll").focus();
  });
  box.append(show);
  return box;
}
