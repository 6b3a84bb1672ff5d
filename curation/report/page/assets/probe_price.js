// What a gain costs: on the natural mixture, and in repetition, by the sweep over the clip.

/** Pixels that a name takes, at most, and that it is high. */
const NAME = { width: 120, height: 15 };

/**
 * On which side of its point each name stands, so that none covers a point or another name or leaves the plot; null
 * where there is no such side.
 */
function labelSides(points, width, height) {
  const scale = (values, pixels) => {
    const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)];
    return values.map((value) => (pixels * (value - least)) / (most - least || 1));
  };
  const xs = scale(
    points.map(([x]) => x),
    width,
  );
  const ys = scale(
    points.map(([, y]) => y),
    height,
  );
  const taken = xs.map((x, at) => [x - 6, x + 6, ys[at]]);
  const free = (from, to, y) =>
    from > -20 &&
    to < width + 40 &&
    taken.every(([left, right, at]) => to < left || from > right || Math.abs(at - y) > NAME.height);
  return xs.map((x, at) => {
    const places = { right: [x + 7, x + NAME.width], left: [x - NAME.width, x - 7] };
    const side = Object.keys(places).find((name) => free(...places[name], ys[at])) || null;
    if (side) taken.push([...places[side], ys[at]]);
    return side;
  });
}

/** What a strategy gains on the target against what it costs on the natural mixture. */
function probePrice(found) {
  const { metric } = found;
  const [evaluator, model] = found.evaluators[0];
  const rows = probeRows(found, metric).filter(
    (row) => row.evaluator === evaluator && row.compared[metric] && row.compared.natural,
  );
  if (!rows.length) return null;
  const at = (row) => [row.compared.natural.difference, row.compared[metric].difference];
  const told = (row) =>
    tooltipText(
      `${row.strategy.name}\n${signed(at(row)[1])} nats on the target\n${signed(at(row)[0])} nats on the natural mixture`,
    );
  return figure({
    title: "The gain and its price",
    about: `By ${model}. Down is a gain on the ${found.metrics[metric]}, right a loss on the natural mixture.`,
    label: `Strategies by their gain and by their price on the natural mixture. ${found.sentence}`,
    option: (paint, width) => ({
      grid: { left: 12, right: 24, top: 16, bottom: 28, containLabel: true },
      xAxis: axis(paint, "natural mixture, difference in nats", { type: "value", axisLine: { show: false } }),
      yAxis: axis(paint, "", { type: "value", axisLine: { show: false } }),
      tooltip: { ...base(paint).tooltip, trigger: "item", formatter: ({ data: { row } }) => told(row) },
      series: [
        {
          type: "scatter",
          symbolSize: 11,
          data: rows.map((row, index, all, sides = labelSides(all.map(at), width - 90, 220)) => ({
            value: at(row),
            row,
            itemStyle: { color: verdictColours(paint)[row.compared[metric].verdict], opacity: 0.95 },
            label: { show: sides[index] !== null, position: sides[index] || "right" },
          })),
          label: {
            color: paint.muted,
            fontSize: 11,
            width: NAME.width - 10,
            overflow: "truncate",
            formatter: ({ data: { row } }) => row.strategy.name.replace(/\s+/g, " "),
          },
          markLine: zeroLine(paint, "xAxis", "yAxis"),
        },
      ],
    }),
    legend: (paint) => Object.entries(verdictColours(paint)),
    figures: () =>
      table(
        "Gain and price of each strategy",
        [
          { name: "strategy", words: true, head: true, of: (row) => row.strategy.name },
          { name: found.metrics[metric], of: (row) => signed(at(row)[1]) },
          { name: "natural mixture", of: (row) => signed(at(row)[0]) },
        ],
        rows,
      ),
  });
}

/** The sweep over the clip: the loss against what is repeated for it. */
function probeClip(found) {
  const { clip } = found;
  if (!clip) return null;
  const target = found.metrics[clip.metric] || WORDS(clip.metric);
  const taken = (row) => row.clip === clip.recommended;
  const title = clip.recommended === null ? "The clip: none to recommend" : `The clip: take ${clip.recommended}`;
  const rows = clip.rows.map((row) => ({ ...row, loss: row[clip.metric] }));
  const shift = (row) => (Number.isFinite(row.difference) ? row.loss - row.difference : NaN);
  const bounded = rows.filter((row) => Number.isFinite(row.low));
  const told = (row) =>
    [
      `clip ${row.clip}${taken(row) ? ", recommended" : ""}`,
      `loss ${decimal(row.loss, 3)}, ${signed(row.difference)} nats`,
      `${percent(row.repeated_share)} of the tokens are repeated`,
    ].join("\n");
  return figure({
    title,
    about: capital(clip.why),
    label: `${title}: ${clip.why}`,
    option: (paint) => ({
      grid: { left: 12, right: 24, top: 24, bottom: 28, containLabel: true },
      xAxis: axis(paint, "share of the drawn tokens that are repeated", {
        type: "value",
        min: 0,
        axisLine: { show: false },
        axisLabel: { color: paint.muted, hideOverlap: true, formatter: (value) => `${+(value * 100).toFixed(2)}%` },
      }),
      yAxis: axis(paint, "", { type: "value", scale: true, axisLine: { show: false } }),
      tooltip: { ...base(paint).tooltip, trigger: "item", formatter: ({ data: { row } }) => told(row) },
      series: [
        {
          type: "line",
          data: rows.map((row) => [row.repeated_share, row.loss]),
          showSymbol: false,
          silent: true,
          lineStyle: { width: 1.5, color: paint.line },
        },
        {
          type: "line",
          data: bounded.flatMap((row) => [
            [row.repeated_share, shift(row) + row.low],
            [row.repeated_share, shift(row) + row.high],
            ["-", "-"],
          ]),
          showSymbol: false,
          silent: true,
          lineStyle: { width: 2, color: paint.before },
        },
        {
          type: "scatter",
          data: rows.map((row) => ({
            value: [row.repeated_share, row.loss],
            row,
            symbolSize: taken(row) ? 15 : 10,
            itemStyle: { color: taken(row) ? paint.accent : paint.before, opacity: 1 },
          })),
          label: {
            show: true,
            position: "right",
            offset: [0, -9],
            color: paint.text,
            formatter: ({ data: { row } }) => `${row.clip}`,
          },
        },
      ],
    }),
    legend: (paint) => [
      ...(clip.recommended === null ? [] : [["recommended", paint.accent]]),
      [`clips; lines: 95% intervals of the difference to ${found.settings.baseline}`, paint.before],
    ],
    figures: () =>
      table(
        "The sweep over the clip",
        [
          { name: "clip", words: true, head: true, of: (row) => `${row.clip}${taken(row) ? " (recommended)" : ""}` },
          { name: target, of: (row) => decimal(row.loss, 3) },
          { name: "difference", of: (row) => signed(row.difference) },
          { name: "95% interval", of: (row) => span(row) },
          { name: "natural mixture", of: (row) => decimal(row.natural ?? NaN, 3) },
          { name: "repeated", of: (row) => percent(row.repeated_share) },
          { name: "different tokens", of: (row) => short(row.unique_tokens) },
        ],
        rows,
      ),
  });
}
