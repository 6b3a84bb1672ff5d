// How even the clusters are, how often documents repeat, and the mixture along the output.

/** The Lorenz curves of the clusters. */
function lorenzFigure() {
  const { clusters: at, before, after } = data.lorenz;
  const { gini, effective_clusters: effective } = data.balance;
  const curve = (name, values, colour, more = {}) => ({
    name,
    type: "line",
    data: at.map((share, index) => [share, values[index]]),
    showSymbol: false,
    lineStyle: { width: 2.5, color: colour },
    itemStyle: { color: colour },
    ...more,
  });
  const told = (share) => {
    const index = at.findIndex((value) => value >= share);
    return [
      `The smallest ${percent(at[index])} of the clusters hold`,
      `${percent(before[index])} of the tokens in the corpus`,
      `${percent(after[index])} in the output`,
    ].join("\n");
  };
  const marks = [0.1, 0.25, 0.5, 0.75, 0.9].map((share) =>
    at.reduce((best, value, index) => (Math.abs(value - share) < Math.abs(at[best] - share) ? index : best), 0),
  );
  return figure({
    title: "How even the clusters are",
    about:
      "The share of the tokens that the smallest clusters hold together. On the diagonal all clusters are the same. " +
      `Gini ${decimal(gini.before, 3)} before, ${decimal(gini.after, 3)} after.`,
    label:
      `Lorenz curves of the clusters. Gini coefficient ${decimal(gini.before, 3)} before and ` +
      `${decimal(gini.after, 3)} after; effective clusters ${few(effective.before)} before and ` +
      `${few(effective.after)} after.`,
    option: (paint) => ({
      grid: { left: 12, right: 20, top: 12, bottom: 28, containLabel: true },
      xAxis: axis(paint, "share of the clusters, the smallest first", {
        type: "value",
        min: 0,
        max: 1,
        splitLine: { show: false },
        axisLabel: { color: paint.muted, formatter: (value) => `${Math.round(value * 100)}%` },
      }),
      yAxis: axis(paint, "", {
        type: "value",
        min: 0,
        max: 1,
        axisLine: { show: false },
        axisLabel: { color: paint.muted, formatter: (value) => `${Math.round(value * 100)}%` },
      }),
      tooltip: {
        ...base(paint).tooltip,
        trigger: "axis",
        axisPointer: { lineStyle: { color: paint.muted } },
        formatter: ([{ value }]) => told(value[0]),
      },
      series: [
        curve("even", at, paint.line, { silent: true, lineStyle: { width: 1, color: paint.muted, type: "dashed" } }),
        curve("in the corpus", before, paint.before),
        curve("in the output", after, paint.accent),
      ],
    }),
    legend: (paint) => [
      ["in the corpus", paint.before],
      ["in the output", paint.accent],
      ["all the same", paint.muted],
    ],
    figures: () =>
      table(
        "Share of the tokens that the smallest clusters hold",
        [
          { name: "the smallest", words: true, head: true, of: (index) => percent(at[index]) },
          { name: "before", of: (index) => percent(before[index]) },
          { name: "after", of: (index) => percent(after[index]) },
        ],
        [...new Set(marks)],
      ),
  });
}

/** How many documents are used how often. */
function repetitionFigure() {
  const uses = data.plan.repetitions.map((documents, often) => ({ often, documents }));
  const name = ({ often }) => (often === 0 ? "never" : often === 1 ? "once" : `${often} times`);
  return figure({
    title: "How often documents are used",
    about: `Documents by how often they are drawn over the whole output. The limit is ${data.clip}.`,
    label: `Documents by uses: ${uses
      .slice(0, 8)
      .map((row) => `${count(row.documents)} ${name(row)}`)
      .join(", ")}.`,
    option: (paint) => ({
      grid: { left: 12, right: 20, top: 28, bottom: 8, containLabel: true },
      xAxis: axis(paint, "", {
        type: "category",
        data: uses.map(name),
        axisLabel: { color: paint.muted, hideOverlap: true },
      }),
      yAxis: axis(paint, "", {
        type: "value",
        axisLine: { show: false },
        axisLabel: { color: paint.muted, formatter: shortest },
      }),
      tooltip: {
        ...base(paint).tooltip,
        trigger: "axis",
        axisPointer: { type: "none" },
        formatter: ([{ dataIndex: at }]) => `${count(uses[at].documents)} documents\nare used ${name(uses[at])}`,
      },
      series: [
        {
          type: "bar",
          barMaxWidth: 56,
          data: uses.map((row) => ({
            value: row.documents,
            itemStyle: { color: row.often ? paint.accent : paint.before, borderRadius: [3, 3, 0, 0] },
          })),
          label: {
            show: uses.length <= 12,
            position: "top",
            color: paint.muted,
            formatter: ({ value }) => short(value),
          },
        },
      ],
    }),
    figures: () =>
      table(
        "Documents by uses",
        [
          { name: "used", words: true, head: true, of: name },
          { name: "documents", of: (row) => count(row.documents) },
          { name: "share", of: (row) => percent(row.documents / data.plan.documents) },
        ],
        uses.filter((row) => row.documents),
      ),
  });
}

