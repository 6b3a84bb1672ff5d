// The map of the clusters: where their centroids lie, how large they are, and what happened to them.

/** The share of the map that all circles together would cover. */
const COVERED = 0.2;
const SMALLEST = 5;

/** The names of the domains that have a colour of their own on the map: those of most tokens. */
const MAPPED = 10;
const mapped = data.domains
  .map((row, place) => ({ place, tokens: row.tokens_before }))
  .sort((one, other) => other.tokens - one.tokens)
  .slice(0, data.domains.length > MAPPED + 1 ? MAPPED : data.domains.length)
  .map(({ place }) => place);

/** The colour of a change: blue for less, orange for more; strongest from four times on. */
function changeColour(paint, change) {
  const strength = change > 0 ? Math.max(-1, Math.min(1, Math.log2(change) / 2)) : -1;
  return mix(paint.even, strength < 0 ? paint.less : paint.more, Math.abs(strength));
}

/** A colour between two, each #rrggbb. */
function mix(from, to, share) {
  const part = (colour, at) => Number.parseInt(colour.slice(at, at + 2), 16);
  const parts = [1, 3, 5].map((at) => Math.round(part(from, at) + share * (part(to, at) - part(from, at))));
  return `rgb(${parts.join(",")})`;
}

const COLOURINGS = {
  change: {
    of: (paint, cluster) => changeColour(paint, cluster.change),
    legend: (paint) =>
      [
        [0.25, "a quarter of its share or less"],
        [0.5, "half"],
        [1, "the same"],
        [2, "twice"],
        [4, "4 times or more"],
      ].map(([change, name]) => [name, changeColour(paint, change)]),
  },
  domain: {
    of: (paint, cluster) =>
      mapped.includes(cluster.domain)
        ? paint.series[mapped.indexOf(cluster.domain) % paint.series.length]
        : paint.others,
    legend: (paint) => [
      ...mapped.map((place, index) => [data.domains[place].domain, paint.series[index % paint.series.length]]),
      ...(mapped.length < data.domains.length
        ? [[`${count(data.domains.length - mapped.length)} others`, paint.others]]
        : []),
    ],
  },
};

/** The map with its panel. */
function mapSection() {
  const state = { colouring: "change", chosen: null, chart: null };
  const size = (width, height) => (cluster) =>
    Math.max(SMALLEST, Math.sqrt((4 * COVERED * width * height * cluster.share_before) / Math.PI));

  function option(paint, width) {
    const diameter = size(width, map.querySelector(".chart").clientHeight);
    const colouring = COLOURINGS[state.colouring];
    const point = (cluster) => ({
      value: [cluster.x, cluster.y],
      place: cluster.place,
      symbolSize: diameter(cluster),
      itemStyle: { color: colouring.of(paint, cluster), opacity: 0.8, borderColor: paint.surface, borderWidth: 0.75 },
    });
    const ring = state.chosen && {
      value: [state.chosen.x, state.chosen.y],
      symbolSize: diameter(state.chosen) + 8,
      itemStyle: { color: "transparent", borderColor: paint.text, borderWidth: 2 },
    };
    const place = { type: "value", min: -1.08, max: 1.08, show: false };
    return {
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: place,
      yAxis: place,
      tooltip: { ...base(paint).tooltip, trigger: "item", formatter: ({ data: { place: at } }) => hint(clusters[at]) },
      series: [
        {
          type: "scatter",
          data: clusters.map(point),
          emphasis: { scale: false, itemStyle: { opacity: 1, borderColor: paint.text, borderWidth: 1.5 } },
        },
        { type: "scatter", data: ring ? [ring] : [], silent: true, z: 5 },
      ],
    };
  }

  const hint = (cluster) =>
    tooltipText(
      [
        `Cluster ${cluster.cluster}   ${percent(cluster.share_before)} → ${percent(cluster.share_after)}`,
        cluster.terms.slice(0, 6).join(", "),
        `${plural(cluster.documents, "document", "documents")}, most from ${cluster.domainName}`,
      ].join("\n"),
    );

  const map = figure({
    title: "Where the clusters lie",
    about:
      "A circle is a cluster, its area the tokens it holds in the corpus. The map keeps " +
      `${percent(data.map_share)} of the variance of the centroids: what is far apart here differs, ` +
      "what lies close may still differ.",
    label:
      `A map of ${plural(clusters.length, "cluster", "clusters")} by meaning. ` +
      "The table of all clusters has the same figures.",
    size: "tall",
    option,
    legend: (paint) => COLOURINGS[state.colouring].legend(paint),
    onReady(chart) {
      state.chart = chart;
      chart.on("click", ({ data: { place } }) => choose(clusters[place]));
    },
  });

  const title = element("h3", { id: "chosen-title" }, "");
  const panel = element("div", { class: "panel-body" });
  const step = (by, text, label) =>
    element(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": label,
        onclick: () => choose(clusters[(state.chosen.place + by + clusters.length) % clusters.length]),
      },
      text,
    );
  const aside = element(
    "div",
    { class: "panel", role: "group", tabindex: "0", "aria-labelledby": "chosen-title" },
    element(
      "div",
      { class: "panel-head", "aria-live": "polite" },
      title,
      element(
        "span",
        { class: "steps" },
        step(-1, "‹", "the next larger cluster"),
        step(1, "›", "the next smaller cluster"),
      ),
    ),
    panel,
  );

  function choose(cluster) {
    state.chosen = cluster;
    title.textContent = `Cluster ${cluster.cluster}`;
    panel.replaceChildren(detail(cluster));
    map.redraw();
  }
  choose(clusters[0]);

  const colouring = choice(
    "Colour",
    "colouring",
    [
      ["change", "change of share"],
      ["domain", "domain"],
    ],
    state.colouring,
    (value) => {
      state.colouring = value;
      map.redraw();
    },
  );
  return section(
    "map",
    "Clusters by meaning",
    "Click a circle, or go from cluster to cluster by size with the arrows beside the name.",
    element("div", { class: "tools" }, colouring),
    element("div", { class: "beside" }, map, aside),
  );
}
