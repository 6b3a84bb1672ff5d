// The sections in the order in which they are read: what happened, what it did, how long it took.

/** A figure that stands out. */
const tile = (value, name, about) =>
  element(
    "div",
    { class: "tile" },
    element("dt", {}, name),
    element("dd", {}, element("strong", {}, value), element("span", {}, about)),
  );

/** The beginning: what went in, what came out, and what that is worth. */
function overview() {
  const { plan, balance } = data;
  const read = data.flow[0];
  const tiles = element(
    "dl",
    { class: "tiles" },
    tile(
      short(read.documents),
      "documents read",
      `${short(read.tokens)} tokens, ${plural(data.domains.length, "domain", "domains")}`,
    ),
    tile(short(plan.draws), "draws", `${short(plan.tokens)} tokens, no document more than ${data.clip} times`),
    tile(
      percent(plan.used_documents / plan.documents),
      "documents used",
      `${count(plan.documents - plan.used_documents)} are never drawn`,
    ),
    tile(
      `${few(balance.effective_clusters.before)} → ${few(balance.effective_clusters.after)}`,
      "effective clusters",
      `of ${count(clusters.length)}; Gini ${decimal(balance.gini.before, 2)} → ${decimal(balance.gini.after, 2)}`,
    ),
    tile(
      percent(plan.effective_tokens / Math.max(1, plan.tokens)),
      "worth of the tokens",
      `${short(plan.effective_tokens)} as different ones`,
    ),
  );
  const lines = table(
    "What went in and what came out",
    [
      { name: "step", words: true, head: true, of: (row) => row.step },
      { name: "documents", of: (row) => count(row.documents) },
      { name: "tokens", of: (row) => short(row.tokens) },
      { name: "note", words: true, of: (row) => row.note },
    ],
    data.flow,
    { class: "flow" },
  );
  const told = [...data.sentences, validation()].map((text) => element("p", { class: "about" }, text));
  return section(
    "overview",
    "What went in and what came out",
    null,
    tiles,
    element("div", { class: "halves" }, lines, element("div", { class: "block" }, told)),
  );
}

/** What is held out for validation, in a sentence. */
function validation() {
  const held = data.validation;
  if (!held) return "Nothing is held out for validation.";
  const size = `${plural(held.documents, "document", "documents")} with ${short(held.tokens)} tokens`;
  return (
    `Held out for validation before anything was drawn: ${size}, in ${plural(held.shards, "shard", "shards")}. ` +
    "No training shard holds the same text."
  );
}

/** The phases, where there are several. */
function phases() {
  if (data.phases.length < 2) {
    const [{ order, strategy }] = data.phases;
    return element(
      "p",
      { class: "about" },
      `Order: ${WORDS(order)}. Domain weights: ${WORDS(strategy)}. Clip: ${data.clip}.`,
    );
  }
  return table(
    "Phases, in this order",
    [
      { name: "phase", words: true, head: true, of: (row) => row.folder },
      { name: "order", words: true, of: (row) => WORDS(row.order) },
      { name: "weights", words: true, of: (row) => WORDS(row.strategy) },
      { name: "clip", of: (row) => row.clip },
      { name: "budget", of: (row) => short(row.budget) },
      { name: "tokens", of: (row) => short(row.tokens) },
      { name: "draws", of: (row) => count(row.draws) },
    ],
    data.phases,
  );
}

/** Before and after: clusters, domains, groups, languages. */
function beforeAfter() {
  const documents = { name: "documents", of: (row) => count(row.documents) };
  const epochs = { name: "epochs", of: (row) => decimal(row.epochs, 2) };
  const byTokens = data.domains.toSorted((one, other) => other.tokens_before - one.tokens_before);
  return section(
    "balance",
    "Before and after",
    "Shares are of tokens. Before is what there was to draw from, after is what was drawn, repetitions counted.",
    element("div", { class: "halves" }, lorenzFigure(), repetitionFigure()),
    titled(
      "Domains",
      null,
      longShares("Domains", "domain", byTokens, (row) => row.domain, [documents, epochs]),
    ),
    grouped
      ? titled(
          "Groups of clusters",
          null,
          longShares("Groups", "group", data.groups, (row) => `${row.group}: ${row.terms.slice(0, 4).join(", ")}`, [
            documents,
            epochs,
          ]),
        )
      : null,
    data.audited.includes("languages") && data.languages.length
      ? titled(
          "Languages",
          "Shares of documents, from a sample; from and to are the ends of the 95% interval of the share before.",
          languages(documents),
        )
      : null,
  );
}

