"""Create buckets and delete whole prefixes, with aioboto3. Expensive to import: import it where it is used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from closet_storage.access import Access
from closet_storage.signing import UPLOAD_TAG

log = structlog.get_logger(__name__)

_RULE = "closet-uploads"


async def ensure_bucket(access: Access) -> None:
    """Create the bucket unless it exists, with a lifecycle rule that removes uploads after a day."""
    async with _client(access) as s3:
        try:
            await s3.create_bucket(Bucket=access.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise
        await _expire_uploads(s3, access.bucket)


async def _expire_uploads(s3: Any, bucket: str) -> None:  # noqa: ANN401 botocore makes its classes at run time
    """Add our rule to the bucket's lifecycle rules, if the server supports them."""
    key, _, value = UPLOAD_TAG.partition("=")
    tag = {"Key": key, "Value": value}
    ours = {"ID": _RULE, "Status": "Enabled", "Filter": {"Tag": tag}, "Expiration": {"Days": 1}}
    try:
        others = [rule for rule in await _lifecycle_rules(s3, bucket) if rule.get("ID") != _RULE]
        await s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [*others, ours]})
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"NotImplemented", "MethodNotAllowed"}:
            raise
        log.warning("bucket_lifecycle_unsupported", bucket=bucket, error=error.response["Error"]["Code"])


async def _lifecycle_rules(s3: Any, bucket: str) -> list[dict[str, Any]]:  # noqa: ANN401 as above
    try:
        answer = await s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return []
        raise
    return list(answer["Rules"])


async def delete_prefix(access: Access, prefix: str) -> int:
    """Delete every object below the prefix, which has to end with a slash, and return their number."""
    if not prefix.endswith("/"):
        raise ValueError("a prefix ends with a slash, or it would take its neighbours too")
    count = 0
    async with _client(access) as s3:
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=access.bucket, Prefix=prefix):
            if not (keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]):
                continue
            answer = await s3.delete_objects(Bucket=access.bucket, Delete={"Objects": keys, "Quiet": True})
            if errors := answer.get("Errors"):
                raise OSError(f"{len(errors)} objects were not deleted, the first: {errors[0].get('Code')}")
            count += len(keys)
    return count


@asynccontextmanager
async def _client(access: Access) -> AsyncIterator[Any]:
    config = AioConfig(
        s3={"addressing_style": "path" if access.path_style else "virtual"},
        # Checksum trailers are unknown to many S3-compatible stores.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 3},
    )
    session = aioboto3.Session(access.access_key, access.secret_key, region_name=access.region)
    async with session.client("s3", endpoint_url=access.endpoint, config=config) as client:
        yield client
