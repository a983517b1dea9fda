// The same from CommonJS.
import elbus = require('elbus');

export async function send(): Promise<void> {
  const client: elbus.Client = await elbus.Client.connect('a.b');
  await client.send('c.d', 'x', { qos: elbus.Qos.No });
  const service = new elbus.Service(client);
  service.method('add', ({ a, b }: { a: number; b: number }) => a + b);
}
