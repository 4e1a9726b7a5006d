import pytest
from closet_chassis.settings import ServiceSettings, explain
from pydantic import Field, ValidationError


class Settings(ServiceSettings):
    endpoint: str = Field(validation_alias="S3_ENDPOINT")
    max_tries: int = 3


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CLOSET_DATABASE_URL", "postgresql://me:geheim@db/x")
    monkeypatch.setenv("CLOSET_NATS_URL", "nats://me:geheim@bus:4222")
    monkeypatch.setenv("S3_ENDPOINT", "http://s3")
    return monkeypatch


def test_fields_come_from_closet_names_and_aliases_from_their_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CLOSET_MAX_TRIES", "5")
    environment.setenv("CLOSET_LOG_LEVEL", "debug")
    environment.setenv("CLOSET_POOL_SIZE", "")  # as if it were not there
    settings = Settings.model_validate({})
    assert (settings.endpoint, settings.max_tries) == ("http://s3", 5)
    assert (settings.log_level, settings.pool_size, settings.http_port) == ("DEBUG", 10, 8080)
    assert (settings.http_host, settings.migrate, settings.stop_timeout_s) == ("127.0.0.1", True, 20.0)


def test_tests_may_name_fields_directly() -> None:
    settings = Settings(database_url="d", nats_url="n", endpoint="e")
    assert settings.endpoint == "e"


@pytest.mark.usefixtures("environment")
def test_passwords_do_not_show() -> None:
    assert "geheim" not in repr(Settings.model_validate({}))


def test_what_is_wrong_is_told_by_environment_names_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSET_HTTP_PORT", "geheim")
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({})
    text = explain(Settings, caught.value)
    for name in ("CLOSET_DATABASE_URL", "CLOSET_NATS_URL", "S3_ENDPOINT", "CLOSET_HTTP_PORT"):
        assert name in text
    assert "geheim" not in text
