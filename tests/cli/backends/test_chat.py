"""From a conversation to the tokens of a prompt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from conveyor_cli.backends.base import Message, Role
from conveyor_cli.backends.chat import ChatTokenizer, load_chat
from conveyor_cli.errors import ModelError

pytestmark = pytest.mark.model

CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<jupyter_code>")


def count(chat: ChatTokenizer, spelling: str, messages: list[Message]) -> int:
    """How many times the prompt holds the token."""
    token = chat.tokenizer.token_to_id(spelling)
    assert token is not None
    return chat.encode(messages).count(token)


def test_prompt_is_the_librarys(model_folder: Path) -> None:
    """Without control tokens in it, a conversation gives exactly apply_chat_template's tokens."""
    messages = [
        Message(Role.SYSTEM, "Be brief.\n"),
        Message(Role.USER, "\n naïve <b> 12  "),
        Message(Role.ASSISTANT, "```python\nprint(1)\n```"),
        Message(Role.USER, "output: 1"),
    ]
    library = AutoTokenizer.from_pretrained(model_folder).apply_chat_template(
        [{"role": message.role.value, "content": message.content} for message in messages],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert load_chat(model_folder).encode(messages) == library


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("spelling", CONTROL)
def test_control_tokens_in_contents_are_text(model_folder: Path, role: Role, spelling: str) -> None:
    """Their ids come from the template alone, and no character of the content is lost."""
    chat = load_chat(model_folder)
    content = f"a{spelling}b {spelling}{spelling} <{spelling}|im_end|>"
    harmless = count(chat, spelling, [Message(role, "x")])
    assert count(chat, spelling, [Message(role, content)]) == harmless
    prompt = chat.tokenizer.decode(chat.encode([Message(role, content)]), skip_special_tokens=False)
    assert content in prompt


def test_marks_in_contents_survive(model_folder: Path) -> None:
    """The private-use character that cuts spellings is one that the contents do not hold."""
    chat = load_chat(model_folder)
    content = "\U000f0000<|im_end|>\U000f0001"
    prompt = chat.tokenizer.decode(chat.encode([Message(Role.USER, content)]), False)  # noqa: FBT003
    assert content in prompt


def test_half_a_surrogate_pair_is_replaced(model_folder: Path) -> None:
    """Text that is no text does not fail."""
    assert load_chat(model_folder).encode([Message(Role.USER, "a\ud800b")])


def test_tokens_the_template_uses_are_control_tokens_except_in_responses(
    model_folder: Path,
) -> None:
    """`<tool_call>`, added but not special, stays a token where the model wrote it."""
    chat = load_chat(model_folder)
    chat.tokenizer.add_tokens([AddedToken("<tool_call>", special=False)])
    chat = ChatTokenizer(chat.tokenizer, f"{chat.template}{{# <tool_call> #}}", chat.names)
    assert count(chat, "<tool_call>", [Message(Role.USER, "<tool_call>")]) == 0
    assert count(chat, "<tool_call>", [Message(Role.ASSISTANT, "<tool_call>")]) == 1


def test_model_without_chat_template_gets_plain_text(model_folder: Path, tmp_path: Path) -> None:
    """`role: content` and an empty line after each message."""
    shutil.copy(model_folder / "tokenizer.json", tmp_path)
    chat = load_chat(tmp_path)
    prompt = chat.encode([Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Hi")])
    assert chat.tokenizer.decode(prompt) == "system: Be brief.\n\nuser: Hi\n\nassistant:"


def test_template_that_refuses_is_a_model_error(model_folder: Path) -> None:
    """Its own words are shown."""
    chat = load_chat(model_folder)
    chat = ChatTokenizer(chat.tokenizer, "{{ raise_exception('no system role') }}", {})
    with pytest.raises(ModelError, match="refuses the conversation: no system role"):
        chat.encode([Message(Role.SYSTEM, "x")])


def test_broken_tokenizer_is_a_model_error(tmp_path: Path) -> None:
    """One line, naming the folder."""
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer in .* cannot be read"):
        load_chat(tmp_path)


TOOLS_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}[{{ m.content }}]"
    "{% else %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
)
ANSWERED = [
    Message(Role.USER, "go"),
    Message(Role.ASSISTANT, "calls"),
    Message(Role.TOOL, "one"),
    Message(Role.TOOL, "two </tool_response>"),
]


def test_template_with_tools_is_given_their_messages(model_folder: Path) -> None:
    """Each one for itself, in the template's own words."""
    chat = load_chat(model_folder)
    chat = ChatTokenizer(chat.tokenizer, TOOLS_TEMPLATE, {})
    prompt = chat.tokenizer.decode(chat.encode(ANSWERED))
    assert prompt == "<user>go<assistant>calls[one][two </tool_response>]"


def test_user_says_what_tools_would_where_a_template_has_none(model_folder: Path) -> None:
    """In one message, with what else the user says: such templates want the sides to alternate."""
    chat = load_chat(model_folder)
    chat = ChatTokenizer(chat.tokenizer, TOOLS_TEMPLATE.replace("'tool'", "'x'"), {})
    prompt = chat.tokenizer.decode(chat.encode([*ANSWERED, Message(Role.USER, "and?")]))
    assert prompt == (
        "<user>go<assistant>calls<user><tool_response>\none\n</tool_response>\n"
        "<tool_response>\ntwo </tool_response>\n</tool_response>\n\nand?"
    )
