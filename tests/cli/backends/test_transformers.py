"""The local backend, with the real default model and with tiny ones."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
import torch
from decoding import Decoded, respond, with_backend
from safetensors.torch import load_file, save_file
from tiny_models import TinyIndex
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from conveyor_cli.backends.base import Finish, Message, Role, Sampling
from conveyor_cli.backends.models import ModelStore
from conveyor_cli.backends.precision import Dtype, Quantization
from conveyor_cli.backends.transformers import TransformersBackend
from conveyor_cli.errors import ModelError

pytestmark = pytest.mark.model

QUESTION = "Use Python to print the sum of all even numbers from 1 to 100."


@pytest.fixture
def tiny_folder(tmp_path: Path, model_folder: Path) -> Path:
    """A random llama of two layers with the default model's tokenizer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        eos_token_id=2,
    )
    folder = tmp_path / "tiny-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(model_folder / name, folder)
    return folder


def ids_fed(backend: TransformersBackend) -> list[int]:
    """How many tokens each forward pass was given, from now on."""
    fed: list[int] = []
    backend.loaded.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: fed.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    return fed


def test_greedy_decoding_equals_generate(model_folder: Path) -> None:
    """Token for token, up to the end of sequence, in fp32."""

    async def work(backend: TransformersBackend) -> tuple[Decoded, str, int]:
        decoded = await respond(backend, QUESTION, Sampling(max_new_tokens=120))
        loaded = backend.loaded
        prompt = loaded.chat.encode([Message(Role.USER, QUESTION)])
        inputs = torch.tensor([prompt])
        output = loaded.model.generate(  # type: ignore[operator]
            inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=120,
            do_sample=False,
        )[0, len(prompt) :].tolist()
        return decoded, loaded.chat.tokenizer.decode(output), len(output)

    decoded, text, count = with_backend(model_folder, work)
    assert decoded.text == text
    assert len(decoded.deltas) == count
    assert all(delta.tokens == 1 for delta in decoded.deltas)
    times = [delta.at for delta in decoded.deltas]
    assert times == sorted(times)


def test_response_ends_with_a_delta_for_the_end_of_sequence(model_folder: Path) -> None:
    """Its text is empty, and the response says why it ended."""

    async def work(backend: TransformersBackend) -> Decoded:
        return await respond(backend, "Say hi.", Sampling(max_new_tokens=200))

    decoded = with_backend(model_folder, work)
    assert decoded.finish is Finish.EOS
    assert decoded.deltas[-1].text == ""


def test_second_turn_prefills_only_what_is_new(model_folder: Path) -> None:
    """And its text is that of a fresh run, in fp32."""
    sampling = Sampling(max_new_tokens=24)

    async def work(backend: TransformersBackend) -> tuple[list[int], int, int, str, str]:
        first = await respond(backend, QUESTION, sampling)
        turns = [
            Message(Role.USER, QUESTION),
            Message(Role.ASSISTANT, first.text),
            Message(Role.USER, "And of the odd ones?"),
        ]
        encode = backend.loaded.chat.encode
        old = len(encode(turns[:1])) + len(first.deltas) - 1  # the last token is not cached
        fed = ids_fed(backend)
        kept = await respond(backend, turns, sampling)
        counts = list(fed)
        await backend.forget()
        fresh = await respond(backend, turns, sampling)
        return counts, len(encode(turns)), old, kept.text, fresh.text

    counts, prompt, old, kept, fresh = with_backend(model_folder, work)
    assert counts == [prompt - old] + [1] * 23
    assert kept == fresh


def test_another_conversation_reuses_only_what_is_common(model_folder: Path) -> None:
    """Cropping the cache leaves no trace of the conversation before."""
    sampling = Sampling(max_new_tokens=16)

    async def work(backend: TransformersBackend) -> tuple[str, str]:
        await respond(backend, QUESTION, sampling)
        after = await respond(backend, "Name three colours.", sampling)
        await backend.forget()
        return after.text, (await respond(backend, "Name three colours.", sampling)).text

    after, fresh = with_backend(model_folder, work)
    assert after == fresh


def test_stop_ends_the_iteration_within_a_token(tiny_folder: Path) -> None:
    """No delta comes after it, at most the forward pass under way is finished."""

    async def work(backend: TransformersBackend) -> tuple[int, Finish | None, int]:
        fed = ids_fed(backend)
        response = backend.respond([Message(Role.USER, "Hi")], Sampling(max_new_tokens=60))
        taken = at_stop = 0
        async for _ in response:
            taken += 1
            if taken == 3:
                response.stop()
                response.stop()
                at_stop = len(fed)
        await backend.forget()  # the decode thread is idle again
        return taken, response.finish, len(fed) - at_stop

    taken, finish, later = with_backend(tiny_folder, work)
    assert (taken, finish) == (3, Finish.STOPPED)
    assert later <= 1


