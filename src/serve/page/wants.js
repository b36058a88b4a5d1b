// What wants a human, and what passes by itself: one entry for each cause.

/** So many targets of a cause are shown before somebody asks for the rest. */
const AT_FIRST = 6;

function showCauses(status) {
  const all = causes(status);
  for (const where of ["human", "passes"]) {
    const ofIt = all.filter((cause) => cause.section === where);
    const targets = ofIt.reduce((sum, cause) => sum + cause.targets.length, 0);
    write(find(`${where}-title`), title(where, targets, ofIt.length));
    find(`${where}-section`).classList.toggle("calm", ofIt.length === 0);
    hide(find(`${where}-section`), where === "passes" && ofIt.length === 0);
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
  if (targets === 0) return "Passes by itself";
  return targets === 1 ? "1 target waits for what passes by itself" : `${targets} targets wait for what passes by itself`;
}

function makeCause(cause) {
  const more = make("button.more", { type: "button", hidden: "" });
  const node = make("article.cause", {}, make("h3", {}), make("p.say", {}), make("div.commands", {}), make("ul.of", {}), more);
  node.classList.add(cause.section);
  more.addEventListener("click", () => {
    node.dataset.whole = "whole";
    changeTargets(node, node.cause);
  });
  return node;
}

function changeCause(node, cause) {
  node.cause = cause;
  const [head, say, typed] = node.children;
  const states = [...new Set(cause.targets.map((target) => target.state))];
  const since = (of) => cause.targets.map(of).filter((at) => at !== null).sort()[0] ?? null;
  const [outOfSync, reasons] = [since((target) => target.out_of_sync_since), since((target) => target.since)];
  const times = [];
  if (outOfSync !== null) times.push(make("span.when", {}, "out of sync for ", age(outOfSync)));
  if (reasons !== null && reasons !== outOfSync) times.push(make("span.when", {}, "so for ", age(reasons)));
  const outline = cause.section === "human" ? "human" : "passes";
  head.replaceChildren(
    shape(outline, states.length === 1 ? states[0] : "unknown"),
    make("span.label", {}, cause.label ?? "not in sync"),
    cause.targets.length > 1 ? make("span.count", {}, `${cause.targets.length} targets`) : "",
    ...times,
  );
  say.replaceChildren(...(cause.say === null ? [] : sentence(cause.say)));
  hide(say, cause.say === null);
  keep(typed, commands(cause.say ?? ""), { key: (text) => text, make: command, change: () => {} });
  changeTargets(node, cause);
}

function changeTargets(node, cause) {
  const [, , , list, more] = node.children;
  const first = node.dataset.whole === "whole" || cause.targets.length <= AT_FIRST + 1 ? cause.targets : cause.targets.slice(0, AT_FIRST);
  const rest = cause.targets.length - first.length;
  list.dataset.of = "li";
  renew(list, first, nameOf, (target) => [
    make("button.target", { type: "button", "data-target": nameOf(target) }, shapeOf(target), make("b", {}, target.account), ` ${target.scope}`),
    make("span.state", {}, target.state),
    modes(target),
    age(target.out_of_sync_since ?? target.since),
  ]);
  write(more, `and ${rest} more`);
  hide(more, rest === 0);
}
