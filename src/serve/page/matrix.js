// Accounts by scopes: a row for each account, a cell for each of its targets.

const SCOPES = ["account", "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES", "SUSDT-FUTURES", "SCOIN-FUTURES", "SUSDC-FUTURES"];

/** What is shown, and what the fragment of the address says. */
const sieve = { show: "all", search: "" };

const nameOf = (target) => `${target.account}/${target.scope}`;

function passesSieve(target) {
  const where = section(target);
  if (sieve.show === "human" && where !== "human") return false;
  if (sieve.show === "problems" && where !== "human" && where !== "passes") return false;
  if (sieve.search === "") return true;
  const { account, scope, state, reason, desired, live, say } = target;
  const text = [account, scope, state, reason, desired, live?.mode, say, ...target.blockers].join(" ").toLowerCase();
  return sieve.search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function showMatrix(status) {
  const has = new Set(status.targets.map((target) => target.scope));
  const scopes = [...SCOPES.filter((scope) => has.delete(scope)), ...has];
  const matrix = find("matrix");
  if (matrix.dataset.columns !== String(scopes.length)) {
    matrix.dataset.columns = scopes.length;
    matrix.style.setProperty("--columns", scopes.length);
    fit();
  }
  const head = ["Account", ...scopes.map((scope) => (scope === "account" ? headOfWholes(status) : scope))];
  renew(find("matrix-head"), head, (name) => name, (name) => name);
  for (const node of find("matrix-head").children) node.setAttribute("role", "columnheader");

  const rows = new Map();
  let count = 0;
  for (const target of status.targets) {
    const isShown = passesSieve(target);
    if (isShown) count += 1;
    const row = rows.get(target.account) ?? { account: target.account, cells: scopes.map(() => null), isShown: false };
    rows.set(target.account, row);
    row.cells[scopes.indexOf(target.scope)] = isShown ? target : "aside";
    row.isShown ||= isShown;
  }
  const shownRows = [...rows.values()].filter((row) => row.isShown);
  keep(find("matrix-rows"), shownRows, { key: (row) => row.account, make: makeRow, change: changeRow });
  const all = status.targets.length;
  const told = counted(all, "target", "targets");
  write(find("shown"), count === all ? told : `${count} of ${told}`);
  hide(matrix, count === 0);
  const none = all === 0 ? "The file in force names no account, or no revision is in force yet." : "Nothing like that.";
  write(find("matrix-empty"), none);
  hide(find("matrix-empty"), count > 0);
  rove();
}

/** Of the column of whole accounts: unified ones, and those that are one target until their kind is known. */
function headOfWholes({ targets }) {
  const wholes = targets.filter(({ scope }) => scope === "account");
  const unknown = wholes.filter(isOfUnknownKind).length;
  if (unknown === 0) return "account (unified)";
  return unknown === wholes.length ? "account (kind not known yet)" : "account (unified, or kind not known yet)";
}

/** The least width of a column in px: the longest names of states and reasons have a place in it. */
const COLUMN = 150;

/** Where there is no place for the columns, each account has its targets below it. */
function fit() {
  const matrix = find("matrix");
  const columns = Number(matrix.dataset.columns ?? 1) + 1;
  matrix.classList.toggle("list", find("matrix-section").clientWidth < columns * COLUMN);
}

function makeRow(row) {
  const name = make("div.name", { role: "rowheader" }, row.account);
  return make("div.row", { role: "row" }, name);
}

function changeRow(node, row, before) {
  while (node.children.length > row.cells.length + 1) node.lastChild.remove();
  for (const [index, target] of row.cells.entries()) {
    let cell = node.children[index + 1];
    if (cell === undefined) {
      cell = make("div.cell", { role: "cell" });
      node.append(cell);
    } else if (before !== undefined && before.cells[index] === target) {
      continue;
    }
    changeCell(cell, target);
  }
}

function changeCell(cell, target) {
  const isTarget = target !== null && target !== "aside";
  const button = isTarget ? cell.querySelector("button") : null;
  cell.className = isTarget ? `cell ${section(target)}` : "cell none";
  if (!isTarget) {
    cell.replaceChildren(target === null ? "" : make("span.aside", { title: "There is a target, which is not asked for" }, "·"));
    return;
  }
  const within = insideOf(target);
  if (button !== null) {
    // The same button, which may have the focus.
    button.dataset.target = nameOf(target);
    button.replaceChildren(...within);
    return;
  }
  cell.replaceChildren(make("button.target", { type: "button", tabindex: "-1", "data-target": nameOf(target) }, within));
}

function insideOf(target) {
  const where = section(target);
  const word = target.reason ?? (isNotLookedAtYet(target) ? "not looked at yet" : null);
  const since = target.out_of_sync_since ?? target.since;
  return [
    make("span.scope", {}, `${target.scope} `),
    make("span.standing", {}, shapeOf(target), make("span.state", {}, target.state), age(since)),
    make("span.below", {}, [
      word === null ? null : make("span.reason", {}, word, " "),
      where === "human" ? make("span.unseen", {}, ", wants a human: ") : null,
      modes(target),
    ]),
  ];
}

/** One cell is in the order of the tab key; the arrow keys go to the others. */
function rove(to = null) {
  const rows = find("matrix-rows");
  const had = rows.querySelector('[tabindex="0"]');
  const next = to ?? had ?? rows.querySelector(".target");
  if (next === had) return;
  had?.setAttribute("tabindex", "-1");
  next?.setAttribute("tabindex", "0");
}

/** The cell that an arrow key leads to. */
function neighbour(from, key) {
  const cell = from.closest(".cell");
  const rows = [...find("matrix-rows").children];
  const [row, column] = [rows.indexOf(cell.parentNode), [...cell.parentNode.children].indexOf(cell)];
  const inRow = (cells) => cells.map((cell) => cell.querySelector(".target")).find((target) => target !== null);
  const cells = [...cell.parentNode.children];
  // Where a row has no cell in this column, the nearest one of it.
  const nearest = (row) => {
    const all = [...row.children];
    const byDistance = all.map((cell, index) => [Math.abs(index - column), cell]).sort(([one], [other]) => one - other);
    return inRow(byDistance.map(([, cell]) => cell));
  };
  switch (key) {
    case "ArrowRight":
      return inRow(cells.slice(column + 1)) ?? (rows[row + 1] && inRow([...rows[row + 1].children]));
    case "ArrowLeft":
      return inRow(cells.slice(0, column).reverse()) ?? (rows[row - 1] && inRow([...rows[row - 1].children].reverse()));
    case "ArrowDown":
      return rows[row + 1] && nearest(rows[row + 1]);
    case "ArrowUp":
      return rows[row - 1] && nearest(rows[row - 1]);
    case "PageDown":
      return nearest(rows[Math.min(row + 10, rows.length - 1)]);
    case "PageUp":
      return nearest(rows[Math.max(row - 10, 0)]);
    case "Home":
      return inRow([...rows[0].children]);
    case "End":
      return inRow([...rows.at(-1).children].reverse());
    default:
      return undefined;
  }
}
