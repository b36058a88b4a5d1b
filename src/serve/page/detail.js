// One target: all that the status says of it, what can be typed, its spans and its history.

/** What is shown in words of its own; what a newer daemon tells beside it is shown as it is. */
const TOLD_OF_TARGET = ["account", "scope", "desired", "applied", "live", "state", "reason", "blockers", "wants", "need", "say",
  "since", "out_of_sync_since", "detail", "next_look_at", "drift", "host"];
const COUNTED = [...Object.keys(LISTS), "complete", "open"];

/** What was asked about it, or why it was not answered. */
const UNASKED = { events: null, spans: null, noEvents: null, noSpans: null };

/** The target that is open, as `account/scope`. */
const open = { name: null, ...UNASKED };

function showDetail(status) {
  const dialog = find("detail");
  if (open.name === null) {
    if (dialog.open) dialog.close();
    dialog.shownOf = null;
    return;
  }
  // Whoever reads has just closed it, which the browser tells next: a status that comes before that opens it no more.
  if (!dialog.open && dialog.shownOf === open.name) return;
  dialog.shownOf = open.name;
  const target = status.targets.find((target) => nameOf(target) === open.name) ?? null;
  const blocks = target === null ? [{ key: "gone", name: open.name, others: othersOf(open.name, status) }] : blocksOf(target, status);
  const make = () => document.createElement("div");
  const change = (node, { show }) => show(node);
  const body = find("detail-body");
  // Another target has nodes of its own.
  keep(body, blocks, { key: ({ key }) => `${key} ${open.name}`, make, change: (node, block) => change(node, withShow(block)) });
  if (!dialog.open) dialog.showModal();
}

function blocksOf(target, { paused, paused_accounts: accounts }) {
  const { account } = target;
  const own = accounts[account] ?? null;
  const { events, spans, noEvents, noSpans } = open;
  return [
    { key: "head", target },
    { key: "facts", target, pauses: [["everything", paused], [account, own]] },
    { key: "commands", account, tries: target.blockers.some((reason) => TRIED_AGAIN.includes(reason)), isHere: !isElsewhere(target), isPaused: own !== null, isAllPaused: paused !== null },
    { key: "spans", spans, trouble: noSpans, name: nameOf(target) },
    { key: "events", events, trouble: noEvents },
  ];
}

/** How each block is shown. */
function withShow(block) {
  const ways = { head: showHead, facts: showFactsOf, commands: showCommands, spans: showSpans, events: showEventsOf, gone: showGone };
  return { show: (node) => ways[block.key](node, block) };
}

function closing() {
  const close = make("button.close", { type: "button" }, "Close");
  close.addEventListener("click", () => openTarget(null));
  return close;
}

/** The targets that the account of a target has which is not there. */
function othersOf(name, { targets }) {
  const [account] = name.split("/");
  return targets.filter((target) => target.account === account);
}

function showGone(node, { name, others }) {
  const [account, ...scope] = name.split("/");
  const have = others.length === 1 ? "another one" : `${others.length} others`;
  const unnamed = `The file in force does not name this target${others.length === 0 ? "" : `; ${account} has ${have}`}.`;
  const unknown =
    `${account} has no target ${scope.join("/")}: it is not known yet whether it is a classic or a unified account. Until then it ` +
    "is one target for all that the file names.";
  node.replaceChildren(
    make("header", {}, make("h2", { id: "detail-title" }, name), closing()),
    make("p", {}, others.some(isOfUnknownKind) ? unknown : unnamed),
    others.length === 0 ? "" : make("p.others", {}, others.map((other) => [opener(other), " "])),
    // Its name stands in the address of the page, where anybody may have written it: it stands in no command.
    make("p", {}, sentence("What was done is in its history, as `posmoded history` tells it.")),
  );
}

function showHead(node, { target }) {
  const { account, scope, state, reason, say } = target;
  const where = section(target);
  const word = reason ?? (isNotLookedAtYet(target) ? "not looked at yet" : null);
  const title = [make("h2", { id: "detail-title" }, account, " ", make("span.scope", {}, scope)), closing()];
  if (node.firstChild === null) node.append(make("header", {}, title), make("div.standing", {}));
  const standing = make("div", {});
  standing.className = `standing ${where}`;
  standing.append(
    make("p.state", {}, shapeOf(target), make("b", {}, state), word === null ? "" : make("span.reason", {}, ` ${word}`)),
    say === null ? "" : make("p.say", {}, sentence(say)),
    make("div.commands", {}, commands(say ?? "", reason).map(command)),
  );
  node.lastChild.replaceWith(standing);
}

const WHO = {
  human: "a human: it does not end by itself",
  time: "time: it passes with time alone",
};

/** What each reason that passes by itself passes with. */
const PASSES_WITH = {
  kind_unknown: "a look that tells what kind of account it is",
  unreachable: "Bitget answering",
  outcome_unknown: "the set that nobody answered being unable to take effect any more",
  requirement: "this host being as the file requires",
  not_flat: "positions and orders being closed (posmoded closes none)",
  clock: "Bitget's time being known",
  verifying: "a read that shows the mode that was set",
  acting: "the set that is on its way",
};

function waitsFor({ wants, reason }) {
  if (wants !== "itself") return WHO[wants] ?? wants;
  return `${reason === null ? "its first look" : (PASSES_WITH[reason] ?? reason)}; then it passes by itself`;
}

const notKnown = (span) => `not known for ${span}`;

