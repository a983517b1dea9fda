/** Connecting, for the first time and again: when to try, for how long, and when to give up. */
import type { Core } from './core.js';
import { ConnectError } from './errors.js';
import { Link } from './link.js';

/** Connects, with delays between tries, until it is on the bus. Throws `ConnectError` when trying on is of no use. @internal */
export async function redial(core: Core, isFirst: boolean): Promise<void> {
  const { settings } = core;
  const until = isFirst ? Date.now() + settings.retryFirstConnect : Infinity;
  for (let attempt = 0; ; attempt += 1) {
    if (attempt > 0 || !isFirst) {
      // Shortened by chance, so that many clients do not come back at the same moment.
      await pause(core.delay * (0.5 + Math.random() / 2), core.cancelDial.signal);
      core.delay = Math.min(2 * core.delay, settings.backoff.longest);
    }
    await primaryConnected(core);
    try {
      await dial(core);
      return;
    } catch (error) {
      const mayPass = error instanceof ConnectError && error.mayPass;
      if (!mayPass || Date.now() + (isFirst ? core.delay : 0) > until) {
        throw error;
      }
    }
  }
}

async function dial(core: Core): Promise<void> {
  if (core.phase === 'closed' || core.phase === 'closing') {
    throw new ConnectError('closed', 'the client was closed');
  }
  const { timeout, frameLimit } = core.settings;
  const link = { address: core.address!, name: core.name, timeout, frameLimit };
  await Link.dial(link, core, core.cancelDial.signal);
}

/** A secondary comes back after its primary. */
async function primaryConnected(core: Core): Promise<void> {
  const { primary } = core;
  while (primary !== undefined && primary.phase !== 'connected' && core.phase !== 'closed') {
    if (primary.phase === 'closed') {
      throw new ConnectError('closed', 'the primary was closed');
    }
    await primary.nextPhase();
  }
}

function pause(milliseconds: number, cancelled: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => {
      clearTimeout(timer);
      reject(new ConnectError('closed', 'the client was closed'));
    };
    const timer = setTimeout(() => {
      cancelled.removeEventListener('abort', cancel);
      resolve();
    }, milliseconds);
    if (cancelled.aborted) {
      cancel();
    } else {
      cancelled.addEventListener('abort', cancel, { once: true });
    }
  });
}