def test_response_stopped_before_its_iteration_is_empty(tiny_folder: Path) -> None:
    """The deltas that had arrived are dropped."""

    async def work(backend: TransformersBackend) -> int:
        response = backend.respond([Message(Role.USER, "Hi")], Sampling(max_new_tokens=5))
        await backend.forget()
        response.stop()
        return len([delta async for delta in response])

    assert with_backend(tiny_folder, work) == 0


def test_cache_is_usable_after_a_stopped_response(tiny_folder: Path) -> None:
    """The next response is that of a fresh backend."""
    sampling = Sampling(max_new_tokens=12)

    async def work(backend: TransformersBackend) -> tuple[str, str]:
        response = backend.respond([Message(Role.USER, "Hi you")], sampling)
        async for _ in response:
            response.stop()
        after = await respond(backend, "Hi there", sampling)
        await backend.forget()
        return after.text, (await respond(backend, "Hi there", sampling)).text

    after, fresh = with_backend(tiny_folder, work)
    assert after == fresh


def test_cache_is_usable_after_a_failed_response(tiny_folder: Path) -> None:
    """A forward pass that fails between two layers leaves nothing half fed behind."""
    sampling = Sampling(max_new_tokens=12)

    async def work(backend: TransformersBackend) -> tuple[str, str]:
        fresh = await respond(backend, "Hi there", sampling)
        await backend.forget()

        def fail(*_: object) -> None:
            raise torch.OutOfMemoryError("no room")

        hook = backend.loaded.model.model.layers[1].register_forward_pre_hook(fail)
        with pytest.raises(ModelError, match="not enough memory on cpu"):
            await respond(backend, "Hi there", sampling)
        hook.remove()
        return fresh.text, (await respond(backend, "Hi there", sampling)).text

    fresh, after = with_backend(tiny_folder, work)
    assert after == fresh


def test_seed_gives_the_same_text_again(tiny_folder: Path) -> None:
    """With every processor on; another seed gives another text."""

    def sampling(seed: int) -> Sampling:
        return Sampling(
            max_new_tokens=20,
            temperature=0.9,
            top_k=100,
            top_p=0.95,
            min_p=0.01,
            repetition_penalty=1.1,
            seed=seed,
        )

    async def work(backend: TransformersBackend) -> list[str]:
        return [(await respond(backend, "Hi", sampling(seed))).text for seed in (1, 1, 2)]

    first, again, other = with_backend(tiny_folder, work)
    assert first == again
    assert first != other


def test_sampling_out_of_range_is_a_model_error(tiny_folder: Path) -> None:
    """The library's own words, in one line."""

    async def work(backend: TransformersBackend) -> None:
        await respond(backend, "Hi", Sampling(temperature=1.0, top_p=2.0))

    with pytest.raises(ModelError, match="sampling: `top_p`"):
        with_backend(tiny_folder, work)


def test_decoding_ends_at_the_context_window(tiny_folder: Path) -> None:
    """Prompt and response together fill it; then the length cut it off."""

    async def work(backend: TransformersBackend) -> tuple[int, Decoded]:
        prompt = backend.loaded.chat.encode([Message(Role.USER, "Hi")])
        return len(prompt), await respond(backend, "Hi", Sampling(max_new_tokens=1000))

    prompt, decoded = with_backend(tiny_folder, work)
    assert prompt + len(decoded.deltas) == 128
    assert decoded.finish is Finish.LENGTH


def test_character_cut_off_by_the_limit_is_in_the_last_delta(tiny_folder: Path) -> None:
    """A response that ends in the middle of an emoji ends with U+FFFD."""

    async def work(backend: TransformersBackend) -> Decoded:
        half, *_ = backend.loaded.chat.tokenizer.encode("🎉").ids

        def write_half(_module: object, _args: object, logits: torch.Tensor) -> None:
            logits[..., half] = 1e9

        backend.loaded.model.lm_head.register_forward_hook(write_half)
        return await respond(backend, "Hi", Sampling(max_new_tokens=1))

    decoded = with_backend(tiny_folder, work)
    assert [delta.text for delta in decoded.deltas] == ["\ufffd"]


