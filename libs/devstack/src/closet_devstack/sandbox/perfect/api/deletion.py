"""Delete a finished task and its files."""

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import body
from closet_devstack.sandbox.perfect.errors import Refused, invalid
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.world import World


def add_routes(app: web.Application, world: World) -> None:
    app.router.add_post("/s2s/v2.0/task/delete", guarded(world, "delete", _delete(world)))


def _delete(world: World) -> Call:
    async def delete(request: web.Request, occasion: Occasion) -> web.Response:
        task_id = (await body(request)).get("task_id")
        if task_id is None:
            raise invalid("task_id is missing")
        task = world.find(str(task_id), occasion.key)
        if task is None:
            raise Refused(400, "InvalidTaskId")
        if task.status == "running":
            raise Refused(400, "OperationInvalid", "The task has not finished")
        world.delete(task)
        return answer({"status": 200})

    return delete
