// Waiting for what must happen, with a limit to every wait.
import { once } from 'node:events';

/** A wait that takes longer than this has failed: enough for a machine under load. */
export const PATIENCE = 20_000;

/** What a promise yields, or an error that says what was waited for. */
export async function within(promise, what = 'this', limit = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms for ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments of the next event. */
export function event(emitter, name) {
  return within(once(emitter, name), `the event ${name}`);
}

/** Waits until something holds; it is looked at in every turn of the event loop. */
export async function until(holds, what = String(holds)) {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`waited ${PATIENCE} ms until ${what}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The next frame. */
export async function next(client, what = 'a frame') {
  const frame = await within(client.receive(), what);
  if (frame === undefined) {
    throw new Error(`the client was closed instead of receiving ${what}`);
  }
  return frame;
}

/** So many frames. */
export async function frames(client, count) {
  const received = [];
  while (received.length < count) {
    received.push(await next(client, `frame ${received.length + 1} of ${count}`));
  }
  return received;
}

/** What a promise is rejected with. */
export async function failure(promise, what = 'a failure') {
  try {
    await within(promise, what);
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was expected, but it went well`);
}

/** The messages of what surfaces as uncaught exceptions while something runs. */
export async function uncaught(run) {
  const listeners = process.listeners('uncaughtException');
  const caught = [];
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error.message));
  try {
    await run(caught);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return caught;
}
