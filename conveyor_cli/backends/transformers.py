"""The backend that runs a model in this program, with transformers.

torch and transformers take seconds to import. They are imported in the decode thread, when the
model is loaded, so that the sandbox starts meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from conveyor_cli.backends.base import Delta, Finish, Message, Progress, Sampling, ToolOffer
from conveyor_cli.backends.models import ModelStore
from conveyor_cli.backends.precision import Device, Dtype, Quantization
from conveyor_cli.errors import ModelError

if TYPE_CHECKING:
    from conveyor_cli.backends.decode import Decoder
    from conveyor_cli.backends.loading import LoadedModel

_T = TypeVar("_T")


class TransformersBackend:
    """A local model: decodes in a thread of its own, and keeps the KV cache from turn to turn.

    `model` is a name known to the store, a folder, or a Hugging Face id. On a CPU the forward pass
    leaves one core to the tools, unless `OMP_NUM_THREADS` is set.
    """

    def __init__(
        self,
        model: str,
        *,
        store: ModelStore,
        quantization: Quantization = Quantization.NONE,
        dtype: Dtype = Dtype.AUTO,
        device: Device = Device.AUTO,
    ) -> None:
        self._name = model
        self._store = store
        self._quantization = quantization
        self._dtype = dtype
        self._device = device
        self._executor = ThreadPoolExecutor(1, "decode")
        self._decoder: Decoder | None = None
        self._response: TransformersResponse | None = None

    @property
    def label(self) -> str:
        """E.g. `smollm2-135m bf16 cpu`; only the name before it is loaded."""
        name = Path(self._name).name
        if self._decoder is None:
            return name
        loaded = self._decoder.loaded
        quantized = self._quantization is not Quantization.NONE
        return f"{name} {self._quantization if quantized else loaded.dtype} {loaded.device}"

    @property
    def template(self) -> str | None:
        """The model's chat template."""
        return self.loaded.chat.template

    @property
    def loaded(self) -> LoadedModel:
        """The model, once it is loaded."""
        return self._ready().loaded

    async def load(self, progress: Progress) -> None:
        """Fetch the model if need be, and load it. Cancelling it ends a download soon."""
        if self._decoder is not None:
            return
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def report(stage: str, fraction: float | None) -> None:
            if cancelled.is_set():
                raise ModelError("cancelled")
            loop.call_soon_threadsafe(progress, stage, fraction)

        def load() -> Decoder:
            folder = self._store.locate(self._name, report)
            report("importing torch and transformers", None)
            # Else it makes a folder in the temporary directory that nobody ever removes.
            os.environ.setdefault(
                "TORCHINDUCTOR_CACHE_DIR", str(self._store.root / "torchinductor")
            )
            from conveyor_cli.backends.decode import Decoder  # noqa: PLC0415 - slow
            from conveyor_cli.backends.loading import load_model  # noqa: PLC0415

            _leave_a_core()
            return Decoder(
                load_model(folder, self._quantization, self._dtype, self._device, report)
            )

        try:
            self._decoder = await self.in_decode_thread(load)
        finally:
            cancelled.set()

    def respond(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[ToolOffer] = ()
    ) -> TransformersResponse:
        """Start a response; it waits until the one before has ended or was stopped."""
        decoder = self._ready()
        response = TransformersResponse(asyncio.get_running_loop())
        self._executor.submit(response.run, decoder, tuple(messages), sampling, tuple(tools))
        self._response = response
        return response

    async def forget(self) -> None:
        """Drop the KV cache: the next response prefills its whole prompt."""
        if self._decoder is not None:
            await self.in_decode_thread(self._decoder.forget)

    async def close(self) -> None:
        """Stop a response still running, end the thread, give the memory back."""
        if self._response is not None:
            self._response.stop()
        await asyncio.to_thread(self._executor.shutdown)
        decoder, self._decoder, self._response = self._decoder, None, None
        if decoder is not None and decoder.loaded.device == Device.CUDA:
            import torch  # noqa: PLC0415

            del decoder
            torch.cuda.empty_cache()

    def _ready(self) -> Decoder:
        if self._decoder is None:
            raise RuntimeError("the backend is not loaded")
        return self._decoder

    async def in_decode_thread(self, work: Callable[[], _T]) -> _T:
        """Do something with the model where nothing else uses it meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


class TransformersResponse:
    """One response, decoded in the backend's thread and taken by the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: asyncio.Queue[Delta | Finish | Exception] = asyncio.Queue()
        self._stopped = threading.Event()
        self._finish: Finish | None = None

    @property
    def finish(self) -> Finish | None:
        """Why it ended; None until the iteration has ended."""
        return self._finish

    def stop(self) -> None:
        """No further forward pass is begun; deltas not yet taken are dropped."""
        self._stopped.set()
        if self._finish is None:
            self._finish = Finish.STOPPED
            self._arrived.put_nowait(Finish.STOPPED)  # wakes an iteration that waits

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """The deltas. Leaving the iteration early stops the response."""
        try:
            while True:
                arrived = await self._arrived.get()
                if self._stopped.is_set():
                    return
                if isinstance(arrived, Finish):
                    self._finish = arrived
                    return
                if isinstance(arrived, Exception):
                    raise arrived
                yield arrived
        finally:
            self.stop()

    def run(
        self,
        decoder: Decoder,
        messages: tuple[Message, ...],
        sampling: Sampling,
        tools: tuple[ToolOffer, ...],
    ) -> None:
        """Decode it, in the decode thread."""
        import torch  # noqa: PLC0415

        from conveyor_cli.backends.decode import decode  # noqa: PLC0415
        from conveyor_cli.backends.loading import out_of_memory  # noqa: PLC0415

        try:
            prompt = decoder.loaded.chat.encode(messages, tools)
            self._send(decode(decoder, prompt, sampling, self._send, self._stopped.is_set))
        except torch.OutOfMemoryError:
            self._send(out_of_memory(decoder.loaded.device))
        except Exception as error:  # noqa: BLE001  (raised again where the deltas are taken)
            self._send(error)

    def _send(self, arrived: Delta | Finish | Exception) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, arrived)
        except RuntimeError:  # the event loop was closed: nobody takes deltas any more
            self._stopped.set()


def _leave_a_core() -> None:
    """Let this thread's forward passes use all cores but one.

    The threads of a forward pass wait for each other some two hundred times a token. Where one of
    them must share its core with a busy tool, decoding on two cores fell from 21 to 6 tokens a
    second; with one thread less it stayed at 15.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    import torch  # noqa: PLC0415

    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    # torch itself starts from the physical cores, which may be fewer.
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cores - 1)))
