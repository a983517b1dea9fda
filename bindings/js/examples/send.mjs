// Publishes, and sends to the listener of listen.mjs. node send.mjs [ADDRESS]
import { BusError, Client } from 'elbus';

const client = await Client.connect('tour.sender', { address: process.argv[2] });
await client.publish('plant/hall/temperature', '21.5');
console.log('published');
try {
  await client.send('tour.listener', 'hello');
  console.log('delivered');
} catch (error) {
  if (!(error instanceof BusError)) throw error;
  console.log(`not delivered: ${error.message}`);
}
await client.close();
