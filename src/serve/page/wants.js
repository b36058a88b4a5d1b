// What wants a human, what passes by itself, and what is another host's: one entry for each cause.

/** So many targets of a cause are shown before somebody asks for the rest. */
const AT_FIRST = 6;
/** In ms: a reason that began so soon after its target went out of sync began with it. */
const APART = 60e3;

function showCauses(status) {
  const all = causes(status);
  for (const where of ["human", "passes", "elsewhere"]) {
    const ofIt = all.filter((cause) => cause.section === where);
    const targets = ofIt.reduce((sum, cause) => sum + cause.targets.length, 0);
    write(find(`${where}-title`), title(where, targets, ofIt.length));
    find(`${where}-section`).classList.toggle("calm", ofIt.length === 0);
    hide(find(`${where}-section`), where !== "human" && ofIt.length === 0);
    const key = ({ label, say, targets }) => [label, targets[0] === undefined ? say : nameOf(targets[0])].join(" ");
    keep(find(`${where}-causes`), ofIt, { key, make: makeCause, change: changeCause });
  }
  return all;
}

function title(where, targets, causes) {
  if (where === "human") {
    if (causes === 0) return "Nothing wants a human";
    return targets === 0 ? "Wants a human" : `${counted(targets, "target wants", "targets want")} a human`;
  }
  if (where === "elsewhere") return `${counted(targets, "target", "targets")} of other hosts`;
  if (targets === 0) return "Passes by itself";
  return targets === 1 ? "1 target waits for what passes by itself" : `${targets} targets wait for what passes by itself`;
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
  const { section: where, label, targets } = cause;
  const first = (of) => targets.map(of).filter((at) => at !== null).sort()[0] ?? null;
  // Of what was not seen it is not known whether it is out of sync.
  const seen = targets.filter((target) => target.live !== null);
  const outOfSync = first((target) => (seen.length === 0 || seen.includes(target) ? target.out_of_sync_since : null));
  const since = first((target) => target.since);
  const states = new Set(targets.map((target) => target.state));
  const whose = targets.length === 1 ? opener(targets[0]) : shape(where, states.size === 1 ? targets[0].state : "unknown");
  const isNew = since !== null && (outOfSync === null || Math.abs(Date.parse(since) - Date.parse(outOfSync)) >= APART);
  head.replaceChildren(
    whose,
    make("span.label", {}, label ?? "not in sync"),
    targets.length > 1 ? make("span.count", {}, `${targets.length} targets`) : "",
    isNew ? make("span.when", {}, "for ", dated(since)) : "",
    outOfSync === null ? "" : make("span.when.out", {}, `${seen.length === 0 ? "not known" : "out of sync"} for `, dated(outOfSync)),
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
