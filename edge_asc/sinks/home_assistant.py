"""What Home Assistant must be told to show a listener without being configured: MQTT discovery.

One retained message for each sensor (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery),
because older versions, and other programs that read these, know none for a whole device. Each names
its state's topic, whose payload is the value as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from edge_asc import __version__
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.sinks.mqtt_states import NO_SCENE
from edge_asc.vitals import State

DISCOVERY_PREFIX = "homeassistant"
"""Where Home Assistant looks, unless it is configured otherwise"""


def birth_topic(discovery_prefix: str) -> str:
    """Where Home Assistant says "online" when it has started."""
    return f"{discovery_prefix}/status"


def discovery_messages(
    topic: str, scenes: Sequence[str], model: str, discovery_prefix: str = DISCOVERY_PREFIX
) -> dict[str, str]:
    """Payloads by their topics, to be retained; `topic` is what the listener's own begin with."""
    node = _identifier(topic)
    common = {
        "availability_topic": f"{topic}/availability",
        "device": {
            "identifiers": [node],
            "name": f"edge-asc {topic.rpartition('/')[2]}",
            "manufacturer": "edge-asc",
            "model": model,
            "sw_version": __version__,
        },
        "origin": {"name": "edge-asc", "sw_version": __version__},
    }
    messages = {}
    for state, sensor in _sensors(scenes).items():
        own = {"state_topic": f"{topic}/{state}", "unique_id": f"{node}-{state}"}
        where = f"{discovery_prefix}/sensor/{node}/{state}/config"
        messages[where] = json.dumps(sensor | own | common)
    return messages


def _sensors(scenes: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    """What is particular to each sensor, by the last level of its state's topic."""
    return {
        "scene": {
            "name": "Scene",
            "icon": "mdi:ear-hearing",
            "device_class": "enum",
            "options": [*scenes, UNKNOWN_SCENE, NO_SCENE],
        },
        "confidence": {
            "name": "Confidence",
            "icon": "mdi:percent",
            "state_class": "measurement",
            "unit_of_measurement": "%",
        },
        "level": {
            "name": "Level",
            "icon": "mdi:volume-high",
            "state_class": "measurement",
            "unit_of_measurement": "dBFS",
        },
        "state": {
            "name": "State",
            "icon": "mdi:heart-pulse",
            "device_class": "enum",
            "options": list(get_args(State)),
            "entity_category": "diagnostic",
        },
    }


def _identifier(topic: str) -> str:
    """`topic` in the letters that discovery allows, another for every other topic."""
    kept = (c if c.isascii() and (c.isalnum() or c == "-") else f"_{ord(c):x}_" for c in topic)
    return "".join(kept)
