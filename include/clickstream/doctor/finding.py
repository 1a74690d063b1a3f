"""What the doctor tells: one line of what was found and, for a fault, one of what helps."""

from dataclasses import dataclass

from confluent_kafka import KafkaException


@dataclass(frozen=True)
class Finding:
    """`part` of the platform, what was `found` there, and the `remedy`: empty where all is well."""

    part: str
    found: str
    remedy: str = ""

    @property
    def fault(self) -> bool:
        """Whether something is wrong."""
        return bool(self.remedy)


def first_line(error: BaseException) -> str:
    """An error for people: its class and first line (drivers add addresses and hints below it)."""
    text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    said = next(iter(text.splitlines()), "")[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
