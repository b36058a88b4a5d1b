// Out-of-sync spans of a target as a strip. Time in which nobody looked, or nobody knew, is drawn as unknown.

const HOUR = 3600e3;

/** The pieces of [from, to], oldest first: `{ from, to, kind, span }`, kind being unwatched, unknown, out or well. */
function pieces(answer, target, from, to) {
  const now = Date.parse(answer.now);
  const spans = (list) => list.map(({ since, until }) => [Date.parse(since), until === null ? now : Date.parse(until)]);
  const isIn = (list, at) => list.some(([since, until]) => since <= at && at < until);
  const watched = spans(answer.watched);
  const [unknown, out] = target === undefined ? [[], []] : [spans(target.unknown), spans(target.out_of_sync)];
  const known = Math.max(Date.parse(answer.since), target === undefined ? Infinity : Date.parse(target.known_since));
  const cuts = [from, to, known, ...[watched, unknown, out].flat(2)].filter((at) => from <= at && at <= to);
  const sorted = [...new Set(cuts)].sort((one, other) => one - other);
  const found = [];
  for (const [index, until] of sorted.slice(1).entries()) {
    const at = sorted[index];
    let [kind, span] = ["well", null];
    if (at < known || !isIn(watched, at)) kind = "unwatched";
    else if (isIn(unknown, at)) kind = "unknown";
    else if (isIn(out, at)) [kind, span] = ["out", out.findIndex(([since, until]) => since <= at && at < until)];
    const before = found.at(-1);
    if (before?.kind === kind && before.span === span) before.to = until;
    else found.push({ from: at, to: until, kind, span });
  }
  return found;
}

const sum = (all, kind) => all.filter((piece) => piece.kind === kind).reduce((ms, { from, to }) => ms + to - from, 0);

/** What the strip shows, in words: `out of sync 2h 10m in 24 h, 3 times; nobody looked for 30m`. */
function told(all, length) {
  const [out, unwatched, unknown] = ["out", "unwatched", "unknown"].map((kind) => sum(all, kind));
  // One that nobody watched for a while is still one.
  const times = new Set(all.filter((piece) => piece.kind === "out").map((piece) => piece.span)).size;
  const words = [];
  if (out > 0) words.push(`out of sync ${spell(out)} in ${length}, ${times === 1 ? "once" : `${times} times`}`);
  else if (sum(all, "well") > 0) words.push(`not out of sync in ${length}`);
  if (unwatched > 0) words.push(`nobody looked for ${spell(unwatched)}`);
  if (unknown > 0) words.push(`looked, and not known for ${spell(unknown)}`);
  return words.length === 0 ? `nothing is known of these ${length}` : words.join("; ");
}

const KINDS = { well: "in sync", out: "out of sync", unwatched: "nobody looked", unknown: "not known" };

/** The last `hours` before the answer's own now, under a name, with marks below it. */
function strip(answer, target, hours, name, marks) {
  const to = Date.parse(answer.now);
  const from = to - hours * HOUR;
  const all = pieces(answer, target, from, to);
  const place = (ms) => `${(100 * ms) / (to - from)}%`;
  const bars = all.map((piece) => {
    const bar = make(`i.${piece.kind}`, {
      title: `${KINDS[piece.kind]} for ${spell(piece.to - piece.from)}: ${utc(piece.from)} to ${utc(piece.to)}`,
    });
    bar.style.left = place(piece.from - from);
    bar.style.width = place(piece.to - piece.from);
    return bar;
  });
  const words = told(all, name);
  return make(
    "figure.strip",
    {},
    make("figcaption", {}, make("b", {}, `${name}: `), words),
    make("div.bars", { role: "img", "aria-label": `The last ${name}: ${words}` }, bars),
    make("div.marks", { "aria-hidden": "true" }, marks.map((mark) => make("span", {}, mark))),
  );
}
