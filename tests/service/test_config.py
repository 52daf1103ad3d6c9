"""Who may serve whom is decided before anything starts."""

from pathlib import Path

import pytest

from diar.options.arguments import parse_arguments
from diar.options.base import ConfigError
from diar.service.config import ServeConfig, is_loopback


def parsed(*arguments: str, **environment: str) -> ServeConfig:
    return parse_arguments(ServeConfig, arguments, prog="diar serve", description="", environment=environment)


def test_nobody_is_served_by_accident(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody could call: give --jwt_secret_file"):
        parsed()
    with pytest.raises(ConfigError, match="takes a loopback address only"):
        parsed("--insecure", "--host", "0.0.0.0")
    with pytest.raises(ConfigError, match="--client_ca needs --tls_certificate"):
        parsed("--client_ca", "ca.pem")
    with pytest.raises(ConfigError, match="belong together"):
        parsed("--insecure", "--tls_key", "key.pem")
    assert parsed("--insecure").host == "127.0.0.1"
    assert parsed("--insecure", "--host", "::1").insecure
    (tmp_path / "serve.yaml").write_text(
        "jwt_secret_file: s\nallowed_origins: https://a.example,https://b.example\n"
    )
    config = parsed("--config", str(tmp_path / "serve.yaml"), "--host", "0.0.0.0", DIAR_SERVE_PORT="81")
    assert (config.port, config.allowed_origins) == (81, ("https://a.example", "https://b.example"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_addresses_of_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback(host + ".example.com") and not is_loopback("")