def test_prompt_beyond_the_context_window_is_a_model_error(tiny_folder: Path) -> None:
    """Both numbers are named."""

    async def work(backend: TransformersBackend) -> None:
        await respond(backend, "word " * 200, Sampling())

    with pytest.raises(ModelError, match=r"has \d+ tokens, the model's context window 128"):
        with_backend(tiny_folder, work)


@pytest.mark.parametrize("quantization", [Quantization.INT8, Quantization.NF4, Quantization.FP4])
def test_quantized_model_decodes(
    tiny_folder: Path, quantization: Quantization, caplog: pytest.LogCaptureFixture
) -> None:
    """On the CPU, with its linear layers in bitsandbytes' hands, and without a warning."""

    async def work(backend: TransformersBackend) -> tuple[str, Decoded]:
        kind = type(backend.loaded.model.model.layers[0].mlp.up_proj).__name__
        return kind, await respond(backend, "Hi", Sampling(max_new_tokens=5))

    kind, decoded = with_backend(tiny_folder, work, quantization=quantization, dtype=Dtype.BF16)
    assert kind == ("Linear8bitLt" if quantization is Quantization.INT8 else "Linear4bit")
    assert len(decoded.deltas) == 5
    assert caplog.messages == []


def test_folder_with_gguf_alone_is_loaded(tiny_index: TinyIndex) -> None:
    """By the library's own reader."""
    folder = tiny_index.wheels.parent  # tiny.gguf lies there

    async def work(backend: TransformersBackend) -> Decoded:
        return await respond(backend, "Hi", Sampling(max_new_tokens=5))

    assert len(with_backend(folder, work).deltas) == 5


def test_missing_weights_are_a_model_error(tiny_folder: Path) -> None:
    """A layer that lacks would be random numbers."""
    weights = load_file(tiny_folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, tiny_folder / "model.safetensors", metadata={"format": "pt"})

    async def work(_backend: TransformersBackend) -> None:
        """Loading is enough."""

    with pytest.raises(ModelError, match=r"lacks 1 weights, e\.g\. model\.layers\.1\.mlp\.up_proj"):
        with_backend(tiny_folder, work)


def test_broken_weights_are_a_model_error(tiny_folder: Path) -> None:
    """One line that names the folder."""
    (tiny_folder / "model.safetensors").write_bytes(b"not weights")

    async def work(_backend: TransformersBackend) -> None:
        """Loading is enough."""

    with pytest.raises(ModelError, match=r"cannot load .*tiny-llama") as caught:
        with_backend(tiny_folder, work)
    assert "\n" not in str(caught.value)


def test_event_loop_turns_while_the_model_decodes(tiny_folder: Path) -> None:
    """Deltas arrive while later ones are decoded, not all at the end."""

    async def work(backend: TransformersBackend) -> list[int]:
        turns = 0

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        spinning = asyncio.create_task(spin())
        response = backend.respond([Message(Role.USER, "Hi")], Sampling(max_new_tokens=20))
        seen = [turns async for _ in response]
        spinning.cancel()
        return seen

    seen = with_backend(tiny_folder, work)
    assert len(seen) == 20
    assert seen[-1] > seen[0]


def test_the_end_of_a_call_ends_the_response(tiny_folder: Path) -> None:
    """Where the vocabulary has Llama's token for it, which the configuration does not name."""

    async def work(backend: TransformersBackend) -> frozenset[int]:
        return backend.loaded.eos_ids

    assert with_backend(tiny_folder, work) == {2}
    tokenizer = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["<|eom_id|>"])
    tokenizer.save(str(tiny_folder / "tokenizer.json"))
    ends = with_backend(tiny_folder, work)
    assert ends == {2, tokenizer.token_to_id("<|eom_id|>")}


def test_label_names_model_precision_and_device(tiny_folder: Path) -> None:
    """What the user is shown."""

    async def work(backend: TransformersBackend) -> str:
        return backend.label

    assert with_backend(tiny_folder, work) == "tiny-llama fp32 cpu"


def test_cancelled_load_ends_the_pull(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """The decode thread gives up at the next word of progress, and nothing is left."""
    store = ModelStore(tmp_path / "cache", {"tiny": tiny_index.spec})

    async def main() -> None:
        backend = TransformersBackend("tiny", store=store)

        def cancel(_stage: str, _fraction: float | None) -> None:
            loading.cancel()

        loading = asyncio.create_task(backend.load(cancel))
        with pytest.raises(asyncio.CancelledError):
            await loading
        await backend.close()

    asyncio.run(main())
    assert store.installed() == []
    assert list((tmp_path / "cache" / "models").glob(".tiny.*.partial")) == []
