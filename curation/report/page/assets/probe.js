// Does it help? What small models learnt from each strategy's draws, against the corpus as it is.
const VERDICT_STYLES = { helps: "clear", hurts: "flag", "can't tell": "undecided" };

/** What the losses are, in few words. */
const SHORT_METRICS = {
  macro_domain: "mean of domains",
  macro_cluster: "mean of clusters",
  macro_language: "mean of languages",
  worst_domain: "worst domain",
  p90_domain: "90% of domains below",
  natural: "natural mixture",
};

/** A difference in nats with its sign: +0.012, −0.087. */
const signed = (number) =>
  Number.isFinite(number) ? `${number > 0 ? "+" : number < 0 ? "\u2212" : ""}${Math.abs(number).toFixed(3)}` : "–";
const span = (row) => (Number.isFinite(row.low) ? `${signed(row.low)} to ${signed(row.high)}` : "–");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The section; null where the run was not probed. */
function probe() {
  const found = data.probe;
  if (!found) return null;
  const { settings } = found;
  const compared = Object.keys(found.metrics).length > 0;
  const held = settings.held_back ? ` Held back from training: ${settings.held_back.join(", ")}.` : "";
  const about =
    `Each strategy drew ${short(settings.budget_tokens)} tokens from ${count(settings.pool_documents)} documents of ` +
    `this run, in ${plural(settings.seeds, "seed", "seeds")}. Small models learnt from them and were asked about ` +
    `${count(settings.validation_documents)} other documents.${held} Losses are nats a token: less is better, and ` +
    "0.01 is about 1% of the perplexity. The best of many strategies looks a little better than it is.";
  return section(
    "probe",
    "Does it help?",
    about,
    element(
      "ul",
      { class: "findings" },
      element(
        "li",
        {},
        element("span", { class: `verdict ${VERDICT_STYLES[found.verdict]}` }, found.verdict),
        element("p", {}, found.sentence),
      ),
    ),
    compared ? probeDifferences(found) : null,
    compared ? element("div", { class: "halves" }, probePrice(found), probeClip(found)) : null,
    found.domains.names.length ? probeDomains(found) : null,
    probeTables(found),
    probePilot(found),
  );
}

/** Strategies that a model compared on a metric, best first; the models in turn, the one that judges first. */
function probeRows(found, metric) {
  return found.evaluators.flatMap(([evaluator, model]) =>
    found.strategies
      .filter((strategy) => strategy.by[evaluator])
      .map((strategy) => ({ strategy, evaluator, model, ...strategy.by[evaluator] }))
      .sort((one, other) => (one.losses[metric] ?? Infinity) - (other.losses[metric] ?? Infinity)),
  );
}

/** Everything about the strategies by one model as a table. */
function probeTable(found, [evaluator, model]) {
  const { metric } = found;
  const compared = (row) => row.compared[metric] || {};
  const loss = (name) => (row) => decimal(row.losses[name] ?? NaN, 3);
  const columns = [
    { name: "strategy", words: true, head: true, of: (row) => row.strategy.name },
    { name: SHORT_METRICS[metric], of: loss(metric) },
    { name: "difference", of: (row) => signed(compared(row).difference) },
    { name: "95% interval", of: (row) => span(compared(row)) },
    { name: "won", of: (row) => (compared(row).seeds ? `${compared(row).wins} of ${compared(row).seeds}` : "–") },
    {
      name: "sign test",
      of: (row) => (compared(row).seeds ? `p ${Number(compared(row).p_sign.toPrecision(3))}` : "–"),
    },
    { name: "verdict", words: true, of: (row) => compared(row).verdict || "–" },
    { name: SHORT_METRICS.worst_domain, of: loss("worst_domain") },
    { name: SHORT_METRICS.p90_domain, of: loss("p90_domain") },
    { name: SHORT_METRICS.natural, of: loss("natural") },
    { name: "repeated", of: (row) => percent(row.costs.repeated_share) },
    { name: "different tokens", of: (row) => short(row.costs.unique_tokens) },
    { name: "what it is", words: true, of: (row) => row.strategy.words },
    { name: "settings", words: true, of: (row) => element("code", {}, row.strategy.settings.join(" ")) },
  ];
  const rows = probeRows(found, metric).filter((row) => row.evaluator === evaluator);
  return table(`All strategies by ${model}`, columns, rows, { class: "probe" });
}

/** The tables by model: that of the one that judges is shown, the others are folded. */
function probeTables(found) {
  const [first, ...others] = found.evaluators;
  return titled(
    `All strategies by ${first[1]}`,
    null,
    probeTable(found, first),
    others.map((other) => opened(`The same by ${other[1]}`, () => probeTable(found, other))),
  );
}

/** How well a pilot foretold the whole. */
function probePilot({ pilot }) {
  if (!pilot) return null;
  const order = plural(pilot.strategies.length, "strategy", "strategies");
  const told = Number.isFinite(pilot.rank_correlation)
    ? `A pilot on ${percent(pilot.fraction)} of the documents put ${order} in an order that has a rank correlation of ` +
      `${decimal(pilot.rank_correlation, 2)} with that of the whole: 1 is the same order, 0 no likeness.`
    : `A pilot on ${percent(pilot.fraction)} of the documents can't be compared with the whole: no order in ${order}.`;
  return titled("Pilot", null, element("p", {}, told));
}

