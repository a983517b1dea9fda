"""Calls the service of `service.py`, with many calls in flight."""

import asyncio

import elbus.aio


async def main():
    async with elbus.aio.Client("tour.caller") as bus:
        rpc = elbus.aio.Rpc(bus)
        print("2 + 3 =", await rpc.call("plant.adder", "add", {"a": 2, "b": 3}))
        sums = await asyncio.gather(*(rpc.call("plant.adder", "add", [n, n]) for n in range(1000)))
        print("and a thousand sums, which add up to", sum(sums))
        for method in await rpc.describe("plant.adder"):
            print("it offers", method["name"], "-", method["description"])
        try:
            await rpc.call("plant.adder", "divide", [1, 0])
        except elbus.RpcError as error:
            print("error", error.rpc_code, error.text)


asyncio.run(main())
