// The code in the documents runs, and does what they say.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { shared } from './kit/bus.mjs';
import * as elbus from 'elbus';
import { until, within } from './kit/wait.mjs';

/** A document beside the tests where they are installed, or where it is in the repository. */
function blocks(installed, inRepository) {
  const path = [installed, inRepository].map((name) => new URL(name, import.meta.url)).find(existsSync);
  const text = readFileSync(path, 'utf8');
  const found = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  assert.ok(found.length > 3);
  return found;
}

/** Clients that code in a document makes, to be closed at the end. */
function tracked() {
  const made = [];
  class Client extends elbus.Client {
    constructor(...args) {
      super(...args);
      made.push(this);
    }
  }
  return { made, names: { ...elbus, Client } };
}

const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;

/** Runs a block; answers what it has printed, and a promise of its end. */
function run(code, names, variables) {
  const printed = [];
  const body = code
    .replace(/^import \{(.*)\} from 'elbus';$/gm, 'const {$1} = names;')
    .replace(/^import \* as (\w+) from '(.*)';$/gm, "const $1 = await import('$2');");
  const print = { log: (...what) => printed.push(what.join(' ')) };
  const given = { ...names, ...variables, names, console: print };
  // A block may declare what is given to it.
  const ended = new AsyncFunction(...Object.keys(given), `{ ${body} }`)(...Object.values(given));
  return { printed, ended };
}

/** Waits until a block has ended or loops over frames. */
async function settled(ended, made) {
  let over = false;
  const end = () => (over = true);
  ended.then(end, end);
  await until(() => over || made.some((client) => client.core.intake.isIterated), 'the block loops or ends');
}

for (const [n, code] of blocks('../javascript.md', '../../../docs/javascript.md').entries()) {
  test(`block ${n + 1} of docs/javascript.md runs: ${code.split('\n')[0]}`, async () => {
    const { address } = await shared();
    const { made, names } = tracked();
    const { Client, Service } = names;
    const [client, pump] = [new Client('plant.panel', { address }), new Client('plant.pump', { address })];
    const adder = new Client('plant.adder', { address });
    new Service(adder).method('add', ({ a, b }) => a + b).onNotification = () => undefined;
    await Promise.all([client, pump, adder].map((each) => each.connect()));
    const { ended } = run(code, names, { client, pump, address });
    await settled(ended, made);
    if (client.core.intake.isIterated) {
      await pump.send(client.name, 'x');
      await client.close();
    }
    await within(ended, 'the end of the block');
    await Promise.all(made.map((each) => each.disconnect()));
  });
}

test('the tour of the README goes as it says', async (t) => {
  const before = process.env.ELBUS_ADDRESS;
  t.after(() =>
    before === undefined ? delete process.env.ELBUS_ADDRESS : (process.env.ELBUS_ADDRESS = before),
  );
  process.env.ELBUS_ADDRESS = (await shared()).address;
  const { made, names } = tracked();
  const [listener, sender, service, caller] = blocks('../README.md', '../README.md');
  const listening = run(listener, names);
  await settled(listening.ended, made);
  await within(run(sender, names).ended, 'the sender');
  await until(() => listening.printed.length === 2);
  assert.deepEqual(listening.printed, [
    'tour.sender plant/hall/temperature 21.5',
    'tour.sender (broadcast) good morning',
  ]);
  await within(run(service, names).ended, 'the service');
  const calling = run(caller, names);
  await within(calling.ended, 'the caller');
  assert.deepEqual(calling.printed, ['2 + 3 = 5']);
  await Promise.all(made.map((each) => each.disconnect()));
  await within(listening.ended, 'the listener');
});
