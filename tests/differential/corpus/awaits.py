# %% await at top level
import asyncio
await asyncio.sleep(0)
print("after")
# %% value of an await
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x * 2
await f(21)
# %% await in an expression and an assignment
async def f(x): return x
x = await f(1) + await f(2)
y = [await f(n) for n in range(3)]
print(x, y)
# %% async for
async def numbers():
    for i in range(3):
        yield i
async for n in numbers():
    print(n)
else:
    print("end")
# %% async with
import contextlib
@contextlib.asynccontextmanager
async def noted(name):
    print("enter", name)
    yield name
    print("leave", name)
async with noted("a") as a, noted("b"):
    print("inside", a)
# %% task over statements
import asyncio
async def work(n):
    for i in range(2):
        await asyncio.sleep(0)
    return n
task = asyncio.create_task(work(5))
print(await task)
del task
# %% gather
import asyncio
async def f(n):
    await asyncio.sleep(0)
    return n * n
await asyncio.gather(*(f(n) for n in range(4)))
# %% event between tasks
import asyncio
event = asyncio.Event()
async def waiter():
    await event.wait()
    print("woken")
task = asyncio.create_task(waiter())
await asyncio.sleep(0)
print("setting")
event.set()
await task
print("end")
del task, event
# %% the loop is one
import asyncio
a = asyncio.get_running_loop()
await asyncio.sleep(0)
b = asyncio.get_running_loop()
print(a is b)
del a, b
# %% error in an await
import asyncio
async def bad():
    await asyncio.sleep(0)
    raise ValueError("in a coroutine")
print("before")
await bad()
print("never")
# %% timeout
import asyncio
try:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(10)
except TimeoutError:
    print("timed out")
# %% queue
import asyncio
q = asyncio.Queue()
async def produce():
    for i in range(3):
        await q.put(i)
    await q.put(None)
task = asyncio.create_task(produce())
while (item := await q.get()) is not None:
    print(item)
await task
del q, task
# %% task group
import asyncio
async def f(n): return n
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(f(n)) for n in range(3)]
results = [t.result() for t in tasks]
del tasks, group
results
# %% async comprehension and generator
async def numbers():
    for i in range(5): yield i
evens = [n async for n in numbers() if n % 2 == 0]
table = {n: n * n async for n in numbers()}
print(evens, table)
# %% coroutine function that is only defined
import asyncio
await asyncio.sleep(0)
async def main():
    await asyncio.sleep(0)
    return 5
print(asyncio.iscoroutinefunction(main))
# %% run in a thread
import asyncio
def slow(x): return x + 1
await asyncio.to_thread(slow, 1)
# %% cancel a task
import asyncio
async def forever():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        print("cancelled")
        raise
task = asyncio.create_task(forever())
await asyncio.sleep(0)
task.cancel()
try:
    await task
except asyncio.CancelledError:
    print("done")
del task
# %% await in a condition and a loop
async def f(x): return x
if await f(True):
    print("yes")
while not await f(1): pass
n = 3
while n:
    n -= await f(1)
n
