"""Tiny models of every configuration that people are known to bring, built without downloads."""

from tests.layouts.zoo.configuration import Configuration

__all__ = ["Configuration"]
