// Prints what is published below plant, and messages to it. node listen.mjs [ADDRESS]
import { Client } from 'elbus';

const client = new Client('tour.listener', { address: process.argv[2] });
client.on('disconnected', (why) => console.log(`off the bus: ${why.message}`));
client.on('connected', () => console.log('listening'));
await client.connect();
await client.subscribe('plant/#');
for await (const frame of client) {
  console.log(frame.sender, frame.topic ?? `(${frame.kind})`, frame.text());
}
