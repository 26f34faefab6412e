"""Settings from the environment and `.env`, read once in `main` and passed down.

Nothing else in the product reads the environment. `.env.example` lists the same names; a test compares the two.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigError
from core.midjourney_versions import canonical_version
from core.operators import read_operators
from core.release_channels import read_release_channels

PROJECT_ROOT = Path(__file__).resolve().parent.parent
POCKET_FOLDER = PROJECT_ROOT / "models" / "pocket"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

Precision = Literal["auto", "bf16", "nf4", "fp32"]
EngineChoice = Literal["auto", "beam", "transformers"]


class Settings(BaseSettings):
    """All settings; each field is the lower-case name of its environment variable."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # Model
    model_id: str = "auto"  # auto, a Hub id, or a folder
    model_revision: str | None = None  # a commit of the Hub repository
    adapter: Path | None = None  # folder of a LoRA adapter
    precision: Precision = "auto"
    engine: EngineChoice = "auto"  # auto: the beam-search engine where it knows the model, transformers elsewhere
    batch_invariant: bool = False  # on CUDA: the same answer to the bit whatever else is decoded
    decode_config: Path = PROJECT_ROOT / "configs" / "decode.toml"

    # Learning from votes
    cycle_config: Path = PROJECT_ROOT / "configs" / "cycle.toml"
    gate_config: Path = PROJECT_ROOT / "configs" / "gate.toml"

    # Midjourney
    midjourney_version: str = "8.2"

    # Storage
    database_url: str = f"sqlite+aiosqlite:///{PROJECT_ROOT / 'mjprompt.db'}"

    # Web chat
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8765, ge=0, le=65535)  # 0 takes any free port
    web_password: SecretStr | None = None
    web_allowed_hosts: str = ""  # comma list of host names that a proxy in front serves the page under

    # Queue
    request_timeout_seconds: float = Field(default=120.0, ge=1, le=86_400, allow_inf_nan=False)
    max_queue_length: int = Field(default=1000, ge=1)
    max_open_requests_per_user: int = Field(default=100, ge=1)
    lease_seconds: float = Field(default=30.0, ge=0.1, le=86_400, allow_inf_nan=False)
    max_attempts: int = Field(default=2, ge=1)
    max_batch_requests: int | None = Field(default=None, ge=1)  # None: as many as the model's engine holds

    # Discord
    discord_token: SecretStr | None = None
    discord_api_base: str = "https://discord.com/api/v10"
    discord_gateway_url: str | None = None  # None asks Discord for it

    # Slack: Socket Mode for one workspace, or HTTP with OAuth for many
    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_client_id: str | None = None
    slack_client_secret: SecretStr | None = None
    slack_host: str = "127.0.0.1"
    slack_port: int = Field(default=3000, ge=0, le=65535)
    slack_api_base: str = "https://slack.com/api/"
    token_encryption_keys: SecretStr | None = None  # comma list of Fernet keys; the first one encrypts

    # Who may act on the shared model
    operator_ids: str = ""  # comma list of platform:user-id
    release_notes: str = ""  # comma list of channels that are told when a new adapter serves

    # Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"

    @field_validator(
        "model_revision",
        "adapter",
        "web_password",
        "discord_token",
        "slack_bot_token",
        "slack_app_token",
        "slack_signing_secret",
        "discord_gateway_url",
        "slack_client_id",
        "slack_client_secret",
        "token_encryption_keys",
        "max_batch_requests",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("midjourney_version")
    @classmethod
    def _known_version(cls, value: str) -> str:
        version = canonical_version(value)
        if version is None:
            raise ValueError(f"{value} is no version of Midjourney; take one such as 8.2, 7 or niji 7")
        return version

    @field_validator("operator_ids")
    @classmethod
    def _readable_operators(cls, value: str) -> str:
        read_operators(value)
        return value

    @field_validator("release_notes")
    @classmethod
    def _readable_channels(cls, value: str) -> str:
        read_release_channels(value)
        return value

    @model_validator(mode="after")
    def _password_beyond_loopback(self) -> Self:
        if self.web_host not in LOOPBACK_HOSTS and self.web_password is None:
            raise ValueError(
                f"WEB_HOST={self.web_host} would open the web chat to other machines without a password; "
                "set WEB_PASSWORD, or WEB_HOST=127.0.0.1"
            )
        return self


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment.

    Raises:
        ConfigError: a value is missing, ill-typed or out of range; the message names the variable.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(_first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"]).upper()
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}; change it in the environment or in .env." if name else f"{message}."
