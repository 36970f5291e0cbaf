"""From a conversation to the tokens of a prompt, by the model's own chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from tokenizers import AddedToken, Tokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from conveyor_cli.backends.base import Message, Role, SaidCall, ToolOffer
from conveyor_cli.backends.roles import with_calls_as_text, with_users_for_tools
from conveyor_cli.errors import ModelError

_PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n\n{% endfor %}"
    "assistant:"
)
_TOOL_ROLE = re.compile(r"""['"]tool['"]""")
"""How a template that knows messages of tools asks for their role."""
_MARKS = range(0xF0000, 0x10FFFE)  # characters of private use
_CALL_MARKS = frozenset({"<|python_tag|>"})
"""Special tokens that a model's own message keeps, since they mark calls that are written in it."""


@dataclass(frozen=True, slots=True)
class ChatTokenizer:
    """A tokenizer and a chat template (Jinja, rendered in transformers' sandbox).

    Where `template` is None the prompt is plain text: `role: content`, an empty line after each
    message, `assistant:` at the end. `names` are the template's variables for special tokens
    (`bos_token`, …).
    """

    tokenizer: Tokenizer
    template: str | None
    names: dict[str, str]

    def encode(self, messages: Sequence[Message], tools: Sequence[ToolOffer] = ()) -> list[int]:
        """The tokens of the prompt for the next response.

        A message's content is text: where it spells a control token, that spelling is cut in two
        and its parts are tokenized apart, so they never become the token. The same holds for calls
        and for `tools`. Without such spellings the tokens are exactly those of transformers'
        `apply_chat_template`. The model's own earlier responses keep tokens that are not special,
        such as Qwen's `<tool_call>`, and `<|python_tag|>`.

        Not covered: vocabularies that put a space before every text may show one in that cut.

        Raises:
            ModelError: the template refuses the conversation, e.g. a role it does not know.
        """
        known = self._in_known_roles(messages)
        given = [_as_templates_take_it(message) for message in known]
        present = set(json.dumps([given, list(tools)], ensure_ascii=False))
        mark = next(char for char in map(chr, _MARKS) if char not in present)
        all_of_them = self._control_tokens(Role.SYSTEM)
        rendered = self._render(
            [
                _marked(it, all_of_them, mark)
                | {"content": _marked(it["content"], self._control_tokens(message.role), mark)}
                for message, it in zip(known, given, strict=True)
            ],
            _marked(list(tools), all_of_them, mark),
        )
        return [
            token
            for piece in rendered.split(mark)
            for token in self.tokenizer.encode(piece, add_special_tokens=False).ids
        ]

    def _in_known_roles(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with what the template knows: text for calls, users for tools."""
        if "tool_calls" not in (self.template or ""):
            messages = [with_calls_as_text(message) for message in messages]
        if not _TOOL_ROLE.search(self.template or ""):
            messages = with_users_for_tools(messages)
        return list(messages)

    def _render(self, messages: list[Any], tools: list[Any]) -> str:
        try:
            variables: dict[str, Any] = {**self.names, "add_generation_prompt": True}
            # Annotated as `str`; it returns the texts and what it was not asked for.
            result: Any = render_jinja_template(
                conversations=[messages],
                tools=tools or None,
                chat_template=self.template or _PLAIN_TEMPLATE,
                **variables,
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError) as error:
            raise ModelError(
                f"the model's chat template refuses the conversation: {error}"
            ) from error
        texts, _ = result
        return str(texts[0])

    def _control_tokens(self, role: Role) -> re.Pattern[str]:
        """Matches the first character of each control token's spelling.

        Control tokens are the special ones and, except in what the model wrote itself, those
        that the template uses.
        """
        template = "" if role is Role.ASSISTANT else self.template or ""
        added: dict[int, AddedToken] = self.tokenizer.get_added_tokens_decoder()
        spellings = [
            re.escape(token.content)
            for token in added.values()
            if len(token.content.strip()) > 1
            and (token.special or token.content in template)
            and not (role is Role.ASSISTANT and token.content in _CALL_MARKS)
        ]
        return re.compile(f"(?={'|'.join(spellings) or '(?!)'}).", re.DOTALL)


def _as_templates_take_it(message: Message) -> dict[str, Any]:
    given: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.calls:
        given["tool_calls"] = [_call(call) for call in message.calls]
    if message.answers is not None:
        given["tool_call_id"] = message.answers
    return given


def _call(call: SaidCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.loads(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _marked(value: Any, spellings: re.Pattern[str], mark: str) -> Any:
    """The value with a mark after the first character of each spelling in its texts."""
    if isinstance(value, str):
        # Half a surrogate pair is no text that can be encoded.
        text = value.encode("utf-8", "replace").decode("utf-8")
        return spellings.sub(rf"\g<0>{mark}", text)
    if isinstance(value, Mapping):
        return {
            _marked(key, spellings, mark): _marked(it, spellings, mark) for key, it in value.items()
        }
    if isinstance(value, list | tuple):
        return [_marked(it, spellings, mark) for it in value]
    return value


def load_chat(folder: Path) -> ChatTokenizer:
    """The tokenizer and chat template of the model in a folder.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    if not (folder / "tokenizer.json").is_file():
        return _convert(folder)
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config_file = folder / "tokenizer_config.json"
        config = json.loads(config_file.read_text("utf-8")) if config_file.is_file() else {}
        template = _template(folder, config)
    except Exception as error:  # the library raises bare Exception for a bad file
        raise ModelError(f"the tokenizer in {folder} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return ChatTokenizer(tokenizer, template, _names(config))


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    if (file := folder / "chat_template.jinja").is_file():
        return file.read_text("utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        template = {named["name"]: named["template"] for named in template}.get("default")
    return template


def _names(config: dict[str, Any]) -> dict[str, str]:
    tokens = {key: value for key, value in config.items() if key.endswith("_token")}
    texts = {
        key: value["content"] if isinstance(value, dict) else value for key, value in tokens.items()
    }
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _convert(folder: Path) -> ChatTokenizer:
    """Read a tokenizer in another format (SentencePiece, GGUF); slow."""
    from transformers import AutoTokenizer  # noqa: PLC0415  (two seconds; rarely needed)

    gguf_file = next(folder.glob("*.gguf"), None)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder,
            gguf_file=gguf_file.name if gguf_file else None,
            local_files_only=True,
            trust_remote_code=False,
        )
        return ChatTokenizer(
            tokenizer.backend_tokenizer,
            tokenizer.chat_template,
            {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        )
    except Exception as error:  # transformers raises whatever its parts raise
        raise ModelError(f"{folder} has no tokenizer that can be read: {error}") from error
