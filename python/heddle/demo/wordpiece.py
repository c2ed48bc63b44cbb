"""The encoder's tokenizer: lower-cased words without accents, each cut greedily into the longest pieces that the vocabulary has."""

import pathlib
import unicodedata


def _is_punctuation(character):
    # All ASCII symbols count, as in the model's training, whatever Unicode calls them.
    return character in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" or unicodedata.category(character).startswith("P")


def _is_ideograph(character):
    return "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\U00020000" <= character <= "\U0002fa1f"


def _words(text):
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if _is_punctuation(c) or _is_ideograph(c) else c for c in text).split()


class WordPiece:
    def __init__(self, vocabulary_file):
        lines = pathlib.Path(vocabulary_file).read_text(encoding="utf-8").splitlines()
        self.ids = {piece: number for number, piece in enumerate(lines)}

    def _pieces(self, word):
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces

    def encode(self, text):
        """The ids of a sentence, between [CLS] and [SEP]."""
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self.ids[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]
