// JavaScript and Python on one bus: the Python package of this repository, as it is installed, blocking and with asyncio.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clients, shared } from './kit/bus.mjs';
import { Rpc, RpcError, Service } from './kit/elbus.mjs';
import { Server, lines } from './kit/server.mjs';
import { event, failure, next, until } from './kit/wait.mjs';

const python = process.env.ELBUS_PYTHON;
const skip = python
  ? false
  : 'ELBUS_PYTHON is not set: bindings/js/ci installs the Python package into an environment of its own and sets it';

/** A Python client that does what it is told. */
async function peer(t, kind, address, name) {
  const script = fileURLToPath(new URL('python-peer.py', import.meta.url));
  const child = spawn(python, [script, kind, address, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const output = lines(child.stdout);
  await output.line(/"ready"/);
  const said = () => output.heard.map((line) => JSON.parse(line));
  const answers = () => said().filter((line) => 'result' in line || 'error' in line);
  let told = 0;
  return {
    name,
    frames: () => said().filter((line) => 'frame' in line),
    notified: () => said().filter((line) => 'notified' in line),
    async tell(...what) {
      child.stdin.write(`${JSON.stringify(what)}\n`);
      told += 1;
      await until(() => answers().length === told, `the answer to ${JSON.stringify(what)}`);
      return answers()[told - 1];
    },
  };
}

const hex = (text) => Buffer.from(text).toString('hex');

test('the Python service of the examples, of ten lines, is called from JavaScript', { skip }, async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const script = `${process.env.ELBUS_ROOT}/bindings/python/examples/service.py`;
  const child = spawn(python, [script], {
    env: { ...process.env, ELBUS_ADDRESS: server.address },
    stdio: 'inherit',
  });
  t.after(() => child.kill('SIGKILL'));
  const rpc = new Service(await clients(t, server.address)('js'));
  await until(async () => {
    const listed = await rpc.call('.broker', 'client.list', { mask: 'plant.adder' });
    return listed.clients.length === 1;
  }, 'the service on the bus');
  assert.equal(await rpc.call('plant.adder', 'add', { a: 2, b: 3 }), 5);
});

for (const kind of ['blocking', 'asyncio']) {
  for (const transport of ['address', 'tcp']) {
    test(
      `every pattern goes both ways in every QoS, ${kind}, ${transport === 'tcp' ? 'TCP' : 'UNIX'}`,
      { skip },
      async (t) => {
        const { address, tcp } = await shared();
        const join = clients(t, address);
        const js = await join('js');
        const py = await peer(t, kind, transport === 'tcp' ? tcp : address, `${join.group}.py`);
        await js.subscribe(`${join.group}/js/#`);
        assert.deepEqual(await py.tell('subscribe', `${join.group}/py/#`), { result: null });
        for (let qos = 0; qos < 4; qos += 1) {
          const realtime = qos >= 2;
          const text = `grüße ${qos}\0`;
          await py.tell('send', js.name, hex(text), qos);
          await py.tell('broadcast', `${join.group}.js`, hex(text), qos);
          await py.tell('publish', `${join.group}/js/tür`, hex(text), qos);
          for (const [what, topic] of [['message'], ['broadcast'], ['publication', `${join.group}/js/tür`]]) {
            const frame = await next(js);
            assert.deepEqual([frame.kind, frame.topic, frame.text()], [what, topic, text]);
            assert.deepEqual([frame.sender, frame.realtime], [py.name, realtime]);
          }
          await js.send(py.name, text, { qos });
          await js.broadcast(`${join.group}.py`, text, { qos });
          await js.publish(`${join.group}/py/tür`, text, { qos });
          await until(() => py.frames().length === 3 * (qos + 1));
          const common = { sender: js.name, realtime, payload: hex(text) };
          assert.deepEqual(py.frames().slice(-3), [
            { frame: 'message', topic: null, ...common },
            { frame: 'broadcast', topic: null, ...common },
            { frame: 'publication', topic: `${join.group}/py/tür`, ...common },
          ]);
        }
        const refused = await py.tell('send', `${join.group}.nobody`, '', 1);
        assert.deepEqual([refused.error, refused.code], ['RefusedError', 0x71]);
      },
    );
  }

  test(`each calls the other, ${kind}`, { skip }, async (t) => {
    const { address } = await shared();
    const join = clients(t);
    const service = new Service(await join('js'));
    service.method('add', ({ a, b }) => a + b, { description: 'Adds a and b.' });
    service.method('fail', () => {
      throw new RpcError(77, 'empty');
    });
    const notified = [];
    service.onNotification = (note) => notified.push(note.getPayload().toString());
    const py = await peer(t, kind, address, `${join.group}.py`);
    const { name } = service.client;

    assert.deepEqual(await py.tell('call', name, 'add', { a: 2, b: 3 }), { result: 5 });
    assert.deepEqual(await py.tell('describe', name), {
      result: [
        { name: 'add', description: 'Adds a and b.' },
        { name: 'fail', description: '' },
      ],
    });
    const failed = await py.tell('call', name, 'fail');
    assert.deepEqual([failed.error, failed.code], ['RpcError', 77]);
    assert.match(failed.message, /empty/);
    assert.equal((await py.tell('call', name, 'nothing')).code, -32_601);
    await py.tell('notify', name, 'noted');
    await until(() => notified.length === 1);

    const rpc = service;
    assert.equal(await rpc.call(py.name, 'add', { a: 2, b: 3 }), 5);
    const { methods } = await rpc.describe(py.name);
    assert.deepEqual(
      methods.find((method) => method.name === 'add'),
      { name: 'add', description: 'Adds a and b.' },
    );
    const error = await failure(rpc.call(py.name, 'fail'));
    assert.deepEqual([error.code, error.message], [77, 'empty']);
    assert.equal((await failure(rpc.call(py.name, 'nothing'))).code, -32_601);
    assert.equal((await failure(rpc.call(py.name, 'add', { a: 1 }))).code, -32_602);
    await rpc.notify(py.name, 'noted');
    await until(() => py.notified().length === 1);
    assert.deepEqual(py.notified(), [{ notified: 'noted', sender: name }]);
    const calls = Array.from({ length: 500 }, (_, n) => rpc.call(py.name, 'add', { a: n, b: 1 }));
    assert.deepEqual(
      await Promise.all(calls),
      Array.from({ length: 500 }, (_, n) => n + 1),
    );
  });

  test(`both are back after a restart of the server, ${kind}`, { skip }, async (t) => {
    const server = await Server.start();
    t.after(() => server.kill());
    const join = clients(t, server.address);
    const js = await join('js');
    const py = await peer(t, kind, server.address, `${join.group}.py`);
    await py.tell('subscribe', 'py');
    await js.subscribe('js');
    const back = event(js, 'connected');
    await server.kill();
    await server.restart();
    await back;
    // It is not known when Python is back: it is when a publication arrives.
    await until(async () => {
      await js.publish('py', 'again');
      return py.frames().some(({ topic }) => topic === 'py');
    });
    await py.tell('publish', 'js', hex('again'), 1);
    assert.equal((await next(js)).topic, 'js');
    const rpc = new Rpc(js);
    assert.equal(await rpc.call(py.name, 'add', { a: 1, b: 1 }), 2);
  });
}
