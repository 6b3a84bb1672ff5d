// What the plots of a probe share, and what each strategy gains.

/** Domains of a plot that are drawn from either end. */
const ENDS = 14;
const LABEL_WIDTH = { narrow: 110, wide: 200 };

/** An axis with a name a row, the first at the top, for points at rows.length - 1 down to 0. */
function rowAxis(paint, width, names) {
  const label = (at) => (names[names.length - 1 - at] ?? "").replace(/\s+/g, " ");
  return axis(paint, "", {
    type: "value",
    min: -1,
    max: names.length,
    interval: 1,
    axisLine: { show: false },
    splitLine: { show: false },
    axisLabel: {
      color: paint.text,
      width: width < 500 ? LABEL_WIDTH.narrow : LABEL_WIDTH.wide,
      overflow: "truncate",
      formatter: label,
    },
  });
}

/** Horizontal lines, each from one value to another at a height. */
function segments(lines, color, width) {
  return {
    type: "line",
    data: lines.flatMap(([from, to, at]) => [
      [from, at],
      [to, at],
      ["-", "-"],
    ]),
    showSymbol: false,
    silent: true,
    lineStyle: { width, color, cap: "round" },
    z: 1,
  };
}

/** A thin line at nothing. */
const zeroLine = (paint, ...axes) => ({
  silent: true,
  symbol: "none",
  label: { show: false },
  lineStyle: { color: paint.muted, type: "dashed", width: 1 },
  data: axes.map((name) => ({ [name]: 0 })),
});

const verdictColours = (paint) => ({ helps: paint.accent, hurts: paint.more, "can't tell": paint.before });

/** What each strategy gains against the baseline, with its interval; a switch between the losses. */
function probeDifferences(found) {
  const state = { metric: found.metric };
  const { baseline } = found.settings;
  const [judge, other] = found.evaluators;
  const rows = () =>
    probeRows(found, state.metric)
      .filter((row) => row.compared[state.metric])
      .map((row) => ({ ...row, of: row.compared[state.metric], name: row.strategy.name }));
  const names = () => [...new Set(rows().map((row) => row.name))];
  const told = ({ name, model, of }) =>
    tooltipText(
      [
        `${name}, by ${model}`,
        `${signed(of.difference)} nats, 95% interval ${span(of)}`,
        `better in ${of.wins} of ${plural(of.seeds, "seed", "seeds")}: ${of.verdict}`,
      ].join("\n"),
    );

  /** The points of a model and the lines of their intervals, a little above or below those of the other one. */
  function series(paint, evaluator, place) {
    const order = names();
    const colour = verdictColours(paint);
    const own = rows().filter((row) => row.evaluator === evaluator);
    const height = (row) => order.length - 1 - order.indexOf(row.name) + (other ? 0.17 - 0.34 * place : 0);
    const lines = Object.keys(colour).map((verdict) =>
      segments(
        own
          .filter(({ of }) => of.verdict === verdict && Number.isFinite(of.low))
          .map((row) => [row.of.low, row.of.high, height(row)]),
        colour[verdict],
        2.5,
      ),
    );
    const points = {
      type: "scatter",
      symbol: place ? "diamond" : "circle",
      symbolSize: place ? 12 : 10,
      data: own.map((row) => ({
        value: [row.of.difference, height(row)],
        row,
        itemStyle: { color: colour[row.of.verdict], opacity: 1 },
      })),
      markLine: place ? undefined : zeroLine(paint, "xAxis"),
    };
    return [...lines, points];
  }

  const shown = figure({
    title: `Against ${baseline}`,
    about:
      `Differences of the loss, with 95% intervals; left of the line is better than ${baseline}.` +
      (other ? ` Dots: ${judge[1]}; diamonds: ${other[1]}.` : ""),
    label: `Differences to ${baseline} of ${plural(names().length, "strategy", "strategies")}. ${found.sentence}`,
    height: 70 + (other ? 38 : 30) * names().length,
    option: (paint, width) => ({
      grid: { left: 12, right: 24, top: 8, bottom: 28, containLabel: true },
      xAxis: axis(paint, "difference in nats a token", {
        type: "value",
        axisLine: { show: false },
        axisLabel: { color: paint.muted, hideOverlap: true, formatter: (value) => signed(value).replace(/0$/, "") },
      }),
      yAxis: rowAxis(paint, width, names()),
      tooltip: { ...base(paint).tooltip, trigger: "item", formatter: ({ data: { row } }) => told(row) },
      series: found.evaluators.flatMap(([evaluator], place) => series(paint, evaluator, place)),
    }),
    legend: (paint) => Object.entries(verdictColours(paint)),
    figures: () => differenceTable(found),
  });
  const options = Object.keys(found.metrics).map((name) => [name, SHORT_METRICS[name]]);
  const metrics = choice("Loss", "probe-metric", options, state.metric, (value) => {
    state.metric = value;
    shown.redraw();
  });
  return element("div", { class: "block" }, element("div", { class: "tools" }, metrics), shown);
}

/** The differences of every loss as a table. */
function differenceTable(found) {
  const cell = (row) => (row ? `${signed(row.difference)} (${span(row)})` : "–");
  return table(
    "Differences of every loss, with 95% intervals",
    [
      { name: "strategy", words: true, head: true, of: (row) => row.strategy.name },
      { name: "model", words: true, of: (row) => row.model },
      ...Object.keys(found.metrics).map((name) => ({
        name: SHORT_METRICS[name],
        of: (row) => cell(row.compared[name]),
      })),
    ],
    probeRows(found, found.metric).filter((row) => Object.keys(row.compared).length),
    { class: "probe" },
  );
}
