// A program in TypeScript that uses the installed package under strict rules. It is compiled, not run.
import {
  BusError,
  Client,
  ConnectError,
  Frame,
  OP_PUBLISH,
  Qos,
  Rpc,
  RpcError,
  RpcRequest,
  Service,
  json,
  msgpack,
  type ClientOptions,
  type Codec,
  type Context,
  type Outcome,
  type RpcStats,
} from 'elbus';

const options: ClientOptions = {
  address: '/run/bus.sock',
  timeout: 1_000,
  backoff: { first: 1, longest: 2 },
};

export async function client(): Promise<void> {
  const client: Client = await Client.connect('a.b', options);
  client.on('frame', (frame) => {
    const topic: string | undefined = frame.topic;
    console.log(topic, frame.payload.length);
  });
  client.on('disconnected', (why) => console.log(why.kind satisfies string));
  client.once('gaveUp', (why: ConnectError) => console.log(why.mayPass));
  // @ts-expect-error: there is no such event
  client.on('nothing', () => undefined);
  await client.send('c.d', 'text', { qos: Qos.Realtime, signal: AbortSignal.timeout(5) });
  await client.send('c.d', new Uint8Array(3));
  // @ts-expect-error: a payload is a text or bytes
  await client.send('c.d', 5);
  // @ts-expect-error: there are four qualities of service
  await client.send('c.d', 'x', { qos: 4 });
  await client.publish('t', 'x', { onlyFor: 'c.d' });
  const sent = await client.send('t', new Frame('x', OP_PUBLISH, 1));
  const code: number = sent.result;
  await client.subscribe(['a', 'b'] as const);
  for await (const frame of client) console.log(frame.text(), code);
  const frame: Frame | undefined = await client.receive({ timeout: 10 });
  client.onFrame = async (frame) => console.log(frame);
  client.onFrame = null;
  console.log(frame);
}

interface Sum {
  a: number;
  b: number;
}

export async function rpc(client: Client): Promise<RpcStats> {
  const codec: Codec = msgpack;
  const rpc = new Rpc(client, { codec, concurrent: 5 });
  const sum: number = await rpc.call<number>('a.b', 'add', { a: 1, b: 2 }, { timeout: 10 });
  const unknown = await rpc.call('a.b', 'add');
  // @ts-expect-error: what a service answers is unknown
  unknown.toFixed();
  const event = await rpc.call('a.b', new RpcRequest('add'));
  console.log(sum, event.getPayload().length);
  const { methods } = await rpc.describe('a.b');
  console.log(methods.map(({ name, description }) => name + description));
  return rpc.stats();
}

export function service(client: Client): Service {
  const service = new Service(client, { codec: json });
  service.method('add', ({ a, b }: Sum, context: Context) => `${a + b} for ${context.caller}`, {
    concurrent: 1,
  });
  service.rawMethod('raw', async (params) => params);
  service.onNotification = (event) => console.log(event.sender);
  service.method('fail', () => {
    throw new RpcError(1, 'x');
  });
  return service;
}

export function outcome(error: unknown): Outcome | undefined {
  return error instanceof BusError ? error.outcome : undefined;
}
