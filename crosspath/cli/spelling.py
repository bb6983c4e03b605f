"""What the pathway library advises, spelt for the command line."""

import re

KEYWORD = re.compile(r"""\b(accept|blocks|fit|names|roles|start)=(?:"(\w+)"|\{("\w+"(?:, "\w+")*)\})""")


def as_settings(text: str) -> str:
    """The text with keywords of `connect` as settings: `fit="slice"` becomes `--set pathway.fit=slice`, and
    `accept={"norm"}` becomes `--set pathway.accept=[norm]`.
    """

    def setting(match: re.Match[str]) -> str:
        name, one, several = match.groups()
        value = one or "[" + several.replace('"', "") + "]"
        return f"--set pathway.{name}={value}"

    return KEYWORD.sub(setting, text)