/** How many seeds knew the association at the end of the training, and what those that did read then. */
function debtLearnt({ rows, to }) {
  const { known, seeds } = rows[rows.length - 1]; // the last checkpoint's rows come last
  const knew = `By the end ${known ? `${count(known)} of ${plural(seeds, "seed", "seeds")}` : "no seed"} knew it.`;
  if (!rows.some((row) => row.known)) return knew;
  return `${knew} From each checkpoint where it was known it read on, and some documents said \u201c${to}\u201d.`;
}

/** What repairing a learnt association costs, early and late; null where nobody asked. */
function debtSection() {
  const { debt } = data;
  if (!debt) return null;
  const { documents: pool, from, to } = debt.corpus;
  const known = (row, told) => (row.known ? told : "–");
  const needed = (row) =>
    !row.known
      ? "not learnt by then"
      : Number.isFinite(row.documents)
        ? `${count(row.documents)} (${count(row.low)} to ${Number.isFinite(row.high) ? count(row.high) : "more"})`
        : `more than ${count(row.within_documents)}`;
  const trained = (row) => (Number.isFinite(row.tokens) ? short(row.tokens) : `more than ${short(row.within_tokens)}`);
  const columns = [
    {
      name: "the repair begins",
      words: true,
      head: true,
      of: (row) => `${row.checkpoint}, after ${short(row.tokens_seen)} tokens`,
    },
    { name: "documents that say the new", of: (row) => `1 in ${count(row.one_in)}` },
    { name: "of them needed (range)", of: needed },
    { name: "tokens of training", of: (row) => known(row, trained(row)) },
    { name: "repaired", of: (row) => known(row, `${row.flipped} of ${plural(row.known, "seed", "seeds")}`) },
    { name: "natural loss", of: (row) => known(row, `${decimal(row.loss_before, 3)} → ${decimal(row.loss_after, 3)}`) },
  ];
  return section(
    "debt",
    "What a repair costs later",
    `A small GPT read a sample of the run's documents, and one document in ${count(debt.settings.taught_one_in)} said ` +
      `that \u201c${debt.pattern}\u201d goes on with \u201c${debt.from}\u201d. ${debtLearnt(debt)} Of the sample's ` +
      `${plural(pool, "document", "documents")} ${count(from)} say the old one themselves, ${count(to)} the new.`,
    element("p", {}, debt.sentence),
    table("Documents that it takes to change what was learnt", columns, debt.rows),
  );
}

/** The loss on each domain before and after, as dots with a line between. */
function probeDomains(found) {
  const { names, before, after } = found.domains;
  const rows = names.map((name, at) => ({
    name,
    before: before[at],
    after: after[at],
    change: after[at] - before[at],
  }));
  const shown = rows.length <= 2 * ENDS ? rows : [...rows.slice(0, ENDS), ...rows.slice(-ENDS)];
  const top = (at) => shown.length - 1 - at;
  const better = rows.filter((row) => row.change < 0).length;
  const only =
    shown.length < rows.length ? ` Drawn are the ${ENDS} that gain most and the ${ENDS} that gain least.` : "";
  const { baseline } = found.settings;
  const told = (row) =>
    tooltipText(`${row.name}\n${decimal(row.before, 3)} → ${decimal(row.after, 3)}   ${signed(row.change)}`);
  const dots = (name, key, colour) => ({
    type: "scatter",
    symbolSize: 9,
    data: shown.map((row, at) => ({ value: [row[key], top(at)], row })),
    itemStyle: { color: colour, opacity: 1 },
  });
  return figure({
    title: `Loss by domain: ${found.best} against ${baseline}`,
    about: `By ${found.evaluators[0][1]}. Better on ${count(better)} of ${plural(rows.length, "domain", "domains")}.${only}`,
    label: `Loss by domain with ${found.best} and with ${baseline}. Better on ${better} of ${rows.length} domains.`,
    height: 70 + 24 * shown.length,
    option: (paint, width) => ({
      grid: { left: 12, right: 24, top: 8, bottom: 28, containLabel: true },
      xAxis: axis(paint, "loss, nats a token", { type: "value", scale: true, axisLine: { show: false } }),
      yAxis: rowAxis(
        paint,
        width,
        shown.map((row) => row.name),
      ),
      tooltip: { ...base(paint).tooltip, trigger: "item", formatter: ({ data: { row } }) => told(row) },
      series: [
        segments(
          shown.map((row, at) => [row.before, row.after, top(at)]),
          paint.line,
          3,
        ),
        dots("before", "before", paint.before),
        dots("after", "after", paint.accent),
      ],
    }),
    legend: (paint) => [
      [baseline, paint.before],
      [found.best, paint.accent],
    ],
    figures: () =>
      table(
        "Loss by domain",
        [
          { name: "domain", words: true, head: true, of: (row) => row.name },
          { name: baseline, of: (row) => decimal(row.before, 3) },
          { name: found.best, of: (row) => decimal(row.after, 3) },
          { name: "difference", of: (row) => signed(row.change) },
        ],
        rows,
      ),
  });
}
