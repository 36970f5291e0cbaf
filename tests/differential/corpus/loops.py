# %% asyncio.run
import asyncio
async def main():
    await asyncio.sleep(0)
    return "ran"
print(asyncio.run(main()))
print(asyncio.run(main()))
# %% asyncio.run with tasks and an error
import asyncio
async def bad():
    raise KeyError("k")
async def main():
    task = asyncio.create_task(bad())
    try:
        await task
    except KeyError as e:
        print("caught", e)
    await bad()
asyncio.run(main())
# %% own loop
import asyncio
loop = asyncio.new_event_loop()
async def f(): return 7
x = loop.run_until_complete(f())
loop.close()
del loop
x
# %% Runner over statements
import asyncio
async def f(n): return n + 1
with asyncio.Runner() as runner:
    a = runner.run(f(1))
    b = runner.run(f(a))
del runner
print(a, b)
# %% async generator driven by hand
async def gen():
    yield 1
    yield 2
async def collect():
    return [x async for x in gen()]
c = collect()
try:
    c.send(None)
except StopIteration as e:
    print(e.value)
del c
# %% main guard with asyncio.run
import asyncio
async def main():
    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
    print("main done")
if __name__ == "__main__":
    asyncio.run(main())
