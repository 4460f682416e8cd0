"""The family's tokenizer: a token a word, and for the sign a token a character that also says its column.

The word in quotation marks becomes one token a character, marked with the column of the sign's eight cells that the
character is drawn in (``③C ④A ⑤T`` for "CAT"). "an" becomes "a". All rules are in the ``tokenizers`` file, so transformers
and diffusers load it without this project.
"""

from __future__ import annotations

from functools import cache

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from bench.tiny import scenes

PAD, EOS, UNK = 0, 1, 2
MAX_TOKENS = 32
_COLUMNS = [chr(0x2460 + i) for i in range(8)]


@cache
def vocabulary() -> dict[str, int]:
    """Token to id: three special tokens, the words of the grammar, 8 x 36 placed characters."""
    phrases = [*scenes.PLACES, *scenes.RELATIONS, "a an in row on over with sign reading", *scenes.COUNTS.values()]
    words = {w for phrase in phrases for w in phrase.split()}
    words |= {*scenes.COLOURS, *scenes.GROUNDS, *scenes.SIGNS, *scenes.KINDS, *map(scenes.plural, scenes.KINDS)}
    placed = [f"{c}{letter}" for c in _COLUMNS for letter in scenes.ALPHABET]
    return {t: i for i, t in enumerate(["<pad>", "</s>", "<unk>", ",", ".", '"', *sorted(words), *placed])}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, ready to be saved beside a pipeline."""
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(r"\ban "), "a ")]
    for length in range(1, 9):
        for i in range(length):
            behind = f'(?<="(?:[{_COLUMNS[0]}-{_COLUMNS[-1]}][A-Z0-9]){{{i}}})' if i else '(?<=")'
            ahead = f'(?=[A-Z0-9]{{{length - i}}}")'
            steps.append(normalizers.Replace(Regex(behind + ahead), _COLUMNS[scenes.first_column(length) + i]))
    fast = Tokenizer(models.WordLevel(vocabulary(), unk_token="<unk>"))
    fast.normalizer = normalizers.Sequence(steps)
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(f'[,."]|[{_COLUMNS[0]}-{_COLUMNS[-1]}].'), "isolated"),
        ]
    )
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_TOKENS,
        padding_side="right",
    )