/** Of what was not seen it is not known whether it is out of sync. */
function outOfSyncOf({ live, out_of_sync_since: at }) {
  if (at === null) return live === null ? "not known" : "no";
  return { at, words: live === null ? notKnown : lasting };
}

function showFactsOf(node, { target, pauses }) {
  const { desired, applied, live, state, reason, blockers, wants, need, since, detail, next_look_at: next, drift, host } = target;
  const rows = [];
  rows.push(["Wanted by the file", desired ?? "not one mode yet"]);
  rows.push(live === null ? ["Live", "not seen yet"] : ["Live", `${live.mode}, seen `, { at: live.at, words: ago }]);
  // Of another host's account nothing is asked, and nothing done, here.
  const isHere = !isElsewhere(target);
  if (isHere && applied === null) rows.push(["Applied", "never"]);
  else if (isHere) {
    const { mode, how, at, generation } = applied;
    rows.push(["Applied", `${mode}, ${how} by revision ${generation}, `, { at, words: ago }]);
  }
  rows.push(["Out of sync", outOfSyncOf(target)]);
  rows.push([reason === null ? "State" : "Reason", `${reason ?? state}, `, { at: since, words: lasting }]);
  if (!isHere) rows.push(["Waits for", "nothing here: another host looks after it"]);
  else if (wants !== null) rows.push(["Waits for", waitsFor(target)]);
  if ((need ?? null) !== null) rows.push(["Wants a human", need]);
  if ((host ?? null) !== null) rows.push(["Told by the host", host]);
  for (const [whom, pause] of pauses) {
    if (pause !== null) rows.push([`Paused: ${whom}`, ...pauseOf(pause)]);
  }
  rows.push(["Stands in the way", blockers.length === 0 ? "nothing" : blockers.join(", ")]);
  rows.push(["Open", ...openOf(detail)]);
  if (isHere) rows.push(["Next look", { at: next, words: coming }], ["On drift", drift]);
  for (const [name, value] of Object.entries(target)) {
    if (!TOLD_OF_TARGET.includes(name)) rows.push([name, typeof value === "string" ? value : JSON.stringify(value)]);
  }
  let list = node.querySelector("dl");
  if (list === null) {
    list = make("dl.facts", {});
    node.append(make("h3", {}, "What is known"), list);
  }
  define(list, rows);
}

/** Counts, as far as they were read, and what was named of it. */
function openOf(detail) {
  const counts = Object.entries(LISTS).map(([name, [one, many]]) => {
    const number = detail[name] ?? null;
    if (number === null) return `${many} not read`;
    return (number > 0 && !detail.complete ? "at least " : "") + counted(number, one, many);
  });
  const named = (detail.open ?? []).map((row) => `; ${sayRow(row)}`);
  const more = Object.entries(detail).filter(([name]) => !COUNTED.includes(name));
  return [counts.join(", "), ...named, ...more.map(([name, value]) => `; ${name} ${JSON.stringify(value)}`)];
}

/** Reasons whose wait a look that is asked for ends, so that one more try is made. */
const TRIED_AGAIN = ["credential", "denied", "refused", "refused_though_flat"];

function showCommands(node, { account, tries, isHere, isPaused, isAllPaused }) {
  const rows = [];
  if (isHere) rows.push([tries ? "Look at it and try once more" : "Look at it now", `posmoded refresh ${account}`]);
  rows.push(["What was done", `posmoded history ${account}`]);
  if (isPaused) rows.push(["Allow its changes", `posmoded resume ${account}`]);
  if (isAllPaused) rows.push(["Allow all changes", "posmoded resume"]);
  if (isHere && !isPaused && !isAllPaused) {
    rows.push(["Stop its changes", `posmoded pause ${account} --reason 'from the page'`]);
  }
  rows.push(["Its log", `journalctl POSMODED_ACCOUNT=${account}`]);
  const list = make("dl.typed", {}, rows.map(([what, text]) => make("div", {}, make("dt", {}, what), make("dd", {}, command(text)))));
  node.replaceChildren(make("h3", {}, "What can be typed"), list);
}

function showSpans(node, { spans, trouble, name }) {
  const title = make("h3", {}, "When it was out of sync");
  if (spans === null) {
    node.replaceChildren(title, make("p.note", {}, trouble ?? "Asking ..."));
    return;
  }
  const target = spans.targets.find((target) => nameOf(target) === name);
  node.replaceChildren(
    title,
    strip(spans, target, 24, "24 h", ["24 h ago", "18 h", "12 h", "6 h", "now"]),
    strip(spans, target, 30 * 24, "30 days", ["30 d ago", "20 d", "10 d", "now"]),
    make("p.legend", { "aria-hidden": "true" }, Object.entries(KINDS).map(([kind, words]) => make("span", {}, make(`i.${kind}`, {}), words))),
  );
}

function showEventsOf(node, { events, trouble }) {
  if (node.firstChild === null) {
    const head = ["When", "Target", "What"].map((name) => make("th", { scope: "col" }, name));
    node.append(
      make("h3", {}, "Its history"),
      make("p.note", {}),
      make("table.events", {}, make("caption.unseen", {}, "What was done, newest first"), make("thead", {}, make("tr", {}, head)), make("tbody", {})),
    );
  }
  const [, note, table] = node.children;
  write(note, events === null ? (trouble ?? "Asking ...") : events.length === 0 ? "Nothing yet." : "");
  hide(note, events !== null && events.length > 0);
  hide(table, events === null || events.length === 0);
  showEvents(table.querySelector("tbody"), events ?? []);
}
