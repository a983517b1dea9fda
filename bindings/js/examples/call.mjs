// Calls the service of service.mjs. node call.mjs [ADDRESS]
import { Client, Rpc, RpcError } from 'elbus';

const client = await Client.connect('tour.caller', { address: process.argv[2] });
const rpc = new Rpc(client);

console.log('2 + 3 =', await rpc.call('plant.adder', 'add', { a: 2, b: 3 }));
for (const { name, description } of (await rpc.describe('plant.adder')).methods) {
  console.log(`it offers ${name}: ${description}`);
}
try {
  await rpc.call('plant.adder', 'divide', { a: 1, b: 0 });
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.log(`error ${error.code}: ${error.message}`);
}
await client.close();
