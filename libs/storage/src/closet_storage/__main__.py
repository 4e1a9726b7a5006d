"""`python -m closet_storage`: prepare object storage."""

import argparse
import asyncio
import sys

from botocore.exceptions import BotoCoreError, ClientError
from closet_chassis.settings import explain
from pydantic import ValidationError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from closet_storage.access import Access, StorageSettings
from closet_storage.admin import ensure_bucket

WAIT_S = 60.0
_PAUSE_S = 0.5
_SERVER_ERROR = 500


class OperatorSettings(StorageSettings):
    """Only the S3_* settings: these commands need neither database nor bus."""

    database_url: str = ""
    nats_url: str = ""


def main() -> int:
    """Run a command; return 1 if storage does not answer or refuses, 2 if a setting is invalid."""
    arguments = _parser().parse_args()
    try:
        access = OperatorSettings.model_validate({}).s3_access()
        asyncio.run(_ensure_bucket(access, arguments.wait_s))
    except ValidationError as error:
        return _failed(explain(OperatorSettings, error), 2)
    except ClientError as error:
        return _failed(f"{access.endpoint} refused: {error}", 1)
    except (BotoCoreError, TimeoutError) as error:
        reason = str(error) or "no answer"
        return _failed(f"{access.endpoint} could not be used within {arguments.wait_s:g} s: {reason}", 1)
    except ValueError as error:  # botocore: the endpoint is no URL
        return _failed(f"S3_ENDPOINT: {error}", 2)
    sys.stdout.write(f"bucket {access.bucket} is there\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="closet_storage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ensure = commands.add_parser(
        "ensure-bucket",
        help="create the bucket $S3_BUCKET unless it exists, and its rule that removes uploads",
    )
    ensure.add_argument(
        "--wait-s",
        type=float,
        default=WAIT_S,
        help="seconds to wait for storage to start; default: %(default)g",
    )
    return parser


async def _ensure_bucket(access: Access, wait_s: float) -> None:
    """Create the bucket; retry for `wait_s` seconds while storage does not answer or has an internal error."""
    with_retries = retry(
        retry=retry_if_exception(_is_transient), stop=stop_after_delay(wait_s), wait=wait_fixed(_PAUSE_S), reraise=True
    )
    async with asyncio.timeout(wait_s):
        await with_retries(ensure_bucket)(access)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= _SERVER_ERROR
    return isinstance(error, BotoCoreError)


def _failed(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
