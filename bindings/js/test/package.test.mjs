// The package as it is installed: both ways to load it, and what is in it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Client as ImportedClient } from 'elbus';
import * as imported from 'elbus';

const require = createRequire(import.meta.url);
const required = require('elbus');
const folder = dirname(require.resolve('elbus/package.json'));

test('import and require yield the same names', () => {
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort());
  assert.ok(Object.keys(required).length > 40);
  assert.notEqual(required.Client, ImportedClient, 'one is CommonJS, the other an ES module');
});

test('it has no dependency, and is not taken from the source tree', () => {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(manifest.peerDependenciesMeta, { '@msgpack/msgpack': { optional: true } });
  if (process.env.ELBUS_INSTALLED === '1') {
    assert.ok(!existsSync(join(folder, 'src')) && !existsSync(join(folder, 'tsconfig.json')));
    assert.deepEqual(readdirSync(folder).sort(), ['LICENSE', 'README.md', 'dist', 'package.json']);
  }
});

test('frames and errors of one copy work with the other', () => {
  assert.ok(required.Frame.isFrame(new imported.Frame()));
});

test('what is internal is not in the declarations', () => {
  const declarations = readFileSync(join(folder, 'dist/esm/client.d.ts'), 'utf8');
  assert.ok(!/\bCore\b|\bSender\b/.test(declarations));
});
