"""The flow chart of journeys: links of any days cut to the labels that matter, each with its shares."""

from collections.abc import Sequence

import polars as pl

from clickstream.journeys import EXIT

OTHER_LABELS = "(other)"
TOP = 20


def flow(links: pl.DataFrame, top: int | None = TOP, by: Sequence[str] = ()) -> pl.DataFrame:
    """One chart, or one for each value of `by`, of links (columns of `journeys.LINKS`; days add up unless in `by`).

    A node is a step and a label. Of each step the `top` labels stay (most sessions first, then by name), the others
    become OTHER_LABELS; None keeps all. Gives `by`, step, source, target, sessions and, as fractions of 1,

    - share_of_source: of the sessions at the link's source
    - share_of_step: of the sessions at the link's step, whatever the page
    - share_of_all: of all sessions, those of step 1

    sorted by `by`, step, most sessions first.
    """
    link = [*by, "step", "source", "target"]
    if top is not None:
        links = _cut(links, top, by)
    summed = links.group_by(link).agg(pl.col("sessions").sum())
    in_all = pl.col("sessions").filter(pl.col("step") == 1).sum()
    return summed.with_columns(
        share_of_source=pl.col("sessions") / pl.col("sessions").sum().over(*by, "step", "source"),
        share_of_step=pl.col("sessions") / pl.col("sessions").sum().over(*by, "step"),
        share_of_all=pl.col("sessions") / (in_all.over(*by) if by else in_all),
    ).sort(*by, "step", "sessions", "source", "target", descending=[*[False] * len(by), False, True, False, False])


def _cut(links: pl.DataFrame, top: int, by: Sequence[str]) -> pl.DataFrame:
    """The links with the labels beyond the top ones of their step renamed."""
    began = links.filter(pl.col("step") == 1).select(*by, "step", "sessions", label="source")
    arrived = links.filter(pl.col("target") != EXIT).select(*by, pl.col("step") + 1, "sessions", label="target")
    nodes = pl.concat([began, arrived]).group_by(*by, "step", "label").agg(pl.col("sessions").sum())
    ranked = nodes.sort("sessions", "label", descending=[True, False])
    kept = ranked.group_by(*by, "step", maintain_order=True).head(top)
    sources = kept.select(*by, "step", source="label", source_kept=True)
    targets = kept.select(*by, pl.col("step") - 1, target="label", target_kept=True)
    return (
        links.join(sources, on=[*by, "step", "source"], how="left")
        .join(targets, on=[*by, "step", "target"], how="left")
        .with_columns(
            source=pl.when("source_kept").then("source").otherwise(pl.lit(OTHER_LABELS)),
            target=pl.when(pl.col("target_kept") | (pl.col("target") == EXIT))
            .then("target")
            .otherwise(pl.lit(OTHER_LABELS)),
        )
    )
