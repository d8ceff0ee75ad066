"""Settings from the environment and `.env`, typed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from duckbourse.errors import ConfigurationError


def _project() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "dbt_project.yml").exists():
        return checkout
    # installed elsewhere, without -e: the project in which the notebook or the shell is
    around = (Path.cwd(), *Path.cwd().parents)
    return next((each for each in around if (each / "dbt_project.yml").exists()), checkout)


PROJECT = _project()


# dbt inserts the folder unescaped into a quoted glob, and that into a format string
NOT_IN_A_FOLDER = "*?[]{}'\\"


def readable(folder: Path) -> Path:
    """Return the folder if builds can read from it."""
    if found := [mark for mark in NOT_IN_A_FOLDER if mark in str(folder)]:
        reason = f"no build can read from a folder with {' or '.join(found)} in its path"
        raise PydanticCustomError("folder", "{reason}", {"reason": reason})
    return folder


class Settings(BaseSettings):
    """
    Each field is the environment variable `BOURSE_<FIELD>`, or a line of `.env` in the project.

    Relative paths start at the project's folder. `profiles.yml` and `dbt_project.yml` read the same
    variables, so that plain `dbt build` and `./bourse build` agree.
    """

    model_config = SettingsConfigDict(
        env_prefix="BOURSE_", env_file=PROJECT / ".env", extra="ignore"
    )

    data_dir: Annotated[Path, AfterValidator(readable)] = Path("data")
    sample: bool = True
    threads: int = Field(default=2, ge=1)
    model_threads: int = Field(default=1, ge=1)
    keep_publications: int = Field(default=3, ge=0)
    keep_days: float = Field(default=30, ge=0)
    keep_gb: float = Field(default=5, ge=0)
    metrics_token: SecretStr | None = None
    kite_api_key: SecretStr | None = None
    kite_access_token: SecretStr | None = None
    kite_url: str = "wss://ws.kite.trade"
    webhook_url: SecretStr | None = None
    telegram_token: SecretStr | None = None
    telegram_chat: str | None = None
    telegram_url: str = "https://api.telegram.org"
    memory_limit: str = Field(default="3GB", pattern=r"^\d+(\.\d+)?\s?(MB|GB|MiB|GiB)$")

    @property
    def data(self) -> Path:
        """The folder that holds sample, raw, build and published data."""
        return PROJECT / self.data_dir

    @property
    def raw(self) -> Path:
        """The raw store of ingested deliveries."""
        return self.data / "raw"

    @property
    def shipped(self) -> Path:
        """The raw store of the shipped sample."""
        return self.data / "sample"

    @property
    def build_database(self) -> Path:
        """The file that dbt owns; nothing else opens it."""
        return self.data / "build" / "duckbourse.duckdb"

    @property
    def published_database(self) -> Path:
        """The published file, which everyone reads."""
        return self.data / "duckbourse.duckdb"


@cache
def settings() -> Settings:
    """Return the settings, read once; raise ConfigurationError for the first invalid one."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "BOURSE_" + str(first["loc"][0]).upper()
        raise ConfigurationError(
            f"{name}={first['input']!r} is not usable: {first['msg']}",
            f"set {name} in the environment or in .env, or unset it for the default",
        ) from error