/** The mixture along the output, by domains or by clusters. */
function mixtureFigure(title, about, series) {
  const { stretches } = data.mixture;
  const sums = stretches.map((_, at) => sum(series.tokens.map((tokens) => tokens[at])));
  const shown = largest(series, 12);
  const share = (row, at) => (sums[at] ? row.tokens[at] / sums[at] : 0);
  const rows = sum(stretches.map((stretch) => stretch.rows));
  const starts = new Set(
    stretches.flatMap((stretch, at) => (at && stretches[at - 1].phase !== stretch.phase ? [at] : [])),
  );
  const tenth = (at) => Math.floor((10 * stretches[at].first) / rows + 1e-9);
  const tenths = new Set(stretches.flatMap((_, at) => (at === 0 || tenth(at) > tenth(at - 1) ? [at] : [])));
  const colour = (paint, index) => (shown[index].others ? paint.others : paint.series[index % paint.series.length]);
  const where = (at) =>
    `${percent(stretches[at].first / rows)} to ${percent((stretches[at].first + stretches[at].rows) / rows)}`;
  const phaseName = (at) => (starts.size ? `${data.phases[stretches[at].phase].folder}, ` : "");
  const told = (at) =>
    tooltipText(
      [
        `${phaseName(at)}${where(at)} of the output`,
        ...shown
          .map((row) => [row.name, share(row, at)])
          .filter(([, part]) => part >= 0.0005)
          .sort((one, other) => other[1] - one[1])
          .slice(0, 14)
          .map(([name, part]) => `${percent(part)}  ${name}`),
      ].join("\n"),
    );
  const first = shown.map(
    (row) => `${row.name} ${percent(share(row, 0))} first and ${percent(share(row, stretches.length - 1))} last`,
  );
  return figure({
    title,
    about,
    label: `The mixture along the output. ${first.slice(0, 6).join("; ")}.`,
    option: (paint) => ({
      grid: { left: 12, right: 20, top: 12, bottom: 28, containLabel: true },
      xAxis: axis(
        paint,
        starts.size
          ? "the output in the order of training; lines where a phase begins"
          : "the output in the order of training",
        {
          type: "category",
          data: stretches.map((_, at) => at),
          z: 6,
          axisLabel: {
            color: paint.muted,
            hideOverlap: true,
            interval: (at) => tenths.has(at),
            formatter: (at) => `${10 * tenth(at)}%`,
          },
          splitLine: {
            show: starts.size > 0,
            interval: (at) => starts.has(at),
            lineStyle: { color: paint.text, width: 1.5 },
          },
        },
      ),
      yAxis: axis(paint, "", {
        type: "value",
        min: 0,
        max: 1,
        axisLine: { show: false },
        axisLabel: { color: paint.muted, formatter: (value) => `${Math.round(value * 100)}%` },
      }),
      tooltip: {
        ...base(paint).tooltip,
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: ([{ dataIndex }]) => told(dataIndex),
      },
      series: shown.map((row, index) => ({
        type: "bar",
        stack: "all",
        barCategoryGap: "0%",
        barWidth: "101%",
        data: stretches.map((_, at) => share(row, at)),
        itemStyle: { color: colour(paint, index) },
      })),
    }),
    legend: (paint) => shown.map((row, index) => [row.name, colour(paint, index)]),
    figures: () =>
      table(
        title,
        [
          { name: "stretch", words: true, head: true, of: (at) => `${phaseName(at)}${where(at)}` },
          ...shown.map((row) => ({ name: row.name, of: (at) => percent(share(row, at)) })),
        ],
        stretches.map((_, at) => at),
      ),
  });
}

/** The names with most tokens, and the others as one. */
function largest(series, most) {
  const rows = series.names.map((name, index) => ({ name, tokens: series.tokens[index] }));
  if (rows.length <= most + 1) return rows;
  const sorted = rows.toSorted((one, other) => sum(other.tokens) - sum(one.tokens));
  const left = sorted.slice(most);
  const others = {
    name: `${count(left.length)} others`,
    others: true,
    tokens: left[0].tokens.map((_, at) => sum(left.map((row) => row.tokens[at]))),
  };
  return [...sorted.slice(0, most), others];
}
