// Our command line, whose client is the Rust one.
import { spawn } from 'node:child_process';
import { lines, program } from './server.mjs';
import { event } from './wait.mjs';

/** Runs it to its end: exit code and output. */
export async function cli(address, ...args) {
  const child = spawn(program('elbus-cli'), [address, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (bytes) => (output[name] += bytes));
  const [code] = await event(child, 'close');
  return { code, ...output };
}

/** A listener that runs until it has heard so many frames; ready when it says so. Answers what it heard, as JSON. */
export async function listener(address, name, count, ...args) {
  const all = [address, 'listen', '--name', name, '--json', '-n', `${count}`, ...args];
  const child = spawn(program('elbus-cli'), all, { stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const heard = lines(child.stdout).heard;
  const closed = event(child, 'close');
  await lines(child.stderr).line(/^listening/);
  return {
    async heard() {
      await closed;
      return heard.map((line) => JSON.parse(line));
    },
  };
}

/** Answers calls until the test ends. */
export async function rpcListener(t, address, name, ...args) {
  const all = [address, 'rpc', 'listen', '--name', name, '--json', ...args];
  const child = spawn(program('elbus-cli'), all, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const output = lines(child.stdout);
  await lines(child.stderr).line(/^listening/);
  return output;
}
