"""Every setting of hoso: environment variables `HOSO_…`, or a TOML file named by `HOSO_CONFIG`; the environment wins.

docs/settings.md is made from here (`hoso settings --markdown`); a test says so.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from hoso.runtime.clock import parse_duration
from hoso.runtime.failures import SettingsError

Duration = Annotated[
    timedelta, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)
]


def _duration(text: str, about: str) -> Any:
    return Field(default_factory=lambda: parse_duration(text), description=f"{about} Default `{text}`.")


class Settings(BaseSettings):
    """What a deployment may choose."""

    model_config = SettingsConfigDict(env_prefix="HOSO_", extra="forbid")

    environment: Literal["test", "production"] = Field(
        default="production",
        description="`test` or `production`; one database is one environment, never mixed. Default `production`.",
    )
    var: Path = Field(
        default=Path("var/hoso"),
        description="Folder of everything hoso keeps on this machine: embedded database, logs, run files.",
    )
    database: str = Field(
        default="", description="`postgresql://…` (15 or later), or `embedded:PATH`. Empty: embedded, in `<var>/pg`."
    )
    log: str = Field(
        default="postgres",
        description="The event log: `postgres`, or Kafka behind it: `kafka://host:port[,host:port]`, `kafka+ssl://…`, `kafka+sasl-ssl://…` "
        "(docs/kafka.md). Default `postgres`.",
    )
    kafka_ca: Path | None = Field(
        default=None, description="PEM file of the authority that signed the brokers' certificates."
    )
    kafka_cert: Path | None = Field(
        default=None, description="PEM file of our own certificate, where the brokers want one."
    )
    kafka_key: Path | None = Field(default=None, description="PEM file of its key.")
    kafka_user: str = Field(default="", description="User of `kafka+sasl-ssl://` (SCRAM-SHA-512).")
    kafka_password_file: Path | None = Field(default=None, description="File with that user's password.")
    wal_archive: Path | None = Field(
        default=None,
        description="Folder where the embedded database keeps its write-ahead log for `hoso restore`, best on another disk (docs/backup.md): at most a "
        "minute behind. Empty: none is kept, and a restore goes back to the backup itself. A server of yours archives by its own settings.",
    )
    vault_database: str = Field(default="", description="URL of the vault's database. Empty: the same database.")
    registry_database: str = Field(
        default="", description="URL of the unit registry's database. Empty: the same database."
    )
    clock_database: str = Field(
        default="", description="URL of the database that holds the world's clock. Empty: the same database."
    )
    vault_key_file: Path | None = Field(
        default=None,
        description="File of the key-encryption keys (`hoso vault new-key`). In `test` one is made in `<var>`; in `production` it must be given.",
    )

    gateway: str = Field(
        default="",
        description="Address of the agency's gateway, `http://…` or `https://…`. Required to run the submitter; there is no default, "
        "and never a fallback to the simulator.",
    )
    connector: str = Field(
        default="",
        description="What speaks to the gateway: `http` (docs/gateway.md), or `package.module:factory` of your own (docs/connector.md). "
        "Must be given in `production`; in `test` empty means `http`.",
    )
    gateway_timeout: Duration = _duration("30s", "How long one request to the agency may take.")
    gateway_transport_bound: Duration = _duration(
        "6m", 'How long after its deadline a written request may still arrive; only then "absent" is proof.'
    )
    gateway_keep_trying: Duration = _duration("24h", "How long a request that never reached the agency is tried.")
    gateway_poll: Duration = _duration("60s", "How often the agency is asked whether it has decided.")
    gateway_at_once: int = Field(
        default=100, ge=1, le=2000, description="Requests of one kind to the agency at the same time. Default 100."
    )

    agency_certificates: Path | None = Field(
        default=None,
        description="PEM file with the agency's certificates (one or more). With it only decisions in a form 01/TB-GD signed by one of them are believed. "
        "Empty: signatures are not looked at, and whoever stands between us and the gateway can forge decisions (`hoso check` says so).",
    )
    unit_directory: str = Field(
        default="",
        description="Address of a unit code look-up (`GET /v1/units`, docs/gateway.md) for `hoso unit lookup`. Empty: no look-up; the public portal is "
        "never asked by a program.",
    )
    roster_retention: Annotated[
        timedelta | None,
        BeforeValidator(
            lambda value: (
                (None if value.strip() == "contract" else parse_duration(value)) if isinstance(value, str) else value
            )
        ),
    ] = Field(
        default=None,
        description="How long a unit's list of employees is kept: `contract` (until the customer is removed; each new fetch replaces the one before), "
        "or a duration such as `90d`, after which it is erased anyway. Default `contract`.",
    )

    ivan_code: str = Field(
        default="00110", description="Our own I-VAN code, written on the forms and sent to the gateway."
    )
    ivan_name: str = Field(
        default="", description="Our own name on the forms. Empty: the name of `ivan_code` in the public list."
    )
    rejections: Path | None = Field(
        default=None, description="JSON file that adds to and overrides `hoso/domain/data/rejections.json`."
    )
    stop_reasons: Path | None = Field(
        default=None,
        description='JSON list of the reasons for stopping a provider that sheets may give, `[{"code", "label"}]`, instead of the shipped five.',
    )
    system_tries: int = Field(
        default=5, ge=1, le=50, description="Attempts of one dossier when the agency answers with a system error."
    )
    attempts: int = Field(
        default=3, ge=1, le=20, description="Attempts of one dossier when its mail does not come or its code expires."
    )
    wrong_codes: int = Field(
        default=3, ge=1, le=10, description="Codes the agency may refuse before a person is asked."
    )
    stop_mail_wait: Duration = _duration("24h", "How long the mail about a stop is awaited.")
    activation_mail_wait: Duration = _duration("24h", "How long the mail with the activation code is awaited.")
    officer_days: int = Field(
        3,
        ge=1,
        le=60,
        description="Working days the agency has for an answer; then it is asked, then a person. Default 3.",
    )
    routes: Path | None = Field(
        None,
        description="A JSON file that says in which provinces units apply for their first code electronically, from which day; it adds to hoso/domain/data/routes.json and has its shape.",
    )
    workdays: Path | None = Field(
        None,
        description='A JSON file with the days off and the working days that are decreed beside the public holidays: {"off": ["2026-02-13"], "on": ["2026-02-28"]}.',
    )
    code_lifetime: Duration = _duration("24h", "How long an activation code is valid, from the mail's arrival.")

    mail_scan: Duration = _duration("60s", "How often a mailbox is scanned when its server pushes nothing.")
    mail_senders: str = Field(
        default="baohiemxahoi.gov.vn",
        description="Domains whose mails are taken for the agency's, separated by commas.",
    )
    mail_phrases: Path | None = Field(
        default=None,
        description="JSON file of phrases in the agency's mails beside the built-in ones; see docs/mailboxes.md.",
    )
    dkim_records: Path | None = Field(
        default=None,
        description="JSON file of DKIM records (`name` → `record`) used instead of DNS; for tests and closed networks.",
    )

    smtp: str = Field(
        default="",
        description="Relay for outgoing mails: `smtp://user@host:587` (STARTTLS, never in clear beyond loopback) or `smtps://user@host:465`. "
        "Empty: no mails are sent; `hoso check` says so.",
    )
    smtp_password_file: Path | None = Field(default=None, description="File whose first line is the relay's password.")
    smtp_from: str = Field(default="", description="Sender of outgoing mails. Must be given with `smtp`.")
    smtp_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities that vouch for the relay. Empty: those of this machine.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether webhooks may go to this machine itself, also by plain HTTP; only in `test`. Other private addresses never.",
    )
    webhook_give_up: Duration = _duration("5d", "After so long without one success a webhook is switched off.")

    esign_messages: str = Field(
        default="",
        description="Where the signer hears messages of MISA eSign (`POST /esign/messages`), e.g. `127.0.0.1:8091`; loopback only, behind a proxy. "
        "Empty: nowhere, the service is asked now and then.",
    )

    http: str = Field(
        default="127.0.0.1:8080", description="Where intake serves its HTTP API; port 0 lets the system choose."
    )
    agent_http: str = Field(
        default="127.0.0.1:0",
        description="Where the signer serves the desk of the workstations that hold USB tokens (docs/agent.md); port 0 lets the system choose. "
        "Beyond loopback only with `agent_tls_certificate` and `agent_tls_key`.",
    )
    agent_tls_certificate: Path | None = Field(
        default=None, description="PEM file of the desk's TLS certificate, with its chain."
    )
    agent_tls_key: Path | None = Field(default=None, description="PEM file of the key of `agent_tls_certificate`.")
    ops: str = Field(
        default="127.0.0.1:0",
        description="Where each process serves /health and /metrics. Loopback only, unless `ops_token` is set.",
    )
    ops_token: str = Field(
        default="", description="Bearer token for /metrics and /health when they listen beyond loopback.", repr=False
    )

    language: Literal["vi", "en"] = Field(default="vi", description="Language of the commands' output: `vi` or `en`.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="What is written to the log files."
    )
    points: str = Field(default="", description="Folder of fault points for the chaos suite; only in `test`.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        config = os.environ.get("HOSO_CONFIG")
        files = (TomlConfigSettingsSource(settings_cls, Path(config)),) if config else ()
        return (init_settings, env_settings, *files)

    @property
    def on_kafka(self) -> bool:
        """Whether services read the log from Kafka."""
        return self.log != "postgres"

    @property
    def database_folder(self) -> Path | None:
        """The folder of the embedded server; None when the database is somebody's server."""
        if not self.database:
            return self.var / "pg"
        return Path(self.database.removeprefix("embedded:")) if self.database.startswith("embedded:") else None


def load(**given: Any) -> Settings:
    """The settings of this process. Raises SettingsError that names the setting, what is wrong and how to mend it."""
    config = os.environ.get("HOSO_CONFIG")
    if config and not Path(config).is_file():
        raise SettingsError(f"HOSO_CONFIG names {config}, which is not a file")
    known = {f"HOSO_{name.upper()}" for name in Settings.model_fields} | {"HOSO_CONFIG"}
    strangers = sorted(k for k in os.environ if k.startswith("HOSO_") and k not in known)
    if strangers:
        raise SettingsError(f"no such setting: {', '.join(strangers)}; see docs/settings.md")
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting HOSO_{name.upper()}: {first['msg']}; see docs/settings.md") from error


def markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Environment variables, or keys of the TOML file named by `HOSO_CONFIG` (without `HOSO_`, in lower case); the environment wins.",
        "Made by `hoso settings --markdown`.",
        "",
        "| variable | meaning |",
        "|---|---|",
        "| `HOSO_CONFIG` | A TOML file with settings. |",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `HOSO_{name.upper()}` | {field.description} |")
    return "\n".join(lines) + "\n"
