// Clusters as rows, and what is shown of one: terms, sizes, coherence and texts.
const totals = { before: sum(data.clusters.before), after: sum(data.clusters.after) };

/** A row a cluster, most tokens first; `place` is where it stands in that order. */
const clusters = data.clusters.cluster.map((number, place) => {
  const row = { place };
  for (const [name, column] of Object.entries(data.clusters)) row[name] = column[place];
  row.share_before = totals.before ? row.before / totals.before : 0;
  row.share_after = totals.after ? row.after / totals.after : 0;
  row.change = row.share_before ? row.share_after / row.share_before : 0;
  row.epochs = row.before ? row.after / row.before : 0;
  row.domainName = data.domains[row.domain].domain;
  return row;
});

const grouped = data.groups.length > 0;

/** What there is to say against a cluster, or of it, in words. */
function notes(cluster) {
  const found = [];
  if (cluster.warning) found.push(cluster.warning);
  if (cluster.clipped) found.push("at the clip: every document is used as often as it may be");
  if (cluster.after === 0) found.push("nothing of it is drawn");
  return found;
}

/** A pair of a name and a value, for a list of facts. */
const fact = (name, ...value) => element("div", {}, element("dt", {}, name), element("dd", {}, ...value));

/** Everything about a cluster. */
function detail(cluster) {
  const told = notes(cluster);
  return element(
    "div",
    { class: "detail" },
    element(
      "ul",
      { class: "terms", "aria-label": "terms" },
      cluster.terms.length
        ? cluster.terms.map((term) => element("li", {}, term))
        : element("li", {}, "no terms set it apart"),
    ),
    element(
      "dl",
      { class: "facts" },
      fact("documents", count(cluster.documents)),
      fact("tokens", `${short(cluster.before)} → ${short(cluster.after)}`),
      fact("share", `${percent(cluster.share_before)} → ${percent(cluster.share_after)}`),
      fact("change", times(cluster.change)),
      fact("epochs", decimal(cluster.epochs, 2)),
      fact("coherence", cluster.coherence === null ? "–" : decimal(cluster.coherence, 2)),
      fact("most from", cluster.domainName),
      grouped ? fact("group", count(cluster.group)) : null,
    ),
    told.length
      ? element(
          "ul",
          { class: "notes" },
          told.map((note) => element("li", {}, note)),
        )
      : null,
    element("h4", {}, cluster.examples.length ? "Texts near its centre" : "None of its texts were kept as a sample"),
    cluster.examples.map((text) => element("blockquote", {}, text)),
  );
}
