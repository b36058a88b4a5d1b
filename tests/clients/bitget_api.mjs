// bitget-api, a call a line: `bitget_api.mjs DIRECTORY URL NAME KIND`, where DIRECTORY has its node_modules. In comes
// the name of a method as desk.py has it, with its arguments; out goes what it gave, and where an answer is not of the
// type that bitget-api declares for it.
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [directory, baseUrl, name, kind] = process.argv.slice(2);
globalThis.crypto ??= webcrypto; // Node 18 has it under this name alone.
const { RestClientV2, RestClientV3 } = createRequire(`${directory}/`)('bitget-api');
const home = `${directory}/node_modules/bitget-api`;
const { version } = JSON.parse(readFileSync(`${home}/package.json`, 'utf8'));
const keys = { apiKey: `key-${name}`, apiSecret: `test-secret-${name}`, apiPass: `test-passphrase-${name}` };
const v2 = new RestClientV2({ ...keys, baseUrl });
const v3 = new RestClientV3({ ...keys, baseUrl });
const unified = kind === 'unified';
const [symbol, productType, category] = ['BTCUSDT', 'USDT-FUTURES', 'USDT-FUTURES'];
let [differences, undeclared] = [[], []];

const methods = {
  version: () => version,
  time: async () => Number((await (unified ? v3 : v2).getServerTime()).data.serverTime),
  contracts: async () => {
    const { data } = await (unified ? v3.getInstruments({ category }) : v2.getFuturesContractConfig({ productType }));
    typed(unified ? 'v3/public InstrumentV3' : 'v2/futures FuturesContractConfigV2', data);
    return data.map((row) => row.symbol);
  },
  owner: async () => {
    const { data } = await (unified ? v3.getAccountInfo() : v2.getSpotAccount());
    typed(unified ? 'v3/account AccountInfoV3' : 'v2/spot SpotAccountInfoV2', [data]);
    return data.userId;
  },
  money: async () => {
    const { data } = await (unified ? v3.getBalances() : v2.getFuturesAccountAssets({ productType }));
    typed(unified ? 'v3/account AccountAssetsV3' : 'v2/futures FuturesAccountsV2', [data].flat());
    return Number([data].flat()[0].accountEquity);
  },
  wrong_kind: () => code(() => (unified ? v2.getFuturesPositions({ productType }) : v3.getAccountSettings())),
  mode: async () => {
    const one = { symbol, productType, marginCoin: 'USDT' };
    const { data } = await (unified ? v3.getAccountSettings() : v2.getFuturesAccountAsset(one));
    typed(unified ? 'v3/account AccountSettingsV3' : 'v2/futures FuturesAccountV2', [data]);
    return unified ? data.holdMode : data.posMode;
  },
  set_mode: async (mode) => {
    await (unified ? v3.setHoldMode({ holdMode: mode }) : v2.setFuturesPositionMode({ productType, posMode: mode }));
  },
  refused: (mode) => code(() => methods.set_mode(mode)),
  positions: async () => {
    const { data } = await (unified ? v3.getCurrentPosition({ category }) : v2.getFuturesPositions({ productType }));
    const rows = (unified ? data.list : data) ?? [];
    typed(unified ? 'v3/trade CurrentPositionV3' : 'v2/futures FuturesPositionV2', rows);
    return rows.map((row) => [row.symbol, row.posSide ?? row.holdSide, Number(row.total)]);
  },
  orders: async () => {
    const asked = unified ? [{ category }] : ['live', 'partially_filled'].map((status) => ({ productType, status }));
    const answers = asked.map((about) => (unified ? v3.getUnfilledOrders(about) : v2.getFuturesOpenOrders(about)));
    const rows = (await Promise.all(answers)).flatMap(({ data }) => data.list ?? data.entrustedList ?? []);
    typed(unified ? 'v3/trade UnfilledOrderV3' : 'v2/futures FuturesOpenOrderV2', rows);
    return rows.map((row) => row.orderId).sort();
  },
  plans: async () => {
    const types = unified ? ['tpsl', 'trigger'] : ['normal_plan', 'track_plan', 'profit_loss'];
    const ask = (type) =>
      unified
        ? v3.getUnfilledStrategyOrders({ category, type })
        : v2.getFuturesPlanOrders({ productType, planType: type });
    const answers = await Promise.all(types.map(ask));
    const rows = answers.flatMap(({ data }) => (unified ? data : (data.entrustedList ?? [])));
    typed(unified ? 'v3/strategy StrategyOrderV3' : 'v2/futures FuturesPendingPlanOrderV2', rows);
    return rows.map((row) => row.orderId).sort();
  },
};

/** The code that a call is refused with, as bitget-api throws it. */
async function code(call) {
  try {
    await call();
  } catch (error) {
    return error?.body?.code ?? String(error);
  }
  return 'no refusal';
}

/** Holds rows against a type of bitget-api: `FILE INTERFACE`, of which only names and plain types are looked at. */
function typed(type, rows) {
  const [file, wanted] = type.split(' ');
  const text = readFileSync(`${home}/dist/mjs/types/response/${file}.d.ts`, 'utf8');
  const body = text.split(`export interface ${wanted} {\n`)[1].split('\n}')[0];
  const fields = [...body.matchAll(/^ {4}(\w+)(\??): (.+?)[;{]?$/gm)];
  for (const row of rows) {
    for (const [, field, optional, declared] of fields) {
      if (field in row ? !fits(row[field], declared) : !optional) {
        differences.push([`${wanted}.${field}`, `${JSON.stringify(row[field])} where it declares ${declared}`]);
      }
    }
    const unknown = Object.keys(row).filter((field) => !fields.some(([, known]) => known === field));
    undeclared.push(...unknown.map((field) => [wanted, field]));
  }
}

function fits(value, declared) {
  if (declared.endsWith('[]')) return Array.isArray(value);
  const words = declared.split(' | ');
  if (words.every((word) => /^('.*'|string|number|null)$/.test(word))) {
    return words.some((word) => word === typeof value || word === String(value) || word === `'${value}'`);
  }
  return true;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line);
  let answer;
  try {
    answer = { gave: (await methods[method](...args)) ?? null };
  } catch (error) {
    answer = { threw: JSON.stringify(error?.body ?? String(error)) };
  }
  console.log(JSON.stringify({ ...answer, differences, undeclared }));
  [differences, undeclared] = [[], []];
}