/** Languages with their intervals. */
function languages(documents) {
  const interval = {
    name: "from – to",
    of: (row) => (row.low === null || row.low === undefined ? "–" : `${percent(row.low)} – ${percent(row.high)}`),
  };
  return longShares("Languages", "language", data.languages, (row) => languageName(row.language), [
    interval,
    documents,
  ]);
}

const languageNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** The name of a language; the code where the browser knows none. */
function languageName(code) {
  if (code === "und") return "unknown";
  try {
    return `${languageNames.of(code)} (${code})`;
  } catch {
    return code;
  }
}

/** What the balance was bought with. */
function price() {
  const { plan } = data;
  const unused = plan.documents - plan.used_documents;
  const repeated = plan.tokens - plan.unique_tokens;
  const available = sum(data.domains.map((row) => row.tokens_before));
  const clipped = clusters.filter((row) => row.clipped);
  const held = sum(clipped.map((row) => row.share_after));
  return section(
    "price",
    "The price, and what the clip did",
    "Balance costs coverage: what is common is left out in part, what is rare is repeated.",
    element(
      "dl",
      { class: "facts wide" },
      fact(
        "documents never used",
        element("strong", {}, count(unused)),
        ` of ${count(plan.documents)}, ${percent(unused / plan.documents)}`,
      ),
      fact(
        "different tokens used",
        element("strong", {}, short(plan.unique_tokens)),
        ` of ${short(available)}, ${percent(plan.unique_tokens / Math.max(1, available))}`,
      ),
      fact(
        "repeated tokens",
        element("strong", {}, short(repeated)),
        ` of ${short(plan.tokens)} drawn, ${percent(repeated / Math.max(1, plan.tokens))}`,
      ),
      fact(
        "worth as different tokens",
        element("strong", {}, short(plan.effective_tokens)),
        `, ${percent(plan.effective_tokens / Math.max(1, plan.tokens))} of those drawn `,
        "(Muennighoff et al. 2023: a token that is repeated a few times is nearly worth a new one)",
      ),
      fact(
        "clusters at the clip",
        element("strong", {}, count(clipped.length)),
        ` of ${count(clusters.length)}: `,
        clipped.length
          ? `all their documents are used as often as they may be (${data.clip}); ${percent(held)} of the output`
          : "none is used up",
      ),
    ),
  );
}

/** The mixture along the output. */
function along() {
  const { domains, clusters: byCluster, order_note: note } = data.mixture;
  const bands = grouped
    ? "groups of clusters"
    : byCluster.names.some((name) => name.startsWith("cluster "))
      ? "clusters"
      : "size of cluster";
  return section(
    "mixture",
    "The mixture along the output",
    `What a trainer sees first and last, in ${plural(data.mixture.stretches.length, "stretch", "stretches")} of the ` +
      `output; shares of tokens. ${note}`,
    phases(),
    mixtureFigure("By domain", null, domains),
    mixtureFigure(`By ${bands}`, null, byCluster),
  );
}

/** Time and throughput. */
function timing() {
  const all = sum(data.times.map((row) => row.seconds));
  const most = Math.max(...data.times.map((row) => row.seconds), 1e-9);
  const bar = (row) => {
    const made = element("span", { class: "bar after" });
    made.style.setProperty("width", `${((100 * row.seconds) / most).toFixed(2)}%`);
    return element("span", { class: "pair", "aria-hidden": "true" }, made);
  };
  return section(
    "time",
    "Time and throughput",
    `${duration(all)} in all. Of a stage that was stopped and went on, or was done again, it is the last piece of ` +
      "work, and its rate may seem too high. The times differ from run to run: this page is the one file here " +
      "whose bytes are not promised.",
    table(
      "Time of each stage",
      [
        { name: "stage", words: true, head: true, of: (row) => WORDS(row.stage) },
        { name: "", words: true, of: bar },
        { name: "time", of: (row) => duration(row.seconds) },
        { name: "share", of: (row) => percent(row.seconds / Math.max(1e-9, all)) },
        { name: "worked on", of: (row) => (row.count === null ? "–" : `${short(row.count)} ${row.unit}`) },
        {
          name: "a second",
          of: (row) => (row.count === null || row.seconds < 0.05 ? "–" : short(row.count / row.seconds)),
        },
      ],
      data.times,
      { class: "shares" },
    ),
  );
}
