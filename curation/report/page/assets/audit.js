// What an audit found: findings in words, near-duplicates, salient tokens, caps.
const VERDICTS = { flag: "flag", undecided: "undecided", clear: "clear" };

/** Findings, those to act on first. */
function findings() {
  const rank = { flag: 0, undecided: 1, clear: 2 };
  const rows = data.findings.toSorted((one, other) => rank[one.verdict] - rank[other.verdict]);
  const line = (row) =>
    element(
      "li",
      {},
      element("span", { class: `verdict ${VERDICTS[row.verdict] || "undecided"}` }, row.verdict),
      element("p", {}, row.words),
    );
  const flagged = rows.filter((row) => row.verdict === "flag").length;
  const listed = rows.some((row) => row.kind === "junk_cluster");
  const junk = listed ? [] : clusters.filter((row) => row.warning);
  const told = rows.length
    ? `${plural(flagged, "flag", "flags")}, ${count(rows.length - flagged)} undecided, ` +
      `${count(data.findings_clear)} clear. ` +
      "Undecided: the sample is too small to say."
    : data.findings_clear
      ? `Nothing to flag: ${plural(data.findings_clear, "check", "checks")} clear.`
      : "No checks of shares were made in this run.";
  const junkList = junk.length
    ? element(
        "div",
        { class: "block" },
        element("h3", {}, `Clusters that look like junk: ${count(junk.length)}`),
        element(
          "ul",
          { class: "findings" },
          junk
            .slice(0, 8)
            .map((row) =>
              element(
                "li",
                {},
                element("span", { class: "verdict undecided" }, "look"),
                element(
                  "p",
                  {},
                  `Cluster ${row.cluster}, ${plural(row.documents, "document", "documents")}: ${row.warning}. `,
                  row.terms.slice(0, 5).join(", "),
                ),
              ),
            ),
        ),
        junk.length > 8 ? element("p", { class: "about" }, "The others are in the table of all clusters.") : null,
      )
    : null;
  const list = (part) => element("ul", { class: "findings" }, part.map(line));
  const many = rows.length > 30 ? opened(`${count(rows.length - 30)} more`, () => list(rows.slice(30))) : null;
  return section("findings", "Findings", told, rows.length ? list(rows.slice(0, 30)) : null, many, junkList);
}

/** Near-duplicates, token caps and salient tokens, where the job asked for them. */
function audit() {
  const parts = [nearDuplicates(), tokenCaps(), salience()].filter(Boolean);
  return parts.length ? section("audit", "Copies and salient words", null, ...parts) : null;
}

function nearDuplicates() {
  const found = data.near_duplicates;
  if (!found) return null;
  const largestGroups = (found.largest || []).slice(0, 10);
  return element(
    "div",
    { class: "block" },
    element("h3", {}, "Near-duplicates"),
    element(
      "p",
      {},
      `${plural(found.documents, "document", "documents")} in ${plural(found.groups, "group", "groups")} say nearly `,
      `the same as others of their group; what repeats is ${percent(found.rate)} of all documents. `,
      "Nothing of it is dropped.",
    ),
    largestGroups.length
      ? table(
          "The largest groups",
          [
            { name: "group (its first document)", words: true, head: true, of: (row) => count(row.group) },
            { name: "documents", of: (row) => count(row.documents) },
          ],
          largestGroups,
        )
      : null,
  );
}

function tokenCaps() {
  if (!data.token_caps.length) return null;
  return element(
    "div",
    { class: "block" },
    element("h3", {}, "Caps on words"),
    element("p", { class: "about" }, "The share of documents that carry a word, limited by the job."),
    table(
      "Caps on words",
      [
        { name: "word", words: true, head: true, of: (row) => row.token },
        { name: "limit", of: (row) => percent(row.max_share) },
        { name: "before", of: (row) => percent(row.share_before) },
        { name: "after", of: (row) => percent(row.share_after) },
        { name: "documents", of: (row) => count(row.documents) },
        { name: "tokens forgone", of: (row) => short(row.forgone_tokens) },
      ],
      data.token_caps,
    ),
  );
}

function salience() {
  if (!data.salience.length) return null;
  const columns = [
    { name: "word", words: true, head: true, of: (row) => row.token },
    { name: "documents", of: (row) => count(row.documents) },
    { name: "share", of: (row) => percent(row.share) },
    { name: "expected", of: (row) => percent(row.expected_share) },
    { name: "log-odds", of: (row) => decimal(row.log_odds, 2) },
    { name: "z", of: (row) => decimal(row.z, 1) },
    { name: "dispersion", of: (row) => decimal(row.dispersion, 2) },
    { name: "clusters", of: (row) => count(row.clusters) },
    { name: "domains", of: (row) => count(row.domains) },
  ];
  return element(
    "div",
    { class: "block" },
    element("h3", {}, "Salient words"),
    element("p", { class: "about" }, "Words in more documents than their spread lets one expect."),
    table("Salient words", columns, data.salience.slice(0, 50)),
  );
}
