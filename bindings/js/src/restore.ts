/** What a new connection begins with: everything subscribed and excluded is asked for again. */
import { Qos } from './constants.js';
import type { Core } from './core.js';
import { Operation } from './operation.js';

/** Asks for everything; the client is on the bus when all of it is answered. @internal */
export function restore(core: Core): void {
  const frames = core.filters.frames();
  if (frames.length === 0) {
    core.restored();
    return;
  }
  core.enter('restoring');
  let open = frames.length;
  for (const { op, filters } of frames) {
    const body = Buffer.from(filters.join('\0'));
    const asked = { op, changed: filters, all: true };
    const operation = new Operation(op | (Qos.Processed << 6), Buffer.alloc(0), undefined, body, (error) => {
      if (error?.kind === 'refused') {
        core.filters.refused(asked);
      } else if (error?.kind === 'connectionLost') {
        core.filters.unanswered(asked);
      }
      open -= 1;
      if (open === 0 && core.phase === 'restoring') {
        core.restored();
      }
    });
    core.handOver(operation);
  }
}
