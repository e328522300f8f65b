"""Discovery payloads, held against what Home Assistant publishes of them.

The names and rules stand in the documentation of the MQTT sensor
(https://www.home-assistant.io/integrations/sensor.mqtt/#configuration-variables) and of discovery
(https://www.home-assistant.io/integrations/mqtt/#discovery-payload), and are what its own schemas
check (homeassistant/components/mqtt/sensor.py and schemas.py in home-assistant/core).
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from edge_asc import __version__
from edge_asc.messages import Message
from edge_asc.sinks.home_assistant import birth_topic, discovery_messages
from edge_asc.sinks.mqtt_states import states_of
from tests.sample_messages import HEALTH, REPORT, SCENES

SENSOR_KEYS = {
    "availability",
    "availability_mode",
    "availability_template",
    "availability_topic",
    "default_entity_id",
    "device",
    "device_class",
    "enabled_by_default",
    "encoding",
    "entity_category",
    "entity_picture",
    "expire_after",
    "force_update",
    "icon",
    "json_attributes_template",
    "json_attributes_topic",
    "last_reset_value_template",
    "name",
    "options",
    "origin",
    "payload_available",
    "payload_not_available",
    "platform",
    "qos",
    "state_class",
    "state_topic",
    "suggested_display_precision",
    "unique_id",
    "unit_of_measurement",
    "value_template",
}
DEVICE_KEYS = {
    "configuration_url",
    "connections",
    "hw_version",
    "identifiers",
    "manufacturer",
    "model",
    "model_id",
    "name",
    "serial_number",
    "suggested_area",
    "sw_version",
    "via_device",
}
ORIGIN_KEYS = {"name", "support_url", "sw_version"}
TOPIC_FORM = re.compile(r"homeassistant/sensor/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config")
TOPIC = "edge-asc/kitchen"


@pytest.fixture
def sensors() -> dict[str, dict[str, Any]]:
    """Payloads by the last level of their states' topics."""
    messages = discovery_messages(TOPIC, SCENES, "tiny")
    assert all(TOPIC_FORM.fullmatch(topic) for topic in messages)
    payloads = [json.loads(payload) for payload in messages.values()]
    return {payload["state_topic"].rpartition("/")[2]: payload for payload in payloads}


def check(payload: dict[str, Any]) -> None:
    """Raise AssertionError for what Home Assistant would not take for a sensor."""
    assert payload.keys() <= SENSOR_KEYS
    assert payload.keys() >= {"state_topic", "unique_id", "name", "device", "origin"}
    assert payload["device"].keys() <= DEVICE_KEYS
    assert payload["device"]["identifiers"]
    assert {"name"} <= payload["origin"].keys() <= ORIGIN_KEYS
    assert payload.get("state_class") in (None, "measurement")
    assert payload.get("entity_category") in (None, "diagnostic")
    assert re.fullmatch(r"mdi:[a-z-]+", payload["icon"])
    if "options" in payload:
        assert payload["options"]
        assert payload["device_class"] == "enum"
        assert not {"state_class", "unit_of_measurement"} & payload.keys()


def test_home_assistant_takes_them(sensors: dict[str, dict[str, Any]]) -> None:
    assert list(sensors) == ["scene", "confidence", "level", "state"]
    for payload in sensors.values():
        check(payload)
        assert payload["availability_topic"] == "edge-asc/kitchen/availability"
        assert payload["origin"] == {"name": "edge-asc", "sw_version": __version__}
        assert payload["device"] == {
            "identifiers": ["edge-asc_2f_kitchen"],
            "name": "edge-asc kitchen",
            "manufacturer": "edge-asc",
            "model": "tiny",
            "sw_version": __version__,
        }
    assert len({payload["unique_id"] for payload in sensors.values()}) == 4


@pytest.mark.parametrize("message", [HEALTH, REPORT])
def test_every_state_has_its_sensor_and_is_one_of_its_values(
    sensors: dict[str, dict[str, Any]], message: Message
) -> None:
    for state, text in states_of(message).items():
        assert sensors[state]["state_topic"] == f"{TOPIC}/{state}"
        options = sensors[state].get("options")
        assert text in options if options else float(text) is not None


def test_what_each_shows(sensors: dict[str, dict[str, Any]]) -> None:
    assert sensors["scene"]["options"] == [*SCENES, "unknown", "none"]
    assert sensors["confidence"]["unit_of_measurement"] == "%"
    assert sensors["level"]["unit_of_measurement"] == "dBFS"
    assert sensors["state"]["options"] == ["starting", "listening", "no sound", "paused", "ended"]
    assert sensors["state"]["entity_category"] == "diagnostic"


def test_two_listeners_never_share_a_device() -> None:
    topics = ["a/b", "a_b", "a-b", "a b", "a/B", "ä", "a_2f_b", "a.b"]
    devices = set()
    for topic in topics:
        messages = discovery_messages(topic, SCENES, "tiny", "ha")
        assert all(
            TOPIC_FORM.fullmatch(where.replace("ha", "homeassistant", 1)) for where in messages
        )
        devices |= {json.loads(text)["device"]["identifiers"][0] for text in messages.values()}
    assert len(devices) == len(topics)


def test_the_birth_message_comes_below_the_same_prefix() -> None:
    assert birth_topic("homeassistant") == "homeassistant/status"
