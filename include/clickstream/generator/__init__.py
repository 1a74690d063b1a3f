"""A seeded simulation of an online shop: records as a pure function of (options, window)."""

from clickstream.generator.options import GeneratorOptions
from clickstream.generator.records import Batch, Record
from clickstream.generator.simulation import generate

__all__ = ["Batch", "GeneratorOptions", "Record", "generate"]
