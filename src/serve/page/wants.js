// What wants a human, what passes by itself, and what is another host's: one entry for each cause.

/** So many targets of a cause are shown before somebody asks for the rest. */
const AT_FIRST = 6;
/** In ms: a reason that began so soon after its target went out of sync began with it. */
const APART = 60e3;

function showCauses(status) {
  const all = causes(status);
  const counts = tally(status, all);
  for (const where of ["human", "passes", "elsewhere"]) {
    const ofIt = all.filter((cause) => cause.section === where);
    write(find(`${where}-title`), title(where, counts, ofIt));
    find(`${where}-section`).classList.toggle("calm", ofIt.length === 0);
    hide(find(`${where}-section`), where !== "human" && ofIt.length === 0);
    const key = ({ label, say, targets }) => [label, targets[0] === undefined ? say : nameOf(targets[0])].join(" ");
    keep(find(`${where}-causes`), ofIt, { key, make: makeCause, change: changeCause });
  }
  return { all, counts };
}

function title(where, { human, accounts, others, passes, pauses }, ofIt) {
  if (where === "human") {
    if (ofIt.length === 0) return "Nothing wants a human";
    const who = others.slice();
    if (accounts > 0) who.unshift(counted(accounts, "account", "accounts"));
    if (human > 0) who.unshift(counted(human, "target", "targets"));
    const words = `${who.join(", ").replace(/, ([^,]*)$/, " and $1")} ${human + accounts + others.length === 1 ? "wants" : "want"} a human`;
    return words[0].toUpperCase() + words.slice(1);
  }
  if (where === "elsewhere") {
    return `${counted(ofIt.reduce((sum, cause) => sum + cause.targets.length, 0), "target", "targets")} of other hosts`;
  }
  const told = [];
  if (passes > 0) told.push(`${counted(passes, "target waits", "targets wait")} for what passes by itself`);
  if (pauses > 0) told.push(counted(pauses, "pause ends by itself", "pauses end by themselves"));
  return told.join(", and ");
}

function makeCause(cause) {
  const more = make("button.more", { type: "button", hidden: "" });
  const node = make("article.cause", {}, make("h3", {}), make("p.say", {}), make("p.open", {}), make("div.commands", {}), make("ul.of", {}), more);
  node.classList.add(cause.section);
  more.addEventListener("click", () => {
    node.dataset.whole = "whole";
    changeTargets(node, node.cause);
  });
  return node;
}

function changeCause(node, cause) {
  node.cause = cause;
  const [head, say, open, typed] = node.children;
  const { section: where, label, targets, about } = cause;
  const of = about ?? targets;
  const first = (read) => of.map(read).filter((at) => at !== null).sort()[0] ?? null;
  // Of what was not seen it is not known whether it is out of sync.
  const seen = of.filter((target) => target.live !== null);
  const outOfSync = first((target) => (seen.length === 0 || seen.includes(target) ? target.out_of_sync_since : null));
  const since = first((target) => target.since);
  const states = new Set(targets.map((target) => target.state));
  const whose = targets.length === 1 ? opener(targets[0]) : shape(where, states.size === 1 ? targets[0].state : "unknown");
  const isNew = about === undefined && since !== null && (outOfSync === null || Math.abs(Date.parse(since) - Date.parse(outOfSync)) >= APART);
  // What is to be decided, and what was stopped on purpose, wants nobody now.
  const need = needOf(cause);
  for (const one of NEEDS) node.classList.toggle(one, one === need);
  let words = about === undefined ? "out of sync" : "not in sync";
  if (seen.length === 0) words = "not known";
  head.replaceChildren(
    whose,
    make("span.label", {}, (label ?? "not in sync") + (need === "now" ? "" : `, ${need.replaceAll("_", " ")}`)),
    targets.length > 1 ? make("span.count", {}, `${targets.length} targets`) : "",
    isNew ? make("span.when", {}, "for ", dated(since)) : "",
    outOfSync === null ? "" : make("span.when.out", {}, `${words} for `, dated(outOfSync)),
    targets.length === 1 ? modesInWords(targets[0]) : "",
  );
  say.replaceChildren(...(cause.say === null ? [] : sentence(cause.say)));
  hide(say, cause.say === null);
  const ofOne = targets.length === 1 ? openAt(targets[0]) : null;
  write(open, ofOne ?? "");
  hide(open, ofOne === null);
  keep(typed, commands(cause.say ?? "", cause.reason), { key: (text) => text, make: command, change: () => {} });
  changeTargets(node, cause);
}

/** Opens a target. */
function opener(target) {
  const { account, scope } = target;
  return make("button.target", { type: "button", "data-target": nameOf(target) }, shapeOf(target), make("b", {}, account), ` ${scope}`);
}

function changeTargets(node, { targets }) {
  const [, , , , list, more] = node.children;
  const isWhole = node.dataset.whole === "whole" || targets.length <= AT_FIRST + 1;
  // One alone stands in the head.
  const shownFirst = targets.length === 1 ? [] : isWhole ? targets : targets.slice(0, AT_FIRST);
  const rest = targets.length === 1 ? 0 : targets.length - shownFirst.length;
  list.dataset.of = "li";
  renew(list, shownFirst, nameOf, (target) => [
    opener(target),
    make("span.state", {}, target.state),
    modesInWords(target),
    make("span.waits", {}, dated(target.out_of_sync_since ?? target.since)),
    openAt(target) === null ? [] : make("span.open", {}, openAt(target)),
  ]);
  hide(list, shownFirst.length === 0);
  write(more, `and ${rest} more`);
  hide(more, rest === 0);
}
