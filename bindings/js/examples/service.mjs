import { Client, Service } from 'elbus';

const client = new Client('plant.adder', { address: process.argv[2] });
const service = new Service(client);
service.method('add', ({ a, b }) => a + b, { description: 'Adds a and b.' });
service.method('greet', ({ name }, { caller }) => `hello ${name}, says ${caller}`);
await client.connect();
console.log('plant.adder serves');
