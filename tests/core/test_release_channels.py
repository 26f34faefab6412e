"""RELEASE_NOTES: which channels are told of a promotion."""

import pytest

from core.errors import ConfigError
from core.records import Platform
from core.release_channels import ReleaseChannel, read_release_channels
from core.settings import load_settings


def test_channels_are_read_from_a_comma_list_each_once():
    discord = ReleaseChannel(platform=Platform.DISCORD, channel_id="12")
    slack = ReleaseChannel(platform=Platform.SLACK, channel_id="C4", workspace_id="T1")
    assert read_release_channels("") == ()
    assert read_release_channels(" discord:12 , slack:T1:C4,discord:12,") == (discord, slack)


@pytest.mark.parametrize(
    "entry",
    ["12", "discord", "discord:", "discord:general", "discord:1:2", "slack:C4", "slack::C4", "slack:T1:", "web:1"],
)
def test_unreadable_channel_is_one_sentence_that_names_setting_and_entry(entry):
    with pytest.raises(ConfigError, match="RELEASE_NOTES: ") as raised:
        load_settings(_env_file=None, release_notes=f"discord:1,{entry}")
    assert repr(entry) in str(raised.value)
