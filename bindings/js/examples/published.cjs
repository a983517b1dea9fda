// Written as programs for the published package are: CommonJS, onFrame, frames with a type. node published.cjs [PATH]
'use strict';
const elbus = require('elbus');

const main = async () => {
  const bus = new elbus.Client('tour.published');
  bus.onFrame = async (frame) => {
    console.log(frame.type, frame.sender, frame.topic, frame.payload.toString());
    await bus.disconnect();
  };
  await bus.connect(process.argv[2]);
  await bus.subscribe('some/#');
  const sent = await bus.send('some/topic', new elbus.Frame('hello', elbus.OP_PUBLISH, 1));
  console.log(await sent.waitCompleted(1));
};

main();
