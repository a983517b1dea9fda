// What an address may be, and where the bus is when nobody says where.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, part } from './kit/elbus.mjs';
import { Server, folder } from './kit/server.mjs';
import { failure } from './kit/wait.mjs';

const { defaultAddress, parseAddress } = await part('address');

test('paths and hosts are told apart', () => {
  for (const [text, path] of [
    ['/a/b', '/a/b'],
    ['./b', './b'],
    ['bus.sock', 'bus.sock'],
    ['bus.ipc', 'bus.ipc'],
    ['unix:///a/b', '/a/b'],
    ['unix:b', 'b'],
    ['unix:/a/b:1', '/a/b:1'],
  ]) {
    assert.deepEqual(parseAddress(text), { path }, text);
  }
  for (const [text, host, port] of [
    ['h:1', 'h', 1],
    ['[::1]:0', '::1', 0],
    ['tcp://h:65535', 'h', 65535],
  ]) {
    assert.deepEqual(parseAddress(text), { host, port }, text);
  }
});

test('what is no address is explained', () => {
  for (const text of [
    '',
    'unix:',
    'host',
    'host:',
    ':1',
    'host:65536',
    'tcp://host',
    'ws://host:1',
    'fifo:/x',
  ]) {
    assert.throws(() => parseAddress(text), { name: 'ConnectError', kind: 'address', mayPass: false }, text);
  }
});

test('a port out of range is told as such', () => {
  for (const text of ['localhost:65536', 'tcp://h:999999']) {
    assert.throws(() => parseAddress(text), { kind: 'address', message: /ports are from 0 to 65535/ }, text);
  }
});

test('the default address comes from the environment, else from a directory of the user alone', () => {
  const runtime = folder();
  const environment = { XDG_RUNTIME_DIR: runtime };
  assert.equal(defaultAddress({ ELBUS_ADDRESS: 'h:1', ...environment }), 'h:1');
  assert.equal(defaultAddress(environment), join(runtime, 'elbus/elbus.sock'));
  assert.equal(defaultAddress({ ELBUS_ADDRESS: '', ...environment }), join(runtime, 'elbus/elbus.sock'));
  const directory = join(runtime, 'elbus');
  mkdirSync(directory, { mode: 0o700 });
  assert.equal(defaultAddress(environment), join(directory, 'elbus.sock'));
  chmodSync(directory, 0o750);
  assert.throws(() => defaultAddress(environment), /others may enter it/);
  assert.match(defaultAddress({}), new RegExp(`^/tmp/elbus-${process.getuid()}/elbus.sock$`));
});

test('something else than a directory is not trusted', () => {
  const runtime = folder();
  writeFileSync(join(runtime, 'elbus'), '');
  assert.throws(() => defaultAddress({ XDG_RUNTIME_DIR: runtime }), /it is something else/);
});

test('a client finds the bus by the environment', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const before = process.env.ELBUS_ADDRESS;
  t.after(() =>
    before === undefined ? delete process.env.ELBUS_ADDRESS : (process.env.ELBUS_ADDRESS = before),
  );
  process.env.ELBUS_ADDRESS = server.address;
  await (await Client.connect('a')).close();
  process.env.ELBUS_ADDRESS = 'nonsense';
  assert.equal((await failure(Client.connect('a'))).kind, 'address');
});
