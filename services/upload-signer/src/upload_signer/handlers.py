"""What is done about each event and each request."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Cause, Event
from closet_contracts.job import JobAccepted
from closet_contracts.rpc import SignedGets, SignedPut, SignGet, SignPut
from closet_contracts.upload import UploadReady, UploadRejected
from closet_messaging import outbox
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import Tx
from closet_storage import media_types
from closet_storage.keys import belongs_to, upload_key
from closet_storage.signing import TAGGING, Signer, put_headers

from upload_signer import domain, store
from upload_signer.domain import Owner, State
from upload_signer.store import PutUrl, Upload

_READABLE_BY_ITS_READER_ONLY = {"response-cache-control": f"private, max-age={domain.GET_EXPIRES_S}"}


async def check_inputs(wake: Callable[[], None], tx: Tx, event: Event[JobAccepted]) -> None:
    """Answer for each upload that is settled; have the others checked, and let the job wait for them."""
    job = event.data
    wanted = sorted({item.upload_id for item in job.inputs})
    owner = Owner(event.tenantid, job.user_id)
    masks = domain.pictures_of_masks(job.inputs)
    uploads = await store.find(tx.conn, wanted)
    unsettled = {each: each in masks for each in wanted if not is_settled(uploads.get(each), owner)}
    if unsettled:
        uploads |= await store.want(tx.conn, unsettled, owner, job.deadline)
    for upload_id in wanted:
        pictures = {each for each in masks.get(upload_id, ()) if uploads[each].owner == owner}
        if all(is_settled(uploads[each], owner) for each in {upload_id, *pictures}):
            tell(tx, job.job_id, owner, event, uploads[upload_id], [uploads[each] for each in pictures])
        else:
            traceparent = current_traceparent() or event.traceparent
            tx.defer(store.WAIT, upload_id, job.job_id, event.id, traceparent, sorted(pictures))
            tx.after_commit(wake)


def is_settled(upload: Upload | None, owner: Owner) -> bool:
    """Whether there is an answer for this owner. Of somebody else's upload it is known that there is none."""
    return upload is not None and (upload.state is not State.UNCHECKED or upload.owner != owner)


def tell(  # noqa: PLR0913, PLR0917 what an answer consists of
    tx: Tx, job_id: str, owner: Owner, cause: Cause, upload: Upload, pictures: Sequence[Upload] = ()
) -> None:
    """Tell a job what came of an upload that is settled; of a mask also whether it fits its pictures."""
    about = {"upload_id": upload.upload_id, "job_id": job_id, "user_id": owner.user_id}
    refusal = domain.NOT_FOUND if upload.owner != owner else upload.refusal
    if upload.asset and not refusal:
        refusal = domain.refusal_of_mask(upload.asset, [each.asset for each in pictures if each.asset])
    if refusal:
        rejected = UploadRejected(**about, code=refusal.code, message=refusal.message)
        outbox.add(tx, rejected, tenant=owner.tenant_id, cause=cause)
    elif upload.asset:
        outbox.add(tx, UploadReady(**about, asset=upload.asset), tenant=owner.tenant_id, cause=cause)


@dataclass(frozen=True, slots=True)
class Signing:
    """How uploads are signed.

    Args:
        signer: for the endpoint that those outside use.
        remember: keeps in mind that something may be put there.
        sse: encryption at rest, "AES256" or none.
        tag: of objects that the bucket itself may remove after a day, "" for none.
    """

    signer: Signer
    remember: Callable[[PutUrl], Awaitable[None]]
    sse: str
    tag: str


async def sign_put(signing: Signing, request: SignPut) -> SignedPut:
    """Where the bytes of an upload may go, with exactly these headers.

    Raises:
        RpcFailed: `unsupported_content_type`, `size_required`, `upload_too_large`, `invalid_sha256`.
    """
    if media_types.canonical(request.content_type) not in media_types.PICTURES:
        raise RpcFailed("unsupported_content_type", "Only JPEG, PNG and WebP pictures can be uploaded.")
    if request.size is None:
        raise RpcFailed("size_required", "A URL takes exactly as many bytes as were named.")
    if request.size > domain.MAX_UPLOAD_BYTES:
        raise RpcFailed("upload_too_large", "A picture may have at most 10 MB.")
    if request.sha256 is not None and not domain.is_sha256(request.sha256):
        raise RpcFailed("invalid_sha256", "A SHA-256 digest has 64 hexadecimal digits.")
    key = upload_key(request.tenant_id, request.upload_id)
    # The client's own spelling: it is what the client's HTTP library may send by itself.
    headers = put_headers(request.content_type.strip(), size=request.size, sha256_hex=request.sha256, sse=signing.sse)
    headers |= {TAGGING: signing.tag} if signing.tag else {}
    url, headers = signing.signer.put_url(key, headers, domain.PUT_EXPIRES_S)
    await signing.remember(PutUrl(request.upload_id, request.tenant_id, request.size))
    return SignedPut(url=url, headers=headers, key=key, expires_in=domain.PUT_EXPIRES_S)


async def sign_get(signer: Signer, request: SignGet) -> SignedGets:
    """Where the tenant's results can be read.

    Raises:
        RpcFailed: `not_found`, if one of the keys is not that of a result of this tenant.
    """
    tenant = request.tenant_id
    if not all(belongs_to(key, tenant) and domain.is_usable_result(tenant, key) for key in request.keys):
        raise RpcFailed("not_found", "There is no such result.")
    urls = tuple(signer.get_url(key, domain.GET_EXPIRES_S, _READABLE_BY_ITS_READER_ONLY) for key in request.keys)
    return SignedGets(urls=urls, expires_in=domain.GET_EXPIRES_S)
